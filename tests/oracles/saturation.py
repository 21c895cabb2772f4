"""What peers with eight bits between the axes answer: PyTorch's uint8 kernels and Pillow resize one axis, round and
saturate, and then resize the other one. Ours saturate once, at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from upsample_cli import interpolate


def saturated_between_axes(x: np.ndarray, size: tuple[int, int], first: int, **options: Any) -> np.ndarray:
    """`x`, shape (N, C, H, W), resized in float64 along its axis `first`, saturated, then along the other one."""
    between = list(x.shape[2:])
    between[first] = size[first]
    y = interpolate(x.astype(np.float64), size=between, **options).clip(0, 255)
    return interpolate(y, size=size, **options).clip(0, 255)


def assert_off_by_saturation_only(ours: np.ndarray, theirs: np.ndarray, x: np.ndarray, **options: Any) -> int:
    """Ours and a peer's uint8 results differ by more than 1 nowhere but where the peer saturated between the axes.

    Returns:
        The number of samples that differ at all.
    """
    if ours.dtype != np.uint8 or theirs.dtype != np.uint8 or ours.shape != theirs.shape:
        raise AssertionError(f"{ours.dtype}{ours.shape} and {theirs.dtype}{theirs.shape} are no two uint8 results")
    size = ours.shape[2:]
    orders = [saturated_between_axes(x, size, first, **options) for first in (1, 0)]  # Pillow shrinks before it grows
    twice = min(orders, key=lambda y: np.abs(theirs - y).max(initial=0))
    off = np.abs(theirs - twice).max(initial=0)
    if not off < 1.5:  # one rounding between the axes and one after them
        raise AssertionError(f"off by {off} from what saturating between the axes explains")
    once = interpolate(x.astype(np.float64), size=size, **options).clip(0, 255)
    unsaturated = np.abs(once - twice) < 1e-9
    difference = np.abs(ours.astype(int) - theirs)
    if not difference[unsaturated].max(initial=0) <= 1:
        raise AssertionError(f"off by {difference[unsaturated].max()} where nothing was saturated")
    return int(np.count_nonzero(difference))
