"""Reads the samples of a volume in parts, or as a stream if they are compressed."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ...errors import InputError, reason
from ...geometry import Grid
from ..base import Array, Closeable, Header, Source
from ..file_array import FileArray
from ..registry import GZIP_MAGIC, HEADER_BYTES

MAX_REST_BYTES = 32 << 20  # of data in a file besides its header and its samples
READ_ERRORS = (OSError, EOFError, zlib.error)
_CHUNK_BYTES = 1 << 20
_MAX_POSITION = 1e30
_MAX_DEFLATE_RATIO = 1032  # bytes of content per byte of a gzip stream


@dataclass(frozen=True, slots=True)
class Block:
    """Location and layout of the samples of a volume.

    Attributes:
        path: of the file.
        shape: of the array, slowest axis first.
        dtype: as they are stored, byte order included.
        offset: of the first byte in the file, once that is decompressed.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def end(self) -> int:
        """The offset of the first byte after the samples."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


class VolumeSource(Closeable):
    """A volume that is open for reading; see `Source`."""

    others: Sequence[Source] = ()
    memory_factor = 0.0
    streams = True

    def __init__(self, path: Path, header: Header, block: Block, warnings: Sequence[str] = ()) -> None:
        _reject_implausible_grid(header.grid, path)
        self._path, self._block = path, block
        self.header = header
        self.warnings = list(warnings)
        self._compressed = is_compressed(block.path)
        self._array = FileArray(block.path, block.dtype, block.offset, block.shape)
        self._stream: _Stream | None = None

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        if not self._compressed:
            return self._array.rows(self._block.shape[axis + 1 :], start, stop)
        if self._stream is None:
            self._stream = _Stream(self._block, self._path)
        return self._stream.rows(self._block.shape[axis + 1 :], start, stop)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._array.close()


class _Stream:
    """The samples of a compressed file, decompressed on demand; the file is never in memory as a whole."""

    def __init__(self, block: Block, path: Path) -> None:
        self._block, self._path = block, path
        self._rewind()

    def _rewind(self) -> None:
        from . import parallel_gzip  # slow import, not needed for uncompressed files

        self._file = parallel_gzip.open_stream(self._block.path)
        self._held: Array = np.empty(0, np.uint8)  # bytes of the last range
        self._begin = 0
        self._forward(self._block.offset)

    def rows(self, row_shape: tuple[int, ...], start: int, stop: int) -> Array:
        """Rows ``start:stop`` of the array, viewed as a sequence of rows of this shape."""
        size = math.prod(row_shape) * self._block.dtype.itemsize
        begin, end = start * size, stop * size
        if begin < self._begin:  # a new pass starts
            self.close()
            self._rewind()
        wanted = np.empty(end - begin, np.uint8)
        overlap = self._held[begin - self._begin : end - self._begin]
        wanted[: overlap.size] = overlap
        position = self._begin + self._held.size
        self._forward(max(0, begin - position))
        self._fill(wanted[overlap.size :], max(begin, position))
        if end > position:
            self._held, self._begin = wanted, begin
        if end == self._block.end - self._block.offset:
            self._forward(None)  # read to the end to verify the checksum
        return wanted.view(self._block.dtype).reshape(-1, *row_shape)

    def _fill(self, target: Array, position: int) -> None:
        view, done = memoryview(cast(Any, target)), 0
        while done < target.size:
            got = self._read_into(view[done : done + _CHUNK_BYTES])
            if not got:
                raise truncated(self._block.offset + position + done, self._block, self._path)
            done += got

    def _forward(self, count: int | None) -> None:
        """Skip `count` bytes, or all that remain."""
        unwanted = memoryview(bytearray(_CHUNK_BYTES))
        while count is None or count > 0:
            got = self._read_into(unwanted if count is None else unwanted[: min(count, _CHUNK_BYTES)])
            if not got:
                return
            count = None if count is None else count - got

    def _read_into(self, target: memoryview) -> int:
        try:
            return int(self._file.readinto(target))  # type: ignore[attr-defined]
        except MemoryError:
            raise
        except Exception as error:  # ISA-L has its own exception types
            raise InputError(f"cannot be read to its end: {reason(error)}", self._path) from error

    def close(self) -> None:
        self._file.close()


def is_compressed(path: Path) -> bool:
    """Whether the content of the file is a gzip stream."""
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if it is compressed."""
    return cast(BinaryIO, gzip.open(path) if is_compressed(path) else path.open("rb"))


def read_start(file: Path, path: Path) -> bytes:
    """The first bytes of `file`, which is a part of `path`.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open_plain(file) as stream:
            return stream.read(HEADER_BYTES)
    except READ_ERRORS as error:
        raise InputError(f"is not a readable volume: {file.name}: {reason(error)}", path) from error


def skip(file: BinaryIO) -> int:
    """Move to the end of the file and return the number of skipped bytes."""
    if not isinstance(file, gzip.GzipFile):
        start = file.tell()
        return file.seek(0, os.SEEK_END) - start
    return sum(len(chunk) for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))


def reject_impossible_size(block: Block, path: Path) -> None:
    """Reject impossible sizes before memory is allocated.

    Raises:
        InputError: the header promises more samples than the file can hold, or none.
    """
    if not block.shape or min(block.shape) < 1:
        raise InputError(f"has the impossible size {'×'.join(map(str, block.shape[::-1]))}", path)
    try:
        found = block.path.stat().st_size
        limit = found * _MAX_DEFLATE_RATIO if is_compressed(block.path) else found
    except OSError as error:
        raise InputError(f"is not a readable volume: {block.path.name}: {error.strerror}", path) from error
    if limit < block.end:
        raise truncated(found, block, path)


def _reject_implausible_grid(grid: Grid, path: Path) -> None:
    """Reject positions that are not finite, or too large for a header."""
    for name, affine in grid.affines.items():
        if not (np.abs(affine) < _MAX_POSITION).all():
            raise InputError(f"is damaged: its affine ({name}) has values that are too large or not finite", path)
    for axis in grid.axes:
        if max(axis.spacing or 0, abs(axis.origin)) > _MAX_POSITION:
            raise InputError(f"is damaged: the spacing of its axis {axis.name} is {axis.spacing:g}", path)


def truncated(found: int, block: Block, path: Path) -> InputError:
    """The error for a file that has only `found` bytes."""
    return InputError(f"is truncated: {found:,} bytes where its header promises {block.end:,}", path)
