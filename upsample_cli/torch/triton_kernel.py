"""CUDA tensors: a Triton kernel that gathers by one banded matrix per axis, for every mode, forward and transposed.

Each output sample is written by one program that sums in a fixed order: the same bits in every run, without atomics.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from ..core.arrays import FloatArray, IndexArray
from ..core.bounded_cache import BoundedCache
from ..core.weights import BandedMatrix
from .layout import is_channels_last
from .passes import ROWS, Pass, shares_rows, split_into_passes
from .planning import Matrices

_OLDEST_TRITON = (3, 4)
_MOST_UNROLLED = 8  # taps of the fast axis; to unroll more compiles slowly and takes registers
_MOST_PLANES_UNROLLED = 4  # input planes
_COLUMNS = 256  # of a program
_BYTES_PER_WARP = 512  # of a row of sums: a thread's four columns share weights, and keep more loads in flight
_SAMPLES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8)
_ALIGNMENT = 16  # bytes; Triton compiles another kernel for addresses that are not multiples of it
_KEPT_LAUNCHES = 16  # of each pass
_captured: dict[int, Any] = {}  # tables that CUDA graphs refer to by address


@cache
def is_available() -> bool:
    """Whether a version of Triton is installed that takes tuples as the kernel passes them."""
    try:
        import triton
    except ImportError:
        return False
    return tuple(map(int, triton.__version__.split(".")[:2])) >= _OLDEST_TRITON


def resample(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> None:
    """Write `x`, a tensor of shape (N, C, spatial…) and any strides, resampled to `out`.

    Sums are in float32, or in float64 for float64; so is what lies between two passes.

    Raises:
        NotImplementedError: integers other than uint8, in a mode that computes; rows of 2³¹ samples or more.
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


class _Blocks(NamedTuple):
    """Blocks of neighbouring output samples of an axis, which a program makes together, and what they read.

    Attributes:
        size: output samples of a block.
        phase: the number of samples that the first block lacks, at its beginning.
        first, count: the input samples that each block reads.
        taps: the weights, of shape (blocks, input samples, output samples); NaN where an output sample does not read an
            input sample.
    """

    size: int
    phase: int
    first: IndexArray
    count: IndexArray
    taps: FloatArray

    @property
    def most(self) -> int:
        """The largest number of input samples that a block reads."""
        return int(self.taps.shape[1])


class _Table(NamedTuple):
    """What the kernel reads of a pass.

    Attributes:
        made: the pass.
        axes: the axes that are the kernel's z, y and x, counted from 0 among the spatial ones; −1 for one of size 1.
        sizes: output sizes along z, y, x.
        positions, taps: `index` and `taps` of `triton_source.resample_kernel`.
        planes, rows: the blocks of output planes and rows that programs make.
        x_taps: the largest number of taps along x.
        deep: whether z is resampled.
        copies: whether samples are copied.
        launches: what launches the compiled kernel for tensors of some shapes, and its arguments after the tables.
            Triton takes longer to find them than a small kernel runs.
    """

    made: Pass
    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    positions: torch.Tensor
    taps: torch.Tensor
    planes: _Blocks
    rows: _Blocks
    x_taps: int
    deep: bool
    copies: bool
    launches: BoundedCache[Any]


def _tables(matrices: Matrices, device: torch.device, dtype: torch.dtype) -> list[_Table]:
    """The tables of the passes on a device, made once for all of its streams."""
    key = device, dtype
    if (known := matrices.tables.get(key)) is None:
        if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            raise RuntimeError("a CUDA graph cannot capture the first call with these sizes; run the call once before")
        passes = split_into_passes(matrices.whole_tables, matrices.in_sizes, matrices.out_sizes)
        tables = [_make_table(each, device, dtype) for each in passes]
        stream = torch.cuda.current_stream(device) if device.type == "cuda" else None
        if stream:
            stream.synchronize()  # other streams may read the tables from now on
        known = matrices.tables[key] = tables, stream
    tables, stream = known
    if stream:
        _protect(tables, stream, torch.cuda.current_stream(device))
    return tables


def _protect(tables: list[_Table], made_on: torch.cuda.Stream, used_on: torch.cuda.Stream) -> None:
    """Keep the memory of tables that are dropped until their readers are done; for CUDA graphs, forever."""
    if torch.cuda.is_current_stream_capturing():
        _captured[id(tables)] = tables
    elif used_on != made_on:
        for table in tables:
            table.positions.record_stream(used_on)
            table.taps.record_stream(used_on)


