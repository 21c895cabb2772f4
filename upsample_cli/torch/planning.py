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
_LONG_AXIS = 1 << 16  # samples; the matrices of longer axes take megabytes


class Call(NamedTuple):
    """What sets the matrices of a call.

    Attributes:
        in_sizes, out_sizes: of the spatial axes.
        factors: the scale factors at which to sample; none for the ratio of the sizes.
        mode: the mode's name.
        align_corners, antialias: as in PyTorch.
        double: whether samples are float64, for which PyTorch's CPU kernels find the nearest sample in float64.
        cuda: whether to pick the nearest samples of PyTorch's CUDA kernels, ``floor(float32(dst · a))`` and
            ``floor(float32((dst + ½) · a))``, which differ from those of its CPU kernels for some sizes.
    """

    in_sizes: tuple[int, ...]
    out_sizes: tuple[int, ...]
    factors: tuple[float, ...]
    mode: str
    align_corners: bool
    antialias: bool
    double: bool
    cuda: bool


class Matrices:
    """One matrix for each spatial axis; None where the axis stays as it is.

    Attributes:
        axes: the matrices; those of long axes are computed as needed.
        in_sizes, out_sizes: of the spatial axes.
        tables: what each device needs of them, made and read by the kernel of that device.
    """

    def __init__(self, axes: Sequence[Matrix | None], in_sizes: tuple[int, ...], out_sizes: tuple[int, ...]):
        self.axes, self.in_sizes, self.out_sizes = axes, in_sizes, out_sizes
        self.tables: dict[Any, Any] = {}

    @cached_property
    def whole_tables(self) -> list[BandedMatrix | None]:
        """The matrices as tables, whose size is proportional to the lengths of the axes."""
        return [axis and axis.table() for axis in self.axes]

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


def matrices(call: Call) -> Matrices:
    """The matrices of a call."""
    return (_kept_long if max(call.in_sizes + call.out_sizes) > _LONG_AXIS else _kept)(call)


def _make(call: Call) -> Matrices:
    mode = find_mode(call.mode)
    factors = call.factors or [None] * len(call.out_sizes)
    targets = [AxisTarget(size, factor) for size, factor in zip(call.out_sizes, factors, strict=True)]
    # PyTorch's CUDA kernels round as its CPU kernel for small 2-D outputs does, but only in "nearest-exact".
    context = TorchContext(mode.sampling is Sampling.NEAREST_EXACT, "float32", True) if call.cuda else None
    dtype = np.dtype(np.float64 if call.double else np.float32)
    chosen = mode.antialiased() if call.antialias else mode
    plans = plan_axes(call.in_sizes, targets, chosen, call.align_corners, dtype, context)
    return Matrices([plan.matrix for plan in plans], call.in_sizes, call.out_sizes)


_kept = lru_cache(_KEPT)(_make)
_kept_long = lru_cache(_LONG_KEPT)(_make)
