"""Reading TIFF."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PREDICTOR, RESUNIT

from ...errors import InputError
from ...geometry import Axis, Grid
from ..base import Array, Header, ReadOptions, Source
from . import imagej, ome
from .metadata import Metadata, with_tagged_spacing

_LOGGER = logging.getLogger("tifffile")
_LOGGER.propagate = False  # what of it matters to users is in our own messages
_LOGGER.addHandler(logging.NullHandler())

_UNSUPPORTED = (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB, PHOTOMETRIC.ITULAB)  # signed numbers stored as unsigned
_CARRIED_TAGS = {269: "s", 271: "s", 272: "s", 274: "H", 315: "s", 316: "s", 33432: "s", 42113: "s"}
_STRUCTURE = (  # tags that are read, made anew, or say how the samples are stored
    *(254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 280, 281, 282, 283, 284, 292, 293, 296, 297),
    *(305, 306, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 529, 530, 531, 532, 34675, 50838, 50839),
    *(33550, 33922, 34264, 34735, 34736, 34737),
)
_UNKNOWN_AXES = "IQ"  # tifffile's names for axes of which the file says nothing


class TiffSource:
    """The first series of a TIFF file, read page by page, or mapped where it lies in one piece; see `Source`."""

    others: Sequence[Source] = ()

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
            self.copies = (
                0.0 if self._mapped is not None else math.prod(self._page.shape) / math.prod(self._series.shape)
            )
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
        entries = dict(tiff.imagej_metadata or {}) if dialect == "imagej" else {}
        pixels = ome.first_pixels(tiff.ome_metadata) if dialect == "ome" and tiff.ome_metadata else None
        names = self._axis_names(options.axes, labelled=dialect in ("imagej", "ome"))
        axes = [Axis(name, size) for name, size in zip(names, series.shape, strict=True)]
        if pixels is not None:
            axes = [ome.with_spacing(axis, pixels) for axis in axes]
        elif dialect == "imagej":
            axes = [imagej.with_spacing(axis, page, entries) for axis in axes]
        else:
            axes = [with_tagged_spacing(axis, page) for axis in axes]
        layout = self._layout()
        dtype = series.dtype
        if page.photometric in _UNSUPPORTED or (
            page.photometric == PHOTOMETRIC.YCBCR and page.compression != COMPRESSION.JPEG
        ):
            raise InputError(f"holds {PHOTOMETRIC(page.photometric).name} colours, which are not supported", self._path)
        if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
            if options.keep_indices:
                layout["colormap"] = page.colormap
            else:
                self._palette = _colours(page.colormap)
                dtype = self._palette.dtype
                axes.append(Axis("s", 3))
                layout["photometric"] = PHOTOMETRIC.RGB
                self.warnings.append("the palette becomes RGB, so that there are colours in between")
        self._warn_of_loss(entries, dialect)
        metadata = Metadata(
            dialect,
            layout,
            tiff.byteorder,
            tiff.is_bigtiff,
            RESUNIT(page.tags.valueof("ResolutionUnit", default=RESUNIT.NONE)),
            entries,
            ome.channel_names(pixels) if pixels is not None else (),
        )
        if axes[-1].name != "s" and EXTRASAMPLE.UNASSALPHA in page.extrasamples:
            self.warnings.append("its alpha lies in a plane of its own: colours are interpolated without regard to it")
        alpha = axes[-1].name == "s" and tuple(page.extrasamples) == (EXTRASAMPLE.UNASSALPHA,)
        colours = _colour_space(page, layout["photometric"])
        return Header(Grid(tuple(axes)), dtype.newbyteorder("="), alpha, colours, metadata=metadata)

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
            "extratags": [
                (tag.code, _CARRIED_TAGS[tag.code], 0 if _CARRIED_TAGS[tag.code] == "s" else 1, tag.value, True)
                for tag in page.tags
                if tag.code in _CARRIED_TAGS
            ],
        }

    def _warn_of_loss(self, entries: dict[str, Any], dialect: str) -> None:
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
        if dialect == "shaped" and set(json.loads(self._page.description)) - {"shape", "axes"}:
            self.warnings.append("tifffile's own metadata is dropped")
        lost_tags = [tag.name for tag in self._page.tags if tag.code not in (*_STRUCTURE, *_CARRIED_TAGS)]
        if lost_tags:
            self.warnings.append(f"these tags are dropped: {', '.join(lost_tags)}")
        if lost := imagej.lost_entries(entries):
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


def _colour_space(page: tifffile.TiffPage, photometric: int) -> str | None:
    """What other families need to know of the samples of a pixel; None for plain grey."""
    if EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
        return "premultiplied alpha"
    names = {PHOTOMETRIC.MINISBLACK: None, PHOTOMETRIC.RGB: "RGB", PHOTOMETRIC.SEPARATED: "CMYK"}
    return names.get(PHOTOMETRIC(photometric), PHOTOMETRIC(photometric).name)


def _colours(colormap: Array) -> Array:
    """The palette as an array of shape (entries, 3), in 8 bits where that loses nothing."""
    entries = np.moveaxis(colormap, 0, -1)
    exact = not np.any(entries % 257) or not np.any(entries & 255)
    return (entries >> 8).astype(np.uint8) if exact else entries