def _make_table(made: Pass, device: torch.device, dtype: torch.dtype) -> _Table:
    ndim = len(made.axes)
    axes = [-1] * (3 - ndim) + list(range(ndim))
    if ndim == 3 and made.axes[1] is None:  # rows that share what they read are worth more than planes
        axes[0], axes[1] = 1, 0
    banded = [made.axes[axis] if axis >= 0 else None for axis in axes]
    sizes = [(made.in_sizes[axis], made.out_sizes[axis]) if axis >= 0 else (1, 1) for axis in axes]
    z, y, x = [_folded(matrix) if matrix else _identity(size) for matrix, (size, _) in zip(banded, sizes, strict=True)]
    copies = all(matrix.copies_samples for matrix in (z, y, x))
    deep = banded[0] is not None
    planes = _blocks(z, 2) if deep and not copies and shares_rows(z) else _blocks(z, 1)
    if planes.most > _MOST_PLANES_UNROLLED:
        planes = _blocks(z, 1)
    rows = _blocks(y, min(ROWS // planes.size, 1 << (y.out_size - 1).bit_length()) if copies or shares_rows(y) else 1)
    y_index = [y.first] if copies else [rows.first, rows.count]
    index = np.concatenate([planes.first, planes.count, *y_index, x.first, x.first + x.tap_count - 1])
    taps = np.concatenate([planes.taps.ravel(), rows.taps.ravel(), _without_unused_taps(x).T.ravel()])
    return _Table(
        made=made,
        axes=tuple(axes),
        sizes=tuple(size for _, size in sizes),
        positions=torch.as_tensor(index.astype(np.int32)).to(device),
        taps=torch.as_tensor(taps).to(device, dtype),
        planes=planes,
        rows=rows,
        x_taps=x.max_taps,
        deep=deep,
        copies=copies,
        launches=BoundedCache(_KEPT_LAUNCHES),
    )


def _identity(size: int) -> BandedMatrix:
    return BandedMatrix.make(size, np.arange(size), np.ones((size, 1)))


def _folded(matrix: BandedMatrix) -> BandedMatrix:
    """The same matrix with bands that end at the borders, so that the kernel need not clip positions."""
    first = matrix.columns(0)
    tap_count = matrix.columns(matrix.max_taps) - first + 1
    taps = np.zeros((matrix.out_size, int(tap_count.max())))
    row, tap = np.nonzero(np.arange(matrix.max_taps) < matrix.tap_count[:, None])
    column = np.clip(matrix.first[row] + tap, 0, matrix.in_size - 1)
    np.add.at(taps, (row, column - first[row]), matrix.taps[row, tap])
    return _without_rare_zeros(replace(matrix, first=first, taps=taps, tap_count=tap_count))


def _without_rare_zeros(matrix: BandedMatrix) -> BandedMatrix:
    """The same matrix with fewer taps if it is only at the borders that rows have more, and if those are zero.

    So it is in the gradient of linear modes: 4 taps for 2×, and 5 beside the border.
    """
    first, taps, tap_count = matrix.first, matrix.taps, matrix.tap_count
    longest = tap_count == matrix.max_taps
    leading, trailing = longest & (taps[:, 0] == 0), longest & (taps[:, -1] == 0)
    if matrix.max_taps == 1 or 2 * longest.sum() > len(longest) or not (leading | trailing)[longest].all():
        return matrix
    taps = np.where(leading[:, None], taps[:, 1:], taps[:, :-1])
    return replace(matrix, first=first + leading, taps=taps, tap_count=tap_count - longest)


def _blocks(matrix: BandedMatrix, size: int) -> _Blocks:
    """The blocks of the phase for which they read the fewest samples."""
    return min((_blocks_of_phase(matrix, size, phase) for phase in range(size)), key=lambda each: each.count.sum())


def _blocks_of_phase(matrix: BandedMatrix, size: int, phase: int) -> _Blocks:
    number = -(-(matrix.out_size + phase) // size)
    starts = np.maximum(np.arange(number) * size - phase, 0)
    first = np.minimum.reduceat(matrix.first, starts)
    count = np.maximum.reduceat(matrix.first + matrix.tap_count, starts) - first
    taps = np.full((number, int(count.max()), size), np.nan)
    row, tap = np.nonzero(np.arange(matrix.max_taps) < matrix.tap_count[:, None])
    block, place = np.divmod(row + phase, size)
    taps[block, matrix.first[row] + tap - first[block], place] = matrix.taps[row, tap]
    return _Blocks(size, phase, first, count, taps)


def _without_unused_taps(matrix: BandedMatrix) -> FloatArray:
    """The weights of rows that read their last sample again at every tap that they do not use.

    Its weight is divided among these taps, since zero times infinity is NaN.
    """
    taps = matrix.taps.copy()
    for tap in range(1, matrix.max_taps):
        unused = matrix.tap_count <= tap
        taps[unused, tap] = taps[unused, tap - 1] = taps[unused, tap - 1] / 2
    return taps


def _launch(x: torch.Tensor, table: _Table, out: torch.Tensor, sums: torch.dtype) -> None:
    alignments = x.data_ptr() % _ALIGNMENT, out.data_ptr() % _ALIGNMENT
    key = x.dtype, x.shape, x.stride(), out.dtype, out.shape, out.stride(), *alignments
    if (known := table.launches.get(key)) is not None:
        launch, numbers = known
        launch(x, out, table.positions, table.taps, *numbers)
        return
    grid, numbers, constants = _arguments(x, table, out, sums)
    from .triton_source import resample_kernel

    warps = max(1, constants["COLUMNS"] * sums.itemsize // _BYTES_PER_WARP)
    compiled = resample_kernel[grid](x, out, table.positions, table.taps, *numbers, **constants, num_warps=warps)
    if compiled is not None:  # it is in Triton's interpreter
        table.launches.store(key, (compiled[grid], (*numbers, *constants.values())))


def _arguments(
    x: torch.Tensor, table: _Table, out: torch.Tensor, sums: torch.dtype
) -> tuple[tuple[int, int, int], list[int], dict[str, Any]]:
    """The number of programs, and the kernel's arguments after the tables, in its order: numbers and constants."""
    import triton
    import triton.language as tl

    out_width = table.sizes[2]
    images, channels = out.shape[:2]
    columns = min(_COLUMNS, triton.next_power_of_2(channels * out_width))
    column_blocks = -(-channels * out_width // columns)
    if channels * max(out_width, x.shape[-1]) >= (1 << 31) - _COLUMNS:  # the last tile reaches beyond its row
        raise NotImplementedError(f"a row of 2³¹ samples or more, over all channels, on {x.device.type}")
    reach = max(_row_extent(x) * x.itemsize, _row_extent(out))
    numbers = [
        *table.sizes,
        channels,
        len(table.planes.first),
        len(table.rows.first),
        column_blocks,
        *(stride * x.itemsize for stride in _strides(x, table.axes)),
        *_strides(out, table.axes),
        table.planes.most,
        table.rows.most,
        table.planes.phase,
        table.rows.phase,
    ]
    constants = {
        "X_TAPS": table.x_taps,
        "UNROLLED": table.x_taps <= _MOST_UNROLLED,
        "DEEP": table.deep,
        "PLANES": table.planes.most if table.planes.most <= _MOST_PLANES_UNROLLED else 0,
        "COPIES": table.copies,
        "CHANNELS_LAST": out.stride(1) == 1 and channels > 1,
        "TO_UINT8": out.dtype is torch.uint8 and not (table.copies and x.dtype is torch.uint8),
        "SUM": tl.float64 if sums is torch.float64 else tl.float32,
        "OFFSET": tl.int64 if reach >= 1 << 31 else tl.uint32,
        "DEPTH": table.planes.size,
        "ROWS": table.rows.size,
        "COLUMNS": columns,
    }
    programs = images * len(table.planes.first) * len(table.rows.first) * column_blocks
    return (programs, 1, 1), numbers, constants


def _strides(x: torch.Tensor, axes: tuple[int, ...]) -> list[int]:
    return [x.stride(0), x.stride(1), *(x.stride(2 + axis) if axis >= 0 else 0 for axis in axes)]


def _row_extent(x: torch.Tensor) -> int:
    """The largest offset from the first sample of a row to another, over all channels."""
    return int((x.shape[1] - 1) * x.stride(1) + (x.shape[-1] - 1) * x.stride(-1))
