"""CPU tensors: the compiled kernel over the tensor's memory."""

from __future__ import annotations

import torch

from ..core import resample as core
from ..core.dtypes import numeric_codec
from .planning import Matrices

_HALF = (torch.float16, torch.bfloat16)


def resample(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    """Write `x` resampled to `out`. Half precision is computed in float32, of which it makes copies."""
    if x.dtype in _HALF and matrices.copy_samples:
        x, out = x.view(torch.int16), out.view(torch.int16)
    elif x.dtype in _HALF:
        result = torch.empty_like(out, dtype=torch.float32)
        resample(x.float(), matrices, result)
        out.copy_(result)
        return
    array = x.numpy()
    codec = numeric_codec(array.dtype, matrices.max_taps)
    core.resample(array, [None, None, *matrices.axes], out.numpy(), codec, torch.get_num_threads())
