"""Writing TIFF."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG, RESUNIT

from ...errors import OutputError
from ...geometry import RASTER, Grid
from ..base import Array, Header, WriteOptions, lost
from . import colours, compression, geotiff, imagej, ome
from .metadata import Metadata, Tag, resolution
from .pages import cut, page_shape, stored_size, tiles

_LARGEST = imagej.LARGEST  # of the samples that leave room for the rest of a file with offsets of 32 bits
_GEO_KEYS = 34735
_REDUCED = 1  # the type of a page that is a smaller version of another


class TiffSink:
    """A TIFF file, in the dialect of the input where there is one; see `Sink`."""

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        self.warnings: list[str] = []
        self._path = path
        self._options = options
        for header in headers:
            _refuse_strange_axes(header, path)
        self._parts = [(header, self._metadata(header)) for header in headers]
        self._dialect = self._choose_dialect()
        self._parts = [
            (header, replace(metadata, layout=self._layout(header, metadata))) for header, metadata in self._parts
        ]
        self._xml = self._ome_xml() if self._dialect == "ome" else None
        self._warn_of_translation()
        if self._dialect == "imagej":
            self._warn_of_imagej()
        self.pyramids = self._dialect != "imagej"
        self.compresses = any("compression" in metadata.layout for _, metadata in self._parts)
        self.copies = max(  # pages are cut and encoded
            2 * math.prod(page_shape(header.grid)) / math.prod(header.grid.shape) for header in headers
        )

    def _metadata(self, header: Header) -> Metadata:
        if isinstance(header.metadata, Metadata):
            return header.metadata
        frames = set(header.grid.affines) - {RASTER}
        self.warnings += lost(header, "TIFF", *(["the orientation (affine)"] if frames else []))
        return Metadata("foreign", _foreign_layout(header, self._path))

    def _choose_dialect(self) -> str:
        header, metadata = self._parts[0]
        obstacles = [ome.obstacle(header, metadata.ome is not None) for header, metadata in self._parts]
        obstacle = next(filter(None, obstacles), None)
        other = "shaped" if obstacle else "ome"
        if ome.is_name(self._path.name):
            if obstacle:
                raise OutputError(f"OME-TIFF cannot hold {obstacle}; write .tif", self._path)
            return "ome"
        wanted = metadata.dialect
        if (wanted == "imagej" and not self._fits_imagej()) or (wanted == "ome" and obstacle):
            self.warnings.append(f"the input's kind of TIFF cannot hold this: written as {other.upper()} TIFF")
            wanted = other
        if wanted in ("foreign", "vendor"):
            several = set(header.grid.names) - set("yxs")
            wanted = "plain" if not several else "imagej" if self._fits_imagej() else other
        spaced = [axis.name for axis in header.grid.axes if axis.spacing is not None and axis.name not in "yx"]
        if wanted in ("shaped", "plain") and spaced:
            self.warnings.append("the spacing of the axes besides x and y is lost in this kind of TIFF")
        return wanted

    def _fits_imagej(self) -> bool:
        return len(self._parts) == 1 and imagej.can_hold(self._parts[0][0])

    def _warn_of_translation(self) -> None:
        """Say what one dialect cannot say in another."""
        items = []
        for _, metadata in self._parts:
            if self._dialect != "imagej":
                items += [f"ImageJ's {name}" for name in imagej.kept_entries(metadata.imagej)]
            if self._dialect != "ome" and metadata.ome is not None:
                items.append("the OME-XML")
            if self._dialect != "shaped" and metadata.shaped:
                items.append("tifffile's own metadata")
            if self._dialect in ("imagej", "ome") and metadata.description:
                items.append("the image description")
        if items:
            names = "; ".join(dict.fromkeys(items))
            self.warnings.append(f"{self._dialect.upper()} TIFF cannot hold these, which are dropped: {names}")

    def _warn_of_imagej(self) -> None:
        ((header, metadata),) = self._parts
        if imagej.loses_labels(header.grid, metadata.imagej):
            self.warnings.append("ImageJ's Labels are dropped: there are other planes now")
        if header.levels:
            self.warnings.append("ImageJ stacks have no pyramid: its lower levels are dropped")

    def _ome_xml(self) -> bytes:
        images = [metadata.ome for _, metadata in self._parts]
        xml, warnings = ome.document([header for header, _ in self._parts], images, self._byteorder, self._path.name)
        self.warnings += warnings
        return xml

    @property
    def _byteorder(self) -> Any:
        return self._parts[0][1].byteorder

    def _layout(self, header: Header, metadata: Metadata) -> dict[str, Any]:
        """The arguments of `TiffWriter.write` that say how samples are stored, as far as this file can."""
        layout = {name: value for name, value in metadata.layout.items() if value is not None}
        if self._dialect == "imagej":
            for name in ("tile", "rowsperstrip", "planarconfig"):
                layout.pop(name, None)
        codec = layout.get("compression")
        if codec is None:
            return layout
        layout["compressionargs"] = compression.arguments(codec, self._options, metadata.quality)
        if codec == COMPRESSION.JPEG and layout["photometric"] == PHOTOMETRIC.RGB and "subsampling" not in layout:
            layout["compressionargs"]["outcolorspace"] = "RGB"
        if self._dialect == "imagej" and codec not in imagej.CODECS:
            self.warnings.append(f"ImageJ stacks are written without {COMPRESSION(codec).name} compression")
            return _without_codec(layout)
        if not _can_be_written(layout, header):
            self.warnings.append(f"{COMPRESSION(codec).name} compression cannot hold this: Deflate takes its place")
            return _without_codec(layout) | {"compression": COMPRESSION.ADOBE_DEFLATE}
        return layout

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Write the arrays; see `Sink`."""
        rest = iter(arrays)
        with tifffile.TiffWriter(
            paths[0],
            bigtiff=self._dialect != "imagej" and (self._parts[0][1].bigtiff or self._size() > _LARGEST),
            byteorder=self._byteorder,
            imagej=self._dialect == "imagej",
            ome=False,  # its XML is ours
            shaped=self._dialect == "shaped",
        ) as writer:
            for number, (header, metadata) in enumerate(self._parts):
                levels = header.levels if self.pyramids else ()
                self._write_array(writer, next(rest), header.grid, header, metadata, self._described(number))
                for shape in levels:
                    self._write_array(writer, next(rest), _level(header.grid, shape), header, metadata, self._reduced())

    def _write_array(
        self,
        writer: tifffile.TiffWriter,
        slabs: Iterable[Array],
        grid: Grid,
        header: Header,
        metadata: Metadata,
        described: dict[str, Any],
    ) -> None:
        planar = _is_planar(grid, metadata.layout)
        shape = (*grid.shape[:-3], grid.shape[-1], *grid.shape[-3:-1]) if planar else grid.shape
        unit = RESUNIT.NONE if self._dialect == "imagej" else metadata.resolution_unit
        measured = imagej.in_one_unit(grid) if self._dialect == "imagej" else grid
        writer.write(
            _stored(slabs, grid, metadata.layout, planar),
            shape=shape,
            dtype=header.dtype.newbyteorder(metadata.byteorder),
            **{"software": False, "metadata": self._own_metadata(grid, metadata)} | described,
            **resolution(measured, unit),
            **metadata.layout,
        )

    def _described(self, number: int) -> dict[str, Any]:
        """The arguments of `TiffWriter.write` for what goes with an array."""
        header, metadata = self._parts[number]
        software = b"; ".join([*filter(None, (metadata.software, (header.history or "").encode()))])
        description = metadata.description if self._dialect in ("plain", "shaped") else None
        if self._dialect == "ome" and number == 0:
            description = self._xml
        return {
            "software": software or False,
            "description": description,
            "iccprofile": header.icc,
            "extratags": (*metadata.tags, *_geo_tags(header.grid, metadata)),
            "subifds": len(header.levels) if self.pyramids and not metadata.chained else None,
        }

    def _reduced(self) -> dict[str, Any]:
        return {"subfiletype": _REDUCED}

    def _own_metadata(self, grid: Grid, metadata: Metadata) -> dict[str, Any] | None:
        """What tifffile writes into the description by itself."""
        if self._dialect == "imagej":
            return imagej.description(imagej.in_one_unit(grid), metadata.imagej)
        if self._dialect == "shaped":
            names = "".join(grid.names).upper()
            return metadata.shaped | {"axes": f"{names[:-3]}SYX" if _is_planar(grid, metadata.layout) else names}
        return None

    def _size(self) -> int:
        """Of the samples of all arrays, before compression."""
        return sum(
            stored_size(shape, header.grid, header.dtype.itemsize, metadata.layout.get("tile"))
            for header, metadata in self._parts
            for shape in (header.grid.shape, *header.levels)
        )


