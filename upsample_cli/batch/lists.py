"""Read and write lists of file names: one per line, or NUL-separated as by ``find -print0``."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import InputError, OutputError
from ..runtime.destination import Destination, descriptor_of
from ..runtime.signals import before_forced_end
from ..text import format_bytes
from .inputs import BASE_MARK, SUFFIXES

if TYPE_CHECKING:
    from .result import Result

_LONGEST_LIST = 256 << 20  # bytes; a larger "list" is probably an endless device
_WRITER_SECONDS = 2.0  # time for another process to open a pipe for writing


def read_list(name: str) -> list[str]:
    """Read the file names in the list `name`, or in standard input for ``-``.

    Raises:
        InputError: the list cannot be read, is too long, or is a pipe that no process writes to.
    """
    try:
        data = sys.stdin.buffer.read(_LONGEST_LIST + 1) if name == "-" else _read(Path(name))
    except (OSError, AttributeError) as error:  # AttributeError: sys.stdin is None
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise InputError(f"--files-from: cannot be read: {reason}", Path(name)) from error
    if len(data) > _LONGEST_LIST:
        raise InputError(f"--files-from: the list is longer than {format_bytes(_LONGEST_LIST)}", Path(name))
    return [os.fsdecode(part) for part in data.split(b"\0" if b"\0" in data else b"\n") if part]


def _read(path: Path) -> bytes:
    """The content of a file, or of a pipe that a process writes to.

    Raises:
        OSError: it cannot be read, or no process writes to the pipe.
    """
    descriptor = descriptor_of(path)
    if not stat.S_ISFIFO(path.stat().st_mode):
        with path.open("rb") as file:
            return file.read(_LONGEST_LIST + 1)
    if descriptor in (1, 2):
        raise OSError(errno.EINVAL, "this command writes to it")
    if descriptor is None:
        return _read_pipe(path)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(_LONGEST_LIST + 1)


def _read_pipe(path: Path) -> bytes:
    """The content of a named pipe, which a process must open for writing within `_WRITER_SECONDS`."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        poll = select.poll()
        poll.register(file, select.POLLIN)
        start: bytes | None = None
        if not poll.poll(_WRITER_SECONDS * 1000) and (start := file.raw.read(1)) == b"":
            raise OSError(errno.ENXIO, "no process writes to it")
        os.set_blocking(file.fileno(), True)
        return (start or b"") + file.read(_LONGEST_LIST + 1)


def listed_name(path: Path, subdir: str) -> str:
    """The name of an input in a list, which marks the directory that was searched: ``photos/./a/b.png``.

    Args:
        path: the input.
        subdir: its directory, relative to the searched directory.
    """
    folder = str(path.parent)
    if folder != subdir and not folder.endswith(os.sep + subdir) and subdir:
        return str(path)  # beside the searched directory
    root = folder[: len(folder) - len(subdir)].rstrip(os.sep) or ("." if not folder.startswith(os.sep) else "")
    return str(path) if root == "." and not subdir else root + BASE_MARK + os.path.join(subdir, path.name)  # noqa: PTH118


class FailedList:
    """Writes the list of inputs that failed or were not reached, in the order of the inputs."""

    def __init__(self, name: str, inputs: Iterable[str], overwrite: bool = False) -> None:
        """Prepare to write the list `name` of some of the `inputs`, which are written as they are given.

        It replaces an earlier list of such inputs, or any file if `overwrite`. Pipes and devices are written to.
        """
        self._path = Path(name)
        self._overwrite = overwrite
        self._remaining = {number: os.fsencode(path) for number, path in enumerate(inputs)}

    def add(self, result: Result) -> None:
        """Remove the input of `result` from the list, unless it failed."""
        if result.status != "failed":
            del self._remaining[result.number]

    def __enter__(self) -> Self:
        """Check that the list can be written, before any output is.

        Raises:
            OutputError: it cannot, or its name is that of an image, for example because the shell expanded a pattern.
        """
        if self._path.name.lower().endswith(SUFFIXES):
            raise OutputError("--failed-to: has an image suffix; give the name of a text file", self._path)
        if self._path.is_dir() or not self._path.parent.is_dir():
            problem = "is a directory" if self._path.is_dir() else "its directory does not exist"
            raise OutputError(f"--failed-to: {problem}", self._path)
        try:
            self._destination = Destination(self._path)
            if not (self._destination.is_stream or self._overwrite or self._is_list()):
                raise OutputError(
                    "--failed-to: exists and is not a list of these inputs; remove it, or choose another name",
                    self._path,
                )
            self._destination.__enter__()
            if not self._destination.is_stream:  # whose reader may be stuck
                before_forced_end.append(self._write)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            raise self._write_error(error) from error
        return self

    def _is_list(self) -> bool:
        """Whether the file does not exist, or each of its lines names one of the inputs."""
        if not self._path.exists():
            return True
        inputs = {os.path.normpath(name) for name in self._remaining.values()}
        return all(os.path.normpath(os.fsencode(name)) in inputs for name in read_list(str(self._path)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the list, also if the batch was interrupted."""
        with suppress(ValueError):
            before_forced_end.remove(self._write)
        try:
            with self._destination:
                self._write()
        except OSError as failure:
            raise self._write_error(failure) from failure

    def _write(self) -> None:
        names = dict.fromkeys(self._remaining.values())
        end = b"\0" if any(b"\n" in name for name in names) else b"\n"
        self._destination.write(name + end for name in names)

    def _write_error(self, error: Exception) -> OutputError:
        return OutputError(f"--failed-to: cannot be written: {getattr(error, 'strerror', None) or error}", self._path)
