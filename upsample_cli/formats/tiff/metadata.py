"""Records of the sample layout and the metadata of a TIFF image, and the resolution tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import tifffile
from tifffile import EXTRASAMPLE, PHOTOMETRIC, RESUNIT

from ...geometry import INCH, Axis, Grid
from ..base import Array, Header
from ..documents import Channel, Documents
from . import documents

if TYPE_CHECKING:
    from .directories import Tree
    from .ome import OmeImage

_DESCRIPTION, _SOFTWARE = 270, 305  # tags
_SAMPLE_RANGE = (280, 281)  # tags: MinSampleValue, MaxSampleValue
_NEEDED_TAGS = frozenset(  # orientation, meaning and range of samples, profile
    (274, 280, 281, 301, 318, 319, 332, 334, 336, 340, 341, 529, 531, 532, 34675, 42113)
)
_IMAGEJ_DISPLAY = (
    *("mode", "loop", "unit", "yunit", "zunit", "spacing", "finterval", "fps", "min", "max", "LUTs", "Ranges"),
)
_GDAL_NODATA, _ASCII = 42113, 2  # a tag, and the data type of its value
_MILLIMETRES = {RESUNIT.INCH: INCH, RESUNIT.CENTIMETER: 10.0, RESUNIT.MILLIMETER: 1.0, RESUNIT.MICROMETER: 1e-3}
_LARGEST_DENSITY = 1e7  # samples per millimetre: fractions of 32 bits hold it in every unit, with some digits


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
    bitspersample: int | None = None  # only where samples are packed

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `TiffWriter.write`."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Metadata:
    """The sample layout and the metadata of an image of the input.

    Attributes:
        dialect: ``imagej``, ``ome``, ``shaped`` (metadata of tifffile) or ``plain``; for ``vendor`` (of a microscope or
            scanner) and ``foreign`` (of another family), one of the former is chosen.
        layout: how samples are stored and interpreted.
        byteorder: ``<`` or ``>``.
        bigtiff: whether offsets have 64 bits.
        resolution_unit: unit of the resolution tags.
        quality: JPEG quality, or None.
        chained: whether pyramid levels follow in the chain of pages; otherwise they are in SubIFDs.
        subfile_type: bits of NewSubfileType: a smaller version, a page of several, a mask.
        software: content of the tag Software.
        description: image description, unless it is metadata of a program.
        tags: tags that are copied.
        geo_tags: GeoTIFF tags with raster positions or distances.
        shaped: metadata of tifffile.
        imagej: entries of ImageJ.
        ome: the OME-XML and the image in it.
        directories: of EXIF and GPS, by the tags that lead to them.
        slide: Aperio's description of a slide.
        is_scan: whether this is the scan of the slide, and not a thumbnail or a label.
        index_colours: colours, shape (256, 4), that replace palette indices when they are written.
    """

    dialect: str
    layout: Layout
    byteorder: Any = "<"
    bigtiff: bool = False
    resolution_unit: RESUNIT = RESUNIT.CENTIMETER
    quality: int | None = None
    chained: bool = False
    subfile_type: int = 0
    software: bytes | None = None
    description: bytes | None = None
    tags: tuple[Tag, ...] = ()
    geo_tags: tuple[Tag, ...] = ()
    shaped: dict[str, Any] = field(default_factory=dict)
    imagej: dict[str, Any] = field(default_factory=dict)
    ome: OmeImage | None = None
    directories: Mapping[int, Tree] = field(default_factory=dict)
    index_colours: Array | None = None
    slide: bytes | None = None
    is_scan: bool = False

    def for_samples(self, header: Header) -> Metadata:
        """See `AdaptableMetadata`."""
        channels = header.grid["s"].size if header.grid.names[-1] == "s" else 1
        is_rgb = self.layout.photometric in (PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE, PHOTOMETRIC.YCBCR) and channels > 2
        is_inverted = self.layout.photometric == PHOTOMETRIC.MINISWHITE and channels == 1
        grey = PHOTOMETRIC.MINISWHITE if is_inverted else PHOTOMETRIC.MINISBLACK
        layout = replace(
            self.layout,
            photometric=PHOTOMETRIC.RGB if is_rgb else grey,
            extrasamples=(EXTRASAMPLE.UNASSALPHA,) if header.alpha else None,
            colormap=None,
            predictor=None,
            bitspersample=None,
        )
        tags = (_with_nodata(tag, header.nodata) for tag in self.tags if tag.code not in _SAMPLE_RANGE)
        return replace(self, layout=layout, tags=tuple(tags))

    def documents(self) -> Documents:
        """See `Documented`."""
        texts = {_DESCRIPTION: self.description or self.slide, _SOFTWARE: self.software}
        return documents.documents(self.tags, self.directories, texts, self.byteorder)

    def channels(self) -> tuple[Channel, ...]:
        """See `WithChannels`."""
        return () if self.ome is None else self.ome.channels()

    def stripped(self) -> Metadata:
        """See `AdaptableMetadata`; tags that the samples need, such as the profile, are kept."""
        kept = tuple(tag for tag in self.tags if tag.code in _NEEDED_TAGS)
        imagej = {name: value for name, value in self.imagej.items() if name in _IMAGEJ_DISPLAY}
        empty: dict[str, Any] = {
            "software": None,
            "description": None,
            "slide": None,
            "geo_tags": (),
            "directories": {},
            "ome": None if self.ome is None else self.ome.stripped(),
        }
        return replace(self, tags=kept, imagej=imagej, shaped={}, **empty)


def _with_nodata(tag: Tag, nodata: float | None) -> Tag:
    """The tag; if it is GDAL's nodata tag, with the value `nodata`."""
    if tag.code != _GDAL_NODATA or nodata is None:
        return tag
    text = f"{nodata:.17g}".encode() + b"\0"
    return Tag(tag.code, _ASCII, len(text), text, tag.writeonce)


