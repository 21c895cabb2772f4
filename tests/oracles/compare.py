"""Comparisons that the tests share, each of which raises AssertionError; `test_compare` shows that they can."""

from __future__ import annotations

import numpy as np

FLOAT64_TOLERANCE = 1e-12  # of the largest magnitude
FLOAT32_ULPS = 4  # of the largest magnitude
TIE_MARGIN = 1 / 32  # levels


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    """The arrays agree in shape, dtype and every bit of every element, the sign of zero and NaNs included."""
    _assert_alike(actual, expected)
    same = np.ascontiguousarray(actual).view(np.uint8) == np.ascontiguousarray(expected).view(np.uint8)
    if not same.all():
        different = np.argwhere(actual != expected)
        raise AssertionError(f"{len(different)} of {actual.size} elements differ, the first at {different[:1]}")


def assert_close(actual: np.ndarray, truth: np.ndarray, scale: float = 0.0) -> None:
    """`actual`, of float32 or float64 or their complex kin, agrees with the float64 `truth` as the contract says.

    Args:
        actual: what is to be judged.
        truth: what is right.
        scale: the largest magnitude of the samples that were weighed, where weights of both signs may cancel.
    """
    if actual.shape != truth.shape:
        raise AssertionError(f"shape {actual.shape} is not {truth.shape}")
    if not np.array_equal(np.isfinite(actual), np.isfinite(truth)):
        raise AssertionError("NaN or infinity in different places")
    if actual.size == 0:
        return
    finite = np.isfinite(truth)
    special, expected = actual[~finite].astype(truth.dtype), truth[~finite]
    if not np.array_equal(special, expected, equal_nan=True):
        raise AssertionError("NaN and infinities have changed places, or signs")
    largest = max(scale, np.abs(truth[finite]).max(initial=0))
    real = actual.real.dtype
    if real == np.float32:
        tolerance = FLOAT32_ULPS * float(np.spacing(np.float32(largest)))
    elif real == np.float64:
        tolerance = FLOAT64_TOLERANCE * float(largest)
    else:
        raise AssertionError(f"no tolerance is known for {actual.dtype}")
    error = np.abs(actual[finite].astype(truth.dtype) - truth[finite]).max(initial=0)
    if not error <= tolerance:
        raise AssertionError(f"off by {error:.3g}, more than {tolerance:.3g}")


def assert_rounded(actual: np.ndarray, truth: np.ndarray) -> None:
    """Integers equal the rounded `truth` wherever it is well away from a tie, and are never more than 1 off."""
    if actual.dtype.kind not in "iu" or actual.shape != truth.shape:
        raise AssertionError(f"{actual.dtype}{actual.shape} are not integers of shape {truth.shape}")
    limits = np.iinfo(actual.dtype)
    truth = np.clip(truth, limits.min, limits.max)
    off = np.abs(actual.astype(np.float64) - np.rint(truth))
    if not off.max(initial=0) <= 1:
        raise AssertionError(f"off by up to {off.max()} levels")
    wrong = (off > 0) & (np.abs(truth - np.floor(truth) - 0.5) > TIE_MARGIN)
    if wrong.any():
        raise AssertionError(f"{wrong.sum()} values are rounded wrongly, the first of them {truth[wrong][0]}")


def _assert_alike(actual: np.ndarray, expected: np.ndarray) -> None:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        raise AssertionError(f"{actual.dtype}{actual.shape} is not {expected.dtype}{expected.shape}")
