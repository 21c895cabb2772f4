"""How a resampling is divided into passes over memory, each along one or more axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

from ..core.weights import BandedMatrix

ROWS = 8  # output rows that share the input rows that they read
# Costs in units of a load with its address and its multiplication, which are four instructions.
_ROW = 0.3  # adding a resampled input row to an output row
_TRAFFIC = 10.0  # a sample that is read from or written to memory


def shares_rows(matrix: BandedMatrix) -> bool:
    """Whether neighbouring output rows overlap in what they read, so that it pays to make them together."""
    return 1 / matrix.scale <= float(matrix.tap_count.mean())


class Pass(NamedTuple):
    """One pass: the matrix of each axis, None where it leaves the axis as it is, and the sizes before and after."""

    axes: tuple[BandedMatrix | None, ...]
    in_sizes: tuple[int, ...]
    out_sizes: tuple[int, ...]

    @property
    def cost(self) -> float:
        """An estimate of its time, for one channel."""
        loads, rows = 1.0, 0.0
        for position, matrix in enumerate(self.axes):
            if matrix is not None:
                taps = float(matrix.tap_count.mean())
                if position == len(self.axes) - 2 and shares_rows(matrix):
                    rows = (ROWS - 1) / matrix.scale + taps
                    taps = rows / ROWS
                loads *= taps
        made = math.prod(self.out_sizes)
        return (loads + _ROW * rows) * made + _TRAFFIC * (math.prod(self.in_sizes) + made)


def split_into_passes(
    axes: Sequence[BandedMatrix | None], in_sizes: Sequence[int], out_sizes: Sequence[int]
) -> list[Pass]:
    """The cheapest passes: all axes at once where bands are narrow, axis by axis where they are wide."""
    candidates = (list(_passes(groups, axes, in_sizes, out_sizes)) for groups in _groupings(axes))
    return min(candidates, key=lambda passes: sum(each.cost for each in passes))


def _groupings(axes: Sequence[BandedMatrix | None]) -> Iterator[list[tuple[int, ...]]]:
    """All ways to divide the axes that change into groups, in all orders of the groups."""
    changing = [axis for axis, matrix in enumerate(axes) if matrix is not None]
    yield [tuple(changing)]
    for order in permutations(changing):
        for cut in range(1, len(order)):
            yield [tuple(sorted(order[:cut])), tuple(sorted(order[cut:]))]
        if len(order) == 3:
            yield [(axis,) for axis in order]


def _passes(
    groups: list[tuple[int, ...]],
    axes: Sequence[BandedMatrix | None],
    in_sizes: Sequence[int],
    out_sizes: Sequence[int],
) -> Iterator[Pass]:
    sizes = tuple(in_sizes)
    for group in groups:
        after = tuple(out_sizes[axis] if axis in group else size for axis, size in enumerate(sizes))
        yield Pass(tuple(matrix if axis in group else None for axis, matrix in enumerate(axes)), sizes, after)
        sizes = after
