"""Writing TIFF."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC, RESUNIT

from ...core.threads import available_cores
from ...errors import OutputError, reason
from ...geometry import INCH, RASTER, Grid
from ...runtime.prefetch import items_in_progress, map_threaded
from .. import xmp
from ..base import Array, Header, WriteOptions
from ..dropped import Dropped, Loss, dropped_warning, named
from . import colours, dialects, foreign, geotiff, imagej, layouts, ome, slides, tags
from .dialects import Part
from .directories import append_trees
from .encoding import can_encode_strips, rows_per_strip, strip_encoder
from .metadata import Metadata, Tag, has_storable_density, resolution
from .pages import bands, page_count, page_shape, stored_bytes, tiles
from .samples import from_full_range

if TYPE_CHECKING:
    from ..picture.model import PictureInfo

_MAX_CLASSIC_BYTES = imagej.MAX_BYTES  # of samples in a file with 32-bit offsets
_GEO_KEYS = 34735
_XMP, _PHOTOSHOP = 700, 34377
_ENCODER_BYTES = 6 << 20  # memory of encoders, measured
_BUFFER_BYTES, _RAW_BYTES = 4 << 20, 1 << 20  # of samples that wait for the encoder, and that are copied at a time
_REDUCED, _MASK, _SUBFILE_BITS = 1, 4, 7  # bits of NewSubfileType; the last are all that TIFF defines
_GREY = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK)


class TiffSink:
    """`Sink` of a TIFF file, written in the dialect of the input where possible."""

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        self.warnings: list[str] = []
        for header in headers:
            layouts.check_axes(header, path)
        headers = [_without_single_sample(header) for header in headers]
        parts = [self._part(header, path) for header in headers]
        self._dialect, warnings = dialects.choose(path, parts)
        self.warnings += warnings + dialects.dropped_warnings(self._dialect, parts)
        self._parts = [self._fit(part, options, path) for part in parts]
        self._byteorder = parts[0][1].byteorder
        self._xml = self._ome_xml(path) if self._dialect == "ome" else None
        flat = all(map(_has_flat_levels, headers))
        self.pyramids = self._dialect != "imagej" and flat
        if not flat:
            self.warnings.append(
                Dropped("pyramid levels that are also reduced along axes other than x and y are dropped", Loss.PYRAMID)
            )
        self.compresses = any(metadata.layout.compression is not None for _, metadata in self._parts)
        self.memory_factor = max(map(_memory_factor, self._parts))
        self.streams = self.memory_factor < 1

    def _part(self, header: Header, path: Path) -> Part:
        if isinstance(header.metadata, Metadata):
            return header, header.metadata
        metadata = Metadata("foreign", layouts.foreign_layout(header, path))
        if not has_storable_density(header.grid):
            self.warnings.append(
                Dropped("its density is dropped: TIFF cannot store such a large or small number", Loss.SPACING)
            )
        if isinstance(getattr(header.metadata, "metadata", None), tuple):  # of a picture
            header, metadata = foreign.with_picture_metadata(header, cast("PictureInfo", header.metadata), metadata)
        self.warnings += dropped_warning(
            header, "TIFF", *named((Loss.AFFINE, "the orientation (affine)", header.grid.frames))
        )
        return header, metadata

    def _fit(self, part: Part, options: WriteOptions, path: Path) -> Part:
        header, metadata = part
        layout, warnings = layouts.fit_layout(part, self._dialect, options, path)
        self.warnings += warnings
        if can_encode_strips(layout, header.dtype) and not layouts.is_planar(header.grid, layout):
            rows = rows_per_strip(page_shape(header.grid), header.dtype.itemsize, layout.rowsperstrip)
            layout = replace(layout, rowsperstrip=rows)
        return header, replace(metadata, layout=layout)

    def _ome_xml(self, path: Path) -> bytes:
        headers, images = [header for header, _ in self._parts], [metadata.ome for _, metadata in self._parts]
        try:
            xml, warnings = ome.build_xml(headers, images, self._byteorder, path.name)
        except (ValueError, RecursionError) as error:  # an attribute is not a number, or elements are nested too deeply
            what = f"the OME-XML of the input is damaged ({reason(error)})"
            raise OutputError(f"cannot be written: {what}; write .npy", path) from error
        self.warnings += warnings
        return xml

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Write the arrays; see `Sink`."""
        rest = iter(arrays)
        with tifffile.TiffWriter(
            paths[0],
            bigtiff=self._dialect != "imagej"
            and (self._parts[0][1].bigtiff or self._total_bytes() > _MAX_CLASSIC_BYTES),
            byteorder=self._byteorder,
            imagej=self._dialect == "imagej",
            ome=False,  # the OME-XML is written as a description
            shaped=self._dialect == "shaped",
        ) as writer:
            for number, part in enumerate(self._parts):
                header, _ = part
                writer.write(**self._arguments(part, header.grid, next(rest)), **self._tag_arguments(number))
                for shape in header.levels if self.pyramids else ():
                    writer.write(**self._arguments(part, header.grid.resized(shape), next(rest)), **_level(part))
        self._add_directories(paths[0])

    def _add_directories(self, path: Path) -> None:
        """Add the directories of EXIF and GPS, which tifffile does not write."""
        trees = []
        number = 0  # of the first page of an array
        for header, metadata in self._parts:
            grid = header.grid
            if metadata.directories:
                size = grid["x"].size, grid["y"].size
                trees.append((number, tags.updated_directories(metadata.directories, size)))
            levels = len(header.levels) if self.pyramids and metadata.chained else 0
            number += page_count(grid) * (1 + levels)
        if trees:
            with path.open("r+b") as file:
                append_trees(file, trees)

    def _arguments(self, part: Part, grid: Grid, slabs: Iterable[Array]) -> dict[str, Any]:
        """The arguments of `TiffWriter.write` for an array or a level of it, with this `grid`."""
        header, metadata = part
        planar = layouts.is_planar(grid, metadata.layout)
        unit = metadata.resolution_unit
        if self._dialect == "imagej":
            grid, unit = imagej.unify_units(grid), RESUNIT.NONE
        return {
            "data": _stored_chunks(slabs, part, grid, planar),
            "shape": (*grid.shape[:-3], grid.shape[-1], *grid.shape[-3:-1]) if planar else grid.shape,
            "dtype": header.dtype.newbyteorder(metadata.byteorder),
            "metadata": self._description_metadata(grid, metadata, planar),
            **resolution(grid, unit),
            **metadata.layout.arguments(),
            "maxworkers": available_cores(),
            "buffersize": _BUFFER_BYTES,
        }

    def _description_metadata(self, grid: Grid, metadata: Metadata, planar: bool) -> dict[str, Any] | None:
        """The metadata that tifffile writes into the description."""
        if self._dialect == "imagej":
            return imagej.description_entries(grid, metadata.imagej)
        if self._dialect == "shaped":
            names = "".join(grid.names).upper()
            return metadata.shaped | {"axes": f"{names[:-3]}SYX" if planar else names}
        return None

    def _tag_arguments(self, number: int) -> dict[str, Any]:
        """The arguments of `TiffWriter.write` for the tags of the array of that number."""
        header, metadata = self._parts[number]
        software = b"; ".join([*filter(None, (metadata.software, (header.history or "").encode()))])
        description = metadata.description if self._dialect in ("plain", "shaped") else None
        if metadata.slide is not None and self._dialect in ("plain", "shaped"):
            description = slides.updated_description(metadata.slide, header.grid, metadata.is_scan)
        if self._dialect == "ome" and number == 0:
            description = self._xml
        return {
            "subfiletype": _subfile_type(self._parts[number]) or None,
            "software": software or False,
            "description": description,
            "iccprofile": header.icc,
            "extratags": (*_updated_tags(header.grid, metadata), *_geo_tags(header.grid, metadata)),
            "subifds": len(header.levels) if self.pyramids and not metadata.chained else None,
        }

    def _total_bytes(self) -> int:
        """Bytes of the samples of all arrays before compression."""
        return sum(
            stored_bytes(shape, header.grid, header.dtype.itemsize, metadata.layout.tile)
            for header, metadata in self._parts
            for shape in (header.grid.shape, *header.levels)
        )


