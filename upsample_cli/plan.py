"""A plan: everything that is going to be done to one file, from headers alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from . import formats
from .core.modes import Mode, check_ndim, find_mode
from .core.recipe import AxisRecipe, AxisTarget, make_recipe, widest
from .core.resample import TILE_BYTES
from .core.samples import Samples, premultiplied, samples
from .errors import InputError, RequestError
from .formats.base import Header, ReadOptions, Sink, Source
from .limits import TABLE_BYTES, refuse_absurd, refuse_more_than_disk, refuse_more_than_memory
from .request import Request
from .targets import find_targets

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
class Plan:
    """What is done to one file.

    Attributes:
        source_path, output_path: the files.
        before, after: the header of the input and of the output.
        request: what was asked for.
        mode: how samples are weighed.
        recipe: for each axis of the array what is done along it, or None where it was not addressed.
        rules: how samples are loaded, computed and stored.
        slab_axis: the slowest axis that is resized.
        slab_rows: how many rows of it are made at a time.
        sink: what writes the output.
        whole: bytes of the arrays that are held as a whole, since a format knows no other way.
        warnings: what is not carried over.
    """

    source_path: Path
    output_path: Path
    before: Header
    after: Header
    request: Request
    mode: Mode
    recipe: tuple[AxisRecipe | None, ...]
    rules: Samples
    slab_axis: int
    slab_rows: int
    sink: Sink
    whole: int
    warnings: tuple[str, ...]

    @property
    def output_bytes(self) -> int:
        """The size of the output's samples."""
        return _bytes(self.after)

    @property
    def memory(self) -> int:
        """The predicted peak of the working memory, in bytes."""
        rows_before, rows_after = (math.prod(h.grid.shape[: self.slab_axis + 1]) for h in (self.before, self.after))
        row_before, row_after = _bytes(self.before) // rows_before, _bytes(self.after) // rows_after
        first = itertools.takewhile(lambda slab: slab.leads.start == 0, self.slabs())
        slab = max(len(s.leads) * (len(s.reads) * row_before + len(s.rows) * row_after) for s in first)
        tables = TABLE_BYTES * sum(step.map.out_size for step in self.recipe if step is not None)
        return self.whole + slab + tables + 4 * TILE_BYTES

    def slabs(self) -> Iterator[Slab]:
        """The parts of the output, in the order in which they are written."""
        in_size, out_size = self.before.grid.shape[self.slab_axis], self.after.grid.shape[self.slab_axis]
        leads = math.prod(self.before.grid.shape[: self.slab_axis])
        together = max(1, self.slab_rows // out_size)
        for lead in range(0, leads, together):
            for start in range(0, out_size, self.slab_rows):
                rows = range(start, min(start + self.slab_rows, out_size))
                step = self.recipe[self.slab_axis]
                bands = step.bands if step else None
                reads = range(*bands.reads(rows.start, rows.stop)) if bands else rows
                if together > 1:
                    reads = range(in_size)
                yield Slab(range(lead, min(lead + together, leads)), rows, reads)


def read_options(request: Request) -> ReadOptions:
    """How files are to be understood for `request`."""
    return ReadOptions(axes=request.axes, keep_indices=_mode(request).picks)


def make_plan(request: Request, source: Source, source_path: Path, output_path: Path) -> Plan:
    """Plan to do what `request` says to `source`, for `output_path`.

    Raises:
        RequestError: the request does not fit the file, or asks for more than the machine can hold.
        InputError: the file's samples cannot be resized.
        OutputError: the output cannot hold the result.
    """
    before = source.header
    mode = _mode(request)
    targets = find_targets(request, before.grid, source_path)
    recipe = _make_recipe(request, mode, targets, before, source_path)
    changes = {name: step.map for name, step in recipe.items() if step.bands is not None}
    after = replace(before, grid=before.grid.resampled(changes))
    try:
        weighted = before.alpha and request.premultiply and not mode.picks
        rules = (premultiplied if weighted else samples)(before.dtype, widest(recipe.values()))
    except TypeError as error:
        raise InputError(str(error), source_path) from error
    sink = formats.make_sink(output_path, after)
    slab_axis = next((number for number, name in enumerate(before.grid.names) if name in changes), 0)
    plan = Plan(
        source_path=source_path,
        output_path=output_path,
        before=before,
        after=after,
        request=request,
        mode=mode,
        recipe=tuple(recipe.get(name) for name in before.grid.names),
        rules=rules,
        slab_axis=slab_axis,
        slab_rows=_slab_rows(before, after, slab_axis),
        sink=sink,
        whole=math.ceil(source.copies * _bytes(before) + sink.copies * _bytes(after)),
        warnings=(*source.warnings, *sink.warnings, *_aliasing(mode, recipe), *_other_spacing(targets, before, after)),
    )
    refuse_more_than_memory(plan.memory, source_path)
    refuse_more_than_disk(plan.output_bytes, sink.compresses, output_path)
    return plan


def _mode(request: Request) -> Mode:
    try:
        mode = find_mode(request.mode)
        if request.align_corners and not mode.align_corners:
            raise ValueError(f"--align-corners has no meaning for mode {mode.name!r}; leave it out")
        return mode.antialiased() if request.antialias else mode
    except ValueError as error:
        raise RequestError(str(error)) from error


def _make_recipe(
    request: Request, mode: Mode, targets: dict[str, AxisTarget], header: Header, path: Path
) -> dict[str, AxisRecipe]:
    addressed = [axis for axis in header.grid.axes if axis.name in targets]
    if not addressed:
        raise RequestError(f"has no axis to resize among {', '.join(header.grid.names)}", path)
    if min(header.grid.shape) < 1:
        raise InputError(f"has an empty axis: {'×'.join(map(str, header.grid.shape))}", path)
    sizes = [targets[axis.name].size if axis.name in targets else axis.size for axis in header.grid.axes]
    refuse_absurd(math.prod(sizes) * header.dtype.itemsize, sum(t.size for t in targets.values()), path)
    in_order = [targets[axis.name] for axis in addressed]
    try:
        steps = make_recipe([axis.size for axis in addressed], in_order, mode, request.align_corners, header.dtype)
        changing = sum(step.bands is not None for step in steps)
        check_ndim(mode, len(addressed), changing)
    except ValueError as error:
        raise RequestError(str(error), path) from error
    return {axis.name: step for axis, step in zip(addressed, steps, strict=True)}


def _aliasing(mode: Mode, recipe: dict[str, AxisRecipe]) -> list[str]:
    shrinking = [name for name, step in recipe.items() if step.bands is not None and step.map.a > 1]
    if not (mode.aliases and shrinking):
        return []
    return [f"mode {mode.name} skips samples where it shrinks ({', '.join(shrinking)}); --antialias weighs them all"]


def _other_spacing(targets: dict[str, AxisTarget], before: Header, after: Header) -> list[str]:
    """The warnings of axes that are not as finely sampled as was asked for."""
    warnings = []
    for name, target in targets.items():
        old, new = before.grid[name].spacing, after.grid[name].spacing
        if target.exact and target.scale_factor and old and new and not math.isclose(old / target.scale_factor, new):
            warnings.append(f"the spacing of {name} is {new:.6g}, which is as near as its size and the mode allow")
    return warnings


def _slab_rows(before: Header, after: Header, slab_axis: int) -> int:
    rows = math.prod(after.grid.shape[: slab_axis + 1])
    return max(1, _SLAB_BYTES * rows // max(1, _bytes(before) + _bytes(after)))


def _bytes(header: Header) -> int:
    return math.prod(header.grid.shape) * header.dtype.itemsize
