"""``--verify``: compares a finished output with its plan and its input, by code that did not write it."""

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
from ..formats.picture.model import PictureInfo
from ..geometry import UNITS, Grid
from ..pipeline.array_plan import ArrayPlan
from ..pipeline.mode import read_options
from ..pipeline.opening import open_input
from ..pipeline.plan import Plan
from ..pipeline.planning import nodata_of, transfer_curves_of
from ..pipeline.request import Request
from .readback import read_back
from .readback.model import Expected, MismatchError, ReadBack
from .reference import Row, reference_row

_ROWS_PER_ARRAY = 12  # random rows along the slab axis, besides the first and the last
_SAMPLES_PER_ROW = 16
_HALF = 0.5 - 1e-5  # sums of weights of missing samples are rounded
_ROUNDING_MARGIN = 1 / 32  # tolerated deviation from exact rounding, in integer levels


def verify(plan: Plan, path: Path) -> None:
    """Check that the file at `path`, which does not have its final name yet, is what `plan` describes.

    Its shape, dtype, spacing and the world positions of its corners must be those of the plan, and samples at random
    places those that the formula of the mode gives for the input in float64.

    Raises:
        OutputError: the file differs or cannot be read back.
    """
    options = read_options(plan.request)
    expected = Expected([image.after for image in plan.images], plan.sink.pyramids, options.keep_indices)
    try:
        with (
            read_back(path, formats.family_of(plan.output_path), expected) as arrays,
            open_input(plan.source_path, plan.request, plan.output_path) as source,
        ):
            sources = [source, *source.others]
            if isinstance(source.header.metadata, PictureInfo):
                from .picture_input import check_reading  # imports Pillow

                check_reading(plan.source_path, source)
            for array_plan, array in zip(plan.arrays, arrays, strict=True):
                if array is not None:
                    _check_grid(array_plan.after.grid, array)
                    if array_plan.reads_output is None:
                        _check_samples(plan, array_plan, sources[array_plan.source_number], array)
        if formats.family_of(plan.output_path) == formats.family_of(plan.source_path) == "tiff":
            from .pages import check_pages  # imports tifffile

            check_pages(plan, path)
    except MismatchError as mismatch:
        raise OutputError(f"--verify: {mismatch}; the output is withheld", plan.output_path) from None
    except UpsampleError:
        raise
    except Exception as error:
        message = f"--verify: the output cannot be read back: {error}; it is withheld"
        raise OutputError(message, plan.output_path) from error


def _check_grid(grid: Grid, found: ReadBack) -> None:
    """Compare shape, spacings and affines with the planned `grid`."""
    planned_sizes = sorted(size for size in grid.shape if size > 1)
    if planned_sizes != sorted(size for size in found.shape if size > 1):
        raise MismatchError(f"its shape is {found.shape} where {grid.shape} was planned")
    for axis in grid.axes:
        planned = axis.in_unit("mm").in_unit("s")
        spacing = found.spacing.get(axis.name)
        if planned.spacing is None or spacing is None or planned.unit not in (None, *UNITS[0], *UNITS[1]):
            continue
        if not math.isclose(spacing, planned.spacing, rel_tol=found.precision):
            raise MismatchError(f"the spacing of {axis.name} is {spacing:.9g} where {planned.spacing:.9g} was planned")
    for frame in grid.affines.keys() & found.affines.keys():
        _check_corners(frame, grid, found.affines[frame])


def _check_corners(frame: str, grid: Grid, affine: Array) -> None:
    ends = [(0, grid[name].size - 1) if name in grid.names else (0,) for name in "xyz"]
    corners = np.array([(*corner, 1) for corner in itertools.product(*ends)]).T
    planned, found = grid.affines[frame] @ corners, affine @ corners
    extent = np.abs(planned).max() + 1e-3
    if not np.allclose(planned, found, rtol=0, atol=1e-5 * extent):
        distance = np.abs(planned - found).max()
        raise MismatchError(f"a corner is {distance:.3g} away from its planned position in {frame}")


def _check_samples(plan: Plan, array_plan: ArrayPlan, source: Source, array: ReadBack) -> None:
    """Compare the dtype with the plan, and samples at random places with the formula of the mode."""
    after = array_plan.after
    if not (array.lossy or np.can_cast(after.dtype, array.dtype, "safe")):
        raise MismatchError(f"its samples are {array.dtype} where {after.dtype} was planned")
    order = _axis_order(after.grid, array)
    if array.sample is None:
        return
    errors, contrasts = [], []
    checker = _checker(plan.request, array_plan)
    for index, window, rows in _random_samples(array_plan, source):
        place = tuple(0 if axis is None else index[axis] for axis in order)
        found = array.sample(place)
        error = checker.error(index, window, rows, found)
        if not array.lossy and error > 0:
            raise MismatchError(f"the sample at {place} is {found}, which is not what the mode gives for the input")
        is_colour_with_alpha = after.alpha and index[-1] < after.grid.shape[-1] - 1  # codecs drop invisible colours
        if array.lossy and not is_colour_with_alpha:
            errors.append(error)
            contrasts.append(checker.contrast(window))
    if array.lossy and np.mean(errors) > array.lossy + np.mean(contrasts) / 2:  # codecs are worst at edges and noise
        raise MismatchError(f"its samples are off by {np.mean(errors):.0%} of their range on average")


