"""A second look at a finished file, by other means than those that wrote it, for ``--verify``.

Each family is read by the plainest call of its library: nibabel's images, tifffile's series, imagecodecs' decoders or
Pillow, `numpy.load`. Nothing here is shared with the sources and sinks.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..formats.base import Array, Header
from ..geometry import UNITS

_INCH = 25.4  # millimetres
_CIELAB = 8
_LOSSY, _QUANTISED = 0.04, 0.3  # parts of the range
_LOSSY_PICTURES = {"JPEG": _LOSSY, "MPO": _LOSSY, "WEBP": _LOSSY, "AVIF": _LOSSY, "JPEG2000": _LOSSY}
_HALF = 127
# Codes of compressions of the kinds of JPEG, JPEG 2000, JPEG XL and WebP
_LOSSY_TIFF = frozenset((6, 7, 33007, 34892, 33003, 33004, 33005, 34712, 50002, 52546, 50001, 34927))
_INCHES = 2  # of EXIF
_RESOLUTION_UNITS = {2: _INCH, 3: 10.0, 4: 1.0, 5: 1e-3}  # codes of TIFF, in millimetres
_DECODERS = {"PNG": "png_decode", "JPEG": "jpeg_decode", "WEBP": "webp_decode"}


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What an independent reader finds in a file.

    Attributes:
        names: of the axes, slowest first; letters that the file does not say are ``?``.
        shape: of the array.
        dtype: of its samples.
        sample: the sample at an index; None where the file has other numbers that look the same.
        spacing: of the axes of which the file says it, in millimetres or seconds, or without a unit.
        affines: by the name of their frame.
        precision: the relative error with which the file can say its spacing.
        lossy: the part of their range by which its samples may be off on average, where they are flat; 0 where they
            are exact.
    """

    names: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    sample: Callable[[tuple[int, ...]], Any] | None
    spacing: Mapping[str, float] = field(default_factory=dict)
    affines: Mapping[str, Array] = field(default_factory=dict)
    precision: float = 1e-5
    lossy: float = 0.0


@contextmanager
def read_back(path: Path, family: str, planned: Header, counts: Sequence[int]) -> Iterator[list[ReadBack]]:
    """What is in the file at `path`: one for every array, in the order in which they were written.

    Args:
        path: the file.
        family: the name of the module that wrote it.
        planned: the header of the first array, since palettes may stand for numbers or for colours.
        counts: for every image of the file, how many arrays it is: itself and its levels.
    """
    with ExitStack() as stack:
        if family == "tiff":
            yield _tiff(path, counts, stack)
        elif family == "zarr":
            yield _zarr(path)
        else:
            yield [_picture(path, planned) if family == "picture" else {"npy": _npy, "volume": _volume}[family](path)]


def _zarr(path: Path) -> list[ReadBack]:
    import zarr

    node: Any = zarr.open(str(path), mode="r")
    if isinstance(node, zarr.Array):
        return [_zarr_array(node, None, {})]
    images = [node, *_groups_below(node)]
    return [
        _zarr_array(image[dataset["path"]], entry, dataset)
        for image in images
        for entry in image.attrs.get("ome", image.attrs).get("multiscales", [])[:1]
        for dataset in entry["datasets"]
    ]


def _groups_below(group: Any) -> Iterator[Any]:
    """All groups of a hierarchy; label images follow their image."""
    for _, below in sorted(group.groups(), key=lambda item: (item[0] != "labels", len(item[0]), item[0])):
        yield below
        yield from _groups_below(below)


def _zarr_array(array: Any, entry: Any, dataset: Any) -> ReadBack:
    names = "".join(axis["name"] for axis in entry["axes"]) if entry else "?" * array.ndim
    scale = np.ones(array.ndim)
    for part in (dataset or {}, entry or {}):
        for transformation in part.get("coordinateTransformations", []):
            if transformation["type"] == "scale":
                scale = scale * transformation["scale"]
    units = {"angstrom": "Å", "inch": "in", "minute": "min", "second": "s", "hour": "h"}
    prefixes = {"pico": "p", "nano": "n", "micro": "µ", "milli": "m", "centi": "c", "kilo": "k", "": ""}
    spacing = {}
    for axis, step in zip(entry["axes"] if entry else (), scale, strict=False):
        if axis.get("type") in ("space", "time"):
            unit = axis.get("unit", "")
            base = next((base for base in ("meter", "second") if unit.endswith(base)), None)
            short = units.get(unit, unit if base is None else prefixes.get(unit[: -len(base)], "?") + base[0])
            spacing[axis["name"]] = float(step) * _ratio(short)
    return ReadBack(names, array.shape, array.dtype, lambda index: array[index], spacing)


