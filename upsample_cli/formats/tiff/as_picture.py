"""TIFF images as pictures hold them: grey that grows towards white, RGB, and straight alpha."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from tifffile import PHOTOMETRIC

from ...core.linear_light import srgb_levels
from ...geometry import Axis, Grid
from ..base import Array, Header, Source, Wrapped
from ..dropped import Dropped, Loss
from . import turned
from .colours import palette_from_colormap
from .metadata import Metadata

_MAX_SAMPLE_VALUE = 281
_D50 = np.array([0.9642, 1.0, 0.8249])  # white of CIELAB
_D50_TO_SRGB = np.array(  # from XYZ relative to D50 to linear sRGB, after Bradford's adaptation
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
_FROM_YCBCR = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])


def for_picture(source: Source) -> Source:
    """The source, rotated upright, and converted if it is a TIFF image that picture formats cannot store unchanged."""
    if not isinstance(source.header.metadata, Metadata):
        return source
    if turned.orientation_of(source.header.metadata) != 1:
        source = turned.Upright(source)
    return _Converted(source) if _conversion(source.header) is not None else source


class _Converted(Wrapped):
    """A `Source` with converted samples."""

    def __init__(self, source: Source) -> None:
        """Take over `source`, which is closed with this one."""
        self._source = source
        self._convert, changes, warnings = cast(_Conversion, _conversion(source.header))
        self.header = source.header._replace(**changes)
        self.others: Sequence[Source] = source.others
        self.warnings = [*source.warnings, *warnings]
        self.memory_factor = source.memory_factor + 1.0
        self.streams = source.streams

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        return self._convert(self._source.read(axis, start, stop))


_Conversion = tuple[Callable[[Array], Array], dict[str, Any], list[str]]  # function, changes of the header, warnings


def _conversion(header: Header) -> _Conversion | None:
    metadata = cast(Metadata, header.metadata)
    photometric, dtype = metadata.layout.photometric, header.dtype
    has_samples = header.grid.names[-1] == "s"
    if photometric == PHOTOMETRIC.MINISWHITE and not has_samples and dtype.kind in "bu":
        highest = _highest_level(metadata, dtype)
        nodata = None if header.nodata is None else highest - header.nodata
        return (lambda rows: _inverted(rows, highest)), {"colours": None, "nodata": nodata}, []
    if metadata.layout.colormap is not None and not has_samples:
        palette = palette_from_colormap(metadata.layout.colormap)
        grid = Grid((*header.grid.axes, Axis("s", 3)), header.grid.affines)
        changes = {"grid": grid, "dtype": palette.dtype, "colours": "RGB", "nodata": None}
        return lambda rows: palette[rows], changes, []
    if dtype.name not in ("uint8", "uint16") or not has_samples:
        return None
    if header.colours == "premultiplied alpha" and photometric in (PHOTOMETRIC.RGB, PHOTOMETRIC.MINISBLACK):
        colours = "RGB" if photometric == PHOTOMETRIC.RGB else None
        return _unpremultiplied, {"colours": colours, "alpha": True}, []
    if header.grid["s"].size != 3:
        return None
    to_rgb = {
        PHOTOMETRIC.CIELAB: _lab_to_rgb,
        PHOTOMETRIC.ICCLAB: _icc_lab_to_rgb,
        PHOTOMETRIC.YCBCR: _ycbcr_to_rgb,
    }.get(PHOTOMETRIC(photometric))
    if to_rgb is None:
        return None
    return (
        to_rgb,
        {"colours": "RGB", "icc": None},
        [Dropped(f"its {header.colours} colours are converted to sRGB", Loss.COLOUR_SPACE)],
    )


def _highest_level(metadata: Metadata, dtype: np.dtype[Any]) -> int:
    """The level of black where white is 0: the highest that the bits of the samples allow."""
    if dtype.kind == "b":
        return 1
    for tag in metadata.tags:
        if tag.code == _MAX_SAMPLE_VALUE and isinstance(tag.value, bytes) and tag.count == 1 and len(tag.value) == 2:
            value = int.from_bytes(tag.value, "little" if metadata.byteorder == "<" else "big")
            return value if value & (value + 1) == 0 else int(np.iinfo(dtype).max)
    return int(np.iinfo(dtype).max)


def _inverted(rows: Array, highest: int) -> Array:
    return ~rows if rows.dtype.kind == "b" else np.asarray(rows.dtype.type(highest) - rows)


def _unpremultiplied(rows: Array) -> Array:
    full = int(np.iinfo(rows.dtype).max)
    alpha = rows[..., -1:].astype(np.uint32)
    colours = (rows[..., :-1].astype(np.uint32) * full + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(colours, full).astype(rows.dtype), rows[..., -1:]], axis=-1)


def _lab_to_rgb(rows: Array) -> Array:
    """Convert CIELAB, with a* and b* in offset binary as `TiffSource` reads them, to sRGB."""
    full = float(np.iinfo(rows.dtype).max)
    return _from_lab(rows, full, 1 << (8 * rows.dtype.itemsize - 8))


def _icc_lab_to_rgb(rows: Array) -> Array:
    """Convert ICCLAB to sRGB; with 16 bits its white is 65,280."""
    return _from_lab(rows, 255.0 if rows.dtype.itemsize == 1 else 65280.0, 1 << (8 * rows.dtype.itemsize - 8))


def _from_lab(rows: Array, white: float, chroma_unit: int) -> Array:
    lightness = rows[..., 0] * (100 / white)
    a, b = (rows[..., channel] / chroma_unit - 128 for channel in (1, 2))
    y = (lightness + 16) / 116
    cubes = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(cubes > 6 / 29, cubes**3, (cubes - 4 / 29) * 3 * (6 / 29) ** 2) * _D50
    levels = srgb_levels(np.clip(xyz @ _D50_TO_SRGB.T, 0, 1))
    return np.asarray(np.rint(levels * np.iinfo(rows.dtype).max).astype(rows.dtype))


def _ycbcr_to_rgb(rows: Array) -> Array:
    full = int(np.iinfo(rows.dtype).max)
    centred = rows.astype(np.float64) - [0, (full + 1) // 2, (full + 1) // 2]
    return np.asarray(np.rint(np.clip(centred @ _FROM_YCBCR.T, 0, full)).astype(rows.dtype))
