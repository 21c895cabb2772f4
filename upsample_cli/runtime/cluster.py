"""The workers of a Dask cluster. Each gets a task when it is free; no task graph is built."""

from __future__ import annotations

import logging
import os
import queue
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from .._version import __version__
from ..core.threads import available_cores, set_core_limit
from ..errors import RequestError, UpsampleError
from .cluster_probe import Answer

T = TypeVar("T")
R = TypeVar("R")

_CONNECT_SECONDS = 15
_POLL_SECONDS = 0.5  # between two checks for lost workers
_IDLE_SECONDS = 60.0  # to wait for a worker when there is none
_FETCH_SECONDS = 30.0  # for the result of a task, which is small
_ATTEMPTS = 3  # on different workers, of a task whose worker dies
_QUIET = {"distributed": "critical", "asyncio": "critical"}  # the command reports each error, with the file's name
_MEMORY_SHARE = 0.7  # of a worker's memory that a task may use


class _Running(NamedTuple):
    """A task in progress."""

    task: Any
    worker: str
    attempt: int


class DaskWorkers:
    """The workers of a Dask cluster; see `Workers`."""

    def __init__(self, client: Any) -> None:
        """Use the workers of a `distributed.Client`."""
        self._client = client
        self._accepted: set[str] = set()
        self._refused: dict[str, str] = {}
        self._paths: Sequence[str] = ()

    def check(self, inputs: Iterable[Path], folders: Iterable[Path]) -> None:
        """Make sure that the workers have this package, in this version, and see the same files.

        Args:
            inputs: some of the inputs, absolute.
            folders: some of the directories of outputs, absolute.

        Raises:
            RequestError: there is no worker, or none of them can do the work; the message says what to do.
        """
        with ExitStack() as stack:
            tokens = [
                stack.enter_context(tempfile.NamedTemporaryFile(prefix=".upsample-", suffix=".probe", dir=folder)).name
                for folder in folders
                if folder.is_dir() and os.access(folder, os.W_OK)
            ]
            self._paths = [*(str(path) for path in inputs if path.exists()), *tokens]
            try:
                self._client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            except TimeoutError:
                raise RequestError("--cluster: the scheduler has no workers; start some with: dask worker") from None
            self._accept(self._addresses())
            if not self._accepted:
                raise RequestError(f"--cluster: {next(iter(self._refused.values()))}")
            self._paths = self._paths[: len(self._paths) - len(tokens)]  # the probe files are removed now

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[tuple[T, R | Exception]]:
        """See `Workers`.

        Raises:
            UpsampleError: the scheduler has gone away, or all workers have.
        """
        work = _Dispatch(self, function, tasks)
        try:
            while work.submit_free():
                yield from work.ended()
                yield from work.lost()
        finally:
            with suppress(Exception):  # the scheduler may have gone
                self._client.cancel(work.futures, force=True)

    @property
    def accepted(self) -> set[str]:
        """The addresses of the workers that can do the work."""
        return self._accepted

    def refresh(self) -> set[str]:
        """Ask the scheduler for its workers, accept new ones, and return the addresses of all that are there."""
        present = self._addresses()
        self._accept(present)
        self._accepted &= set(present)
        return set(present)

    def submit(self, function: Callable[[T], R], task: T, worker: str) -> Any:
        """Give a task to a worker, and return its future."""
        try:
            return self._client.submit(
                run_limited, function, task, workers=[worker], allow_other_workers=False, pure=False, retries=0
            )
        except Exception as error:
            raise self._gone() from error

    def _addresses(self) -> list[str]:
        """The addresses of all workers.

        Raises:
            UpsampleError: the scheduler has gone away.
        """
        try:
            if self._client.status != "running":
                raise OSError(self._client.status)
            return list(self._client.scheduler_info(n_workers=-1)["workers"])
        except Exception as error:  # of many kinds, as the connection breaks
            raise self._gone() from error

    def _gone(self) -> UpsampleError:
        return UpsampleError(
            "--cluster: the scheduler has gone away; the outputs that exist are complete: start it and run the command "
            "again with --skip-existing"
        )

    def _accept(self, addresses: Iterable[str]) -> None:
        """Ask workers that are new whether they can do the work."""
        new = [address for address in addresses if address not in self._accepted and address not in self._refused]
        if not new:
            return
        import cloudpickle

        from . import cluster_probe

        cloudpickle.register_pickle_by_value(cluster_probe)
        try:
            answers = self._client.run(cluster_probe.probe, list(self._paths), workers=new, on_error="return")
        finally:
            cloudpickle.unregister_pickle_by_value(cluster_probe)
        for address, answer in answers.items():
            problem = f"{address} does not answer" if isinstance(answer, Exception) else _problem(address, answer)
            if problem is None:
                self._accepted.add(address)
            else:
                self._refused[address] = problem


