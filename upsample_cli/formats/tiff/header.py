"""Reads the tags of an image into a `Header` and the `Metadata` for writing it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG, PREDICTOR, RESUNIT

from ...errors import InputError, RequestError
from ...geometry import RASTER, Axis, Grid
from .. import icc, xmp
from ..base import Header, ReadOptions
from ..dropped import Dropped, Loss
from . import colours, compression, geotiff, imagej, libtiff, ome, slides, tags
from .chunked_page import open_file
from .dropped import dropped_warnings, foreign_items
from .metadata import Layout, Metadata, Tag, resolution_unit, with_tagged_spacing
from .samples import Conversion, Convert, conversion_of, significant_bits
from .series import Image

_DIALECTS = {"imagej": "imagej", "ome": "ome", "shaped": "shaped", "generic": "plain", "uniform": "plain"}
_UNKNOWN_AXES = "IQ"  # tifffile's names of axes that the file does not name
_ICC, _GDAL_NODATA, _XMP = 34675, 42113, 700
_YCBCR_TAGS = (529, 530, 531, 532)
_LOG_COLOURS = (PHOTOMETRIC.LOGL, PHOTOMETRIC.LOGLUV)
_EXTRASAMPLES = tuple(EXTRASAMPLE)


@dataclass(slots=True)
class SeriesInfo:
    """Facts about an image.

    Attributes:
        header: the header for the pipeline.
        convert: converts stored samples to those of the array; None if they are left alone.
        by_libtiff: whether the page is decoded by libtiff.
        warnings: about what is lost.
    """

    header: Header
    convert: Convert | None = None
    by_libtiff: bool = False
    warnings: list[str] = field(default_factory=list)


def read_series_info(
    path: Path, tiff: tifffile.TiffFile, image: Image, options: ReadOptions, several: bool
) -> SeriesInfo:
    """Read the tags of an image, of a file that may have `several`.

    Raises:
        InputError: the image is damaged, or of a kind that cannot be resized.
    """
    with open_file(image.series.keyframe):
        return _read_series_info(path, tiff, image, options, several)


def _read_series_info(
    path: Path, tiff: tifffile.TiffFile, image: Image, options: ReadOptions, several: bool
) -> SeriesInfo:
    series = image.series
    page = series.keyframe
    where = f" in image {image.index}; choose another one with --series" if several else ""
    if problem := _unsupported(series):
        raise InputError(f"holds {problem}{where}", path)
    _refuse_damaged(path, tiff, series)
    warnings: list[str] = []
    metadata = _metadata(tiff, image, warnings)
    axes = _axes(path, series, options, metadata, warnings)
    conversion = conversion_of(page, series.dtype or np.dtype(np.uint8), options.keep_indices)
    metadata = replace(metadata, layout=_converted_layout(metadata.layout, page, conversion, options, warnings))
    if conversion.by_libtiff:
        metadata = replace(metadata, tags=tuple(tag for tag in metadata.tags if tag.code not in _YCBCR_TAGS))
    if conversion.channels is not None:
        axes = (*(axis for axis in axes if axis.name != "s"), Axis("s", conversion.channels))
    levels = _levels(image, warnings)
    warnings += dropped_warnings(tiff, series, metadata)
    header = Header(
        grid=Grid(axes, {RASTER: np.eye(4)}),
        dtype=conversion.dtype.newbyteorder("="),
        alpha=axes[-1].name == "s"
        and _extrasamples(page) == (EXTRASAMPLE.UNASSALPHA,)
        and conversion.dtype.kind in "uf",
        colours=colours.colour_space(page, metadata.layout.photometric),
        icc=_profile(page, warnings),
        nodata=_nodata(page, conversion, warnings),
        levels=tuple(_converted_shape(level, page, conversion) for level in levels),
        metadata=metadata,
        foreign_items=foreign_items(page, metadata, levels),
    )
    return SeriesInfo(header, conversion.apply, conversion.by_libtiff, warnings)


def _converted_layout(
    layout: Layout, page: tifffile.TiffPage, conversion: Conversion, options: ReadOptions, warnings: list[str]
) -> Layout:
    """The layout for converted samples."""
    if conversion.colormap is not None:
        return replace(layout, colormap=conversion.colormap)
    if conversion.by_libtiff:
        if page.photometric in _LOG_COLOURS:
            warnings.append(Dropped("its LogLuv samples are converted to 8-bit RGB", Loss.COLOUR_SPACE))
        elif page.bitspersample > 8:
            warnings.append(Dropped(f"its {page.bitspersample}-bit samples are read with 8 bits", Loss.OTHER))
        return Layout(PHOTOMETRIC.RGB, compression=layout.compression)
    if conversion.channels is not None:
        reason = "TIFF files with both are not written" if options.keep_indices else "blending needs colours in between"
        what = "palette and alpha are" if conversion.channels == 4 else "palette is"
        text = f"its {what} replaced by {'RGBA'[: conversion.channels]} colours, because {reason}"
        warnings.append(Dropped(text, Loss.PALETTE))
        extrasamples = layout.extrasamples if conversion.channels == 4 else None
        return replace(layout, photometric=PHOTOMETRIC.RGB, extrasamples=extrasamples, predictor=None)
    if conversion.bits is not None:
        if options.keep_indices and conversion.bits > 1:
            return replace(layout, bitspersample=conversion.bits)
        warnings.append(f"its {conversion.bits}-bit samples are scaled to {8 * conversion.dtype.itemsize} bits")
    elif page.bitspersample not in (1, 8 * conversion.dtype.itemsize) and layout.compression != COMPRESSION.JPEG:
        bits = 8 * conversion.dtype.itemsize
        warnings.append(f"its {page.bitspersample}-bit samples are written with {bits} bits each")
    return layout


def _converted_shape(shape: tuple[int, ...], page: tifffile.TiffPage, conversion: Conversion) -> tuple[int, ...]:
    if conversion.channels is None:
        return shape
    return (*(shape[:-1] if page.samplesperpixel > 1 else shape), conversion.channels)


def _profile(page: tifffile.TiffPage, warnings: list[str]) -> bytes | None:
    """The ICC profile, unless it is damaged."""
    if _ICC not in page.tags:
        return None
    profile = page.tags.valueof(_ICC)
    if isinstance(profile, bytes) and icc.is_profile(profile):
        return profile
    warnings.append("its ICC profile is damaged and is dropped")
    return None


def _intact(copied: Iterable[Tag], warnings: list[str]) -> Iterator[Tag]:
    """The tags without an XMP document that is damaged, because other readers reject such files."""
    for tag in copied:
        if tag.code == _XMP and not (isinstance(tag.value, bytes) and xmp.is_well_formed(tag.value)):
            warnings.append("its XMP is damaged and is dropped")
        else:
            yield tag


def _nodata(page: tifffile.TiffPage, conversion: Conversion, warnings: list[str]) -> float | None:
    """The value of missing samples according to GDAL, if converted samples can have it."""
    if _GDAL_NODATA not in page.tags or conversion.channels is not None or conversion.bits is not None:
        return None
    dtype = conversion.dtype
    text = page.tags.valueof(_GDAL_NODATA)
    try:
        value = float(text.strip(" \0"))
    except (ValueError, AttributeError):  # not a number, or not text
        shown = f": {text[:20]}" if isinstance(text, str) else ""
        warnings.append(f"its tag GDAL_NODATA is not a number and is ignored{shown}")
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return value if value.is_integer() and limits.min <= value <= limits.max else None
    return value if dtype.kind == "f" else None


def _unsupported(series: tifffile.TiffPageSeries) -> str | None:
    """A description of the samples if they cannot be read or interpolated, else None."""
    page = series.keyframe
    if libtiff.is_needed(page) and len(series) == 1:
        return None
    if series.dtype is None or series.dtype.kind not in "biufc":
        return f"samples of type {series.dtype}, which are not supported"
    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        return f"samples in {COMPRESSION(page.compression).name} compression, which is not supported"
    if page.predictor not in tifffile.TIFF.PREDICTORS:
        return f"samples stored with predictor {int(page.predictor)}, which is unknown"
    if page.planarconfig not in tuple(PLANARCONFIG):
        return "samples in an unknown planar configuration"
    formats = page.tags.valueof("SampleFormat")
    if isinstance(formats, tuple) and len(set(formats)) > 1:
        return "samples of several types in a pixel, which are not supported"
    return _unsupported_colours(page, series.dtype)


def _unsupported_colours(page: tifffile.TiffPage, dtype: np.dtype[Any]) -> str | None:
    if page.photometric == PHOTOMETRIC.PALETTE and dtype.kind not in "bu":
        return f"palette indices of type {dtype}, which are not supported"
    if page.photometric == PHOTOMETRIC.CIELAB and significant_bits(page, dtype) is not None:
        return f"CIELAB colours of {page.bitspersample} bits, which are not supported"
    if page.photometric == PHOTOMETRIC.CFA:
        return "a mosaic of colours (CFA), which is not supported; develop it into RGB first"
    if colours.has_undecodable_subsampling(page):
        return "YCbCr colours with subsampled chroma in a turned or stacked page, which are not supported"
    return None


def _refuse_damaged(path: Path, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Refuse a file whose description lists more than the file holds; tifffile would read it as another kind."""
    if "<OME" in series.keyframe.description[:2000] and not tiff.is_ome:
        raise InputError("is damaged: its OME-XML is incomplete", path)
    planes = math.prod(series.shape) // math.prod(series.keyframe.shape)
    promised = int((tiff.imagej_metadata or {}).get("images", planes)) if series.kind == "imagej" else planes
    if planes < promised:
        raise InputError(f"is truncated: it holds {planes} of {promised} planes", path)


