"""ImageJ stacks: entries of the image description, and the unit of the resolution tags."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION

from ...geometry import RASTER, UNIT_ALIASES, Axis, Grid
from ..base import Header
from .metadata import with_tagged_spacing
from .pages import page_count

MAX_BYTES = 2**32 - 2**25  # of samples: offsets are 32-bit
CODECS = (COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.PACKBITS)
_AXES = "TZCYXS"
_DTYPES = ("uint8", "uint16", "float32")
_REGENERATED = ("ImageJ", "images", "channels", "slices", "frames", "hyperstack", "spacing", "finterval", "fps", "axes")
_COPIED_SILENTLY = ("mode", "loop", "unit", "yunit", "zunit")
_PIXEL_COORDINATES = ("ROI", "Overlays", "Plot")  # binary formats of ImageJ that contain pixel coordinates
_UTF16_ENTRIES = ("Info", "Labels", "Properties")  # stored in ImageJ's own tags, not in the description
_ORIGINS = ("xorigin", "yorigin", "zorigin")


def with_spacing(axis: Axis, page: tifffile.TiffPage, entries: dict[str, Any]) -> Axis:
    """The axis with the spacing given by the entries or the resolution tags."""
    unit = entries.get(f"{axis.name}unit", entries.get("unit"))
    unit = None if unit in (None, "pixel", "pixels") else UNIT_ALIASES.get(unit, unit)
    if axis.name == "z" and (spacing := _magnitude(entries.get("spacing"))):
        return Axis(axis.name, axis.size, spacing, unit)
    if axis.name == "t" and (interval := _magnitude(entries.get("finterval"))):
        return Axis(axis.name, axis.size, interval, "s")
    return with_tagged_spacing(axis, page, unit)


def _magnitude(value: Any) -> float:
    """The magnitude of a number; 0 if the value is not a finite number."""
    return abs(float(value)) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def extra_entries(entries: dict[str, Any]) -> list[str]:
    """The names of entries that the header does not represent and other dialects cannot hold."""
    return [key for key in entries if key not in (*_REGENERATED, *_COPIED_SILENTLY, *_PIXEL_COORDINATES)]


def dropped_entries(entries: dict[str, Any]) -> list[str]:
    """The names of entries that are dropped."""
    return [key for key in entries if key in _PIXEL_COORDINATES]


def can_hold(header: Header) -> bool:
    """Whether an ImageJ stack can hold the samples."""
    axes = "".join(header.grid.names).upper()
    in_order = set(axes) <= set(_AXES) and sorted(axes, key=_AXES.find) == list(axes)
    size = math.prod(header.grid.shape) * header.dtype.itemsize
    colours = "s" not in header.grid.names or (header.dtype == "uint8" and header.grid["s"].size in (3, 4))
    return header.dtype.name in _DTYPES and in_order and colours and size < MAX_BYTES


def unify_units(grid: Grid) -> Grid:
    """The grid with lengths in the unit of x and times in seconds, since ImageJ has a single unit entry."""
    unit = grid["x"].unit
    axes = [axis.in_unit("s") if axis.name == "t" else axis.in_unit(unit) if unit else axis for axis in grid.axes]
    return Grid(tuple(axes), grid.affines)


def description_entries(grid: Grid, entries: dict[str, Any]) -> dict[str, Any]:
    """The entries that tifffile writes into the image description; `grid` is a result of `unify_units`."""
    kept = {key: entries[key] for key in (*extra_entries(entries), *_COPIED_SILENTLY) if key in entries}
    if drops_labels(grid, entries):
        del kept["Labels"]
    to_output = np.linalg.inv(grid.affines[RASTER]) if RASTER in grid.affines else np.eye(4)
    origins = {key: kept[key] for key in _ORIGINS if isinstance(kept.get(key), int | float)}
    places = to_output @ [*(origins.get(key, 0) for key in _ORIGINS), 1]
    kept |= {key: float(place) for key, place in zip(_ORIGINS, places, strict=False) if key in origins}
    for axis in grid.axes:  # yunit and zunit are written only where they differ from the unit of x
        if axis.unit == grid["x"].unit:
            kept.pop(f"{axis.name}unit", None)
        elif axis.name in "yz" and axis.spacing and axis.unit is None:
            kept[f"{axis.name}unit"] = "pixel"
    units = [axis.unit for axis in grid.axes if axis.name in "zyx" and axis.unit]
    if units:
        kept.setdefault("unit", "um" if units[0] == "µm" else units[0])
    spacing = {axis.name: axis.spacing for axis in grid.axes}
    anew = {"spacing": spacing.get("z"), "finterval": spacing.get("t")}
    anew["fps"] = 1 / anew["finterval"] if anew["finterval"] and "fps" in entries else None
    axes = "".join(grid.names).upper()
    kept = {
        _escape_non_ascii(key): value if key in _UTF16_ENTRIES else _escape_non_ascii(value)
        for key, value in kept.items()
    }
    return {"axes": axes} | kept | {key: value for key, value in anew.items() if value is not None}


def _escape_non_ascii(value: Any) -> Any:
    """Escape the non-ASCII characters of a string as ImageJ does, in hex; return other values unchanged."""
    return "".join(c if c.isascii() else f"\\u{ord(c):04X}" for c in value) if isinstance(value, str) else value


def drops_labels(grid: Grid, entries: dict[str, Any]) -> bool:
    """Whether plane labels no longer match the number of planes."""
    labels = entries.get("Labels")
    count = 1 if isinstance(labels, str) else len(labels or ())
    return count not in (0, page_count(grid))