def with_tagged_spacing(axis: Axis, page: tifffile.TiffPage, unit: str | None = None) -> Axis:
    """The axis x or y with the spacing of the resolution tags, in `unit` if it is given, else in the tagged unit."""
    if axis.name not in ("x", "y"):
        return axis
    numerator, denominator = _rational(page.tags.valueof(f"{axis.name.upper()}Resolution"))
    if not numerator or not denominator:
        return axis
    tagged_unit = resolution_unit(page)
    if unit is None and tagged_unit in _MILLIMETRES:
        return Axis(axis.name, axis.size, _MILLIMETRES[tagged_unit] * denominator / numerator, "mm")
    if unit is None and numerator == denominator:  # a placeholder: 1 without a unit
        return axis
    return Axis(axis.name, axis.size, denominator / numerator, unit)


def resolution_unit(page: tifffile.TiffPage) -> RESUNIT:
    """The unit of the resolution tags; inches if the file does not state it."""
    value = page.tags.valueof("ResolutionUnit", default=RESUNIT.INCH)
    return RESUNIT(value) if value in tuple(RESUNIT) else RESUNIT.NONE


def _rational(value: Any) -> tuple[float, float]:
    """Numerator and denominator of a tag's value; some programs write other types than fractions."""
    if isinstance(value, tuple):
        numbers = [n for n in value if isinstance(n, int | float)]
        return (numbers[0], numbers[1]) if len(numbers) > 1 else (0, 1)
    return (value, 1) if isinstance(value, int | float) and math.isfinite(value) else (0, 1)


def has_storable_density(grid: Grid) -> bool:
    """Whether the densities along x and y, where they are known, fit into the fractions of TIFF in any unit."""
    spacing = [axis.in_unit("mm").spacing for axis in grid.axes if axis.name in "xy"]
    return all(s is None or 1 / _LARGEST_DENSITY < s < _LARGEST_DENSITY for s in spacing)


def resolution(grid: Grid, unit: RESUNIT) -> dict[str, Any]:
    """The arguments of `TiffWriter.write` for the density along x and y, in `unit` if spacings are lengths."""
    axes = [grid[name] for name in ("x", "y") if name in grid.names]
    lengths = [axis.in_unit("mm") for axis in axes]
    if unit in _MILLIMETRES and all(axis.unit == "mm" for axis in lengths):
        axes, one = lengths, _MILLIMETRES[unit]
    else:
        unit, one = RESUNIT.NONE, 1.0
    spacing = [axis.spacing for axis in axes]
    if len(spacing) < 2 or None in spacing or not has_storable_density(grid):
        return {}
    return {"resolution": [one / s for s in spacing if s], "resolutionunit": unit}
