"""ImageJ's stacks: entries in the image description, and a unit that the resolution tags count in."""

from __future__ import annotations

import math
from typing import Any

import tifffile

from ...geometry import Axis, Grid
from ..base import Header
from .metadata import UNITS, with_tagged_spacing

LARGEST = 2**32 - 2**25  # bytes of samples: offsets have 32 bits
_AXES = "TZCYXS"
_TYPES = ("uint8", "uint16", "float32")
_KEPT = ("Info", "Ranges", "LUTs", "mode", "loop", "min", "max", "unit", "yunit", "zunit")
_MADE_ANEW = ("ImageJ", "images", "channels", "slices", "frames", "hyperstack", "spacing", "finterval", "axes")


def with_spacing(axis: Axis, page: tifffile.TiffPage, entries: dict[str, Any]) -> Axis:
    """The axis with the spacing that the entries say."""
    unit = entries.get("unit")
    unit = None if unit in (None, "pixel", "pixels") else UNITS.get(unit, unit)
    if axis.name == "z" and entries.get("spacing"):
        return Axis(axis.name, axis.size, abs(float(entries["spacing"])), unit)
    if axis.name == "t" and entries.get("finterval"):
        return Axis(axis.name, axis.size, float(entries["finterval"]), "s")
    return with_tagged_spacing(axis, page, unit)


def lost_entries(entries: dict[str, Any]) -> list[str]:
    """The names of entries that are not carried over."""
    return [key for key in entries if key not in _KEPT + _MADE_ANEW]


def can_hold(header: Header) -> bool:
    """Whether an ImageJ stack can hold the samples."""
    axes = "".join(header.grid.names).upper()
    in_order = set(axes) <= set(_AXES) and sorted(axes, key=_AXES.find) == list(axes)
    size = math.prod(header.grid.shape) * header.dtype.itemsize
    colours = "s" not in header.grid.names or (header.dtype == "uint8" and header.grid["s"].size in (3, 4))
    return header.dtype.name in _TYPES and in_order and colours and size < LARGEST


def description(grid: Grid, entries: dict[str, Any]) -> dict[str, Any]:
    """The metadata that tifffile writes into the image description."""
    kept = {key: entries[key] for key in _KEPT if key in entries}
    units = [axis.unit for axis in grid.axes if axis.name in "zyx" and axis.unit]
    if units:
        kept.setdefault("unit", "um" if units[0] == "µm" else units[0])
    spacing = {axis.name: axis.spacing for axis in grid.axes}
    anew = {"spacing": spacing.get("z"), "finterval": spacing.get("t")}
    axes = "".join(grid.names).upper()
    return {"axes": axes} | kept | {key: value for key, value in anew.items() if value is not None}
