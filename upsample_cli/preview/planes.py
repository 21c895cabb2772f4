"""From which side arrays are looked at: planes of two axes, as people are used to see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.arrays import Array
from ..geometry import SPATIAL, Grid

_ANATOMY = {"xy": "axial", "xz": "coronal", "yz": "sagittal"}  # by the axes of the world
_THIN = 1 / 8  # of its width or height, up to which a stack is shown by its middle alone


@dataclass(frozen=True)
class Plane:
    """Two axes of an array; or one, whose samples are a curve.

    Attributes:
        name: such as ``axial`` or ``xy``; empty where no others are shown.
        columns: the axis that runs to the right.
        rows: the axis that runs down; None for a curve.
        mirrored: of these the axes that run the other way.
    """

    name: str
    columns: str
    rows: str | None
    mirrored: frozenset[str] = frozenset()

    def of(self, x: Array, grid: Grid) -> Array:
        """An array with a single sample along all other axes, as rows, columns and the samples of a pixel."""
        names = [name for name in (self.rows, self.columns, "s") if name in grid.names]
        order = [grid.names.index(name) for name in names]
        picture = x.transpose(*order, *(axis for axis in range(x.ndim) if axis not in order))
        picture = picture.reshape(picture.shape[: len(order)])
        return picture[tuple(slice(None, None, -1 if name in self.mirrored else 1) for name in names)]


def planes_of(before: Grid, after: Grid) -> list[Plane]:
    """The views of a file: three of a volume, one of a picture or of a thin stack, and the curve of a line."""
    axes = [name for name in before.spatial if name != "z" or max(before["z"].size, after["z"].size) > 1]
    if len(axes) == 3 and _is_thick(before):
        return sorted((plane_of(before, *pair) for pair in ("xy", "xz", "yz")), key=lambda plane: plane.name)
    if len(axes) >= 2:
        return [Plane("", axes[0], axes[1])]
    return [Plane("", axes[0] if axes else [name for name in before.names if name != "s"][-1], None)]


def plane_of(grid: Grid, one: str, other: str) -> Plane:
    """The plane of two axes of a volume.

    A volume that lies in the world of a patient is shown as one looks at an upright person from the front, from above
    and from the left: its anterior and superior ends are up, its right is on the right.
    """
    facing = _facing(grid)
    if facing is None:
        return Plane(one + other, one, other)
    columns, rows = sorted((one, other), key=lambda name: facing[name][0])
    (across, leftwards), (up, downwards) = facing[columns], facing[rows]
    mirrored = {name for name, is_so in ((columns, leftwards), (rows, not downwards)) if is_so}
    return Plane(_ANATOMY[across + up], columns, rows, frozenset(mirrored))


def extent(grid: Grid, columns: str, rows: str) -> tuple[float, float]:
    """The width and the height of a plane in the same unit; in samples where the distances between them are unknown."""
    across, down = grid[columns].in_unit("mm"), grid[rows].in_unit("mm")
    if across.spacing is None or down.spacing is None or across.unit != down.unit:
        return across.size, down.size
    return across.size * across.spacing, down.size * down.spacing


def sample_aspect(grid: Grid, columns: str, rows: str) -> float:
    """The height of a sample of a plane over its width."""
    width, height = extent(grid, columns, rows)
    return height / grid[rows].size * grid[columns].size / width


def _facing(grid: Grid) -> dict[str, tuple[str, bool]] | None:
    """Of each axis the axis of the world along which it runs most, and whether backwards; None if that is unclear."""
    if not grid.frames:
        return None
    directions = grid.affines[grid.frames[0]][:3, :3]
    with np.errstate(invalid="ignore", divide="ignore"):
        directions = directions / np.linalg.norm(directions, axis=0)
    nearest = np.abs(directions).argmax(axis=0)
    if sorted(nearest) != [0, 1, 2]:
        return None
    return {
        name: (SPATIAL[row], bool(directions[row, column] < 0))
        for column, (name, row) in enumerate(zip(SPATIAL, nearest, strict=True))
    }


def _is_thick(grid: Grid) -> bool:
    """Whether there is something to see from all three sides."""
    width, height = extent(grid, "x", "y")
    _, depth = extent(grid, "x", "z")
    return depth >= _THIN * max(width, height)
