"""Reads pictures back with imagecodecs' decoders or with Pillow; formats that these lack, with our own source."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from ...formats.base import Array, Header
from ...formats.picture.model import PictureInfo
from ...formats.picture.opening import without_size_limit
from ...formats.picture.pixels import from_image
from ...geometry import INCH
from ...runtime.library_messages import silence
from . import own_source
from .model import LOSSY_ERROR, Expected, MismatchError, ReadBack

_QUANTISED_ERROR = 0.3  # like `LOSSY_ERROR`, for colours that were reduced to a palette or to grey
_LOSSY_FORMATS = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")
_DECODERS = {"JPEG": "jpeg_decode", "WEBP": "webp_decode"}
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND")
_ORIENTATION = 274  # tag of EXIF
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296  # tags of EXIF
_PER_INCH = 2  # value of ResolutionUnit
_JFIF_PER_CENTIMETRE = 2  # value of JFIF's density unit
_DPI_ERROR = 0.6  # of formats that store whole numbers of dots per inch or metre; 2.54 times for dots per centimetre
_BILEVEL_THRESHOLD = 127
_HEADER_BYTES = 4096  # within which a lossless WebP file has its VP8L chunk


def read_arrays(path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]:
    """The array of the file.

    Raises:
        MismatchError: the file asks to be turned, or has another palette than planned.
    """
    planned = expected.headers[0]
    try:
        found = _read(path, planned)
    except UnidentifiedImageError:
        found = None
    if found is None:  # Pillow does not know the format, or reduces its samples
        return own_source.read_arrays(path, expected, stack)
    samples, names, spacing, precision, lossy = found
    channels = planned.grid["s"].size if "s" in planned.grid.names else 0
    if planned.dtype == bool and samples.dtype != bool:
        samples = samples > _BILEVEL_THRESHOLD
    shows_other_numbers = channels == 0 and samples.ndim > len(names)  # colours instead of indices, or of grey
    if shows_other_numbers:
        samples = samples[..., 0]
    names += "s" * (samples.ndim - len(names))
    return [
        ReadBack(
            names,
            samples.shape,
            samples.dtype,
            None if shows_other_numbers else lambda index: samples[index],
            spacing=spacing,
            precision=precision,
            lossy=lossy,
        )
    ]


def _read(path: Path, planned: Header) -> tuple[Array, str, dict[str, float], float, float] | None:
    """Samples, names of their axes, spacing, and tolerated errors of both; None if Pillow reads fewer bits."""
    channels = planned.grid["s"].size if "s" in planned.grid.names else 0
    with without_size_limit(), Image.open(path) as image:
        dpi, lossy = _dots_per_inch(image), _lossy_error(path, image, channels)
        dpi_error = _DPI_ERROR * (2.54 if image.info.get("jfif_unit") == _JFIF_PER_CENTIMETRE else 1.0)
        frames = getattr(image, "n_frames", 1)
        _check_orientation(image)
        _check_palette(image, planned)
        samples = _decode(path, image, _wanted_mode(image.mode, channels, planned), planned.dtype.itemsize)
    if not lossy and samples.dtype.itemsize < planned.dtype.itemsize and image.format != "PNG":
        return None
    spacing = {name: INCH / value for name, value in zip("xy", dpi, strict=False) if value > 0}
    precision = dpi_error * max(spacing.values(), default=0.0) / INCH
    return samples, "tyx" if frames > 1 else "yx", spacing, precision, lossy


def _check_orientation(image: Image.Image) -> None:
    """Check that the output is upright, so that readers do not turn it."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises various exceptions for damaged EXIF
        return
    if orientation != 1:
        raise MismatchError(f"its EXIF orientation is {orientation}")


def _check_palette(image: Image.Image, planned: Header) -> None:
    """Check the palette against the planned one, if indices are kept."""
    info = planned.metadata
    if image.mode != "P" or not isinstance(info, PictureInfo) or info.palette is None:
        return
    image.load()
    found, wanted = bytes(image.getpalette("RGB") or ()), info.palette.colours
    if found[: len(wanted)] != wanted[: len(found)]:
        raise MismatchError("its palette has other colours than the input's")