def _refuse_strange_axes(header: Header, path: Path) -> None:
    names = header.grid.names
    in_plane = tuple(name for name in names if name != "s")[-2:] == ("y", "x")
    together = names[-1:] == ("s",) or names[-3:] == ("s", "y", "x") or "s" not in names
    if not (in_plane and together):
        raise OutputError(f"TIFF has pictures of the axes y, x and s, not {''.join(names)}; write .npy", path)
    if "s" in names and header.dtype == bool:
        raise OutputError(f"TIFF cannot hold pixels of {header.grid['s'].size} × {header.dtype}; write .npy", path)


def _foreign_layout(header: Header, path: Path) -> dict[str, Any]:
    """How samples of another family are laid out."""
    if header.dtype.kind == "V" or header.dtype.itemsize > 16 or header.dtype.name in ("float128", "longdouble"):
        raise OutputError(f"TIFF cannot hold samples of type {header.dtype}; write .npy", path)
    if header.colours == "CMYK":
        return {"photometric": PHOTOMETRIC.SEPARATED}
    samples = header.grid["s"].size if header.grid.names[-1] == "s" else 1
    alpha = {"extrasamples": (EXTRASAMPLE.UNASSALPHA,)} if header.alpha else {}
    return {"photometric": PHOTOMETRIC.RGB if samples in (3, 4) else PHOTOMETRIC.MINISBLACK} | alpha


