"""Several jobs at a time: processes that are started once, and replaced where they are killed.

The parent speaks with each worker through a connection of its own, and it alone decides who does what when. A worker
knows one job at a time: it plans it, asks for memory where the plan needs more than a worker's share, carries it out
and sends the result. When its connection ends, so does the worker.
"""

from __future__ import annotations

import ctypes
import signal
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
from typing import Any, TypeAlias

from .. import formats
from ..core.threads import available_cores, set_core_limit
from ..errors import RequestError, UpsampleError
from ..resize.plan import Plan
from ..runtime import signals
from ..runtime.atomic import remove_stale_of, remove_unpublished, resolve_link
from ..runtime.library_messages import hide_library_messages
from ..runtime.resources import baseline_bytes, total_memory
from .job import ExecutionOptions, Job
from .result import Result
from .worker import run_job

Task: TypeAlias = tuple[int, Job]
Connection: TypeAlias = Any  # of multiprocessing, which has another class for each system

_PATIENCE = 1.0  # seconds that a worker has to remove what it has not finished
_PROGRESS_PERIOD = 0.1  # seconds between two messages of how far a job is
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGEST_KEPT, _KEPT = 32 << 20, 64 << 20  # bytes: of a single piece, which is glibc's limit, and of all together
_FIRST = 100  # jobs that tell which formats are read


@dataclass(frozen=True, slots=True)
class _NeedsMemory:
    """What a worker says when its plan needs more than its share, before it waits for an answer."""

    bytes: int


@dataclass(frozen=True, slots=True)
class _Progress:
    """What a worker says now and then: which part of its job is done."""

    part: float


def run_in_processes(tasks: Sequence[Task], options: ExecutionOptions) -> Generator[Result]:
    """Do numbered jobs in as many processes at a time as `options` say, and give the results as they end."""
    if _may_fork():
        _load_formats(tasks)
    pool = _Pool(min(options.processes or available_cores(), len(tasks)), options)
    try:
        yield from pool.results(tasks)
    finally:
        pool.stop()


def _load_formats(tasks: Sequence[Task]) -> None:
    """Import what the first jobs need, which all workers then share, and count the same memory of the program."""
    for family in sorted({formats.family_of(job.input) for _, job in tasks[:_FIRST]}):
        with suppress(ImportError):  # of which each worker tells for its own file
            import_module(f"{formats.__name__}.{family}")
    baseline_bytes()


class _Worker:
    """The parent's side of a worker.

    Attributes:
        task: what it does, or None where it is idle.
        began: when it began to.
        memory: the bytes that it may use.
        wanted: the bytes that it waits for, or 0.
    """

    def __init__(self, options: ExecutionOptions, share: float, others: Sequence[_Worker]) -> None:
        forks = _may_fork()
        context: Any = get_context("fork" if forks else "spawn")  # of whose type mypy knows no processes
        self.connection, theirs = context.Pipe()
        inherited = [worker.connection for worker in (self, *others)] if forks else []
        arguments = (theirs, inherited, replace(options, progress=None), share)
        self.process = context.Process(target=_serve, args=arguments, name="upsample-worker", daemon=True)
        with _no_signals():  # or one might come before the worker knows what it means there
            self.process.start()
        theirs.close()
        self.task: Task | None = None
        self.began = self.memory = self.wanted = 0.0

    def hand(self, task: Task, threads: int, share: float) -> None:
        """Give it something to do; if it has died, that shows when it is listened to."""
        self.task, self.memory, self.began = task, share, time.perf_counter()
        with suppress(OSError):
            self.connection.send((*task, threads))

    def rest(self) -> None:
        """Note that it is idle."""
        self.task, self.memory, self.wanted = None, 0.0, 0.0

    def clean(self) -> None:
        """Remove what it was writing when it was killed."""
        if self.task is not None and self.process.pid is not None:
            with suppress(OSError, RuntimeError):  # loops of links
                remove_stale_of(self.process.pid, resolve_link(self.task[1].output).parent)


