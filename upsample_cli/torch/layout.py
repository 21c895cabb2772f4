"""The memory format of outputs, which is that of PyTorch's operators."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def empty_output(x: torch.Tensor, sizes: Sequence[int], mode: str) -> torch.Tensor:
    """An uninitialised tensor for `x` resized to `sizes`, in the memory format of `output_format`."""
    memory_format = output_format(x.shape, x.stride(), mode)
    return torch.empty((*x.shape[:2], *sizes), dtype=x.dtype, device=x.device, memory_format=memory_format)


def output_format(shape: Sequence[int], strides: Sequence[int], mode: str) -> torch.memory_format:
    """The memory format of the output for a tensor with these strides: channels-last if it is, otherwise contiguous.

    PyTorch's 3-D ``area`` is always contiguous.
    """
    ndim = len(shape)
    if ndim > 3 and not (mode == "area" and ndim == 5) and are_channels_last(shape, strides):
        return torch.channels_last if ndim == 4 else torch.channels_last_3d
    return torch.contiguous_format


def is_channels_last(x: torch.Tensor) -> bool:
    """Whether a tensor or slice has strides in channels-last order."""
    return are_channels_last(x.shape, x.stride())


def are_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """The same for a given shape and strides; see ``is_channels_last_strides_2d`` in c10."""
    if strides[1] == 0:
        return False
    least = 0
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[axis] == 0 or strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * (shape[axis] if shape[axis] > 1 else 1)
    return True
