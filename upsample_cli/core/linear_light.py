"""Linear light: interpolate amounts of light in place of the levels that a transfer curve encodes.

Averaging levels gives a darker result than averaging light, because levels are perceptual: see C. Poynton, "Digital
Video and HD", 2012. PyTorch interpolates levels, so linear light is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from .arrays import Array, FloatArray
from .dtypes import SampleCodec

Curve: TypeAlias = "Callable[[FloatArray], FloatArray]"  # maps levels 0 … 1 to light 0 … 1, never decreasing


def srgb(levels: FloatArray) -> FloatArray:
    """The transfer curve of sRGB, IEC 61966-2-1."""
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def srgb_levels(light: FloatArray) -> FloatArray:
    """The inverse of `srgb`: the levels 0 … 1 of amounts of light 0 … 1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def linear_light_codec(
    codec: SampleCodec, dtype: np.dtype[Any], curves: Sequence[Curve], has_channels: bool
) -> SampleCodec:
    """The same codec for levels whose light is to be interpolated.

    Light is stored as the level whose interval on the curve, from ``level − ½`` to ``level + ½``, contains it, so that
    a pixel that is not blended keeps its level.

    Args:
        codec: treats the levels as numbers.
        dtype: of the levels, uint8 or uint16.
        curves: of the first channels; later channels, such as alpha, are not light.
        has_channels: whether the last axis holds channels; otherwise there is one.

    Raises:
        TypeError: the dtype is another one.
    """
    if dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise TypeError(f"--linear-light supports uint8 and uint16 only, not {dtype}")
    highest = np.iinfo(dtype).max
    levels = np.arange(highest + 1, dtype=np.float64)
    light = [curve(levels / highest).astype(codec.compute_dtype) for curve in curves]
    bounds = [curve((levels[:-1] + 0.5) / highest).astype(codec.compute_dtype) for curve in curves]

    def load(x: Array) -> Array:
        y = codec.load(x)
        source, pixels = (x, y) if has_channels else (x[..., None], y[..., None])
        for channel, table in enumerate(light):
            pixels[..., channel] = table[source[..., channel]]
        return y

    def store(x: Array, out: Array) -> None:
        pixels = x if has_channels else x[..., None]
        for channel, table in enumerate(bounds):
            pixels[..., channel] = np.searchsorted(table, pixels[..., channel], side="right")
        codec.store(x, out)

    pixel_axes = int(has_channels)
    return replace(codec, load=load, store=store, pixel_axes=pixel_axes, writes_in_place=False, converts_only=False)
