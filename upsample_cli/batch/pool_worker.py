"""The worker processes of a pool: the loop that runs jobs, and the messages to the parent."""

from __future__ import annotations

import ctypes
import signal
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from ..core.threads import set_core_limit
from ..pipeline.plan import Plan
from ..runtime import signals
from ..runtime.atomic import remove_unpublished
from ..runtime.library_messages import hide_library_messages
from .job import ExecutionOptions
from .result import Result
from .shared_input import SharedInput
from .worker import run_job

Connection: TypeAlias = Any  # multiprocessing has a different class for each system

_PROGRESS_SECONDS = 0.1  # between two progress messages
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from malloc.h
_MMAP_THRESHOLD_BYTES = 32 << 20  # the largest value that glibc accepts
_TRIM_THRESHOLD_BYTES = 64 << 20  # free memory that malloc keeps


@dataclass(frozen=True, slots=True)
class MemoryRequest:
    """Asks for more memory than the worker's share; the worker waits for the answer."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Tells the fraction of the job that is done."""

    fraction: float


@dataclass(frozen=True, slots=True)
class Planned:
    """Tells the plan of the job."""

    result: Result


@dataclass(frozen=True, slots=True)
class Complete:
    """Announces a complete output, which is about to get its final name.

    Attributes:
        result: of the job.
        files: (st_dev, st_ino) of the files or the directory; renaming does not change them.
    """

    result: Result
    files: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, result: Result, paths: Sequence[Path]) -> Complete:
        """The message for these temporary files; those behind a URL cannot be recognized later."""
        found = [path.stat() for path in paths if path.exists()]
        size = sum(status.st_size for status in found if stat.S_ISREG(status.st_mode))
        return cls(result._replace(bytes=size or result.bytes), [(status.st_dev, status.st_ino) for status in found])


@dataclass(frozen=True, slots=True)
class Published:
    """Tells that the announced output has its final name."""

    bytes: int
    seconds: float


def worker_main(
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
        options = replace(options, planned=lambda result: connection.send(Planned(result)))
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
                connection.send(Published(result.bytes, result.seconds) if is_announced else result)
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
            self._connection.send(MemoryRequest(plan.memory))
            self._connection.recv()
        set_core_limit(self._threads)

    def before_publish(self, result: Result, paths: Sequence[Path]) -> None:
        """Announce the result, so that it counts even if this process is killed right after renaming the output."""
        self._connection.send(Complete.of(result, paths))
        self.has_announced = True

    def report_progress(self, fraction: float) -> None:
        """Send the progress to the parent, not too often. Raises OSError if the parent has ended."""
        now = time.monotonic()
        if now - self._last_report >= _PROGRESS_SECONDS:
            self._last_report = now
            self._connection.send(Progress(fraction))


def _keep_freed_memory() -> None:
    """Make malloc keep freed memory for the next job, if the C library is glibc.

    Returning the memory of an image to the system and faulting it in again takes as long as encoding a JPEG.
    """
    with suppress(OSError, TypeError, AttributeError):  # other C libraries have no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


def _unblock_signals() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
