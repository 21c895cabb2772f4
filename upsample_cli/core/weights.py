"""The banded matrix of one axis: which input samples an output sample reads, and with which weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from .arrays import DTypeLike, FloatArray, IndexArray, WeightArray
from .sampling import AxisMap

_NUMBERED_BY_FLOAT32 = 2**24  # samples
_LONGEST_PERIOD = 8  # output rows; 2×, 3×, 1.5×, 0.5× … repeat their weights sooner than that


class Phases(NamedTuple):
    """Rows ``start:stop`` of a banded matrix whose weights repeat: row ``o + period`` reads `step` samples further."""

    start: int
    stop: int
    period: int
    step: int


@dataclass(frozen=True, eq=False)
class Bands:
    """A banded matrix: output row ``o`` is ``Σ_j taps[o, j] · input[clip(first[o] + j)]``, with ``j < count[o]``.

    A band may hang over either end of the input, where the sample at the border repeats.

    Attributes:
        in_size: number of input samples.
        first: where the band of each row begins, shape (out,), never decreasing.
        taps: the weights, shape (out, k).
        count: the number of taps that each row uses, shape (out,), at least 1: what lies behind them is never read,
            so that no NaN leaks out of it.
        growth: output samples per input sample of the whole axis, also where this is a part of its matrix: axes are
            resampled in an order that depends on it, and the order must be the same for a part and the whole.
        blends: whether every row of the whole axis is known to take a share of one sample and the rest of the next: a
            kernel may compute such rows in a way of their own, and must do so in a part and the whole.
    """

    in_size: int
    first: IndexArray
    taps: WeightArray
    count: IndexArray
    growth: float
    blends: bool

    @classmethod
    def make(
        cls,
        in_size: int,
        first: IndexArray,
        taps: WeightArray,
        count: IndexArray | None = None,
        blends: bool = False,
    ) -> Bands:
        """The matrix of a whole axis, whose rows use all their taps unless `count` says otherwise."""
        if count is None:
            count = np.full(len(first), taps.shape[1], np.intp)
        taps = taps + 0.0  # no weight is −0: kernels share equal ones
        return cls(in_size, first, taps, count, len(first) / in_size, blends)

    @property
    def out_size(self) -> int:
        """Number of output samples."""
        return len(self.first)

    @property
    def width(self) -> int:
        """The largest number of taps of a row."""
        return int(self.taps.shape[1])

    @cached_property
    def picks(self) -> bool:
        """Whether every row copies one sample, so that values need no arithmetic."""
        return self.width == 1 and bool((self.taps == 1).all())

    def columns(self, tap: int) -> IndexArray:
        """The input sample that each row multiplies by its weight number `tap`; its last one where it has no such."""
        return np.maximum(np.minimum(self.first + np.minimum(tap, self.count - 1), self.in_size - 1), 0)

    def reads(self, start: int, stop: int) -> tuple[int, int]:
        """The range of input samples that output rows ``start:stop`` read."""
        begin, end = int(self.first[start]), int((self.first[start:stop] + self.count[start:stop]).max())
        return min(max(begin, 0), self.in_size - 1), min(max(end, 1), self.in_size)

    def rows(self, start: int, stop: int) -> Bands:
        """Output rows ``start:stop``, over an input that begins and ends as `reads` says: the same weights exactly."""
        low, high = self.reads(start, stop)
        part = slice(start, stop)
        first, taps, count = self.first[part] - low, self.taps[part], self.count[part]
        return Bands(high - low, first, taps, count, self.growth, self.blends)

    def astype(self, dtype: DTypeLike) -> Bands:
        """The same matrix with weights of another precision."""
        return replace(self, taps=self.taps.astype(dtype))

    def transposed(self) -> Bands:
        """The transposed matrix, which takes a gradient with respect to the output to one with respect to the input."""
        rows, taps = np.nonzero(np.arange(self.width) < self.count[:, None])
        columns = np.clip(self.first[rows] + taps, 0, self.in_size - 1)
        first = np.full(self.in_size, self.out_size, np.intp)
        np.minimum.at(first, columns, rows)
        last = np.full(self.in_size, -1, np.intp)
        np.maximum.at(last, columns, rows)
        first = np.minimum(np.minimum.accumulate(first[::-1])[::-1], self.out_size - 1)  # samples that no row reads
        count = np.maximum(last - first + 1, 1)
        weights = np.zeros((self.in_size, int(count.max())), self.taps.dtype)
        np.add.at(weights, (columns, rows - first[columns]), self.taps[rows, taps])
        return Bands.make(self.out_size, first, weights, count)

    @cached_property
    def phases(self) -> Phases | None:
        """The rows whose weights repeat with a short period, or None where they are not the larger part.

        Found in the numbers themselves, so that a kernel that uses it returns the same bits as one that does not.
        """
        inside = np.flatnonzero((self.first >= 0) & (self.first + self.count <= self.in_size))
        if not inside.size:
            return None
        start, stop = int(inside[0]), int(inside[-1]) + 1
        for period in range(1, min(_LONGEST_PERIOD, (stop - start) // 4) + 1):
            one, next_one = slice(start, stop - period), slice(start + period, stop)
            steps = self.first[next_one] - self.first[one]
            step = int(steps[len(steps) // 2])
            same = (steps == step) & (self.count[one] == self.count[next_one])
            same &= (self.taps[one] == self.taps[next_one]).all(axis=1)
            breaks = np.flatnonzero(~same)
            middle = len(same) // 2
            low = start + int(breaks[breaks <= middle].max(initial=-1)) + 1
            high = start + int(breaks[breaks > middle].min(initial=len(same))) + period
            if step > 0 and 2 * (high - low) > self.out_size:
                return Phases(low, high, period, step)
        return None


def linear_bands(axis: AxisMap) -> Bands:
    """Linear interpolation between the two nearest samples; positions outside the input are moved to its edge."""
    source = np.maximum(axis.source(np.arange(axis.out_size, dtype=np.float64)), 0)
    first, fraction = _split(source, axis)
    taps = np.empty((axis.out_size, 2))
    np.subtract(1, fraction, out=taps[:, 0])
    taps[:, 1] = fraction
    return Bands.make(axis.in_size, first, taps, blends=True)


def _split(source: FloatArray, axis: AxisMap) -> tuple[IndexArray, FloatArray]:
    """The sample at or before each position and the fraction beyond it, as PyTorch's ``guard_index_and_lambda``.

    Its `floorf` rounds the position to float32 in float64 arithmetic too, so that on axes of thousands of samples a
    position very little below a sample is moved to it: by less than 2⁻²⁴ of the axis. Longer axes than float32 can
    number, where that would amount to whole samples, are spared it.
    """
    rounded = source.astype(np.float32) if axis.in_size <= _NUMBERED_BY_FLOAT32 else source
    first = np.minimum(np.floor(rounded), axis.in_size - 1)
    return first.astype(np.intp), np.minimum(np.maximum(source - first, 0), 1)


def nearest_bands(axis: AxisMap, precision: type[np.floating]) -> Bands:
    """The sample at ``floor(dst · a)``, PyTorch's ``nearest``, with positions computed in `precision` as there."""
    scale = precision(axis.a)
    return _pick(axis, np.arange(axis.out_size).astype(precision) * scale)


