"""Lists of names of files: one in each line or, for any names at all, a NUL behind each, as ``find -print0`` has it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import InputError, OutputError

if TYPE_CHECKING:
    from .result import Result


def read_list(name: str) -> list[str]:
    """The names in the list that is called `name`, or ``-`` for the standard input.

    Raises:
        InputError: it cannot be read.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (OSError, AttributeError) as error:  # the latter where there is no standard input
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise InputError(f"--files-from: cannot be read: {reason}", Path(name)) from error
    return [os.fsdecode(part) for part in data.split(b"\0" if b"\0" in data else b"\n") if part]


class FailedList:
    """A list of the inputs that are left in the end, in their order: that have failed, or were never reached."""

    def __init__(self, name: str, inputs: Iterable[Path], overwrite: bool = False) -> None:
        """Prepare to write a list called `name`, in place of the last one, or where `overwrite` of any file."""
        self._path = Path(name)
        self._overwrite = overwrite
        self._left = {number: os.fsencode(path) for number, path in enumerate(inputs)}

    def add(self, result: Result) -> None:
        """Take `result` into account."""
        if result.status != "failed":
            del self._left[result.number]

    def __enter__(self) -> Self:
        """Make sure that there is a place for it, before the first file is touched.

        Raises:
            OutputError: there is none, or a picture is there, as where a pattern has taken the place of the name.
        """
        from .inputs import SUFFIXES

        if self._path.name.lower().endswith(SUFFIXES):
            raise OutputError("--failed-to: is called like a picture; give the name of a list", self._path)
        if self._path.is_dir() or not self._path.parent.is_dir():
            raise OutputError("--failed-to: there is no place for a file of this name", self._path)
        if self._path.exists() and not self._overwrite:
            names = read_list(str(self._path))
            if names and not os.path.lexists(names[0]):
                raise OutputError("--failed-to: exists and is no list of files; --overwrite replaces it", self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the list, even of a batch that has been interrupted."""
        from ..runtime.atomic import AtomicOutput, resolve_link

        names = self._left.values()
        end = b"\0" if any(b"\n" in name for name in names) else b"\n"
        try:
            with AtomicOutput([resolve_link(self._path)]) as output:
                output.paths[0].write_bytes(b"".join(name + end for name in names))
                output.publish(overwrite=True)
        except OSError as failure:
            raise OutputError(f"--failed-to: cannot be written: {failure.strerror}", self._path) from failure
