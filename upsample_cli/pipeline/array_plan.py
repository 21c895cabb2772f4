"""The plan for one array, and the slabs in which it is read, resampled and written."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..core import kernel
from ..core.axis_plan import AxisPlan, held_weight_bytes
from ..core.dtypes import SampleCodec
from ..core.modes import Mode
from ..core.resample import TILE_BYTES, resample
from ..formats.base import Array, Header, Source
from ..runtime.prefetch import prefetch
from .conversion import SampleConversion

RowsListener: TypeAlias = Callable[[int, int, Array], None]  # slab axis, number of the first row, rows

_SLAB_BYTES = 12 << 20  # input and output of one slab together, unless memory is short; larger ones are no faster
_TILES_WITHOUT_CODEC = 3  # of a thread, where the kernel does not convert samples: input, intermediate and result
_SLABS_IN_FLIGHT = 2  # one is being computed, one is being written


class Slab(NamedTuple):
    """A part of the output, and the part of the input from which it is computed.

    Both are row ranges of the array whose axes before the slab axis are merged into one leading axis. A slab covers the
    same rows of the slab axis at several consecutive leading positions.

    Attributes:
        leads: positions along the merged leading axis.
        rows: rows of the output along the slab axis.
        reads: rows of the input along the slab axis.
        is_whole: whether the slab covers the whole slab axis.
    """

    leads: range
    rows: range
    reads: range
    is_whole: bool


class ArrayPlan(NamedTuple):
    """What is done to one array.

    Attributes:
        before, after: the header of the input and of the output.
        mode: the interpolation mode.
        axes: the plan for each axis of the array.
        codec: how samples are converted for the arithmetic.
        source_number: which array of the input file is read, counted from 0.
        source_streams: whether the input can be read in parts.
        reads_output: which array of the output is read instead, for a level that is made from another; or None.
        inside: for each axis, the output samples that lie within the input.
        outside: the value of all others; None if they repeat the border.
        slab_bytes: size limit of a slab, input and output together; None for the default.
        conversion: what is done to the resampled values before they are stored, or None.
    """

    before: Header
    after: Header
    mode: Mode
    axes: tuple[AxisPlan, ...]
    codec: SampleCodec
    source_number: int
    source_streams: bool
    inside: tuple[range, ...] = ()
    outside: float | None = None
    slab_bytes: int | None = None
    reads_output: int | None = None
    conversion: SampleConversion | None = None

    @property
    def covered(self) -> float:
        """The part of the output that lies within the input."""
        return math.prod(len(part) / size for part, size in zip(self.inside, self.after.grid.shape, strict=False))

    @property
    def changed_axes(self) -> tuple[str, ...]:
        """The names of the axes that are resampled, slowest first."""
        pairs = zip(self.before.grid.names, self.axes, strict=True)
        return tuple(name for name, axis in pairs if axis.matrix is not None)

    @property
    def drops_alpha(self) -> bool:
        """Whether alpha, the last sample of each pixel, is blended with a background, so that the output lacks it."""
        return self.conversion is not None and self.conversion.background is not None

    @property
    def slab_axis(self) -> int:
        """The number of the slowest axis that is resampled."""
        return next((number for number, axis in enumerate(self.axes) if axis.matrix is not None), 0)

    @property
    def slab_rows(self) -> int:
        """Output rows per slab along the slab axis, or in total if a slab covers several leading positions."""
        rows = math.prod(self.after.grid.shape[: self.slab_axis + 1])
        return max(1, self._slab_bytes * rows // max(1, self._total_bytes))

    @property
    def _total_bytes(self) -> int:
        """The size of the whole input and output, and of the values before their conversion."""
        return array_bytes(self.before) + array_bytes(self.after) + self._values_bytes

    @property
    def _values_bytes(self) -> int:
        if self.conversion is None:
            return 0
        return math.prod(self._values_shape(self.after.grid.shape)) * self._values_dtype.itemsize

    @property
    def _slab_bytes(self) -> int:
        return _SLAB_BYTES if self.slab_bytes is None else self.slab_bytes

    @property
    def is_one_slab(self) -> bool:
        """Whether a single slab covers the array, so that there is nothing to prefetch."""
        return self.slab_rows >= math.prod(self.after.grid.shape[: self.slab_axis + 1])

    def memory(self, threads: int) -> int:
        """Predicted peak of the working memory in bytes, without the memory of the source and the sink."""
        rows_before, rows_after = (math.prod(h.grid.shape[: self.slab_axis + 1]) for h in (self.before, self.after))
        before, after = array_bytes(self.before), array_bytes(self.after)
        if not self.source_streams:  # reads are views of the array that the source holds
            before = 0
        row_before, row_after = before // rows_before, after // rows_after
        leads, rows, reads = self._largest_slab
        slab = leads * (reads * row_before + rows * row_after)
        values = leads * rows * (self._values_bytes // rows_after)
        return min(_SLABS_IN_FLIGHT * slab, before + after) + values + self._fixed_memory(threads)

    @property
    def window_bytes(self) -> int:
        """Bytes of the input rows from which one row of the output along the slab axis is computed."""
        matrix = self.axes[self.slab_axis].matrix
        rows = 1 if matrix is None else min(matrix.max_taps, self.before.grid.shape[self.slab_axis])
        return rows * math.prod(self.before.grid.shape[self.slab_axis + 1 :]) * self.before.dtype.itemsize

    @property
    def _largest_slab(self) -> tuple[int, int, int]:
        """Upper bounds of a slab's leading positions, rows and input rows, found without visiting every slab."""
        axis, slab_rows = self.axes[self.slab_axis], self.slab_rows
        in_size, out_size = (header.grid.shape[self.slab_axis] for header in (self.before, self.after))
        if slab_rows >= out_size:
            leads = math.prod(self.before.grid.shape[: self.slab_axis])
            return min(slab_rows // out_size, leads), out_size, in_size
        reads = slab_rows
        if axis.matrix is not None:
            reads = min(math.ceil((slab_rows - 1) * axis.map.a) + axis.matrix.max_taps, in_size)
        return 1, slab_rows, reads

    def _fixed_memory(self, threads: int) -> int:
        """The part of `memory` that does not depend on the size of slabs: weights and scratch tiles."""
        maps = [axis.map for axis in self.axes if axis.matrix is not None]
        weights = 0
        if not self._computes_weights:
            weights = sum(held_weight_bytes(self.mode, axis.in_size, axis.out_size, threads) for axis in maps)
        computed = array_bytes(self.after) // self.after.dtype.itemsize * self.codec.compute_dtype.itemsize
        tiles = 1 if self.conversion is None else _TILES_WITHOUT_CODEC
        return weights + threads * tiles * min(TILE_BYTES, computed)

    @property
    def _computes_weights(self) -> bool:
        """Whether the compiled kernel computes the weights while it resamples, so that they take no memory."""
        matrices = [axis.matrix for axis in self.axes if axis.matrix is not None]
        channels = math.prod(self.after.grid.shape[self.slab_axis + 1 :])
        return len(matrices) == 1 and self.codec.converts_only and kernel.computes_weights(matrices[0], channels)

    def unsliced(self) -> ArrayPlan:
        """The same plan with a single slab, for arrays that are held whole before and after anyway."""
        return self._replace(slab_bytes=self._total_bytes)

    def fit_memory(self, limit: float, threads: int) -> ArrayPlan:
        """The same plan with slabs small enough to keep its memory below `limit` bytes, as far as possible."""
        if self.memory(threads) <= limit:
            return self
        slab_bytes = int((limit - self._fixed_memory(threads)) / _SLABS_IN_FLIGHT)
        fitting = self._replace(slab_bytes=max(1, min(self._slab_bytes, slab_bytes)))
        while fitting.memory(threads) > limit and fitting.slab_rows > 1:  # neighbouring slabs read overlapping rows
            fitting = fitting._replace(slab_bytes=fitting._slab_bytes // 2)
        return fitting

    def slabs(self) -> Iterator[Slab]:
        """The slabs, in the order in which they are written."""
        axis, slab_rows = self.slab_axis, self.slab_rows
        in_size, out_size = self.before.grid.shape[axis], self.after.grid.shape[axis]
        leads = math.prod(self.before.grid.shape[:axis])
        together = max(1, slab_rows // out_size)
        matrix = self.axes[axis].matrix
        for lead in range(0, leads, together):
            for start in range(0, out_size, slab_rows):
                rows = range(start, min(start + slab_rows, out_size))
                reads = range(*matrix.input_range(rows.start, rows.stop)) if matrix else rows
                if together > 1:
                    reads = range(in_size)
                yield Slab(range(lead, min(lead + together, leads)), rows, reads, together > 1)

    def iter_slabs(self, source: Source, threads: int = 1, on_read: RowsListener | None = None) -> Generator[Array]:
        """Compute the output slab by slab, while the next part of the input is being read.

        Args:
            source: the array to read.
            threads: number of threads that compute.
            on_read: is called with everything that is read.

        Yields:
            Arrays of shape (leading positions, rows, …); in turn they are the whole output in C order.
        """
        axis = self.slab_axis
        shape_before, shape_after = self.before.grid.shape, self.after.grid.shape
        along, *within = [axis_plan.matrix for axis_plan in self.axes[axis:]]
        reads = self._read_slabs(source, on_read)
        with closing(reads if self.is_one_slab else prefetch(reads)) as parts:
            for slab, rows in parts:
                rows = rows.reshape(len(slab.leads), len(slab.reads), *shape_before[axis + 1 :])
                shape = (len(slab.leads), len(slab.rows), *shape_after[axis + 1 :])
                out = self.empty_values(shape)
                part = along
                if along is not None and not slab.is_whole:
                    part = along.row_slice(slab.rows.start, slab.rows.stop)
                resample(rows, [None, part, *within], out, self.codec, threads)
                yield self.finished(out, [slab.rows, *map(range, shape_after[axis + 1 :])])

    def empty_values(self, shape: Sequence[int]) -> Array:
        """An uninitialised array for the resampled values of an output box of this shape."""
        return np.empty(self._values_shape(tuple(shape)), self._values_dtype)

    def finished(self, values: Array, box: Sequence[range]) -> Array:
        """The samples of an output box, made from its resampled values: set outside the input, and converted.

        Args:
            values: the resampled values, which may be modified.
            box: output samples along the last axes; along the other axes, which are not resampled, all are inside.
        """
        if self.outside is not None and self.covered < 1:
            for axis, (part, rows) in enumerate(zip(self.inside[-len(box) :], box, strict=True), -len(box)):
                moved = np.moveaxis(values, axis, 0)
                moved[: max(0, part.start - rows.start)] = self.outside
                moved[max(0, part.stop - rows.start) :] = self.outside
        return values if self.conversion is None else self.conversion.apply(values)

    @property
    def _values_dtype(self) -> np.dtype[Any]:
        return self.after.dtype if self.conversion is None else self.conversion.values_dtype

    def _values_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self.conversion is None else self.conversion.values_shape(shape)

    def _read_slabs(self, source: Source, on_read: RowsListener | None) -> Generator[tuple[Slab, Array]]:
        axis = self.slab_axis
        size = self.before.grid.shape[axis]
        for slab in self.slabs():
            start, stop = slab.leads[0] * size + slab.reads.start, slab.leads[-1] * size + slab.reads.stop
            rows = source.read(axis, start, stop)
            if on_read is not None:
                on_read(axis, start, rows)
            yield slab, rows


def array_bytes(header: Header) -> int:
    """The size of an array's samples in bytes."""
    return math.prod(header.grid.shape) * header.dtype.itemsize
