"""A truncated file that reads as if zeros followed."""

from __future__ import annotations

from typing import BinaryIO


class Padded:
    """Wraps a file opened for reading; a read of a given size is always satisfied."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seek(self, position: int) -> int:
        """Move to an absolute position."""
        return self._file.seek(position)

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or all that are left."""
        data = self._file.read(size)
        return data if size < 0 else data.ljust(size, b"\0")
