"""From what is asked for and the grid of a file to the size and factor of every axis."""

from __future__ import annotations

from pathlib import Path

from . import formats
from .core.recipe import AxisTarget
from .core.sampling import scaled_size
from .errors import RequestError
from .formats.base import ReadOptions
from .geometry import Grid
from .request import PerAxis, Request


def find_targets(request: Request, grid: Grid, path: Path) -> dict[str, AxisTarget]:
    """What `request` asks of every axis that it addresses.

    Raises:
        RequestError: the request does not fit the axes of the file at `path`.
    """
    try:
        if request.onto is not None:
            from .onto import find_targets_onto  # for the few files that are one of a pair

            return find_targets_onto(request.onto, request, grid, path)
        if request.scale is not None:
            return _by_scale(request.scale, grid, request.recompute_scale_factor)
        if request.size is not None:
            sizes = request.size.resolve(grid.spatial, grid.names, "--size")
            return {name: AxisTarget(int(size)) for name, size in sizes.items()}
        if request.spacing is not None:
            return _by_spacing(request.spacing, grid, request.align_corners)
        if request.fit is not None:
            return _by_fit(request.fit, grid)
        assert request.like is not None
        return _by_likeness(Path(request.like), grid)
    except (RequestError, ValueError) as error:
        if isinstance(error, RequestError) and error.path is not None:
            raise
        raise RequestError(str(error), path) from error


def _by_scale(scale: PerAxis, grid: Grid, recompute: bool) -> dict[str, AxisTarget]:
    factors = scale.resolve(grid.spatial, grid.names, "--scale")
    return {
        name: AxisTarget(scaled_size(grid[name].size, factor), None if recompute else factor)
        for name, factor in factors.items()
    }


def _by_spacing(spacing: PerAxis, grid: Grid, align_corners: bool) -> dict[str, AxisTarget]:
    targets = {}
    for name, wanted in spacing.resolve(grid.spatial, grid.names, "--spacing").items():
        axis = grid[name]
        if axis.spacing is None:
            raise RequestError(f"--spacing: the file does not say the spacing of axis {name}; use --scale or --size")
        factor = axis.spacing / wanted
        extent = (axis.size - 1) * factor + 1 if align_corners else axis.size * factor
        targets[name] = AxisTarget(max(1, round(extent)), factor, exact=True)
    return targets


def _by_fit(box: PerAxis, grid: Grid) -> dict[str, AxisTarget]:
    from fractions import Fraction

    limits = box.resolve(grid.spatial, grid.spatial, "--fit")
    factor = min(Fraction(int(limit), max(1, grid[name].size)) for name, limit in limits.items()) if limits else 1
    return {name: AxisTarget(max(1, round(grid[name].size * factor))) for name in grid.spatial}


def _by_likeness(path: Path, grid: Grid) -> dict[str, AxisTarget]:
    with formats.open_source(path, ReadOptions()) as reference:
        model = reference.header.grid
    missing = [name for name in grid.spatial if name not in model.names]
    if missing:
        raise RequestError(f"--like: has the axes {', '.join(model.names)}, but no {missing[0]}", path)
    return {name: AxisTarget(model[name].size) for name in grid.spatial}
