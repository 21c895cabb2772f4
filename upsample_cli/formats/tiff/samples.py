"""Conversion of stored samples to samples that can be interpolated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, SAMPLEFORMAT

from ..base import Array
from . import colours, libtiff
from .compression import JPEG

Convert: TypeAlias = Callable[[Array], Array]

_RESCALED_GREY_BITS = range(2, 8)  # grey of more bits is left alone: it holds measurements


class Conversion(NamedTuple):
    """How the stored samples of a page become those of the array.

    Attributes:
        dtype: of the array.
        channels: samples of a pixel of the array; None if they are those of the page.
        apply: converts stored samples; None if they are left alone.
        bits: of a stored sample, where samples are scaled to the full range of `dtype`; otherwise None.
        colormap: of samples that stay palette indices.
        by_libtiff: whether the page is decoded by libtiff, as RGB.
    """

    dtype: np.dtype[Any]
    channels: int | None = None
    apply: Convert | None = None
    bits: int | None = None
    colormap: Array | None = None
    by_libtiff: bool = False


def conversion_of(page: tifffile.TiffPage, dtype: np.dtype[Any], keep_indices: bool) -> Conversion:
    """The conversion for the samples of a page, which have the type `dtype` when they are unpacked."""
    if libtiff.is_needed(page):
        return Conversion(np.dtype(np.uint8), 3, by_libtiff=True)
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        index_dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype
        colormap = colours.full_colormap(page.colormap, index_dtype)
        return _palette_conversion(page, index_dtype, colormap, keep_indices)
    if dtype.kind == "b" and page.samplesperpixel > 1:
        return Conversion(np.dtype(np.uint8), apply=lambda rows: rows.astype(np.uint8) * 255, bits=1)
    bits = _bits_to_scale(page, dtype)
    swap = is_swapped(page)
    if bits is None:
        return Conversion(dtype, apply=np.ndarray.byteswap if swap else None)
    return Conversion(dtype, apply=lambda rows: to_full_range(rows.byteswap() if swap else rows, bits), bits=bits)


def is_swapped(page: tifffile.TiffPage) -> bool:
    """Whether imagecodecs unpacks the samples in the wrong byte order, as it does for big-endian 24-bit samples."""
    return bool(page.bitspersample == 24 and page.parent.byteorder == ">" and page.sampleformat == SAMPLEFORMAT.UINT)


def to_full_range(samples: Array, bits: int) -> Array:
    """Scale unsigned samples of so many bits to the range of their type, rounded to the nearest integer."""
    highest, full = (1 << bits) - 1, int(np.iinfo(samples.dtype).max)
    return ((samples.astype(_wide(samples)) * full + highest // 2) // highest).astype(samples.dtype)


def from_full_range(samples: Array, bits: int) -> Array:
    """Invert `to_full_range`."""
    highest, full = (1 << bits) - 1, int(np.iinfo(samples.dtype).max)
    return ((samples.astype(_wide(samples)) * highest + full // 2) // full).astype(samples.dtype)


def _wide(samples: Array) -> type[np.uint32 | np.uint64]:
    """A dtype that can hold the product of two samples."""
    return np.uint32 if samples.dtype.itemsize <= 2 else np.uint64


def significant_bits(page: tifffile.TiffPage, dtype: np.dtype[Any]) -> int | None:
    """The bits of a sample, if they are fewer than those of its type."""
    bits = page.bitspersample
    is_packed = isinstance(bits, int) and 1 < bits < 8 * dtype.itemsize and dtype.kind == "u"
    return bits if is_packed and page.photometric != PHOTOMETRIC.PALETTE else None


def _bits_to_scale(page: tifffile.TiffPage, dtype: np.dtype[Any]) -> int | None:
    bits = significant_bits(page, dtype)
    if bits is None or page.compression in (COMPRESSION.OJPEG, *JPEG):
        return None  # JPEG keeps its depth
    is_grey = page.photometric in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK)
    return None if is_grey and bits not in _RESCALED_GREY_BITS else bits


def _palette_conversion(
    page: tifffile.TiffPage, dtype: np.dtype[Any], colormap: Array, keep_indices: bool
) -> Conversion:
    has_alpha = tuple(page.extrasamples) in ((EXTRASAMPLE.UNASSALPHA,), (EXTRASAMPLE.ASSOCALPHA,))
    if page.samplesperpixel == 1:
        if keep_indices:
            return Conversion(dtype, apply=lambda rows: rows.astype(dtype, copy=False), colormap=colormap)
        palette = colours.palette_from_colormap(colormap)
        return Conversion(palette.dtype, 3, lambda rows: palette[rows.astype(dtype, copy=False)])
    palette = colours.palette_from_colormap(colormap)

    def with_alpha(rows: Array) -> Array:
        alpha = to_full_range(rows[..., 1:2].astype(palette.dtype), page.bitspersample)
        return np.concatenate([without_alpha(rows), alpha], axis=-1)

    def without_alpha(rows: Array) -> Array:
        indices: Array = rows[..., 0].astype(dtype, copy=False)
        return palette[indices]

    return Conversion(palette.dtype, 4, with_alpha) if has_alpha else Conversion(palette.dtype, 3, without_alpha)
