"""Banded matrices of long axes: rows are computed block by block when needed, so memory does not grow with the axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from .arrays import IndexArray
from .sampling import AxisMap
from .weights import BandedMatrix, Formula

LONGEST_TABLE = 1 << 16  # samples; the matrices of longer axes are computed block by block
_TABLE_TAPS = 1 << 16  # of a block: few enough for the caches of the processor and of `core.kernel`
_CACHED_BLOCKS = 16  # matrices of periodic axes


class _Block(NamedTuple):
    """Consecutive rows of a matrix, over the input samples ``start:stop`` alone."""

    start: int
    stop: int
    matrix: BandedMatrix


@dataclass(frozen=True, eq=False)
class LongMatrix:
    """Rows of the matrix of a long axis, as a `BandedMatrix` over the same samples but computed on demand.

    Where the weights repeat with a period, blocks inside the axis share one matrix.

    Attributes:
        axis: the sampling map of the whole axis.
        make_rows: computes rows of the whole axis from their indices, each independently of the others.
        max_taps: the largest number of taps of any row.
        period: the number of rows after which the weights repeat, or None if they do not.
        is_two_tap_lerp, copies_samples: see `BandedMatrix`.
        in_size, out_size: of this part of the axis.
        formula: the rule by which the compiled kernel computes the weights by itself, or None.
        first_row, first_sample: where this part begins on the whole axis.
    """

    axis: AxisMap
    make_rows: Callable[[IndexArray], BandedMatrix]
    max_taps: int
    period: int | None
    is_two_tap_lerp: bool
    copies_samples: bool
    in_size: int
    out_size: int
    formula: Formula | None = None
    first_row: int = 0
    first_sample: int = 0

    @property
    def scale(self) -> float:
        """Output samples per input sample of the whole axis."""
        return self.axis.scale

    def block_rows(self, samples: int) -> int:
        """A number of rows, whole periods if possible, that has and reads at most `samples` samples and is a table."""
        rows = max(1, min(int(samples * min(self.scale, 1.0)), self._table_rows))
        return rows // self.period * self.period or rows if self.period else rows

    @property
    def _table_rows(self) -> int:
        return table_rows(self.max_taps)

    def input_range(self, start: int, stop: int) -> tuple[int, int]:
        """Start and stop of the input samples that rows ``start:stop`` read."""
        if stop - start <= self._table_rows:
            block = self._block(start, stop)
            return block.start, block.stop
        return self._block(start, start + 1).start, self._block(stop - 1, stop).stop

    def row_slice(self, start: int, stop: int) -> Matrix:
        """Rows ``start:stop`` over the input samples of `input_range`: a table if they fit one block."""
        if stop - start <= self._table_rows:
            return self._block(start, stop).matrix
        low, high = self.input_range(start, stop)
        return replace(
            self,
            in_size=high - low,
            out_size=stop - start,
            first_row=self.first_row + start,
            first_sample=self.first_sample + low,
        )

    def rows(self, start: int, stop: int) -> LongMatrix:
        """Rows ``start:stop`` over all input samples of this part."""
        return replace(self, out_size=stop - start, first_row=self.first_row + start)

    def table(self) -> BandedMatrix:
        """The matrix of the whole axis as a table, which takes memory in proportion to its length."""
        return self.make_rows(np.arange(self.axis.out_size))

    def transposed(self) -> BandedMatrix:
        """The transposed matrix of the whole axis, as a table."""
        return self.table().transposed()

    @cached_property
    def _margin(self) -> int:
        """Rows at either end of the whole axis whose bands may touch the border."""
        return math.ceil((self.max_taps + 2) * max(self.scale, 1.0)) + 1

    def _block(self, start: int, stop: int) -> _Block:
        """Rows ``start:stop`` of this part, over samples of this part."""
        start, stop = start + self.first_row, stop + self.first_row
        inside = self._margin <= start and stop <= self.axis.out_size - self._margin
        shift = -self.first_sample
        if inside and self.period and (periods := (start - self._margin) // self.period):
            moved = periods * self.period
            block = self._rows(start - moved, stop - moved)
            shift += round(moved * self.axis.a)
        else:
            block = _rows(self, start, stop)
        return block._replace(start=block.start + shift, stop=block.stop + shift)

    @cached_property
    def _rows(self) -> Callable[[int, int], _Block]:
        return lru_cache(_CACHED_BLOCKS)(lambda start, stop: _rows(self, start, stop))


Matrix: TypeAlias = BandedMatrix | LongMatrix


def table_rows(taps: int) -> int:
    """The largest number of rows, of as many taps, that a long matrix returns as a table."""
    return max(1, _TABLE_TAPS // taps)


def _rows(matrix: LongMatrix, start: int, stop: int) -> _Block:
    """Rows ``start:stop`` of the whole axis."""
    rows = matrix.make_rows(np.arange(start, stop))
    low, high = rows.input_range(0, stop - start)
    return _Block(low, high, rows.row_slice(0, stop - start))
