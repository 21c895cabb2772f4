"""Running the jobs of a batch on the workers of a cluster."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .. import formats
from ..errors import UpsampleError
from ..pipeline.request import Request
from ..runtime.atomic import remove_stale
from ..runtime.cluster import DaskWorkers, worker_memory
from ..runtime.urls import is_url
from .job import ExecutionOptions, Job
from .result import Result
from .worker import run_job

_PROBED = 8  # inputs and output directories that each worker must see


class _ClusterJob(NamedTuple):
    number: int
    job: Job
    options: ExecutionOptions


def run_on_cluster(
    tasks: Sequence[tuple[int, Job]], options: ExecutionOptions, workers: DaskWorkers
) -> Generator[Result]:
    """Run numbered jobs on `workers`, and yield each result as its job ends.

    A single job from Zarr to Zarr is planned here and its regions are made by the workers; otherwise each worker runs
    whole jobs, one at a time.

    Raises:
        RequestError: the workers cannot do the work.
        UpsampleError: the scheduler has gone away.
    """
    jobs = [job for _, job in tasks]
    workers.check(
        [_absolute(job.input) for job in jobs[:_PROBED] if not is_url(str(job.input))],
        sorted({_absolute(job.output).parent for job in jobs if not is_url(str(job.output))})[:_PROBED],
    )
    if len(tasks) == 1 and _has_regions(jobs[0]):
        number, job = tasks[0]
        progress = options.progress
        notify = None if progress is None else lambda fraction: progress(job, fraction)
        result = run_job(number, _absolute_job(job), replace(options, progress=None), notify, workers=workers)
        yield result._replace(input=job.input, output=job.output)
        return
    sent = replace(options, progress=None)
    by_number = dict(tasks)

    def submitted() -> Iterator[_ClusterJob]:
        for number, job in tasks:
            if options.progress is not None:
                options.progress(job, 0.0)
            yield _ClusterJob(number, _absolute_job(job), sent)

    with ExitStack() as stack:
        for folder in {_absolute(job.output).parent for job in jobs if not is_url(str(job.output))}:
            stack.callback(remove_stale, folder)  # temporary files of workers that died
        for task, outcome in stack.enter_context(closing(workers.run(run_cluster_job, submitted()))):
            job = by_number[task.number]
            if isinstance(outcome, Exception):
                error = outcome if isinstance(outcome, UpsampleError) else UpsampleError(str(outcome), job.input)
                outcome = Result(job.input, job.output, "failed", number=task.number, error=error)
            yield outcome._replace(input=job.input, output=job.output)


def run_cluster_job(task: _ClusterJob) -> Result:
    """Run a job in a worker of a cluster, within the worker's memory."""
    limits = [limit for limit in (task.job.request.max_memory, worker_memory()) if limit is not None]
    request = replace(task.job.request, max_memory=min(limits, default=None))
    return run_job(task.number, task.job._replace(request=request), task.options)


def _has_regions(job: Job) -> bool:
    is_zarr = is_url(str(job.input)) or formats.is_directory_file(job.input)
    return is_zarr and formats.writes_directory(job.output)


def _absolute_job(job: Job) -> Job:
    return job._replace(
        input=_absolute(job.input), output=_absolute(job.output), request=_absolute_request(job.request)
    )


def _absolute_request(request: Request) -> Request:
    """The request with names that mean the same in any directory."""
    like = None if request.like is None else os.fspath(_absolute(Path(request.like)))
    pair = request.paired_image
    return replace(request, like=like, paired_image=None if pair is None else pair._replace(path=_absolute(pair.path)))


def _absolute(path: Path) -> Path:
    return path if is_url(str(path)) else path.absolute()
