"""The target size and factor of each axis, from the options and the grid of a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import formats
from ..core.axis_plan import AxisTarget, plan_axes
from ..core.sampling import scaled_size
from ..errors import InputError, RequestError
from ..formats.base import ReadOptions
from ..geometry import Axis, Grid
from .mode import choose_mode, read_options
from .per_axis import Number, PerAxis
from .reference_grid import Placement, comparison_warnings, covers_same_space, matching_target, place
from .reorient import Orientation
from .request import PairedImage, Request

if TYPE_CHECKING:
    from fractions import Fraction

_SAME_SPACING = 1e-6  # relative; headers round spacings to float32 (6e-8), often after computing with them
_LEAST_FACTOR = 1e-9  # of a file's spacing to the requested one; if it is smaller, the file is damaged
_VOLUME_UNIT = "mm"
_PICTURE = "picture"  # the family of files whose spacing is a resolution for printing


def find_targets(request: Request, grid: Grid, path: Path) -> dict[str, AxisTarget]:
    """What is requested of each axis that the options address.

    Args:
        request: the options.
        grid: of the file.
        path: the file, for messages.

    Raises:
        RequestError: the request does not fit the axes or the position of the file.
        InputError: a reference file cannot be read.
    """
    try:
        targets = _targets(request, grid, path)
    except (RequestError, ValueError) as error:
        if isinstance(error, RequestError) and error.path is not None:
            raise
        raise RequestError(str(error), path) from error
    if (request.only_shrink or request.only_enlarge) and request.paired_image is None:
        return {name: _bounded(target, grid[name].size, request.only_shrink) for name, target in targets.items()}
    return targets


def _targets(request: Request, grid: Grid, path: Path) -> dict[str, AxisTarget]:
    if request.paired_image is not None:
        return _onto_image(request.paired_image, request, grid, path).targets
    if request.scale is not None:
        return _from_scale(request.scale, grid, request.recompute_scale_factor)
    if request.size is not None:
        return _from_size(request.size, grid)
    if request.spacing is not None:
        return _from_spacing(_spacings(request.spacing, _with_unit(grid, path)), grid, request.align_corners)
    if request.isotropic is not None:
        return _from_spacing(_equal_spacings(request.isotropic, grid), grid, request.align_corners)
    if request.fit is not None:
        return _from_box(request.fit, grid)
    if request.cover is not None:
        return _covering(request.cover, grid, request)
    assert request.like is not None
    return _onto_file(Path(request.like), request, grid, path).targets


def _bounded(target: AxisTarget, size: int, only_shrink: bool) -> AxisTarget:
    """The target, or an unchanged axis of `size` samples if it would change in the unwanted direction."""
    unwanted = target.size > size if only_shrink else target.size < size
    return AxisTarget(size) if unwanted else target


def _from_scale(scale: PerAxis, grid: Grid, recompute: bool) -> dict[str, AxisTarget]:
    targets = {}
    for name, factor in scale.resolve(grid.spatial, grid.names, "--scale").items():
        size = 0 if isinstance(factor, float) else math.floor(grid[name].size * factor)  # without rounding the factor
        size = size or scaled_size(grid[name].size, float(factor))
        targets[name] = AxisTarget(size, None if recompute else float(factor))
    return targets


def _from_size(size: PerAxis, grid: Grid) -> dict[str, AxisTarget]:
    sizes = size.resolve(grid.spatial, grid.names, "--size")
    if size.keeps_proportions:
        ((name, side),) = sizes.items()
        return _in_proportion(_ratio(side, grid[name].size), [axis for axis in "xy" if axis in grid.names], grid)
    return {name: AxisTarget(int(number)) for name, number in sizes.items()}


def _spacings(spacing: PerAxis, grid: Grid) -> dict[str, float]:
    """The requested spacing of each axis, in the unit of the axis."""
    wanted = {}
    for name, number in spacing.resolve(grid.spatial, grid.names, "--spacing").items():
        axis, unit = grid[name], spacing.unit or implied_unit(grid)
        ratio = 1.0
        if unit is not None and axis.spacing is not None:
            in_unit = axis.in_unit(unit)
            if in_unit.unit != unit:
                known = "no unit" if axis.unit is None else f"the unit {axis.unit}"
                raise RequestError(f"--spacing {spacing.text}: axis {name} has {known}; write the number alone")
            ratio = _in_unit_of(axis, 1.0, unit)
        wanted[name] = float(number) * ratio
    return wanted


def assumed_unit(grid: Grid, path: Path) -> str | None:
    """The unit of spacings in space that a volume does not state: volumes are nearly always in mm. None elsewhere."""
    is_unknown = any(grid[name].unit is None and grid[name].spacing is not None for name in grid.spatial)
    return _VOLUME_UNIT if is_unknown and formats.family_of(path) == "volume" else None


def _with_unit(grid: Grid, path: Path) -> Grid:
    unit = assumed_unit(grid, path)
    return Grid(
        tuple(axis._replace(unit=axis.unit or unit) if axis.name in grid.spatial else axis for axis in grid.axes)
    )


def implied_unit(grid: Grid) -> str | None:
    """The unit of a spacing without a unit if the axes differ in theirs: that of x. None if they do not differ."""
    units = {grid[name].unit for name in grid.spatial if grid[name].unit is not None}
    return grid["x"].unit if len(units) > 1 and "x" in grid.names else None


def _equal_spacings(choice: str, grid: Grid) -> dict[str, float]:
    """The spacing of the finest or the coarsest spatial axis for all of them, in the unit of each."""
    axes = [grid[name] for name in grid.spatial]
    if unknown := [axis.name for axis in axes if axis.spacing is None]:
        raise RequestError(f"--isotropic: the file has no spacing for axis {unknown[0]}; use --scale or --size")
    unit = axes[0].unit if axes else None
    lengths = {axis.name: _spacing_of(axis if unit is None else axis.in_unit(unit)) for axis in axes}
    chosen = (min if choice == "finest" else max)(lengths.values(), default=1.0)
    return {axis.name: chosen if unit is None else _in_unit_of(axis, chosen, unit) for axis in axes}


def _in_unit_of(axis: Axis, length: float, unit: str) -> float:
    """A length in another unit, in the unit of an axis; the same if they do not measure the same."""
    return length if axis.unit is None else _spacing_of(axis._replace(spacing=length, unit=unit).in_unit(axis.unit))


def _spacing_of(axis: Axis) -> float:
    assert axis.spacing is not None
    return axis.spacing


def _from_spacing(wanted: Mapping[str, float], grid: Grid, align_corners: bool) -> dict[str, AxisTarget]:
    targets = {}
    for name, spacing in wanted.items():
        axis = grid[name]
        if axis.spacing is None:
            raise RequestError(
                f"--spacing: the file has no spacing for axis {name}; use --scale or --size, or write its present "
                "spacing into it first"
            )
        if math.isclose(axis.spacing, spacing, rel_tol=_SAME_SPACING):
            targets[name] = AxisTarget(axis.size)
            continue
        factor = axis.spacing / spacing
        if factor < _LEAST_FACTOR:
            found = f"{axis.spacing:.3g} {axis.unit or ''}".rstrip()
            raise RequestError(f"--spacing: the spacing of {name} in the file, {found}, is too small for the new one")
        extent = (axis.size - 1) * factor + 1 if align_corners else axis.size * factor
        targets[name] = AxisTarget(max(1, round(extent)), factor, exact=True, spacing=spacing)
    return targets


def _from_box(box: PerAxis, grid: Grid) -> dict[str, AxisTarget]:
    """The largest sizes inside a box that keep the proportions."""
    limits, resized = _box(box, grid, "--fit")
    factor = min((_ratio(limit, grid[name].size) for name, limit in limits.items()), default=1)
    return _in_proportion(factor, resized, grid)


def _covering(box: PerAxis, grid: Grid, request: Request) -> dict[str, AxisTarget]:
    """The smallest sizes that cover a box and keep the proportions, cropped to the box in the centre."""
    limits, resized = _box(box, grid, "--cover")
    factor = max((_ratio(limit, grid[name].size) for name, limit in limits.items()), default=1)
    factor = min(factor, 1) if request.only_shrink else max(factor, 1) if request.only_enlarge else factor
    targets = _in_proportion(factor, resized, grid)
    for name, limit in limits.items():
        size = targets[name].size
        kept = min(size, int(limit))
        targets[name] = targets[name]._replace(crop=((size - kept) // 2, kept))
    return targets


def _box(box: PerAxis, grid: Grid, option: str) -> tuple[dict[str, Number], Sequence[str]]:
    """The sides of a box, and the axes that are resized: z only if the box has a side along z."""
    plane = tuple(name for name in grid.spatial if name != "z") or grid.spatial
    limits = box.resolve(grid.spatial if len(box.positional) > len(plane) else plane, grid.spatial, option)
    return limits, grid.spatial if "z" in limits else plane


def _ratio(side: Number, size: int) -> Fraction:
    from fractions import Fraction

    return Fraction(int(side), max(1, size))


def _in_proportion(factor: Fraction | int, names: Sequence[str], grid: Grid) -> dict[str, AxisTarget]:
    return {name: AxisTarget(max(1, round(grid[name].size * factor))) for name in names}


def orientation_for(request: Request, grid: Grid, path: Path) -> Orientation:
    """How the axes of a file must run to be parallel to those of the reference on whose grid it is put.

    Raises:
        RequestError: the file cannot be put on this grid.
        InputError: the reference cannot be read.
    """
    if request.paired_image is not None:
        return _onto_image(request.paired_image, request, grid, path).orientation
    return Orientation() if request.like is None else _onto_file(Path(request.like), request, grid, path).orientation


def _onto_file(reference: Path, request: Request, grid: Grid, path: Path) -> Placement:
    """Onto the grid of a reference file, or to its sizes if both are pictures or either file has no spacing."""
    model, placement = _place_on_file(reference, grid, path)
    if placement is None:
        return Placement(Orientation(), {name: AxisTarget(model[name].size) for name in grid.spatial})
    if request.align_corners:
        raise RequestError("--align-corners does not apply to --like, whose grid says where samples lie; leave it out")
    return placement


def _place_on_file(reference: Path, grid: Grid, path: Path) -> tuple[Grid, Placement | None]:
    with formats.open_source(reference, ReadOptions()) as source:
        model = source.header.grid
    placement = place(grid, model, "--like", reference, path)
    are_pictures = all(formats.family_of(each) == _PICTURE for each in (reference, path))
    return model, None if are_pictures else placement  # of a picture, spacing is the resolution for printing


def reference_warnings(request: Request, grid: Grid, path: Path) -> list[str]:
    """A warning if ``--like`` cannot compare a file with the reference in world coordinates, see `find_targets`."""
    if request.like is None or request.paired_image is not None:
        return []
    reference = Path(request.like)
    if all(formats.family_of(each) == _PICTURE for each in (reference, path)):
        return []
    model, placement = _place_on_file(reference, grid, path)
    return comparison_warnings(grid, model, placement is not None, reference, path)


def _onto_image(image: PairedImage, request: Request, grid: Grid, path: Path) -> Placement:
    """Onto the output grid of the image to which a file belongs."""
    image_request = replace(request, mode=image.mode, paired_image=None)
    if request.like is not None:
        placement = _place_on_file(Path(request.like), grid, path)[1]
        if placement is not None:
            return placement
    try:
        with formats.open_source(image.path, read_options(image_request)) as source:
            header = source.header
    except InputError as error:
        raise InputError(f"--pair: cannot read the image it is paired with: {error}", path) from error
    wanted = find_targets(image_request, header.grid, image.path)
    sizes = [header.grid[name].size for name in wanted]
    mode = choose_mode(image_request, header.labels)
    plans = dict(
        zip(wanted, plan_axes(sizes, [*wanted.values()], mode, request.align_corners, header.dtype), strict=True)
    )
    if not covers_same_space(grid, header.grid, request.align_corners, image.path, path):
        output_grid = header.grid.resampled({name: plan.map for name, plan in plans.items()})
        if (placement := place(grid, output_grid, "--pair", image.path, path)) is not None:
            return placement
    targets = {
        name: matching_target(plan, wanted[name], grid[name].size) for name, plan in plans.items() if name in grid.names
    }
    kept = {name: header.grid[name].size for name in header.grid.spatial if name not in wanted}
    return Placement(
        Orientation(),
        targets
        | {name: AxisTarget(size) for name, size in kept.items() if name in grid.names and grid[name].size != size},
    )