class _Dispatch:
    """The tasks of one `DaskWorkers.run`: those in progress, and those to repeat because their worker died."""

    def __init__(self, workers: DaskWorkers, function: Callable[[Any], Any], tasks: Iterable[Any]) -> None:
        self._workers, self._function, self._tasks = workers, function, iter(tasks)
        self._exhausted = False
        self._again: deque[tuple[Any, int]] = deque()
        self._running: dict[Any, _Running] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        workers.refresh()
        self._last_refresh = self._last_worker = time.monotonic()

    @property
    def futures(self) -> list[Any]:
        """Those of all tasks in progress."""
        return list(self._running)

    def submit_free(self) -> bool:
        """Give each free worker a task. False if all tasks have ended."""
        for worker in self._workers.accepted - {item.worker for item in self._running.values()}:
            item = self._next(worker)
            if item is None:
                break
            future = self._workers.submit(self._function, item.task, worker)
            self._running[future] = item
            future.add_done_callback(self._ended.put)
        return bool(self._running or self._again or not self._exhausted)

    def ended(self) -> Iterator[tuple[Any, Any]]:
        """Wait a moment for a task to end, and yield its result."""
        try:
            future = self._ended.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return
        if future not in self._running or future.status not in ("finished", "error"):
            return
        item = self._running.pop(future)
        if future.status == "finished":
            try:
                result = future.result(timeout=_FETCH_SECONDS)
            except Exception:  # the worker has died since, or the connection breaks
                self._workers.refresh()  # raises if it is the scheduler that has gone
                yield from self._retry(item)
            else:
                yield item.task, result
        elif _is_death(error := future.exception()):
            yield from self._retry(item)
        else:
            yield item.task, error
        future.release()

    def lost(self) -> Iterator[tuple[Any, Any]]:
        """Look for workers that have died, and repeat their tasks; yield those that have failed too often.

        Raises:
            UpsampleError: there has been no worker for a while, or the scheduler has gone away.
        """
        now = time.monotonic()
        if now - self._last_refresh < _POLL_SECONDS:
            return
        self._last_refresh = now
        present = self._workers.refresh()
        for future in [future for future, item in self._running.items() if item.worker not in present]:
            item = self._running.pop(future)
            future.cancel(force=True)
            yield from self._retry(item)
        if self._workers.accepted:
            self._last_worker = now
        elif now - self._last_worker > _IDLE_SECONDS:
            raise UpsampleError("--cluster: all workers have gone; start some and run the command again")

    def _next(self, worker: str) -> _Running | None:
        if self._again:
            task, attempt = self._again.popleft()
            return _Running(task, worker, attempt)
        try:
            return _Running(next(self._tasks), worker, 1)
        except StopIteration:
            self._exhausted = True
            return None

    def _retry(self, item: _Running) -> Iterator[tuple[Any, UpsampleError]]:
        """Repeat a task whose worker died, or yield its error if that has happened too often."""
        if item.attempt < _ATTEMPTS:
            self._again.append((item.task, item.attempt + 1))
            return
        yield (
            item.task,
            UpsampleError(f"its worker died {_ATTEMPTS} times, last {item.worker}; it may need more memory"),
        )


def _problem(address: str, fields: tuple[str | None, list[str]]) -> str | None:
    """Why a worker cannot do the work, and what to do; None if it can."""
    answer = Answer(*fields)
    if answer.version is None:
        return f"the worker {address} lacks upsample; install it there: pip install 'upsample=={__version__}'"
    if answer.version != __version__:
        return f"the worker {address} has upsample {answer.version}, not {__version__}; install the same version there"
    if answer.missing:
        return (
            f"the worker {address} does not see {answer.missing[0]}; use a file system that all machines mount at the "
            "same place, or Zarr in an object store"
        )
    return None


def _is_death(error: BaseException | None) -> bool:
    return type(error).__name__ in ("KilledWorker", "NoValidWorkerError")


def run_limited(function: Callable[[T], R], task: T) -> R:
    """Run a task in a worker with as many threads as the worker has."""
    from distributed import get_worker

    set_core_limit(get_worker().state.nthreads)
    try:
        return function(task)
    finally:
        set_core_limit(None)


def worker_memory() -> int | None:
    """The bytes that a task may use in this worker; None if the worker has no limit."""
    from distributed import get_worker

    limit = get_worker().memory_manager.memory_limit
    return None if not limit else int(limit * _MEMORY_SHARE)


@contextmanager
def connect(address: str) -> Iterator[DaskWorkers]:
    """The workers of a scheduler.

    Args:
        address: of the scheduler, such as ``tcp://host:8786``; the name of a scheduler file; or ``local`` for a process
            per core of this machine.

    Raises:
        RequestError: `distributed` is not installed, or there is no scheduler.
    """
    try:
        import dask
        import distributed
    except ImportError:
        raise RequestError("--cluster needs distributed: pip install 'upsample[cluster]'") from None
    new_client, local_cluster = cast(Any, distributed.Client), cast(Any, distributed.LocalCluster)  # without types
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        try:
            if address == "local":
                stack.enter_context(dask.config.set({"distributed.logging": _QUIET}))  # inherited by its workers
                cluster = local_cluster(
                    n_workers=available_cores(),
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                )
                client = new_client(stack.enter_context(cluster), timeout=_CONNECT_SECONDS)
            elif "://" not in address:
                if not Path(address).is_file():
                    raise RequestError(f"--cluster {address}: is no scheduler file; write tcp://HOST:PORT or local")
                client = new_client(scheduler_file=address, timeout=_CONNECT_SECONDS)
            else:
                client = new_client(address, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise RequestError(f"--cluster {address}: no scheduler answers: {error}") from error
        stack.callback(_close, client)
        yield DaskWorkers(client)


def _close(client: Any) -> None:
    with suppress(Exception):  # the scheduler may have gone
        client.close(timeout=2)
