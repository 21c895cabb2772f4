"""GeoTIFF: tags that map raster positions to model (world) coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tifffile

from ...geometry import Affine
from .metadata import Tag

_SCALE, _TIEPOINTS, _TRANSFORMATION = 33550, 33922, 34264
_COUNTS = {_SCALE: 3, _TIEPOINTS: 6, _TRANSFORMATION: 16}  # numbers in each; tie points repeat
_DOUBLE, _SHORT = 12, 3
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2


class DamagedTagsError(ValueError):
    """The GeoTIFF tags of a file cannot be interpreted."""


def georeference_tags(page: tifffile.TiffPage) -> tuple[Tag, ...]:
    """The tags that contain raster positions or distances.

    Raises:
        DamagedTagsError: a tag has the wrong type or count.
    """
    found = [tag for code in _COUNTS if (tag := page.tags.get(code)) is not None]
    if any(tag.dtype != _DOUBLE or not tag.count or tag.count % _COUNTS[tag.code] for tag in found):
        raise DamagedTagsError("its GeoTIFF tags have a wrong type or count")
    return tuple(Tag(tag.code, _DOUBLE, tag.count, tag.value, True) for tag in found)


def transformed_tags(tags: Sequence[Tag], raster: Affine, keys: Tag | None) -> list[Tag]:
    """The tags of the output.

    Args:
        tags: tags of the input.
        raster: affine from output voxels to input voxels.
        keys: the GeoKeyDirectory tag, which selects PixelIsArea or PixelIsPoint.
    """
    half = np.eye(4)
    half[:2, 3] = 0.0 if _pixel_is_point(keys) else 0.5  # PixelIsArea: integers are pixel corners
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


def _pixel_is_point(keys: Tag | None) -> bool:
    """Whether integer positions are pixel centres (PixelIsPoint), not corners (PixelIsArea)."""
    if keys is None or keys.dtype != _SHORT or keys.count % 4:
        return False
    entries = np.frombuffer(keys.value, "<u2").reshape(-1, 4)
    if entries[0, 0] != 1:  # the version, always 1, reveals the byte order
        entries = entries.byteswap()
    return any(entry[0] == _RASTER_TYPE and entry[3] == _PIXEL_IS_POINT for entry in entries[1:])
