"""Workers that run tasks in parallel: threads here, a Dask cluster in `runtime.cluster`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Workers(Protocol):
    """Runs a function on many tasks at a time."""

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[tuple[T, R | Exception]]:
        """Yield each task with its result, or with the exception that it raised, in the order in which they end.

        Tasks are taken from the iterable as workers become free. Closing the generator drops those that have not begun.
        """
        ...


class LocalThreads:
    """Threads of this process."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[tuple[T, R | Exception]]:
        """See `Workers`."""
        from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

        running: dict[Future[R], T] = {}
        pool = ThreadPoolExecutor(self._threads, "upsample-region")
        try:
            source = iter(tasks)
            ended = False
            while running or not ended:
                while not ended and len(running) <= self._threads:  # one more than run, so that no thread is idle
                    try:
                        task = next(source)
                    except StopIteration:
                        ended = True
                    else:
                        running[pool.submit(function, task)] = task
                done = wait(running, return_when=FIRST_COMPLETED).done
                for future in sorted(done, key=lambda future: future.exception() is not None):  # failures last
                    task, error = running.pop(future), future.exception()
                    if error is not None and not isinstance(error, Exception):
                        raise error
                    yield task, error if isinstance(error, Exception) else future.result()
                    del future, task
        finally:
            pool.shutdown(cancel_futures=True)