def nearest_exact_bands(axis: AxisMap, precision: type[np.floating], *, via_centre: bool = True) -> Bands:
    """The sample at ``floor((dst + ½) · a)``, PyTorch's ``nearest-exact``.

    Args:
        axis: the sampling map.
        precision: the dtype in which positions are rounded.
        via_centre: whether the position is rounded as ``(dst + ½)·a − ½``, a fused multiply-add there, and brought
            back by adding ½, as in PyTorch's general kernel; its kernel for small pictures has no such detour.
    """
    scale = precision(axis.a)
    position = (np.arange(axis.out_size) + 0.5) * np.float64(scale)
    return _pick(axis, (position - 0.5).astype(precision) + 0.5 if via_centre else position)


def _pick(axis: AxisMap, position: WeightArray) -> Bands:
    # PyTorch's `floorf` rounds the position to float32 first, whatever it was computed in.
    index = np.minimum(np.floor(position.astype(np.float32)).astype(np.intp), axis.in_size - 1)
    return Bands.make(axis.in_size, index, np.ones((axis.out_size, 1)))


def cubic_bands(axis: AxisMap) -> Bands:
    """Cubic convolution of four samples with A = −¾, PyTorch's ``bicubic``; beyond the border its sample repeats.

    The formula is that of R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """
    nearest, fraction = _split(axis.source(np.arange(axis.out_size, dtype=np.float64)), axis)
    taps = cubic(fraction[:, None] - np.arange(-1, 3), -0.75)
    return Bands.make(axis.in_size, nearest - 1, taps)


def area_bands(axis: AxisMap) -> Bands:
    """The mean of all samples that an output sample touches, PyTorch's ``area`` (``adaptive_avg_pool``)."""
    index = np.arange(axis.out_size)
    first = index * axis.in_size // axis.out_size
    count = -(-(index + 1) * axis.in_size // axis.out_size) - first
    inside = np.arange(count.max()) < count[:, None]
    return Bands.make(axis.in_size, first, inside / count[:, None], count)


class Filter(NamedTuple):
    """A kernel of interpolation that can be stretched.

    Attributes:
        support: the distance at which it ends, in samples.
        weight: its value at a distance.
    """

    support: float
    weight: Callable[[FloatArray], FloatArray]


def filter_bands(axis: AxisMap, kernel: Filter, stretches: bool = True) -> Bands:
    """Weights of a kernel that is stretched by the factor by which the axis shrinks, so that nothing aliases.

    Samples beyond the border do not count; the weights of a row always sum to one. This is the antialiasing of
    PyTorch (``_compute_indices_min_size_weights_aa``) and of Pillow.

    Args:
        axis: the sampling map.
        kernel: the kernel.
        stretches: whether the kernel is stretched at all.
    """
    stretch = max(axis.a, 1.0) if stretches else 1.0
    support = kernel.support * stretch
    centre = axis.source(np.arange(axis.out_size, dtype=np.float64)) + 0.5
    first = np.maximum((centre - support + 0.5).astype(np.intp), 0)
    count = np.minimum((centre + support + 0.5).astype(np.intp), axis.in_size) - first
    position = first[:, None] + np.arange(count.max())
    weights = kernel.weight((position + 0.5 - centre[:, None]) / stretch)
    weights[np.arange(count.max()) >= count[:, None]] = 0
    return Bands.make(axis.in_size, first, weights / weights.sum(axis=1, keepdims=True), count)


def triangle(x: FloatArray) -> FloatArray:
    """The kernel of linear interpolation."""
    return (1 - np.abs(x)).clip(0)


def cubic(x: FloatArray, a: float) -> FloatArray:
    """Keys's kernel of cubic convolution, with the slope `a` at distance 1."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.select([x <= 1, x < 2], [near, far])


def lanczos(x: FloatArray) -> FloatArray:
    """The sinc function in a window of three lobes: C. Duchon, "Lanczos filtering in one and two dimensions", 1979."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


TRIANGLE = Filter(1, triangle)
CUBIC = Filter(2, partial(cubic, a=-0.5))  # not −¾: PyTorch follows Pillow where it antialiases
LANCZOS = Filter(3, lanczos)
