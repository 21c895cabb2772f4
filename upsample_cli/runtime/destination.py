"""Files that the command writes in addition to its outputs, such as a report.

Only a regular file is replaced, in one step. A pipe, a terminal or ``/dev/null`` is written to, as by ``tee``.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from .atomic import AtomicOutput, remove_stale, resolve_link

_DESCRIPTOR_FOLDERS = ("/dev/fd", f"/proc/{os.getpid()}/fd")  # their entries are open files
_NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_MOST_LINKS = 40  # links to follow before assuming a loop, as Linux does
_READER_SECONDS = 2.0  # time for the process that reads from a pipe to start


class Destination:
    """A file to be written at the end of a batch.

    Attributes:
        path: the file, with links followed.
        is_stream: whether it is written to rather than replaced.
    """

    def __init__(self, path: Path) -> None:
        """Look `path` up.

        Raises:
            OSError: the symbolic links form a loop.
        """
        self._descriptor = descriptor_of(path)
        self.is_stream = self._descriptor is not None or _is_special(path)
        self.path = path if self.is_stream else resolve_link(path)
        self._existed = self.path.exists()
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Open the stream or create the temporary file, so that errors appear before the work begins.

        Raises:
            OSError: it cannot be opened, or no process reads from the pipe.
        """
        if self.is_stream:
            opened = _open_special(self.path) if self._descriptor is None else os.dup(self._descriptor)
            self._stream = self._resources.enter_context(os.fdopen(opened, "wb"))
        else:
            remove_stale(self.path.parent)
            self._output = self._resources.enter_context(AtomicOutput([self.path]))
        return self

    def write(self, pieces: Iterable[bytes]) -> None:
        """Write the whole content. A regular file is replaced only if it already existed at the beginning.

        Raises:
            OSError: it cannot be written.
        """
        if self.is_stream:
            self._stream.writelines(pieces)
            self._stream.flush()
            return
        with self._output.paths[0].open("wb") as file:
            file.writelines(pieces)
        self._output.publish(self._existed)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream, or remove a temporary file that has not been published."""
        self._resources.close()


def descriptor_of(path: Path) -> int | None:
    """The file descriptor of this process that `path` names, as ``/dev/stdout`` does; None if it names none.

    A regular file that standard output or standard error is redirected to counts as well.
    """
    try:
        status = path.stat()
        for _ in range(_MOST_LINKS):
            if path.name.isdecimal() and os.path.realpath(path.parent) in _DESCRIPTOR_FOLDERS:
                return int(path.name)
            if not path.is_symlink():
                break
            path = path.parent / path.readlink()
        return next((n for n in (1, 2) if stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.fstat(n))), None)
    except OSError:  # it does not exist, or the stream is closed
        return None


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _open_special(path: Path) -> int:
    """Open a pipe or a device for writing. A pipe's reader has `_READER_SECONDS` to open it."""
    if stat.S_ISBLK(path.stat().st_mode):
        raise OSError(errno.ENOTSUP, "it is a block device")
    deadline = time.monotonic() + _READER_SECONDS
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | _NO_WAITING)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                raise OSError(errno.ENXIO, "no process reads from it") from error
        time.sleep(0.01)
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(descriptor, True)
    return descriptor
