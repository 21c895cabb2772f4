"""Places one file on the grid of another: finds the orientation and the targets, or refuses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.arrays import FloatArray
from ..core.axis_plan import AxisPlan, AxisTarget
from ..errors import RequestError
from ..geometry import PATIENT_FRAMES, SPATIAL, Affine, Grid, axis_directions
from .reorient import Orientation

_TOLERANCE = 0.01  # voxels by which positions may differ and still count as equal
_LENGTH_UNIT = "mm"


class Placement(NamedTuple):
    """How a file is put on the grid of a reference.

    Attributes:
        orientation: how its axes run along those of the reference.
        targets: what is requested of each axis of the reoriented file.
    """

    orientation: Orientation
    targets: dict[str, AxisTarget]


def place(grid: Grid, reference: Grid, option: str, reference_path: Path, path: Path) -> Placement | None:
    """Put a file on the grid of a reference, if both say where their samples lie.

    The axes of the two grids must be parallel: any permutation, flip, scale and shift is possible.

    Args:
        grid: of the file.
        reference: the grid of the reference.
        option: the option, for messages.
        reference_path, path: the files, for messages.

    Returns:
        The placement, or None if either file lacks spacing.

    Raises:
        RequestError: the grids are rotated or sheared against each other, or do not overlap.
    """
    missing = [name for name in grid.spatial if name not in reference.names]
    if missing:
        raise RequestError(f"{option}: has no axis {missing[0]}, only {', '.join(reference.names)}", reference_path)
    frames = _common_frames(grid, reference)
    if frames is None:
        placement = _place_by_spacing(grid, reference)
    else:
        step = np.linalg.inv(grid.affines[frames[0]]) @ reference.affines[frames[1]]
        cosines = _cosines(grid.affines[frames[0]], reference.affines[frames[1]])
        rows = max(permutations(range(3)), key=lambda rows: float(cosines[rows, range(3)].sum()))
        if _largest_deviation(step, rows, reference) > _TOLERANCE:
            angle = math.degrees(math.acos(min(1.0, float(cosines[rows, range(3)].min()))))
            raise RequestError(
                f"{option}: its grid is rotated or sheared by {angle:.3g}° against that of {reference_path} (by "
                f"{' and '.join(dict.fromkeys(frames))}); use a program that rotates, such as antsApplyTransforms",
                path,
            )
        placement = _place_by_step(grid, reference, step, rows)
    if placement is not None:
        for name, target in placement.targets.items():
            source = placement.orientation.order[SPATIAL.index(name)]
            if not inside_of(grid[source].size, target):
                raise RequestError(f"{option}: does not overlap with {reference_path} along {name}", path)
    return placement


def _common_frames(grid: Grid, reference: Grid) -> tuple[str, str] | None:
    """The frames in which two grids are compared: one that both have, or two names of the patient's space."""
    both = [name for name in (*PATIENT_FRAMES, *grid.frames) if name in grid.frames and name in reference.frames]
    if both:
        return both[0], both[0]
    best = [next((name for name in PATIENT_FRAMES if name in each.frames), None) for each in (grid, reference)]
    return (best[0], best[1]) if best[0] is not None and best[1] is not None else None


def _cosines(affine: Affine, reference: Affine) -> FloatArray:
    """The magnitudes of the cosines between the axes of a file (rows) and those of a reference (columns)."""
    return np.abs(axis_directions(affine).T @ axis_directions(reference))


def _largest_deviation(step: Affine, rows: Sequence[int], reference: Grid) -> float:
    """How far samples of the reference lie off the axes of the file, in voxels of the file.

    Args:
        step: the matrix from voxels of the reference to those of the file.
        rows: for each axis of the reference, the number of the file's axis that is parallel to it.
        reference: the grid of the reference.
    """
    across = np.abs(step[:3, :3])
    across[rows, range(3)] = 0
    lengths = [reference[name].size - 1 if name in reference.names else 0 for name in SPATIAL]
    return float((across @ lengths).max())


def _place_by_step(grid: Grid, reference: Grid, step: Affine, rows: Sequence[int]) -> Placement:
    """Put a file on a grid whose axes are parallel to its own; the arguments are those of `_largest_deviation`."""
    flipped = frozenset(SPATIAL[row] for column, row in enumerate(rows) if step[row, column] < 0)
    targets = {}
    for column, row in enumerate(rows):
        name, source = SPATIAL[column], SPATIAL[row]
        if source in grid.names and name in reference.names:
            size, pitch = grid[source].size, abs(float(step[row, column]))
            start = size - 1 - step[row, 3] if source in flipped else step[row, 3]
            targets[name] = _axis_target(size, reference[name].size, pitch, float(start))
    return Placement(Orientation((SPATIAL[rows[0]], SPATIAL[rows[1]], SPATIAL[rows[2]]), flipped), targets)


