"""Run jobs in parallel worker processes, which are started once and replaced if they are killed.

The parent has one connection to each worker, and it alone assigns jobs and grants memory. A worker runs one job at a
time: it plans the job, asks for memory if the plan needs more than the worker's share, runs it and sends the result.
A worker exits when its connection is closed.

Own code, because one killed worker ends all jobs of a `ProcessPoolExecutor`, and no pool grants memory to jobs.
"""

from __future__ import annotations

import ctypes
import signal
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeAlias

from .. import formats
from ..core.threads import available_cores, set_core_limit
from ..errors import RequestError, UpsampleError
from ..pipeline.plan import Plan
from ..runtime import signals
from ..runtime.atomic import remove_stale_of, remove_unpublished, resolve_link
from ..runtime.library_messages import hide_library_messages
from ..runtime.resources import baseline_bytes, total_memory
from .job import ExecutionOptions, Job
from .result import Result
from .shared_input import SharedInput
from .worker import run_job

Task: TypeAlias = tuple[int, Job]  # the number of a job in the batch, and the job
Connection: TypeAlias = Any  # multiprocessing has a different class for each system

_STOP_SECONDS = 1.0  # that a worker has to remove its temporary files before it is killed
_PROGRESS_SECONDS = 0.1  # between two progress messages of a worker
_MEMORY_TOLERANCE = 1.001  # relative, for rounding errors in sums of memory shares
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from malloc.h
_MMAP_THRESHOLD_BYTES = 32 << 20  # the largest value that glibc accepts
_TRIM_THRESHOLD_BYTES = 64 << 20  # free memory that malloc keeps
_PRELOAD_JOBS = 100  # preload the formats of the first 100 jobs before forking


@dataclass(frozen=True, slots=True)
class _MemoryRequest:
    """Message of a worker whose plan needs more than its share; the worker then waits for an answer."""

    bytes: int


@dataclass(frozen=True, slots=True)
class _Progress:
    """Message of a worker: the fraction of its job that is done."""

    fraction: float


def run_in_processes(groups: Sequence[Sequence[Task]], options: ExecutionOptions) -> Generator[Result]:
    """Run numbered jobs in parallel processes, and yield each result as its job ends.

    Args:
        groups: the jobs of each input, which run one after another in the same process.
        options: the options of the batch.
    """
    if _can_fork():
        _preload_formats([group[0] for group in groups[:_PRELOAD_JOBS]])
    pool = _Pool(min(options.processes or available_cores(), len(groups)), options)
    try:
        yield from pool.results(groups)
    finally:
        pool.stop()


def _preload_formats(tasks: Sequence[Task]) -> None:
    """Import the formats of the first jobs and measure the baseline memory before forking, so that workers need not."""
    for family in sorted({formats.family_of(job.input) for _, job in tasks}):
        with suppress(ImportError):  # each worker reports it for its own file
            import_module(f"{formats.__name__}.{family}")
    baseline_bytes()


@dataclass(frozen=True, slots=True)
class _Planned:
    """Message of a worker: the plan of its job."""

    result: Result


@dataclass(frozen=True, slots=True)
class _Complete:
    """Message of a worker: its output is complete and is about to get its final name.

    Attributes:
        result: of the job.
        files: (st_dev, st_ino) of the files or the directory; renaming does not change them.
    """

    result: Result
    files: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, result: Result, paths: Sequence[Path]) -> _Complete:
        """The message for these temporary files; those behind a URL cannot be recognized later."""
        found = [path.stat() for path in paths if path.exists()]
        size = sum(status.st_size for status in found if stat.S_ISREG(status.st_mode))
        return cls(result._replace(bytes=size or result.bytes), [(status.st_dev, status.st_ino) for status in found])


@dataclass(frozen=True, slots=True)
class _Published:
    """Message of a worker: the output that it announced has its final name."""

    bytes: int
    seconds: float


