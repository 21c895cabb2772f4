"""A separable n-D resampling: one banded matrix per axis, axis after axis, tile by tile."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import kernel, numpy_kernel
from .arrays import Array
from .dtypes import SampleCodec
from .long_axis import LongMatrix, Matrix
from .threads import get_num_threads, run_tasks
from .weights import BandedMatrix

if TYPE_CHECKING:
    from .labels import Box, Step

TILE_BYTES = (
    2 << 20
)  # of a tile in the working dtype: measured best with 1 MiB of L2, where NumPy calls cost less than misses
_WIDE_TILE_BYTES = 32 << 20  # of what a row of a tile reads, where its bands are wide
_WIDE_BAND = 8  # taps
_ROW_ELEMENTS = 512  # rows of the fastest axes are not cut shorter than this
_LONG_ROW = 1 << 13  # samples: longer rows are cut, so that what the compiled kernel keeps fits the cache
_LONG_LINE = 1 << 15  # samples: the same where only one axis is resampled, and fewer rows are kept
_PRODUCTS_PER_THREAD = 1 << 20  # fewer are done sooner than another thread is woken
_TASKS_PER_THREAD = 4  # so that all end at about the same time
_GATHER_COST = 4.0  # time per element along the fastest axis, over the time along any other


class _Block(NamedTuple):
    """A range of the output along one axis, the range of the input that it reads, and the weights between them."""

    out: slice
    read: slice
    bands: BandedMatrix | None


def resample(
    x: Array,
    bands: Sequence[Matrix | None],
    out: Array,
    codec: SampleCodec,
    threads: int | None = None,
) -> None:
    """Write to `out` the array `x` resampled along every axis that has a matrix.

    No intermediate array is larger than a few tiles, and no result depends on where the tiles lie: each value is the
    same sum of the same products whatever part of the output it is computed with.

    Args:
        x: the input; it is never written to.
        bands: for each axis of `x` its matrix, or None where the axis stays as it is.
        out: the output, of the shape that the matrices give and of any strides.
        rules: how the samples are loaded, computed and stored.
        threads: how many of them share the tiles; None for `get_num_threads`.
    """
    if out.size == 0:
        return
    if all(matrix is None for matrix in bands):
        np.copyto(out, x)
        return
    threads = _useful_threads(threads or get_num_threads(), bands, out)
    tables = [matrix for matrix in bands if not isinstance(matrix, LongMatrix)]
    if len(tables) < len(bands):
        run_tasks(_in_blocks(x, bands, out, codec), threads)
        return
    run_tasks(_whole_rows(x, tables, out, codec, threads) or _in_tiles(x, tables, out, codec, threads), threads)


def _useful_threads(threads: int, bands: Sequence[Matrix | None], out: Array) -> int:
    products = out.size * max(matrix.max_taps for matrix in bands if matrix is not None)
    return max(1, min(threads, products // _PRODUCTS_PER_THREAD))


def _in_blocks(x: Array, matrices: Sequence[Matrix | None], out: Array, codec: SampleCodec) -> list[Callable[[], None]]:
    """Tasks that each resample one block of the long axes, whose weights exist only meanwhile."""
    last = max(axis for axis, matrix in enumerate(matrices) if matrix is not None)
    interleaved = math.prod(out.shape[last + 1 :])
    steps = [
        matrix.block_rows(_longest_row(matrices) // (interleaved if axis == last else 1))
        if isinstance(matrix, LongMatrix)
        else 0
        for axis, matrix in enumerate(matrices)
    ]
    starts = [range(0, size, step) if step else (0,) for size, step in zip(out.shape, steps, strict=True)]

    def make(corner: Sequence[int]) -> None:
        reads, writes, parts = [slice(None)] * x.ndim, [slice(None)] * x.ndim, list(matrices)
        for axis, (start, matrix) in enumerate(zip(corner, matrices, strict=True)):
            if isinstance(matrix, LongMatrix):
                stop = min(start + steps[axis], matrix.out_size)
                reads[axis], writes[axis] = slice(*matrix.input_range(start, stop)), slice(start, stop)
                parts[axis] = matrix.row_slice(start, stop)
        resample(x[tuple(reads)], parts, out[tuple(writes)], codec, threads=1)

    return [partial(make, corner) for corner in itertools.product(*starts)]


def _longest_row(matrices: Sequence[Matrix | None]) -> int:
    return _LONG_LINE if sum(matrix is not None for matrix in matrices) == 1 else _LONG_ROW


def _whole_rows(
    x: Array, bands: Sequence[BandedMatrix | None], out: Array, codec: SampleCodec, threads: int
) -> list[Callable[[], None]]:
    """Tasks of the compiled kernel, straight from `x` to `out`; none where it cannot do that."""
    if not (codec.converts_only or _copies_samples(bands)):
        return []
    axis, matrix = [(axis, matrix) for axis, matrix in enumerate(bands) if matrix is not None][-1]
    samples = max(out.shape[axis], x.shape[axis]) * math.prod(out.shape[axis + 1 :])
    length = max(1, out.shape[axis] * _longest_row(bands) // samples)
    tasks: list[Callable[[], None]] = []
    whole = _Block(slice(None), slice(None), matrix)
    for block in [whole] if length >= out.shape[axis] else _blocks(out.shape[axis], length, matrix):
        lead = (slice(None),) * axis
        part = [*bands[:axis], block.bands, *bands[axis + 1 :]]
        work = kernel.work(x[*lead, block.read], part, out[*lead, block.out], codec.compute_dtype)
        if work is None:
            return []
        step = -(-work.rows // (1 if threads == 1 else threads * _TASKS_PER_THREAD))
        tasks.extend(partial(work.run, row, min(row + step, work.rows)) for row in range(0, work.rows, step))
    return tasks


def _in_tiles(
    x: Array, bands: Sequence[BandedMatrix | None], out: Array, codec: SampleCodec, threads: int
) -> list[Callable[[], None]]:
    """Tasks that each make some tiles, by way of arrays of the working dtype."""
    copies = _copies_samples(bands)
    order = _cheapest_order(bands)
    tile_shape = _tile_shape(out.shape, bands, codec.compute_dtype.itemsize, codec.pixel_axes)
    blocks = [
        list(_blocks(size, step, matrix)) for size, step, matrix in zip(out.shape, tile_shape, bands, strict=True)
    ]
    tiles = list(itertools.product(*blocks))

    def make(part: Sequence[tuple[_Block, ...]]) -> None:
        scratch = numpy_kernel.Scratch()
        with np.errstate(invalid="ignore", over="ignore"):  # infinity less infinity is NaN, and is meant to be
            for tile in part:
                source = x[tuple(block.read for block in tile)]
                target = out[tuple(block.out for block in tile)]
                steps = [(axis, matrix) for axis in order if (matrix := tile[axis].bands) is not None]
                _make_tile(source, steps, target, codec, copies, scratch)

    step = -(-len(tiles) // threads)
    return [partial(make, tiles[start : start + step]) for start in range(0, len(tiles), step)]


def _copies_samples(bands: Sequence[BandedMatrix | None]) -> bool:
    return all(matrix is None or matrix.copies_samples for matrix in bands)


def _make_tile(
    source: Array, steps: Sequence[Step], target: Array, codec: SampleCodec, copies: bool, scratch: numpy_kernel.Scratch
) -> None:
    if codec.is_label and not copies:
        _vote(source, steps, target, codec.compute_dtype, scratch)
        return
    if (copies or codec.converts_only) and _fuse_copies(source, steps, target, codec.compute_dtype, scratch):
        return
    if copies:
        _apply_all(source, steps, target, scratch)
    elif codec.writes_in_place:
        _apply_all(codec.load(source), steps, target, scratch)
    else:
        result = scratch.array("result", codec.computed_shape(target.shape), codec.compute_dtype)
        _apply_all(codec.load(source), steps, result, scratch)
        codec.store(result, target)


def _fuse_copies(
    source: Array, steps: Sequence[Step], target: Array, compute_dtype: np.dtype[Any], scratch: numpy_kernel.Scratch
) -> bool:
    """Let the compiled kernel do it with copies that lie in memory as it wants them; False where it cannot."""
    result = target if target.flags.c_contiguous else scratch.array("result", target.shape, target.dtype)
    done = _fuse(np.array(source, target.dtype, order="C"), sorted(steps), result, compute_dtype, scratch)
    if done and result is not target:
        np.copyto(target, result)
    return done


def _vote(
    x: Array, steps: Sequence[Step], out: Array, compute_dtype: np.dtype[Any], scratch: numpy_kernel.Scratch
) -> None:
    def interpolate(indicator: Array, inner: list[Step], reach: Box) -> Array:
        votes = scratch.array("votes", out[reach].shape, compute_dtype)
        _apply_all(indicator.astype(compute_dtype), inner, votes, scratch)
        return votes

    from .labels import vote  # which few resamplings need

    vote(x, steps, out, interpolate)


def _apply_all(x: Array, steps: Sequence[Step], out: Array, scratch: numpy_kernel.Scratch) -> None:
    if _fuse(x, sorted(steps), out, x.dtype, scratch):
        return
    for number, (axis, matrix) in enumerate(steps):
        y = out if number == len(steps) - 1 else _between(x, axis, matrix, scratch)
        numpy_kernel.apply(x, matrix if matrix.copies_samples else matrix.astype(x.real.dtype), axis, y, scratch)
        x = y


def _fuse(
    x: Array, steps: Sequence[Step], out: Array, compute_dtype: np.dtype[Any], scratch: numpy_kernel.Scratch
) -> bool:
    """Let the compiled kernel resample along as many axes at once as it can; False where it cannot."""
    bands: list[BandedMatrix | None] = [None] * x.ndim
    for axis, matrix in steps:
        bands[axis] = matrix
    if (work := kernel.work(x, bands, out, compute_dtype)) is not None:
        work.run(0, work.rows)
        return True
    if len(steps) == 1 or not (x.dtype == compute_dtype or _copies_samples(bands)):
        return False
    (axis, matrix), *others = steps
    y = _between(x, axis, matrix, scratch)
    return _fuse(x, [(axis, matrix)], y, compute_dtype, scratch) and _fuse(y, others, out, compute_dtype, scratch)


def _between(x: Array, axis: int, matrix: BandedMatrix, scratch: numpy_kernel.Scratch) -> Array:
    shape = (*x.shape[:axis], matrix.out_size, *x.shape[axis + 1 :])
    return scratch.array(f"axis {axis}", shape, x.dtype)


def _cheapest_order(bands: Sequence[BandedMatrix | None]) -> list[int]:
    """The axes that change, in the order that costs least: the strongest shrinking first, the fastest axis early.

    With ``r`` the growth of an axis and ``c`` the cost of one of its outputs, two axes cost ``c₁r₁ + c₂r₁r₂`` in this
    order and ``c₂r₂ + c₁r₁r₂`` in the other: the smaller ``(r − 1) / (c·r)`` goes first. Nothing here may depend on
    the size of a part, since sums in another order are rounded otherwise.
    """
    changing = {axis: matrix for axis, matrix in enumerate(bands) if matrix is not None}
    fastest = max(changing, default=0)

    def priority(axis: int) -> float:
        matrix = changing[axis]
        cost = matrix.max_taps * (_GATHER_COST if axis == fastest else 1.0)
        return (matrix.scale - 1) / (cost * matrix.scale)

    return sorted(changing, key=priority)


def _tile_shape(
    shape: Sequence[int], bands: Sequence[BandedMatrix | None], itemsize: int, pixel_axes: int
) -> list[int]:
    """Halve the longest axes until a tile and what it reads fit the cache; the fastest axes only when they are long.

    Rows are not cut where neighbouring parts would read much of the same: wide bands overlap. The last `pixel_axes`
    are never cut.
    """
    tile = list(shape)
    reads = [max(1.0, matrix.in_size / matrix.out_size) if matrix else 1.0 for matrix in bands]
    wide = any(matrix is not None and matrix.max_taps > _WIDE_BAND for matrix in bands)
    while True:
        extents = [size * read for size, read in zip(tile, reads, strict=True)]
        cuttable = [axis for axis in range(len(tile) - pixel_axes) if tile[axis] > 1]
        slow = [axis for axis in cuttable if math.prod(extents[axis + 1 :]) >= _ROW_ELEMENTS]
        limit = _WIDE_TILE_BYTES if wide and not slow else TILE_BYTES
        if not cuttable or math.prod(extents) * itemsize <= limit:
            return tile
        untouched = [axis for axis in slow if bands[axis] is None]
        axis = max(untouched or slow or cuttable, key=lambda axis: tile[axis])
        tile[axis] = (tile[axis] + 1) // 2


def _blocks(out_size: int, step: int, bands: BandedMatrix | None) -> Iterator[_Block]:
    for start in range(0, out_size, step):
        stop = min(start + step, out_size)
        if bands is None:
            yield _Block(slice(start, stop), slice(start, stop), None)
        else:
            yield _Block(slice(start, stop), slice(*bands.input_range(start, stop)), bands.row_slice(start, stop))
