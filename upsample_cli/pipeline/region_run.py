"""Carrying out a plan region by region, by threads of this process or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from .. import formats
from .._version import __version__
from ..core.resample import resample
from ..core.threads import available_cores
from ..errors import OutputError, reason
from ..formats.base import Array, Box, BoxArray, BoxOutput, BoxSink, BoxSource, Source, SparseArray
from ..runtime.signals import raise_if_signalled
from ..runtime.urls import as_path
from ..runtime.workers import LocalThreads, Workers
from .array_plan import array_bytes
from .opening import open_input
from .plan import Plan, make_plan
from .regions import RegionGrid, is_constant_safe
from .request import Request
from .tap import SampleTap

_SHOWN_BYTES = 256 << 20  # of the largest array that is read once more for the report
_TASK_BYTES = 32 << 20  # of output that a worker of a cluster makes before it reports


class Region(NamedTuple):
    """One region.

    Attributes:
        array: the number of its array among those of the output.
        position: its position in the order of the array's regions.
        box: its samples.
        rows: the input from which it is computed, if that has been read already.
    """

    array: int
    position: int
    box: Box
    rows: Array | None = None


class ClusterTask(NamedTuple):
    """Some regions, and what a worker on another machine needs to make them."""

    source_path: Path
    output_path: Path
    request: Request
    location: str
    regions: tuple[Region, ...]


_opened_tasks: list[tuple[ClusterTask, tuple[Plan, Source, Sequence[BoxArray]]]] = []  # in a worker; at most one


class RegionWork:
    """Reads, resamples and writes regions. Threads may share it."""

    def __init__(self, plan: Plan, source: Source, arrays: Sequence[BoxArray], threads: int = 1) -> None:
        """Work on the regions of `plan` with `threads` threads for each."""
        self._plan, self._sources, self._arrays = plan, [source, *source.others], arrays
        self._threads = threads

    def run(self, region: Region) -> None:
        """Make one region.

        Raises:
            InputError: the input cannot be read.
            OutputError: the codecs of the input cannot encode the samples.
            OSError: the output cannot be written.
        """
        plan, grid = self._plan.arrays[region.array], self._plan.regions[region.array]
        reads = grid.reads(region.box)
        rows = self._read(region.array, reads) if region.rows is None else region.rows
        out = plan.empty_values([len(part) for part in region.box])
        matrices = [
            None if axis.matrix is None else axis.matrix.row_slice(part.start, part.stop)
            for axis, part in zip(plan.axes, region.box, strict=True)
        ]
        resample(rows, matrices, out, plan.codec, self._threads)
        samples = plan.finished(out, region.box)
        try:
            self._arrays[region.array].write_box(region.box, samples)
        except (TypeError, ValueError, LookupError, OverflowError) as error:  # some codecs check settings here
            raise OutputError(f"cannot be encoded by its codecs: {reason(error)}", self._plan.output_path) from error

    def _read(self, number: int, reads: Box) -> Array:
        plan = self._plan.arrays[number]
        if plan.reads_output is not None:
            return self._arrays[plan.reads_output].read_box(reads)
        return cast(BoxSource, self._sources[plan.source_number]).read_box(reads)


def run_regions(
    plan: Plan,
    source: Source,
    overwrite: bool,
    progress: Callable[[float], None] | None = None,
    workers: Workers | None = None,
    tap: SampleTap | None = None,
    check: Callable[[Plan, Path], None] | None = None,
    before_publish: Callable[[Sequence[Path]], None] | None = None,
) -> int:
    """Carry out a plan that is cut into regions; see `run_plan`.

    Args:
        plan: the plan.
        source: the open input.
        overwrite: whether the output may replace one that exists.
        progress: is called with the fraction of the output that has been written.
        workers: the workers of a cluster, or None for threads of this process.
        tap: sees the samples of the first array, if they are few enough to be read once more.
        check: is called with the plan and the location of the complete output before it gets its final name.
        before_publish: is called after `check` with the location of the output.
    """
    with cast(BoxSink, plan.sink).begin(_fingerprint(plan), overwrite) as output:
        written = 0
        for number, grid in enumerate(plan.regions):
            size = array_bytes(grid.plan.after)
            with closing(_made_regions(plan, source, output, number, workers)) as regions:
                for region in regions:
                    output.mark(number, region.position)
                    raise_if_signalled()
                    if progress is not None:
                        done = written + size * (region.position + 1) / len(grid)
                        progress(min(1.0, done / max(1, plan.output_bytes)))
            written += size
            _forget(grid, source, output)
        size = output.finish()
        if tap is not None:
            _show(tap, plan, source, output)
        if check is not None:
            check(plan, as_path(output.location))
        if before_publish is not None:
            before_publish([as_path(output.location)])
    if progress is not None:
        progress(1.0)
    return size


def _made_regions(
    plan: Plan, source: Source, output: BoxOutput, number: int, workers: Workers | None
) -> Generator[Region]:
    """Make the pending regions of an array, and yield each when it is complete."""
    grid = plan.regions[number]
    regions = _pending(number, grid, source, output)
    if workers is not None and not grid.reads_rows:
        return _on_cluster(plan, grid, output, regions, workers)
    return _on_threads(plan, source, output, regions, number)


def _forget(grid: RegionGrid, source: Source, output: BoxOutput) -> None:
    """Free the decoded chunks of the array that the regions of `grid` have read."""
    if grid.plan.reads_output is not None:
        output.arrays[grid.plan.reads_output].forget()
    elif isinstance(read := [source, *source.others][grid.plan.source_number], BoxSource):
        read.forget()


def _pending(number: int, grid: RegionGrid, source: Source, output: BoxOutput) -> Iterator[Region]:
    """The regions of an array that are still to be made, in order."""
    for position, index in enumerate(_wanted(grid, source, output)):
        if not output.is_done(number, position):
            box = grid.box(index)
            rows = None
            if grid.reads_rows:
                sources = [source, *source.others]
                rows = _rows(grid, sources[grid.plan.source_number], grid.reads(box))
            yield Region(number, position, box, rows)


def _wanted(grid: RegionGrid, source: Source, output: BoxOutput) -> Iterator[tuple[int, ...]]:
    """The positions of all regions that hold more than the fill value."""
    from_output = grid.plan.reads_output
    read = [source, *source.others][grid.plan.source_number] if from_output is None else output.arrays[from_output]
    if not isinstance(read, SparseArray) or not is_constant_safe(grid.plan, read.fill_value):
        return grid.indices()
    stored = read.stored_chunks()
    if stored is None:
        return grid.indices()
    found = grid.reading(stored, read.write_shape)
    return grid.indices() if len(found) == len(grid) else grid.ordered(found)


def _rows(grid: RegionGrid, source: Source, reads: Box) -> Array:
    """The input box `reads` of a region, from a source that is read row by row."""
    axis, shape = grid.plan.slab_axis, grid.plan.before.grid.shape
    parts = []
    for lead in product(*reads[:axis]):
        start = int(np.ravel_multi_index(lead, shape[:axis])) * shape[axis] if axis else 0
        parts.append(source.read(axis, start + reads[axis].start, start + reads[axis].stop))
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    rows = rows.reshape(*(len(part) for part in reads[: axis + 1]), *shape[axis + 1 :])
    inner = tuple(slice(part.start, part.stop) for part in reads[axis + 1 :])
    return rows[(slice(None),) * (axis + 1) + inner]


def _on_threads(
    plan: Plan, source: Source, output: BoxOutput, regions: Iterator[Region], number: int
) -> Generator[Region]:
    parallel = max(1, min(plan.threads, len(plan.regions[number])))
    work = RegionWork(plan, source, output.arrays, max(1, plan.threads // parallel))
    with closing(LocalThreads(parallel).run(work.run, regions)) as results:
        for region, error in results:
            if error is not None:
                raise error
            yield region._replace(rows=None)


def _on_cluster(
    plan: Plan, grid: RegionGrid, output: BoxOutput, regions: Iterator[Region], workers: Workers
) -> Generator[Region]:
    request = replace(plan.request, verify=False)

    def tasks() -> Iterator[ClusterTask]:
        size = max(1, _TASK_BYTES // max(1, grid.region_bytes))
        while part := tuple(islice(regions, size)):
            yield ClusterTask(plan.source_path, plan.output_path, request, output.location, part)

    with closing(workers.run(run_cluster_task, tasks())) as results:
        for task, error in results:
            if isinstance(error, Exception):
                raise error
            yield from task.regions


def run_cluster_task(task: ClusterTask) -> None:
    """Make the regions of a task in a worker of a cluster, with all its threads."""
    plan, source, arrays = _opened(task)
    threads = available_cores()
    work = RegionWork(plan, source, arrays)
    with closing(LocalThreads(threads).run(work.run, task.regions)) as results:
        for _, error in results:
            if error is not None:
                raise error


def _opened(task: ClusterTask) -> tuple[Plan, Source, Sequence[BoxArray]]:
    """The plan of the client, made again, with its input and output opened; kept for the next task of this output."""
    key = task._replace(regions=())
    if not _opened_tasks or _opened_tasks[0][0] != key:
        source = open_input(task.source_path, task.request)
        plan = make_plan(task.request, source, task.source_path, task.output_path)
        _opened_tasks[:] = [(key, (plan, source, cast(BoxSink, plan.sink).stored_arrays(task.location)))]
    return _opened_tasks[0][1]


def _show(tap: SampleTap, plan: Plan, source: Source, output: BoxOutput) -> None:
    """Read the first array of the input and of the output once more for a preview, unless it is large."""
    first = plan.first
    if max(array_bytes(first.before), array_bytes(first.after)) > _SHOWN_BYTES or not isinstance(source, BoxSource):
        return
    whole = [range(size) for size in first.after.grid.shape[1:]]
    for row in range(first.before.grid.shape[0]):
        tap.see_input(0, row, source.read(0, row, row + 1))
    for row in range(first.after.grid.shape[0]):
        tap.see_output(0, row, output.arrays[0].read_box((range(row, row + 1), *whole)))


def _fingerprint(plan: Plan) -> str:
    """Hexadecimal digits that are equal if and only if input, options and version are."""
    import hashlib  # slow import: loads OpenSSL

    request = replace(plan.request, threads=None, max_memory=None, verify=False)
    words = (__version__, request, [grid.shape for grid in plan.regions], str(plan.source_path.absolute()))
    digest = hashlib.sha256(repr(words).encode(errors="surrogateescape"))
    for part in formats.identity(plan.source_path):
        digest.update(part.encode(errors="surrogateescape"))
    return digest.hexdigest()
