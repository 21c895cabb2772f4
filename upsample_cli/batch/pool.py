"""Run jobs in parallel worker processes, which are started once and replaced if they are killed.

The parent has one connection to each worker, and it alone assigns jobs and grants memory. A worker runs one job at a
time: it plans the job, asks for memory if the plan needs more than the worker's share, runs it and sends the result.
A worker exits when its connection is closed.

In a `ProcessPoolExecutor`, one killed worker would end all jobs.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any, TypeAlias

from .. import formats
from ..core.threads import available_cores, stop_helpers
from ..errors import RequestError, UpsampleError
from ..runtime import signals
from ..runtime.atomic import remove_stale_of, resolve_link
from ..runtime.resources import baseline_bytes, total_memory
from .job import ExecutionOptions, Job
from .pool_worker import Complete, MemoryRequest, Planned, Progress, Published, worker_main
from .result import Result

Task: TypeAlias = tuple[int, Job]  # the number of a job in the batch, and the job

_STOP_SECONDS = 1.0  # that a worker has to remove its temporary files before it is killed
_MEMORY_TOLERANCE = 1.001  # relative, for rounding errors in sums of memory shares
_PRELOAD_JOBS = 100  # preload the formats of the first 100 jobs before forking


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
        self.process = context.Process(target=worker_main, args=arguments, name="upsample-worker", daemon=True)
        with _signals_blocked(), _main_module_hidden():  # signals until the worker has installed its handlers
            self.process.start()
        worker_end.close()
        self.task: Task | None = None
        self.complete: Complete | None = None
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
        match message:
            case Progress():
                self._notify(worker.task, message.fraction)
            case Planned():
                assert self._options.planned is not None
                self._options.planned(message.result)
            case MemoryRequest():
                worker.memory, worker.requested = 0.0, message.bytes
                self._grant_memory()
            case Complete():
                worker.complete = message
            case Published():
                assert worker.complete is not None
                result = worker.complete.result._replace(bytes=message.bytes, seconds=message.seconds)
                return self._released(worker, result)
            case Result():
                return self._released(worker, message)
        return None

    def _released(self, worker: _Worker, result: Result) -> Result:
        """Return the result of a worker's job after freeing what the job held."""
        worker.release()
        self._grant_memory()
        return result

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


def _can_fork() -> bool:
    """Whether workers may be forked, which is faster than spawning but unsafe in a process with several threads."""
    if sys.platform != "linux":
        return False
    stop_helpers()
    return threading.active_count() == 1


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep workers that are spawned from importing the caller's script: it may run the batch again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


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
