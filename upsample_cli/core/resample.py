"""Separable n-D resampling: apply one banded matrix per axis, tile by tile."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import kernel, numpy_kernel
from .arrays import Array
from .bounded_cache import BoundedCache
from .dtypes import SampleCodec
from .long_axis import LongMatrix, Matrix
from .threads import get_num_threads, run_tasks
from .weights import BandedMatrix

if TYPE_CHECKING:
    from .labels import Box, Step

# Size of a tile in the compute dtype; measured best with 1 MiB of L2 cache, balancing NumPy calls and cache misses.
TILE_BYTES = 2 << 20
_WIDE_TILE_BYTES = 32 << 20  # input bytes of a tile of one row, if the matrices have many taps
_COPIED_BYTES = 32 << 20  # largest input that is copied whole
_WIDE_BAND_TAPS = 8  # matrices with more taps count as wide
_MIN_ROW_ELEMENTS = 512  # rows of the fastest axes are not cut shorter than this
_MAX_ROW_SAMPLES = 1 << 13  # longer rows are cut, so that the intermediate rows of the compiled kernel fit the cache
_MAX_LINE_SAMPLES = 1 << 15  # the same if only one axis is resampled, and there are no intermediate rows
_MIN_PRODUCTS_PER_THREAD = 1 << 20  # fewer take less time than waking another thread
_TASKS_PER_THREAD = 4  # balances the load
_MOST_THREADS = 1 << 16  # more than any machine has
_CACHED_ROWS, _MAX_CACHED_TAPS = 64, 1 << 13  # of small calls, which spend most of their time on preparation
_FORMULA_PART, _SHORTEST_FORMULA_PART = 1 << 18, 1 << 12  # output samples of a task in all, and along the axis
_MOST_FORMULA_PARTS = 256
_GATHER_COST = 4.0  # time per element along the fastest axis, relative to any other axis


class _Block(NamedTuple):
    """A range of the output along one axis, the input range that it reads, and the matrix between them."""

    out_slice: slice
    in_slice: slice
    matrix: BandedMatrix | None


def resample(
    x: Array, matrices: Sequence[Matrix | None], out: Array, codec: SampleCodec, threads: int | None = None
) -> None:
    """Resample `x` along every axis that has a matrix, and write the result to `out`.

    No intermediate array is larger than a few tiles, or than `_COPIED_BYTES`. Results do not depend on the tiling: each
    value is the same sum of the same products, added in the same order.

    Args:
        x: the input, which is only read.
        matrices: for each axis of `x` its matrix, or None if the axis does not change.
        out: the output, of the shape that the matrices produce and with any strides.
        codec: how samples are loaded, computed and stored.
        threads: number of threads; None for `get_num_threads()`.
    """
    if out.size == 0:
        return
    layout = (x.dtype, x.shape, x.strides, x.flags.aligned, out.dtype, out.strides, out.flags.aligned)
    key = (kernel.instruction_set(), codec.compute_dtype, codec.converts_only, codec.sample, *layout, *matrices)
    if (rows := _row_cache.get(key)) is not None:
        _run_rows(rows, x, out, threads)
        return
    if all(matrix is None for matrix in matrices):
        np.copyto(out, x)
        return
    tables = [matrix for matrix in matrices if not isinstance(matrix, LongMatrix)]
    is_long = len(tables) < len(matrices)
    rows = _prepare_formula(x, matrices, out, codec) if is_long else _prepare_rows(x, tables, out, codec)
    if rows is not None:
        if is_long or kernel.total_taps(tables) <= _MAX_CACHED_TAPS:
            _row_cache.store(key, rows)
        _run_rows(rows, x, out, threads)
    elif is_long:
        run_tasks(_block_tasks(x, matrices, out, codec), _useful_thread_count(threads, matrices, out.size))
    else:
        threads = _useful_thread_count(threads, matrices, out.size)
        if codec.converts_only or _copies_samples(tables):
            order = _memory_order(out, tables)
            x, tables, out = x.transpose(order), [tables[axis] for axis in order], out.transpose(order)
            if x.nbytes <= _COPIED_BYTES and not x.flags.c_contiguous:
                resample(kernel.contiguous(x), tables, out, codec, threads)
                return
        run_tasks(_tile_tasks(x, tables, out, codec, threads), threads)


def prepare_small(
    x: Array, matrices: Sequence[Matrix | None], out: Array, codec: SampleCodec
) -> Callable[[int, int], None] | None:
    """The work of `resample` for arrays like these, as a function of the addresses of input and output.

    None if the work is worth more than one thread, or if the compiled kernel does not do it.
    """
    tables = [matrix for matrix in matrices if not isinstance(matrix, LongMatrix)]
    if len(tables) < len(matrices) or not any(tables) or kernel.total_taps(tables) > _MAX_CACHED_TAPS:
        return None
    rows = _prepare_rows(x, tables, out, codec)
    return rows.parts[0][2].bind(x, out) if rows and len(rows.parts) == rows.threads == 1 else None


def is_worth_threads(matrices: Sequence[Matrix | None], out_size: int) -> bool:
    """Whether to resample to so many samples is worth more than one thread, and therefore more than its preparation."""
    return _useful_thread_count(_MOST_THREADS, matrices, out_size) > 1


def _useful_thread_count(threads: int | None, matrices: Sequence[Matrix | None], out_size: int) -> int:
    products = out_size * max((matrix.max_taps for matrix in matrices if matrix is not None), default=1)
    most = products // _MIN_PRODUCTS_PER_THREAD
    return 1 if most < 2 else min(threads or get_num_threads(), most)


def _block_tasks(
    x: Array, matrices: Sequence[Matrix | None], out: Array, codec: SampleCodec
) -> list[Callable[[], None]]:
    """Tasks that each resample one block of the long axes; its weights exist only meanwhile."""
    last = max(axis for axis, matrix in enumerate(matrices) if matrix is not None)
    interleaved = math.prod(out.shape[last + 1 :])
    steps = [
        matrix.block_rows(_max_row_samples(matrices) // (interleaved if axis == last else 1))
        if isinstance(matrix, LongMatrix)
        else 0
        for axis, matrix in enumerate(matrices)
    ]
    starts = [range(0, size, step) if step else (0,) for size, step in zip(out.shape, steps, strict=True)]

    def resample_block(corner: Sequence[int]) -> None:
        reads, writes, parts = [slice(None)] * x.ndim, [slice(None)] * x.ndim, list(matrices)
        for axis, (start, matrix) in enumerate(zip(corner, matrices, strict=True)):
            if isinstance(matrix, LongMatrix):
                stop = min(start + steps[axis], matrix.out_size)
                reads[axis], writes[axis] = slice(*matrix.input_range(start, stop)), slice(start, stop)
                parts[axis] = matrix.row_slice(start, stop)
        resample(x[tuple(reads)], parts, out[tuple(writes)], codec, threads=1)

    return [partial(resample_block, corner) for corner in itertools.product(*starts)]


def _max_row_samples(matrices: Sequence[Matrix | None]) -> int:
    return _MAX_LINE_SAMPLES if sum(matrix is not None for matrix in matrices) == 1 else _MAX_ROW_SAMPLES


class _Rows(NamedTuple):
    """The work of the compiled kernel directly from one array to another.

    Attributes:
        parts: for each part of the last resampled axis, its slices of the input and the output, and the work.
        threads: the largest useful number of threads.
        shares_rows: whether threads share the rows of each part, too; not where each call would compute the weights.
    """

    parts: Sequence[tuple[tuple[slice, ...], tuple[slice, ...], kernel.CompiledResample]]
    threads: int
    shares_rows: bool = True


_row_cache: BoundedCache[_Rows] = BoundedCache(_CACHED_ROWS)


def _prepare_rows(x: Array, matrices: Sequence[BandedMatrix | None], out: Array, codec: SampleCodec) -> _Rows | None:
    """The work for arrays like `x` and `out`; None if the compiled kernel does not support it."""
    if not (codec.converts_only or _copies_samples(matrices)):
        return None
    axis, matrix = [(axis, matrix) for axis, matrix in enumerate(matrices) if matrix is not None][-1]
    samples = max(out.shape[axis], x.shape[axis]) * math.prod(out.shape[axis + 1 :])
    length = max(1, out.shape[axis] * _max_row_samples(matrices) // samples)
    parts = []
    whole = _Block(slice(None), slice(None), matrix)
    for block in [whole] if length >= out.shape[axis] else _blocks(out.shape[axis], length, matrix):
        lead = (slice(None),) * axis
        reads, writes = (*lead, block.in_slice), (*lead, block.out_slice)
        part = [*matrices[:axis], block.matrix, *matrices[axis + 1 :]]
        job = kernel.prepare(x[reads], part, out[writes], codec.compute_dtype, codec.sample)
        if job is None:
            return None
        parts.append((reads, writes, job))
    return _Rows(parts, _useful_thread_count(_MOST_THREADS, matrices, out.size))


def _prepare_formula(x: Array, matrices: Sequence[Matrix | None], out: Array, codec: SampleCodec) -> _Rows | None:
    """The work along one long axis whose weights the compiled kernel computes by itself; None if it does not."""
    changing = [(axis, matrix) for axis, matrix in enumerate(matrices) if matrix is not None]
    (axis, matrix), *others = changing
    if others or not isinstance(matrix, LongMatrix) or not (codec.converts_only or matrix.copies_samples):
        return None
    parts = []
    length = max(_FORMULA_PART * matrix.out_size // out.size, _SHORTEST_FORMULA_PART)
    step = max(length, -(-matrix.out_size // _MOST_FORMULA_PARTS))
    for start in range(0, matrix.out_size, step):
        stop = min(start + step, matrix.out_size)
        part = [matrix.rows(start, stop) if number == axis else None for number in range(x.ndim)]
        writes = (slice(None),) * axis + (slice(start, stop),)
        if (job := kernel.prepare(x, part, out[writes], codec.compute_dtype, codec.sample)) is None:
            return None
        parts.append(((slice(None),) * axis, writes, job))
    return _Rows(parts, _useful_thread_count(_MOST_THREADS, matrices, out.size), shares_rows=False)


def _run_rows(rows: _Rows, x: Array, out: Array, threads: int | None) -> None:
    if len(rows.parts) == rows.threads == 1:
        job = rows.parts[0][2]
        job.run(x, out, 0, job.rows)
        return
    threads = min(threads or get_num_threads(), rows.threads)
    tasks: list[Callable[[], None]] = []
    for reads, writes, job in rows.parts:
        step = -(-job.rows // (threads * _TASKS_PER_THREAD if rows.shares_rows and threads > 1 else 1))
        source, target = x[reads], out[writes]
        tasks.extend(
            partial(job.run, source, target, row, min(row + step, job.rows)) for row in range(0, job.rows, step)
        )
    run_tasks(tasks, threads)


def _memory_order(out: Array, matrices: Sequence[BandedMatrix | None]) -> Sequence[int]:
    """The axes in memory order, unless that reorders the resampled axes, whose order determines the rounding."""
    order = sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis]))
    resampled = [axis for axis in order if matrices[axis] is not None]
    return order if resampled == sorted(resampled) else range(out.ndim)


def _tile_tasks(
    x: Array, matrices: Sequence[BandedMatrix | None], out: Array, codec: SampleCodec, threads: int
) -> list[Callable[[], None]]:
    """Tasks that each compute some tiles, through intermediate arrays of the compute dtype."""
    copies_samples = _copies_samples(matrices)
    order = _cheapest_order(matrices)
    tile_shape = _tile_shape(out.shape, matrices, codec.compute_dtype.itemsize, codec.pixel_axes)
    blocks = [
        list(_blocks(size, step, matrix)) for size, step, matrix in zip(out.shape, tile_shape, matrices, strict=True)
    ]
    tiles = list(itertools.product(*blocks))

    def resample_tiles(part: Sequence[tuple[_Block, ...]]) -> None:
        scratch = numpy_kernel.Scratch()
        with np.errstate(invalid="ignore", over="ignore"):  # ∞ − ∞ is NaN by design
            for tile in part:
                source = x[tuple(block.in_slice for block in tile)]
                target = out[tuple(block.out_slice for block in tile)]
                steps = [(axis, matrix) for axis in order if (matrix := tile[axis].matrix) is not None]
                _resample_tile(source, steps, target, codec, copies_samples, scratch)

    step = -(-len(tiles) // threads)
    return [partial(resample_tiles, tiles[start : start + step]) for start in range(0, len(tiles), step)]


def _copies_samples(matrices: Sequence[BandedMatrix | None]) -> bool:
    return all(matrix is None or matrix.copies_samples for matrix in matrices)


def _resample_tile(
    source: Array,
    steps: Sequence[Step],
    target: Array,
    codec: SampleCodec,
    copies_samples: bool,
    scratch: numpy_kernel.Scratch,
) -> None:
    if codec.is_label and not copies_samples:
        _vote(source, steps, target, codec.compute_dtype, scratch)
        return
    if (copies_samples or codec.converts_only) and _try_compiled_on_copy(source, steps, target, codec, scratch):
        return
    if copies_samples:
        _apply_steps(source, steps, target, scratch)
    elif codec.writes_in_place:
        _apply_steps(codec.load(source), steps, target, scratch)
    else:
        result = scratch.array("result", codec.computed_shape(target.shape), codec.compute_dtype)
        _apply_steps(codec.load(source), steps, result, scratch)
        codec.store(result, target)


def _try_compiled_on_copy(
    source: Array, steps: Sequence[Step], target: Array, codec: SampleCodec, scratch: numpy_kernel.Scratch
) -> bool:
    """Run the compiled kernel on contiguous copies; return False if it does not support the resampling."""
    result = target if target.flags.c_contiguous else scratch.array("result", target.shape, target.dtype)
    same = source.dtype == target.dtype
    copy = kernel.contiguous(source) if same else np.array(source, target.dtype, order="C")
    done = _try_compiled(copy, sorted(steps), result, codec.compute_dtype, scratch, codec.sample)
    if done and result is not target:
        np.copyto(target, result)
    return done


def _vote(
    x: Array, steps: Sequence[Step], out: Array, compute_dtype: np.dtype[Any], scratch: numpy_kernel.Scratch
) -> None:
    def interpolate(indicator: Array, inner: list[Step], box: Box) -> Array:
        votes = scratch.array("votes", out[box].shape, compute_dtype)
        _apply_steps(indicator.astype(compute_dtype), inner, votes, scratch)
        return votes

    from .labels import vote  # rarely needed

    vote(x, steps, out, interpolate)


def _apply_steps(x: Array, steps: Sequence[Step], out: Array, scratch: numpy_kernel.Scratch) -> None:
    if _try_compiled(x, sorted(steps), out, x.dtype, scratch):
        return
    for number, (axis, matrix) in enumerate(steps):
        y = out if number == len(steps) - 1 else _intermediate(x, axis, matrix, scratch)
        numpy_kernel.apply(x, matrix if matrix.copies_samples else matrix.astype(x.real.dtype), axis, y, scratch)
        x = y


def _try_compiled(
    x: Array,
    steps: Sequence[Step],
    out: Array,
    compute_dtype: np.dtype[Any],
    scratch: numpy_kernel.Scratch,
    sample: str = "",
) -> bool:
    """Run the compiled kernel along as many axes at once as it supports; return False if it does not support one."""
    matrices: list[BandedMatrix | None] = [None] * x.ndim
    for axis, matrix in steps:
        matrices[axis] = matrix
    if (job := kernel.prepare(x, matrices, out, compute_dtype, sample)) is not None:
        job.run(x, out, 0, job.rows)
        return True
    if len(steps) == 1 or not (x.dtype == compute_dtype or _copies_samples(matrices)):
        return False
    (axis, matrix), *others = steps
    y = _intermediate(x, axis, matrix, scratch)
    first_done = _try_compiled(x, [(axis, matrix)], y, compute_dtype, scratch)
    return first_done and _try_compiled(y, others, out, compute_dtype, scratch)


def _intermediate(x: Array, axis: int, matrix: BandedMatrix, scratch: numpy_kernel.Scratch) -> Array:
    shape = (*x.shape[:axis], matrix.out_size, *x.shape[axis + 1 :])
    return scratch.array(f"axis {axis}", shape, x.dtype)


def _cheapest_order(matrices: Sequence[BandedMatrix | None]) -> list[int]:
    """The axes that change, in the cheapest order: the axis that shrinks most first, the fastest axis early.

    Let ``r`` be the scale of an axis and ``c`` the cost of one of its output samples. Two axes cost ``c₁r₁ + c₂r₁r₂``
    in this order and ``c₂r₂ + c₁r₁r₂`` in the other, so the smaller ``(r − 1) / (c·r)`` goes first. The order must not
    depend on the size of a part, because another order of summation rounds differently.
    """
    changing = {axis: matrix for axis, matrix in enumerate(matrices) if matrix is not None}
    fastest = max(changing, default=0)

    def priority(axis: int) -> float:
        matrix = changing[axis]
        cost = matrix.max_taps * (_GATHER_COST if axis == fastest else 1.0)
        return (matrix.scale - 1) / (cost * matrix.scale)

    return sorted(changing, key=priority)


def _tile_shape(
    shape: Sequence[int], matrices: Sequence[BandedMatrix | None], itemsize: int, pixel_axes: int
) -> list[int]:
    """Halve the longest axes until the input of a tile fits the cache; cut the fastest axes only if they are long.

    Rows with wide bands are cut less, because the input ranges of neighbouring tiles overlap. The last `pixel_axes`
    axes are never cut.
    """
    tile = list(shape)
    reads = [max(1.0, matrix.in_size / matrix.out_size) if matrix else 1.0 for matrix in matrices]
    wide = any(matrix is not None and matrix.max_taps > _WIDE_BAND_TAPS for matrix in matrices)
    while True:
        extents = [size * read for size, read in zip(tile, reads, strict=True)]
        cuttable = [axis for axis in range(len(tile) - pixel_axes) if tile[axis] > 1]
        slow = [axis for axis in cuttable if math.prod(extents[axis + 1 :]) >= _MIN_ROW_ELEMENTS]
        limit = _WIDE_TILE_BYTES if wide and not slow else TILE_BYTES
        if not cuttable or math.prod(extents) * itemsize <= limit:
            return tile
        unchanged = [axis for axis in slow if matrices[axis] is None]
        axis = max(unchanged or slow or cuttable, key=lambda axis: tile[axis])
        tile[axis] = (tile[axis] + 1) // 2


def _blocks(out_size: int, step: int, matrix: BandedMatrix | None) -> Iterator[_Block]:
    for start in range(0, out_size, step):
        stop = min(start + step, out_size)
        if matrix is None:
            yield _Block(slice(start, stop), slice(start, stop), None)
        else:
            yield _Block(slice(start, stop), slice(*matrix.input_range(start, stop)), matrix.row_slice(start, stop))
