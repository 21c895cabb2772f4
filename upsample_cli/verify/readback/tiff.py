"""Reads TIFF files back with tifffile: its series, its memory maps and its parsed metadata."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ...formats.base import Array
from ...geometry import INCH, UNIT_ALIASES, UNITS
from .model import LOSSY_ERROR, Expected, ReadBack

_CIELAB = 8  # value of PhotometricInterpretation
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
    """The first levels of each series, as many as were written."""
    tiff = stack.enter_context(tifffile.TiffFile(path))
    pairs = zip(tiff.series, expected.array_counts, strict=True)
    levels = [level for series, count in pairs for level in series.levels[:count]]
    spacing = _spacing(tiff)
    return [_read_back(path, tiff, level, {} if number else spacing) for number, level in enumerate(levels)]


def _read_back(path: Path, tiff: Any, series: Any, spacing: Mapping[str, float]) -> ReadBack:
    lossy = LOSSY_ERROR if series.keyframe.compression in _LOSSY_COMPRESSIONS else 0.0
    sample = _sampler(path, tiff, series)
    if series.keyframe.photometric == _CIELAB:
        sample = _flip_chroma_sign(sample, series)
    return ReadBack(series.axes.lower(), series.shape, series.dtype, sample, spacing, lossy=lossy)


def _sampler(path: Path, tiff: Any, series: Any) -> Callable[[tuple[int, ...]], Any]:
    """A function that returns the sample at an index, from a memory map where the file allows one."""
    if series.dataoffset is not None:
        dtype = series.dtype.newbyteorder(tiff.byteorder)
        mapped = np.memmap(path, dtype, "r", series.dataoffset, series.shape)
        return lambda index: mapped[index]
    page_size = math.prod(series.keyframe.shape)

    @lru_cache(4)
    def page(number: int) -> Array:
        return np.asarray(series.pages[number].asarray()).reshape(-1)

    def sample(index: tuple[int, ...]) -> Any:
        number, position = divmod(int(np.ravel_multi_index(index, series.shape)), page_size)
        return page(number)[position]

    return sample


def _flip_chroma_sign(sample: Callable[[tuple[int, ...]], Any], series: Any) -> Callable[[tuple[int, ...]], Any]:
    """Convert a* and b*, which CIELAB stores as two's complement in unsigned samples, to offset binary."""
    sign = series.dtype.type(1 << (8 * series.dtype.itemsize - 1))
    channel = series.axes.find("S")
    return lambda index: sample(index) ^ sign if index[channel] else sample(index)


def _spacing(tiff: Any) -> dict[str, float]:
    """Spacings by axis name, in millimetres and seconds, from OME-XML or from ImageJ's metadata and the tags."""
    if tiff.is_ome:
        return _ome_spacing(tiff.ome_metadata)
    tags, imagej = tiff.pages[0].tags, tiff.imagej_metadata or {}
    imagej_unit = _unit_size(imagej.get("unit", ""))
    unit = imagej_unit if tiff.is_imagej else _RESOLUTION_UNITS.get(tags.valueof("ResolutionUnit"))
    spacing: dict[str, float] = {}
    for axis in "xy":
        samples, units = tags.valueof(f"{axis.upper()}Resolution") or (0, 1)
        if samples and unit:
            spacing[axis] = unit * units / samples
    if "spacing" in imagej:
        spacing["z"] = float(imagej["spacing"]) * imagej_unit
    if imagej.get("finterval"):
        spacing["t"] = float(imagej["finterval"])
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
