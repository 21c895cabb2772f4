"""Rotates a TIFF image upright for picture formats; a TIFF output keeps the samples and the orientation tag."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from ...geometry import RASTER, Grid
from .. import xmp
from ..base import Array, Header, InMemory, Source, Wrapped
from .metadata import Metadata

_ORIENTATION, _XMP = 274, 700
_ITEM = "the tag Orientation"
_UPRIGHT = 1
_MIRRORED_DOWN, _MIRRORED_ACROSS, _SWAPPED = (3, 4, 6, 7), (2, 3, 7, 8), (5, 6, 7, 8)


def orientation_of(metadata: Metadata) -> int:
    """The orientation, from 1 (upright) to 8, from the tag or, if absent, from XMP."""
    values = {tag.code: tag.value for tag in metadata.tags}
    if isinstance(stored := values.get(_ORIENTATION), bytes):
        number = int.from_bytes(stored, "little" if metadata.byteorder == "<" else "big")
        return number if 1 <= number <= 8 else _UPRIGHT
    document = values.get(_XMP)
    return xmp.orientation(document) if isinstance(document, bytes) else _UPRIGHT


class Upright(Wrapped, InMemory):
    """A `Source` that is rotated upright; it is decoded as a whole."""

    def __init__(self, source: Source) -> None:
        """Wrap `source`, which this object closes."""
        super().__init__()
        self._source = source
        self._orientation = orientation_of(cast(Metadata, source.header.metadata))
        self.header = _upright_header(source.header, swapped=self._orientation in _SWAPPED)
        self.warnings = source.warnings
        self.others = source.others
        self.memory_factor = source.memory_factor + 2.0
        self.held_factor = source.memory_factor + 1.0

    def load(self) -> Array:
        """The whole array, rotated upright."""
        grid = self._source.header.grid
        array = self._source.read(0, 0, grid.shape[0]).reshape(grid.shape)
        down, across = grid.names.index("y"), grid.names.index("x")
        if self._orientation in _MIRRORED_DOWN:
            array = np.flip(array, down)
        if self._orientation in _MIRRORED_ACROSS:
            array = np.flip(array, across)
        if self._orientation in _SWAPPED:
            array = array.swapaxes(down, across)
        return np.ascontiguousarray(array)


def _upright_header(header: Header, swapped: bool) -> Header:
    grid = header.grid
    sources = {"x": "y", "y": "x"} if swapped else {}
    axes = tuple(grid[sources.get(name, name)]._replace(name=name) for name in grid.names)
    metadata = cast(Metadata, header.metadata)
    tags = tuple(tag for tag in metadata.tags if tag.code != _ORIENTATION)
    return header._replace(
        grid=Grid(axes, {RASTER: np.eye(4)}),
        metadata=replace(metadata, tags=tags, geo_tags=()),
        foreign_items=tuple(item for item in header.foreign_items if item != _ITEM),
        levels=(),
    )
