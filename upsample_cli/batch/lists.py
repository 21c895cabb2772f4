"""Read and write lists of file names: one per line, or NUL-separated as by ``find -print0``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import InputError, OutputError
from .inputs import BASE_MARK, SUFFIXES

if TYPE_CHECKING:
    from .result import Result


def read_list(name: str) -> list[str]:
    """Read the file names in the list `name`, or in standard input for ``-``.

    Raises:
        InputError: the list cannot be read.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (OSError, AttributeError) as error:  # AttributeError: sys.stdin is None
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise InputError(f"--files-from: cannot be read: {reason}", Path(name)) from error
    return [os.fsdecode(part) for part in data.split(b"\0" if b"\0" in data else b"\n") if part]


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

        It replaces an earlier list, or any file if `overwrite`.
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
        if self._path.exists() and not self._overwrite:
            names = read_list(str(self._path))
            if names and not os.path.lexists(names[0]):
                raise OutputError("--failed-to: exists and is not a list of files; --overwrite replaces it", self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the list, also if the batch was interrupted."""
        from ..runtime.atomic import AtomicOutput, resolve_link

        names = dict.fromkeys(self._remaining.values())
        end = b"\0" if any(b"\n" in name for name in names) else b"\n"
        try:
            with AtomicOutput([resolve_link(self._path)]) as output:
                output.paths[0].write_bytes(b"".join(name + end for name in names))
                output.publish(overwrite=True)
        except OSError as failure:
            raise OutputError(f"--failed-to: cannot be written: {failure.strerror}", self._path) from failure
