"""Writes volumes from encoded headers and slabs of samples."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ..base import Array, Header, WriteOptions

_PAIR = (".hdr", ".img")
_COMPRESSED = (".gz", ".mgz")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A volume without its samples.

    Attributes:
        dtype: of the samples in the file, byte order included.
        order: the axes of the array by number, in the order of the file, slowest first.
        head: bytes before the samples in their file.
        tail: bytes after them.
        header: the content of the header file of a pair.
        warnings: parts of the input that the file cannot hold.
    """

    dtype: np.dtype[Any]
    order: tuple[int, ...]
    head: bytes = b""
    tail: bytes = b""
    header: bytes | None = None
    warnings: tuple[str, ...] = ()


class VolumeSink:
    """A volume to be written; see `Sink`. The header of a pair is written first."""

    pyramids = False

    def __init__(self, path: Path, header: Header, volume: Encoded, options: WriteOptions) -> None:
        self._volume = volume
        self._shape = header.grid.shape
        self._level = options.compress_level
        self.warnings = list(volume.warnings)
        self.compresses = path.name.lower().endswith(_COMPRESSED)
        long = [number for number in volume.order if self._shape[number] > 1]
        self._in_order = long == sorted(long)
        self.streams = self._in_order or not self.compresses
        held = 0.0 if self.streams else 1.0
        if self.compresses:
            from . import parallel_gzip

            size = math.prod(self._shape) * volume.dtype.itemsize
            held += min(1.0, parallel_gzip.memory(size) / size)
        self.memory_factor = held

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Write the volume; see `Sink`."""
        slabs = next(iter(arrays))  # exactly one
        if self._volume.header is not None:
            with paths[1].open("wb") as file:
                self._put(file, [memoryview(self._volume.header)])
        with paths[0].open("wb") as file:
            if self._in_order or self.compresses:
                self._put(file, self._pieces(slabs))
            else:
                file.write(self._volume.head)
                self._place(slabs, self._map(file, paths[0]))
                file.seek(0, os.SEEK_END)
                file.write(self._volume.tail)

    def _pieces(self, slabs: Iterable[Array]) -> Iterator[memoryview]:
        yield memoryview(self._volume.head)
        if self._in_order:
            for slab in slabs:
                yield _bytes_of(np.ascontiguousarray(slab, self._volume.dtype))
        else:
            array = np.empty(self._file_shape, self._volume.dtype)
            self._place(slabs, array)
            yield _bytes_of(array)
        yield memoryview(self._volume.tail)

    def _put(self, file: BinaryIO, pieces: Iterable[memoryview]) -> None:
        if self.compresses:
            from . import parallel_gzip

            size = math.prod(self._shape) * self._volume.dtype.itemsize
            parallel_gzip.write(file, pieces, parallel_gzip.default_level(size) if self._level is None else self._level)
        else:
            for piece in pieces:
                file.write(piece)

    @property
    def _file_shape(self) -> tuple[int, ...]:
        return tuple(self._shape[number] for number in self._volume.order)

    def _map(self, file: BinaryIO, path: Path) -> Array:
        head, shape = len(self._volume.head), self._file_shape
        if hasattr(os, "posix_fallocate"):  # a full disk raises here; later it would kill the process
            file.flush()
            os.posix_fallocate(file.fileno(), 0, head + math.prod(shape) * self._volume.dtype.itemsize)
        return np.memmap(path, self._volume.dtype, "r+", head, shape)

    def _place(self, slabs: Iterable[Array], array: Array) -> None:
        """Write the slabs into an array whose axes are in the order of the file."""
        view = array.transpose(np.argsort(self._volume.order))
        start = 0
        for slab in slabs:
            place(view, start, slab.reshape(-1))
            start += slab.size


def _bytes_of(array: Array) -> memoryview:
    return memoryview(cast(Any, array.reshape(-1).view(np.uint8)))


def is_pair(path: Path) -> bool:
    """Whether the name is that of a file for the header and one for the samples."""
    return path.name.lower().removesuffix(".gz").endswith(_PAIR)


def place(array: Array, start: int, samples: Array) -> None:
    """Write `samples` to an array in C order, from its sample number `start` on, whatever its order in memory."""
    if array.ndim == 1:
        array[start : start + samples.size] = samples
        return
    row = math.prod(array.shape[1:])
    stop = start + samples.size
    for number in range(start // row, -(-stop // row)):
        first, last = max(start, number * row), min(stop, (number + 1) * row)
        part = samples[first - start : last - start]
        if part.size == row:
            array[number] = part.reshape(array.shape[1:])
        else:
            place(array[number], first - number * row, part)
