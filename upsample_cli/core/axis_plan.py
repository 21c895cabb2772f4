"""The plan for each axis of a resampling: its sampling map and its banded matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from .arrays import IndexArray
from .long_axis import LONGEST_TABLE, LongMatrix, Matrix, table_rows
from .modes import Mode, Sampling, TorchContext
from .sampling import AxisMap, axis_map
from .weights import (
    KERNELS,
    KEYS_SLOPES,
    BandedMatrix,
    Copied,
    Formula,
    area_matrix,
    box_matrix,
    copying_matrix,
    filter_matrix,
    interpolation_matrix,
    linear_matrix,
    nearest_exact_matrix,
    nearest_matrix,
)

LONGEST_CACHED_AXIS = 1 << 14  # samples; the matrices of longer axes are not cached

_BYTES_PER_ROW, _BYTES_PER_TAP = 272, 64  # measured: of weights, indices and the kernel's tables
_BYTES_PER_HELD_TAP = 24  # of a finished table: the weight in two precisions, and the kernel's copy
_SHIFT_ROWS = 1000  # output samples over which a shift is averaged
_CACHED_MATRICES = 16  # for the next image of the same size
_LONGEST_ROUNDED_AXIS = 4096  # input samples; on longer axes PyTorch's rounding moves samples by visible amounts
_LONGEST_TORCH_NEAREST = 1 << 20  # input samples; on longer axes PyTorch's float32 positions miss by whole samples


class AxisTarget(NamedTuple):
    """What is requested of one axis.

    Attributes:
        size: number of output samples.
        scale_factor: the factor at which to sample, or None for the ratio of the sizes.
        exact: apply `scale_factor` even where PyTorch's kernel would ignore it, see `ScalePolicy`.
        shift: offset of the output grid in input samples, if it is a given grid. On such a grid all modes sample at the
            true positions, without `align_corners`.
        crop: first and number of the output samples that are kept; None for all.
        spacing: the spacing of the output samples that was asked for, in the unit of the axis; None if none was.
    """

    size: int
    scale_factor: float | None = None
    exact: bool = False
    shift: float | None = None
    crop: tuple[int, int] | None = None
    spacing: float | None = None


class AxisPlan(NamedTuple):
    """What is done along one axis.

    Attributes:
        map: where the output samples lie; the geometry of the output follows from it.
        matrix: the weights, or None if the axis does not change.
        uncropped: the map of the whole output axis if `map` and `matrix` are only a part of it, else None.
        start: the first output sample of that part.
    """

    map: AxisMap
    matrix: Matrix | None
    uncropped: AxisMap | None = None
    start: int = 0

    @classmethod
    def unchanged(cls, size: int) -> AxisPlan:
        """The plan for an axis of `size` samples that stays as it is."""
        return cls(axis_map(size, size), None)

    def cropped(self, start: int, size: int) -> AxisPlan:
        """The plan for `size` output samples from `start` on."""
        whole = self.map
        matrix = self.matrix or copying_matrix(whole, np.arange(whole.in_size))
        part = whole._replace(out_size=size, shift=whole.shift + whole.a * start)
        return AxisPlan(part, matrix.rows(start, start + size), whole, start)


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
    matrices: dict[AxisMap, Matrix] = {}  # the axes of a square image share one
    for in_size, target in zip(in_sizes, targets, strict=True):
        ratio = mode.scale_policy.uses_ratio(in_size, target.size, context, target.exact)
        on_grid = target.shift is not None
        axis = axis_map(in_size, target.size, None if ratio else target.scale_factor, align_corners and not on_grid)
        corners = axis.align_corners and mode.honours_align_corners
        axis = axis._replace(align_corners=corners, shift=target.shift or 0.0, on_grid=on_grid)
        if not axis.is_identity and axis not in matrices:
            matrices[axis] = make_matrix(mode, axis, context, alone=len(targets) == 1)
        plan = AxisPlan(axis, matrices.get(axis))
        plans.append(plan if target.crop in (None, (0, target.size)) else plan.cropped(*target.crop))
    return plans


def weight_bytes(mode: Mode, in_size: int, out_size: int) -> int:
    """Memory that the weights of an axis take while they are computed and used by one thread, in bytes."""
    taps = _taps_bound(mode, axis_map(in_size, out_size))
    rows = out_size if max(in_size, out_size) <= LONGEST_TABLE else min(out_size, table_rows(taps))
    return rows * (_BYTES_PER_ROW + taps * _BYTES_PER_TAP)


def held_weight_bytes(mode: Mode, in_size: int, out_size: int, threads: int) -> int:
    """Memory that the weights of an axis take while `threads` threads use them, in bytes."""
    if max(in_size, out_size) > LONGEST_TABLE:  # each thread computes its own rows
        return threads * weight_bytes(mode, in_size, out_size)
    return out_size * (_taps_bound(mode, axis_map(in_size, out_size)) + 1) * _BYTES_PER_HELD_TAP


def make_matrix(mode: Mode, axis: AxisMap, context: TorchContext, alone: bool = False) -> Matrix:
    """The banded matrix of one axis, which is the only one if `alone`."""
    longest = max(axis.in_size, axis.out_size)
    if longest <= LONGEST_CACHED_AXIS:
        return _cached_table(mode, axis, context)
    rounded = _is_rounded(axis, context)
    formula = _formula(mode, axis, context)
    if longest <= LONGEST_TABLE and not (alone and formula):
        return _table(mode, axis, context)
    max_taps = _taps_bound(mode, axis)
    rows = partial(_make_rows, mode, axis, context, width=max_taps)
    is_lerp = mode.kernel == "triangle" and mode.sampling is Sampling.INTERPOLATE
    follows_torch = mode.copies_samples and axis.in_size <= _LONGEST_TORCH_NEAREST
    period = None if follows_torch or rounded or axis.ratio is None else axis.ratio[1]
    return LongMatrix(axis, rows, max_taps, period, is_lerp, mode.copies_samples, axis.in_size, axis.out_size, formula)


def _is_rounded(axis: AxisMap, context: TorchContext) -> bool:
    return context.rounds_positions and axis.in_size <= _LONGEST_ROUNDED_AXIS


def _formula(mode: Mode, axis: AxisMap, context: TorchContext) -> Formula | None:
    """The rule that the compiled kernel computes by itself, or None."""
    if mode.copies_samples:
        return Formula(1, copied=_copied(mode, axis, context), precision=context.position_dtype)
    if mode.sampling is not Sampling.INTERPOLATE:
        return None
    rounded = _is_rounded(axis, context)
    if mode.kernel == "triangle":
        return Formula(2, rounded=rounded)
    slope = KEYS_SLOPES.get(mode.kernel or "")
    return None if slope is None else Formula(4, slope, rounded)


def _table(mode: Mode, axis: AxisMap, context: TorchContext) -> BandedMatrix:
    return _make_rows(mode, axis, context, np.arange(axis.out_size))


_cached_table = lru_cache(_CACHED_MATRICES)(_table)


def _make_rows(
    mode: Mode, axis: AxisMap, context: TorchContext, rows: IndexArray, width: int | None = None
) -> BandedMatrix:
    """The rows of an axis's matrix for the output samples `rows`, with `width` columns or as many as they need."""
    if mode.copies_samples:
        return _nearest_rows(mode, axis, context, rows)
    if mode.sampling is Sampling.AREA:
        return area_matrix(axis, rows, width)
    if mode.sampling is Sampling.BOX:
        return box_matrix(axis, rows, width)
    rounded = _is_rounded(axis, context)
    if mode.kernel == "triangle" and mode.sampling is Sampling.INTERPOLATE:
        return linear_matrix(axis, rows, rounded)
    kernel = KERNELS[mode.kernel or ""]
    if mode.sampling is Sampling.INTERPOLATE:
        return interpolation_matrix(axis, rows, kernel, rounded)
    stretches = mode.sampling is Sampling.ANTIALIAS
    return filter_matrix(axis, rows, kernel, stretches=stretches, rounded=rounded, width=width)


