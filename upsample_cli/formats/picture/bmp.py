"""Reads BMP of 16, 32 and 64 bits per pixel with any masks, and writes BMP with alpha; Pillow does the others."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np

from ...core.linear_light import srgb_levels
from ...geometry import INCH
from ..base import Array
from .model import EncodeSpec, Picture, PictureMetadata, PixelKind

MAGIC = b"BM"
_RGB, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6  # compression methods
_JPEG_OR_PNG = (4, 5)  # the pixels are a file of these formats; OS/2 2.x has other methods of these numbers
_MASKS = {  # of red, green, blue and alpha where the file has none
    16: (0x7C00, 0x3E0, 0x1F, 0),
    32: (0xFF0000, 0xFF00, 0xFF, 0),
}
_FILE_HEADER, _CORE_HEADER, _INFO_HEADER, _V4_HEADER = 14, 12, 40, 108
_WINDOWS_HEADERS = (40, 52, 56, 108, 124)
_KNOWN_HEADERS = (*_WINDOWS_HEADERS, 64)  # lengths that Pillow supports
_SRGB = b"BGRs"  # colour space "sRGB", stored in little-endian order
_MAX_SIDE = 2**31 - 1


class _Layout(NamedTuple):
    """How the samples are stored.

    Attributes:
        offset: of the first row in the file.
        bits: per pixel.
        size: width and height.
        masks: the bits of red, green, blue and alpha.
        top_down: whether the first row is the uppermost one.
    """

    offset: int
    bits: int
    size: tuple[int, int]
    masks: tuple[int, ...]
    top_down: bool


def read(file: BinaryIO) -> Picture | None:
    """Read the headers of a BMP file; None if Pillow decodes it without loss.

    Raises:
        ValueError: the headers are damaged.
    """
    file.seek(0)
    head = file.read(_FILE_HEADER + _V4_HEADER)
    if len(head) < _FILE_HEADER + _INFO_HEADER:
        return None
    (offset,) = struct.unpack_from("<I", head, 10)
    length, width, height, _, bits, compression, _, x, y = struct.unpack_from("<IiiHHIIii", head, _FILE_HEADER)
    is_odd = length > _CORE_HEADER and length not in _KNOWN_HEADERS  # such as truncated OS/2 2.x headers
    if is_odd or (compression in _JPEG_OR_PNG and length in _WINDOWS_HEADERS):
        import imagecodecs  # slow import, rarely needed

        kind = PixelKind("BMP", "RGB", (width, abs(height)), False)
        return Picture(kind, PictureMetadata(lossless=True), lambda file: _whole(imagecodecs.bmp_decode, file))
    if length < _INFO_HEADER or bits not in (16, 32, 64) or compression not in (_RGB, _BITFIELDS, _ALPHA_BITFIELDS):
        return None
    if length == 64:  # OS/2 2.x, whose methods have other numbers
        return None
    if width < 1 or height == 0 or abs(height) > _MAX_SIDE:
        raise ValueError(f"its header is invalid: {width}×{height} pixels")
    masks = _masks(head, length, bits, compression)
    layout = _Layout(offset, bits, (width, abs(height)), masks, height < 0)
    deep = bits == 64 or max(mask.bit_count() for mask in masks) > 8
    transparent = bits == 64 or bool(masks[3])
    kind = PixelKind("BMP", "RGBA" if transparent else "RGB", layout.size, False, "uint16" if deep else "")
    spacing = (1000 / x, 1000 / y) if x > 0 and y > 0 else None
    metadata = PictureMetadata(spacing=spacing, unit="mm" if spacing else None, lossless=True)
    return Picture(kind, metadata, partial(_decode, layout))


def _masks(head: bytes, length: int, bits: int, compression: int) -> tuple[int, ...]:
    if compression == _RGB:
        return _MASKS.get(bits, (0, 0, 0, 0))
    has_alpha = length >= 56 or compression == _ALPHA_BITFIELDS
    masks: tuple[int, ...] = struct.unpack_from("<4I" if has_alpha else "<3I", head, _FILE_HEADER + _INFO_HEADER)
    return (*masks, 0)[:4]


def _whole(decode: Callable[..., Array], file: BinaryIO) -> Array:
    file.seek(0)
    rows = np.asarray(decode(file.read()))
    return rows if rows.ndim == 3 else rows[..., None].repeat(3, -1)


def _decode(layout: _Layout, file: BinaryIO) -> Array:
    width, height = layout.size
    row = (width * layout.bits // 8 + 3) // 4 * 4
    file.seek(layout.offset)
    data = file.read(row * height)
    if len(data) < row * height:
        raise ValueError("the file is truncated")
    words = np.frombuffer(data, np.uint8).reshape(height, row)[:, : width * layout.bits // 8]
    rows = words if layout.top_down else words[::-1]
    if layout.bits == 64:
        return _linear_to_srgb(np.ascontiguousarray(rows).view("<i2").reshape(height, width, 4)[..., [2, 1, 0, 3]])
    pixels = np.ascontiguousarray(rows).view(f"<u{layout.bits // 8}")
    masks = layout.masks if layout.masks[3] else layout.masks[:3]
    deep = max(mask.bit_count() for mask in masks) > 8
    return np.stack([_field(pixels, mask, deep) for mask in masks], -1)


def _field(pixels: Array, mask: int, deep: bool) -> Array:
    """The bits of `mask`, scaled to the full range of 8 or 16 bits."""
    dtype, full = (np.uint16, 65_535) if deep else (np.uint8, 255)
    if not mask:
        return np.zeros(pixels.shape, dtype)
    shift = (mask & -mask).bit_length() - 1
    highest = mask >> shift
    values = (pixels & np.array(mask, pixels.dtype)) >> shift
    if highest == full:
        return np.asarray(values.astype(dtype))
    if highest > 65_535:
        return np.asarray((values / highest * full + 0.5).astype(dtype))
    return np.asarray(((np.arange(highest + 1) * full + highest // 2) // highest).astype(dtype)[values])


def _linear_to_srgb(samples: Array) -> Array:
    """Samples of 64-bit BMP, linear light in units of 1/8192, with the transfer curve of sRGB."""
    light = (samples / 8192.0).clip(0, 1)
    levels = srgb_levels(light)
    levels[..., 3] = light[..., 3]
    return np.asarray(np.rint(levels * 65_535).astype(np.uint16))


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture of mode RGBA with a version 4 header; Pillow writes other modes."""
    if spec.mode != "RGBA":
        from . import pillow_formats

        pillow_formats.write(file, frames, spec, "BMP")
        return
    width, height = spec.size
    rows = np.ascontiguousarray(frames[0][::-1][..., [2, 1, 0, 3]])
    x, y = (min(round(value * 1000 / INCH), _MAX_SIDE) for value in spec.dpi or (0, 0))
    offset = _FILE_HEADER + _V4_HEADER
    info = struct.pack("<IiiHHIIiiII", _V4_HEADER, width, height, 1, 32, _BITFIELDS, rows.nbytes, x, y, 0, 0)
    info += struct.pack("<4I", *_MASKS[32][:3], 0xFF000000) + _SRGB
    file.write(MAGIC + struct.pack("<IHHI", offset + rows.nbytes, 0, 0, offset))
    file.write(info.ljust(_V4_HEADER, b"\0"))
    file.write(rows.data)
