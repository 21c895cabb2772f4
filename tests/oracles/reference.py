"""Resampling spelt out in float64 along one axis at a time: slow, wasteful of memory, easy to believe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

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


def keys(x: float, a: float) -> float:
    """The cubic convolution kernel as Keys writes it, equation (4) of his paper with his -1/2 left open."""
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def windowed_sinc(x: float) -> float:
    """Lanczos's kernel of three lobes."""
    if x == 0:
        return 1.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2 if abs(x) < 3 else 0.0


def tent(x: float) -> float:
    """The kernel of linear interpolation."""
    return max(0.0, 1 - abs(x))


def matrix(
    kernel: Callable[[float], float], sources: np.ndarray, in_size: int, stretch: float = 1.0, repeats: bool = False
) -> np.ndarray:
    """The matrix of one axis, every weight of every sample computed by itself.

    Args:
        kernel: the weight at a distance.
        sources: where the output samples sit on the input.
        in_size: number of input samples.
        stretch: the factor by which the kernel is widened.
        repeats: whether the border's sample repeats beyond it; otherwise nothing is there and rows are normalised.
    """
    reach = math.ceil(3 * stretch) + 1
    dense = np.zeros((len(sources), in_size))
    for row, source in enumerate(sources):
        for sample in range(math.floor(source) - reach, math.ceil(source) + reach + 1):
            if repeats or 0 <= sample < in_size:
                dense[row, min(max(sample, 0), in_size - 1)] += kernel((sample - source) / stretch)
    return dense / dense.sum(axis=1, keepdims=True)


def area(in_size: int, out_size: int) -> np.ndarray:
    """The matrix of the means of all samples that an output sample touches, in whole numbers."""
    dense = np.zeros((out_size, in_size))
    for row in range(out_size):
        touched = [
            n for n in range(in_size) if n * out_size < (row + 1) * in_size and (n + 1) * out_size > row * in_size
        ]
        dense[row, touched] = 1 / len(touched)
    return dense
