"""Labels: the indicator of each is interpolated like any samples, and at every output the greatest wins.

Boundaries become smooth, and no label comes out that did not go in. Only one indicator exists at a time, and only over
the box that its label spans within a tile, so that time grows with the boxes and not with the number of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Array, IndexArray
from .weights import BandedMatrix

Step = tuple[int, BandedMatrix]
Box = tuple[slice, ...]

TIE = 2.0**-18  # votes that differ by less are equal: some tens of roundings of float32


def vote(x: Array, steps: Sequence[Step], out: Array, interpolate: Callable[[Array, list[Step], Box], Array]) -> None:
    """Write to `out` the label whose indicator is the greatest there; of equal ones the lower label.

    Args:
        x: labels, integers or bool.
        steps: the axes that change, in their order, with their matrices.
        out: the output, of the shape that the matrices give.
        interpolate: gives the indicator of a part of `x`, resampled by its steps, for a box of `out`.
    """
    lowest = x.min()
    if lowest == x.max():
        out[...] = lowest
        return
    reaches = [_Reach.of(axis, bands) for axis, bands in steps]
    most = np.full(out.shape, -np.inf, np.float32)
    for label, box in _boxes(x):
        read, written = list(box), list(box)
        for reach in reaches:
            written[reach.axis] = rows = reach.outputs(box[reach.axis])
            if rows.start < rows.stop:
                read[reach.axis] = slice(*reach.bands.input_range(rows.start, rows.stop))
        target = tuple(written)
        if out[target].size == 0:  # no output reads it
            continue
        inner = [(r.axis, r.bands.row_slice(written[r.axis].start, written[r.axis].stop)) for r in reaches]
        votes = interpolate(x[tuple(read)] == label, inner, target)
        better = votes > most[target] + TIE
        np.copyto(most[target], votes, where=better)
        np.copyto(out[target], label, where=better)


def _boxes(x: Array) -> Iterator[tuple[Any, Box]]:
    """Every label of `x`, in ascending order, and the box that it spans."""
    rows = x.reshape(-1, x.shape[-1])
    begins = np.ones(rows.shape, bool)
    np.not_equal(rows[:, 1:], rows[:, :-1], out=begins[:, 1:])
    row, first = np.nonzero(begins)  # of every run of equal labels along the last axis
    last = np.where(np.append(row[1:] != row[:-1], True), x.shape[-1], np.append(first[1:], 0))
    labels, of_run = np.unique(rows[row, first], return_inverse=True)
    order = np.argsort(of_run, kind="stable")
    starts = np.searchsorted(of_run[order], np.arange(len(labels)))
    where = [*np.unravel_index(row, x.shape[:-1])] if x.ndim > 1 else []
    lows = [np.minimum.reduceat(index[order], starts) for index in (*where, first)]
    highs = [np.maximum.reduceat(index[order], starts) for index in (*(index + 1 for index in where), last)]
    for number, label in enumerate(labels):
        yield label, tuple(slice(int(low[number]), int(high[number])) for low, high in zip(lows, highs, strict=True))


@dataclass(frozen=True, slots=True)
class _Reach:
    """What the outputs along one axis read, for all boxes of a tile.

    Attributes:
        axis: number of the axis.
        bands: its matrix.
        begin, end: of the input samples that each output reads, neither of them ever decreasing.
    """

    axis: int
    bands: BandedMatrix
    begin: IndexArray
    end: IndexArray

    @classmethod
    def of(cls, axis: int, bands: BandedMatrix) -> _Reach:
        begin = np.minimum(np.maximum(bands.first, 0), bands.in_size - 1)
        end = np.minimum(np.maximum(bands.first + bands.tap_count, 1), bands.in_size)
        return cls(axis, bands, begin, np.maximum.accumulate(end))

    def outputs(self, part: slice) -> slice:
        """The outputs that read any of `part` of the input."""
        return slice(
            int(np.searchsorted(self.end, part.start, "right")), int(np.searchsorted(self.begin, part.stop, "left"))
        )
