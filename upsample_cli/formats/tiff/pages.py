"""Divides slabs into the pages, bands and tiles of TIFF."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ...geometry import Grid
from ..base import Array


def page_shape(grid: Grid) -> tuple[int, ...]:
    """The shape of a page: the axes from y on."""
    return grid.shape[grid.names.index("y") :]


def page_count(grid: Grid) -> int:
    """The number of pages."""
    return math.prod(grid.shape) // math.prod(page_shape(grid))


def bands(slabs: Iterable[Array], shape: Sequence[int], height: int) -> Iterator[Array]:
    """Divide slabs in C order into bands of `height` rows of pages of `shape`; the last band of a page may be lower."""
    row = math.prod(shape[1:])
    top = filled = 0
    band: Array | None = None  # an incomplete band
    for slab in slabs:
        samples = slab.reshape(-1)
        while samples.size:
            size = min(height, shape[0] - top) * row
            if band is None and samples.size < size:
                band = np.empty(size, samples.dtype)
            if band is None:
                complete = samples[:size]
            else:
                band[filled : filled + samples.size] = samples[: size - filled]
                complete = band[: filled + samples[: size - filled].size]
            samples = samples[size - filled :]
            filled = complete.size % size
            if not filled:
                top = top + height if top + height < shape[0] else 0
                band = None
                yield complete.reshape(-1, *shape[1:])


def tiles(page: Array, tile: tuple[int, int], planar: bool) -> Iterator[Array]:
    """The tiles of a page in file order; tiles at the lower and right edges are padded with zeros."""
    for plane in page if planar and page.ndim == 3 else [page]:
        for y in range(0, plane.shape[0], tile[0]):
            for x in range(0, plane.shape[1], tile[1]):
                part = plane[y : y + tile[0], x : x + tile[1]]
                padding = [(0, tile[0] - part.shape[0]), (0, tile[1] - part.shape[1])] + [(0, 0)] * (plane.ndim - 2)
                yield np.pad(part, padding)


def stored_bytes(shape: Sequence[int], grid: Grid, itemsize: int, tile: tuple[int, int] | None) -> int:
    """Bytes of an array with the axes of `grid` before compression, in whole tiles if there are tiles."""
    sizes = dict(zip(grid.names, shape, strict=True))
    if tile is not None:
        sizes |= {name: -(-sizes[name] // step) * step for name, step in zip("yx", tile, strict=True)}
    return math.prod(sizes.values()) * itemsize
