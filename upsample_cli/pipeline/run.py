"""Carrying out a plan: source → slabs → resampling → sink → temporary file → rename."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from .. import formats
from ..errors import OutputError
from ..formats.base import Array, Source, drafts
from ..runtime.atomic import AtomicOutput, resolve_link
from ..runtime.prefetch import prefetch
from ..runtime.signals import raise_if_signalled
from ..runtime.workers import Workers
from .plan import Plan
from .region_run import run_regions
from .tap import SampleTap


def run_plan(
    plan: Plan,
    source: Source,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
    tap: SampleTap | None = None,
    check: Callable[[Plan, Path], None] | None = None,
    before_publish: Callable[[Sequence[Path]], None] | None = None,
    workers: Workers | None = None,
) -> int:
    """Carry out `plan`. The output appears under its final name when it is complete, or not at all.

    Args:
        plan: the plan.
        source: the open input for which it was made.
        overwrite: whether the output may replace a file that exists when it is complete.
        progress: is called after each slab with the fraction of the output that has been written.
        tap: sees the samples of the first array.
        check: is called with the plan and the complete temporary file, and raises to withhold the output.
        before_publish: is called after `check` with all complete temporary files; it may raise as well.
        workers: the workers of a cluster, which make the regions of an output that has them; None for threads.

    Returns:
        The size of the output in bytes.

    Raises:
        InputError: the source cannot be read to its end.
        OutputError: the output cannot be written.
    """
    try:
        if plan.regions:
            return run_regions(plan, source, overwrite, progress, workers, tap, check, before_publish)
        if drafts(source):
            source.draft(plan.draft)  # 1 undoes the draft of an earlier job of the same file
        targets = formats.parts(resolve_link(plan.output_path))
        suffixes = [formats.split_name(target)[1] for target in targets]
        with AtomicOutput(targets, suffixes, create_folders=True) as output:
            with closing(_arrays(plan, source, progress, tap)) as arrays:  # stops all threads if the sink fails
                plan.sink.write(output.paths, arrays)
            if check is not None:
                check(plan, output.paths[0])
            if before_publish is not None:
                before_publish(output.paths)
            size = sum(path.stat().st_size for path in output.paths)  # before others can move or remove the files
            output.publish(overwrite)
            return size
    except FileExistsError as error:
        raise OutputError("was created by another process meanwhile; use --overwrite", plan.output_path) from error
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", plan.output_path) from error


def _arrays(
    plan: Plan, source: Source, progress: Callable[[float], None] | None, tap: SampleTap | None
) -> Generator[Iterable[Array]]:
    """Every array of the output as slabs, each computed while the previous one is written."""
    sources = [source, *source.others]
    written = 0

    def watched(slabs: Iterable[Array], see: Callable[[int, Array], None] | None) -> Generator[Array]:
        nonlocal written
        start = 0
        for slab in slabs:
            if see is not None:
                rows = slab.reshape(-1, *slab.shape[2:])  # a slab's first axis is the merged leading axis
                see(start, rows)
                start += len(rows)
                del rows
            written += slab.nbytes
            yield slab
            del slab  # free its memory while the next slab is computed
            raise_if_signalled()
            if progress is not None:
                progress(written / plan.output_bytes)

    for array in plan.arrays:
        on_read = None if tap is None else tap.see_input
        see = None if tap is None else partial(tap.see_output, array.slab_axis)
        tap = None  # which sees the first array only
        results = array.iter_slabs(sources[array.source_number], plan.threads, on_read)
        with closing(results if array.is_one_slab else prefetch(results)) as slabs:
            yield watched(slabs, see)
