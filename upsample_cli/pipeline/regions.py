"""The regions of one output array: boxes of whole shards, and an order in which the input is read nearly once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ..core.axis_plan import weight_bytes
from ..core.resample import TILE_BYTES
from ..formats.base import Box
from .array_plan import ArrayPlan

_REGION_BYTES = 4 << 20  # of output: shards that are smaller are joined, so that few calls do the work
_PLANE_BYTES = 32 << 20  # of decoded input chunks that the regions of one plane of a column read
_COPIES = 3  # of a region's samples that exist while it is encoded


@dataclass(frozen=True)
class RegionGrid:
    """How an array is cut into regions.

    The regions lie in columns along the slowest resampled axis. A column is so narrow that the input chunks that one of
    its planes reads stay in memory until the next plane has read them too.

    Attributes:
        plan: of the array.
        shape: of a region; those at the end of an axis may be smaller.
        counts: the number of regions along each axis.
        column: regions in a column along each axis.
        reads_rows: whether the input is read row by row, so that a region covers whole rows.
    """

    plan: ArrayPlan
    shape: tuple[int, ...]
    counts: tuple[int, ...]
    column: tuple[int, ...]
    reads_rows: bool

    @classmethod
    def of(cls, plan: ArrayPlan, write_shape: Sequence[int], reads_rows: bool) -> RegionGrid:
        """Cut the output of `plan` into boxes of whole shards of `write_shape`.

        Args:
            plan: of the array.
            write_shape: of a shard.
            reads_rows: whether the input can only be read row by row, in order.
        """
        size = plan.after.grid.shape
        shape = list(write_shape)
        if reads_rows:
            first = next((axis for axis in range(plan.slab_axis) if shape[axis] > 1), plan.slab_axis)
            shape[first + 1 :] = size[first + 1 :]
        if plan.drops_alpha:
            shape[-1] = size[-1]
        _join_shards(shape, size, plan.after.dtype.itemsize)
        counts = tuple(-(-length // step) for length, step in zip(size, shape, strict=True))
        grid = cls(plan, tuple(shape), counts, counts, reads_rows)
        return grid if reads_rows else replace(grid, column=grid._column())

    def __len__(self) -> int:
        return math.prod(self.counts)

    def box(self, index: Sequence[int]) -> tuple[range, ...]:
        """The samples of the region at a position along each axis."""
        size = self.plan.after.grid.shape
        return tuple(
            range(i * step, min((i + 1) * step, length))
            for i, step, length in zip(index, self.shape, size, strict=True)
        )

    def reads(self, box: Box) -> tuple[range, ...]:
        """The samples of the input from which a box of the output is computed."""
        reads = [
            part if axis.matrix is None else range(*axis.matrix.input_range(part.start, part.stop))
            for part, axis in zip(box, self.plan.axes, strict=True)
        ]
        if self.plan.drops_alpha:
            reads[-1] = range(self.plan.before.grid.shape[-1])
        return tuple(reads)

    def indices(self) -> Iterator[tuple[int, ...]]:
        """The positions of all regions, in the order in which they are worked on."""
        axis = self.plan.slab_axis
        blocks = [range(-(-n // width)) for n, width in zip(self.counts, self.column, strict=True)]
        for block in product(*blocks[:axis], *blocks[axis + 1 :]):
            block = (*block[:axis], 0, *block[axis:])
            yield from product(
                *(
                    range(b * width, min((b + 1) * width, n))
                    for b, width, n in zip(block, self.column, self.counts, strict=True)
                )
            )

    def ordered(self, indices: np.ndarray[Any, Any]) -> Iterator[tuple[int, ...]]:
        """Some positions, shape (regions, axes), in the order of `indices`."""
        axis = self.plan.slab_axis
        blocks = indices // np.array(self.column)
        blocks[:, axis] = 0
        keys = [*blocks.T, *indices.T]
        for row in indices[np.lexsort(keys[::-1])]:
            yield tuple(int(number) for number in row)

    def reading(self, stored: np.ndarray[Any, Any], chunk_shape: Sequence[int]) -> np.ndarray[Any, Any]:
        """The positions of all regions that read any of some chunks of the input.

        Args:
            stored: indices of chunks, shape (chunks, axes).
            chunk_shape: of a chunk.

        Returns:
            Positions, shape (regions, axes).
        """
        firsts, lasts = zip(*(self._readers(axis, step) for axis, step in enumerate(chunk_shape)), strict=True)
        found: set[tuple[int, ...]] = set()
        for chunk in np.unique(stored, axis=0).tolist():
            within = [number < len(first) for number, first in zip(chunk, firsts, strict=True)]
            if all(within):
                ranges = [
                    range(int(first[n]), int(last[n]) + 1) for n, first, last in zip(chunk, firsts, lasts, strict=True)
                ]
                found.update(product(*ranges))
            if len(found) == len(self):
                break
        return np.array(sorted(found), np.int64).reshape(-1, len(self.counts))

    def _readers(self, axis: int, step: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """For each chunk along an axis, the first and the last region that reads it."""
        in_size, out_size = self.plan.before.grid.shape[axis], self.plan.after.grid.shape[axis]
        matrix = self.plan.axes[axis].matrix
        chunks = -(-in_size // step)
        first, last = np.full(chunks, self.counts[axis], np.int64), np.full(chunks, -1, np.int64)
        for number in range(self.counts[axis]):
            rows = range(number * self.shape[axis], min((number + 1) * self.shape[axis], out_size))
            reads = rows if matrix is None else range(*matrix.input_range(rows.start, rows.stop))
            part = slice(reads.start // step, -(-reads.stop // step))
            first[part] = np.minimum(first[part], number)
            last[part] = np.maximum(last[part], number)
        return first, last

    def memory(self, threads: int) -> int:
        """Predicted peak of the working memory in bytes, without the memory of the source."""
        middle = self.box([count // 2 for count in self.counts])
        reads = math.prod(len(part) for part in self.reads(middle)) * self.plan.before.dtype.itemsize
        pairs = zip(self.plan.before.grid.shape, self.plan.after.grid.shape, self.plan.axes, strict=True)
        weights = sum(weight_bytes(self.plan.mode, n, m) for n, m, axis in pairs if axis.matrix is not None)
        waiting = reads if self.reads_rows else 0  # rows that are read while threads compute
        return weights + waiting + threads * (reads + _COPIES * self.region_bytes + TILE_BYTES)

    @property
    def region_bytes(self) -> int:
        """The output bytes of a region that is not at the end of an axis."""
        return math.prod(map(min, self.shape, self.plan.after.grid.shape)) * self.plan.after.dtype.itemsize

    def _column(self) -> tuple[int, ...]:
        column = [1] * self.plan.slab_axis + list(self.counts[self.plan.slab_axis :])
        for axis in range(self.plan.slab_axis + 1, len(column)):
            while column[axis] > 1 and self._plane_bytes(column) > _PLANE_BYTES:
                column[axis] = (column[axis] + 1) // 2
        return tuple(column)

    def _plane_bytes(self, column: Sequence[int]) -> float:
        """Bytes of input that the regions of one plane of a column read."""
        axis = self.plan.slab_axis
        samples = 1.0
        for number, (step, count) in enumerate(zip(self.shape, column, strict=True)):
            before, after = self.plan.before.grid.shape[number], self.plan.after.grid.shape[number]
            samples *= min(step * (1 if number == axis else count), after) * before / after
        return samples * self.plan.before.dtype.itemsize


def _join_shards(shape: list[int], size: Sequence[int], itemsize: int) -> None:
    """Double the shape of a region along the fastest short axes while it stays small."""
    while 2 * math.prod(map(min, shape, size)) * itemsize <= _REGION_BYTES:
        growing = [axis for axis in range(len(shape)) if shape[axis] < size[axis]]
        if not growing:
            return
        axis = min(growing, key=lambda axis: (shape[axis], -axis))
        shape[axis] *= 2


def is_constant_safe(plan: ArrayPlan, fill: Any) -> bool:
    """Whether an output that reads nothing but `fill` is `fill`, to the bit."""
    if plan.conversion is not None or (plan.outside is not None and plan.covered < 1):
        return False
    if plan.mode.preserves_values or fill == 0 or fill != fill:
        return True
    return bool(plan.after.dtype.kind in "iub" and plan.codec.converts_only)
