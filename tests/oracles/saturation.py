"""What peers with eight bits between the axes answer: PyTorch's uint8 kernels and Pillow resize the width first, round
and saturate, and then resize the height. Ours saturate once, at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from upsample_cli import interpolate


def saturated_between_axes(x: np.ndarray, size: tuple[int, int], **options: Any) -> np.ndarray:
    """`x`, shape (N, C, H, W), resized in float64 along its width, saturated, and then along its height."""
    wide = interpolate(x.astype(np.float64), size=(x.shape[2], size[1]), **options).clip(0, 255)
    return interpolate(wide, size=size, **options).clip(0, 255)


def assert_off_by_saturation_only(ours: np.ndarray, theirs: np.ndarray, x: np.ndarray, **options: Any) -> int:
    """Ours and a peer's uint8 results differ by more than 1 nowhere but where the peer saturated between the axes.

    Returns:
        The number of samples that differ at all.
    """
    if ours.dtype != np.uint8 or theirs.dtype != np.uint8 or ours.shape != theirs.shape:
        raise AssertionError(f"{ours.dtype}{ours.shape} and {theirs.dtype}{theirs.shape} are no two uint8 results")
    size = ours.shape[2:]
    twice = saturated_between_axes(x, size, **options)
    off = np.abs(theirs - twice)
    if not off.max(initial=0) < 1.5:  # one rounding between the axes and one after them
        raise AssertionError(f"off by {off.max()} from what saturating between the axes explains")
    once = interpolate(x.astype(np.float64), size=size, **options).clip(0, 255)
    unsaturated = np.abs(once - twice) < 1e-9
    difference = np.abs(ours.astype(int) - theirs)
    if not difference[unsaturated].max(initial=0) <= 1:
        raise AssertionError(f"off by {difference[unsaturated].max()} where nothing was saturated")
    return int(np.count_nonzero(difference))