def _place_by_spacing(grid: Grid, reference: Grid) -> Placement | None:
    """Put a file without an orientation on a grid by its spacing and by the positions of the first samples.

    Where both files begin at the same position, their outer edges coincide.
    """
    targets = {}
    for name in grid.spatial:
        axis, wanted = grid[name].in_unit(_LENGTH_UNIT), reference[name].in_unit(_LENGTH_UNIT)
        if axis.spacing is None or wanted.spacing is None or axis.unit != wanted.unit or axis.unit is None:
            return None
        pitch = wanted.spacing / axis.spacing
        start = (pitch - 1) / 2 if axis.origin == wanted.origin else (wanted.origin - axis.origin) / axis.spacing
        targets[name] = _axis_target(axis.size, wanted.size, pitch, start)
    return Placement(Orientation(), targets) if targets else None


def _axis_target(in_size: int, out_size: int, pitch: float, start: float) -> AxisTarget:
    """The target of an axis whose output samples lie at ``pitch·dst + start``, in input samples.

    If the extents differ by rounding alone, they count as equal.
    """
    shift = start - (pitch - 1) / 2
    if abs(pitch * out_size - in_size) < _TOLERANCE / 10 and abs(shift) < _TOLERANCE / 10:
        return AxisTarget(out_size, shift=0.0)
    return AxisTarget(out_size, 1 / pitch, exact=True, shift=shift)


def inside_of(in_size: int, target: AxisTarget | None) -> range:
    """The output samples of an axis that lie within the input, which ends half a sample beyond its outermost ones."""
    if target is None:
        return range(in_size)
    if target.shift is None or target.scale_factor is None:
        return range(target.size)
    pitch = 1 / target.scale_factor
    start = (pitch - 1) / 2 + target.shift
    margin = 0.5 + _TOLERANCE / 10
    first = max(0, math.ceil((-margin - start) / pitch))
    return range(first, max(first, min(target.size, math.floor((in_size - 1 + margin - start) / pitch) + 1)))


def frame_warnings(grid: Grid) -> list[str]:
    """A warning if two affines of a file disagree, which names the one that is used."""
    used, *_ = [*(name for name in PATIENT_FRAMES if name in grid.frames), ""]
    others = [name for name in PATIENT_FRAMES if name in grid.frames and name != used]
    corners = np.array(
        [[*corner, 1.0] for corner in product(*((0, grid[n].size - 1 if n in grid.names else 0) for n in SPATIAL))]
    ).T
    for name in others:
        apart = np.abs((np.linalg.inv(grid.affines[used]) @ grid.affines[name] @ corners - corners)[:3]).max()
        if apart > _TOLERANCE * 10:
            return [f"{used} and {name} differ by up to {apart:.3g} voxels; the position by {used} is used"]
    return []


def comparison_warnings(grid: Grid, reference: Grid, is_placed: bool, reference_path: Path, path: Path) -> list[str]:
    """A warning if two files with spacing cannot be compared in world coordinates, although one may have them.

    Args:
        grid: of the file.
        reference: the grid of the reference.
        is_placed: whether the file is put on the grid of the reference; otherwise it takes the sizes alone.
        reference_path, path: the files, for the message.
    """
    both = [each[name] for each in (grid, reference) for name in grid.spatial if name in each.names]
    if _common_frames(grid, reference) is not None or any(axis.spacing is None for axis in both):
        return []
    without = [str(where) for where, each in ((path, grid), (reference_path, reference)) if not each.frames]
    why = f"{' and '.join(without)} without orientation" if without else "orientations of different kinds"
    if not is_placed:
        return [f"--like: only the sizes are taken, because of {why} and spacings without a common unit"]
    if len(without) == 2:
        return []
    return [f"--like: placed by spacing, with the outer edges of the first samples together, because of {why}"]


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


def covers_same_space(grid: Grid, image: Grid, align_corners: bool, image_path: Path, path: Path) -> bool:
    """Whether a file covers the same part of space as its image.

    Args:
        grid: of the file.
        image: the grid of the image.
        align_corners: whether resizing keeps the corner samples in place, rather than the outer corners.
        image_path, path: the files, for messages.

    Raises:
        RequestError: neither affines nor equal sizes show whether it does.
    """
    frames = set(grid.frames) & set(image.frames)
    if not frames and any(name not in grid.names or grid[name].size != image[name].size for name in image.spatial):
        size, image_size = ("×".join(str(each[name].size) for name in each.spatial) for each in (grid, image))
        raise RequestError(f"--pair: its size {size} differs from {image_size} of its image {image_path}", path)
    return all(_corner_distance(grid, image, frame, align_corners) <= _TOLERANCE for frame in frames)


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
