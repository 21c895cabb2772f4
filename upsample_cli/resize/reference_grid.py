"""Placing one file on the output grid of another: when this is possible, and the targets that do it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from ..core.arrays import FloatArray
from ..core.axis_plan import AxisPlan, AxisTarget
from ..errors import RequestError
from ..geometry import SPATIAL, Grid
from ..text import printable

_TOLERANCE = 0.01  # voxels by which the corners of two grids may differ and still count as equal


def matching_target(plan: AxisPlan, wanted: AxisTarget, size: int) -> AxisTarget:
    """The target that gives an axis of `size` samples the output grid of an image's axis over the same extent.

    Args:
        plan: of the image's axis.
        wanted: the target of the image's axis.
        size: of the axis to be placed.
    """
    axis = plan.map
    if axis.align_corners or axis.a == axis.in_size / wanted.size or wanted.scale_factor is None:
        return wanted._replace(scale_factor=None)
    return wanted._replace(scale_factor=wanted.scale_factor * (axis.in_size / size), exact=True)


def check_same_space(grid: Grid, image: Grid, align_corners: bool, image_path: Path, path: Path) -> None:
    """Check that a file covers the same part of space as its image.

    Args:
        grid: of the file.
        image: the grid of the image.
        align_corners: whether resizing keeps the corner samples in place, rather than the outer corners.
        image_path, path: the files, for messages.

    Raises:
        RequestError: it does not, or neither affines nor equal sizes show that it does.
    """
    frames = set(grid.frames) & set(image.frames)
    if not frames and any(name not in grid.names or grid[name].size != image[name].size for name in image.spatial):
        size, image_size = ("×".join(str(each[name].size) for name in each.spatial) for each in (grid, image))
        raise RequestError(
            f"--pair: its size {size} differs from {image_size} of its image {printable(image_path)}", path
        )
    for frame in sorted(frames):
        if _corner_distance(grid, image, frame, align_corners) > _TOLERANCE:
            raise RequestError(
                f"--pair: does not cover the same part of space as its image {printable(image_path)} (by its {frame}); "
                "resample it onto the image's grid first",
                path,
            )


def _corner_distance(grid: Grid, image: Grid, frame: str, align_corners: bool) -> float:
    """The largest distance between corresponding corners of two grids, in units of the image's smallest voxel side."""
    corners = [_corners(each, frame, align_corners) for each in (grid, image)]
    voxel = np.linalg.norm(image.affines[frame][:3, :3], axis=0).min()
    return float(np.abs(corners[0] - corners[1]).max() / voxel)


def _corners(grid: Grid, frame: str, align_corners: bool) -> FloatArray:
    """World positions, shape (4, 8), of the outer corners, or of the corner samples if those are aligned."""
    margin = 0.0 if align_corners else 0.5
    ends = [(-margin, (grid[name].size if name in grid.names else 1) - 1 + margin) for name in SPATIAL]
    positions: FloatArray = grid.affines[frame] @ np.array([(*corner, 1.0) for corner in product(*ends)]).T
    return positions
