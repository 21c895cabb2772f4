"""The banded matrix of one axis: which input samples an output sample reads, and with which weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .sampling import AxisMap

_LONGEST_PERIOD = 8  # output rows; 2×, 3×, 1.5×, 0.5× … repeat their weights sooner than that


@dataclass(frozen=True)
class Phases:
    """Rows ``start:stop`` of a banded matrix whose weights repeat: row ``o + period`` reads `step` samples further."""

    start: int
    stop: int
    period: int
    step: int


@dataclass(frozen=True, eq=False)
class Bands:
    """A banded matrix: output row ``o`` is ``Σ_j taps[o, j] · input[min(first[o] + j, in_size − 1)]``.

    Attributes:
        in_size: number of input samples.
        first: the first input sample that each output row reads, shape (out,), never decreasing, within the input.
        taps: the weights, shape (out, k). A band may hang over the end of the input, where the last sample repeats;
            its weights sum to one all the same.
    """

    in_size: int
    first: NDArray[np.intp]
    taps: NDArray[np.floating]

    @property
    def out_size(self) -> int:
        """Number of output samples."""
        return len(self.first)

    @property
    def width(self) -> int:
        """Number of taps of a row."""
        return int(self.taps.shape[1])

    @cached_property
    def picks(self) -> bool:
        """Whether every row copies one sample, so that values need no arithmetic."""
        return self.width == 1 and bool((self.taps == 1).all())

    def columns(self, tap: int) -> NDArray[np.intp]:
        """The input sample that each row multiplies by its weight number `tap`."""
        return np.minimum(self.first + tap, self.in_size - 1)

    def reads(self, start: int, stop: int) -> tuple[int, int]:
        """The range of input samples that output rows ``start:stop`` read."""
        return int(self.first[start]), min(int(self.first[stop - 1]) + self.width, self.in_size)

    def rows(self, start: int, stop: int) -> Bands:
        """Output rows ``start:stop``, over an input that begins and ends as `reads` says: the same weights exactly."""
        low, high = self.reads(start, stop)
        return Bands(high - low, self.first[start:stop] - low, self.taps[start:stop])

    def astype(self, dtype: DTypeLike) -> Bands:
        """The same matrix with weights of another precision."""
        return Bands(self.in_size, self.first, self.taps.astype(dtype))

    @cached_property
    def phases(self) -> Phases | None:
        """The rows whose weights repeat with a short period, or None where they are not the larger part.

        Found in the numbers themselves, so that a kernel that uses it returns the same bits as one that does not.
        """
        inside = np.flatnonzero(self.first + self.width <= self.in_size)
        stop = int(inside[-1]) + 1 if inside.size else 0
        for period in range(1, min(_LONGEST_PERIOD, stop // 4) + 1):
            steps = self.first[period:stop] - self.first[: stop - period]
            step = int(steps[len(steps) // 2])
            same = (steps == step) & (self.taps[period:stop] == self.taps[: stop - period]).all(axis=1)
            breaks = np.flatnonzero(~same)
            middle = len(same) // 2
            low = int(breaks[breaks <= middle].max(initial=-1)) + 1
            high = int(breaks[breaks > middle].min(initial=len(same))) + period
            if step > 0 and 2 * (high - low) > self.out_size:
                return Phases(low, high, period, step)
        return None


def linear_bands(axis: AxisMap) -> Bands:
    """Linear interpolation between the two nearest samples; positions outside the input are moved to its edge.

    The formula is PyTorch's ``compute_source_index_and_lambda``.
    """
    source = np.maximum(axis.source(np.arange(axis.out_size, dtype=np.float64)), 0)
    first = np.minimum(source.astype(np.intp), axis.in_size - 1)
    fraction = np.minimum(source - first, 1)
    return Bands(axis.in_size, first, np.stack([1 - fraction, fraction], axis=1))


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


def _pick(axis: AxisMap, position: NDArray[np.floating]) -> Bands:
    # PyTorch's `floorf` rounds the position to float32 first, whatever it was computed in.
    index = np.minimum(np.floor(position.astype(np.float32)).astype(np.intp), axis.in_size - 1)
    return Bands(axis.in_size, index, np.ones((axis.out_size, 1)))
