"""The memory format of outputs, which is that of PyTorch's operators."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def empty_output(x: torch.Tensor, sizes: Sequence[int], mode: str) -> torch.Tensor:
    """An uninitialised tensor for `x` resized to `sizes`: channels-last if `x` is, otherwise contiguous.

    PyTorch's 3-D ``area`` is always contiguous.
    """
    memory_format = torch.contiguous_format
    if x.dim() > 3 and not (mode == "area" and x.dim() == 5) and is_channels_last(x):
        memory_format = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
    return torch.empty((*x.shape[:2], *sizes), dtype=x.dtype, device=x.device, memory_format=memory_format)


def is_channels_last(x: torch.Tensor) -> bool:
    """Whether the strides are in channels-last order, also of a slice; see ``is_channels_last_strides_2d`` in c10."""
    shape, strides = x.shape, x.stride()
    if strides[1] == 0:
        return False
    least = 0
    for axis in (1, *range(x.dim() - 1, 1, -1), 0):
        if shape[axis] == 0 or strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * (shape[axis] if shape[axis] > 1 else 1)
    return True
