"""What is known of a TIFF file besides its samples, and what its plain tags say of the distance between samples."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import tifffile
from tifffile import EXTRASAMPLE, PHOTOMETRIC, RESUNIT

from ...geometry import INCH, Axis, Grid
from ..base import Array, Header

if TYPE_CHECKING:
    from .ome import OmeImage

_ICC = 34675  # tag
_MILLIMETRES = {RESUNIT.INCH: INCH, RESUNIT.CENTIMETER: 10.0, RESUNIT.MILLIMETER: 1.0, RESUNIT.MICROMETER: 1e-3}


class Tag(NamedTuple):
    """A tag to write; the order of the fields is that of an item of tifffile's `extratags`.

    Attributes:
        code: number of the tag.
        dtype: number of the TIFF data type.
        count: number of values.
        value: the values, or their bytes in the byte order of the file.
        writeonce: whether only the first page of a series gets the tag.
    """

    code: int
    dtype: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which is not needed
    value: Any
    writeonce: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """How samples are stored and interpreted: arguments of `TiffWriter.write` by tifffile's names; None if absent."""

    photometric: int
    planarconfig: int | None = None
    extrasamples: tuple[int, ...] | None = None
    compression: int | None = None
    compressionargs: dict[str, Any] | None = None
    predictor: int | None = None
    subsampling: tuple[int, int] | None = None
    tile: tuple[int, int] | None = None
    rowsperstrip: int | None = None
    colormap: Array | None = None

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `TiffWriter.write`."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Metadata:
    """How a series of the input is written, and what goes with it.

    Attributes:
        dialect: ``imagej``, ``ome``, ``shaped`` (tifffile's own) or ``plain``; ``vendor`` (a microscope's own) or
            ``foreign`` (of another family), for which one of the others is chosen.
        layout: how the samples are stored and interpreted.
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
    layout: Layout
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

    def for_samples(self, header: Header) -> Metadata:
        """See `AdaptableMetadata`."""
        channels = header.grid["s"].size if header.grid.names[-1] == "s" else 1
        is_rgb = self.layout.photometric in (PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE, PHOTOMETRIC.YCBCR) and channels > 2
        layout = replace(
            self.layout,
            photometric=PHOTOMETRIC.RGB if is_rgb else PHOTOMETRIC.MINISBLACK,
            extrasamples=(EXTRASAMPLE.UNASSALPHA,) if header.alpha else None,
            colormap=None,
            predictor=None,
        )
        return replace(self, layout=layout)

    def stripped(self) -> Metadata:
        """See `AdaptableMetadata`; tags that the samples need, such as the profile, are kept."""
        kept = tuple(tag for tag in self.tags if tag.code == _ICC)
        imagej = {name: value for name, value in self.imagej.items() if name not in ("Info", "Labels")}
        return replace(self, tags=kept, imagej=imagej, software=None, description=None, geo_tags=(), shaped={})


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
