"""The reference kernel: one banded matrix applied along one axis of an array, in plain NumPy.

Every output is ``taps[0]·x[0] + taps[1]·x[1] + …``, multiplied and added element by element in this order. Neither the
shape of a block nor its place changes a bit of the result, which a matrix product by a BLAS would not promise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from .arrays import Array, ByteArray, DTypeLike, IndexArray
from .weights import BandedMatrix, Phases

_FEW_ELEMENTS = 4096  # of output: below it, a loop over many taps costs more than one over the rows
_REPEATING_ELEMENTS = 4096  # of output: below it, to look for weights that repeat costs more than they save
_SHORT_RUN = 32  # elements: below it, NumPy's cost per inner loop exceeds the work in it


class Scratch:
    """Memory that is kept from block to block, so that it stays in the cache and is mapped only once."""

    def __init__(self) -> None:
        self._buffers: dict[str, ByteArray] = {}

    def array(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """An uninitialised array over the memory called `name`; the array it gave before is lost."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size, np.uint8)
        return buffer[:size].view(dtype).reshape(shape)


def apply(x: Array, bands: BandedMatrix, axis: int, out: Array, scratch: Scratch) -> None:
    """Write to `out` the product of the matrix `bands` and `x` along `axis`.

    Args:
        x: shape (…, bands.in_size, …), of the dtype in which to compute; of any dtype where the matrix only picks.
        bands: the matrix, with weights of the real dtype that belongs to it.
        axis: index of the axis, not negative.
        out: shape (…, bands.out_size, …), of any strides.
        scratch: memory for what lies between.
    """
    if bands.copies_samples:
        np.copyto(out, _take(x, bands.columns(0), axis, scratch))
        return
    if bands.max_taps > bands.out_size and out.size < _FEW_ELEMENTS:
        _apply_row_by_row(x, bands, axis, out)
        return
    run = math.prod(x.shape[axis + 1 :])
    periodic = out.size >= _REPEATING_ELEMENTS and (run == 1 or run >= _SHORT_RUN)
    phases = bands.phases if periodic else None
    if phases is None:
        _apply_gathered(x, bands, axis, out, scratch)
        return
    lead = (slice(None),) * axis
    for start, stop in ((0, phases.start), (phases.stop, bands.out_size)):
        if start < stop:
            part = x[*lead, slice(*bands.input_range(start, stop))]
            _apply_gathered(part, bands.row_slice(start, stop), axis, out[*lead, start:stop], scratch)
    _apply_periodic(x, bands, phases, axis, out, scratch)


def _apply_periodic(x: Array, bands: BandedMatrix, phases: Phases, axis: int, out: Array, scratch: Scratch) -> None:
    """The rows of `phases`: every period-th row is a sum of strided slices of `x`, each times a constant."""
    lead = (slice(None),) * axis
    rows = range(phases.start, min(phases.start + phases.period, phases.stop))
    products: dict[float, Array] = {}
    if phases.step == 1:  # each sample meets each weight: multiply once, then only add
        for weight in set(bands.taps[rows.start : rows.stop].flat):
            memory = scratch.array(f"product {len(products)}", x.shape, x.dtype)
            products[float(weight)] = np.multiply(x, weight, out=memory)
    for row in rows:
        target = out[*lead, row : phases.stop : phases.period]
        span = (target.shape[axis] - 1) * phases.step + 1
        first, count = int(bands.first[row]), int(bands.tap_count[row])
        parts = [(*lead, slice(start, start + span, phases.step)) for start in range(first, first + count)]
        weights = bands.taps[row, :count]
        if products:
            _sum([products[float(weight)][part] for weight, part in zip(weights, parts, strict=True)], target)
        else:
            _sum(_products([x[part] for part in parts], weights, scratch), target)


def _apply_gathered(x: Array, bands: BandedMatrix, axis: int, out: Array, scratch: Scratch) -> None:
    """Rows of any weights: for each tap, gather the samples that the rows read and multiply them by its weights."""
    trailing = x.shape[axis + 1 :]
    weights = bands.taps.T.reshape(bands.max_taps, bands.out_size, *(1,) * len(trailing))
    if math.prod(trailing) < _SHORT_RUN:  # weights as long as the rows, for one long inner loop
        weights = np.ascontiguousarray(np.broadcast_to(weights, (*weights.shape[:2], *trailing)))
    taken = (_take(x, bands.columns(tap), axis, scratch) for tap in range(bands.max_taps))
    _sum(_blanked(_products(taken, weights, scratch), bands, axis), out)


def _blanked(products: Iterable[Array], bands: BandedMatrix, axis: int) -> Iterator[Array]:
    """The products, made −0, which added to anything changes nothing, for the rows that have no such tap."""
    for tap, product in enumerate(products):
        if (beyond := np.flatnonzero(bands.tap_count <= tap)).size:
            product[(slice(None),) * axis + (beyond,)] = -np.zeros((), product.dtype)
        yield product


def _apply_row_by_row(x: Array, bands: BandedMatrix, axis: int, out: Array) -> None:
    """Few rows of many weights: for each row, all products at once, added up in the order of the taps."""
    lead: tuple[slice, ...] = (slice(None),) * axis
    trailing = (1,) * (x.ndim - axis - 1)
    for row in range(bands.out_size):
        taps = np.arange(bands.tap_count[row])
        index = np.clip(bands.first[row] + taps, 0, bands.in_size - 1)
        products = x.take(index, axis) * bands.taps[row, taps].reshape(-1, *trailing)
        np.add.accumulate(products, axis, out=products)
        out[*lead, row] = products[*lead, -1]  # type: ignore[index]


def _take(x: Array, index: IndexArray, axis: int, scratch: Scratch) -> Array:
    taken = scratch.array("taken", (*x.shape[:axis], len(index), *x.shape[axis + 1 :]), x.dtype)
    return np.take(x, index, axis, out=taken, mode="clip")


def _products(factors: Iterable[Array], weights: Iterable[Array], scratch: Scratch) -> Iterator[Array]:
    """Each factor times its weight, in memory that the one after it uses again, but for the first."""
    memory = "first term"
    for factor, weight in zip(factors, weights, strict=True):
        yield np.multiply(factor, weight, out=scratch.array(memory, factor.shape, factor.dtype))
        memory = "further term"


def _sum(terms: Iterable[Array], out: Array) -> None:
    """Write to `out` the sum of the terms, added up in their order."""
    total: Array | None = None
    for term in terms:
        total = term if total is None else np.add(total, term, out=out)
    if total is not None and total is not out:
        np.copyto(out, total)
