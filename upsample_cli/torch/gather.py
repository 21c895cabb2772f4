"""Devices without a kernel of their own: gathers by PyTorch's own operators, axis by axis and tap by tap."""

from __future__ import annotations

import torch

from ..core.weights import BandedMatrix
from .planning import Matrices


def resample(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    """Write `x` resampled to `out`, computed in float32, or in float64 for float64 and integers beyond 16 bits."""
    if matrices.copy_samples:
        y = x
    elif x.dtype.is_complex:
        for part in (torch.real, torch.imag):
            resample(part(x), matrices, part(out))
        return
    else:
        y = x.to(torch.float64 if x.dtype.itemsize > 2 and x.dtype is not torch.float32 else torch.float32)
    for axis, matrix in enumerate(matrices.whole_tables, 2):
        if matrix is not None:
            y = _apply(y, matrix, axis)
    if not out.dtype.is_floating_point and y.is_floating_point():
        limits = torch.iinfo(torch.uint8 if out.dtype is torch.bool else out.dtype)
        y = y.round().clamp(limits.min, limits.max)
    out.copy_(y)


def _apply(x: torch.Tensor, matrix: BandedMatrix, axis: int) -> torch.Tensor:
    shape = [-1 if other == axis else 1 for other in range(x.dim())]
    terms = None
    for tap in range(matrix.max_taps):
        columns = torch.as_tensor(matrix.columns(tap), device=x.device)
        samples = x.index_select(axis, columns)
        if matrix.copies_samples:
            return samples
        weights = torch.as_tensor(matrix.taps[:, tap], device=x.device).to(x.dtype).reshape(shape)
        used = torch.as_tensor(matrix.tap_count > tap, device=x.device).reshape(shape)
        term = torch.where(used, samples * weights, 0)
        terms = term if terms is None else terms + term
    return terms
