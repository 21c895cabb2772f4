"""Differentiable upsampling for PyTorch and JAX, which are imported on first use."""

from __future__ import annotations

from typing import Any

from .functional import Factor, Size, UpsampleOptions, collect_options, inferred_mode


def torch_interpolate(
    input: Any,
    size: Size | UpsampleOptions | None = None,
    scale_factor: Factor | None = None,
    mode: str | None = None,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """`upsample_cli.torch.interpolate` with the defaults of `interpolate`: ``mode=None`` selects a linear mode.

    Args:
        input: a PyTorch tensor of shape (N, C, spatial…), on any device.
        size, scale_factor, mode, align_corners, recompute_scale_factor, antialias: as for `interpolate`.

    Returns:
        A tensor on the same device, of the same dtype, through which gradients of any order flow.

    >>> import torch  # doctest: +SKIP
    >>> torch_interpolate(torch.tensor([[[0.0, 4.0]]]), scale_factor=2)  # doctest: +SKIP
    tensor([[[0., 1., 3., 4.]]])
    """
    from ..torch import interpolate

    options = collect_options(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    return interpolate(
        input,
        options.size,
        options.scale_factor,
        options.mode or inferred_mode(input.ndim - 2),
        options.align_corners,
        options.recompute_scale_factor,
        options.antialias,
    )


def jax_interpolate(
    input: Any,
    size: Size | UpsampleOptions | None = None,
    scale_factor: Factor | None = None,
    mode: str | None = None,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """`interpolate` of a JAX array, also inside ``jit``, ``vmap``, ``jvp`` and ``grad`` of any order.

    On a CPU it calls the compiled kernel on the host; on other devices it gathers by the same weights in JAX.

    Args:
        input: an array of shape (N, C, spatial…) and of any dtype of JAX.
        size, scale_factor, mode, align_corners, recompute_scale_factor, antialias: as for `interpolate`.

    Returns:
        A JAX array of the same dtype.

    >>> import jax  # doctest: +SKIP
    >>> jax_interpolate(jax.numpy.array([[[0.0, 4.0]]]), scale_factor=2)  # doctest: +SKIP
    Array([[[0., 1., 3., 4.]]], dtype=float32)
    """
    from .jax_primitive import resize

    return resize(input, collect_options(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias))
