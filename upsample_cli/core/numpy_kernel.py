"""The reference kernel: apply one banded matrix along one axis of an array, in plain NumPy.

Every output is ``taps[0]·x[0] + taps[1]·x[1] + …``, multiplied and added element by element in this order. Unlike with
a BLAS matrix product, the shape and position of a block never change a bit of the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from .arrays import Array, ByteArray, DTypeLike, IndexArray
from .weights import BandedMatrix, Phases

_ROW_LOOP_MAX_ELEMENTS = 4096  # of output; below, a loop over the few rows is faster than one over their many taps
_PERIODIC_MIN_ELEMENTS = 4096  # of output; below, finding repeated weights costs more than it saves
_MIN_RUN_ELEMENTS = 32  # below, NumPy's overhead per inner loop exceeds the arithmetic


class Scratch:
    """Named buffers that are reused from block to block, so that they stay in the cache and are allocated once."""

    def __init__(self) -> None:
        self._buffers: dict[str, ByteArray] = {}

    def array(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """An uninitialised array in the buffer called `name`; it overwrites the previous array of that name."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size, np.uint8)
        return buffer[:size].view(dtype).reshape(shape)


def apply(x: Array, matrix: BandedMatrix, axis: int, out: Array, scratch: Scratch) -> None:
    """Write to `out` the product of `matrix` and `x` along `axis`.

    Args:
        x: shape (…, matrix.in_size, …), of the compute dtype; of any dtype if the matrix only copies samples.
        matrix: the matrix, with weights of the real dtype that corresponds to the dtype of `x`.
        axis: index of the axis, not negative.
        out: shape (…, matrix.out_size, …), with any strides.
        scratch: memory for intermediate arrays.
    """
    if matrix.copies_samples:
        np.copyto(out, _take(x, matrix.columns(0), axis, scratch))
        return
    if matrix.max_taps > matrix.out_size and out.size < _ROW_LOOP_MAX_ELEMENTS:
        _apply_row_by_row(x, matrix, axis, out)
        return
    run_length = math.prod(x.shape[axis + 1 :])
    periodic = out.size >= _PERIODIC_MIN_ELEMENTS and (run_length == 1 or run_length >= _MIN_RUN_ELEMENTS)
    phases = matrix.phases if periodic else None
    if phases is None:
        _apply_gathered(x, matrix, axis, out, scratch)
        return
    lead = (slice(None),) * axis
    for start, stop in ((0, phases.start), (phases.stop, matrix.out_size)):
        if start < stop:
            part = x[*lead, slice(*matrix.input_range(start, stop))]
            _apply_gathered(part, matrix.row_slice(start, stop), axis, out[*lead, start:stop], scratch)
    _apply_periodic(x, matrix, phases, axis, out, scratch)


def _apply_periodic(x: Array, matrix: BandedMatrix, phases: Phases, axis: int, out: Array, scratch: Scratch) -> None:
    """Compute the rows of `phases`: every period-th row is a sum of strided slices of `x`, each times a constant."""
    lead = (slice(None),) * axis
    rows = range(phases.start, min(phases.start + phases.period, phases.stop))
    products: dict[float, Array] = {}
    if phases.step == 1:  # each sample is needed times each weight: multiply once, then only add
        for weight in set(matrix.taps[rows.start : rows.stop].flat):
            memory = scratch.array(f"product {len(products)}", x.shape, x.dtype)
            products[float(weight)] = np.multiply(x, weight, out=memory)
    for row in rows:
        target = out[*lead, row : phases.stop : phases.period]
        extent = (target.shape[axis] - 1) * phases.step + 1
        first, count = int(matrix.first[row]), int(matrix.tap_count[row])
        parts = [(*lead, slice(start, start + extent, phases.step)) for start in range(first, first + count)]
        weights = matrix.taps[row, :count]
        if products:
            _sum([products[float(weight)][part] for weight, part in zip(weights, parts, strict=True)], target)
        else:
            _sum(_products([x[part] for part in parts], weights, scratch), target)


def _apply_gathered(x: Array, matrix: BandedMatrix, axis: int, out: Array, scratch: Scratch) -> None:
    """Compute rows with any weights: for each tap, gather the samples that the rows read and multiply them."""
    trailing = x.shape[axis + 1 :]
    weights = matrix.taps.T.reshape(matrix.max_taps, matrix.out_size, *(1,) * len(trailing))
    if math.prod(trailing) < _MIN_RUN_ELEMENTS:  # full-size weights, so that NumPy runs one long inner loop
        weights = np.ascontiguousarray(np.broadcast_to(weights, (*weights.shape[:2], *trailing)))
    taken = (_take(x, matrix.columns(tap), axis, scratch) for tap in range(matrix.max_taps))
    _sum(_zero_unused(_products(taken, weights, scratch), matrix, axis), out)


def _zero_unused(products: Iterable[Array], matrix: BandedMatrix, axis: int) -> Iterator[Array]:
    """Set products of unused taps to −0.0, the additive identity of every float, −0.0 included."""
    for tap, product in enumerate(products):
        if (unused := np.flatnonzero(matrix.tap_count <= tap)).size:
            product[(slice(None),) * axis + (unused,)] = -np.zeros((), product.dtype)
        yield product


def _apply_row_by_row(x: Array, matrix: BandedMatrix, axis: int, out: Array) -> None:
    """Compute few rows with many taps: for each row, all products at once, summed in the order of the taps."""
    lead: tuple[slice, ...] = (slice(None),) * axis
    trailing = (1,) * (x.ndim - axis - 1)
    for row in range(matrix.out_size):
        taps = np.arange(matrix.tap_count[row])
        index = np.clip(matrix.first[row] + taps, 0, matrix.in_size - 1)
        products = x.take(index, axis) * matrix.taps[row, taps].reshape(-1, *trailing)
        np.add.accumulate(products, axis, out=products)
        out[*lead, row] = products[*lead, -1]  # type: ignore[index]


def _take(x: Array, index: IndexArray, axis: int, scratch: Scratch) -> Array:
    taken = scratch.array("taken", (*x.shape[:axis], len(index), *x.shape[axis + 1 :]), x.dtype)
    return np.take(x, index, axis, out=taken, mode="clip")


def _products(factors: Iterable[Array], weights: Iterable[Array], scratch: Scratch) -> Iterator[Array]:
    """Each factor times its weight; all products but the first share one buffer."""
    memory = "first term"
    for factor, weight in zip(factors, weights, strict=True):
        yield np.multiply(factor, weight, out=scratch.array(memory, factor.shape, factor.dtype))
        memory = "further term"


def _sum(terms: Iterable[Array], out: Array) -> None:
    """Write to `out` the sum of the terms, added in their order."""
    total: Array | None = None
    for term in terms:
        total = term if total is None else np.add(total, term, out=out)
    if total is not None and total is not out:
        np.copyto(out, total)
