"""CUDA tensors: a Triton kernel that gathers by one banded matrix per axis, for every mode, forward and transposed.

Each output sample is written by one program that sums in a fixed order: the same bits in every run, without atomics.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from ..core.weights import BandedMatrix
from .layout import is_channels_last
from .passes import ROWS, Pass, split_into_passes
from .planning import Matrices

_MOST_UNROLLED = 8  # taps of the fast axis; to unroll more compiles slowly and takes registers
_TILE = 1024  # output samples of a program
_WARPS = 4
_SAMPLES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8)
_captured: list[Any] = []  # tables that CUDA graphs refer to by address


@cache
def is_available() -> bool:
    """Whether Triton is installed."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


def resample(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    """Write `x`, a tensor of shape (N, C, spatial…) and any strides, resampled to `out`.

    Sums are in float32, or in float64 for float64; so is what lies between two passes.

    Raises:
        NotImplementedError: integers other than uint8, in a mode that computes.
    """
    if x.dtype.is_complex:
        for part in (torch.real, torch.imag):
            resample(part(x), matrices, part(out))
    elif x.dtype is torch.bool:
        resample(x.view(torch.uint8), matrices, out.view(torch.uint8))
    elif not matrices.copy_samples and x.dtype not in _SAMPLES:
        raise NotImplementedError(f"only nearest modes are implemented for {x.dtype} on {x.device.type}")
    else:
        with torch.cuda.device_of(x):
            _run_passes(x, matrices, out)


def _run_passes(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    between = torch.float64 if x.dtype is torch.float64 else torch.float32
    passes = _tables(matrices, x.device, between)
    for number, table in enumerate(passes):
        last = number == len(passes) - 1
        y = out if last else _like(out, table.made.out_sizes, x.dtype if matrices.copy_samples else between)
        _launch(x, table, y, between)
        x = y


def _like(out: torch.Tensor, sizes: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """An intermediate tensor in the memory format of `out`."""
    shape = (*out.shape[:2], *sizes)
    if not (out.dim() > 3 and is_channels_last(out)):
        return torch.empty(shape, dtype=dtype, device=out.device)
    memory_format = torch.channels_last if out.dim() == 4 else torch.channels_last_3d
    return torch.empty(shape, dtype=dtype, device=out.device, memory_format=memory_format)


class _Table(NamedTuple):
    """What the kernel reads of a pass.

    Attributes:
        made: the pass.
        axes: the axes that are the kernel's z, y and x, counted from 0 among the spatial ones; −1 for one of size 1.
        sizes: input sizes along z, y, x, then output sizes.
        positions, taps: `index` and `taps` of `triton_source.resample_kernel`.
        widths: the largest number of taps along z, y and x.
        deep: whether z is resampled.
        rows: output rows of a program.
        copies: whether samples are copied.
    """

    made: Pass
    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    positions: torch.Tensor
    taps: torch.Tensor
    widths: tuple[int, int, int]
    deep: bool
    rows: int
    copies: bool


def _tables(matrices: Matrices, device: torch.device, dtype: torch.dtype) -> list[_Table]:
    """The tables of the passes on a device, made once for each stream.

    A stream's tables are freed in its own order, and those that a CUDA graph captures are never freed.
    """
    is_cuda = device.type == "cuda"
    key = device, dtype, torch.cuda.current_stream(device).cuda_stream if is_cuda else 0
    if key not in matrices.tables:
        passes = split_into_passes(matrices.whole_tables, matrices.in_sizes, matrices.out_sizes)
        matrices.tables[key] = [_make_table(each, device, dtype) for each in passes]
    if is_cuda and torch.cuda.is_current_stream_capturing():
        _captured.append(matrices.tables[key])
    return matrices.tables[key]  # type: ignore[no-any-return]


def _make_table(made: Pass, device: torch.device, dtype: torch.dtype) -> _Table:
    ndim = len(made.axes)
    axes = [-1] * (3 - ndim) + list(range(ndim))
    if ndim == 3 and made.axes[1] is None:  # rows that share what they read are worth more than planes
        axes[0], axes[1] = 1, 0
    banded = [made.axes[axis] if axis >= 0 else None for axis in axes]
    sizes = [(made.in_sizes[axis], made.out_sizes[axis]) if axis >= 0 else (1, 1) for axis in axes]
    full = [matrix or _identity(size) for matrix, (size, _) in zip(banded, sizes, strict=True)]
    index = np.concatenate([part for matrix in full for part in (_first(matrix), matrix.tap_count)])
    weights = [np.where(np.arange(matrix.max_taps) < matrix.tap_count[:, None], matrix.taps, 0) for matrix in full]
    taps = np.concatenate([weights[0].ravel(), weights[1].ravel(), weights[2].T.ravel()])
    return _Table(
        made=made,
        axes=tuple(axes),
        sizes=(*(size for size, _ in sizes), *(size for _, size in sizes)),
        positions=torch.as_tensor(index.astype(np.int32)).to(device),
        taps=torch.as_tensor(taps).to(device, dtype),
        widths=(full[0].max_taps, full[1].max_taps, full[2].max_taps),
        deep=banded[0] is not None,
        rows=1 if sizes[1][1] == 1 or (banded[1] is None and any(banded)) else ROWS,
        copies=all(matrix.copies_samples for matrix in full),
    )


def _identity(size: int) -> BandedMatrix:
    return BandedMatrix.make(size, np.arange(size), np.ones((size, 1)))


def _first(matrix: BandedMatrix) -> Any:
    """The first sample of each row, which the kernel need not clip where it is the only one."""
    return np.clip(matrix.first, 0, matrix.in_size - 1) if matrix.max_taps == 1 else matrix.first


def _launch(x: torch.Tensor, table: _Table, out: torch.Tensor, sums: torch.dtype) -> None:
    import triton
    import triton.language as tl

    from .triton_source import resample_kernel

    out_depth, out_height, out_width = table.sizes[3:]
    images, channels = out.shape[:2]
    columns = min(_TILE // table.rows // (1 if table.copies else 2), triton.next_power_of_2(channels * out_width))
    row_blocks = -(-out_height // table.rows)
    column_blocks = -(-channels * out_width // columns)
    reach = max(_row_extent(x), _row_extent(out))
    resample_kernel[(images * out_depth * row_blocks * column_blocks,)](
        x,
        out,
        table.positions,
        table.taps,
        *table.sizes,
        channels,
        row_blocks,
        column_blocks,
        *_strides(x, table.axes),
        *_strides(out, table.axes),
        *table.widths[:2],
        X_TAPS=table.widths[2],
        UNROLLED=table.widths[2] <= _MOST_UNROLLED,
        DEEP=table.deep,
        COPIES=table.copies,
        CHANNELS_LAST=out.stride(1) == 1 and channels > 1,
        TO_UINT8=out.dtype is torch.uint8 and not table.copies,
        SUM=tl.float64 if sums is torch.float64 else tl.float32,
        OFFSET=tl.int64 if reach >= 1 << 31 else tl.int32,
        ROWS=table.rows,
        COLUMNS=columns,
        num_warps=max(1, min(_WARPS, columns // 32)),
    )


def _strides(x: torch.Tensor, axes: tuple[int, ...]) -> list[int]:
    return [x.stride(0), x.stride(1), *(x.stride(2 + axis) if axis >= 0 else 0 for axis in axes)]


def _row_extent(x: torch.Tensor) -> int:
    """The largest offset from the first sample of a row to another, over all channels."""
    return int((x.shape[1] - 1) * x.stride(1) + (x.shape[-1] - 1) * x.stride(-1))
