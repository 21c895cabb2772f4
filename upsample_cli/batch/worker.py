"""Running one job in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import formats
from ..core.threads import available_cores
from ..errors import OutputError, UpsampleError, as_failure
from ..pipeline.plan import Plan
from ..pipeline.run import run_plan
from .existing import Existing
from .job import ExecutionOptions, Job
from .result import Result, Summary
from .shared_input import SharedInput

if TYPE_CHECKING:
    from ..formats.base import Source
    from ..runtime.workers import Workers

_EXISTS = "exists"  # why a job is skipped


def run_job(
    number: int,
    job: Job,
    options: ExecutionOptions,
    progress: Callable[[float], None] | None = None,
    before_run: Callable[[Plan], None] | None = None,
    workers: Workers | None = None,
    before_publish: Callable[[Result, Sequence[Path]], None] | None = None,
    inputs: SharedInput | None = None,
    further: bool = False,
) -> Result:
    """Run one job in this process.

    Args:
        number: position of the job in the batch.
        job: the job.
        options: those of the batch; its `progress` is not used here.
        progress: is called with the fraction of the job that is done.
        before_run: is called with the plan before any sample is read; it may wait until there is enough memory.
        workers: the workers of a cluster, which make the regions of an output that has them.
        before_publish: is called with the result and the temporary files before they get their final names.
        inputs: opens the input, or has kept it open since the previous job.
        further: whether the next job has the same input.
    """
    started = time.perf_counter()
    inputs = SharedInput() if inputs is None else inputs
    skips_existing = options.existing is Existing.SKIP
    result = Result(job.input, job.output, "planned", number=number)
    error: UpsampleError | None = None
    try:
        if skips_existing and _output_exists(job):
            return result._replace(status="skipped", reason=_EXISTS)
        plan, source = inputs.plan(job, further)
        result = _with_plan(result, plan)
        if not options.dry_run:
            if options.planned is not None:
                options.planned(result)
            if before_run is not None:
                before_run(plan)
            result = _run(result, plan, source, options, progress, workers, inputs.check, before_publish)
    except Exception as failure:
        error = as_failure(failure, job.input, "choose a smaller output")
    finally:
        if error is not None or not further:
            inputs.close()
    if isinstance(error, OutputError) and skips_existing and _output_exists(job):
        return result._replace(status="skipped", reason=_EXISTS, bytes=0)
    if error is not None:
        result = result._replace(status="failed", error=error, bytes=0)
    return result._replace(seconds=time.perf_counter() - started)


def _output_exists(job: Job) -> bool:
    return all(formats.exists(part) for part in formats.parts(job.output))


def _with_plan(result: Result, plan: Plan) -> Result:
    before, after = plan.images[0].before, plan.images[0].after
    return result._replace(
        before=Summary.of(before, len(plan.images)),
        after=Summary.of(after, len(plan.images)),
        distorts=plan.distorts,
        mode=plan.mode_name,
        compute_dtype=plan.first.codec.compute_dtype.name,
        warnings=plan.warnings,
        bytes=plan.output_bytes,
        memory=plan.memory,
    )


def _run(
    planned: Result,
    plan: Plan,
    source: Source,
    options: ExecutionOptions,
    progress: Callable[[float], None] | None,
    workers: Workers | None,
    check_input: Callable[[], None],
    before_publish: Callable[[Result, Sequence[Path]], None] | None,
) -> Result:
    threads = plan.request.threads or available_cores()  # in a batch, fewer than the plan assumed
    if plan.regions:
        threads = min(threads, plan.threads)  # which memory may limit
    tap = None
    check: Callable[[Plan, Path], None] | None = None
    if options.thumbnails:
        from ..preview.tap import PreviewTap  # needed for the report only

        tap = PreviewTap(plan)
    if plan.request.verify:
        from ..verify.check import verify  # needed on request only

        check = verify
    done = planned

    def complete(paths: Sequence[Path]) -> None:
        nonlocal done
        check_input()
        thumbnails = None if tap is None else tap.thumbnails()
        warnings = tuple(dict.fromkeys((*planned.warnings, *source.warnings)))  # some come from reading samples
        done = planned._replace(status="done", thumbnails=thumbnails, warnings=warnings)
        if before_publish is not None:
            before_publish(done, paths)

    written = run_plan(
        plan._replace(threads=threads),
        source,
        overwrite=options.existing.replaces,
        progress=progress,
        tap=tap,
        check=check,
        before_publish=complete,
        workers=workers,
    )
    return done._replace(status="done", bytes=written)
