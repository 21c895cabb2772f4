"""Running all jobs of a batch: a single job in this process, several in worker processes."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.atomic import remove_stale
from ..runtime.signals import bounded_delay
from .job import ExecutionOptions, Job
from .result import Result
from .shared_input import SharedInput
from .worker import run_job

if TYPE_CHECKING:
    from ..runtime.cluster import DaskWorkers


def run_jobs(jobs: Sequence[Job], options: ExecutionOptions, cluster: DaskWorkers | None = None) -> Generator[Result]:
    """Run the jobs, and yield the result of each as it ends. A job that fails does not stop the others.

    Several inputs are resized in separate processes, so that a crash fails only one job. The jobs of one input run
    one after another, so that it is decoded only once if it fits in memory. Results do not depend on the number of
    processes. Closing the generator stops all workers.

    Args:
        jobs: the jobs.
        options: how they are run.
        cluster: the workers of a cluster, which run the jobs instead.
    """
    if not options.dry_run:
        outputs = {os.path.dirname(job.output) for job in jobs if _is_pending(job)}  # noqa: PTH120 ten times as fast
        for folder in outputs:
            remove_stale(Path(folder))
    tasks = []
    for number, job in enumerate(jobs):
        if _is_pending(job):
            tasks.append((number, job))
        else:
            yield _result_without_run(number, job)
    if cluster is not None and tasks and not options.dry_run:
        from .cluster import run_on_cluster

        yield from run_on_cluster(tasks, options, cluster)
        return
    groups = [list(group) for _, group in groupby(tasks, lambda task: task[1].input)]
    if len(groups) > 1:
        from .pool import run_in_processes  # a single file does not need it

        yield from run_in_processes(groups, options)
        return
    with SharedInput() as inputs:
        for left, (number, job) in zip(range(len(tasks))[::-1], tasks, strict=True):
            if options.progress is not None:
                options.progress(job, 0.0)
            progress = None if options.progress is None else partial(options.progress, job)
            with bounded_delay():
                result = run_job(number, job, options, progress, inputs=inputs, further=left > 0)
            yield result


def _is_pending(job: Job) -> bool:
    return job.error is None and job.skip is None


def _result_without_run(number: int, job: Job) -> Result:
    if job.error is not None:
        return Result(job.input, None, "failed", number=number, error=job.error)
    return Result(job.input, job.output, "skipped", number=number, reason=job.skip)
