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
from .reference_grid import check_same_space, matching_target
from .request import PairedImage, PerAxis, Request


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
            return _from_paired_image(request.paired_image, request, grid, path)
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
        return _from_file(Path(request.like), grid)
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


def _from_file(path: Path, grid: Grid) -> dict[str, AxisTarget]:
    """The sizes of a reference file."""
    with formats.open_source(path, ReadOptions()) as reference:
        model = reference.header.grid
    missing = [name for name in grid.spatial if name not in model.names]
    if missing:
        raise RequestError(f"--like: has no axis {missing[0]}, only {', '.join(model.names)}", path)
    return {name: AxisTarget(model[name].size) for name in grid.spatial}


def _from_paired_image(image: PairedImage, request: Request, grid: Grid, path: Path) -> dict[str, AxisTarget]:
    """Targets that place a file on the output grid of the image to which it belongs."""
    image_request = replace(request, mode=image.mode, paired_image=None)
    try:
        with formats.open_source(image.path, read_options(image_request)) as source:
            header = source.header
    except InputError as error:
        raise InputError(f"--pair: cannot read the image it is paired with: {error}", path) from error
    wanted = find_targets(image_request, header.grid, image.path)
    check_same_space(grid, header.grid, request.align_corners, image.path, path)
    sizes = [header.grid[name].size for name in wanted]
    mode = choose_mode(image_request, header.labels)
    plans = plan_axes(sizes, list(wanted.values()), mode, request.align_corners, header.dtype)
    targets = {
        name: matching_target(plan, wanted[name], grid[name].size)
        for name, plan in zip(wanted, plans, strict=True)
        if name in grid.names
    }
    kept = {name: header.grid[name].size for name in header.grid.spatial if name not in wanted}
    return targets | {
        name: AxisTarget(size) for name, size in kept.items() if name in grid.names and grid[name].size != size
    }