def _metadata(tiff: tifffile.TiffFile, image: Image, warnings: list[str]) -> Metadata:
    series = image.series
    page = series.keyframe
    dialect = _DIALECTS.get(series.kind, "vendor")
    return Metadata(
        dialect=dialect,
        layout=_layout(page),
        byteorder=tiff.byteorder,
        bigtiff=tiff.is_bigtiff,
        resolution_unit=RESUNIT.CENTIMETER if slides.is_scan(series) else resolution_unit(page),
        quality=compression.jpeg_quality(page),
        chained=bool(image.levels) and not image.levels[0].keyframe.is_subifd,
        subfile_type=int(page.subfiletype) if len(series) == 1 else 0,
        software=tags.text(page, 305) if dialect != "vendor" else None,
        description=_description(page) if dialect in ("plain", "shaped") else None,
        tags=(
            *_intact(tags.copied_tags(page, dialect == "vendor", is_single=len(series) == 1), warnings),
            *tags.highest_value(page, significant_bits(page, series.dtype)),
        ),
        slide=tags.text(page, 270) if series.kind == "svs" else None,
        is_scan=slides.is_scan(series),
        directories=tags.read_directories(page),
        geo_tags=geotiff.georeference_tags(page),
        shaped=_shaped_entries(page) if dialect == "shaped" else {},
        imagej=dict(tiff.imagej_metadata or {}) if dialect == "imagej" else {},
        ome=ome.find_image(tiff, image.number) if dialect == "ome" else None,
    )


