"""Slabs cut into the pages and tiles that TIFF is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ...geometry import Grid
from ..base import Array


def page_shape(grid: Grid) -> tuple[int, ...]:
    """The shape of a page: of the axes from y on."""
    return grid.shape[grid.names.index("y") :]


def page_count(grid: Grid) -> int:
    """How many pages there are."""
    return math.prod(grid.shape) // math.prod(page_shape(grid))


def cut(slabs: Iterable[Array], shape: Sequence[int]) -> Iterator[Array]:
    """The samples of `slabs`, in C order, as arrays of `shape`."""
    size = math.prod(shape)
    rest: list[Array] = []
    missing = size
    for slab in slabs:
        samples = slab.reshape(-1)
        while samples.size >= missing:
            rest.append(samples[:missing])
            samples = samples[missing:]
            yield (rest[0] if len(rest) == 1 else np.concatenate(rest)).reshape(shape)
            rest, missing = [], size
        if samples.size:
            rest.append(samples)
            missing -= samples.size


def tiles(page: Array, tile: tuple[int, int], planar: bool) -> Iterator[Array]:
    """The tiles of a page in the order of the file; those at its lower and right edges are filled up with zeros."""
    for plane in page if planar and page.ndim == 3 else [page]:
        for y in range(0, plane.shape[0], tile[0]):
            for x in range(0, plane.shape[1], tile[1]):
                part = plane[y : y + tile[0], x : x + tile[1]]
                padding = [(0, tile[0] - part.shape[0]), (0, tile[1] - part.shape[1])] + [(0, 0)] * (plane.ndim - 2)
                yield np.pad(part, padding)


def stored_size(shape: Sequence[int], grid: Grid, itemsize: int, tile: tuple[int, int] | None) -> int:
    """Bytes of an array with the axes of `grid`, in whole tiles where there are tiles, before compression."""
    sizes = dict(zip(grid.names, shape, strict=True))
    if tile is not None:
        sizes |= {name: -(-sizes[name] // step) * step for name, step in zip("yx", tile, strict=True)}
    return math.prod(sizes.values()) * itemsize
