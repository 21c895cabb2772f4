"""Arrays that are stored uncompressed in a file and read in parts.

They are not memory-mapped: if another process truncated the file, access to the map would kill this process.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..errors import InputError
from .base import Array, Box

_BLOCK_BYTES = 1 << 20  # largest read of which only some samples are used
_MAX_READ_BYTES = 1 << 30  # per system call; Linux reads at most 2 GiB


class FileArray:
    """An array in a file; several threads can read parts of it at once. The file is opened at the first read.

    Attributes:
        shape: of the array.
        dtype: of its samples, byte order included.
        fortran: whether the first axis varies fastest in the file.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], fortran: bool = False
    ) -> None:
        """Describe an array that begins at byte `offset`, whose first axis varies fastest if `fortran`."""
        self.shape, self.dtype, self.fortran = shape, dtype, fortran
        self._path, self._offset = path, offset
        self._stored_shape = shape[::-1] if fortran else shape
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def rows(self, row_shape: tuple[int, ...], start: int, stop: int) -> Array:
        """Rows ``start:stop`` of a C-ordered array that is viewed as a sequence of rows of shape `row_shape`.

        Raises:
            InputError: the file cannot be read, or was truncated.
        """
        row = math.prod(row_shape)
        rows: Array = np.empty((stop - start, *row_shape), self.dtype)
        self._read_into(rows, start * row)
        self._read_ahead(stop * row, rows.nbytes)
        return rows

    def box(self, box: Box) -> Array:
        """The samples of a box.

        Raises:
            InputError: the file cannot be read, or was truncated.
        """
        stored = tuple(box)[::-1] if self.fortran else tuple(box)
        samples: Array = np.empty([len(part) for part in stored], self.dtype)
        self._fill(samples, stored, 0)
        return samples.T if self.fortran else samples

    def _fill(self, samples: Array, box: Sequence[range], first: int) -> None:
        """Read a box over the last axes of the stored array, within the part that begins at sample number `first`."""
        shape = self._stored_shape[len(self._stored_shape) - len(box) :]
        row = math.prod(shape[1:])
        wanted, inner = box[0], box[1:]
        if all(len(part) == size for part, size in zip(inner, shape[1:], strict=True)):
            self._read_into(samples, first + wanted.start * row)
        elif row * self.dtype.itemsize > _BLOCK_BYTES:
            for number in wanted:
                self._fill(samples[number - wanted.start], inner, first + number * row)
        else:
            rows_per_block = _BLOCK_BYTES // (row * self.dtype.itemsize)
            for number in range(wanted.start, wanted.stop, rows_per_block):
                block: Array = np.empty((min(rows_per_block, wanted.stop - number), *shape[1:]), self.dtype)
                self._read_into(block, first + number * row)
                cut = block[(slice(None), *(slice(part.start, part.stop) for part in inner))]
                samples[number - wanted.start : number - wanted.start + len(block)] = cut

    def _read_into(self, samples: Array, first: int) -> None:
        """Fill a contiguous array with the samples of the file, beginning at sample number `first`."""
        target = memoryview(cast(Any, samples.reshape(-1).view(np.uint8)))
        position, done = self._offset + first * self.dtype.itemsize, 0
        try:
            descriptor = self._open()
            while done < len(target):
                got = self._read_part(descriptor, target[done : done + _MAX_READ_BYTES], position + done)
                if not got:
                    end = position + done
                    raise InputError(f"was truncated while it was read: it now ends at byte {end:,}", self._path)
                done += got
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror or error}", self._path) from error

    def _read_part(self, descriptor: int, target: memoryview, position: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(descriptor, [target], position)
        with self._lock:  # Windows
            os.lseek(descriptor, position, os.SEEK_SET)
            data = os.read(descriptor, len(target))
        target[: len(data)] = data
        return len(data)

    def _read_ahead(self, first: int, size: int) -> None:
        """Ask the system to prefetch the samples that will probably be read next."""
        if hasattr(os, "posix_fadvise") and self._descriptor is not None:
            position = self._offset + first * self.dtype.itemsize
            os.posix_fadvise(self._descriptor, position, size, os.POSIX_FADV_WILLNEED)

    def _open(self) -> int:
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            return self._descriptor

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def __del__(self) -> None:
        self.close()
