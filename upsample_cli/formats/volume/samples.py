"""The samples of a volume: one block of numbers in a file, mapped into memory where it is not compressed."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import numpy as np

from ...errors import InputError
from ...geometry import Grid
from ..base import Array, Header, Source, merged
from ..mapped import Mapped

READ_ERRORS = (OSError, EOFError, zlib.error)
_START = 540  # bytes, the longest header
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_FARTHEST = 1e30
_DEFLATE_LIMIT = 1032  # no byte of a gzip stream stands for more


@dataclass(frozen=True, slots=True)
class Block:
    """Where the samples of a volume lie.

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
        """The offset of what follows the samples."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


class VolumeSource:
    """A volume that is open for reading; see `Source`."""

    others: Sequence[Source] = ()

    def __init__(self, path: Path, header: Header, block: Block, warnings: Sequence[str] = ()) -> None:
        _refuse_nowhere(header.grid, path)
        self._path, self._block = path, block
        self.header = header
        self.warnings = list(warnings)
        self._compressed = is_compressed(block.path)
        self.copies = 1.0 if self._compressed else 0.0
        self._mapped: Mapped | None = None
        self._array: Array | None = None

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        if not self._compressed:
            if self._mapped is None:
                self._mapped = Mapped(self._block.path, self._block.dtype, self._block.offset, self._block.shape)
            return self._mapped.rows(self._block.shape[axis + 1 :], start, stop)
        if self._array is None:
            self._array = self._decompress()
        return merged(self._array, axis)[start:stop]

    def _decompress(self) -> Array:
        """All samples; the file is read to its end, where its checksum is."""
        array = np.empty(self._block.shape, self._block.dtype)
        target = memoryview(cast(Any, array.reshape(-1).view(np.uint8)))
        try:
            with open_plain(self._block.path) as file:
                file.seek(self._block.offset)
                done = 0
                while got := file.readinto(target[done : done + _CHUNK]):  # type: ignore[attr-defined]
                    done += got
                skip(file)
        except READ_ERRORS as error:
            raise InputError(f"cannot be read to its end: {error}", self._path) from error
        if done < len(target):
            raise truncated(self._block.offset + done, self._block, self._path)
        return array

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._array = self._mapped = None


def is_compressed(path: Path) -> bool:
    """Whether the file is a gzip stream, whatever its name says."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


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
            return stream.read(_START)
    except READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"is not a readable volume: {file.name}: {reason}", path) from error


def skip(file: BinaryIO) -> int:
    """Read to the end; gives the number of bytes."""
    return sum(len(chunk) for chunk in iter(lambda: file.read(_CHUNK), b""))


def refuse_impossible(block: Block, path: Path) -> None:
    """Refuse what cannot be there, before memory is asked for.

    Raises:
        InputError: the header promises more samples than the file can hold, or none.
    """
    if not block.shape or min(block.shape) < 1:
        raise InputError(f"has the impossible size {'×'.join(map(str, block.shape[::-1]))}", path)
    try:
        found = block.path.stat().st_size
        limit = found * _DEFLATE_LIMIT if is_compressed(block.path) else found
    except OSError as error:
        raise InputError(f"is not a readable volume: {block.path.name}: {error.strerror}", path) from error
    if limit < block.end:
        raise truncated(found, block, path)


def _refuse_nowhere(grid: Grid, path: Path) -> None:
    """Refuse positions that no header can hold once they have moved."""
    for name, affine in grid.affines.items():
        if not (np.abs(affine) < _FARTHEST).all():
            raise InputError(f"is damaged: its affine ({name}) leads nowhere", path)
    for axis in grid.axes:
        if max(axis.spacing or 0, abs(axis.origin)) > _FARTHEST:
            raise InputError(f"is damaged: the spacing of its axis {axis.name} is {axis.spacing:g}", path)


def truncated(found: int, block: Block, path: Path) -> InputError:
    """The refusal of a file of which there are only `found` bytes."""
    return InputError(f"is truncated: {found:,} bytes where its header promises {block.end:,}", path)
