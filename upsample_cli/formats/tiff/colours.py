"""How the samples of pages become an array of pixels that can be interpolated, and pages again."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from ..base import Array


def is_planar(series: tifffile.TiffPageSeries) -> bool:
    """Whether pages hold a plane for each of the samples of a pixel."""
    return series.axes.endswith("SYX") and series.keyframe.samplesperpixel > 1


def presented(series: tifffile.TiffPageSeries) -> tuple[tuple[int, ...], str]:
    """The shape and the axes of a series, once the samples of a pixel lie together."""
    shape, axes = series.shape, series.axes
    if not is_planar(series):
        return shape, axes
    return (*shape[:-3], *shape[-2:], shape[-3]), f"{axes[:-3]}YXS"


def together(page: Array) -> Array:
    """A page whose planes of colours become pixels, as a view."""
    return np.moveaxis(page, 0, -1)


def apart(page: Array) -> Array:
    """A page of pixels in planes of colours."""
    return np.ascontiguousarray(np.moveaxis(page, -1, 0))


def has_signed_colours(photometric: int | None, dtype: np.dtype[Any]) -> bool:
    """Whether a* and b* are signed numbers in a page whose samples are said to be unsigned."""
    return photometric == PHOTOMETRIC.CIELAB and dtype.kind == "u"


def offset(pixels: Array) -> Array:
    """A copy in which a* and b* count from the other end of their sign: in order of size if they were not, and back."""
    result = pixels.copy()
    result[..., 1:3] ^= pixels.dtype.type(1 << (8 * pixels.dtype.itemsize - 1))
    return result


def space(page: tifffile.TiffPage, photometric: int) -> str | None:
    """What other families need to know of the samples of a pixel; None for plain grey."""
    if EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
        return "premultiplied alpha"
    names = {PHOTOMETRIC.MINISBLACK: None, PHOTOMETRIC.RGB: "RGB", PHOTOMETRIC.SEPARATED: "CMYK"}
    return names.get(PHOTOMETRIC(photometric), PHOTOMETRIC(photometric).name)


def is_jpeg(page: tifffile.TiffPage) -> bool:
    """Whether the codec is JPEG of whole pixels, which gives RGB where YCbCr is stored."""
    return page.compression in (COMPRESSION.OJPEG, COMPRESSION.JPEG, 33007, 34892) and page.planarconfig == 1


def is_undecodable(page: tifffile.TiffPage) -> bool:
    """Whether there are fewer samples of colour than pixels, and no codec puts them in their places."""
    return page.photometric == PHOTOMETRIC.YCBCR and not is_jpeg(page) and bool(page.is_subsampled)


def palette(colormap: Array) -> Array:
    """The colours as an array of shape (entries, 3), in 8 bits where that loses nothing."""
    entries = np.moveaxis(colormap, 0, -1)
    exact = not np.any(entries % 257) or not np.any(entries & 255)
    return (entries >> 8).astype(np.uint8) if exact else entries


def whole_colormap(colormap: Array, dtype: np.dtype[Any]) -> Array:
    """A colour for every value that the indices can have, as they are written with all of their bits."""
    missing = (1 << (8 * dtype.itemsize)) - colormap.shape[1]
    return np.pad(colormap, [(0, 0), (0, missing)])
