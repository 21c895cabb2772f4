"""How a TIFF file is written, and what its plain tags say of the distance between samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import tifffile
from tifffile import RESUNIT

from ...geometry import Axis, Grid

UNITS = {
    "micron": "µm",
    "microns": "µm",
    "um": "µm",
    "\\u00B5m": "µm",
    "μm": "µm",
    "sec": "s",
}  # their own names to ours
_MILLIMETRES = {RESUNIT.INCH: 25.4, RESUNIT.CENTIMETER: 10.0, RESUNIT.MILLIMETER: 1.0, RESUNIT.MICROMETER: 1e-3}


@dataclass(frozen=True, slots=True)
class Metadata:
    """How the input is written.

    Attributes:
        dialect: ``imagej``, ``ome``, ``shaped`` (tifffile's own) or ``plain``.
        layout: arguments of `TiffWriter.write` that say how samples are stored and what they mean.
        byteorder: ``<`` or ``>``.
        bigtiff: whether offsets have 64 bits.
        resolution_unit: of the resolution tags.
        imagej: ImageJ's entries.
        channels: the names of channels in OME.
    """

    dialect: str
    layout: dict[str, Any]
    byteorder: Any = "<"
    bigtiff: bool = False
    resolution_unit: RESUNIT = RESUNIT.CENTIMETER
    imagej: dict[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()


def with_tagged_spacing(axis: Axis, page: tifffile.TiffPage, unit: str | None = None) -> Axis:
    """An axis x or y with the spacing of the resolution tags, in their unit, or in `unit` where they count in that."""
    if axis.name not in ("x", "y"):
        return axis
    numerator, denominator = page.tags.valueof(f"{axis.name.upper()}Resolution", default=(0, 1))
    if not numerator or not denominator:
        return axis
    resolution_unit = page.tags.valueof("ResolutionUnit", default=RESUNIT.NONE)
    if unit is None and resolution_unit in _MILLIMETRES:
        return Axis(axis.name, axis.size, _MILLIMETRES[resolution_unit] * denominator / numerator, "mm")
    if unit is None and numerator == denominator:  # one sample per nothing: a way of saying nothing
        return axis
    return Axis(axis.name, axis.size, denominator / numerator, unit)


def resolution(grid: Grid, unit: RESUNIT) -> dict[str, Any]:
    """The arguments of `TiffWriter.write` for the density of samples along x and y, in `unit` where it is a length."""
    spacing = [grid[name].spacing for name in ("x", "y") if name in grid.names]
    if len(spacing) < 2 or None in spacing:
        return {}
    if unit not in _MILLIMETRES or grid["x"].unit not in ("mm", "µm"):
        return {"resolution": [1 / s for s in spacing if s], "resolutionunit": RESUNIT.NONE}
    millimetres = 1e-3 if grid["x"].unit == "µm" else 1.0
    return {"resolution": [_MILLIMETRES[unit] / (s * millimetres) for s in spacing if s], "resolutionunit": unit}