def _dots_per_inch(image: Image.Image) -> list[float]:
    """The resolution along x and y; empty if the file has none."""
    try:
        exif: Any = image.getexif()
    except Exception:  # Pillow raises various exceptions for damaged EXIF
        exif = {}
    across, down = image.info.get("jfif_density", (1, 1))
    is_ratio = image.info.get("jfif_unit") == 0 and (across != down or _X_RESOLUTION not in exif)
    if image.format == "PCX" or is_ratio:  # Pillow makes up 100 or 72
        return []
    if image.format == "JPEG" and exif.get(_RESOLUTION_UNIT) == _PER_INCH:  # more precise, and for both axes
        return [float(exif[tag]) for tag in (_X_RESOLUTION, _Y_RESOLUTION) if tag in exif]
    return [float(value) for value in image.info.get("dpi", ())]


def _lossy_error(path: Path, image: Image.Image, channels: int) -> float:
    """See `ReadBack.lossy`."""
    if channels > 1 and image.mode in ("P", "1", "L"):
        return _QUANTISED_ERROR
    if image.format == "WEBP" and b"VP8L" in path.read_bytes()[:_HEADER_BYTES]:
        return 0.0
    return LOSSY_ERROR if image.format in _LOSSY_FORMATS else 0.0


def _wanted_mode(mode: str, channels: int, planned: Header) -> str | None:
    """The Pillow mode with the planned samples per pixel; None to keep the file's own."""
    if planned.dtype == bool or (channels == 1 and mode in ("RGB", "RGBA")):
        return "L"
    return {2: "LA", 3: "RGB", 4: "CMYK" if mode == "CMYK" else "RGBA"}.get(channels)


def _decode(path: Path, image: Image.Image, mode: str | None, planned_bytes: int) -> Array:
    """All samples, with a leading axis if there are several frames."""
    count = getattr(image, "n_frames", 1)
    direct = image.mode not in ("P", "1", "CMYK")
    if image.format == "PNG" and direct and (count == 1 or planned_bytes == 2):
        import imagecodecs  # slow import, not needed for all formats

        silence("imagecodecs")
        decode: Any = imagecodecs.png_decode if count == 1 else imagecodecs.apng_decode
        return np.asarray(decode(_pixel_chunks(path)))
    if image.format in _DECODERS and count == 1 and direct:
        import imagecodecs

        decode = getattr(imagecodecs, _DECODERS[image.format])
        decoded: Array = np.asarray(decode(path.read_bytes()))
        if image.mode == "RGBA" and decoded.shape[2:] == (3,):  # WebP stores no alpha if all pixels are opaque
            decoded = np.dstack([decoded, np.full(decoded.shape[:2], 255, np.uint8)])
        grey = {"L": slice(1), "LA": slice(None, None, 3)}  # WebP has no grey
        return decoded[..., grey[mode]] if mode in grey and decoded.ndim > 2 else decoded
    samples: Array | None = None
    for number, frame in enumerate(ImageSequence.Iterator(image)):
        pixels = from_image(frame.convert(mode) if mode and frame.mode != mode else frame)
        if count == 1:
            return pixels
        if samples is None:
            samples = np.empty((count, *pixels.shape), pixels.dtype)
        samples[number] = pixels
    assert samples is not None, "a picture has a frame"
    return samples


def _pixel_chunks(path: Path) -> bytearray:
    """A PNG file without its metadata, about which libpng might print warnings."""
    kept = bytearray()
    with path.open("rb") as file:
        kept += file.read(8)
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4], "big") + 4
            if head[4:] in _PIXEL_CHUNKS:
                kept += head
                kept += file.read(length)
            else:
                file.seek(length, os.SEEK_CUR)
    return kept
