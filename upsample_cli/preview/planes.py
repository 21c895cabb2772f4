"""Planes of two axes in which arrays are shown, in the orientation that people expect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import Array
from ..geometry import SPATIAL, Grid, axis_directions

_ANATOMICAL_NAMES = {"xy": "axial", "xz": "coronal", "yz": "sagittal"}  # by world axes
_THIN_STACK_RATIO = 1 / 8  # depth over width or height, below which only the middle slice is shown


@dataclass(frozen=True)
class Plane:
    """Two axes of an array that are shown as an image, or one that is shown as a curve.

    Attributes:
        name: such as ``axial`` or ``xy``; empty for the only plane of a file.
        columns: the axis that runs to the right.
        rows: the axis that runs down; None for a curve.
        mirrored: those of the two axes that run in the opposite direction.
    """

    name: str
    columns: str
    rows: str | None
    mirrored: frozenset[str] = frozenset()

    def of(self, x: Array, grid: Grid) -> Array:
        """Rearrange an array with one sample along all other axes to (rows, columns) or (rows, columns, samples)."""
        names = [name for name in (self.rows, self.columns, "s") if name in grid.names]
        order = [grid.names.index(name) for name in names]
        picture = x.transpose(*order, *(axis for axis in range(x.ndim) if axis not in order))
        picture = picture.reshape(picture.shape[: len(order)])
        return picture[tuple(slice(None, None, -1 if name in self.mirrored else 1) for name in names)]


def planes_of(before: Grid, after: Grid) -> list[Plane]:
    """The planes of a file: three of a volume, one of a picture or a thin stack, and a curve of a 1-D array."""
    axes = [name for name in before.spatial if name != "z" or max(before["z"].size, after["z"].size) > 1]
    if len(axes) == 3 and _is_thick(before):
        return sorted((plane_of(before, *pair) for pair in ("xy", "xz", "yz")), key=lambda plane: plane.name)
    if len(axes) >= 2:
        return [Plane("", axes[0], axes[1])]
    return [Plane("", axes[0] if axes else [name for name in before.names if name != "s"][-1], None)]


def plane_of(grid: Grid, one: str, other: str) -> Plane:
    """The plane of two axes of a volume.

    A volume with a clear orientation in the world is shown with positive world axes (right, anterior, superior) to the
    right and up.
    """
    directions = _world_directions(grid)
    if directions is None:
        return Plane(one + other, one, other)
    columns, rows = sorted((one, other), key=lambda name: directions[name][0])
    (across, leftwards), (up, downwards) = directions[columns], directions[rows]
    mirrored = {name for name, flip in ((columns, leftwards), (rows, not downwards)) if flip}
    return Plane(_ANATOMICAL_NAMES[across + up], columns, rows, frozenset(mirrored))


def extent(grid: Grid, columns: str, rows: str) -> tuple[float, float]:
    """The width and height of a plane in one unit, or in samples if a spacing is unknown."""
    across, down = grid[columns].in_unit("mm"), grid[rows].in_unit("mm")
    if across.spacing is None or down.spacing is None or across.unit != down.unit:
        return across.size, down.size
    return across.size * across.spacing, down.size * down.spacing


def sample_aspect(grid: Grid, columns: str, rows: str) -> float:
    """The height of a sample divided by its width."""
    width, height = extent(grid, columns, rows)
    return height / grid[rows].size * grid[columns].size / width


def _world_directions(grid: Grid) -> dict[str, tuple[str, bool]] | None:
    """By axis name, the nearest world axis and whether the axis runs against it; None if this is ambiguous."""
    if not grid.frames:
        return None
    directions = axis_directions(grid.affines[grid.frames[0]])
    nearest = np.abs(directions).argmax(axis=0)
    if sorted(nearest) != [0, 1, 2]:
        return None
    return {
        name: (SPATIAL[row], bool(directions[row, column] < 0))
        for column, (name, row) in enumerate(zip(SPATIAL, nearest, strict=True))
    }


def _is_thick(grid: Grid) -> bool:
    """Whether a volume is thick enough to show its planes along z."""
    width, height = extent(grid, "x", "y")
    _, depth = extent(grid, "x", "z")
    return depth >= _THIN_STACK_RATIO * max(width, height)