def _without_single_sample(header: Header) -> Header:
    """The header without an axis of one sample per pixel, which tifffile takes for columns of pixels."""
    grid = header.grid
    if grid.names[-1] != "s" or grid["s"].size > 1:
        return header
    levels = tuple(level[:-1] for level in header.levels)
    return header._replace(grid=Grid(grid.axes[:-1], grid.affines), levels=levels)


def _has_flat_levels(header: Header) -> bool:
    """Whether the levels have as many pages as the image, so that each page can hold its smaller versions."""
    leading = header.grid.names.index("y")
    return all(level[:leading] == header.grid.shape[:leading] for level in header.levels)


def _level(part: Part) -> dict[str, Any]:
    """The arguments of `TiffWriter.write` for a smaller version."""
    return {"subfiletype": _REDUCED | (_subfile_type(part) & _MASK), "software": False}


def _subfile_type(part: Part) -> int:
    """The bits of NewSubfileType; only bilevel pages can be masks."""
    header, metadata = part
    is_mask = header.dtype == bool and metadata.layout.photometric in (*_GREY, PHOTOMETRIC.MASK)
    return metadata.subfile_type & _SUBFILE_BITS & (~0 if is_mask else ~_MASK)


def _updated_tags(grid: Grid, metadata: Metadata) -> Iterator[Tag]:
    """The tags of the input, with dimensions and resolution in XMP and Photoshop's resources updated."""
    spacing = [grid[name].in_unit("mm") for name in "xy"]
    dpi = [INCH / axis.spacing for axis in spacing if axis.spacing and axis.unit == "mm"]
    size = spacing[0].size, spacing[1].size
    for tag in metadata.tags:
        if tag.code == _XMP and isinstance(tag.value, bytes):
            packet = xmp.updated(tag.value, size, (dpi[0], dpi[1]) if dpi[1:] else None, False)
            yield tag._replace(count=len(packet), value=packet)
        elif tag.code == _PHOTOSHOP and isinstance(tag.value, bytes):
            from ..picture import photoshop

            resources = photoshop.updated(tag.value, (dpi[0], dpi[1]) if dpi[1:] else None)
            yield tag._replace(count=len(resources), value=resources)
        else:
            yield tag


