"""A source whose axes are permuted and flipped, so that they run as those of a reference grid do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.arrays import Array
from ..formats.base import Header, InMemory, Source, Wrapped
from ..geometry import SPATIAL, Affine, Grid

_KEEPING_FRAMES = {"sform", "qform", "ras"}  # of formats whose headers can hold any orientation


class Orientation(NamedTuple):
    """How the axes of a file run along those of a reference.

    Attributes:
        order: for each of x, y and z of the result, the name of the input's axis that becomes it.
        flipped: names of the input's axes that run backwards.
    """

    order: tuple[str, str, str] = SPATIAL
    flipped: frozenset[str] = frozenset()

    @property
    def is_unchanged(self) -> bool:
        """Whether the axes stay as they are."""
        return self.order == SPATIAL and not self.flipped


class Reoriented(Wrapped, InMemory):
    """A source with its axes in another order and direction; it is decoded whole."""

    memory_factor = held_factor = 2.0  # the stored array and the reoriented one

    def __init__(self, source: Source, orientation: Orientation) -> None:
        """Take over `source`, which is closed with this one."""
        super().__init__()
        self._source, self._orientation = source, orientation
        self.header = _reoriented_header(source.header, orientation)
        self.warnings = source.warnings
        self.others = [Reoriented(other, orientation) for other in source.others]

    def load(self) -> Array:
        """The whole array, reoriented."""
        before = self._source.header.grid
        array = self._source.read(0, 0, before.shape[0]).reshape(before.shape)
        for name in self._orientation.flipped & set(before.names):
            array = np.flip(array, before.names.index(name))
        names = _source_names(before.names, self._orientation)
        return np.ascontiguousarray(array.transpose([before.names.index(name) for name in names]))


def _source_names(names: Sequence[str], orientation: Orientation) -> list[str]:
    """For each axis of the result, the name of the input's axis that becomes it."""
    became = dict(zip(SPATIAL, orientation.order, strict=True))
    return [became.get(name, name) for name in names]


def _reoriented_header(header: Header, orientation: Orientation) -> Header:
    grid = header.grid
    sources = _source_names(grid.names, orientation)
    axes = tuple(grid[source]._replace(name=name) for name, source in zip(grid.names, sources, strict=True))
    step = _voxel_step(grid, orientation)
    affines = {name: affine @ step for name, affine in grid.affines.items()}
    metadata = header.metadata if set(grid.frames) <= _KEEPING_FRAMES else None
    return header._replace(grid=Grid(axes, affines), metadata=metadata, levels=())


def _voxel_step(grid: Grid, orientation: Orientation) -> Affine:
    """The matrix from voxel coordinates of the result to those of the input."""
    step = np.zeros((4, 4))
    step[3, 3] = 1
    for column, source in enumerate(orientation.order):
        row = SPATIAL.index(source)
        backwards = source in orientation.flipped
        step[row, column] = -1 if backwards else 1
        step[row, 3] = grid[source].size - 1 if backwards and source in grid.names else 0
    return step
