"""A part of an output, made without the rest of it: the same samples, bit for bit, that the whole would have."""

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
from ..preview.planes import Plane, plane_of, sample_aspect
from ..resize.array_plan import ArrayPlan
from .region import Region
from .saliency import best_window

_SIDES = (160, 120)  # columns and rows of the output, if they are square, of a window that is found
_READ_BYTES = 16 << 20  # that are read at a time
_LEAST = 8  # samples of the input along its sides


@dataclass(frozen=True)
class Window:
    """What is looked at of an array.

    Attributes:
        plane: its axes.
        ranges: for each axis of the array the samples of the input, a single one along all other axes but the last
            of colours.
    """

    plane: Plane
    ranges: tuple[range, ...]


@dataclass(frozen=True)
class Crop:
    """A part of an input, and of an output, both of shape (rows, columns) or (rows, columns, samples)."""

    input: Array
    output: Array


@dataclass(frozen=True)
class _Part:
    """Some samples of an output along one axis, those of the input that they read, and the weights between them."""

    outputs: range
    reads: range
    matrix: Matrix | None


def choose_window(source: Source, array_plan: ArrayPlan, region: Region | None, path: Path) -> Window:
    """The window that `region` names, or that in which there is most to see.

    Of a volume a slice is shown: across the axis that grows least, at its middle, unless the region names a sample.

    Raises:
        RequestError: the region is not within the array.
        InputError: the array is a line.
    """
    grid = array_plan.before.grid
    given = {} if region is None else region.ranges
    if region is not None:
        region.check(grid, path)
    plane = _plane(array_plan, given, path)
    shown = (plane.rows, plane.columns, "s")
    ranges = []
    for axis in grid.axes:
        samples = given.get(axis.name, range(1) if axis.name == "c" else range(axis.size))
        ranges.append(samples if axis.name in shown else _middle(samples))
    window = Window(plane, tuple(ranges))
    return window if {plane.columns, plane.rows} <= given.keys() else _most_detailed(source, array_plan, window, given)


def crops(source: Source, array_plans: Sequence[ArrayPlan], window: Window) -> list[Crop]:
    """What `window` shows of each output, for which the input is read once."""
    parts = [[_part(array_plan, axis, window) for axis in range(len(window.ranges))] for array_plan in array_plans]
    box = [_hull([reads, *(of_one[axis].reads for of_one in parts)]) for axis, reads in enumerate(window.ranges)]
    x = _read(source, box)
    grid = array_plans[0].before.grid
    shown = window.plane.of(_cut(x, box, window.ranges), grid)
    return [
        Crop(shown, window.plane.of(_made(array_plan, x, box, of_one), grid))
        for array_plan, of_one in zip(array_plans, parts, strict=True)
    ]


def _plane(array_plan: ArrayPlan, given: Mapping[str, range], path: Path) -> Plane:
    """The plane across the axis that grows least."""
    before, after = array_plan.before.grid, array_plan.after.grid
    wide = [name for name in before.spatial if before[name].size > 1 and len(given.get(name, range(2))) > 1]
    if len(wide) > 2:
        spare = [name for name in wide if name not in given] or wide
        growths = {name: after[name].size / before[name].size for name in spare}
        wide.remove(min(reversed(spare), key=lambda name: growths[name]))
    if len(wide) < 2:
        raise InputError("has no two axes to look at; --compare shows pictures and slices of volumes", path)
    return plane_of(before, wide[0], wide[1])


