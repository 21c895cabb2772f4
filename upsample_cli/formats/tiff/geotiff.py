"""GeoTIFF: the tags that say where in the model of the world a place of the raster lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tifffile

from ...geometry import Affine
from .metadata import Tag

_SCALE, _TIEPOINTS, _TRANSFORMATION = 33550, 33922, 34264
_COUNTS = {_SCALE: 3, _TIEPOINTS: 6, _TRANSFORMATION: 16}  # of numbers
_DOUBLE, _SHORT = 12, 3
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2


def tags(page: tifffile.TiffPage) -> tuple[Tag, ...]:
    """The tags that have places or distances of the raster in them."""
    found = [tag for code in _COUNTS if (tag := page.tags.get(code)) is not None]
    if any(tag.dtype != _DOUBLE or not tag.count or tag.count % _COUNTS[tag.code] for tag in found):
        raise ValueError("the numbers of its GeoTIFF tags make no sense")
    return tuple(Tag(tag.code, _DOUBLE, tag.count, tag.value, True) for tag in found)


def moved(tags: Sequence[Tag], raster: Affine, keys: Tag | None) -> list[Tag]:
    """The tags of an output.

    Args:
        tags: those of the input.
        raster: takes voxels of the output to those of the input.
        keys: the tag of the keys, one of which says what the raster's numbers are.
    """
    half = np.eye(4)
    half[:2, 3] = 0.0 if _counts_centres(keys) else 0.5  # areas: a pixel's centre is half a pixel from its corner
    to_input = half @ raster @ np.linalg.inv(half)
    result = []
    for tag in tags:
        numbers = np.asarray(tag.value, float)
        if tag.code == _SCALE:
            numbers = numbers * np.diag(to_input)[: len(numbers)]
        elif tag.code == _TIEPOINTS:
            numbers = numbers.reshape(-1, 6)
            places = np.column_stack([numbers[:, :3], np.ones(len(numbers))])
            numbers = np.column_stack([(places @ np.linalg.inv(to_input).T)[:, :3], numbers[:, 3:]])
        else:
            numbers = numbers.reshape(4, 4) @ to_input
        result.append(tag._replace(value=tuple(numbers.ravel().tolist())))
    return result


def _counts_centres(keys: Tag | None) -> bool:
    """Whether whole numbers are the centres of pixels (PixelIsPoint), not their corners."""
    if keys is None or keys.dtype != _SHORT or keys.count % 4:
        return False
    entries = np.frombuffer(keys.value, "<u2").reshape(-1, 4)
    if entries[0, 0] != 1:  # the version of the directory is 1
        entries = entries.byteswap()
    return any(entry[0] == _RASTER_TYPE and entry[3] == _PIXEL_IS_POINT for entry in entries[1:])