def _axis_order(grid: Grid, array: ReadBack) -> list[int | None]:
    """For each axis of the file the number of the planned axis, or None for an added axis with a single sample.

    Axes that the file does not name are matched with the remaining planned axes, in order.
    """
    planned = {axis.name: n for n, axis in enumerate(grid.axes) if axis.size > 1}
    names = [name.replace("u", "c") for name in array.names]
    long_axes = [n for n, size in enumerate(array.shape) if size > 1]
    unnamed = [number for name, number in planned.items() if name not in {names[n] for n in long_axes}]
    order = {n: planned[names[n]] if names[n] in planned else unnamed.pop(0) for n in long_axes}
    if any(array.shape[n] != grid.shape[number] for n, number in order.items()):
        raise MismatchError(f"its axes are {array.names} where {''.join(grid.names)} were planned")
    return [order.get(n) for n in range(len(array.shape))]


def _random_samples(array_plan: ArrayPlan, source: Source) -> Iterator[tuple[tuple[int, ...], Array, list[Row]]]:
    """Random samples of the output in C order, since sources read forward only.

    Yields:
        The index of the sample, the input samples around it, and for each axis of these the `Row` that uses them.
    """
    axis, shape = array_plan.slab_axis, array_plan.after.grid.shape
    in_size = array_plan.before.grid.shape[axis]
    random = np.random.default_rng(0)
    row_count = math.prod(shape[: axis + 1])
    chosen = {0, row_count - 1, *random.integers(0, row_count, _ROWS_PER_ARRAY).tolist()}
    for lead, position in sorted(divmod(number, shape[axis]) for number in chosen):
        along = _axis_row(array_plan, axis, position)
        low, high = min(along.samples), max(along.samples) + 1
        rows = source.read(axis, lead * in_size + low, lead * in_size + high)
        places = [[int(random.integers(0, size)) for size in shape[axis + 1 :]] for _ in range(_SAMPLES_PER_ROW)]
        for place in sorted(places):
            inner = [_axis_row(array_plan, axis + 1 + n, position) for n, position in enumerate(place)]
            if array_plan.before.grid.names[-1] == "s":  # the checker needs all samples of a pixel
                inner[-1] = Row(tuple(range(array_plan.before.grid.shape[-1])))
            window = rows[np.ix_([n - low for n in along.samples], *(row.samples for row in inner))]
            index = (*map(int, np.unravel_index(lead, shape[:axis])), position, *place)
            yield index, window, [along, *inner]


def _axis_row(array_plan: ArrayPlan, axis: int, position: int) -> Row:
    axis_plan = array_plan.axes[axis]
    if axis_plan.matrix is None:
        return Row((position,), (1.0,))
    return reference_row(array_plan.mode, axis_plan.uncropped or axis_plan.map, axis_plan.start + position)


def _checker(request: Request, array_plan: ArrayPlan) -> SampleChecker:
    if array_plan.conversion is None:
        return SampleChecker(request, array_plan)
    from .converted import ConvertedChecker  # which extends the class below

    return ConvertedChecker(request, array_plan, array_plan.conversion)


