"""Upsampling as a differentiable function of other libraries, which are imported when it is used."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .functional import UpsampleOptions, upsample_vjp


def torch_interpolate(input: Any, options: UpsampleOptions) -> Any:
    """`interpolate` of a PyTorch tensor on the CPU, differentiable, over the tensor's own memory.

    Args:
        input: a floating-point or complex tensor of shape (N, C, spatial…).
        options: how to resize it.
    """
    return _torch_function().apply(input, options)


def jax_interpolate(input: Any, options: UpsampleOptions) -> Any:
    """`interpolate` of a JAX array, differentiable, inside ``jit`` too, by a callback to the host.

    Args:
        input: a floating-point or complex array of shape (N, C, spatial…).
        options: how to resize it.
    """
    return _jax_function(options)(input)


def _to_numpy(tensor: Any) -> Any:
    """The tensor's own memory, unless it is only marked as the conjugate or negative of it."""
    return tensor.detach().resolve_conj().resolve_neg().numpy()


@cache
def _torch_function() -> Any:
    import torch

    class Interpolate(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, options: UpsampleOptions) -> Any:
            output, ctx.pull_back = upsample_vjp(_to_numpy(x), options)
            return torch.from_numpy(output)

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, gradient: Any) -> Any:
            return torch.from_numpy(ctx.pull_back(_to_numpy(gradient))), None

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
        pull_back = lambda a, g: upsample_vjp(np.asarray(a), options)[1](np.asarray(g))  # noqa: E731
        return (jax.pure_callback(pull_back, like_x, x, gradient),)

    function = jax.custom_vjp(forward)
    function.defvjp(lambda x: (forward(x), x), backward)
    return function


def _output_shape(shape: tuple[int, ...], options: UpsampleOptions) -> tuple[int, ...]:
    empty = np.empty((0, *shape[1:]), np.float32)
    return (shape[0], *upsample_vjp(empty, options)[0].shape[1:])
