"""ImageJ's stacks: entries in the image description, and a unit that the resolution tags count in."""

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

LARGEST = 2**32 - 2**25  # bytes of samples: offsets have 32 bits
CODECS = (COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.PACKBITS)
_AXES = "TZCYXS"
_TYPES = ("uint8", "uint16", "float32")
_MADE_ANEW = ("ImageJ", "images", "channels", "slices", "frames", "hyperstack", "spacing", "finterval", "fps", "axes")
_KEPT_QUIETLY = ("mode", "loop", "unit", "yunit", "zunit")
_OF_PIXELS = ("ROI", "Overlays", "Plot")  # their numbers are places among pixels, in a format of ImageJ's own
_IN_UTF16 = ("Info", "Labels", "Properties")  # the entries that do not stand in the description
_ORIGINS = ("xorigin", "yorigin", "zorigin")


def with_spacing(axis: Axis, page: tifffile.TiffPage, entries: dict[str, Any]) -> Axis:
    """The axis with the spacing that the entries say."""
    unit = entries.get(f"{axis.name}unit", entries.get("unit"))
    unit = None if unit in (None, "pixel", "pixels") else UNIT_ALIASES.get(unit, unit)
    if axis.name == "z" and entries.get("spacing"):
        return Axis(axis.name, axis.size, abs(float(entries["spacing"])), unit)
    if axis.name == "t" and entries.get("finterval"):
        return Axis(axis.name, axis.size, float(entries["finterval"]), "s")
    return with_tagged_spacing(axis, page, unit)


def kept_entries(entries: dict[str, Any]) -> list[str]:
    """The names of entries that say more than the header does."""
    return [key for key in entries if key not in (*_MADE_ANEW, *_KEPT_QUIETLY, *_OF_PIXELS)]


def lost_entries(entries: dict[str, Any]) -> list[str]:
    """The names of entries that are not carried over."""
    return [key for key in entries if key in _OF_PIXELS]


def can_hold(header: Header) -> bool:
    """Whether an ImageJ stack can hold the samples."""
    axes = "".join(header.grid.names).upper()
    in_order = set(axes) <= set(_AXES) and sorted(axes, key=_AXES.find) == list(axes)
    size = math.prod(header.grid.shape) * header.dtype.itemsize
    colours = "s" not in header.grid.names or (header.dtype == "uint8" and header.grid["s"].size in (3, 4))
    return header.dtype.name in _TYPES and in_order and colours and size < LARGEST


def in_one_unit(grid: Grid) -> Grid:
    """The grid with lengths in the unit of x, and times in seconds, since there is one entry for all."""
    unit = grid["x"].unit
    axes = [axis.in_unit("s") if axis.name == "t" else axis.in_unit(unit) if unit else axis for axis in grid.axes]
    return Grid(tuple(axes), grid.affines)


def description(grid: Grid, entries: dict[str, Any]) -> dict[str, Any]:
    """The metadata that tifffile writes into the image description, of a grid `in_one_unit`."""
    kept = {key: entries[key] for key in (*kept_entries(entries), *_KEPT_QUIETLY) if key in entries}
    if loses_labels(grid, entries):
        del kept["Labels"]
    to_output = np.linalg.inv(grid.affines[RASTER]) if RASTER in grid.affines else np.eye(4)
    origins = {key: kept[key] for key in _ORIGINS if isinstance(kept.get(key), int | float)}
    places = to_output @ [*(origins.get(key, 0) for key in _ORIGINS), 1]
    kept |= {key: float(place) for key, place in zip(_ORIGINS, places, strict=False) if key in origins}
    for axis in grid.axes:  # those that have a unit of their own even now
        if axis.unit == grid["x"].unit:
            kept.pop(f"{axis.name}unit", None)
    units = [axis.unit for axis in grid.axes if axis.name in "zyx" and axis.unit]
    if units:
        kept.setdefault("unit", "um" if units[0] == "µm" else units[0])
    spacing = {axis.name: axis.spacing for axis in grid.axes}
    anew = {"spacing": spacing.get("z"), "finterval": spacing.get("t")}
    anew["fps"] = 1 / anew["finterval"] if anew["finterval"] and "fps" in entries else None
    axes = "".join(grid.names).upper()
    kept = {_ascii(key): value if key in _IN_UTF16 else _ascii(value) for key, value in kept.items()}
    return {"axes": axes} | kept | {key: value for key, value in anew.items() if value is not None}


def _ascii(value: Any) -> Any:
    """A text with the characters that the description cannot hold in ImageJ's own way of writing them."""
    return "".join(c if c.isascii() else f"\\u{ord(c):04X}" for c in value) if isinstance(value, str) else value


def loses_labels(grid: Grid, entries: dict[str, Any]) -> bool:
    """Whether there are labels of planes, and other planes now."""
    labels = entries.get("Labels")
    count = 1 if isinstance(labels, str) else len(labels or ())
    return count not in (0, page_count(grid))
