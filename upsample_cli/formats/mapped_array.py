"""Memory-mapped arrays whose pages are released after use."""

from __future__ import annotations

import mmap
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from .base import Array

_IN_USE = 4  # most recent ranges kept: some are queued, one is being processed


class Mapped:
    """A memory-mapped array; only the ranges in use count as memory of this process.

    Attributes:
        array: the whole array; pages are read on access.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> None:
        """Map an array of `dtype` and `shape` that begins at `offset`.

        Raises:
            OSError: the file cannot be mapped.
        """
        self.array: Array = np.memmap(path, dtype, "r", offset, shape)
        self._map: mmap.mmap | None = getattr(self.array, "_mmap", None)
        self._slack = offset % mmap.ALLOCATIONGRANULARITY
        self._starts: deque[int] = deque(maxlen=_IN_USE)
        self._released = 0

    def rows(self, row_shape: tuple[int, ...], start: int, stop: int) -> Array:
        """Rows ``start:stop`` of the array viewed as rows of this shape; start positions never decrease."""
        rows = self.array.reshape(-1, *row_shape)
        size = int(rows[:1].nbytes)
        self._advise(start * size, stop * size)
        return rows[start:stop]

    def _advise(self, start: int, stop: int) -> None:
        """Request read-ahead of these bytes, and release the pages before the ranges in use."""
        if self._map is None or not hasattr(mmap, "MADV_WILLNEED"):
            return
        self._starts.append(start)
        if self._starts[0] < self._released:  # a new pass starts
            self._released = 0
        begin, end = self._page(self._released), self._page(self._starts[0])
        if end > begin:
            self._map.madvise(mmap.MADV_DONTNEED, begin, end - begin)
            self._released = self._starts[0]
        begin = self._page(start)
        self._map.madvise(mmap.MADV_WILLNEED, begin, min(self._slack + stop, len(self._map)) - begin)

    def _page(self, offset: int) -> int:
        return (self._slack + offset) // mmap.PAGESIZE * mmap.PAGESIZE
