"""Banded matrices as no mode makes them, and what they give in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from upsample_cli.core.weights import BandedMatrix

KINDS = ("positive", "lobed", "picking")


def random_bands(rng: np.random.Generator, in_size: int, out_size: int, width: int, kind: str) -> BandedMatrix:
    """A matrix whose bands hang over both ends, or lie wholly beyond them, and use few or all of their taps.

    Args:
        rng: where chance comes from.
        in_size: number of input samples.
        out_size: number of output samples.
        width: the largest number of taps of a row.
        kind: positive weights; some negative ones too, as of cubic; or a single one of 1. Rows sum to one.
    """
    span = max(in_size, 1)
    first = np.sort(rng.integers(-width - 1, span + 2, out_size)).astype(np.intp)
    if kind == "picking":
        return BandedMatrix.make(in_size, first, np.ones((out_size, 1)))
    count = rng.integers(1, width + 1, out_size).astype(np.intp)
    count[rng.integers(out_size)] = width
    taps = rng.random((out_size, width)) + 0.1
    taps[np.arange(width) >= count[:, None]] = 0
    taps /= taps.sum(axis=1, keepdims=True)
    if kind == "lobed":
        taps += _lobes(rng, count, width)
    return BandedMatrix.make(in_size, first, taps, count, is_two_tap_lerp=kind == "positive" and width <= 2)


def _lobes(rng: np.random.Generator, count: np.ndarray, width: int) -> np.ndarray:
    """What takes a tenth or so from the first tap of a row and gives it to its last."""
    lobes = np.zeros((len(count), width))
    amount = rng.random(len(count)) * 0.12
    lobes[:, 0] -= amount
    lobes[np.arange(len(count)), count - 1] += amount
    return lobes


def applied(x: np.ndarray, bands: Sequence[BandedMatrix | None]) -> np.ndarray:
    """Finite `x`, in float64 or complex128, resampled along each axis that has a matrix, as `BandedMatrix` says."""
    y = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    for axis, matrix in enumerate(bands):
        if matrix is not None:
            moved = np.moveaxis(y, axis, 0)
            total = np.zeros((matrix.out_size, *moved.shape[1:]), y.dtype)
            for tap in range(matrix.max_taps):
                rows = np.flatnonzero(tap < matrix.tap_count)
                columns = np.clip(matrix.first[rows] + tap, 0, matrix.in_size - 1)
                total[rows] += matrix.taps[rows, tap].reshape(-1, *(1,) * (y.ndim - 1)) * moved[columns]
            y = np.moveaxis(total, 0, axis)
    return y