def _without_codec(layout: dict[str, Any]) -> dict[str, Any]:
    codec = ("compression", "compressionargs", "predictor", "subsampling")
    return {name: value for name, value in layout.items() if name not in codec}


def _can_be_written(layout: dict[str, Any], header: Header) -> bool:
    """Whether the codec takes such samples, by trying it on a small page."""
    names, grid = header.grid.names, header.grid
    sides = layout.get("tile", (16, 16))
    shape = (*sides, *(grid["s"].size for name in names[-1:] if name == "s"))
    page = np.zeros(shape, header.dtype)
    if _is_planar(grid, layout):
        page = colours.apart(page)
    try:
        tifffile.imwrite(io.BytesIO(), page, **layout, metadata=None)
    except Exception:  # each codec has errors of its own
        return False
    return True


def _is_planar(grid: Grid, layout: dict[str, Any]) -> bool:
    return grid.names[-1] == "s" and layout.get("planarconfig") == PLANARCONFIG.SEPARATE


def _level(grid: Grid, shape: Sequence[int]) -> Grid:
    """The grid of a smaller version, over the same extent."""
    axes = [
        replace(axis, size=size, spacing=None if axis.spacing is None else axis.spacing * axis.size / size)
        for axis, size in zip(grid.axes, shape, strict=True)
    ]
    return Grid(tuple(axes), grid.affines)


def _geo_tags(grid: Grid, metadata: Metadata) -> list[Tag]:
    keys = next((tag for tag in metadata.tags if tag[0] == _GEO_KEYS), None)
    return geotiff.moved(metadata.geo_tags, grid.affines[RASTER], keys) if metadata.geo_tags else []


def _stored(slabs: Iterable[Array], grid: Grid, layout: dict[str, Any], planar: bool) -> Iterator[Array]:
    """The pages or tiles of an array, as they lie in the file."""
    for page in cut(slabs, page_shape(grid)):
        stored = colours.offset(page) if colours.has_signed_colours(layout["photometric"], page.dtype) else page
        stored = colours.apart(stored) if planar else stored
        yield from tiles(stored, layout["tile"], planar) if "tile" in layout else [stored]
