"""The target size and factor of each axis, from the options and the grid of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .. import formats
from ..core.axis_plan import AxisTarget, plan_axes
from ..core.sampling import scaled_size
from ..errors import InputError, RequestError
from ..formats.base import ReadOptions
from ..geometry import Grid
from .mode import choose_mode, read_options
from .reference_grid import Placement, covers_same_space, matching_target, place
from .reorient import Orientation
from .request import PairedImage, PerAxis, Request

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
        if request.paired_image is not None:
            return _onto_image(request.paired_image, request, grid, path).targets
        if request.scale is not None:
            return _from_scale(request.scale, grid, request.recompute_scale_factor)
        if request.size is not None:
            sizes = request.size.resolve(grid.spatial, grid.names, "--size")
            return {name: AxisTarget(int(size)) for name, size in sizes.items()}
        if request.spacing is not None:
            return _from_spacing(request.spacing, grid, request.align_corners)
        if request.fit is not None:
            return _from_box(request.fit, grid)
        assert request.like is not None
        return _onto_file(Path(request.like), request, grid, path).targets
    except (RequestError, ValueError) as error:
        if isinstance(error, RequestError) and error.path is not None:
            raise
        raise RequestError(str(error), path) from error


def _from_scale(scale: PerAxis, grid: Grid, recompute: bool) -> dict[str, AxisTarget]:
    factors = scale.resolve(grid.spatial, grid.names, "--scale")
    return {
        name: AxisTarget(scaled_size(grid[name].size, factor), None if recompute else factor)
        for name, factor in factors.items()
    }


def _from_spacing(spacing: PerAxis, grid: Grid, align_corners: bool) -> dict[str, AxisTarget]:
    targets = {}
    for name, wanted in spacing.resolve(grid.spatial, grid.names, "--spacing").items():
        axis = grid[name]
        if axis.spacing is None:
            raise RequestError(f"--spacing: the file has no spacing for axis {name}; use --scale or --size")
        factor = axis.spacing / wanted
        extent = (axis.size - 1) * factor + 1 if align_corners else axis.size * factor
        targets[name] = AxisTarget(max(1, round(extent)), factor, exact=True)
    return targets


def _from_box(box: PerAxis, grid: Grid) -> dict[str, AxisTarget]:
    """The largest sizes inside a box that keep the proportions."""
    from fractions import Fraction

    limits = box.resolve(grid.spatial, grid.spatial, "--fit")
    factor = min(Fraction(int(limit), max(1, grid[name].size)) for name, limit in limits.items()) if limits else 1
    return {name: AxisTarget(max(1, round(grid[name].size * factor))) for name in grid.spatial}


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
