"""``--verify``: compares a finished output with its plan and its input, by code that did not write it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import formats
from ..errors import OutputError, UpsampleError, reason
from ..formats.base import Array, Header, Source
from ..formats.picture.model import PictureInfo
from ..geometry import UNITS, Grid
from ..pipeline.array_plan import ArrayPlan
from ..pipeline.mode import read_options
from ..pipeline.opening import open_input
from ..pipeline.plan import Plan
from .converted import ConvertedChecker
from .readback import read_back
from .readback.model import Expected, MismatchError, ReadBack
from .reference import Row, reference_row
from .samples import SampleChecker

_ROWS_PER_ARRAY = 12  # random rows along the slab axis, in addition to the first, the last and one per page
_SAMPLES_PER_ROW = 16
_SAMPLES = 8192  # per array with many pages
_PAGED = ("tiff", "picture", "npy")  # families whose pages can be decoded independently


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
            if isinstance(source.header.metadata, PictureInfo) and not plan.request.truncated:
                from .picture_input import check_reading  # imports Pillow

                check_reading(plan.source_path, source)
            for array_plan, array in zip(plan.arrays, arrays, strict=True):
                if array is not None:
                    found = _without_colours(array, array_plan.after)
                    _check_grid(array_plan.after.grid, found)
                    if array_plan.reads_output is None:
                        _check_samples(plan, array_plan, sources[array_plan.source_number], found)
            if formats.family_of(plan.source_path) == "tiff":
                from .pages import check_pages  # imports tifffile

                check_pages(plan, path, sources)
    except MismatchError as mismatch:
        raise OutputError(f"--verify: {mismatch}; the output is withheld", plan.output_path) from None
    except UpsampleError:
        raise
    except Exception as error:
        message = f"--verify: the output cannot be read back: {reason(error)}; it is withheld"
        raise OutputError(message, plan.output_path) from error


def _without_colours(found: ReadBack, planned: Header) -> ReadBack:
    """The array without the samples of the colours that some formats hold in place of palette indices."""
    is_indexed = isinstance(planned.metadata, PictureInfo) and planned.metadata.palette is not None
    if not is_indexed or not found.names.endswith("s"):
        return found
    return replace(found, names=found.names[:-1], shape=found.shape[:-1], sample=None)


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
    conversion = array_plan.conversion
    checker = (
        SampleChecker(plan.request, array_plan)
        if conversion is None
        else ConvertedChecker(plan.request, array_plan, conversion)
    )
    every_page = formats.family_of(plan.output_path) in _PAGED
    for index, window, rows in _random_samples(array_plan, source, every_page):
        place = tuple(0 if axis is None else index[axis] for axis in order)
        found = array.sample(place)
        error = checker.error(index, window, rows, found)
        if not array.lossy and error > 0:
            raise MismatchError(f"the sample at {place} is {found}, which is not what the mode gives for the input")
        is_colour_with_alpha = after.alpha and index[-1] < after.grid.shape[-1] - 1  # codecs drop invisible colours
        if array.lossy and not is_colour_with_alpha:
            errors.append(min(error, 1.0))  # of a float that should be 0, the relative error has no bound
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


def _random_samples(
    array_plan: ArrayPlan, source: Source, every_page: bool
) -> Iterator[tuple[tuple[int, ...], Array, list[Row]]]:
    """Random samples of the output, in C order because sources only read forward; from every page if `every_page`.

    Yields:
        The index of the sample, the input samples around it, and for each axis of these the `Row` that uses them.
    """
    axis, shape = array_plan.slab_axis, array_plan.after.grid.shape
    in_size = array_plan.before.grid.shape[axis]
    random = np.random.default_rng(0)
    row_count = math.prod(shape[: axis + 1])
    chosen = {0, row_count - 1, *random.integers(0, row_count, _ROWS_PER_ARRAY).tolist()}
    leading = max(len(shape) - (3 if array_plan.after.grid.names[-1] == "s" else 2), 0)  # axes that number the pages
    if every_page and leading:
        first = np.arange(math.prod(shape[: min(axis + 1, leading)]))  # one row per page or per group of pages
        step = row_count // len(first)
        chosen |= set((first * step + random.integers(0, step, len(first))).tolist())
    pages_per_row = math.prod(shape[axis + 1 : leading]) if every_page else 1
    per_row = max(pages_per_row, min(_SAMPLES_PER_ROW, _SAMPLES // len(chosen)), 1)
    for lead, position in sorted(divmod(number, shape[axis]) for number in chosen):
        along = _axis_row(array_plan, axis, position)
        low, high = min(along.samples), max(along.samples) + 1
        rows = source.read(axis, lead * in_size + low, lead * in_size + high)
        places = [[int(random.integers(0, size)) for size in shape[axis + 1 :]] for _ in range(per_row)]
        if every_page and axis + 1 < leading:
            for number, place in enumerate(places):
                page = np.unravel_index(number % pages_per_row, shape[axis + 1 : leading])
                place[: len(page)] = map(int, page)
        for place in sorted(places):
            inner = [_axis_row(array_plan, axis + 1 + n, position) for n, position in enumerate(place)]
            if array_plan.before.grid.names[-1] == "s":  # the checker needs all samples of a pixel
                inner[-1] = Row(tuple(range(array_plan.before.grid.shape[-1])))
            window = rows[np.ix_([n - low for n in along.samples], *(row.samples for row in inner))]
            index = (*map(int, np.unravel_index(lead, shape[:axis])), position, *place)
            yield index, window, [along, *inner]
        del rows, window  # free their memory before the next rows are read


def _axis_row(array_plan: ArrayPlan, axis: int, position: int) -> Row:
    axis_plan = array_plan.axes[axis]
    if axis_plan.matrix is None:
        return Row((position,), (1.0,))
    return reference_row(array_plan.mode, axis_plan.uncropped or axis_plan.map, axis_plan.start + position)
