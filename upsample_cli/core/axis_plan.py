"""The plan for each axis of a resampling: its sampling map and its banded matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .modes import Mode, Sampling, TorchContext
from .sampling import AxisMap, axis_map
from .weights import (
    KERNELS,
    BandedMatrix,
    area_matrix,
    filter_matrix,
    interpolation_matrix,
    linear_matrix,
    nearest_exact_matrix,
    nearest_matrix,
)

_CACHED_MATRICES = 16  # for the next image of the same size
_LONGEST_CACHED_AXIS = 1 << 14  # samples


class AxisTarget(NamedTuple):
    """What is requested of one axis.

    Attributes:
        size: number of output samples.
        scale_factor: the factor at which to sample, or None for the ratio of the sizes.
        exact: apply `scale_factor` even where PyTorch's kernel would ignore it, see `ScalePolicy`.
        shift: offset of the output grid in input samples, for modes that interpolate.
    """

    size: int
    scale_factor: float | None = None
    exact: bool = False
    shift: float = 0.0


class AxisPlan(NamedTuple):
    """What is done along one axis.

    Attributes:
        map: where the output samples lie; the geometry of the output follows from it.
        matrix: the weights, or None if the axis does not change.
    """

    map: AxisMap
    matrix: BandedMatrix | None

    @classmethod
    def unchanged(cls, size: int) -> AxisPlan:
        """The plan for an axis of `size` samples that stays as it is."""
        return cls(axis_map(size, size), None)


def max_taps(axes: Iterable[AxisPlan]) -> int:
    """The largest number of taps along any axis, at least 1."""
    return max((axis.matrix.max_taps for axis in axes if axis.matrix is not None), default=1)


def plan_axes(
    in_sizes: Sequence[int],
    targets: Sequence[AxisTarget],
    mode: Mode,
    align_corners: bool,
    dtype: np.dtype[Any],
    context: TorchContext | None = None,
) -> list[AxisPlan]:
    """Plan every resized axis.

    Args:
        in_sizes: input size of each resized axis, in the order of the array.
        targets: what is requested of each of them.
        mode: the interpolation mode.
        align_corners: as in PyTorch.
        dtype: of the samples; PyTorch's nearest modes depend on it.
        context: PyTorch's code path; by default that of its CPU kernels.

    Raises:
        ValueError: an input or output size is not positive.
    """
    if min([*in_sizes, *(target.size for target in targets)], default=1) < 1:
        raise ValueError(f"sizes must be positive, got {tuple(in_sizes)} → {tuple(t.size for t in targets)}")
    context = context or TorchContext.of(dtype, [target.size for target in targets])
    plans = []
    matrices: dict[AxisMap, BandedMatrix] = {}  # the axes of a square image share one
    for in_size, target in zip(in_sizes, targets, strict=True):
        ratio = mode.scale_policy.uses_ratio(in_size, target.size, context, target.exact)
        axis = axis_map(in_size, target.size, None if ratio else target.scale_factor, align_corners)
        axis = axis._replace(align_corners=axis.align_corners and mode.honours_align_corners, shift=target.shift)
        if not axis.is_identity and axis not in matrices:
            longest = max(axis.in_size, axis.out_size)
            make = make_matrix if longest > _LONGEST_CACHED_AXIS else _cached_matrix
            matrices[axis] = make(mode, axis, context)
        plans.append(AxisPlan(axis, matrices.get(axis)))
    return plans


def make_matrix(mode: Mode, axis: AxisMap, context: TorchContext) -> BandedMatrix:
    """The banded matrix of one axis."""
    if mode.sampling is Sampling.NEAREST:
        return nearest_matrix(axis, getattr(np, context.position_dtype))
    if mode.sampling is Sampling.NEAREST_EXACT:
        small_2d = context.uses_small_2d_kernel
        return nearest_exact_matrix(axis, getattr(np, context.position_dtype), via_centre=not small_2d)
    if mode.sampling is Sampling.AREA:
        return area_matrix(axis)
    if mode.kernel == "triangle" and mode.sampling is Sampling.INTERPOLATE:
        return linear_matrix(axis)
    kernel = KERNELS[mode.kernel or ""]
    if mode.sampling is Sampling.INTERPOLATE:
        return interpolation_matrix(axis, kernel)
    return filter_matrix(axis, kernel, stretches=mode.sampling is Sampling.ANTIALIAS)


_cached_matrix = lru_cache(_CACHED_MATRICES)(make_matrix)
