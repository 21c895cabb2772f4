"""Functions related to upsampling in networks: pixel shuffle, weights of a transposed convolution, and pyramids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import Array, ArrayLike, FloatArray
from ..core.modes import find_mode
from .functional import Factor, interpolate


def pixel_shuffle(input: ArrayLike, upscale_factor: int, ndim: int = 2) -> Array:
    """Rearrange channels into space: (…, C·rᵈ, spatial…) → (…, C, r·spatial…), as ``torch.nn.PixelShuffle``.

    Args:
        input: array whose last `ndim` axes are spatial; the axis before them is the channels.
        upscale_factor: the factor r.
        ndim: the number d of spatial axes, 1, 2 or 3.

    Raises:
        ValueError: the number of channels is not a multiple of rᵈ.

    >>> import numpy as np
    >>> pixel_shuffle(np.arange(4).reshape(1, 4, 1, 1), 2)
    array([[[[0, 1],
             [2, 3]]]])
    """
    x, lead, channels, spatial = _split(input, upscale_factor, ndim)
    cell = (upscale_factor,) * ndim
    if channels % upscale_factor**ndim:
        raise ValueError(f"the number of channels, {channels}, is not a multiple of {upscale_factor}^{ndim}")
    blocks = x.reshape(*lead, channels // upscale_factor**ndim, *cell, *spatial)
    start = len(lead) + 1
    order = [*range(start), *(start + ndim * part + axis for axis in range(ndim) for part in (1, 0))]
    shuffled = blocks.transpose(order).reshape(*blocks.shape[:start], *(n * upscale_factor for n in spatial))
    return _in_layout_of(x, shuffled, ndim)


def pixel_unshuffle(input: ArrayLike, downscale_factor: int, ndim: int = 2) -> Array:
    """Rearrange space into channels: (…, C, r·spatial…) → (…, C·rᵈ, spatial…), the inverse of `pixel_shuffle`.

    Args:
        input: array whose last `ndim` axes are spatial; the axis before them is the channels.
        downscale_factor: the factor r.
        ndim: the number d of spatial axes, 1, 2 or 3.

    Raises:
        ValueError: a spatial size is not a multiple of r.

    >>> import numpy as np
    >>> pixel_unshuffle(np.array([[[1, 2, 3, 4]]]), 2, ndim=1)
    array([[[1, 3],
            [2, 4]]])
    """
    x, lead, channels, spatial = _split(input, downscale_factor, ndim)
    if any(n % downscale_factor for n in spatial):
        raise ValueError(f"the spatial sizes {spatial} are not multiples of {downscale_factor}")
    pairs = [part for n in spatial for part in (n // downscale_factor, downscale_factor)]
    blocks = x.reshape(*lead, channels, *pairs)
    start = len(lead) + 1
    order = [*range(start), *range(start + 1, blocks.ndim, 2), *range(start, blocks.ndim, 2)]
    small = [n // downscale_factor for n in spatial]
    return _in_layout_of(x, blocks.transpose(order).reshape(*lead, channels * downscale_factor**ndim, *small), ndim)


class TransposedConvolution(NamedTuple):
    """The parameters of a transposed convolution.

    Attributes:
        weight: array of shape (channels, 1, k, …), float64.
        padding: number of samples on each side of each axis.
    """

    weight: FloatArray
    padding: int


def conv_transpose_weight(channels: int, scale_factor: int, ndim: int) -> TransposedConvolution:
    """Weights that make a transposed convolution upsample linearly, the usual initialization of a learnable upsampler.

    ``conv_transpose(x, weight, stride=scale_factor, padding=padding, groups=channels)`` enlarges every axis by
    `scale_factor`. It equals linear interpolation (half-pixel) except in the outermost ``scale_factor / 2`` output
    samples, where the convolution pads with zeros.

    Args:
        channels: number of channels, each upsampled independently.
        scale_factor: the factor, a whole number.
        ndim: number of spatial axes, 1, 2 or 3.

    Raises:
        ValueError: an argument is not a positive whole number, or `ndim` is larger than 3.

    >>> weight, padding = conv_transpose_weight(1, 2, ndim=1)
    >>> weight
    array([[[0.25, 0.75, 0.75, 0.25]]])
    >>> padding
    1
    """
    if min(channels, scale_factor, ndim) < 1 or ndim > 3 or scale_factor != int(scale_factor):
        raise ValueError(
            f"channels and scale_factor must be positive whole numbers and ndim 1, 2 or 3, "
            f"got {channels}, {scale_factor}, {ndim}"
        )
    size = 2 * scale_factor - scale_factor % 2
    line = 1 - np.abs(np.arange(size) - (size - 1) / 2) / scale_factor
    kernel = np.ones(())
    for _ in range(ndim):
        kernel = kernel[..., None] * line
    weight = np.broadcast_to(kernel, (channels, 1, *kernel.shape)).copy()
    return TransposedConvolution(weight, (size - scale_factor) // 2)


def pyramid(input: ArrayLike, levels: int, scale_factor: Factor = 0.5, **options: Any) -> Iterator[Array]:
    """Yield the input and successively smaller (or larger) versions of it, each resized from the previous level.

    Args:
        input: array of shape (N, C, spatial…), as for `interpolate`.
        levels: number of arrays, including the input. Fewer are yielded if an axis would have no samples left.
        scale_factor: factor from one level to the next.
        options: `mode`, `align_corners`, `antialias` … of `interpolate`; `antialias` defaults to true if levels shrink
            in a mode that can alias.

    >>> import numpy as np
    >>> [level.shape[2:] for level in pyramid(np.ones((1, 1, 20, 12)), levels=4)]
    [(20, 12), (10, 6), (5, 3), (2, 1)]
    """
    x = np.asarray(input)
    shrinks = float(np.min(scale_factor)) < 1
    if shrinks and find_mode(options.get("mode") or "linear").can_alias:
        options = {"antialias": True} | options
    for level in range(levels):
        if level:
            factors = np.broadcast_to(scale_factor, (x.ndim - 2,))
            if any(n * factor < 1 for n, factor in zip(x.shape[2:], factors, strict=True)):
                return
            x = interpolate(x, scale_factor=scale_factor, **options)
        yield x


def _in_layout_of(x: Array, result: Array, ndim: int) -> Array:
    """`result` with channels last in memory if `x` has them so, as PyTorch's operators keep them."""
    channels_last = np.moveaxis(x, -1 - ndim, -1)
    if x.flags.c_contiguous or not channels_last.flags.c_contiguous:
        return result
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(result, -1 - ndim, -1)), -1, -1 - ndim)


def _split(input: ArrayLike, factor: int, ndim: int) -> tuple[Array, tuple[int, ...], int, tuple[int, ...]]:
    """The array, its leading shape, its number of channels and its spatial shape."""
    x = np.asarray(input)
    if factor < 1 or ndim not in (1, 2, 3) or x.ndim < ndim + 1:
        raise ValueError(
            f"need a positive factor and an array of shape (…, C, {ndim} spatial axes), got {factor} and {x.shape}"
        )
    split = x.ndim - ndim
    return x, x.shape[: split - 1], x.shape[split - 1], x.shape[split:]
