"""The banded matrix of one axis: which input samples each output sample reads, and with which weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from .arrays import DTypeLike, FloatArray, IndexArray, WeightArray
from .sampling import AxisMap

_SLIVER = 2.0**-24  # parts of a sample smaller than this are rounding errors of a position
_LONGEST_PERIOD = 8  # output rows; the weights of 2×, 3×, 1.5×, 0.5× … repeat with a shorter period


class Phases(NamedTuple):
    """Rows ``start:stop`` of a banded matrix with periodic weights: row ``o + period`` reads `step` samples further."""

    start: int
    stop: int
    period: int
    step: int


@dataclass(frozen=True, eq=False)
class BandedMatrix:
    """A banded matrix: output ``o`` is ``Σ_j taps[o, j] · input[clip(first[o] + j)]`` for ``j < tap_count[o]``.

    A band may extend beyond either end of the input, where the border sample repeats.

    Attributes:
        in_size: number of input samples.
        first: index of the first input sample of each row, shape (out,), never decreasing.
        taps: the weights, shape (out, k).
        tap_count: number of taps that each row uses, shape (out,), at least 1. Input samples beyond them are not read,
            so a NaN there does not reach the output.
        scale: output samples per input sample of the whole axis, also if this is a slice of its matrix: the order in
            which axes are resampled depends on it, and must be the same for a slice and for the whole.
        is_two_tap_lerp: whether every row of the whole axis is a two-tap interpolation with weights (1−w, w), so that
            kernels may use their fixed-point path; the same for a slice and for the whole.
    """

    in_size: int
    first: IndexArray
    taps: WeightArray
    tap_count: IndexArray
    scale: float
    is_two_tap_lerp: bool

    @classmethod
    def make(
        cls,
        in_size: int,
        first: IndexArray,
        taps: WeightArray,
        tap_count: IndexArray | None = None,
        is_two_tap_lerp: bool = False,
        scale: float | None = None,
    ) -> BandedMatrix:
        """The matrix whose rows use all their taps unless `tap_count` is given; of a whole axis unless `scale` is."""
        if tap_count is None:
            tap_count = np.full(len(first), taps.shape[1], np.intp)
        taps = taps + 0.0  # turns −0 into 0, since kernels store equal weights once
        return cls(in_size, first, taps, tap_count, scale or len(first) / in_size, is_two_tap_lerp)

    @property
    def out_size(self) -> int:
        """Number of output samples."""
        return len(self.first)

    @property
    def max_taps(self) -> int:
        """The number of columns of `taps`: the largest number of taps of any row."""
        return int(self.taps.shape[1])

    @cached_property
    def copies_samples(self) -> bool:
        """Whether every row copies one input sample, so that no arithmetic is needed."""
        return self.max_taps == 1 and bool((self.taps == 1).all())

    def columns(self, tap: int) -> IndexArray:
        """The index of the input sample at tap number `tap` of each row, or at its last tap if it has fewer."""
        return np.maximum(np.minimum(self.first + np.minimum(tap, self.tap_count - 1), self.in_size - 1), 0)

    def input_range(self, start: int, stop: int) -> tuple[int, int]:
        """Start and stop of the input samples that output rows ``start:stop`` read."""
        begin, end = int(self.first[start]), int((self.first[start:stop] + self.tap_count[start:stop]).max())
        return min(max(begin, 0), self.in_size - 1), min(max(end, 1), self.in_size)

    def row_slice(self, start: int, stop: int) -> BandedMatrix:
        """Output rows ``start:stop`` as a matrix over the input samples of `input_range`, with identical weights."""
        low, high = self.input_range(start, stop)
        if (low, high, start, stop) == (0, self.in_size, 0, self.out_size):
            return self
        part = slice(start, stop)
        first, taps, tap_count = self.first[part] - low, self.taps[part], self.tap_count[part]
        return BandedMatrix(high - low, first, taps, tap_count, self.scale, self.is_two_tap_lerp)

    def rows(self, start: int, stop: int) -> BandedMatrix:
        """Output rows ``start:stop`` as a matrix over all input samples, with identical weights."""
        part = slice(start, stop)
        return replace(self, first=self.first[part], taps=self.taps[part], tap_count=self.tap_count[part])

    def table(self) -> BandedMatrix:
        """The matrix itself; see `LongMatrix.table`."""
        return self

    def astype(self, dtype: DTypeLike) -> BandedMatrix:
        """The same matrix with weights of another dtype."""
        return replace(self, taps=self.taps.astype(dtype))

    def transposed(self) -> BandedMatrix:
        """The transposed matrix: it maps a gradient with respect to the output to one with respect to the input."""
        rows, taps = np.nonzero(np.arange(self.max_taps) < self.tap_count[:, None])
        columns = np.clip(self.first[rows] + taps, 0, self.in_size - 1)
        first = np.full(self.in_size, self.out_size, np.intp)
        np.minimum.at(first, columns, rows)
        last = np.full(self.in_size, -1, np.intp)
        np.maximum.at(last, columns, rows)
        first = np.minimum(np.minimum.accumulate(first[::-1])[::-1], self.out_size - 1)  # for samples that no row reads
        tap_count = np.maximum(last - first + 1, 1)
        weights = np.zeros((self.in_size, int(tap_count.max())), self.taps.dtype)
        np.add.at(weights, (columns, rows - first[columns]), self.taps[rows, taps])
        return BandedMatrix.make(self.out_size, first, weights, tap_count)

    @cached_property
    def phases(self) -> Phases | None:
        """The rows whose weights repeat with a short period, or None if they are less than half of all rows.

        Rows match only if their weights are equal to the bit, so using this never changes a result.
        """
        inside = np.flatnonzero((self.first >= 0) & (self.first + self.tap_count <= self.in_size))
        if not inside.size:
            return None
        start, stop = int(inside[0]), int(inside[-1]) + 1
        for period in range(1, min(_LONGEST_PERIOD, (stop - start) // 4) + 1):
            one, next_one = slice(start, stop - period), slice(start + period, stop)
            steps = self.first[next_one] - self.first[one]
            step = int(steps[len(steps) // 2])
            same = (steps == step) & (self.tap_count[one] == self.tap_count[next_one])
            same &= (self.taps[one] == self.taps[next_one]).all(axis=1)
            breaks = np.flatnonzero(~same)
            middle = len(same) // 2
            low = start + int(breaks[breaks <= middle].max(initial=-1)) + 1
            high = start + int(breaks[breaks > middle].min(initial=len(same))) + period
            if step > 0 and 2 * (high - low) > self.out_size:
                return Phases(low, high, period, step)
        return None


def linear_matrix(axis: AxisMap, rows: IndexArray, rounded: bool) -> BandedMatrix:
    """Linear interpolation between the two nearest samples. Positions outside the input are moved to its edge."""
    before, fraction = _split(axis, rows, rounded)
    inside = before >= 0
    first = np.where(inside, np.minimum(before, axis.in_size - 1), 0)
    taps = np.empty((len(rows), 2))
    taps[:, 1] = np.where(inside, np.minimum(fraction + (before - first), 1), 0)
    np.subtract(1, taps[:, 1], out=taps[:, 0])
    return BandedMatrix.make(axis.in_size, first, taps, is_two_tap_lerp=True, scale=axis.scale)


def _split(axis: AxisMap, rows: IndexArray, rounded: bool) -> tuple[IndexArray, FloatArray]:
    """The index of the sample at or before the position of each output sample, and the fraction beyond it.

    Args:
        axis: the sampling map.
        rows: indices of output samples.
        rounded: whether to follow PyTorch's ``guard_index_and_lambda``, whose `floorf` rounds the position to float32
            even in float64 arithmetic: a position just below a sample moves onto it, by less than 2⁻²⁴ of the axis.
    """
    if not rounded:
        return axis.split(rows)
    source = axis.source(rows.astype(np.float64))
    first = np.minimum(np.floor(source.astype(np.float32)), axis.in_size - 1)
    return first.astype(np.intp), np.minimum(np.maximum(source - first, 0), 1)


def nearest_matrix(axis: AxisMap, rows: IndexArray, precision: type[np.floating]) -> BandedMatrix:
    """The sample at ``floor(dst · a)``: PyTorch's ``nearest``, with positions computed in `precision` as there."""
    scale = precision(axis.a)
    return _rounded_copies(axis, rows.astype(precision) * scale)


