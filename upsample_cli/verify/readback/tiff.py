"""Reads TIFF files back with tifffile: its series, its memory maps and its parsed metadata."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ...formats.base import Array
from ...geometry import INCH, UNIT_ALIASES, UNITS
from .model import LOSSY_ERROR, Expected, MismatchError, ReadBack, stored_sample

_PALETTE, _CIELAB = 3, 8  # values of PhotometricInterpretation
_LAB_SAMPLES = 3
_CACHED_SEGMENTS = 16  # most recently decoded segments in the cache
_INCH_UNIT = 2  # value of ResolutionUnit, and its default
_LOSSY_COMPRESSIONS = frozenset(  # JPEG, JPEG 2000, JPEG XL and WebP, each with its older codes
    (6, 7, 33007, 34892, 33003, 33004, 33005, 34712, 50002, 52546, 50001, 34927)
)
_RESOLUTION_UNITS = {2: INCH, 3: 10.0, 4: 1.0, 5: 1e-3}  # values of ResolutionUnit, in millimetres
_OME_SPACING = {  # attribute and default unit by axis
    "x": ("PhysicalSizeX", "µm"),
    "y": ("PhysicalSizeY", "µm"),
    "z": ("PhysicalSizeZ", "µm"),
    "t": ("TimeIncrement", "s"),
}


def read_arrays(path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]:
    """Each image and its levels, of a file with a dialect by tifffile's series, of others by their pages.

    Raises:
        MismatchError: the number of pages is not that which was planned.
    """
    tiff = stack.enter_context(tifffile.TiffFile(path))
    if not (tiff.is_ome or tiff.is_imagej or tiff.is_shaped):
        planned = _planned_series(tiff, expected)
        return [_read_back(path, tiff, series, _tagged_spacing(series.keyframe, None)) for series in planned]
    pairs = zip(tiff.series, expected.array_counts, strict=True)
    levels = [level for series, count in pairs for level in series.levels[:count]]
    spacing = _spacing(tiff)
    return [_read_back(path, tiff, level, {} if number else spacing) for number, level in enumerate(levels)]


def _planned_series(tiff: Any, expected: Expected) -> Iterator[Any]:
    """The pages of each planned array. The levels of a pyramid lie below its pages or follow them."""
    first = 0
    for header, arrays in zip(expected.headers, expected.array_counts, strict=True):
        count = math.prod(header.grid.shape[: header.grid.names.index("y")])
        below = bool(tiff.pages[first].subifds) if first < len(tiff.pages) else False
        last = first + count * (1 if below else arrays)
        if last > len(tiff.pages):
            raise MismatchError(f"it has {len(tiff.pages)} pages where {last} or more were planned")
        pages = [tiff.pages.get(number, aspage=True) for number in range(first, last)]
        for level in range(arrays):
            if below and level:
                part = [_page_below(tiff, page, level - 1) for page in pages]
            else:
                part = pages[level * count : (level + 1) * count]
            shape, axes = part[0].shape, part[0].axes
            several = count > 1
            if several:
                shape, axes = (count, *shape), f"I{axes}"
            yield tifffile.TiffPageSeries(part, shape, part[0].dtype, axes)
        first = last
    if first != len(tiff.pages):
        raise MismatchError(f"it has {len(tiff.pages)} pages where {first} were planned")


def _page_below(tiff: Any, page: Any, level: int) -> Any:
    """The page of a level, which lies below a page of the largest one."""
    if len(page.subifds or ()) <= level:
        raise MismatchError(f"a page has {len(page.subifds or ())} smaller versions where {level + 1} were planned")
    tiff.filehandle.seek(page.subifds[level])
    return tifffile.TiffPage(tiff, (page.index, level))


def _read_back(path: Path, tiff: Any, series: Any, spacing: Mapping[str, float]) -> ReadBack:
    page = series.keyframe
    lossy = LOSSY_ERROR if page.compression in _LOSSY_COMPRESSIONS else 0.0
    sample, dtype = _sampler(path, tiff, series), series.dtype
    if page.photometric == _CIELAB and page.samplesperpixel >= _LAB_SAMPLES and dtype.kind == "u":
        sample = _flip_chroma_sign(sample, series)
    if page.photometric == _PALETTE:
        dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype
    elif dtype.kind == "u" and page.bitspersample < 8 * dtype.itemsize and not lossy:
        sample = _scaled(sample, page.bitspersample, dtype)
    return ReadBack(series.axes.lower(), series.shape, dtype, sample, spacing, lossy=lossy)


def _scaled(
    sample: Callable[[tuple[int, ...]], Any], bits: int, dtype: np.dtype[Any]
) -> Callable[[tuple[int, ...]], Any]:
    """The samples scaled from their bits to the range of their type."""
    ratio = int(np.iinfo(dtype).max) / ((1 << bits) - 1)
    return lambda index: dtype.type(round(int(sample(index)) * ratio))


def _sampler(path: Path, tiff: Any, series: Any) -> Callable[[tuple[int, ...]], Any]:
    """A function that returns the sample at an index, from a memory map where the file allows one."""
    if series.dataoffset is not None:
        dtype = series.dtype.newbyteorder(tiff.byteorder)
        return lambda index: stored_sample(tiff.filehandle, dtype, series.dataoffset, series.shape, index)
    page_shape = series.keyframe.shape
    page_size = math.prod(page_shape)

    @lru_cache(_CACHED_SEGMENTS)
    def segment(number: int, place: int) -> Array:
        page = series.pages[number]
        tiff.filehandle.seek(page.dataoffsets[place])
        data = tiff.filehandle.read(page.databytecounts[place])
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.keyframe.jpegheader}
        return np.asarray(page.keyframe.decode(data, place, **tables)[0])

    @lru_cache(1)
    def page(number: int) -> Array:
        return np.asarray(series.pages[number].asarray()).reshape(-1)

    def sample(index: tuple[int, ...]) -> Any:
        number, within = divmod(int(np.ravel_multi_index(index, series.shape)), page_size)
        if not _has_plain_segments(series.keyframe):
            return page(number)[within]
        place = np.unravel_index(within, page_shape)
        chunks = series.keyframe.chunks
        pairs = list(zip(place, chunks, strict=True))
        which = int(np.ravel_multi_index([int(n // size) for n, size in pairs], series.keyframe.chunked))
        return segment(number, which).reshape(-1, *chunks[1:])[tuple(int(n % size) for n, size in pairs)]

    return sample


def _has_plain_segments(page: Any) -> bool:
    """Whether the strips or tiles of a page have as many axes as the page."""
    return bool(page.imagedepth == 1 and len(page.chunks) == page.ndim == len(page.chunked))


def _flip_chroma_sign(sample: Callable[[tuple[int, ...]], Any], series: Any) -> Callable[[tuple[int, ...]], Any]:
    """Convert a* and b*, which CIELAB stores as two's complement in unsigned samples, to offset binary."""
    sign = series.dtype.type(1 << (8 * series.dtype.itemsize - 1))
    channel = series.axes.find("S")
    return lambda index: sample(index) ^ sign if index[channel] in (1, 2) else sample(index)


