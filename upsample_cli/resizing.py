"""What is done to one array: its recipe, its rules, and the slabs in which it streams."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np

from .ahead import ahead
from .core.modes import Mode
from .core.recipe import AxisRecipe
from .core.resample import TILE_BYTES, resample
from .core.samples import Samples
from .formats.base import Array, Header, Source
from .limits import TABLE_BYTES

_SLAB_BYTES = 32 << 20  # of input and output together, where there is memory for them
_IN_FLIGHT = 3  # slabs: one is being made, one waits, one is used
_TILES_PER_THREAD = 2  # of scratch


class Slab(NamedTuple):
    """A part of the output, and the part of the input that it is made from.

    Both are ranges of rows of the array whose axes up to the slab axis are merged; `leads` of the leading axes'
    positions follow each other in it, the same rows of the slab axis being wanted of each.

    Attributes:
        leads: the positions of the leading axes, counted as one.
        rows: of the output, along the slab axis.
        reads: of the input, along the slab axis.
        is_whole: whether all of the slab axis is read, so that several leading positions follow each other.
    """

    leads: range
    rows: range
    reads: range
    is_whole: bool


class Resizing(NamedTuple):
    """What is done to one array.

    Attributes:
        source: gives the array.
        before, after: the header of the input and of the output.
        mode: how samples are weighed.
        recipe: for each axis of the array what is done along it, or None where it was not addressed.
        rules: how samples are loaded, computed and stored.
        slab_bytes: of input and output together, that a slab may have; None for what was measured to be best.
    """

    source: Source
    before: Header
    after: Header
    mode: Mode
    recipe: tuple[AxisRecipe | None, ...]
    rules: Samples
    slab_bytes: int | None = None

    @property
    def slab_axis(self) -> int:
        """The slowest axis that is resized."""
        changes = (number for number, step in enumerate(self.recipe) if step is not None and step.bands is not None)
        return next(changes, 0)

    @property
    def slab_rows(self) -> int:
        """How many rows of the slab axis are made at a time."""
        rows = math.prod(self.after.grid.shape[: self.slab_axis + 1])
        return max(1, self._slab_bytes * rows // max(1, size_in_bytes(self.before) + size_in_bytes(self.after)))

    @property
    def _slab_bytes(self) -> int:
        return _SLAB_BYTES if self.slab_bytes is None else self.slab_bytes

    @property
    def is_one_slab(self) -> bool:
        """Whether all of the array is made at once, so that nothing can be made ahead."""
        return next(itertools.islice(self.slabs(), 1, None), None) is None

    def memory(self, threads: int) -> int:
        """The predicted peak of the working memory while slabs are made, besides what formats hold, in bytes."""
        rows_before, rows_after = (math.prod(h.grid.shape[: self.slab_axis + 1]) for h in (self.before, self.after))
        before, after = size_in_bytes(self.before), size_in_bytes(self.after)
        if self.source.copies >= 1:  # what is read are views of what the source holds
            before = 0
        row_before, row_after = before // rows_before, after // rows_after
        first = list(itertools.takewhile(lambda slab: slab.leads.start == 0, self.slabs()))
        slab = max(len(s.leads) * (len(s.reads) * row_before + len(s.rows) * row_after) for s in first)
        return min(_IN_FLIGHT * slab, before + after) + self.overhead(threads)

    def overhead(self, threads: int) -> int:
        """The part of `memory` that does not depend on the slabs."""
        tables = TABLE_BYTES * sum(step.map.out_size for step in self.recipe if step is not None)
        working = size_in_bytes(self.after) // self.after.dtype.itemsize * self.rules.working.itemsize
        return tables + threads * _TILES_PER_THREAD * min(TILE_BYTES, working)

    def in_one_slab(self) -> Resizing:
        """The same, made at once: for what is held as a whole before and after, which slabs would only add to."""
        return self._replace(slab_bytes=size_in_bytes(self.before) + size_in_bytes(self.after))

    def within(self, limit: float, threads: int) -> Resizing:
        """The same, in slabs that keep its memory below `limit` as far as that is possible."""
        slab_bytes = int((limit - self.overhead(threads)) / _IN_FLIGHT)
        fitting = self._replace(slab_bytes=max(1, min(self._slab_bytes, slab_bytes)))
        while fitting.memory(threads) > limit and fitting.slab_rows > 1:  # neighbours read some of the same rows
            fitting = fitting._replace(slab_bytes=fitting._slab_bytes // 2)
        return fitting

    def slabs(self) -> Iterator[Slab]:
        """The parts of the output, in the order in which they are written."""
        axis, slab_rows = self.slab_axis, self.slab_rows
        in_size, out_size = self.before.grid.shape[axis], self.after.grid.shape[axis]
        leads = math.prod(self.before.grid.shape[:axis])
        together = max(1, slab_rows // out_size)
        step = self.recipe[axis]
        bands = step.bands if step else None
        for lead in range(0, leads, together):
            for start in range(0, out_size, slab_rows):
                rows = range(start, min(start + slab_rows, out_size))
                reads = range(*bands.reads(rows.start, rows.stop)) if bands else rows
                if together > 1:
                    reads = range(in_size)
                yield Slab(range(lead, min(lead + together, leads)), rows, reads, together > 1)

    def results(self, threads: int = 1) -> Generator[Array]:
        """The output, slab by slab, while the next part of the input is read."""
        axis = self.slab_axis
        shape_before, shape_after = self.before.grid.shape, self.after.grid.shape
        bands = [step.bands if step is not None else None for step in self.recipe]
        along, within = bands[axis], bands[axis + 1 :]
        with closing(self._parts() if self.is_one_slab else ahead(self._parts())) as parts:
            for slab, rows in parts:
                rows = rows.reshape(len(slab.leads), len(slab.reads), *shape_before[axis + 1 :])
                out: Array = np.empty((len(slab.leads), len(slab.rows), *shape_after[axis + 1 :]), self.after.dtype)
                part = along.rows(slab.rows.start, slab.rows.stop) if along is not None and not slab.is_whole else along
                resample(rows, [None, part, *within], out, self.rules, threads)
                yield out

    def _parts(self) -> Generator[tuple[Slab, Array]]:
        axis = self.slab_axis
        size = self.before.grid.shape[axis]
        for slab in self.slabs():
            start, stop = slab.leads[0] * size + slab.reads.start, slab.leads[-1] * size + slab.reads.stop
            yield slab, self.source.read(axis, start, stop)


def size_in_bytes(header: Header) -> int:
    """Of the samples of an array."""
    return math.prod(header.grid.shape) * header.dtype.itemsize