def _npy(path: Path) -> ReadBack:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return ReadBack("?" * array.ndim, array.shape, array.dtype, lambda index: array[index])


def _volume(path: Path) -> ReadBack:
    import nibabel as nib
    from nibabel.arrayproxy import ArrayProxy

    if path.name.lower().endswith((".mgh", ".mgz")):  # which `nib.load` would leave open
        with gzip.open(path) if path.suffix.lower() == ".mgz" else path.open("rb") as file:
            image: Any = cast(Any, nib.MGHImage).from_stream(file)
    else:
        image = nib.load(path)
    header, dtype = image.header, image.get_data_dtype()
    names = "xyztuvw"[: len(image.shape)][::-1]
    units = {"mm": 1.0, "micron": 1e-3, "meter": 1e3, "sec": 1.0, "msec": 1e-3, "usec": 1e-6}
    length, time = (units.get(u, 1.0) for u in getattr(header, "get_xyzt_units", lambda: ("mm", "sec"))())
    if isinstance(image, nib.MGHImage):
        time = 1e-3
    zooms = dict(zip("xyzt", header.get_zooms(), strict=False))
    spacing = {name: float(zoom) * (time if name == "t" else length) for name, zoom in zooms.items()}
    affines: dict[str, Array] = {}
    for frame in ("sform", "qform"):
        affine, code = getattr(image, f"get_{frame}", lambda coded: (None, 0))(coded=True)
        if code and affine is not None:
            affines[frame] = affine
    if isinstance(image, nib.MGHImage):
        affines["ras"] = image.affine
    samples: Any = cast(Any, ArrayProxy)(
        image.file_map["image"].filename or path, (image.shape, dtype, image.dataobj.offset, 1.0, 0.0)
    )

    @lru_cache(4)
    def plane(rest: tuple[int, ...]) -> Array:
        return np.asarray(samples[(slice(None), slice(None), *rest[::-1])[-len(image.shape) :]]).T

    colours = len(dtype.fields or ())

    def sample(index: tuple[int, ...]) -> Any:
        place = index[:-1] if colours else index
        value = plane(place[:-2])[place[-2:]]
        return value[index[-1]] if colours else value

    shape, kind = image.shape[::-1], np.dtype(np.uint8) if colours else dtype
    return ReadBack(names + "s" * bool(colours), shape + (colours,) * bool(colours), kind, sample, spacing, affines)


def _tiff(path: Path, counts: Sequence[int], stack: ExitStack) -> list[ReadBack]:
    import tifffile

    tiff = stack.enter_context(tifffile.TiffFile(path))
    arrays = [level for series, count in zip(tiff.series, counts, strict=True) for level in series.levels[:count]]
    spacing = _tiff_spacing(tiff)
    return [_tiff_array(path, tiff, level, {} if number else spacing) for number, level in enumerate(arrays)]


def _tiff_array(path: Path, tiff: Any, series: Any, spacing: Mapping[str, float]) -> ReadBack:
    pixels = math.prod(series.keyframe.shape)
    mapped = None
    if series.dataoffset is not None:
        dtype = series.dtype.newbyteorder(tiff.byteorder)
        mapped = np.memmap(path, dtype, "r", series.dataoffset, series.shape)

    @lru_cache(4)
    def page(number: int) -> Array:
        return np.asarray(series.pages[number].asarray()).reshape(-1)

    def sample(index: tuple[int, ...]) -> Any:
        value = mapped[index] if mapped is not None else from_page(index)
        return value ^ sign if sign and index[channel] else value

    def from_page(index: tuple[int, ...]) -> Any:
        number, place = divmod(int(np.ravel_multi_index(index, series.shape)), pixels)
        return page(number)[place]

    lossy = _LOSSY if series.keyframe.compression in _LOSSY_TIFF else 0.0
    lab = series.keyframe.photometric == _CIELAB  # its a* and b* are signed numbers in unsigned samples
    sign = series.dtype.type(1 << (8 * series.dtype.itemsize - 1)) if lab else None
    channel = series.axes.find("S")
    return ReadBack(series.axes.lower(), series.shape, series.dtype, sample, spacing, lossy=lossy)


