"""Converts arrays to Pillow images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..base import Array
from .model import EncodeSpec, Palette

if TYPE_CHECKING:
    from PIL import Image

_COPIED_MODES = ("RGB", "LA")  # whose pixels take 4 bytes in Pillow; it shares the memory of other arrays
_BAND_PIXELS = 1 << 17  # converted at a time


def to_image(frame: Array, spec: EncodeSpec) -> Image.Image:
    """Convert a frame of shape (height, width) or (height, width, samples) to a Pillow image."""
    from PIL import Image  # slow import; rarely needed for PNG

    if spec.mode == "1":
        return Image.fromarray(frame.astype(bool, copy=False))
    native = np.ascontiguousarray(frame, frame.dtype.newbyteorder("="))
    raw_mode = "I;16N" if spec.mode == "I;16" else spec.mode
    if spec.mode in _COPIED_MODES:
        image = Image.new(spec.mode, spec.size, None)  # without the zeros that `Image.frombuffer` writes first
        image.frombytes(native, "raw", raw_mode, 0, 1)
    else:
        image = Image.frombuffer(spec.mode, spec.size, native, "raw", raw_mode, 0, 1)
    if spec.palette is not None:
        image.putpalette(spec.palette.colours, "RGB")
    return image


def from_image(image: Image.Image) -> Array:
    """The pixels of a Pillow image as an array.

    They are copied band by band, because `numpy.asarray` makes two temporary copies of all pixels.
    """
    rows = max(1, _BAND_PIXELS // image.width)
    if rows >= image.height:
        return np.asarray(image)
    array: Array | None = None
    for top in range(0, image.height, rows):
        band = np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))
        if array is None:
            array = np.empty((image.height, *band.shape[1:]), band.dtype)
        array[top : top + len(band)] = band
    assert array is not None, "an image has rows"
    return array


def expanded(indices: Array, spec: EncodeSpec) -> Array:
    """The colours of palette indices: an array with an additional last axis for the samples of a pixel."""
    assert spec.palette is not None, "indices come with a palette"
    table = np.ascontiguousarray(rgba_table(spec.palette)[:, : len(spec.mode)])
    colours = np.empty((*indices.shape, table.shape[1]), table.dtype)
    flat, pixels = indices.reshape(-1), colours.reshape(-1, table.shape[1])
    for start in range(0, flat.size, _BAND_PIXELS):  # NumPy converts indices to 8 bytes each
        pixels[start : start + _BAND_PIXELS] = table[flat[start : start + _BAND_PIXELS]]
    return colours


def rgba_table(palette: Palette | None) -> Array:
    """RGBA of all 256 palette indices, of shape (256, 4)."""
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    if palette is not None:
        entries = np.frombuffer(palette.colours, np.uint8)[: len(palette.colours) // 3 * 3].reshape(-1, 3)[:256]
        alpha = np.frombuffer(palette.alpha, np.uint8)[:256]
        table[: len(entries), :3] = entries
        table[: len(alpha), 3] = alpha
    return table


def unpremultiplied(samples: Array) -> Array:
    """Divide the colours by alpha, which is the last sample of each pixel."""
    whole = np.issubdtype(samples.dtype, np.integer)
    highest = float(np.iinfo(samples.dtype).max) if whole else 1.0
    alpha = samples[..., -1:].astype(np.float64)
    colours = samples[..., :-1] * (highest / np.where(alpha > 0, alpha, highest))
    colours = np.rint(colours.clip(0, highest)) if whole else colours
    return np.concatenate([colours.astype(samples.dtype), samples[..., -1:]], -1)
