"""Linear light: samples as amounts of light while they are weighed, and as levels of a transfer curve in files.

An average of levels is darker than the average of their light, since levels follow the eye: see C. Poynton, "Digital
Video and HD", 2012. PyTorch knows levels alone, so this is only done on request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from .arrays import Array, FloatArray
from .samples import Samples

Curve: TypeAlias = "Callable[[FloatArray], FloatArray]"  # levels in 0 … 1 to light in 0 … 1, never decreasing


def srgb(levels: FloatArray) -> FloatArray:
    """The transfer curve of sRGB, IEC 61966-2-1."""
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def in_linear_light(plain: Samples, dtype: np.dtype[Any], curves: Sequence[Curve], channels: bool) -> Samples:
    """The `plain` rules, for levels whose light is interpolated.

    Light is stored as the level in whose interval from ``level − ½`` to ``level + ½`` on the curve it falls, so that
    what is not blended comes back as it was.

    Args:
        plain: the rules of the levels as numbers.
        dtype: of the levels, uint8 or uint16.
        curves: of the first channels; those behind them, such as alpha, are no light.
        channels: whether the last axis are channels; otherwise there is one.

    Raises:
        TypeError: the dtype is another.
    """
    if dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise TypeError(f"light is known of 8 or 16 bits, not of samples of dtype {dtype}")
    highest = np.iinfo(dtype).max
    levels = np.arange(highest + 1, dtype=np.float64)
    light = [curve(levels / highest).astype(plain.working) for curve in curves]
    bounds = [curve((levels[:-1] + 0.5) / highest).astype(plain.working) for curve in curves]

    def load(x: Array) -> Array:
        y = plain.load(x)
        source, pixels = (x, y) if channels else (x[..., None], y[..., None])
        for channel, table in enumerate(light):
            pixels[..., channel] = table[source[..., channel]]
        return y

    def store(x: Array, out: Array) -> None:
        pixels = x if channels else x[..., None]
        for channel, table in enumerate(bounds):
            pixels[..., channel] = np.searchsorted(table, pixels[..., channel], side="right")
        plain.store(x, out)

    return replace(plain, load=load, store=store, pixel_axes=int(channels), direct=False, plain=False)
