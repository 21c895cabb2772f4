"""The banded matrices of a call, kept for the next call of the same sizes, and their tables on each device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..core.axis_plan import AxisTarget, plan_axes
from ..core.long_axis import Matrix
from ..core.modes import Sampling, TorchContext, find_mode
from ..core.weights import BandedMatrix

_KEPT, _LONG_KEPT = 256, 4
_POSITIVE_KERNELS = (None, "linear", "box")  # no weight is negative
_MAX_PRECISION = 22  # fractional bits of PyTorch's 16-bit weights
_LONG_AXIS = 1 << 16  # samples; the matrices of longer axes take megabytes


class Call(NamedTuple):
    """What sets the matrices of a call.

    Attributes:
        in_sizes, out_sizes: of the spatial axes.
        factors: the scale factors at which to sample; none for the ratio of the sizes.
        mode: the mode's name.
        align_corners, antialias: as in PyTorch.
        dtype: ``float64``, ``uint8``, or ``float32`` for all others: PyTorch's CPU kernels find the nearest sample of
            float64 in float64, and leave axes that keep their size as they are in bicubic modes of bytes.
        cuda: whether to pick the nearest samples of PyTorch's CUDA kernels, ``floor(float32(dst · a))`` and
            ``floor(float32((dst + ½) · a))``, which differ from those of its CPU kernels for some sizes.
    """

    in_sizes: tuple[int, ...]
    out_sizes: tuple[int, ...]
    factors: tuple[float, ...]
    mode: str
    align_corners: bool
    antialias: bool
    dtype: str
    cuda: bool


class Matrices:
    """One matrix for each spatial axis; None where the axis stays as it is.

    Attributes:
        axes: the matrices; those of long axes are computed as needed.
        in_sizes, out_sizes: of the spatial axes.
        overshoots: whether results may lie outside the range of the samples, because weights are negative.
        tables: what each device needs of them, made and read by the kernel of that device.
    """

    def __init__(
        self,
        axes: Sequence[Matrix | None],
        in_sizes: tuple[int, ...],
        out_sizes: tuple[int, ...],
        overshoots: bool = False,
    ):
        self.axes, self.in_sizes, self.out_sizes, self.overshoots = axes, in_sizes, out_sizes, overshoots
        self.tables: dict[Any, Any] = {}

    @cached_property
    def whole_tables(self) -> list[BandedMatrix | None]:
        """The matrices as tables, whose size is proportional to the lengths of the axes."""
        return [axis and axis.table() for axis in self.axes]

    @cached_property
    def rounded_axes(self) -> list[BandedMatrix | None]:
        """The matrices with the weights of 16 bits that PyTorch's CPU kernels use for bytes."""
        return [axis and _rounded_to_16_bits(axis.table()) for axis in self.axes]

    @cached_property
    def transposed(self) -> Matrices:
        """The matrices of the gradient."""
        axes = [axis if axis is None else axis.transposed() for axis in self.axes]
        return Matrices(axes, self.out_sizes, self.in_sizes)

    @cached_property
    def copy_samples(self) -> bool:
        """Whether every output sample is a copy of one input sample."""
        return all(axis is None or axis.copies_samples for axis in self.axes)

    @cached_property
    def max_taps(self) -> int:
        """The largest number of taps along any axis, at least 1."""
        return max((axis.max_taps for axis in self.axes if axis is not None), default=1)


def _rounded_to_16_bits(matrix: BandedMatrix) -> BandedMatrix:
    """The weights rounded to multiples of the smallest power of two of which the largest is less than 2¹⁵.

    Weights beyond a border are added to that of the border sample before.
    """
    folded = matrix.transposed().transposed()
    precision = 0
    while precision < _MAX_PRECISION and int(0.5 + folded.taps.max() * 2 ** (precision + 1)) < 1 << 15:
        precision += 1
    taps = np.trunc(folded.taps * 2**precision + np.copysign(0.5, folded.taps)) / 2**precision
    return BandedMatrix.make(matrix.in_size, folded.first, taps, folded.tap_count, scale=matrix.scale)


def matrices(call: Call) -> Matrices:
    """The matrices of a call."""
    return (_kept_long if max(call.in_sizes + call.out_sizes) > _LONG_AXIS else _kept)(call)


def _make(call: Call) -> Matrices:
    mode = find_mode(call.mode)
    factors = call.factors or [None] * len(call.out_sizes)
    targets = [AxisTarget(size, factor) for size, factor in zip(call.out_sizes, factors, strict=True)]
    # PyTorch's CUDA kernels round as its CPU kernel for small 2-D outputs does, but only in "nearest-exact".
    context = TorchContext(mode.sampling is Sampling.NEAREST_EXACT, "float32", True) if call.cuda else None
    chosen = mode.antialiased() if call.antialias else mode
    plans = plan_axes(call.in_sizes, targets, chosen, call.align_corners, np.dtype(call.dtype), context)
    overshoots = chosen.kernel not in _POSITIVE_KERNELS
    return Matrices([plan.matrix for plan in plans], call.in_sizes, call.out_sizes, overshoots)


_kept = lru_cache(_KEPT)(_make)
_kept_long = lru_cache(_LONG_KEPT)(_make)
