"""The operator ``upsample::resize``, one linear map that serves as its own derivative of any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias

import torch
from torch.autograd import forward_ad

from ..core import kernel
from . import cpu, gather, layout, triton_kernel
from .planning import Call, matrices

_KEPT_FORMATS = 256
_PLANNED_DTYPES = {torch.float64: "float64", torch.uint8: "uint8"}
# The output sizes, factors, mode, align_corners, antialias, and whether the map is transposed.
How: TypeAlias = tuple[tuple[int, ...], tuple[float, ...], str, bool, bool, bool]


def resize(
    x: torch.Tensor, sizes: Sequence[int], factors: Sequence[float], mode: str, align_corners: bool, antialias: bool
) -> torch.Tensor:
    """`x` resized along its spatial axes.

    Args:
        x: tensor of shape (N, C, spatial…), not empty but for N.
        sizes: the output sizes, positive.
        factors: the factors at which to sample; empty for the ratio of the sizes.
        mode, align_corners, antialias: as in `interpolate`.
    """
    return _apply(x, _hashable(sizes, factors, mode, align_corners, antialias, False))


def scaled_sizes(sizes: Sequence[Any], factors: Sequence[float]) -> list[Any]:
    """The sizes times the factors, rounded down."""
    return [torch.sym_int(size * factor) for size, factor in zip(sizes, factors, strict=True)]


def _hashable(sizes: Sequence[int], factors: Sequence[float], *how: Any) -> How:
    return (tuple(sizes), tuple(factors), *how)


def _apply(x: torch.Tensor, how: How) -> torch.Tensor:
    """The map or its transpose, by the shortest way to the kernels.

    The dispatcher costs more than a small image, so that it is asked only where something intercepts operators.
    """
    transforms = torch._C._are_functorch_transforms_active()
    if torch.jit.is_tracing() and how[1] and not how[-1]:
        return operator(x, (), *how[1:])  # the traced program computes the sizes from the factors, as PyTorch's does
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return _by_matrices(x, *how) if transforms and x.is_floating_point() else operator(x, *how)
    if transforms:
        return _apply_transformed(x, how)
    if forward_ad._current_level >= 0 or (x.requires_grad and torch.is_grad_enabled()):
        return _apply_untransformed(x, how)
    return _run(x, how)


def _apply_transformed(x: torch.Tensor, how: How) -> torch.Tensor:
    """The map inside of transforms of `torch.func`, of which `functionalize` knows no functions of autograd."""
    functorch = torch._C._functorch
    kinds = {interpreter.key() for interpreter in functorch.get_interpreter_stack()}
    if functorch.TransformType.Functionalize not in kinds:
        return LinearMap.apply(x, how)
    differentiates = not kinds.isdisjoint({functorch.TransformType.Grad, functorch.TransformType.Jvp})
    return _by_matrices(x, *how) if differentiates and x.is_floating_point() else operator(x, *how)


def _by_matrices(x: torch.Tensor, sizes: Sequence[int], factors: Sequence[float], *how: Any) -> torch.Tensor:
    """The same result by a product with a dense matrix per axis, for transforms of `torch.func` that are recorded.

    The compiler and `functionalize` refuse the operator's derivatives there, or assume that they are zero. Each matrix
    is a resized identity.
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


def _run(x: torch.Tensor, how: How) -> torch.Tensor:
    keys = torch._C._dispatch_keys(x).raw_repr()
    is_plain = keys in _CPU_KEYS or keys in _plain_keys("cuda" if x.is_cuda else x.device.type)
    if is_plain and not torch._C._len_torch_dispatch_stack():
        return _compute(x, how)
    return operator(x, *how)


@cache
def _plain_keys(device_type: str) -> frozenset[int]:
    """What the dispatcher knows of tensors that are neither wrapped, nor lazily conjugated, nor sparse.

    Those that were made in inference mode have keys of their own.
    """
    keys = set()
    for inference in (False, True):
        with torch.inference_mode(inference):
            keys.add(torch._C._dispatch_keys(torch.empty(0, device=device_type)).raw_repr())
    return frozenset(keys)


