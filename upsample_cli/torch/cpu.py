"""CPU tensors: the compiled kernel over the tensor's memory."""

from __future__ import annotations

import numpy as np
import torch

from ..core import kernel
from ..core import resample as core
from ..core.dtypes import bfloat16_codec, numeric_codec
from .planning import Matrices


def resample(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    """Resample `x` into the new tensor `out`. Half precision is computed in float32."""
    if out.nbytes >= kernel.LARGE_PAGES_FROM:
        kernel.advise_large_pages(out.as_strided((out.numel(),), (1,)).view(torch.uint8).numpy())
    if x.dtype is torch.bfloat16:
        codec = bfloat16_codec(matrices.max_taps)
        source, target = (tensor.view(torch.int16).numpy().view(np.uint16) for tensor in (x, out))
    else:
        source, target = x.numpy(), out.numpy()
        codec = numeric_codec(source.dtype, matrices.max_taps)
    core.resample(source, [None, None, *matrices.axes], target, codec, torch.get_num_threads())
