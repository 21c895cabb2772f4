"""File wrappers: one pads a truncated file with zeros, one limits how many bytes are read."""

from __future__ import annotations

from typing import BinaryIO

from ...text import format_bytes

_MAX_METADATA_BYTES = 64 << 20


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


class LimitedReader:
    """Wraps a file opened for reading, and limits the total size of its metadata to 64 MiB."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MAX_METADATA_BYTES

    def seek(self, position: int, whence: int = 0) -> int:
        """Move the position; see `BinaryIO`."""
        return self._file.seek(position, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or all that are left.

        Raises:
            ValueError: the limit is exceeded.
        """
        data = self._file.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"its metadata is larger than {format_bytes(_MAX_METADATA_BYTES)}")
        return data