class _Worker:
    """A worker process, as the parent sees it.

    Attributes:
        task: the job it runs, or None if it is idle.
        backlog: further jobs with the same input, which it runs next.
        started: when it was given the job, in seconds of `time.perf_counter`.
        memory: bytes granted to it.
        requested: bytes it is waiting for, or 0.
        complete: its announcement that the output of its job is complete, or None.
    """

    def __init__(self, options: ExecutionOptions, share: float, others: Sequence[_Worker]) -> None:
        forks = _can_fork()
        context: Any = get_context("fork" if forks else "spawn")  # Any: mypy finds no Process in the common type
        self.connection, worker_end = context.Pipe()
        inherited = [worker.connection for worker in (self, *others)] if forks else []
        announces = options.planned is not None
        arguments = (worker_end, inherited, replace(options, progress=None, planned=None), share, announces)
        self.process = context.Process(target=_worker_main, args=arguments, name="upsample-worker", daemon=True)
        with _signals_blocked():  # until the worker has installed its handlers
            self.process.start()
        worker_end.close()
        self.task: Task | None = None
        self.complete: _Complete | None = None
        self.backlog: deque[Task] = deque()
        self.started = self.memory = self.requested = 0.0

    def assign(self, threads: int, share: float) -> Task:
        """Send it the next job of its backlog. If the process has died, the next read from its connection fails."""
        task = self.backlog.popleft()
        self.task, self.memory, self.started = task, share, time.perf_counter()
        with suppress(OSError):
            self.connection.send((*task, threads, bool(self.backlog)))
        return task

    def release(self) -> None:
        """Mark it as idle, without memory."""
        self.task, self.complete, self.memory, self.requested = None, None, 0.0, 0.0

    def published(self) -> bool:
        """Whether the output of its job had its final name when it was killed. Half of a pair is removed."""
        if self.task is None or self.complete is None:
            return False
        found = {}
        for part in formats.parts(resolve_link(self.task[1].output)):
            with suppress(OSError):
                found[part] = part.stat()
        ours = [part for part, s in found.items() if (s.st_dev, s.st_ino) in self.complete.files]
        if ours and len(ours) == len(self.complete.files):
            return True
        for part in ours:
            with suppress(OSError):
                part.unlink()
        return False

    def remove_temporaries(self) -> None:
        """Remove the temporary files of its job after it was killed."""
        if self.task is not None and self.process.pid is not None:
            with suppress(OSError, RuntimeError):  # RuntimeError: a loop of symbolic links
                remove_stale_of(self.process.pid, resolve_link(self.task[1].output).parent)


