"""Writing TIFF."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, RESUNIT

from ...errors import OutputError
from ...geometry import Grid
from ..base import Array, Header, WriteOptions, lost, only
from . import imagej, ome
from .metadata import Metadata, resolution

_JPEG_LEVEL = 95


class TiffSink:
    """A TIFF file, in the dialect of the input where there is one; see `Sink`."""

    pyramids = False

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        header = only(headers, path)
        self._path = path
        self._header = header
        self.warnings: list[str] = []
        metadata = header.metadata
        if not isinstance(metadata, Metadata):
            if metadata is not None:
                self.warnings.append("only the samples, axes and spacing are carried over to TIFF")
            self.warnings += lost(header, "TIFF")
            metadata = Metadata("plain", _foreign_layout(header, path))
        self._metadata = metadata
        self._dialect = self._choose_dialect(metadata.dialect)
        compression = metadata.layout.get("compression")
        if compression is not None and self._dialect == "imagej":
            self.warnings.append("ImageJ stacks are written without compression")
        self.compresses = compression is not None and self._dialect != "imagej"
        self.copies = (
            2 * math.prod(_page_shape(header.grid)) / math.prod(header.grid.shape)
        )  # pages are cut and encoded
        self._refuse_strange_axes()

    def _refuse_strange_axes(self) -> None:
        names, colours = self._header.grid.names, {"s": 0} | {a.name: a.size for a in self._header.grid.axes}
        in_plane = tuple(name for name in names if name != "s")[-2:] == ("y", "x")
        together = names[-1:] == ("s",) or names[-3:] == ("s", "y", "x") or "s" not in names
        if not (in_plane and together):
            raise OutputError(f"TIFF has pictures of the axes y, x and s, not {''.join(names)}; write .npy", self._path)
        if "s" in names and (self._header.dtype == bool or (self._dialect == "ome" and colours["s"] not in (3, 4))):
            raise OutputError(
                f"TIFF cannot hold pixels of {colours['s']} × {self._header.dtype}; write .npy", self._path
            )

    def _choose_dialect(self, wanted: str) -> str:
        header, path = self._header, self._path
        dtype = header.dtype.name
        other = "ome" if dtype in ome.TYPES else "shaped"
        if path.name.lower().endswith((".ome.tif", ".ome.tiff", ".ome.btf")):
            if other != "ome":
                raise OutputError(f"OME-TIFF cannot hold samples of type {dtype}; write .tif", path)
            return "ome"
        if wanted == "imagej" and not imagej.can_hold(header):
            wanted = other
            self.warnings.append(f"an ImageJ stack cannot hold this: written as {wanted.upper()} TIFF")
        elif header.metadata is not self._metadata and set(header.grid.names) - set("yxs"):
            wanted = "imagej" if imagej.can_hold(header) else other
        if wanted == "shaped" and any(axis.spacing is not None for axis in header.grid.axes if axis.name not in "yx"):
            self.warnings.append("the spacing of the axes besides x and y is lost in this kind of TIFF")
        return wanted

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Write the stack; see `Sink`."""
        (slabs,) = arrays
        header, metadata = self._header, self._metadata
        size = math.prod(header.grid.shape) * header.dtype.itemsize
        layout = {name: value for name, value in metadata.layout.items() if value is not None}
        imagej_stack = self._dialect == "imagej"
        if imagej_stack:
            for name in ("compression", "predictor", "tile"):
                layout.pop(name, None)
        dtype = header.dtype.newbyteorder(metadata.byteorder)
        page_shape = _page_shape(header.grid)
        pages = _cut(slabs, page_shape)
        if "tile" in layout:
            planar = header.grid.names[-1] != "s"
            pages = (tile for page in pages for tile in _tiles(page, layout["tile"], planar))
        layout.setdefault("software", False)
        if layout.get("compression") == COMPRESSION.JPEG:
            layout["compressionargs"] = {"level": _JPEG_LEVEL}
        with tifffile.TiffWriter(
            paths[0],
            bigtiff=not imagej_stack and (metadata.bigtiff or size > imagej.LARGEST),
            byteorder=metadata.byteorder,
            imagej=imagej_stack,
            ome=self._dialect == "ome",
            shaped=self._dialect == "shaped",
        ) as writer:
            writer.write(
                iter(pages),
                shape=header.grid.shape,
                dtype=dtype,
                metadata=self._described(),
                **resolution(header.grid, RESUNIT.NONE if imagej_stack else metadata.resolution_unit),
                **layout,
            )

    def _described(self) -> dict[str, Any] | None:
        grid = self._header.grid
        if self._dialect == "imagej":
            return imagej.description(grid, self._metadata.imagej)
        if self._dialect == "ome":
            return ome.description(grid, self._metadata.channels, self._path.name)
        return {"axes": "".join(grid.names).upper()} if self._dialect == "shaped" else None


def _foreign_layout(header: Header, path: Path) -> dict[str, Any]:
    """How samples of another family are laid out."""
    if header.dtype.kind == "V" or header.dtype.itemsize > 16 or header.dtype.name in ("float128", "longdouble"):
        raise OutputError(f"TIFF cannot hold samples of type {header.dtype}; write .npy", path)
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
