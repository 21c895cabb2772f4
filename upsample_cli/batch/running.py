"""From jobs to results: one job in this very process, several in workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import formats
from ..errors import OutputError, UpsampleError, as_failure
from ..limits import cores
from ..pipeline import run
from ..plan import Plan, make_plan, read_options
from ..unfinished import sweep
from .results import Result, Summary

if TYPE_CHECKING:
    from .jobs import Job

EXISTS = "exists"  # why a job is skipped
_BY_COUNT = {"linear": {2: "bilinear", 3: "trilinear"}, "cubic": {2: "bicubic"}}


@dataclass(frozen=True)
class RunOptions:
    """How jobs are run, all of them alike.

    Attributes:
        processes: how many jobs run at a time, or None for one per core.
        max_memory: the bytes that all jobs together may work with, or None for a part of the machine's.
        overwrite: whether outputs may replace what exists.
        skip_existing: whether outputs that come into being meanwhile, as by a second run on the same files, are left
            as they are, which is no failure.
        dry_run: whether to plan only.
        thumbnails: whether to make small pictures for the report.
        progress: is told which part of a job is done, 0 when it begins, now and then; None where nobody listens.
    """

    processes: int | None = None
    max_memory: int | None = None
    overwrite: bool = False
    skip_existing: bool = False
    dry_run: bool = False
    thumbnails: bool = False
    progress: Callable[[Job, float], None] | None = None


def run_jobs(jobs: Sequence[Job], options: RunOptions) -> Generator[Result]:
    """Do the jobs and give each one's result as it ends. A bad file never stops the others.

    Several jobs are done in processes of their own, so that one that is killed takes no other with it. What becomes
    of a file does not depend on how many there are. Close the generator, and whatever still works is stopped.
    """
    if not options.dry_run:
        for folder in {os.path.dirname(job.output) for job in jobs if _is_to_be_done(job)}:  # noqa: PTH120 ten times as fast
            sweep(Path(folder))
    tasks = []
    for number, job in enumerate(jobs):
        if _is_to_be_done(job):
            tasks.append((number, job))
        else:
            yield _not_done(number, job)
    if len(tasks) > 1:
        from .workers import run_in_processes  # which a single file never needs

        yield from run_in_processes(tasks, options)
        return
    for number, job in tasks:
        if options.progress is not None:
            options.progress(job, 0.0)
        progress = None if options.progress is None else partial(options.progress, job)
        yield run_job(number, job, options, progress)


def _is_to_be_done(job: Job) -> bool:
    return job.error is None and job.skip is None


def run_job(
    number: int,
    job: Job,
    options: RunOptions,
    progress: Callable[[float], None] | None = None,
    begin: Callable[[Plan], None] | None = None,
) -> Result:
    """Do one job in this process.

    Args:
        number: of the job among all.
        job: the job.
        options: for all jobs; not their `progress`.
        progress: is told now and then which part is done.
        begin: is told the plan before a sample is read, and may wait until there is memory for it.
    """
    began = time.perf_counter()
    result = Result(job.input, job.output, "planned", number=number)
    error: UpsampleError | None = None
    try:
        if options.skip_existing and _exists(job):
            return result._replace(status="skipped", reason=EXISTS)
        with formats.open_source(job.input, read_options(job.request)) as source:
            plan = make_plan(job.request, source, job.input, job.output)
            result = _planned(result, plan)
            if not options.dry_run:
                if begin is not None:
                    begin(plan)
                result = _carried_out(result, plan, options, progress)
    except Exception as failure:
        error = as_failure(failure, job.input, "ask for less")
    if isinstance(error, OutputError) and options.skip_existing and _exists(job):
        return result._replace(status="skipped", reason=EXISTS, bytes=0)
    if error is not None:
        result = result._replace(status="failed", error=error, bytes=0)
    return result._replace(seconds=time.perf_counter() - began)


def _not_done(number: int, job: Job) -> Result:
    if job.error is not None:
        return Result(job.input, None, "failed", number=number, error=job.error)
    return Result(job.input, job.output, "skipped", number=number, reason=job.skip)


def _exists(job: Job) -> bool:
    return all(os.path.exists(part) for part in formats.parts(job.output))  # noqa: PTH110 a name may be impossible


def _planned(result: Result, plan: Plan) -> Result:
    return result._replace(
        before=Summary(plan.before.grid, plan.before.dtype.name, len(plan.mains)),
        after=Summary(plan.after.grid, plan.after.dtype.name, len(plan.mains)),
        mode=_mode_name(plan),
        working=plan.main.rules.working.name,
        warnings=plan.warnings,
        bytes=plan.output_bytes,
        memory=plan.memory,
    )


def _carried_out(planned: Result, plan: Plan, options: RunOptions, progress: Callable[[float], None] | None) -> Result:
    plan = plan._replace(threads=plan.request.threads or cores())  # in a batch fewer than it was planned for
    watch = None
    if options.thumbnails:
        from ..report.thumbnails import Watch  # which only the report wants

        watch = Watch(plan)
        plan = watch.plan
    written = run(plan, overwrite=options.overwrite, progress=progress)
    thumbnails = None if watch is None else watch.thumbnails()
    return planned._replace(status="done", bytes=written, thumbnails=thumbnails)


def _mode_name(plan: Plan) -> str:
    name = plan.main.mode.name
    changed = [step.map for step in plan.main.recipe if step is not None and step.bands is not None]
    words = [_BY_COUNT.get(name, {}).get(len(changed), name)]
    words += ["antialiased"] if plan.request.antialias else []
    words += ["align-corners"] if plan.request.align_corners else []
    return " ".join(words)