def _description(page: tifffile.TiffPage) -> bytes | None:
    """The description, unless a program uses it for its own metadata."""
    stored = tags.text(page, 270) or b""
    words = stored.decode("latin-1")  # tifffile's `page.description` is empty if the type of the tag is wrong
    foreign = page.is_ome or words.startswith("ImageJ=") or _is_shaped_description(words) or "<OME" in words
    return None if foreign else stored or None


def _is_shaped_description(description: str) -> bool:
    """Whether the description is metadata of tifffile."""
    return description.startswith("{") and '"shape":' in description


def _shaped_entries(page: tifffile.TiffPage) -> dict[str, Any]:
    """The entries that users of tifffile have added to its metadata."""
    for text in (page.description, page.description1):
        if _is_shaped_description(text):
            return {k: v for k, v in json.loads(text).items() if k not in ("shape", "axes", "truncated")}
    return {}


def _axes(
    path: Path, series: tifffile.TiffPageSeries, options: ReadOptions, metadata: Metadata, warnings: list[str]
) -> tuple[Axis, ...]:
    shape, names = colours.interleaved_shape(series)
    labelled = metadata.dialect in ("imagej", "ome")
    if options.axes is not None and labelled:
        warnings.append("--axes is ignored: the file names its axes")
    given = None if labelled else options.axes
    axes = [Axis(name, size) for name, size in zip(_axis_names(path, names, given), shape, strict=True)]
    if metadata.ome is not None:
        return tuple(ome.with_spacing(axis, metadata.ome) for axis in axes)
    if metadata.dialect == "imagej":
        return tuple(imagej.with_spacing(axis, series.keyframe, metadata.imagej) for axis in axes)
    return tuple(slides.with_scanned_spacing(with_tagged_spacing(axis, series.keyframe), series) for axis in axes)