def _geo_tags(grid: Grid, metadata: Metadata) -> list[Tag]:
    keys = next((tag for tag in metadata.tags if tag.code == _GEO_KEYS), None)
    return geotiff.transformed_tags(metadata.geo_tags, grid.affines[RASTER], keys) if metadata.geo_tags else []


def _stored_chunks(slabs: Iterable[Array], part: Part, grid: Grid, planar: bool) -> Iterator[Array | bytes]:
    """The samples as stored: raw bytes, pages, tiles or encoded strips.

    A whole page is held in memory only for planar samples and for codecs that need one.
    """
    header, metadata = part
    layout, shape = metadata.layout, page_shape(grid)
    dtype = header.dtype.newbyteorder(metadata.byteorder)
    slabs = map(_to_stored(part), slabs)
    if planar:
        for page in bands(slabs, shape, shape[0]):
            planes = colours.interleaved_to_planar(page)
            yield from tiles(planes, layout.tile, planar) if layout.tile else [planes]
    elif layout.tile:
        for band in bands(slabs, shape, layout.tile[0]):
            by_rows = layout.compression == COMPRESSION.PACKBITS and dtype.kind != "b"
            encode = strip_encoder(layout, dtype) if by_rows else None
            for tile in tiles(band, layout.tile, planar):
                yield tile if encode is None else encode(tile)
    elif _is_raw(part):
        for slab in slabs:
            samples = slab.reshape(-1)
            step = _RAW_BYTES // samples.itemsize
            yield from (samples[n : n + step].astype(dtype).tobytes() for n in range(0, samples.size, step))
    elif layout.rowsperstrip and can_encode_strips(layout, header.dtype):
        yield from map_threaded(strip_encoder(layout, dtype), bands(slabs, shape, layout.rowsperstrip))
    else:
        yield from bands(slabs, shape, shape[0])


def _to_stored(part: Part) -> Callable[[Array], Array]:
    """A function that converts samples of the array to those that are stored."""
    header, metadata = part
    layout = metadata.layout
    if (index_colours := metadata.index_colours) is not None:
        return lambda slab: index_colours[slab]
    if (bits := layout.bitspersample) is not None and layout.colormap is None:
        return lambda slab: from_full_range(slab, bits)
    if header.grid.names[-1] == "s" and colours.has_signed_ab(layout.photometric, header.dtype):
        return colours.flip_ab_sign
    return lambda slab: slab


def _is_raw(part: Part) -> bool:
    """Whether the samples are stored as they are in memory."""
    header, metadata = part
    layout = metadata.layout
    encoded = (layout.compression, layout.tile, layout.bitspersample) != (None, None, None)
    return not encoded and header.dtype != bool


def _memory_factor(part: Part) -> float:
    """Memory held while pages or rows of tiles are encoded, in units of the size of the array."""
    header, metadata = part
    layout, shape = metadata.layout, page_shape(header.grid)
    row = math.prod(shape[1:]) * header.dtype.itemsize
    if layouts.is_planar(header.grid, layout):  # the page, its planes and, if uncompressed, the bytes of one
        copies = 2.0 if layout.compression or layout.tile else 2 + 1 / header.grid["s"].size
        held = copies * shape[0] * row
    elif _is_raw(part):
        return 0.0
    elif layout.tile:  # rows of pixels, and the padded tiles that exist at a time
        across = -(-header.grid["x"].size // layout.tile[1])
        tile = math.prod(layout.tile) * row // header.grid["x"].size
        held = min(layout.tile[0], shape[0]) * row + min(across * tile, 2 * available_cores() * tile + _BUFFER_BYTES)
    elif can_encode_strips(layout, header.dtype):
        strip = (layout.rowsperstrip or shape[0]) * row
        held = min(2 * items_in_progress(strip) * strip, 2 * shape[0] * row)
    else:
        held = 2 * shape[0] * row
    whole = math.prod(header.grid.shape) * header.dtype.itemsize
    encoder = _ENCODER_BYTES if layout.compression else 0
    return (held + min(encoder, whole)) / whole
