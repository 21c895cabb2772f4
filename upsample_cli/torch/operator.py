"""The operator ``upsample::resize``, one linear map that serves as its own derivative of any order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import torch
from torch.autograd import forward_ad

from . import cpu, gather, layout, triton_kernel
from .planning import Call, matrices

_KEPT_FORMATS = 256


def resize(
    x: torch.Tensor, sizes: list[int], factors: list[float], mode: str, align_corners: bool, antialias: bool
) -> torch.Tensor:
    """`x` resized along its spatial axes.

    Args:
        x: tensor of shape (N, C, spatial…), not empty but for N.
        sizes: the output sizes, positive.
        factors: the factors at which to sample; empty for the ratio of the sizes.
        mode, align_corners, antialias: as in `interpolate`.
    """
    return _apply(x, sizes, factors, mode, align_corners, antialias, False)


def _apply(x: torch.Tensor, *how: Any) -> torch.Tensor:
    """The map or, if the last of `how` is true, its transpose, by the shortest way to the kernels.

    The dispatcher costs more than a small image, so that it is asked only where something intercepts operators.
    """
    transforms = torch._C._are_functorch_transforms_active()
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return _by_matrices(x, *how) if transforms and x.is_floating_point() else operator(x, *how)
    if transforms or forward_ad._current_level >= 0 or (x.requires_grad and torch.is_grad_enabled()):
        return LinearMap.apply(x, *how)
    return _run(x, *how)


def _by_matrices(x: torch.Tensor, sizes: list[int], factors: list[float], *how: Any) -> torch.Tensor:
    """The same result by a product with a dense matrix per axis, for compiled transforms of `torch.func`.

    The compiler refuses the operator's derivatives there, or assumes that they are zero. Each matrix is a resized
    identity.
    """
    out = x.to(torch.promote_types(x.dtype, torch.float32))
    for axis, size in enumerate(sizes):
        length = x.shape[2 + axis]
        ones = [1] * len(sizes)
        identity = torch.eye(length, dtype=out.dtype, device=x.device)
        identity = identity.reshape(length, 1, *ones[:axis], length, *ones[axis + 1 :])
        out_sizes = [*ones[:axis], size, *ones[axis + 1 :]]
        steps = [factor if number == axis else 1.0 for number, factor in enumerate(factors)]
        matrix = operator(identity, out_sizes, steps, *how).reshape(length, size)
        out = (out.movedim(2 + axis, -1) @ matrix).movedim(-1, 2 + axis)
    return out.to(x.dtype)


def _run(x: torch.Tensor, *how: Any) -> torch.Tensor:
    device_type = "cpu" if x.is_cpu else x.device.type  # `x.device.type` is slower
    is_plain = torch._C._dispatch_keys(x).raw_repr() == _plain_keys(device_type)
    if is_plain and not torch._C._len_torch_dispatch_stack():
        return _compute(x.detach() if x.requires_grad else x, *how)
    return operator(x, *how)


@cache
def _plain_keys(device_type: str) -> int:
    """What the dispatcher knows of a tensor that is neither wrapped, nor lazily conjugated, nor sparse."""
    return int(torch._C._dispatch_keys(torch.empty(0, device=device_type)).raw_repr())


class LinearMap(torch.autograd.Function):  # type: ignore[misc]
    """The map as a function of autograd and `torch.func`; its derivatives are itself and its transpose."""

    @classmethod
    def apply(cls, x: torch.Tensor, *how: Any) -> Any:
        """Apply it; the checks in `Function.apply`, for transforms, would take longer than a small image."""
        if torch._C._are_functorch_transforms_active():
            return super().apply(x, *how)
        return super(torch.autograd.Function, cls).apply(x, *how)

    @staticmethod
    def forward(
        x: torch.Tensor,
        sizes: list[int],
        factors: list[float],
        mode: str,
        align_corners: bool,
        antialias: bool,
        transpose: bool,
    ) -> torch.Tensor:
        return _run(x, sizes, factors, mode, align_corners, antialias, transpose)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        _remember(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return _pull_back(ctx, gradient)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, *_: Any) -> Any:
        return _apply(tangent, *ctx.how)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: torch.Tensor, *how: Any) -> tuple[torch.Tensor, int]:
        return _vmap(info, in_dims, x, *how)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, *ctx.how = inputs
    ctx.in_sizes = list(x.shape[2:])


def _pull_back(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
    _, *how, transpose = ctx.how
    return _apply(gradient, ctx.in_sizes, *how, not transpose), *([None] * len(ctx.how))


def _vmap(info: Any, in_dims: tuple[Any, ...], x: torch.Tensor, *how: Any) -> tuple[torch.Tensor, int]:
    x = x.movedim(in_dims[0], 0)
    return _apply(x.flatten(0, 1), *how).unflatten(0, x.shape[:2]), 0


def _compute(
    x: torch.Tensor,
    sizes: Sequence[int],
    factors: Sequence[float],
    mode: str,
    align_corners: bool,
    antialias: bool,
    transpose: bool,
) -> torch.Tensor:
    memory_format = _output_format(x.shape, x.stride(), mode)
    out = torch.empty((*x.shape[:2], *sizes), dtype=x.dtype, device=x.device, memory_format=memory_format)
    there, back = tuple(x.shape[2:]), tuple(sizes)
    if transpose:
        there, back = back, there
    double, cuda = x.dtype is torch.float64, x.is_cuda
    tables = matrices(Call(there, back, tuple(factors), mode, align_corners, antialias, double, cuda))
    if out.numel():
        _kernel(x)(x, tables.transposed if transpose else tables, out)
    return out


_output_format = lru_cache(_KEPT_FORMATS)(layout.output_format)


def _kernel(x: torch.Tensor) -> Any:
    if x.is_cpu:
        return cpu.resample
    return triton_kernel.resample if x.is_cuda and triton_kernel.is_available() else gather.resample


@torch.library.custom_op("upsample::resize", mutates_args=())  # type: ignore[untyped-decorator]
def operator(
    x: torch.Tensor,
    sizes: Sequence[int],
    factors: Sequence[float],
    mode: str,
    align_corners: bool,
    antialias: bool,
    transpose: bool,
) -> torch.Tensor:
    """The map or its transpose, for `torch.compile`, tracing and other modes that intercept operators."""
    return _compute(x, sizes, factors, mode, align_corners, antialias, transpose)


@operator.register_fake  # type: ignore[untyped-decorator]
def _(x: torch.Tensor, sizes: Sequence[int], factors: Sequence[float], mode: str, *_: Any) -> torch.Tensor:
    return layout.empty_output(x, sizes, mode)


operator.register_autograd(_pull_back, setup_context=_remember)
operator.register_vmap(_vmap)
