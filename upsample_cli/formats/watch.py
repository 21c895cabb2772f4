"""Detects inputs that other programs change during reading, because the output would mix old and new samples."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from ..runtime.urls import is_url
from . import identity, is_directory_file, parts
from .base import Closeable

_REMEDY = "so its output is discarded; try again when no other program is writing to it"


class InputWatch(Closeable):
    """Keeps the files of an input open, and compares their sizes and modification times before and after reading."""

    def __init__(self, path: Path) -> None:
        """Watch a file, both files of a pair, or a directory that stores one image; URLs are not watched."""
        self._path = path
        self._files: list[tuple[Path, int, os.stat_result]] = []
        self._keys: list[str] | None = None
        if is_url(str(path)):
            return
        for part in parts(self._path):
            with suppress(OSError):  # the reader reports the error
                if stat.S_ISREG(part.stat().st_mode):
                    descriptor = os.open(part, os.O_RDONLY)
                    self._files.append((part, descriptor, os.fstat(descriptor)))
        if not self._files and is_directory_file(self._path):
            self._keys = list(identity(self._path))

    def check(self) -> None:
        """Compare the input with its state at the beginning.

        Raises:
            InputError: it was changed or replaced. A removed file is accepted, because the open file is unchanged.
        """
        for path, descriptor, before in self._files:
            now = os.fstat(descriptor)
            if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise InputError(f"was changed while it was read, {_REMEDY}", path)
            with suppress(FileNotFoundError):
                if not os.path.samestat(path.stat(), before):
                    raise InputError(f"was replaced while it was read, {_REMEDY}", path)
        if self._keys is not None and list(identity(self._path)) != self._keys:
            raise InputError(f"was changed while it was read, {_REMEDY}", self._path)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.pop()[1])
