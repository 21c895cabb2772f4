"""Differentiable upsampling for PyTorch and JAX, which are imported on first use."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .functional import UpsampleOptions, upsample_vjp


def torch_interpolate(input: Any, options: UpsampleOptions) -> Any:
    """Differentiable `interpolate` of a PyTorch tensor on the CPU, which reads the tensor's memory without a copy.

    Args:
        input: a floating-point or complex tensor of shape (N, C, spatial…).
        options: the sizes or factors, and the mode.
    """
    return _torch_function().apply(input, options)


def jax_interpolate(input: Any, options: UpsampleOptions) -> Any:
    """Differentiable `interpolate` of a JAX array, also inside ``jit``, by a callback to the host.

    Args:
        input: a floating-point or complex array of shape (N, C, spatial…).
        options: the sizes or factors, and the mode.
    """
    return _jax_function(options)(input)


def _to_numpy(tensor: Any) -> Any:
    """The tensor's memory as an array; copied only if the tensor is a lazy conjugate or negative."""
    return tensor.detach().resolve_conj().resolve_neg().numpy()


@cache
def _torch_function() -> Any:
    import torch

    class Interpolate(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, options: UpsampleOptions) -> Any:
            output, ctx.pullback = upsample_vjp(_to_numpy(x), options)
            return torch.from_numpy(output)

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, gradient: Any) -> Any:
            return torch.from_numpy(ctx.pullback(_to_numpy(gradient))), None

    return Interpolate


@cache
def _jax_function(options: UpsampleOptions) -> Any:
    import jax

    def forward(x: Any) -> Any:
        shape = jax.eval_shape(lambda: x)
        output = jax.ShapeDtypeStruct(_output_shape(shape.shape, options), x.dtype)
        return jax.pure_callback(lambda a: upsample_vjp(np.asarray(a), options)[0], output, x)

    def backward(x: Any, gradient: Any) -> tuple[Any]:
        like_x = jax.ShapeDtypeStruct(x.shape, x.dtype)
        pullback = lambda a, g: upsample_vjp(np.asarray(a), options)[1](np.asarray(g))  # noqa: E731
        return (jax.pure_callback(pullback, like_x, x, gradient),)

    function = jax.custom_vjp(forward)
    function.defvjp(lambda x: (forward(x), x), backward)
    return function


def _output_shape(shape: tuple[int, ...], options: UpsampleOptions) -> tuple[int, ...]:
    empty = np.empty((0, *shape[1:]), np.float32)
    return (shape[0], *upsample_vjp(empty, options)[0].shape[1:])
