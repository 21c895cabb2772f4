"""What is done to one array: its recipe, its rules, and the slabs in which it streams."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .core.modes import Mode
from .core.recipe import AxisRecipe
from .core.resample import TILE_BYTES, resample
from .core.samples import Samples
from .formats.base import Array, Header, Source
from .limits import TABLE_BYTES

_SLAB_BYTES = 64 << 20  # of input and output together; a multiple of it is held at a time


@dataclass(frozen=True, slots=True)
class Slab:
    """A part of the output, and the part of the input that it is made from.

    Both are ranges of rows of the array whose axes up to the slab axis are merged; `leads` of the leading axes'
    positions follow each other in it, the same rows of the slab axis being wanted of each.

    Attributes:
        leads: the positions of the leading axes, counted as one.
        rows: of the output, along the slab axis.
        reads: of the input, along the slab axis.
    """

    leads: range
    rows: range
    reads: range


@dataclass(frozen=True, slots=True)
class Resizing:
    """What is done to one array.

    Attributes:
        source: gives the array.
        before, after: the header of the input and of the output.
        mode: how samples are weighed.
        recipe: for each axis of the array what is done along it, or None where it was not addressed.
        rules: how samples are loaded, computed and stored.
    """

    source: Source
    before: Header
    after: Header
    mode: Mode
    recipe: tuple[AxisRecipe | None, ...]
    rules: Samples

    @property
    def slab_axis(self) -> int:
        """The slowest axis that is resized."""
        changes = (number for number, step in enumerate(self.recipe) if step is not None and step.bands is not None)
        return next(changes, 0)

    @property
    def slab_rows(self) -> int:
        """How many rows of the slab axis are made at a time."""
        rows = math.prod(self.after.grid.shape[: self.slab_axis + 1])
        return max(1, _SLAB_BYTES * rows // max(1, size_in_bytes(self.before) + size_in_bytes(self.after)))

    @property
    def memory(self) -> int:
        """The predicted peak of the working memory besides what the formats hold, in bytes."""
        rows_before, rows_after = (math.prod(h.grid.shape[: self.slab_axis + 1]) for h in (self.before, self.after))
        row_before, row_after = size_in_bytes(self.before) // rows_before, size_in_bytes(self.after) // rows_after
        first = itertools.takewhile(lambda slab: slab.leads.start == 0, self.slabs())
        slab = max(len(s.leads) * (len(s.reads) * row_before + len(s.rows) * row_after) for s in first)
        tables = TABLE_BYTES * sum(step.map.out_size for step in self.recipe if step is not None)
        return slab + tables + 4 * TILE_BYTES

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
                yield Slab(range(lead, min(lead + together, leads)), rows, reads)

    def results(self) -> Iterator[Array]:
        """The output, slab by slab."""
        axis = self.slab_axis
        shape_before, shape_after = self.before.grid.shape, self.after.grid.shape
        bands = [step.bands if step is not None else None for step in self.recipe]
        along, within = bands[axis], bands[axis + 1 :]
        for slab in self.slabs():
            first, last = slab.leads[0] * shape_before[axis], slab.leads[-1] * shape_before[axis]
            rows = self.source.read(axis, first + slab.reads.start, last + slab.reads.stop)
            rows = rows.reshape(len(slab.leads), len(slab.reads), *shape_before[axis + 1 :])
            out: Array = np.empty((len(slab.leads), len(slab.rows), *shape_after[axis + 1 :]), self.after.dtype)
            part = along.rows(slab.rows.start, slab.rows.stop) if along is not None else None
            resample(rows, [None, part, *within], out, self.rules)
            yield out


def size_in_bytes(header: Header) -> int:
    """Of the samples of an array."""
    return math.prod(header.grid.shape) * header.dtype.itemsize
