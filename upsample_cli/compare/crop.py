"""Resamples a crop of an output without the rest. Its samples are bit for bit those of the whole output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.arrays import Array
from ..core.long_axis import Matrix
from ..core.resample import resample
from ..core.sampling import AxisMap
from ..core.threads import available_cores
from ..errors import InputError
from ..formats.base import Source
from ..pipeline.array_plan import ArrayPlan
from ..preview.planes import Plane, plane_of, sample_aspect
from .region import Region
from .saliency import best_window

_WINDOW_SIZE = (160, 120)  # columns and rows of the output in an automatic window, if its samples are square
_READ_BYTES = 16 << 20  # bytes read at a time
_MIN_SIDE = 8  # input samples along a side of an automatic window


@dataclass(frozen=True)
class Window:
    """The part of an array that is shown.

    Attributes:
        plane: the axes that are shown.
        ranges: the input samples along each axis: a single one except along the axes of the plane
            and the samples of a pixel.
    """

    plane: Plane
    ranges: tuple[range, ...]


@dataclass(frozen=True)
class Crop:
    """Part of an input and the same part of an output, each (rows, columns) or (rows, columns, samples)."""

    input: Array
    output: Array


@dataclass(frozen=True)
class _AxisCrop:
    """The part of a crop along one axis: output samples, the input samples they depend on, and their weights."""

    outputs: range
    reads: range
    matrix: Matrix | None


def choose_window(source: Source, array_plan: ArrayPlan, region: Region | None, path: Path) -> Window:
    """The window given by `region`, or the one with the most detail.

    A volume is shown as a slice across the axis that grows least, at its middle unless the region gives a position.

    Raises:
        RequestError: the region is not within the array.
        InputError: the array has fewer than two axes to show.
    """
    grid = array_plan.before.grid
    given = {} if region is None else region.ranges
    if region is not None:
        region.check(grid, path)
    plane = _choose_plane(array_plan, given, path)
    shown = (plane.rows, plane.columns, "s")
    ranges = []
    for axis in grid.axes:
        samples = given.get(axis.name, range(1) if axis.name == "c" else range(axis.size))
        ranges.append(samples if axis.name in shown else _middle(samples))
    window = Window(plane, tuple(ranges))
    return (
        window if {plane.columns, plane.rows} <= given.keys() else _with_most_detail(source, array_plan, window, given)
    )


def crops(source: Source, array_plans: Sequence[ArrayPlan], window: Window) -> list[Crop]:
    """Compute the part of each output that `window` shows. The input is read once for all of them."""
    parts = [[_axis_crop(array_plan, axis, window) for axis in range(len(window.ranges))] for array_plan in array_plans]
    box = [
        _bounding_range([reads, *(of_one[axis].reads for of_one in parts)]) for axis, reads in enumerate(window.ranges)
    ]
    x = _read(source, box)
    grid = array_plans[0].before.grid
    shown = window.plane.of(_cut(x, box, window.ranges), grid)
    return [
        Crop(shown, window.plane.of(_resample_crop(array_plan, x, box, of_one), grid))
        for array_plan, of_one in zip(array_plans, parts, strict=True)
    ]


def _choose_plane(array_plan: ArrayPlan, given: Mapping[str, range], path: Path) -> Plane:
    """The plane across the axis that grows least."""
    before, after = array_plan.before.grid, array_plan.after.grid
    wide = [name for name in before.spatial if before[name].size > 1 and len(given.get(name, range(2))) > 1]
    if len(wide) > 2:
        spare = [name for name in wide if name not in given] or wide
        growths = {name: after[name].size / before[name].size for name in spare}
        wide.remove(min(reversed(spare), key=lambda name: growths[name]))
    if len(wide) < 2:
        raise InputError("has fewer than two axes to show; --compare needs a picture or a volume", path)
    return plane_of(before, wide[0], wide[1])


def _with_most_detail(source: Source, array_plan: ArrayPlan, window: Window, given: Mapping[str, range]) -> Window:
    """The part of `window` with the most detail; along axes that are not `given` it has the default size."""
    before, after = array_plan.before.grid, array_plan.after.grid
    plane, upright = window.plane, replace(window.plane, mirrored=frozenset())
    assert plane.rows is not None
    row_axis, column_axis = before.names.index(plane.rows), before.names.index(plane.columns)
    whole = window.ranges[row_axis], window.ranges[column_axis]
    wanted = _WINDOW_SIZE[1] / sample_aspect(after, plane.columns, plane.rows), _WINDOW_SIZE[0]
    sides = []
    for name, samples, outputs in zip((plane.rows, plane.columns), whole, wanted, strict=True):
        side = max(_MIN_SIDE, round(outputs * before[name].size / after[name].size))
        sides.append(len(samples) if name in given else min(side, len(samples)))

    def moved(rows: range, columns: range) -> tuple[range, ...]:
        ranges = list(window.ranges)
        ranges[row_axis], ranges[column_axis] = rows, columns
        return tuple(ranges)

    def read(start: int, stop: int) -> Array:
        rows = upright.of(_read(source, moved(whole[0][start:stop], whole[1])), before)
        return rows[..., :-1] * np.float64(rows[..., -1:]) if array_plan.before.alpha else rows  # visible detail only

    is_label = array_plan.before.labels or array_plan.mode.is_label_mode
    row, column = best_window(read, (len(whole[0]), len(whole[1])), (sides[0], sides[1]), is_label)
    return replace(window, ranges=moved(whole[0][row : row + sides[0]], whole[1][column : column + sides[1]]))


def _resample_crop(array_plan: ArrayPlan, x: Array, box: Sequence[range], parts: Sequence[_AxisCrop]) -> Array:
    out = np.empty([len(part.outputs) for part in parts], array_plan.after.dtype)
    resample(
        _cut(x, box, [part.reads for part in parts]),
        [part.matrix for part in parts],
        out,
        array_plan.codec,
        available_cores(),
    )
    return out


def _axis_crop(array_plan: ArrayPlan, axis: int, window: Window) -> _AxisCrop:
    """The part of a crop along one axis."""
    wanted, axis_plan = window.ranges[axis], array_plan.axes[axis]
    if axis_plan.matrix is None:
        return _AxisCrop(wanted, wanted, None)
    outputs = _outputs_within(axis_plan.map, wanted)
    if len(wanted) == 1 and array_plan.before.grid.names[axis] not in (window.plane.columns, window.plane.rows, "s"):
        outputs = _middle(outputs)
    rows = outputs.start, outputs.stop
    return _AxisCrop(outputs, range(*axis_plan.matrix.input_range(*rows)), axis_plan.matrix.row_slice(*rows))


def _outputs_within(axis: AxisMap, wanted: range) -> range:
    """The output samples within the extent of the input samples `wanted`; the next one if there is none."""
    ends = [math.ceil((edge - 0.5 - axis.b) / axis.pitch) for edge in (wanted.start, wanted.stop)]
    start = min(max(ends[0], 0), axis.out_size - 1)
    return range(start, min(max(ends[1], start + 1), axis.out_size))


def _read(source: Source, box: Sequence[range]) -> Array:
    """Read the part `box` of an array, in rows of the first axis along which it has several samples."""
    shape = source.header.grid.shape
    axis = next((number for number, samples in enumerate(box) if len(samples) > 1), len(box) - 1)
    lead = int(np.ravel_multi_index([samples.start for samples in box[:axis]], shape[:axis])) if axis else 0
    start = lead * shape[axis] + box[axis].start
    inner = tuple(slice(samples.start, samples.stop) for samples in box[axis + 1 :])
    found: Array = np.empty([len(samples) for samples in box[axis:]], source.header.dtype)
    step = max(1, _READ_BYTES // (math.prod(shape[axis + 1 :]) * found.itemsize))
    for first in range(0, len(found), step):  # a thin slice may touch the whole file
        rows = source.read(axis, start + first, start + min(first + step, len(found)))
        found[first : first + len(rows)] = rows[(slice(None), *inner)]
    return found.reshape([len(samples) for samples in box])


def _cut(x: Array, box: Sequence[range], ranges: Sequence[range]) -> Array:
    """The part `ranges` of an array, cut from `x`, which is its part `box`."""
    return x[
        tuple(slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(ranges, box, strict=True))
    ]


def _bounding_range(ranges: Sequence[range]) -> range:
    """The smallest range that contains all `ranges`."""
    return range(min(part.start for part in ranges), max(part.stop for part in ranges))


def _middle(samples: range) -> range:
    middle = samples[len(samples) // 2]
    return range(middle, middle + 1)