def _most_detailed(source: Source, array_plan: ArrayPlan, window: Window, given: Mapping[str, range]) -> Window:
    """A part of `window`, as large along the axes that are not `given` as can be shown well."""
    before, after = array_plan.before.grid, array_plan.after.grid
    plane, upright = window.plane, replace(window.plane, mirrored=frozenset())
    assert plane.rows is not None
    row_axis, column_axis = before.names.index(plane.rows), before.names.index(plane.columns)
    whole = window.ranges[row_axis], window.ranges[column_axis]
    wanted = _SIDES[1] / sample_aspect(after, plane.columns, plane.rows), _SIDES[0]
    sides = []
    for name, samples, outputs in zip((plane.rows, plane.columns), whole, wanted, strict=True):
        side = max(_LEAST, round(outputs * before[name].size / after[name].size))
        sides.append(len(samples) if name in given else min(side, len(samples)))

    def moved(rows: range, columns: range) -> tuple[range, ...]:
        ranges = list(window.ranges)
        ranges[row_axis], ranges[column_axis] = rows, columns
        return tuple(ranges)

    def read(start: int, stop: int) -> Array:
        rows = upright.of(_read(source, moved(whole[0][start:stop], whole[1])), before)
        return rows[..., :-1] * np.float64(rows[..., -1:]) if array_plan.before.alpha else rows  # as far as it is seen

    is_label = array_plan.before.labels or array_plan.mode.is_label_mode
    row, column = best_window(read, (len(whole[0]), len(whole[1])), (sides[0], sides[1]), is_label)
    return replace(window, ranges=moved(whole[0][row : row + sides[0]], whole[1][column : column + sides[1]]))


def _made(array_plan: ArrayPlan, x: Array, box: Sequence[range], parts: Sequence[_Part]) -> Array:
    out = np.empty([len(part.outputs) for part in parts], array_plan.after.dtype)
    resample(
        _cut(x, box, [part.reads for part in parts]),
        [part.matrix for part in parts],
        out,
        array_plan.codec,
        available_cores(),
    )
    return out


def _part(array_plan: ArrayPlan, axis: int, window: Window) -> _Part:
    """The samples of the output that lie where the window is, along an axis."""
    wanted, step = window.ranges[axis], array_plan.axes[axis]
    if step.matrix is None:
        return _Part(wanted, wanted, None)
    outputs = _outputs(step.map, wanted)
    if len(wanted) == 1 and array_plan.before.grid.names[axis] not in (window.plane.columns, window.plane.rows, "s"):
        outputs = _middle(outputs)
    bands = step.matrix
    return _Part(
        outputs, range(*bands.input_range(outputs.start, outputs.stop)), bands.row_slice(outputs.start, outputs.stop)
    )


def _outputs(axis: AxisMap, wanted: range) -> range:
    """The output samples that lie within the extent of some input samples; the next one where there is none."""
    ends = [math.ceil((edge - 0.5 - axis.b) / axis.pitch) for edge in (wanted.start, wanted.stop)]
    start = min(max(ends[0], 0), axis.out_size - 1)
    return range(start, min(max(ends[1], start + 1), axis.out_size))


def _read(source: Source, box: Sequence[range]) -> Array:
    """A box of an array, of which no more is read than the rows of its slowest axis that is not a single sample."""
    shape = source.header.grid.shape
    axis = next((number for number, samples in enumerate(box) if len(samples) > 1), len(box) - 1)
    lead = int(np.ravel_multi_index([samples.start for samples in box[:axis]], shape[:axis])) if axis else 0
    start = lead * shape[axis] + box[axis].start
    inner = tuple(slice(samples.start, samples.stop) for samples in box[axis + 1 :])
    found: Array = np.empty([len(samples) for samples in box[axis:]], source.header.dtype)
    step = max(1, _READ_BYTES // (math.prod(shape[axis + 1 :]) * found.itemsize))
    for first in range(0, len(found), step):  # since a slice may need a little of all that there is
        rows = source.read(axis, start + first, start + min(first + step, len(found)))
        found[first : first + len(rows)] = rows[(slice(None), *inner)]
    return found.reshape([len(samples) for samples in box])


def _cut(x: Array, box: Sequence[range], ranges: Sequence[range]) -> Array:
    """The part `ranges` of the array of which `x` is the part `box`."""
    return x[
        tuple(slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(ranges, box, strict=True))
    ]


def _hull(ranges: Sequence[range]) -> range:
    return range(min(part.start for part in ranges), max(part.stop for part in ranges))


def _middle(samples: range) -> range:
    middle = samples[len(samples) // 2]
    return range(middle, middle + 1)