_CPU_KEYS = _plain_keys("cpu")


class LinearMap(torch.autograd.Function):  # type: ignore[misc]
    """The map as a function of autograd and `torch.func`; its derivatives are itself and its transpose."""

    @staticmethod
    def forward(x: torch.Tensor, how: How) -> torch.Tensor:
        return _run(x, how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, How], output: torch.Tensor) -> None:
        x, ctx.how = inputs
        ctx.in_sizes = x.shape[2:]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        _, factors, mode, align_corners, antialias, transpose = ctx.how
        return _apply(gradient, (ctx.in_sizes, factors, mode, align_corners, antialias, not transpose)), None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, _: Any) -> torch.Tensor:
        return _apply(tangent, ctx.how)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: torch.Tensor, how: How) -> tuple[torch.Tensor, int]:
        return _vmap(in_dims, x, how, _apply)


# Without what `Function.apply` does for transforms, which takes longer than a small image.
_apply_untransformed = super(torch.autograd.Function, LinearMap).apply


def _vmap(
    in_dims: tuple[Any, ...], x: torch.Tensor, how: How, apply: Callable[[torch.Tensor, How], torch.Tensor]
) -> tuple[torch.Tensor, int]:
    x = x.movedim(in_dims[0], 0)
    return apply(x.flatten(0, 1), how).unflatten(0, x.shape[:2]), 0


def _compute(x: torch.Tensor, how: How) -> torch.Tensor:
    key = None
    if x.is_cpu:
        key = kernel.instruction_set(), x.dtype, x.shape, x.stride(), how
        if (repeat := cpu.small_calls.get(key)) is not None:
            return repeat(x)
        x = x.detach()
    sizes, factors, mode, align_corners, antialias, transpose = how
    memory_format = _output_format(x.shape, x.stride(), mode)
    out = torch.empty((*x.shape[:2], *sizes), dtype=x.dtype, device=x.device, memory_format=memory_format)
    there, back = tuple(x.shape[2:]), sizes
    if transpose:
        there, back = back, there
    dtype = _PLANNED_DTYPES.get(x.dtype, "float32")
    tables = matrices(Call(there, back, factors, mode, align_corners, antialias, dtype, x.is_cuda))
    if out.numel():
        tables = tables.transposed if transpose else tables
        _kernel(x)(x, tables, out)
        if key:
            cpu.store_small_call(key, x, tables, out)
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
    """The map or its transpose, for `torch.compile`, tracing and other modes that intercept operators.

    Without `sizes`, they follow from the factors.
    """
    if x.layout is not torch.strided:
        raise NotImplementedError(f"tensors of layout {x.layout} are not supported; to_dense() makes a strided one")
    sizes = sizes or scaled_sizes(x.shape[2:], factors)
    return _compute(x, _hashable(sizes, factors, mode, align_corners, antialias, transpose))


@operator.register_fake  # type: ignore[untyped-decorator]
def _(x: torch.Tensor, sizes: Sequence[int], factors: Sequence[float], mode: str, *_: Any) -> torch.Tensor:
    return layout.empty_output(x, sizes or scaled_sizes(x.shape[2:], factors), mode)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, *ctx.how = inputs
    ctx.in_sizes = x.shape[2:]


def _pull_back(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
    _, *how, transpose = ctx.how
    return _apply(gradient, _hashable(ctx.in_sizes, *how, not transpose)), *([None] * len(ctx.how))


operator.register_autograd(_pull_back, setup_context=_remember)


@operator.register_vmap  # type: ignore[untyped-decorator]
def _(info: Any, in_dims: tuple[Any, ...], x: torch.Tensor, *how: Any) -> tuple[torch.Tensor, int]:
    return _vmap(in_dims, x, _hashable(*how), lambda x, how: operator(x, *how))
