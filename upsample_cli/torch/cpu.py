"""CPU tensors: the compiled kernel over the tensor's memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch

from ..core import kernel
from ..core import resample as core
from ..core.arrays import Array
from ..core.bounded_cache import BoundedCache
from ..core.dtypes import SampleCodec, bfloat16_codec, numeric_codec
from ..core.long_axis import Matrix
from .layout import empty_output
from .planning import Matrices

_CPU = torch.device("cpu")
_KEPT_CALLS = 64
small_calls: BoundedCache[Callable[[torch.Tensor], torch.Tensor]] = BoundedCache(_KEPT_CALLS)


def resample(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    """Resample `x` into the new tensor `out`. Half precision is computed in float32.

    In the 2-D cubic modes, weights for bytes are rounded to 16 bits. Bytes are resampled along the width first, then
    rounded and clipped, and then along the height: so do PyTorch's CPU kernels, and Pillow.
    """
    if out.nbytes >= kernel.LARGE_PAGES_FROM:
        kernel.advise_large_pages(out.as_strided((out.numel(),), (1,)).view(torch.uint8).numpy())
    axes: Sequence[Matrix | None] = matrices.axes
    if _has_rounded_weights(x, matrices):
        rows, columns = axes = matrices.rounded_axes
        if rows and columns:
            between = empty_output(x, (x.shape[2], out.shape[3]), "bicubic")
            _resample(x, [None, columns], between, matrices.max_taps)
            x, axes = between, [rows, None]
    _resample(x, axes, out, matrices.max_taps)


def _has_rounded_weights(x: torch.Tensor, matrices: Matrices) -> bool:
    return x.dtype is torch.uint8 and matrices.overshoots and len(matrices.axes) == 2


def _resample(x: torch.Tensor, axes: Sequence[Matrix | None], out: torch.Tensor, max_taps: int) -> None:
    source, target, codec = _as_arrays(x, out, max_taps)
    core.resample(source, [None, None, *axes], target, codec, torch.get_num_threads())


def store_small_call(key: Hashable, x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    """Store a function that resamples tensors of the dtype, shape and strides of `x`, if they are small.

    For small tensors, to prepare the work takes longer than to do it.
    """
    if core.is_worth_threads(matrices.axes, out.numel()) or _has_rounded_weights(x, matrices):
        return
    source, target, codec = _as_arrays(x, out, matrices.max_taps)
    run = core.prepare_small(source, [None, None, *matrices.axes], target, codec)
    if run is None:
        return
    shape, strides, dtype = out.shape, out.stride(), out.dtype

    def resample_small(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_strided(shape, strides, dtype=dtype, device=_CPU)
        run(x.data_ptr(), out.data_ptr())
        return out

    small_calls.store(key, resample_small)


def _as_arrays(x: torch.Tensor, out: torch.Tensor, max_taps: int) -> tuple[Array, Array, SampleCodec]:
    if x.dtype is torch.bfloat16:
        source, target = (tensor.view(torch.int16).numpy().view(np.uint16) for tensor in (x, out))
        return source, target, bfloat16_codec(max_taps)
    try:
        source, target = x.numpy(), out.numpy()
    except TypeError:  # NumPy has no such dtype
        raise NotImplementedError(f"resizing is not implemented for {x.dtype} on the CPU") from None
    return source, target, numeric_codec(source.dtype, max_taps)
