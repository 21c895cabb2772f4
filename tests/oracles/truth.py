"""Linear interpolation spelt out in float64 along one axis at a time: slow, wasteful of memory, easy to believe."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def positions(
    in_size: int, out_size: int, scale_factor: float | None = None, align_corners: bool = False
) -> np.ndarray:
    """Where the output samples sit on the input, clamped to it."""
    dst = np.arange(out_size, dtype=np.float64)
    if align_corners:
        src = dst * ((in_size - 1) / (out_size - 1) if out_size > 1 else 0.0)
    else:
        src = (dst + 0.5) * (in_size / out_size if scale_factor is None else 1 / scale_factor) - 0.5
    return np.clip(src, 0, in_size - 1)


def linear(
    x: np.ndarray,
    sizes: Mapping[int, int],
    factors: Mapping[int, float] | None = None,
    align_corners: bool = False,
) -> np.ndarray:
    """`x` in float64 with the axes in `sizes` resized, each at its ratio of sizes or at the factor in `factors`."""
    y = np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)
    for axis, size in sizes.items():
        n = y.shape[axis]
        src = positions(n, size, (factors or {}).get(axis), align_corners)
        low = np.floor(src).astype(int)
        high = np.minimum(low + 1, n - 1)
        fraction = (src - low).reshape(-1, *(1,) * (y.ndim - axis - 1))
        y = np.take(y, low, axis) * (1 - fraction) + np.take(y, high, axis) * fraction
    return y
