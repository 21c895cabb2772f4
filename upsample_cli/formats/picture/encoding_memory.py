"""Predicts how much memory it takes to encode a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...geometry import Axis
from .model import ALPHA, INDEXED, EncodeSpec

# Peak memory of encoders, without the array itself, per pixel, sample or byte; measured on photographs.
_BYTES_PER_PIXEL = {"WEBP": 15.0, "AVIF": 27.0, "GIF": 3.0, "JPEG XL": 44.0, "HEIF": 30.0}
_BYTES_PER_SAMPLE = {"JPEG2000": 8.2}
_BYTES_PER_BYTE = {"PPM": 1.0, "PAM": 1.0, "SGI": 2.0, "HDR": 1.5, "EXR": 4.0}
_ALPHA_BYTES_PER_PIXEL = {"WEBP": 14.0, "JPEG XL": 16.0}  # in addition
# In addition, for noise: its codes are longer, and its colours are many.
_NOISE_BYTES_PER_PIXEL = {"WEBP": 22.0, "GIF": 24.0, "JPEG2000": 6.2}
_LOSSLESS_WEBP_BYTES_PER_PIXEL = 43.0
_QUANTISER_BYTES_PER_PIXEL = 17.0
_REORDERED_BYTES_PER_BYTE = 2.0  # for BMP with alpha
_PACKING_BYTES_PER_PIXEL = 5.0  # of indices and bits in PNG
_PILLOW_BYTES_PER_PIXEL = {"RGB": 4.0, "LA": 4.0}  # of Pillow's image; in other modes it shares the array's memory
_JPEG_BYTES_PER_BYTE = 0.25  # of the encoded file
_PROGRESSIVE_BYTES_PER_PIXEL = 3.0  # of DCT coefficients
_LIBRARY_BYTES = {"PNG": 8 << 20, "AVIF": 14 << 20, "JPEG XL": 8 << 20, "GIF": 8 << 20}


def encoding_memory(
    spec: EncodeSpec, axes: Mapping[str, Axis], format_name: str, dtype: np.dtype, noise: bool
) -> float:
    """Peak memory of the array and the encoder, in units of the size of the array; of pure noise if `noise`."""
    frames = axes["t"].size if "t" in axes and format_name != "AVIF" else 1  # the AVIF encoder holds all frames
    samples = axes["s"].size if "s" in axes else 1
    colours = len(spec.mode) if spec.expands_palette else 0  # bytes of a pixel that replace its index
    pixels = math.prod(spec.size)
    if format_name == "GIF" and "s" in axes:
        per_pixel = _QUANTISER_BYTES_PER_PIXEL
    elif format_name == "WEBP" and _is_lossless_webp(spec):
        per_pixel, noise = _LOSSLESS_WEBP_BYTES_PER_PIXEL, False
    else:
        per_pixel = _bytes_per_pixel(spec, format_name, colours or samples, dtype.itemsize)
    if noise:
        per_pixel += _NOISE_BYTES_PER_PIXEL.get(format_name, 0.0)
    encoder = (per_pixel + colours * frames) * pixels + _LIBRARY_BYTES.get(format_name, 0)
    return 1 + encoder / (samples * dtype.itemsize * pixels * frames)


def _bytes_per_pixel(spec: EncodeSpec, format_name: str, samples: int, itemsize: int) -> float:
    """Peak memory of the encoder in bytes per pixel of a frame."""
    pixel = samples * itemsize
    if format_name == "PNG":
        if spec.mode == INDEXED or spec.bits < 8:
            return _PACKING_BYTES_PER_PIXEL
        return 0.0 if spec.metadata.animation is None else pixel  # a still picture is encoded in bands
    if format_name in _BYTES_PER_PIXEL:
        alpha = _ALPHA_BYTES_PER_PIXEL.get(format_name, 0.0) if spec.mode in ALPHA else 0.0
        return _BYTES_PER_PIXEL[format_name] + alpha
    if format_name in _BYTES_PER_SAMPLE:
        return _BYTES_PER_SAMPLE[format_name] * samples
    if format_name in _BYTES_PER_BYTE:
        return _BYTES_PER_BYTE[format_name] * pixel
    if format_name == "BMP" and spec.mode == "RGBA":
        return _REORDERED_BYTES_PER_BYTE * pixel
    compressed = _JPEG_BYTES_PER_BYTE * pixel
    image = _PILLOW_BYTES_PER_PIXEL.get(spec.mode, 0.0)
    return compressed + (_jpeg_bytes_per_pixel(spec, image) if format_name == "JPEG" else image)


def _is_lossless_webp(spec: EncodeSpec) -> bool:
    from . import webp

    return webp.is_lossless(spec)


def _jpeg_bytes_per_pixel(spec: EncodeSpec, image: float) -> float:
    from . import jpeg

    if jpeg.encodes_directly(spec):
        return 0.0
    return image + (_PROGRESSIVE_BYTES_PER_PIXEL if jpeg.is_progressive(spec) else 0.0)