def _axis_names(path: Path, axes: str, given: str | None) -> str:
    axes = axes.upper()
    shown = re.sub(f"[{_UNKNOWN_AXES}]", "?", axes).lower()
    if given is not None:
        names = given + ("s" if axes.endswith("S") and len(given) == len(axes) - 1 else "")
        if len(names) != len(axes):
            raise InputError(f"has {len(axes)} axes ({shown}); name each of them with --axes", path)
        if names.find("s") != axes.find("S"):
            where = f"number {axes.find('S') + 1}" if "S" in axes else "none"
            raise RequestError(f"--axes {given}: the samples of a pixel (s) are {where} of its axes ({shown})", path)
        return names
    unknown = [axis for axis in axes if axis in _UNKNOWN_AXES]
    if len(unknown) == 1 and "Z" not in axes:  # a plain stack of pages is a z stack
        axes = axes.replace(unknown[0], "Z")
    if len(set(axes)) < len(axes):
        raise InputError(f"has axes without names ({shown}); name each of them with --axes, such as --axes tzyx", path)
    return axes.lower()


def _layout(page: tifffile.TiffPage) -> Layout:
    codec = COMPRESSION(page.compression)
    jpeg = codec == COMPRESSION.JPEG
    decoded_to_rgb = page.photometric == PHOTOMETRIC.YCBCR and colours.is_interleaved_jpeg(page)
    strips = not page.is_tiled and page.rowsperstrip < page.imagelength
    return Layout(
        photometric=PHOTOMETRIC.RGB if decoded_to_rgb else page.photometric,
        planarconfig=page.planarconfig if page.samplesperpixel > 1 else None,
        extrasamples=_extrasamples(page),
        compression=None if codec == COMPRESSION.NONE else codec,
        predictor=None if page.predictor == PREDICTOR.NONE else page.predictor,
        subsampling=compression.subsampling(page) if jpeg and decoded_to_rgb else None,
        tile=(page.tile[0], page.tile[1]) if page.tile and len(page.tile) == 2 else None,
        rowsperstrip=page.rowsperstrip if strips else None,
    )


def _extrasamples(page: tifffile.TiffPage) -> tuple[int, ...] | None:
    """The kinds of the samples beyond the colours. Without a tag, readers treat a fourth sample of RGB as alpha."""
    of_colours = {PHOTOMETRIC.RGB: 3, PHOTOMETRIC.CIELAB: 3, PHOTOMETRIC.MINISBLACK: 1, PHOTOMETRIC.MINISWHITE: 1}
    photometric = PHOTOMETRIC(page.photometric)
    listed = page.extrasamples[: max(page.samplesperpixel - of_colours.get(photometric, 1), 0)]  # may be too many
    known = tuple(e if e in _EXTRASAMPLES else EXTRASAMPLE.UNSPECIFIED for e in listed)
    unlisted = page.samplesperpixel - len(known) - of_colours.get(photometric, page.samplesperpixel)
    if photometric == PHOTOMETRIC.RGB and unlisted == 1 and not known:
        return (EXTRASAMPLE.UNASSALPHA,)
    return (*known, *[EXTRASAMPLE.UNSPECIFIED] * unlisted) or None


def _levels(image: Image, warnings: list[str]) -> tuple[tuple[int, ...], ...]:
    """The shapes of the levels that have as many pages as the largest version."""
    shape, axes = colours.interleaved_shape(image.series)
    kept = []
    for level, names in map(colours.interleaved_shape, image.levels):
        if names == axes and all(name in "XY" or a == b for name, a, b in zip(axes, level, shape, strict=True)):
            kept.append(level)
    if len(kept) < len(image.levels):
        warnings.append(
            Dropped("pyramid levels that are also reduced along axes other than x and y are dropped", Loss.PYRAMID)
        )
    return tuple(kept)