def nearest_exact_matrix(
    axis: AxisMap, rows: IndexArray, precision: type[np.floating], *, via_centre: bool = True
) -> BandedMatrix:
    """The sample at ``floor((dst + ½) · a)``: PyTorch's ``nearest-exact``.

    Args:
        axis: the sampling map.
        rows: indices of output samples.
        precision: the dtype to which positions are rounded.
        via_centre: whether to round ``(dst + ½)·a − ½``, a fused multiply-add, and then add ½ again, as PyTorch's
            general kernel does; its kernel for small 2-D outputs does not.
    """
    scale = precision(axis.a)
    position = (rows + 0.5) * np.float64(scale)
    return _rounded_copies(axis, (position - 0.5).astype(precision) + 0.5 if via_centre else position)


def _rounded_copies(axis: AxisMap, position: WeightArray) -> BandedMatrix:
    # PyTorch's `floorf` first rounds the position to float32, whatever dtype it was computed in.
    return copying_matrix(axis, np.floor(position.astype(np.float32)).astype(np.intp))


def copying_matrix(axis: AxisMap, index: IndexArray) -> BandedMatrix:
    """The matrix that copies the input samples at `index`, or the border's sample for an index beyond the border."""
    index = np.minimum(np.maximum(index, 0), axis.in_size - 1)
    return BandedMatrix.make(axis.in_size, index, np.ones((len(index), 1)), scale=axis.scale)