class _Pool:
    """Workers, the jobs that they are at, and the memory that these may use together."""

    def __init__(self, count: int, options: ExecutionOptions) -> None:
        self._count = count
        self._options = options
        self._memory = options.max_memory or total_memory() / 4
        self._share = self._memory / count
        self._cores = available_cores()
        self._workers: list[_Worker] = []

    def results(self, tasks: Sequence[Task]) -> Generator[Result]:
        """Do the jobs."""
        waiting = deque(tasks)
        self._hand_out(waiting)
        while busy := self._busy():
            heard = wait([worker.connection for worker in busy])
            signals.raise_if_signalled()
            for worker in busy:
                if worker.connection in heard and (result := self._listen(worker)) is not None:
                    self._hand_out(waiting)
                    yield result

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _hand_out(self, waiting: deque[Task]) -> None:
        while waiting and (worker := self._idle()) is not None:
            at_once = min(self._count, len(self._busy()) + len(waiting))
            task = waiting.popleft()
            worker.hand(task, max(1, round(self._cores / at_once)), self._share)
            self._tell(task, 0.0)

    def _idle(self) -> _Worker | None:
        """A worker for the next job, or None while there is none, or no memory for what it may do."""
        busy = self._busy()
        if len(busy) == self._count or any(worker.wanted for worker in busy):
            return None
        if busy and sum(worker.memory for worker in busy) + self._share > 1.001 * self._memory:  # of floating point
            return None
        for worker in self._workers:
            if worker.task is None and worker.process.is_alive():
                return worker
        self._workers = busy
        return self._start()

    def _start(self) -> _Worker | None:
        """A new worker, or None where the system lets no more processes be; then those that there are do it all.

        Raises:
            RequestError: there are none.
        """
        try:
            worker = _Worker(self._options, self._share, self._workers)
        except OSError as error:
            self._count = len(self._workers)
            if not self._workers:
                raise RequestError(f"no process can be started: {error.strerror}; end others, or ask again") from error
            return None
        self._workers.append(worker)
        return worker

    def _listen(self, worker: _Worker) -> Result | None:
        """Hear what a worker says: its result, or something on the way to it."""
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            message = self._lose(worker)
        if isinstance(message, _Progress):
            self._tell(worker.task, message.part)
            return None
        if isinstance(message, _NeedsMemory):
            worker.memory, worker.wanted = 0.0, message.bytes
        else:
            worker.rest()
        self._grant()
        return message if isinstance(message, Result) else None

    def _grant(self) -> None:
        """Let workers go on that wait for memory, the first that does so first."""
        for worker in sorted(self._busy(), key=lambda worker: worker.began):
            others = sum(other.memory for other in self._busy())
            if worker.wanted and (not others or others + worker.wanted <= self._memory):
                worker.memory, worker.wanted = worker.wanted, 0.0
                with suppress(OSError):
                    worker.connection.send(True)

    def _lose(self, worker: _Worker) -> Result:
        """The result of a worker that has been killed."""
        assert worker.task is not None
        worker.process.join(_PATIENCE)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        worker.clean()
        self._workers.remove(worker)
        number, job = worker.task
        error = UpsampleError(_ended_by(worker.process.exitcode or 0), job.input)
        seconds = time.perf_counter() - worker.began
        return Result(job.input, job.output, "failed", number=number, error=error, seconds=seconds)

    def _tell(self, task: Task | None, part: float) -> None:
        if task is not None and self._options.progress is not None:
            self._options.progress(task[1], part)

    def stop(self) -> None:
        """End all workers: the idle ones as they are, the others after they have removed what is not finished."""
        with _no_signals():  # for a second or so, in which impatience would leave workers behind
            for worker in self._workers:
                worker.connection.close()
                if worker.task is not None:
                    worker.process.terminate()
            deadline = time.monotonic() + _PATIENCE
            for worker in self._workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
                if worker.process.exitcode is None:
                    worker.process.kill()
                    worker.process.join()
                    worker.clean()


def _ended_by(code: int) -> str:
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"exit code {code}"
    hint = "; where memory is short, a smaller --max-memory or -j 1 helps" if name == "SIGKILL" else ""
    return f"the process that worked on it was ended by {name}{hint}"


# What follows runs in the worker.


def _serve(connection: Connection, not_mine: Sequence[Connection], options: ExecutionOptions, share: float) -> None:
    """Do what comes through `connection`, until it ends."""
    signals.install_worker_handlers()
    hide_library_messages()
    _take_signals()
    _keep_memory()
    for other in not_mine:  # or nobody would notice when the parent ends
        other.close()
    try:
        with suppress(EOFError, OSError):
            while True:
                number, job, threads = connection.recv()
                conversation = _Conversation(connection, share, threads)
                result = run_job(number, job, options, conversation.progress, conversation.begin)
                set_core_limit(None)  # so that the next plan is that of a single file
                connection.send(result)
    finally:
        remove_unpublished()


class _Conversation:
    """What a worker says to the parent, and asks it, while it does a job."""

    def __init__(self, connection: Connection, share: float, threads: int) -> None:
        self._connection = connection
        self._share = share
        self._threads = threads
        self._told = time.monotonic()

    def begin(self, plan: Plan) -> None:
        """Wait until there is memory for `plan`, and take the cores that are meant for it."""
        if plan.memory > self._share:
            self._connection.send(_NeedsMemory(plan.memory))
            self._connection.recv()
        set_core_limit(self._threads)

    def progress(self, part: float) -> None:
        """Say how far the job is, if some time has passed; this fails when the parent is no more."""
        now = time.monotonic()
        if now - self._told >= _PROGRESS_PERIOD:
            self._told = now
            self._connection.send(_Progress(part))


def _keep_memory() -> None:
    """Let this process keep memory that is free for its next job, as far as its C library can be told so.

    To give back the memory of a picture and to get it again, page by page, takes as long as to encode a JPEG.
    """
    with suppress(OSError, TypeError, AttributeError):  # only glibc has these
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _may_fork() -> bool:
    """Whether a worker may be a copy of this process, which begins at once: with threads it would not be whole."""
    return sys.platform == "linux" and threading.active_count() == 1


@contextmanager
def _no_signals() -> Iterator[None]:
    """Let signals that stop the program wait."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _take_signals() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
