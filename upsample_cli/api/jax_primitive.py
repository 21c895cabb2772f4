"""A JAX primitive for resizing: a linear map whose derivatives are itself and its transpose."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ..core.weights import BandedMatrix
from .functional import Resampling, UpsampleOptions


def resize(x: Any, options: UpsampleOptions) -> Any:
    """`x` resized along its spatial axes."""
    x = jax.numpy.asarray(x)
    Resampling(x.shape, np.dtype(x.dtype), options)  # raises the errors of the arguments here, not inside a callback
    return _resize.bind(x, options=options, in_shape=x.shape[2:], transpose=False)


def _plan(x: Any, options: UpsampleOptions, in_shape: tuple[int, ...]) -> Resampling:
    """The resampling whose input, or whose gradient if it is transposed, has the shape and dtype of `x`."""
    return Resampling((*x.shape[:2], *in_shape), np.dtype(x.dtype), options)


def _abstract(x: Any, *, options: UpsampleOptions, in_shape: tuple[int, ...], transpose: bool) -> Any:
    plan = _plan(x, options, in_shape)
    return jax.core.ShapedArray(plan.in_shape if transpose else plan.out_shape, x.dtype)


def _on_host(x: Any, *, options: UpsampleOptions, in_shape: tuple[int, ...], transpose: bool) -> Any:
    plan = _plan(x, options, in_shape)
    result = jax.ShapeDtypeStruct(plan.in_shape if transpose else plan.out_shape, x.dtype)
    compute = plan.pullback if transpose else plan.forward
    return jax.pure_callback(lambda array: compute(np.asarray(array)), result, x)


def _by_gathers(x: Any, *, options: UpsampleOptions, in_shape: tuple[int, ...], transpose: bool) -> Any:
    """The same as gathers in JAX, axis by axis and tap by tap, which XLA fuses."""
    plan = _plan(x, options, in_shape)
    copies = not transpose and all(matrix is None or matrix.copies_samples for matrix in plan.matrices)
    y = x if copies else x.astype(jax.numpy.promote_types(x.dtype, np.float32))
    for axis, matrix in enumerate(plan.matrices):
        if matrix is not None:
            y = _apply(y, matrix.transposed() if transpose else matrix.table(), axis, copies)
    if jax.numpy.issubdtype(x.dtype, np.integer) and not copies:
        limits = jax.numpy.iinfo(x.dtype)
        y = jax.numpy.clip(jax.numpy.round(y), limits.min, limits.max)
    return y.astype(x.dtype)


def _apply(x: Any, matrix: BandedMatrix, axis: int, copies: bool) -> Any:
    take = partial(jax.numpy.take, x, axis=axis)
    if copies:
        return take(matrix.columns(0))
    shape = [-1 if other == axis else 1 for other in range(x.ndim)]
    total = jax.numpy.zeros((), x.dtype)
    for tap in range(matrix.max_taps):
        weights = matrix.taps[:, tap].astype(x.real.dtype).reshape(shape)
        used = (tap < matrix.tap_count).reshape(shape)
        total = total + jax.numpy.where(used, take(matrix.columns(tap)) * weights, 0)
    return total


def _transposed(gradient: Any, x: Any, *, options: UpsampleOptions, in_shape: tuple[int, ...], transpose: bool) -> Any:
    return [_resize.bind(gradient, options=options, in_shape=in_shape, transpose=not transpose)]


def _batched(args: tuple[Any], axes: tuple[int], **how: Any) -> tuple[Any, int]:
    x = jax.numpy.moveaxis(args[0], axes[0], 0)
    y = _resize.bind(x.reshape(-1, *x.shape[2:]), **how)
    return y.reshape(*x.shape[:2], *y.shape[1:]), 0


_resize = Primitive("upsample_resize")
_resize.def_impl(lambda x, **how: jax.jit(partial(_resize.bind, **how))(x))
_resize.def_abstract_eval(_abstract)
ad.deflinear2(_resize, _transposed)
batching.primitive_batchers[_resize] = _batched
mlir.register_lowering(_resize, mlir.lower_fun(_by_gathers, multiple_results=False))
mlir.register_lowering(_resize, mlir.lower_fun(_on_host, multiple_results=False), platform="cpu")
