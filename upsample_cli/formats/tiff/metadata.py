"""What is known of a TIFF file besides its samples, and what its plain tags say of the distance between samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tifffile
from tifffile import RESUNIT

from ...geometry import INCH, Axis, Grid

if TYPE_CHECKING:
    from .ome import OmeImage

Tag = tuple[int, int, int, Any, bool]  # code, type, count, value, whether only the first page has it
_MILLIMETRES = {RESUNIT.INCH: INCH, RESUNIT.CENTIMETER: 10.0, RESUNIT.MILLIMETER: 1.0, RESUNIT.MICROMETER: 1e-3}


@dataclass(frozen=True, slots=True)
class Metadata:
    """How a series of the input is written, and what goes with it.

    Attributes:
        dialect: ``imagej``, ``ome``, ``shaped`` (tifffile's own) or ``plain``; ``vendor`` (a microscope's own) or
            ``foreign`` (of another family), for which one of the others is chosen.
        layout: arguments of `TiffWriter.write` that say how samples are stored and what they mean.
        byteorder: ``<`` or ``>``.
        bigtiff: whether offsets have 64 bits.
        resolution_unit: of the resolution tags.
        quality: of the JPEG compression, where there is one.
        chained: whether the levels of a pyramid follow in the chain of pages, and are not below the first.
        software: what has written the input.
        description: of the image, where it is in nobody's own language.
        tags: those that are copied.
        geo_tags: what lays the picture on the world, with places in it.
        shaped: tifffile's own metadata.
        imagej: ImageJ's entries.
        ome: the OME-XML.
    """

    dialect: str
    layout: dict[str, Any]
    byteorder: Any = "<"
    bigtiff: bool = False
    resolution_unit: RESUNIT = RESUNIT.CENTIMETER
    quality: int | None = None
    chained: bool = False
    software: bytes | None = None
    description: bytes | None = None
    tags: tuple[Tag, ...] = ()
    geo_tags: tuple[Tag, ...] = ()
    shaped: dict[str, Any] = field(default_factory=dict)
    imagej: dict[str, Any] = field(default_factory=dict)
    ome: OmeImage | None = None


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
    axes = [grid[name] for name in ("x", "y") if name in grid.names]
    lengths = [axis.in_unit("mm") for axis in axes]
    if unit in _MILLIMETRES and all(axis.unit == "mm" for axis in lengths):
        axes, one = lengths, _MILLIMETRES[unit]
    else:
        unit, one = RESUNIT.NONE, 1.0
    spacing = [axis.spacing for axis in axes]
    if len(spacing) < 2 or None in spacing:
        return {}
    return {"resolution": [one / s for s in spacing if s], "resolutionunit": unit}