class _Pool:
    """The workers, their jobs, and the memory that all of them may use together."""

    def __init__(self, size: int, options: ExecutionOptions) -> None:
        self._size = size
        self._options = options
        self._memory = options.max_memory or total_memory() / 4
        self._share = self._memory / size
        self._cores = available_cores()
        self._workers: list[_Worker] = []
        self._queue: deque[Sequence[Task]] = deque()  # the jobs of each input that are not assigned to a worker

    def results(self, groups: Sequence[Sequence[Task]]) -> Generator[Result]:
        """Run the jobs, and yield each result as its job ends."""
        self._queue.extend(groups)
        self._assign_jobs()
        while busy := self._busy_workers():
            ready = wait([worker.connection for worker in busy])
            signals.raise_if_signalled()
            for worker in busy:
                if worker.connection in ready and (result := self._receive(worker)) is not None:
                    self._assign_jobs()
                    yield result

    def _busy_workers(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _assign_jobs(self) -> None:
        while (worker := self._available_worker()) is not None:
            if not worker.backlog:
                worker.backlog = deque(self._queue.popleft())
            waiting = sum(bool(other.backlog) for other in self._workers if other.task is None) + len(self._queue)
            parallel = min(self._size, len(self._busy_workers()) + waiting)
            self._notify(worker.assign(max(1, round(self._cores / parallel)), self._share), 0.0)

    def _available_worker(self) -> _Worker | None:
        """An idle worker for which there is a job, started if necessary, or None while memory is short."""
        busy = self._busy_workers()
        if len(busy) == self._size or any(worker.requested for worker in busy):
            return None
        granted = sum(worker.memory for worker in busy)
        if busy and granted + self._share > _MEMORY_TOLERANCE * self._memory:
            return None
        idle = [worker for worker in self._workers if worker.task is None]
        for worker in idle:
            if worker.backlog:
                return worker
        if not self._queue:
            return None
        for worker in idle:
            if worker.process.is_alive():
                return worker
        self._workers = busy
        return self._start_worker()

    def _start_worker(self) -> _Worker | None:
        """A new worker, or None if the system allows no more processes; the existing ones then run all jobs.

        Raises:
            RequestError: not even one process can be started.
        """
        try:
            worker = _Worker(self._options, self._share, self._workers)
        except OSError as error:
            self._size = len(self._workers)
            if not self._workers:
                raise RequestError(
                    f"cannot start a worker process: {error.strerror}; close other programs, or try again"
                ) from error
            return None
        self._workers.append(worker)
        return worker

    def _receive(self, worker: _Worker) -> Result | None:
        """Handle one message of a worker. Return the result if the message is one, or if the worker has died."""
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            message = self._on_death(worker)
        if isinstance(message, _Progress):
            self._notify(worker.task, message.fraction)
            return None
        if isinstance(message, _Planned):
            assert self._options.planned is not None
            self._options.planned(message.result)
            return None
        if isinstance(message, _Complete):
            worker.complete = message
            return None
        if isinstance(message, _Published):
            assert worker.complete is not None
            message = worker.complete.result._replace(bytes=message.bytes, seconds=message.seconds)
        if isinstance(message, _MemoryRequest):
            worker.memory, worker.requested = 0.0, message.bytes
        else:
            worker.release()
        self._grant_memory()
        return message if isinstance(message, Result) else None

    def _grant_memory(self) -> None:
        """Grant the requested memory to waiting workers, in the order in which their jobs started."""
        for worker in sorted(self._busy_workers(), key=lambda worker: worker.started):
            granted = sum(other.memory for other in self._busy_workers())
            if worker.requested and (not granted or granted + worker.requested <= self._memory):
                worker.memory, worker.requested = worker.requested, 0.0
                with suppress(OSError):
                    worker.connection.send(True)

    def _on_death(self, worker: _Worker) -> Result:
        """Remove a worker that has died, and return the failure of its job, or its result if that was complete."""
        assert worker.task is not None
        worker.process.join(_STOP_SECONDS)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        worker.remove_temporaries()
        self._workers.remove(worker)
        if worker.backlog:
            self._queue.appendleft(worker.backlog)
        number, job = worker.task
        if worker.complete is not None and worker.published():
            return worker.complete.result._replace(seconds=time.perf_counter() - worker.started)
        error = UpsampleError(_death_message(worker.process.exitcode or 0), job.input)
        seconds = time.perf_counter() - worker.started
        return Result(job.input, job.output, "failed", number=number, error=error, seconds=seconds)

    def _notify(self, task: Task | None, fraction: float) -> None:
        if task is not None and self._options.progress is not None:
            self._options.progress(task[1], fraction)

    def stop(self) -> None:
        """Stop all workers. Those that run a job first have time to remove their temporary files."""
        with _signals_blocked():  # a second Ctrl-C must not leave workers behind
            for worker in self._workers:
                worker.connection.close()
                if worker.task is not None:
                    worker.process.terminate()
            deadline = time.monotonic() + _STOP_SECONDS
            for worker in self._workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
                if worker.process.exitcode is None:
                    worker.process.kill()
                    worker.process.join()
                    worker.remove_temporaries()


def _death_message(exit_code: int) -> str:
    try:
        cause = signal.Signals(-exit_code).name
    except ValueError:
        cause = f"exit code {exit_code}"
    hint = "; if memory is short, use a smaller --max-memory or -j 1" if cause == "SIGKILL" else ""
    return f"its worker process was ended by {cause}{hint}"


# The rest runs in the worker process.


def _worker_main(
    connection: Connection,
    inherited: Sequence[Connection],
    options: ExecutionOptions,
    share: float,
    announces_plans: bool,
) -> None:
    """Run the jobs that come through `connection` until it is closed.

    Args:
        connection: the worker's end of its connection to the parent.
        inherited: the parent's ends of connections, copied by the fork.
        options: those of the batch.
        share: bytes of memory that a job may use without asking the parent.
        announces_plans: whether to send the plan of each job before it is carried out.
    """
    if announces_plans:
        options = replace(options, planned=lambda result: connection.send(_Planned(result)))
    signals.install_worker_handlers()
    hide_library_messages()
    _unblock_signals()
    _keep_freed_memory()
    for other in inherited:  # while a copy is open, no worker notices that the parent has ended
        other.close()
    try:
        with suppress(EOFError, OSError), SharedInput() as inputs:
            while True:
                number, job, threads, further = connection.recv()
                channel = _WorkerChannel(connection, share, threads)
                result = run_job(
                    number,
                    job,
                    options,
                    channel.report_progress,
                    channel.before_run,
                    before_publish=channel.before_publish,
                    inputs=inputs,
                    further=further,
                )
                set_core_limit(None)  # the next job is planned as if it ran alone
                is_announced = channel.has_announced and result.status == "done"
                connection.send(_Published(result.bytes, result.seconds) if is_announced else result)
    finally:
        remove_unpublished()


class _WorkerChannel:
    """Messages of a worker to the parent during one job."""

    def __init__(self, connection: Connection, share: float, threads: int) -> None:
        self._connection = connection
        self._share = share
        self._threads = threads
        self._last_report = time.monotonic()
        self.has_announced = False

    def before_run(self, plan: Plan) -> None:
        """Wait until the parent grants the memory that `plan` needs, and limit the cores to this job's."""
        if plan.memory > self._share:
            self._connection.send(_MemoryRequest(plan.memory))
            self._connection.recv()
        set_core_limit(self._threads)

    def before_publish(self, result: Result, paths: Sequence[Path]) -> None:
        """Announce the result, so that it counts even if this process is killed right after renaming the output."""
        self._connection.send(_Complete.of(result, paths))
        self.has_announced = True

    def report_progress(self, fraction: float) -> None:
        """Send the progress to the parent, not too often. Raises OSError if the parent has ended."""
        now = time.monotonic()
        if now - self._last_report >= _PROGRESS_SECONDS:
            self._last_report = now
            self._connection.send(_Progress(fraction))


def _keep_freed_memory() -> None:
    """Make malloc keep freed memory for the next job, if the C library is glibc.

    Returning the memory of an image to the system and faulting it in again takes as long as encoding a JPEG.
    """
    with suppress(OSError, TypeError, AttributeError):  # other C libraries have no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


def _can_fork() -> bool:
    """Whether workers may be forked, which is faster than spawning but unsafe in a process with several threads."""
    return sys.platform == "linux" and threading.active_count() == 1


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Defer SIGINT and SIGTERM until the block ends."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unblock_signals() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
