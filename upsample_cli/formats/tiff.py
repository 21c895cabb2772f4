"""TIFF by tifffile: single pages, plain stacks, ImageJ and OME stacks."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xml.etree import ElementTree

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PREDICTOR, RESUNIT

from ..errors import InputError, OutputError
from ..geometry import Axis, Grid
from .base import Array, Header, ReadOptions

_LOGGER = logging.getLogger("tifffile")
_LOGGER.propagate = False  # what of it matters to users is in our own messages
_LOGGER.addHandler(logging.NullHandler())

_UNKNOWN_AXES = "IQ"  # tifffile's names for axes of which the file says nothing
_MILLIMETRES = {RESUNIT.INCH: 25.4, RESUNIT.CENTIMETER: 10.0, RESUNIT.MILLIMETER: 1.0, RESUNIT.MICROMETER: 1e-3}
_UNITS = {"micron": "µm", "microns": "µm", "um": "µm", "\\u00B5m": "µm", "μm": "µm", "sec": "s"}
_CLASSIC_LIMIT = 2**32 - 2**25  # bytes of samples; offsets in a classic TIFF have 32 bits

_IMAGEJ_AXES = "TZCYXS"
_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_IMAGEJ_KEPT = ("Info", "Ranges", "LUTs", "mode", "loop", "min", "max", "unit", "yunit", "zunit")
_IMAGEJ_MADE = ("ImageJ", "images", "channels", "slices", "frames", "hyperstack", "spacing", "finterval", "axes")
_OME_TYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64", "complex64", "complex128")


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


class TiffSource:
    """The first series of a TIFF file, read page by page, or mapped where it lies in one piece; see `Source`."""

    streams = True

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path
        self.warnings: list[str] = []
        self._palette: Array | None = None
        self._last_page: tuple[int, Array] | None = None
        try:
            with _complaints() as complaints:
                self._tiff = tifffile.TiffFile(path)
        except Exception as error:  # tifffile raises whatever the bytes lead it into
            raise InputError(f"is not a readable TIFF file, or is truncated ({error})", path) from error
        try:
            with _complaints() as more_complaints:
                self._series = self._tiff.series[0]
            complaints += more_complaints
            if any("invalid" in complaint and "offset" in complaint for complaint in complaints):
                raise InputError("is truncated: parts of it lie beyond its end", path)
            self._page = self._series.keyframe
            self.header = self._read_header(options)
            self._mapped = self._map()
        except InputError:
            self._tiff.close()
            raise
        except Exception as error:
            self._tiff.close()
            raise InputError(f"is not a readable TIFF file, or is truncated ({error})", path) from error

    def _read_header(self, options: ReadOptions) -> Header:
        tiff, series, page = self._tiff, self._series, self._page
        if series.dtype is None or series.dtype.kind not in "biufc":
            raise InputError(f"holds samples of type {series.dtype}, which are not supported; numbers are", self._path)
        self._refuse_damaged()
        dialect = "imagej" if tiff.is_imagej else "ome" if tiff.is_ome else "shaped" if tiff.is_shaped else "plain"
        imagej = dict(tiff.imagej_metadata or {}) if dialect == "imagej" else {}
        pixels = _ome_pixels(tiff.ome_metadata) if dialect == "ome" and tiff.ome_metadata else None
        names = self._axis_names(options.axes, labelled=dialect in ("imagej", "ome"))
        axes = [Axis(name, size) for name, size in zip(names, series.shape, strict=True)]
        if pixels is None:
            axes = [_with_tagged_spacing(axis, page, imagej) for axis in axes]
        else:
            axes = [_with_ome_spacing(axis, pixels) for axis in axes]
        layout = self._layout()
        dtype = series.dtype
        if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
            if options.keep_indices:
                layout["colormap"] = page.colormap
            else:
                self._palette = _colours(page.colormap)
                dtype = self._palette.dtype
                axes.append(Axis("s", 3))
                layout["photometric"] = PHOTOMETRIC.RGB
                self.warnings.append("the palette becomes RGB, so that there are colours in between")
        self._warn_of_loss(imagej, dialect)
        metadata = Metadata(
            dialect,
            layout,
            tiff.byteorder,
            tiff.is_bigtiff,
            RESUNIT(page.tags.valueof("ResolutionUnit", default=RESUNIT.NONE)),
            imagej,
            _ome_channels(pixels),
        )
        if axes[-1].name != "s" and EXTRASAMPLE.UNASSALPHA in page.extrasamples:
            self.warnings.append("its alpha lies in a plane of its own: colours are interpolated without regard to it")
        alpha = axes[-1].name == "s" and tuple(page.extrasamples) == (EXTRASAMPLE.UNASSALPHA,)
        return Header(Grid(tuple(axes)), dtype.newbyteorder("="), alpha, metadata=metadata)

    def _refuse_damaged(self) -> None:
        """A description that promises more than there is, in a file that tifffile would read as another kind."""
        tiff, series = self._tiff, self._series
        if "<OME" in self._page.description[:2000] and not tiff.is_ome:
            raise InputError("is damaged: its OME-XML has no end", self._path)
        planes = math.prod(series.shape) // math.prod(self._page.shape)
        promised = int((tiff.imagej_metadata or {}).get("images", planes)) if tiff.is_imagej else planes
        if planes < promised:
            raise InputError(f"is truncated: {planes} planes where {promised} are promised", self._path)

    def _axis_names(self, given: str | None, labelled: bool) -> str:
        axes = self._series.axes.upper()
        if given is not None and not labelled:
            names = given + ("s" if axes.endswith("S") and len(given) == len(axes) - 1 else "")
            if len(names) != len(axes):
                raise InputError(f"has {len(axes)} axes ({axes}); name each of them with --axes", self._path)
            return names
        if given is not None:
            self.warnings.append("--axes is ignored: the file names its axes")
        unknown = [axis for axis in axes if axis in _UNKNOWN_AXES]
        if len(unknown) == 1 and "Z" not in axes:  # a plain stack of pages is a z stack
            axes = axes.replace(unknown[0], "Z")
        if len(set(axes)) < len(axes):
            raise InputError(
                f"has axes without names ({axes}); name each of them with --axes, such as --axes tzyx", self._path
            )
        return axes.lower()

    def _layout(self) -> dict[str, Any]:
        page = self._page
        compression = COMPRESSION(page.compression)
        if compression not in tifffile.TIFF.COMPRESSORS:
            self.warnings.append(f"{compression.name} compression cannot be written: Deflate takes its place")
            compression = COMPRESSION.ADOBE_DEFLATE
        decoded_to_rgb = page.photometric == PHOTOMETRIC.YCBCR
        return {
            "photometric": PHOTOMETRIC.RGB if decoded_to_rgb else page.photometric,
            "planarconfig": page.planarconfig if page.samplesperpixel > 1 else None,
            "extrasamples": tuple(page.extrasamples) or None,
            "compression": None if compression == COMPRESSION.NONE else compression,
            "predictor": None if page.predictor == PREDICTOR.NONE else page.predictor,
            "tile": page.tile if page.tile and len(page.tile) == 2 else None,
            "datetime": page.tags.valueof("DateTime"),
            "software": page.software or None,
            "iccprofile": page.tags.valueof("InterColorProfile"),
        }

    def _warn_of_loss(self, imagej: dict[str, Any], dialect: str) -> None:
        if len(self._tiff.series) > 1:
            self.warnings.append(f"only the first of {len(self._tiff.series)} series is resized")
        if len(self._series.levels) > 1:
            self.warnings.append("the lower levels of the pyramid are dropped")
        if self._page.is_geotiff:
            self.warnings.append("GeoTIFF coordinates are dropped")
        if dialect == "ome":
            self.warnings.append(
                "of the OME-XML, sizes, spacing, units and channel names are kept, the rest is dropped"
            )
        if dialect == "plain" and self._page.description:
            self.warnings.append("the image description is dropped")
        if lost := [key for key in imagej if key not in _IMAGEJ_KEPT + _IMAGEJ_MADE]:
            self.warnings.append(f"ImageJ's {', '.join(lost)} are dropped")

    def _map(self) -> Array | None:
        """All samples, mapped into memory, if they lie in one piece."""
        series, file = self._series, self._tiff.filehandle
        if series.dataoffset is None or series.dtype is None:
            return None
        dtype = series.dtype.newbyteorder(self._tiff.byteorder)
        needed = series.dataoffset + math.prod(series.shape) * dtype.itemsize
        if file.size < needed:
            raise InputError(f"is truncated: {file.size:,} bytes where {needed:,} are promised", self._path)
        return np.memmap(self._path, dtype, "r", series.dataoffset, series.shape)

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        row_shape = self._series.shape[axis + 1 :]
        if self._mapped is not None:
            rows = self._mapped.reshape(-1, *row_shape)[start:stop]
        else:
            row, page = math.prod(row_shape), math.prod(self._page.shape)
            first, last = start * row // page, -(-stop * row // page)
            try:
                samples = np.concatenate([self._read_page(number).reshape(-1) for number in range(first, last)])
            except Exception as error:
                raise InputError(f"is truncated or damaged: {error}", self._path) from error
            rows = samples[start * row - first * page : stop * row - first * page].reshape(-1, *row_shape)
        return rows if self._palette is None else self._palette[rows]

    def _read_page(self, number: int) -> Array:
        if self._last_page is not None and self._last_page[0] == number:
            return self._last_page[1]
        page = self._series.pages[number]
        if page is None:  # a plane that OME-XML names and no file has
            return np.zeros(self._page.shape, self._page.dtype)
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        if page.parent.filehandle.size < end:
            raise ValueError(f"{page.parent.filehandle.size:,} bytes where {end:,} are promised")
        samples = page.asarray()
        self._last_page = (number, samples)
        return samples

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._mapped = self._last_page = None
        self._tiff.close()


class TiffSink:
    """A TIFF file, in the dialect of the input where there is one; see `Sink`."""

    streams = True

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._header = header
        self.warnings: list[str] = []
        metadata = header.metadata
        if not isinstance(metadata, Metadata):
            if metadata is not None:
                self.warnings.append("only the samples, axes and spacing are carried over to TIFF")
            metadata = Metadata("plain", _foreign_layout(header, path))
        self._metadata = metadata
        self._dialect = self._choose_dialect(metadata.dialect)
        self.compresses = metadata.layout.get("compression") is not None

    def _choose_dialect(self, wanted: str) -> str:
        header, path = self._header, self._path
        axes, dtype = "".join(header.grid.names).upper(), header.dtype.name
        if path.name.lower().endswith((".ome.tif", ".ome.tiff", ".ome.btf")):
            if dtype not in _OME_TYPES:
                raise OutputError(f"OME-TIFF cannot hold samples of type {dtype}; write .tif", path)
            return "ome"
        depth = set(axes) - set("YXS")
        size = math.prod(header.grid.shape) * header.dtype.itemsize
        in_order = sorted(axes, key=_IMAGEJ_AXES.find) == list(axes) and set(axes) <= set(_IMAGEJ_AXES)
        fits_imagej = dtype in _IMAGEJ_TYPES and in_order and size < _CLASSIC_LIMIT
        if wanted == "imagej" and not fits_imagej:
            wanted = "ome" if dtype in _OME_TYPES else "shaped"
            self.warnings.append(f"an ImageJ stack cannot hold this: written as {wanted.upper()} TIFF")
        elif self._header.metadata is not self._metadata and depth:
            wanted = "imagej" if fits_imagej else "ome" if dtype in _OME_TYPES else "shaped"
        if wanted == "shaped" and any(axis.spacing is not None for axis in header.grid.axes if axis.name not in "yx"):
            self.warnings.append("the spacing of the axes besides x and y is lost in this kind of TIFF")
        return wanted

    def write(self, paths: Sequence[Path], slabs: Iterable[Array]) -> None:
        """Write the stack; see `Sink`."""
        header, metadata = self._header, self._metadata
        size = math.prod(header.grid.shape) * header.dtype.itemsize
        layout = {name: value for name, value in metadata.layout.items() if value is not None}
        if self._dialect == "imagej":
            for name in ("compression", "predictor", "tile"):
                layout.pop(name, None)
        dtype = header.dtype.newbyteorder(metadata.byteorder)
        page_shape = _page_shape(header.grid)
        pages = _cut(slabs, page_shape)
        if "tile" in layout:
            planar = header.grid.names[-1] != "s"
            pages = (tile for page in pages for tile in _tiles(page, layout["tile"], planar))
        layout.setdefault("software", False)
        with tifffile.TiffWriter(
            paths[0],
            bigtiff=self._dialect != "imagej" and (metadata.bigtiff or size > _CLASSIC_LIMIT),
            byteorder=metadata.byteorder,
            imagej=self._dialect == "imagej",
            ome=self._dialect == "ome",
            shaped=self._dialect == "shaped",
        ) as writer:
            writer.write(
                iter(pages),
                shape=header.grid.shape,
                dtype=dtype,
                metadata=self._described(),
                **_resolution(header.grid, metadata.resolution_unit, self._dialect),
                **layout,
            )

    def _described(self) -> dict[str, Any] | None:
        grid, metadata = self._header.grid, self._metadata
        axes = "".join(grid.names).upper()
        if self._dialect == "plain":
            return None
        if self._dialect == "shaped":
            return {"axes": axes}
        if self._dialect == "imagej":
            described = {key: metadata.imagej[key] for key in _IMAGEJ_KEPT if key in metadata.imagej}
            units = [axis.unit for axis in grid.axes if axis.name in "zyx" and axis.unit]
            if units:
                described.setdefault("unit", "um" if units[0] == "µm" else units[0])
            spacing = {axis.name: axis.spacing for axis in grid.axes}
            extra = {"spacing": spacing.get("z"), "finterval": spacing.get("t")}
            return {"axes": axes} | described | {key: value for key, value in extra.items() if value is not None}
        described = {"axes": axes, "UUID": _reproducible_uuid(self._path, grid)}
        for axis in grid.axes:
            if axis.spacing is not None and axis.name in "zyxt":
                name = "TimeIncrement" if axis.name == "t" else f"PhysicalSize{axis.name.upper()}"
                described[name] = axis.spacing
                if axis.unit is not None:
                    described[f"{name}Unit"] = axis.unit
        if metadata.channels and "c" in grid.names and grid["c"].size == len(metadata.channels):
            described["Channel"] = {"Name": list(metadata.channels)}
        return described


def open_source(path: Path, options: ReadOptions) -> TiffSource:
    """Open a TIFF file."""
    return TiffSource(path, options)


def make_sink(path: Path, header: Header) -> TiffSink:
    """Prepare to write a TIFF file."""
    return TiffSink(path, header)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile would log, for it reads on where a file is damaged."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    _LOGGER.addHandler(handler)
    try:
        yield messages
    finally:
        _LOGGER.removeHandler(handler)


def _with_tagged_spacing(axis: Axis, page: tifffile.TiffPage, imagej: dict[str, Any]) -> Axis:
    unit = imagej.get("unit")
    unit = None if unit in (None, "pixel", "pixels") else _UNITS.get(unit, unit)
    if axis.name == "z" and imagej.get("spacing"):
        return Axis(axis.name, axis.size, abs(float(imagej["spacing"])), unit)
    if axis.name == "t" and imagej.get("finterval"):
        return Axis(axis.name, axis.size, float(imagej["finterval"]), "s")
    if axis.name not in ("x", "y"):
        return axis
    numerator, denominator = page.tags.valueof(f"{axis.name.upper()}Resolution", default=(0, 1))
    if not numerator or not denominator:
        return axis
    resolution_unit = page.tags.valueof("ResolutionUnit", default=RESUNIT.NONE)
    if not imagej and resolution_unit in _MILLIMETRES:
        return Axis(axis.name, axis.size, _MILLIMETRES[resolution_unit] * denominator / numerator, "mm")
    if numerator == denominator and unit is None:  # one sample per nothing: a way of saying nothing
        return axis
    return Axis(axis.name, axis.size, denominator / numerator, unit)


def _resolution(grid: Grid, unit: RESUNIT, dialect: str) -> dict[str, Any]:
    """The arguments of `TiffWriter.write` for the density of samples along x and y."""
    spacing = [grid[name].spacing for name in ("x", "y") if name in grid.names]
    if len(spacing) < 2 or None in spacing:
        return {}
    if dialect == "imagej" or unit not in _MILLIMETRES or grid["x"].unit not in ("mm", "µm"):
        return {"resolution": [1 / s for s in spacing if s], "resolutionunit": RESUNIT.NONE}
    millimetres = 1e-3 if grid["x"].unit == "µm" else 1.0
    return {"resolution": [_MILLIMETRES[unit] / (s * millimetres) for s in spacing if s], "resolutionunit": unit}


def _ome_pixels(xml: str) -> ElementTree.Element | None:
    return ElementTree.fromstring(xml).find("./{*}Image/{*}Pixels")


def _with_ome_spacing(axis: Axis, pixels: ElementTree.Element) -> Axis:
    name = "TimeIncrement" if axis.name == "t" else f"PhysicalSize{axis.name.upper()}"
    spacing = pixels.get(name)
    if spacing is None or float(spacing) <= 0:
        return axis
    unit = pixels.get(f"{name}Unit", "s" if axis.name == "t" else "µm")  # the schema's defaults
    return Axis(axis.name, axis.size, float(spacing), _UNITS.get(unit, unit))


def _ome_channels(pixels: ElementTree.Element | None) -> tuple[str, ...]:
    names = [] if pixels is None else [channel.get("Name") for channel in pixels.findall("./{*}Channel")]
    return tuple(name for name in names if name) if all(names) else ()


def _reproducible_uuid(path: Path, grid: Grid) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"upsample:{path.name}:{grid.shape}"))


def _colours(colormap: Array) -> Array:
    """The palette as an array of shape (entries, 3), in 8 bits where that loses nothing."""
    entries = np.moveaxis(colormap, 0, -1)
    exact = not np.any(entries % 257) or not np.any(entries & 255)
    return (entries >> 8).astype(np.uint8) if exact else entries


def _foreign_layout(header: Header, path: Path) -> dict[str, Any]:
    """How samples of another family are laid out."""
    if header.dtype.kind == "V" or header.dtype.itemsize > 16 or header.dtype.name in ("float128", "longdouble"):
        raise OutputError(f"TIFF cannot hold samples of type {header.dtype}; write .npy", path)
    if header.colours in ("LAB", "HSV", "YCbCr"):
        raise OutputError(f"{header.colours} colours cannot be written as TIFF; convert the input to RGB first", path)
    if header.colours == "CMYK":
        return {"photometric": PHOTOMETRIC.SEPARATED}
    samples = header.grid["s"].size if header.grid.names[-1] == "s" else 1
    alpha = {"extrasamples": (EXTRASAMPLE.UNASSALPHA,)} if header.alpha else {}
    return {"photometric": PHOTOMETRIC.RGB if samples in (3, 4) else PHOTOMETRIC.MINISBLACK} | alpha


def _page_shape(grid: Grid) -> tuple[int, ...]:
    in_page = [number for number, name in enumerate(grid.names) if name in "yxs"]
    return grid.shape[in_page[0] :] if in_page else grid.shape


def _cut(slabs: Iterable[Array], shape: Sequence[int]) -> Iterator[Array]:
    """The samples of `slabs`, in C order, as arrays of `shape`."""
    size = math.prod(shape)
    rest: list[Array] = []
    missing = size
    for slab in slabs:
        samples = slab.reshape(-1)
        while samples.size >= missing:
            rest.append(samples[:missing])
            samples = samples[missing:]
            yield (rest[0] if len(rest) == 1 else np.concatenate(rest)).reshape(shape)
            rest, missing = [], size
        if samples.size:
            rest.append(samples)
            missing -= samples.size


def _tiles(page: Array, tile: tuple[int, int], planar: bool) -> Iterator[Array]:
    """The tiles of a page in the order of the file; those at its lower and right edges are filled up with zeros."""
    for plane in page if planar and page.ndim == 3 else [page]:
        for y in range(0, plane.shape[0], tile[0]):
            for x in range(0, plane.shape[1], tile[1]):
                part = plane[y : y + tile[0], x : x + tile[1]]
                padding = [(0, tile[0] - part.shape[0]), (0, tile[1] - part.shape[1])] + [(0, 0)] * (plane.ndim - 2)
                yield np.pad(part, padding)