def interpolation_matrix(axis: AxisMap, rows: IndexArray, kernel: Kernel, rounded: bool) -> BandedMatrix:
    """Interpolation by a kernel of fixed width. Beyond the border, the border's sample repeats."""
    reach = int(kernel.support)
    before, fraction = _split(axis, rows, rounded)
    taps = kernel.weight(fraction[:, None] - np.arange(1 - reach, reach + 1))
    return BandedMatrix.make(axis.in_size, before - (reach - 1), taps, scale=axis.scale)


def area_matrix(axis: AxisMap, rows: IndexArray, width: int | None = None) -> BandedMatrix:
    """The mean of all samples that an output sample touches: PyTorch's ``area`` (``adaptive_avg_pool``)."""
    first = rows * axis.in_size // axis.out_size
    tap_count = -(-(rows + 1) * axis.in_size // axis.out_size) - first
    inside = np.arange(width or tap_count.max()) < tap_count[:, None]
    return BandedMatrix.make(axis.in_size, first, inside / tap_count[:, None], tap_count, scale=axis.scale)


def box_matrix(axis: AxisMap, rows: IndexArray, width: int | None = None) -> BandedMatrix:
    """The mean over the interval that an output sample covers; each input sample weighs by the part that it covers."""
    before, fraction = axis.split(rows)
    low, high = fraction + (1 - axis.a) / 2, fraction + (1 + axis.a) / 2  # from the edge of the sample `before`
    first = np.floor(low + _SLIVER).astype(np.intp)
    tap_count = np.maximum(np.ceil(high - _SLIVER).astype(np.intp) - first, 1)
    first += before
    start = np.minimum(np.maximum(first, 0), axis.in_size - 1)
    tap_count = np.maximum(np.minimum(first + tap_count, axis.in_size) - start, 1)
    taps = np.arange(width or tap_count.max())
    edge = (start - before)[:, None] + taps
    weights = np.minimum(edge + 1, high[:, None]) - np.maximum(edge, low[:, None])
    weights[:, 0] = np.where(tap_count == 1, 1, weights[:, 0])
    return _normalised(axis, start, weights, tap_count)


def filter_matrix(
    axis: AxisMap, rows: IndexArray, kernel: Kernel, *, stretches: bool, rounded: bool, width: int | None = None
) -> BandedMatrix:
    """Filtering by a kernel that ignores samples beyond the border; the weights of each row sum to one.

    A stretched kernel antialiases: this is PyTorch's ``_compute_indices_min_size_weights_aa``, and Pillow's filter.

    Args:
        axis: the sampling map.
        rows: indices of output samples.
        kernel: the kernel.
        stretches: whether the kernel is stretched by the factor by which the axis shrinks.
        rounded: whether positions are rounded as PyTorch's are.
        width: number of columns of the result; by default as many as its rows need.
    """
    stretch = max(axis.a, 1.0) if stretches else 1.0
    support = kernel.support * stretch
    before, centre = (0, axis.source(rows.astype(np.float64))) if rounded else axis.split(rows)
    centre = centre + 0.5
    first = np.minimum(np.maximum(before + np.floor(centre - support + 0.5).astype(np.intp), 0), axis.in_size - 1)
    stop = np.minimum(before + np.floor(centre + support + 0.5).astype(np.intp), axis.in_size)
    tap_count = np.maximum(stop - first, 1)
    position = (first - before)[:, None] + np.arange(width or tap_count.max())
    return _normalised(axis, first, kernel.weight((position + 0.5 - centre[:, None]) / stretch), tap_count)


def _normalised(axis: AxisMap, first: IndexArray, weights: FloatArray, tap_count: IndexArray) -> BandedMatrix:
    """The matrix of these weights, each row divided by the sum of its taps."""
    weights[np.arange(weights.shape[1]) >= tap_count[:, None]] = 0
    taps = weights / weights.sum(axis=1, keepdims=True)
    return BandedMatrix.make(axis.in_size, first, taps, tap_count, scale=axis.scale)


class Kernel(NamedTuple):
    """An interpolation kernel.

    Attributes:
        support: the distance, in samples, beyond which it is zero.
        weight: its value at a distance.
    """

    support: float
    weight: Callable[[FloatArray], FloatArray]


def triangle(x: FloatArray) -> FloatArray:
    """The kernel of linear interpolation."""
    return (1 - np.abs(x)).clip(0)


def keys(x: FloatArray, a: float) -> FloatArray:
    """The kernel of cubic convolution with slope `a` at distance 1.

    R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.select([x <= 1, x < 2], [near, far])


def lanczos3(x: FloatArray) -> FloatArray:
    """The sinc function in a window of three lobes: C. Duchon, "Lanczos filtering in one and two dimensions", 1979."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


class Copied(IntEnum):
    """The rule by which an output copies an input sample; the numbers are those of the compiled kernel."""

    LEFT = 0  # `AxisMap.left`
    NEAREST = 1  # `AxisMap.nearest`
    TORCH_NEAREST = 2  # `nearest_matrix`
    TORCH_NEAREST_EXACT = 3  # `nearest_exact_matrix`
    TORCH_NEAREST_EXACT_SMALL = 4  # the same without `via_centre`


class Formula(NamedTuple):
    """The rule by which the weights of a matrix follow from the positions.

    Attributes:
        taps: 1 for copies, 2 for `linear_matrix`, 4 for `interpolation_matrix` by `keys`.
        slope: of `keys`.
        rounded: whether positions are rounded as PyTorch's are.
        copied: which sample is copied.
        precision: the dtype in which PyTorch computes the positions of copies.
    """

    taps: int
    slope: float = 0.0
    rounded: bool = False
    copied: Copied = Copied.LEFT
    precision: str = "float64"


KEYS_SLOPES = {
    "keys-0.75": -0.75,  # PyTorch's bicubic
    "keys-0.5": -0.5,  # PyTorch's antialiased bicubic, which follows Pillow
}

KERNELS = {
    "triangle": Kernel(1, triangle),
    **{name: Kernel(2, partial(keys, a=slope)) for name, slope in KEYS_SLOPES.items()},
    "lanczos3": Kernel(3, lanczos3),
}