class SampleChecker:
    """Measures how far samples are outside what the formula of the mode allows."""

    def __init__(self, request: Request, array_plan: ArrayPlan) -> None:
        before, mode = array_plan.before, array_plan.mode
        self._mode, self._dtype, self._out_dtype = mode, before.dtype, array_plan.after.dtype
        self._highest = float(np.iinfo(self._dtype).max) if self._dtype.kind in "iu" else 1.0
        self._has_channels = before.grid.names[-1] == "s"
        changes = any(axis_plan.matrix is not None for axis_plan in array_plan.axes)
        self._blends = blends = changes and not mode.preserves_values
        self._alpha = before.alpha and request.premultiply and blends
        self._curves = transfer_curves_of(before) if request.linear_light and blends else ()
        self._longest_axis = max(before.grid.shape)
        self._nodata = nodata_of(request, before) if blends and not self._alpha else None
        self._inside, self._outside = array_plan.inside, array_plan.outside

    def error(self, index: Sequence[int], window: Array, rows: Sequence[Row], found: Any) -> float:
        """The distance of `found` from the allowed values, as a fraction of its range; 0 if it is right.

        Args:
            index: position of the sample in the output.
            window: the input samples that are read.
            rows: their weights along each axis.
            found: the sample.
        """
        is_outside = any(number not in part for number, part in zip(index, self._inside, strict=True))
        if is_outside and self._outside is not None:
            return self._distance_to_any(np.array(self._outside), found)
        pixels = window if self._has_channels else window[..., None]
        rows = rows[:-1] if self._has_channels else rows
        channel = index[-1] if self._has_channels else 0
        if self._mode.copies_samples:
            return self._distance_to_any(pixels[..., channel], found)
        weights = np.ones(())
        for row in rows:
            weights = np.multiply.outer(weights, np.asarray(row.weights))
        if self._mode.is_label_mode:
            return self._vote_error(pixels[..., channel], weights, found)
        return self._blend_error(pixels, weights, channel, found)

    def contrast(self, window: Array) -> float:
        """The range of the samples of `window`, as a fraction of that of their type."""
        return float(np.ptp(window.astype(np.float64)) / self._highest)

    def _vote_error(self, labels: Array, weights: Array, found: Any) -> float:
        votes = {label: weights[labels == label].sum() for label in np.unique(labels)}
        winners = [label for label, vote in votes.items() if vote >= max(votes.values()) - 2 * TIE]
        return self._distance_to_any(np.array(winners), found)

    def _distance_to_any(self, allowed: Array, found: Any) -> float:
        if (allowed == found).any() or (found != found and np.isnan(allowed).any()):
            return 0.0
        return float(np.abs(allowed.astype(np.complex128) - complex(found)).min()) / self._highest

    def _blend_error(self, pixels: Array, weights: Array, channel: int, found: Any) -> float:
        samples: Any = pixels[..., channel].astype(np.complex128 if self._dtype.kind == "c" else np.float64)
        is_colour = not (self._alpha and channel == pixels.shape[-1] - 1)
        curve = self._curves[channel] if channel < len(self._curves) and is_colour else None
        if curve is not None:
            samples = curve(samples / self._highest)
        if self._alpha and is_colour:
            weights = weights * pixels[..., -1].astype(np.float64)
            total = weights.sum()
            if total == 0:
                return 0.0 if found == 0 else 1.0
            weights = weights / total
        if self._nodata is not None:
            absent = np.isnan(samples) if np.isnan(self._nodata) else samples == self._nodata
            total = weights[~absent].sum()
            if (is_nodata := found == self._nodata or (np.isnan(found) and np.isnan(self._nodata))) or total < _HALF:
                return 0.0 if is_nodata and total < 1 - _HALF else 1.0
            weights = np.where(absent, 0, weights) / total
            samples = np.where(absent, 0, samples)
        used = weights != 0
        with np.errstate(invalid="ignore"):
            value = (weights * samples)[used].sum()
        if not np.isfinite(found):  # implementations may or may not multiply infinities by a weight of zero
            return 0.0 if not np.isfinite(samples).all() else 1.0
        if not np.isfinite(value):
            return 1.0
        if curve is not None:
            return self._linear_light_error(curve, value, found)
        samples, weights = samples[used], weights[used]
        spread = float(np.abs(weights * samples).sum())
        position_error = 2.0**-23 * self._longest_axis  # PyTorch rounds positions to float32
        return self._excess(value, found, spread, position_error * float(np.abs(samples - value).max()))

    def _linear_light_error(self, curve: Any, value: float, found: Any) -> float:
        """The distance of `value` from the linear light that rounds to `found`."""
        margin = (0.5 + _ROUNDING_MARGIN) / self._highest
        level = found / self._highest
        low, high = curve(np.clip(np.array([level - margin, level + margin]), 0, 1))
        return 0.0 if low - 1e-6 <= np.clip(value, 0, 1) <= high + 1e-6 else float(abs(value - (low + high) / 2))

    def _excess(self, value: Any, found: Any, spread: float, tolerance: float) -> float:
        """The distance of `found` from `value` if it exceeds `tolerance` and the allowed rounding, else 0.

        Args:
            value: the exact result.
            found: the sample.
            spread: sum of the absolute products, which rounding errors are proportional to.
            tolerance: further tolerated distance.
        """
        if self._out_dtype.kind in "biu":
            is_bool = self._out_dtype.kind == "b"
            low, high = (0, 1) if is_bool else (np.iinfo(self._out_dtype).min, np.iinfo(self._out_dtype).max)
            value = min(max(value, float(low)), float(high))
            allowed, range_ = 0.5 + _ROUNDING_MARGIN + 2.0**-48 * spread, float(high) - float(low)
        else:
            limits = np.finfo(self._out_dtype)
            epsilon = max(float(limits.eps), float(np.finfo(np.float64).eps))
            allowed, range_ = 64 * epsilon * spread + float(limits.tiny), max(spread, 1e-300)
        distance = abs(complex(found) - complex(value))
        return 0.0 if distance <= allowed + tolerance else float(distance / range_)
