"""Conversion between the stored colours of pages and pixels that can be interpolated."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG

from ..base import Array
from .compression import JPEG


def is_planar(series: tifffile.TiffPageSeries) -> bool:
    """Whether pages are planar: one plane per sample of a pixel."""
    return series.axes.endswith("SYX") and series.keyframe.samplesperpixel > 1


def interleaved_shape(series: tifffile.TiffPageSeries) -> tuple[tuple[int, ...], str]:
    """The shape and axes of a series once its samples are interleaved."""
    shape, axes = series.shape, series.axes
    if not is_planar(series):
        return shape, axes
    return (*shape[:-3], *shape[-2:], shape[-3]), f"{axes[:-3]}YXS"


def planar_to_interleaved(page: Array) -> Array:
    """View a planar page, shape (samples, height, width), as (height, width, samples)."""
    return np.moveaxis(page, 0, -1)


def interleaved_to_planar(page: Array) -> Array:
    """Copy an interleaved page, shape (height, width, samples), to (samples, height, width)."""
    return np.ascontiguousarray(np.moveaxis(page, -1, 0))


def has_signed_ab(photometric: int | None, dtype: np.dtype[Any]) -> bool:
    """Whether a* and b* are signed although the tags declare unsigned samples."""
    return photometric == PHOTOMETRIC.CIELAB and dtype.kind == "u"


def flip_ab_sign(pixels: Array) -> Array:
    """Copy pixels with the sign bits of a* and b* flipped (two's complement ↔ offset binary; self-inverse)."""
    result = pixels.copy()
    result[..., 1:3] ^= pixels.dtype.type(1 << (8 * pixels.dtype.itemsize - 1))
    return result


def colour_space(page: tifffile.TiffPage, photometric: int) -> str | None:
    """The colour space, for sinks of other families; None for plain grey."""
    if EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
        return "premultiplied alpha"
    names = {PHOTOMETRIC.MINISBLACK: None, PHOTOMETRIC.RGB: "RGB", PHOTOMETRIC.SEPARATED: "CMYK"}
    return names.get(PHOTOMETRIC(photometric), PHOTOMETRIC(photometric).name)


def is_interleaved_jpeg(page: tifffile.TiffPage) -> bool:
    """Whether samples are interleaved JPEG, whose decoder converts YCbCr to RGB."""
    return page.compression in (COMPRESSION.OJPEG, *JPEG) and page.planarconfig == PLANARCONFIG.CONTIG


def has_undecodable_subsampling(page: tifffile.TiffPage) -> bool:
    """Whether chroma is subsampled in a compression whose decoder does not upsample it."""
    return page.photometric == PHOTOMETRIC.YCBCR and not is_interleaved_jpeg(page) and bool(page.is_subsampled)


def palette_from_colormap(colormap: Array) -> Array:
    """The colours as an array of shape (entries, 3), reduced to 8 bits if that is lossless."""
    entries = np.moveaxis(colormap, 0, -1)
    exact = not np.any(entries % 257) or not np.any(entries & 255)
    return (entries >> 8).astype(np.uint8) if exact else entries


def full_colormap(colormap: Array, dtype: np.dtype[Any]) -> Array:
    """The colormap, padded with black to all values of an index of type `dtype`, since indices are written unpacked."""
    missing = (1 << (8 * dtype.itemsize)) - colormap.shape[1]
    return np.pad(colormap, [(0, 0), (0, missing)])
