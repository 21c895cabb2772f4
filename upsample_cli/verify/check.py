"""``--verify``: a finished output against its plan and its input, by other means than those that made it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import formats
from ..core.labels import TIE
from ..errors import OutputError, UpsampleError
from ..formats.base import Array, Source
from ..geometry import UNITS, Grid
from ..resize.array_plan import ArrayPlan
from ..resize.opening import open_input
from ..resize.plan import Plan
from ..resize.planning import transfer_curves_of
from ..resize.request import Request
from .readback import ReadBack, read_back
from .reference import Row, reference_row

_ROWS = 12  # of the slab axis that are looked at, of every array
_PER_ROW = 16  # samples
_MARGIN = 1 / 32  # of a level, by which integers may be rounded otherwise


def verify(plan: Plan, path: Path) -> None:
    """Make sure that the file at `path`, not yet under its final name, is what `plan` says.

    Its shape, dtype, spacing and the world positions of its corners are those of the plan, and samples at random
    places are what the definition of the mode gives, in float64, for the input.

    Raises:
        OutputError: it is not.
    """
    try:
        counts = [1 + (len(image.after.levels) if plan.sink.pyramids else 0) for image in plan.images]
        with (
            read_back(path, formats.family_of(plan.output_path), plan.first.after, counts) as seen,
            open_input(plan.source_path, plan.request) as source,
        ):
            sources = [source, *source.others]
            for array_plan, array in zip(plan.arrays, seen, strict=True):
                _same_grid(array_plan.after.grid, array)
                _same_samples(plan, array_plan, sources[array_plan.source_number], array)
    except _DifferenceError as difference:
        raise OutputError(f"--verify: {difference}; the output is withheld", plan.output_path) from None
    except UpsampleError:
        raise
    except Exception as error:
        raise OutputError(f"--verify: it cannot be read again: {error}; it is withheld", plan.output_path) from error


class _DifferenceError(Exception):
    pass


def _same_grid(grid: Grid, seen: ReadBack) -> None:
    wide = [axis.size for axis in grid.axes if axis.size > 1]
    if sorted(wide) != sorted(size for size in seen.shape if size > 1):
        raise _DifferenceError(f"its shape is {seen.shape} where {grid.shape} was planned")
    for axis in grid.axes:
        measured = axis.in_unit("mm").in_unit("s")
        if measured.spacing is None or axis.name not in seen.spacing:
            continue
        if measured.unit not in (None, *UNITS[0], *UNITS[1]):
            continue
        if not math.isclose(seen.spacing[axis.name], measured.spacing, rel_tol=seen.precision):
            found, planned = seen.spacing[axis.name], measured.spacing
            raise _DifferenceError(f"the spacing of {axis.name} is {found:.9g} where {planned:.9g} was planned")
    for frame in grid.affines.keys() & seen.affines.keys():
        _same_corners(frame, grid, seen.affines[frame])


def _same_corners(frame: str, grid: Grid, affine: Array) -> None:
    ends = [(0, grid[name].size - 1) if name in grid.names else (0,) for name in "xyz"]
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)]).T
    planned, found = grid.affines[frame] @ corners, affine @ corners
    extent = np.abs(planned).max() + 1e-3
    if not np.allclose(planned, found, rtol=0, atol=1e-5 * extent):
        off = np.abs(planned - found).max()
        raise _DifferenceError(f"a corner lies {off:.3g} away from where {frame} was planned")


def _same_samples(plan: Plan, array_plan: ArrayPlan, source: Source, seen: ReadBack) -> None:
    after = array_plan.after
    if not (seen.lossy or np.can_cast(after.dtype, seen.dtype, "safe")):
        raise _DifferenceError(f"its samples are {seen.dtype} where {after.dtype} was planned")
    order = _order(after.grid, seen)
    if seen.sample is None:
        return
    off, contrast = [], []
    judge = _Judge(plan.request, array_plan)
    for index, window, rows in _looked_at(array_plan, source):
        place = tuple(0 if axis is None else index[axis] for axis in order)
        found = seen.sample(place)
        distance = judge.distance(window, rows, index[-1], found)
        if not seen.lossy and distance > 0:
            raise _DifferenceError(f"the sample at {place} is {found}, which is not what the mode gives for the input")
        colour_of_nothing = after.alpha and index[-1] < after.grid.shape[-1] - 1
        if seen.lossy and not colour_of_nothing:
            off.append(distance)
            contrast.append(judge.contrast(window))
    if seen.lossy and np.mean(off) > seen.lossy + np.mean(contrast) / 2:  # codecs are worst at edges and noise
        raise _DifferenceError(f"its samples are off by {np.mean(off):.0%} of their range on average")


def _order(grid: Grid, seen: ReadBack) -> list[int | None]:
    """For every axis in the file the number of the axis of the grid, or None where it is a single sample of nothing.

    Axes that the file does not name are those that are left, in their order.
    """
    ours = {axis.name: n for n, axis in enumerate(grid.axes) if axis.size > 1}
    told = [name.replace("u", "c") for name in seen.names]
    wide = [n for n, size in enumerate(seen.shape) if size > 1]
    left = [number for name, number in ours.items() if name not in {told[n] for n in wide}]
    found = {n: ours[told[n]] if told[n] in ours else left.pop(0) for n in wide}
    if any(seen.shape[n] != grid.shape[number] for n, number in found.items()):
        raise _DifferenceError(f"its axes are {seen.names} where {''.join(grid.names)} were planned")
    return [found.get(n) for n in range(len(seen.shape))]


def _looked_at(array_plan: ArrayPlan, source: Source) -> Iterator[tuple[tuple[int, ...], Array, list[Row]]]:
    """Places of the output in ascending order, what the input has around each, and what each axis reads of it."""
    axis, shape = array_plan.slab_axis, array_plan.after.grid.shape
    in_size = array_plan.before.grid.shape[axis]
    random = np.random.default_rng(0)
    merged = math.prod(shape[: axis + 1])
    chosen = {0, merged - 1, *random.integers(0, merged, _ROWS).tolist()}
    for number in sorted(chosen, key=lambda n: (n // shape[axis], n % shape[axis])):
        lead, position = divmod(number, shape[axis])
        along = _row(array_plan, axis, position)
        low, high = min(along.samples), max(along.samples) + 1
        rows = source.read(axis, lead * in_size + low, lead * in_size + high)
        for _ in range(_PER_ROW):
            rest = [int(random.integers(0, size)) for size in shape[axis + 1 :]]
            inner = [_row(array_plan, axis + 1 + n, place) for n, place in enumerate(rest)]
            if array_plan.before.grid.names[-1] == "s":  # all samples of a pixel are looked at together
                inner[-1] = Row(tuple(range(shape[-1])))
            window = rows[np.ix_([n - low for n in along.samples], *(r.samples for r in inner))]
            index = (*map(int, np.unravel_index(lead, shape[:axis])), position, *rest)
            yield index, window, [along, *inner]


def _row(array_plan: ArrayPlan, axis: int, position: int) -> Row:
    step = array_plan.axes[axis]
    if step.matrix is None:
        return Row((position,), (1.0,))
    return reference_row(array_plan.mode, step.map, position)


class _Judge:
    """Says how far a sample is from what the definition allows."""

    def __init__(self, request: Request, array_plan: ArrayPlan) -> None:
        before, mode = array_plan.before, array_plan.mode
        self._mode, self._dtype, self._after = mode, before.dtype, array_plan.after.dtype
        self._pixels = before.grid.names[-1] == "s"
        changes = any(step.matrix is not None for step in array_plan.axes)
        blends = changes and not mode.preserves_values
        self._alpha = before.alpha and request.premultiply and blends
        self._curves = transfer_curves_of(before) if request.linear_light and blends else ()
        self._longest = max(before.grid.shape)

    def distance(self, window: Array, rows: Sequence[Row], channel: int, found: Any) -> float:
        """0 where `found` is right, else how far it is off, as a part of the range of its type.

        Args:
            window: the samples of the input that are read.
            rows: how each axis of it is weighed.
            channel: the index of the output along its last axis.
            found: the output.
        """
        axes = rows[:-1] if self._pixels else rows
        pixel = window if self._pixels else window[..., None]
        channel = channel if self._pixels else 0
        if self._mode.copies_samples:
            return self._nearest_of(pixel[..., channel], found)
        weights = np.ones(())
        for axis in axes:
            weights = np.multiply.outer(weights, np.asarray(axis.weights))
        if self._mode.is_label_mode:
            return self._lost_vote(pixel[..., channel], weights, found)
        return self._deviation(pixel, weights, channel, found)

    def contrast(self, window: Array) -> float:
        """How much the samples around a place differ, as a part of the range of their type."""
        return float(np.ptp(window.astype(np.float64)) / (np.iinfo(self._dtype).max if self._dtype.kind in "iu" else 1))

    def _lost_vote(self, labels: Array, weights: Array, found: Any) -> float:
        votes = {label: weights[labels == label].sum() for label in np.unique(labels)}
        winners = [label for label, vote in votes.items() if vote >= max(votes.values()) - 2 * TIE]
        return self._nearest_of(np.array(winners), found)

    def _nearest_of(self, allowed: Array, found: Any) -> float:
        if (allowed == found).any() or (found != found and np.isnan(allowed).any()):
            return 0.0
        range_ = float(np.iinfo(self._dtype).max) if self._dtype.kind in "iu" else 1.0
        return float(np.abs(allowed.astype(np.complex128) - complex(found)).min()) / range_

    def _deviation(self, pixel: Array, weights: Array, channel: int, found: Any) -> float:
        working = np.complex128 if self._dtype.kind == "c" else np.float64
        samples: Any = pixel[..., channel].astype(working)
        is_colour = not (self._alpha and channel == pixel.shape[-1] - 1)
        light = self._curves[channel] if channel < len(self._curves) and is_colour else None
        highest = float(np.iinfo(self._dtype).max) if self._dtype.kind in "iu" else 1.0
        if light is not None:
            samples = light(samples / highest)
        if self._alpha and is_colour:
            weights = weights * pixel[..., -1].astype(np.float64)
            total = weights.sum()
            if total == 0:
                return 0.0 if found == 0 else 1.0
            weights = weights / total
        counts = weights != 0
        with np.errstate(invalid="ignore"):
            value = (weights * samples)[counts].sum()
        if not np.isfinite(found):  # a weight of zero may count or not
            return 0.0 if not np.isfinite(samples).all() else 1.0
        if not np.isfinite(value):
            return 1.0
        samples, weights = samples[counts], weights[counts]
        spread = float(np.abs(weights * samples).sum())
        if light is not None:
            margin = (0.5 + _MARGIN) / highest
            low, high = light(np.clip(np.array([found / highest - margin, found / highest + margin]), 0, 1))
            return 0.0 if low - 1e-6 <= np.clip(value, 0, 1) <= high + 1e-6 else float(abs(value - (low + high) / 2))
        blur = 2.0**-23 * self._longest * float(np.abs(samples - value).max())  # PyTorch rounds positions to float32
        return self._beyond(value, found, spread, blur)

    def _beyond(self, value: Any, found: Any, spread: float, blur: float) -> float:
        """How far `found` is from `value` beyond the roundings that the contract allows."""
        if self._after.kind in "biu":
            limits = (0, 1) if self._after.kind == "b" else (np.iinfo(self._after).min, np.iinfo(self._after).max)
            value = min(max(value, float(limits[0])), float(limits[1]))
            allowed, range_ = 0.5 + _MARGIN + 2.0**-48 * spread, float(limits[1]) - float(limits[0])
        else:
            epsilon = max(float(np.finfo(self._after).eps), float(np.finfo(np.float64).eps))
            allowed, range_ = 64 * epsilon * spread + float(np.finfo(self._after).tiny), max(spread, 1e-300)
        off = abs(complex(found) - complex(value))
        return 0.0 if off <= allowed + blur else float(off / range_)