def _copied(mode: Mode, axis: AxisMap, context: TorchContext) -> Copied:
    """Which input samples the outputs of a nearest mode copy."""
    is_exact = mode.sampling is Sampling.NEAREST_EXACT
    if axis.in_size > _LONGEST_TORCH_NEAREST or axis.on_grid:
        return Copied.NEAREST if is_exact or axis.on_grid else Copied.LEFT
    if not is_exact:
        return Copied.TORCH_NEAREST
    return Copied.TORCH_NEAREST_EXACT_SMALL if context.uses_small_2d_kernel else Copied.TORCH_NEAREST_EXACT


def _nearest_rows(mode: Mode, axis: AxisMap, context: TorchContext, rows: IndexArray) -> BandedMatrix:
    precision = getattr(np, context.position_dtype)
    copied = _copied(mode, axis, context)
    if copied in (Copied.LEFT, Copied.NEAREST):
        return copying_matrix(axis, axis.nearest(rows) if copied is Copied.NEAREST else axis.left(rows))
    if copied is Copied.TORCH_NEAREST:
        return nearest_matrix(axis, rows, precision)
    return nearest_exact_matrix(axis, rows, precision, via_centre=copied is Copied.TORCH_NEAREST_EXACT)


def nearest_shift(axis: AxisMap) -> float:
    """How far PyTorch's ``nearest`` moves the content along an axis on average, in input samples."""
    rows = np.arange(min(axis.out_size, _SHIFT_ROWS))
    before, fraction = axis.split(rows)
    return float(np.mean(before - axis.left(rows) + fraction))


def _taps_bound(mode: Mode, axis: AxisMap) -> int:
    """The largest number of taps that a row of the matrix can have."""
    if mode.copies_samples:
        return 1
    if mode.sampling in (Sampling.AREA, Sampling.BOX):
        return math.ceil(max(axis.a, axis.in_size / axis.out_size)) + 1
    support = KERNELS[mode.kernel or ""].support
    if mode.sampling is Sampling.INTERPOLATE:
        return 2 * int(support)
    return math.floor(2 * support * (max(axis.a, 1.0) if mode.sampling is Sampling.ANTIALIAS else 1.0)) + 1
