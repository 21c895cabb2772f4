"""Checks that a picture was read as Pillow alone reads it: every frame, its colours, its alpha and its orientation."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from ..formats import xmp
from ..formats.base import Array, Source
from ..formats.picture.model import ALPHA, CHANNELS, INDEXED, PictureInfo
from ..formats.picture.opening import without_size_limit
from ..formats.picture.pixels import rgba_table
from ..formats.picture.png.reader import chunk_headers
from ..geometry import INCH, Grid
from .readback.model import MismatchError

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "F")  # the others are converted in several ways
_SCALED = ("BMP", "PPM", "PAM")  # formats with samples of few bits, which Pillow scales in another way
_FEW_BITS = ("1", "L;2", "L;4")  # of PNG, in which Pillow looks for the transparent level without scaling it
_READ_ORIENTATION = re.compile(rb'tiff:Orientation(="|>)[0-9]')
_UNITS_OF_JFIF = (1, 2)  # inches and centimetres
_DENSITY_ERROR = 0.01  # Pillow rounds some densities
_BAND_PIXELS = 1 << 18  # per comparison
_ROUNDING = 2  # levels of 8 bits by which decoders differ that scale samples or blend frames


def check_reading(path: Path, source: Source) -> None:
    """Compare the picture that `source` read from `path` with Pillow's reading, if Pillow reads it.

    Raises:
        MismatchError: the number of frames, the size, the density or the pixels differ.
    """
    info = source.header.metadata
    if not isinstance(info, PictureInfo) or info.mode not in _MODES:
        return
    axes = source.header.grid.names
    rows_per_frame = source.header.grid["y"].size
    count = source.header.grid["t"].size if axes[0] == "t" else 1
    number = -1
    for number, theirs in enumerate(_frames(path, info, count, source.header.grid)):
        if number == count:
            raise MismatchError(f"Pillow finds more than {count} frames in the input")
        exact = count == 1 and source.header.dtype.itemsize == 1 and info.format not in _SCALED
        rows = max(1, _BAND_PIXELS // theirs.width)
        for top in range(0, min(rows_per_frame, theirs.height), rows):  # a later frame may enlarge the canvas
            stop = min(top + rows, rows_per_frame)
            start = number * rows_per_frame
            ours = _as_bytes(source.read(axes.index("y"), start + top, start + stop), info)
            band = _samples(theirs, top, stop)
            if info.format == "PNG" and count > 1 and band.shape == ours.shape and band.shape[2] in (2, 4):
                ours = np.where((band[..., -1:] % 255 == 0), ours, band)  # Pillow blends partial alpha differently
            try:
                _compare(ours, band, number, exact)
            except MismatchError:  # Pillow disposes of some frames wrongly
                if info.format != "PNG" or count == 1 or not _is_frame_of_libpng(path, info, source, number):
                    raise
    unread = range(number + 1, count) if number >= 0 else ()
    if not all(info.format == "PNG" and _is_frame_of_libpng(path, info, source, left) for left in unread):
        raise MismatchError(f"Pillow finds {number + 1} frames in the input where {count} were read")


def _is_frame_of_libpng(path: Path, info: PictureInfo, source: Source, number: int) -> bool:
    """Whether a frame of an animated PNG file was read as libpng with its patch for animations reads it."""
    import imagecodecs  # slow import, for files that Pillow reads differently

    frames = np.asarray(imagecodecs.apng_decode(path.read_bytes()))
    theirs = frames[number - source.header.grid["t"].size]  # the default image comes first, if it is no frame
    height = source.header.grid["y"].size
    ours = source.read(1, number * height, (number + 1) * height)
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        return False
    if info.mode in ALPHA:  # colours of invisible pixels do not matter
        ours, theirs = (np.where(image[..., -1:] > 0, image, 0) for image in (ours, theirs))
    return np.array_equal(ours, theirs)


def _check_density(image: Image.Image, grid: Grid) -> None:
    """Compare the densities that Pillow reads with the spacings, in any order because axes may be swapped."""
    is_stated = image.format in ("PNG", "BMP") or image.info.get("jfif_unit") in _UNITS_OF_JFIF
    spacing = [axis.spacing for axis in grid.axes if axis.name in "xy" and axis.unit == "mm"]
    dpi = image.info.get("dpi", (0, 0))
    if not is_stated or min(dpi) <= 0 or len(spacing) < 2 or None in spacing:
        return
    found = sorted(INCH / step for step in spacing if step)
    if not np.allclose(found, sorted(map(float, dpi)), rtol=_DENSITY_ERROR):
        raise MismatchError(f"Pillow reads densities of {dpi} dpi from the input, but {found} were read")


def _frames(path: Path, info: PictureInfo, count: int, grid: Grid) -> Iterator[Image.Image]:
    """Pillow's frames, upright; none if it cannot read the file or reads it in another mode."""
    try:
        with without_size_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.mode not in _MODES:
                    return
                if image.format == "PNG" and _repeats_colours(path):
                    return
                if image.format == "PNG" and image.tile and str(image.tile[0].args) in _FEW_BITS:
                    image.info.pop("transparency", None)
                if has_unread_orientation(image) or _has_damaged_exif(image, info):
                    return
                _check_density(image, grid)
                skipped = 1 if image.info.get("default_image") else 0
                for number, frame in enumerate(ImageSequence.Iterator(image)):
                    if skipped <= number and (count > 1 or number == 0):
                        yield _upright(frame, info)
    except MismatchError:
        raise
    except Exception:  # Pillow raises various exceptions for damaged files
        return