def _tiff_spacing(tiff: Any) -> dict[str, float]:
    """By OME-XML, by ImageJ's entries and the resolution tags, or by these alone."""
    import tifffile

    if tiff.is_ome:
        image = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
        pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
        told = {name: (f"PhysicalSize{name.upper()}", "µm") for name in "xyz"} | {"t": ("TimeIncrement", "s")}
        return {
            axis: float(pixels[name]) * _ratio(pixels.get(f"{name}Unit", default))
            for axis, (name, default) in told.items()
            if name in pixels
        }
    tags, entries = tiff.pages[0].tags, tiff.imagej_metadata or {}
    unit = _ratio(entries.get("unit", ""))
    millimetres = unit if tiff.is_imagej else _RESOLUTION_UNITS.get(tags.valueof("ResolutionUnit"))
    spacing: dict[str, float] = {}
    for axis in "xy":
        count, length = tags.valueof(f"{axis.upper()}Resolution") or (0, 1)
        if count and millimetres:
            spacing[axis] = millimetres * length / count
    if "spacing" in entries:
        spacing["z"] = float(entries["spacing"]) * unit
    return spacing | ({"t": float(entries["finterval"])} if entries.get("finterval") else {})


def _ratio(unit: str) -> float:
    """Millimetres or seconds in a unit."""
    unit = {"um": "µm", "micron": "µm", "μm": "µm", "\\u00B5m": "µm", "sec": "s", "inch": "in"}.get(unit, unit)
    return next((table[unit] for table in UNITS if unit in table), 1.0)


def _picture(path: Path, planned: Header) -> ReadBack:
    from PIL import Image, ImageSequence

    from ..formats.picture.opening import without_size_limit

    pixel = planned.grid["s"].size if "s" in planned.grid.names else 0
    with without_size_limit(), Image.open(path) as image:
        kind, mode, count = image.format or "", image.mode, getattr(image, "n_frames", 1)
        dpi = [float(value) for value in image.info.get("dpi", ())] if kind != "PCX" else []  # which says 100 of all
        exif = image.getexif()
        if kind == "JPEG" and exif.get(296) == _INCHES:  # more exactly, and along both axes
            dpi = [float(exif[tag]) for tag in (282, 283) if tag in exif]
        colours = {2: "LA", 3: "RGB", 4: "CMYK" if mode == "CMYK" else "RGBA"}.get(pixel)
        if planned.dtype == bool:
            colours = "L"
        off = _LOSSY_PICTURES.get(kind, 0.0)
        if kind == "WEBP" and b"VP8L" in path.read_bytes()[:4096]:
            off = 0.0
        if pixel and mode in ("P", "1", "L"):
            off = _QUANTISED
        if kind in _DECODERS and count == 1 and mode not in ("P", "1", "CMYK"):
            import imagecodecs

            samples = np.asarray(getattr(imagecodecs, _DECODERS[kind])(path.read_bytes()))
        else:
            frames = [frame.convert(colours) if colours else frame for frame in ImageSequence.Iterator(image)]
            samples = np.stack([np.asarray(frame) for frame in frames])
            samples = samples if count > 1 else samples[0]
    if planned.dtype == bool and samples.dtype != bool:
        samples = samples > _HALF
    names = ("t" if count > 1 else "") + "yx"
    other = pixel == 0 and samples.ndim > len(names)  # colours in the place of indices, or of grey
    samples = samples[..., 0] if other else samples
    names += "s" * (samples.ndim - len(names))
    spacing = {name: _INCH / value for name, value in zip("xy", dpi, strict=False) if value > 0}
    precision = 0.6 / min(dpi) if dpi and min(dpi) > 0 else 0.0
    sample = None if other else lambda index: samples[index]
    return ReadBack(names, samples.shape, samples.dtype, sample, spacing, {}, precision, off)
