"""Resampling of labels: interpolate the indicator of each label; at every output sample, the largest one wins.

Boundaries become smooth, and no new label appears. Only one indicator exists at a time, and only within the bounding
box of its label in a tile, so the time grows with the boxes and not with the number of labels.
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

TIE = 2.0**-18  # votes that differ by less are equal; this is several tens of float32 rounding errors


def vote(x: Array, steps: Sequence[Step], out: Array, interpolate: Callable[[Array, list[Step], Box], Array]) -> None:
    """Write to `out` the label with the largest interpolated indicator; ties go to the lower label.

    Args:
        x: labels, integers or bool.
        steps: the axes to resample and their matrices, in the order of resampling.
        out: the output, of the shape that the matrices produce.
        interpolate: resamples the indicator of a part of `x` by the given steps, for the given box of `out`.
    """
    lowest = x.min()
    if lowest == x.max():
        out[...] = lowest
        return
    footprints = [_Footprint.of(axis, matrix) for axis, matrix in steps]
    best = np.full(out.shape, -np.inf, np.float32)
    for label, box in _bounding_boxes(x):
        in_box, out_box = list(box), list(box)
        for footprint in footprints:
            out_box[footprint.axis] = rows = footprint.outputs(box[footprint.axis])
            if rows.start < rows.stop:
                in_box[footprint.axis] = slice(*footprint.matrix.input_range(rows.start, rows.stop))
        target = tuple(out_box)
        if out[target].size == 0:  # no output sample reads this label
            continue
        inner = [(f.axis, f.matrix.row_slice(out_box[f.axis].start, out_box[f.axis].stop)) for f in footprints]
        votes = interpolate(x[tuple(in_box)] == label, inner, target)
        better = votes > best[target] + TIE
        np.copyto(best[target], votes, where=better)
        np.copyto(out[target], label, where=better)


def _bounding_boxes(x: Array) -> Iterator[tuple[Any, Box]]:
    """Every label of `x`, in ascending order, and its bounding box."""
    rows = x.reshape(-1, x.shape[-1])
    starts_run = np.ones(rows.shape, bool)
    np.not_equal(rows[:, 1:], rows[:, :-1], out=starts_run[:, 1:])
    row, first = np.nonzero(starts_run)  # of every run of equal labels along the last axis
    last = np.where(np.append(row[1:] != row[:-1], True), x.shape[-1], np.append(first[1:], 0))
    labels, label_of_run = np.unique(rows[row, first], return_inverse=True)
    order = np.argsort(label_of_run, kind="stable")
    starts = np.searchsorted(label_of_run[order], np.arange(len(labels)))
    leading = [*np.unravel_index(row, x.shape[:-1])] if x.ndim > 1 else []
    lows = [np.minimum.reduceat(index[order], starts) for index in (*leading, first)]
    highs = [np.maximum.reduceat(index[order], starts) for index in (*(index + 1 for index in leading), last)]
    for number, label in enumerate(labels):
        yield label, tuple(slice(int(low[number]), int(high[number])) for low, high in zip(lows, highs, strict=True))


@dataclass(frozen=True, slots=True)
class _Footprint:
    """The input range that each output sample of one axis reads.

    Attributes:
        axis: number of the axis.
        matrix: its matrix.
        begin, end: start and stop of the input samples of each output sample; both never decrease.
    """

    axis: int
    matrix: BandedMatrix
    begin: IndexArray
    end: IndexArray

    @classmethod
    def of(cls, axis: int, matrix: BandedMatrix) -> _Footprint:
        begin = np.minimum(np.maximum(matrix.first, 0), matrix.in_size - 1)
        end = np.minimum(np.maximum(matrix.first + matrix.tap_count, 1), matrix.in_size)
        return cls(axis, matrix, begin, np.maximum.accumulate(end))

    def outputs(self, part: slice) -> slice:
        """The output samples that read any input sample of `part`."""
        return slice(
            int(np.searchsorted(self.end, part.start, "right")), int(np.searchsorted(self.begin, part.stop, "left"))
        )