def _repeats_colours(path: Path) -> bool:
    """Whether a PNG file repeats its palette or its transparency: the first one counts, but Pillow uses the last."""
    with path.open("rb") as file:
        names = [name for name, _, _ in chunk_headers(file)]
    return max(names.count(b"PLTE"), names.count(b"tRNS")) > 1


def has_unread_orientation(image: Image.Image) -> bool:
    """Whether XMP states an orientation in a form that Pillow cannot read."""
    documents = [image.info.get(name, b"") for name in ("xmp", "XML:com.adobe.xmp")]
    stored = [text.encode() if isinstance(text, str) else bytes(text) for text in documents]
    return any(xmp.orientation(text) != 1 and not _READ_ORIENTATION.search(text) for text in stored)


def _has_damaged_exif(image: Image.Image, info: PictureInfo) -> bool:
    """Whether Pillow may read another orientation from damaged EXIF, or none."""
    data = image.info.get("exif", b"")
    if not data:
        return False
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        Image.Exif().load(data)
    return bool(found) or not info.metadata.exif


def _upright(frame: Image.Image, info: PictureInfo) -> Image.Image:
    turned = ImageOps.exif_transpose(frame)
    if turned.mode in ("I;16", "I"):
        return turned
    mode = {"1": "L", INDEXED: "RGBA", "I;16": "L"}.get(info.mode, info.mode)
    if info.mode in ALPHA and not turned.has_transparency_data:  # alpha that Pillow does not read, as in some BMP
        mode = info.mode.removesuffix("A")
    return turned if turned.mode == mode else turned.convert(mode)


def _samples(image: Image.Image, top: int, stop: int) -> Array:
    """Rows of an image, as samples of 8 bits or floats."""
    array = np.asarray(image.crop((0, top, image.width, min(stop, image.height))))
    if image.mode in ("I;16", "I"):
        return (array.astype(np.int64) >> 8).astype(np.int16)[..., None]
    return (array if array.ndim == 3 else array[..., None]).astype(np.float64 if image.mode == "F" else np.int16)


def _as_bytes(rows: Array, info: PictureInfo) -> Array:
    """Our samples in the form of `_upright`."""
    if info.mode == INDEXED:
        rows = rgba_table(info.palette)[rows]
    elif rows.dtype == bool:
        rows = rows * np.uint8(255)
    elif rows.dtype.itemsize == 2:
        rows = rows >> 8
    rows = rows if info.mode in (*CHANNELS, INDEXED) else rows[..., None]
    return rows.astype(np.float64 if rows.dtype.kind == "f" else np.int16)


def _compare(ours: Array, theirs: Array, number: int, exact: bool) -> None:
    if theirs.shape[2] == ours.shape[2] - 1 and theirs.shape[2] in (1, 3):
        theirs = np.concatenate([theirs, ours[: len(theirs), : theirs.shape[1], -1:]], -1)
    height, width = min(ours.shape[0], theirs.shape[0]), min(ours.shape[1], theirs.shape[1])
    if (height, width) != theirs.shape[:2] or ours.shape[2] != theirs.shape[2]:
        raise MismatchError(f"Pillow reads the input as {theirs.shape} where {ours.shape} was read")
    ours = ours[:height, :width]
    if ours.shape[2] in (2, 4):  # colours of invisible pixels do not matter
        visible = (ours[..., -1:] > 0) & (theirs[..., -1:] > 0)
        ours = np.concatenate([np.where(visible, ours[..., :-1], 0), ours[..., -1:]], -1)
        theirs = np.concatenate([np.where(visible, theirs[..., :-1], 0), theirs[..., -1:]], -1)
    difference = np.abs(ours - theirs).max(initial=0)
    if difference > (0 if exact else _ROUNDING):
        raise MismatchError(f"frame {number} of the input differs from Pillow's reading by up to {difference:g} levels")
