"""One file onto the grid that another's output has: what each of its axes is asked for, or why this is impossible."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from . import formats
from .core.arrays import FloatArray
from .core.recipe import AxisRecipe, AxisTarget, make_recipe
from .errors import InputError, RequestError, shown
from .geometry import SPATIAL, Grid
from .request import Onto, Request

_MARGIN = 0.01  # of a voxel, by which the corners of two grids that are the same may differ


def find_targets_onto(onto: Onto, request: Request, grid: Grid, path: Path) -> dict[str, AxisTarget]:
    """What the file at `path` is asked for, so that its output has the grid that the output of its image has.

    Args:
        onto: the image, which must lie on the grid of the file or, by its affine, cover the same extent.
        request: what is asked for.
        grid: of the file.
        path: of the file, for messages.

    Raises:
        RequestError: the image lies elsewhere.
        InputError: it cannot be read.
    """
    from .plan import choose_mode, read_options  # which know of targets, and these of this
    from .targets import find_targets

    own = replace(request, mode=onto.mode, onto=None)
    try:
        with formats.open_source(onto.image, read_options(own)) as source:
            header = source.header
    except InputError as error:
        raise InputError(f"--pair: its image is of no use: {error}", path) from error
    wanted = find_targets(own, header.grid, onto.image)
    _refuse_elsewhere(grid, header.grid, request.align_corners, onto.image, path)
    sizes = [header.grid[name].size for name in wanted]
    mode = choose_mode(own, header.labels)
    recipe = make_recipe(sizes, list(wanted.values()), mode, request.align_corners, header.dtype)
    steps = dict(zip(wanted, recipe, strict=True))
    targets = {name: _target(steps[name], wanted[name], grid[name].size) for name in wanted if name in grid.names}
    kept = {name: header.grid[name].size for name in header.grid.spatial if name not in wanted}
    return targets | {
        name: AxisTarget(size) for name, size in kept.items() if name in grid.names and grid[name].size != size
    }


def _target(step: AxisRecipe, wanted: AxisTarget, size: int) -> AxisTarget:
    """What an axis of `size` samples is asked for, to have the grid of an image's axis, of which `wanted` was asked."""
    axis = step.map
    if axis.align_corners or axis.a == axis.in_size / axis.out_size or wanted.scale_factor is None:
        return wanted._replace(size=axis.out_size, scale_factor=None)
    return wanted._replace(scale_factor=wanted.scale_factor * (axis.in_size / size), exact=True)


def _refuse_elsewhere(grid: Grid, image: Grid, align_corners: bool, image_path: Path, path: Path) -> None:
    frames = set(grid.frames) & set(image.frames)
    if not frames and any(name not in grid.names or grid[name].size != image[name].size for name in image.spatial):
        sizes = ["×".join(str(each[name].size) for name in each.spatial) for each in (grid, image)]
        raise RequestError(
            f"--pair: is of {sizes[0]} samples, and its image {shown(image_path)} of {sizes[1]}; they must be alike",
            path,
        )
    for frame in sorted(frames):
        if _distance(grid, image, frame, align_corners) > _MARGIN:
            raise RequestError(
                f"--pair: covers another part of space than its image {shown(image_path)} (by its {frame}); "
                "resample it onto the image's grid first",
                path,
            )


def _distance(grid: Grid, image: Grid, frame: str, align_corners: bool) -> float:
    """How far the corners of two grids lie apart at most, in the smallest voxels of the image."""
    corners = [_corners(each, frame, align_corners) for each in (grid, image)]
    voxel = np.linalg.norm(image.affines[frame][:3, :3], axis=0).min()
    return float(np.abs(corners[0] - corners[1]).max() / voxel)


def _corners(grid: Grid, frame: str, align_corners: bool) -> FloatArray:
    """The positions of the eight outer corners, or of the samples at the corners, which resizing leaves in place."""
    margin = 0.0 if align_corners else 0.5
    ends = [(-margin, (grid[name].size if name in grid.names else 1) - 1 + margin) for name in SPATIAL]
    positions: FloatArray = grid.affines[frame] @ np.array([(*corner, 1.0) for corner in product(*ends)]).T
    return positions
