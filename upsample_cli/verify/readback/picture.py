"""Reads pictures back with imagecodecs' decoders, or with Pillow."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from ...formats.base import Array, Header
from ...formats.picture.opening import without_size_limit
from ...geometry import INCH
from .model import LOSSY_ERROR, Expected, ReadBack

_QUANTISED_ERROR = 0.3  # like `LOSSY_ERROR`, for colours that were reduced to a palette or to grey
_LOSSY_FORMATS = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")
_DECODERS = {"PNG": "png_decode", "JPEG": "jpeg_decode", "WEBP": "webp_decode"}
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296  # tags of EXIF
_PER_INCH = 2  # value of ResolutionUnit
_DPI_ERROR = 0.6  # of formats that store whole numbers of dots per inch or metre
_BILEVEL_THRESHOLD = 127
_HEADER_BYTES = 4096  # within which a lossless WebP file has its VP8L chunk


def read_arrays(path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]:
    """The array of the file."""
    planned = expected.headers[0]
    channels = planned.grid["s"].size if "s" in planned.grid.names else 0
    with without_size_limit(), Image.open(path) as image:
        dpi, lossy = _dots_per_inch(image), _lossy_error(path, image, channels)
        frames = getattr(image, "n_frames", 1)
        samples = _decode(path, image, _wanted_mode(image.mode, channels, planned))
    if planned.dtype == bool and samples.dtype != bool:
        samples = samples > _BILEVEL_THRESHOLD
    names = "tyx" if frames > 1 else "yx"
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
            spacing={name: INCH / value for name, value in zip("xy", dpi, strict=False) if value > 0},
            precision=_DPI_ERROR / min(dpi) if dpi and min(dpi) > 0 else 0.0,
            lossy=lossy,
        )
    ]


def _dots_per_inch(image: Image.Image) -> list[float]:
    """The resolution along x and y; empty if the file has none."""
    exif = image.getexif()
    if image.format == "JPEG" and exif.get(_RESOLUTION_UNIT) == _PER_INCH:  # more precise, and for both axes
        return [float(exif[tag]) for tag in (_X_RESOLUTION, _Y_RESOLUTION) if tag in exif]
    if image.format == "PCX":  # Pillow reports 100 for every file
        return []
    return [float(value) for value in image.info.get("dpi", ())]


def _lossy_error(path: Path, image: Image.Image, channels: int) -> float:
    """See `ReadBack.lossy`."""
    if channels and image.mode in ("P", "1", "L"):
        return _QUANTISED_ERROR
    if image.format == "WEBP" and b"VP8L" in path.read_bytes()[:_HEADER_BYTES]:
        return 0.0
    return LOSSY_ERROR if image.format in _LOSSY_FORMATS else 0.0


def _wanted_mode(mode: str, channels: int, planned: Header) -> str | None:
    """The Pillow mode with the planned samples per pixel; None to keep the file's own."""
    if planned.dtype == bool:
        return "L"
    return {2: "LA", 3: "RGB", 4: "CMYK" if mode == "CMYK" else "RGBA"}.get(channels)


def _decode(path: Path, image: Image.Image, mode: str | None) -> Array:
    """All samples, with a leading axis if there are several frames."""
    count = getattr(image, "n_frames", 1)
    if image.format in _DECODERS and count == 1 and image.mode not in ("P", "1", "CMYK"):
        import imagecodecs  # slow import, not needed for all formats

        decode: Any = getattr(imagecodecs, _DECODERS[image.format])
        return np.asarray(decode(path.read_bytes()))
    frames = [frame.convert(mode) if mode else frame for frame in ImageSequence.Iterator(image)]
    samples = np.stack([np.asarray(frame) for frame in frames])
    return samples if count > 1 else samples[0]
