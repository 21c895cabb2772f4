"""The function `interpolate`: PyTorch's arguments and errors in front of the operator."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.overrides import handle_torch_function, has_torch_function_unary

from ..core.modes import MODES
from .operator import resize, scaled_sizes

_KEPT = 256
_INTEGER, _NUMBER = frozenset({int}), frozenset({int, float})
_KERNEL_MODES = [mode.name for mode in MODES.values() if mode.allows_align_corners and not mode.is_label_mode]


def interpolate(
    input: torch.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> torch.Tensor:
    """Resize a tensor of shape (N, C, spatial…), with the arguments and results of `torch.nn.functional.interpolate`.

    Beyond PyTorch, ``cubic`` and ``lanczos`` resize one to three axes, `antialias` works in one and three dimensions
    too, and every dtype is accepted. Forward and backward are deterministic on every device.

    Args:
        input: tensor of shape (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: output size of every spatial axis, or one for all; numbers, or a tensor or array of integers.
        scale_factor: factor of every spatial axis, or one for all; the output size is ``floor(n · scale_factor)``.
        mode: ``nearest``, ``nearest-exact``, ``linear``, ``bilinear``, ``trilinear``, ``bicubic``, ``cubic``,
            ``lanczos`` or ``area``.
        align_corners: whether the centres of the corner samples are aligned, rather than their outer edges.
        recompute_scale_factor: sample at the ratio of the sizes instead of the given factor.
        antialias: widen the kernel along axes that shrink.

    Returns:
        A tensor of the input's dtype, in the memory format that PyTorch's operator gives: channels-last if the input
        is. The first and second derivatives are those of the exact linear map.

    Raises:
        ValueError, TypeError, NotImplementedError, RuntimeError: where PyTorch raises them.

    >>> interpolate(torch.tensor([[[0.0, 4.0]]]), scale_factor=2, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    """
    if has_torch_function_unary(input):
        return handle_torch_function(
            interpolate,
            (input,),
            input,
            size=size,
            scale_factor=scale_factor,
            mode=mode,
            align_corners=align_corners,
            recompute_scale_factor=recompute_scale_factor,
            antialias=antialias,
        )
    if not isinstance(input, torch.Tensor):
        raise TypeError(f"the input must be a tensor, not {type(input).__name__}; arrays: upsample_cli.interpolate")
    how = (size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    is_plain = type(input) is torch.Tensor and _consists_of(size, _INTEGER) and _consists_of(scale_factor, _NUMBER)
    if is_plain and not torch.compiler.is_compiling():
        sizes, factors = _checked(input.shape, *how)
    else:
        sizes, factors = _check(input.shape, *how)
    return resize(input, sizes, factors, mode, bool(align_corners), antialias)


def _consists_of(value: Any, kinds: frozenset[type]) -> bool:
    """Whether an argument is None, or a number or a tuple of numbers of these types, and thus a valid cache key."""
    return value is None or type(value) in kinds or (type(value) is tuple and kinds.issuperset(map(type, value)))


def _check(
    shape: Sequence[int],
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
    antialias: bool,
) -> tuple[tuple[Any, ...], tuple[float, ...]]:
    """The output sizes, and the factors at which to sample.

    Raises:
        ValueError, TypeError, NotImplementedError, RuntimeError: where PyTorch raises them.
    """
    if align_corners is not None and mode in MODES and not MODES[mode].allows_align_corners:
        raise ValueError(f"align_corners option can only be set with the modes {' | '.join(_KERNEL_MODES)}")
    sizes, factors = _sizes(shape[2:], size, scale_factor, bool(recompute_scale_factor) or mode == "area")
    if size is not None and recompute_scale_factor:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    _check_mode(len(shape) - 2, mode, antialias)
    if min(sizes) < 1 or max(sizes) > sys.maxsize or 0 in shape[1:]:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0 and possible, "
            f"but got an input of shape {tuple(shape)} and output sizes {tuple(sizes)}"
        )
    return tuple(sizes), tuple(factors)


_checked = lru_cache(_KEPT, typed=True)(_check)


def _check_mode(ndim: int, mode: str, antialias: bool) -> None:
    """Raise where PyTorch does for this number of spatial axes: another error if `antialias` is set."""
    known = mode in MODES and not MODES[mode].is_label_mode
    refused = ValueError if antialias else NotImplementedError
    if not known or not 1 <= ndim <= 3:
        raise refused(
            f"Only 3D, 4D and 5D tensors are supported (got {ndim + 2}D), in the modes nearest | nearest-exact | "
            f"area | {' | '.join(_KERNEL_MODES)} (got {mode})"
        )
    required = 1 if mode == "linear" else MODES[mode].ndim  # in PyTorch, 'linear' means one axis
    if required not in (None, ndim):
        raise refused(f"Got {ndim + 2}D input, but {mode} mode needs {required + 2}D input")
    if antialias and not MODES[mode].allows_align_corners:
        raise ValueError(f"Anti-alias option is restricted to the modes {' | '.join(_KERNEL_MODES)}")


def _sizes(spatial: Sequence[int], size: Any, scale_factor: Any, recompute: bool) -> tuple[list[Any], list[float]]:
    """The output sizes, and the factors at which to sample; none if they are to be recomputed from the sizes."""
    if (size is None) == (scale_factor is None):
        which = "either" if size is None else "only one of"
        raise ValueError(f"{which} size or scale_factor should be defined")
    if size is not None:
        sizes = _one_per_axis("output size", size, spatial)
        if not all(map(_is_integer, sizes)):
            raise TypeError(f"expected size to be one of int or tuple of int, got types {[type(n) for n in sizes]}")
        return [n if isinstance(n, torch.SymInt) else int(n) for n in sizes], []
    factors = [float(factor * 1.0) for factor in _one_per_axis("scale_factor", scale_factor, spatial)]
    if not recompute and not all(abs(factor) < math.inf for factor in factors):
        raise RuntimeError(f"scale_factor must be finite, got {factors}")
    return scaled_sizes(spatial, factors), [] if recompute else factors


def _one_per_axis(name: str, value: Any, spatial: Sequence[int]) -> Sequence[Any]:
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return [value] * len(spatial)
    if len(value) != len(spatial):
        raise ValueError(
            f"Input and output must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(spatial)} and {name} of {value}"
        )
    return value


def _is_integer(value: Any) -> bool:
    is_index = isinstance(value, int | np.integer | torch.SymInt) and not isinstance(value, bool)
    return is_index or (isinstance(value, torch.Tensor) and not value.is_floating_point())