def _spacing(tiff: Any) -> dict[str, float]:
    """Spacings by axis name, in millimetres and seconds, from OME-XML or from ImageJ's metadata and the tags."""
    if tiff.is_ome:
        return _ome_spacing(tiff.ome_metadata)
    imagej = tiff.imagej_metadata or {}
    units = {axis: _unit_size(imagej.get(f"{axis}unit", imagej.get("unit", ""))) for axis in "xyz"}
    spacing = _tagged_spacing(tiff.pages[0], 1.0 if tiff.is_imagej else None)
    if "spacing" in imagej:
        spacing["z"] = float(imagej["spacing"])
    if tiff.is_imagej:
        spacing = {axis: step * units[axis] for axis, step in spacing.items()}
    if imagej.get("finterval"):
        spacing["t"] = float(imagej["finterval"])
    return spacing


def _tagged_spacing(page: Any, unit: float | None) -> dict[str, float]:
    """Spacings along x and y by the resolution tags, in `unit` or else in that of the tags; none for tifffile's 1."""
    if all(page.tags.valueof(f"{axis}Resolution") == (1, 1) for axis in "XY"):
        return {}
    unit = unit or _RESOLUTION_UNITS.get(page.tags.valueof("ResolutionUnit", default=_INCH_UNIT))
    spacing: dict[str, float] = {}
    for axis in "xy":
        samples, units = page.tags.valueof(f"{axis.upper()}Resolution") or (0, 1)
        if samples and unit:
            spacing[axis] = unit * units / samples
    return spacing


def _ome_spacing(document: str) -> dict[str, float]:
    image = tifffile.xml2dict(document)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    return {
        axis: float(pixels[attribute]) * _unit_size(pixels.get(f"{attribute}Unit", default))
        for axis, (attribute, default) in _OME_SPACING.items()
        if attribute in pixels
    }


def _unit_size(unit: str) -> float:
    """The size of a unit in millimetres or seconds; 1 if it is unknown."""
    unit = UNIT_ALIASES.get(unit, unit)
    return next((table[unit] for table in UNITS if unit in table), 1.0)
