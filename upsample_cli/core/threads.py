"""The number of cores and threads that one array may use, and the thread pool that shares the work."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

_VARIABLE = "UPSAMPLE_THREADS"
_MOST_THREADS = 256

_thread_count: int | None = None
_core_limit: int | None = None
_pool: Any = None  # a ThreadPoolExecutor, created when it is first needed


def available_cores() -> int:
    """The number of cores that this process may use: `set_core_limit`, or what the operating system allows."""
    if _core_limit is not None:
        return _core_limit
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_core_limit(count: int | None) -> None:
    """Limit this process to `count` cores, because other workers of a batch use the rest; None lifts the limit."""
    global _core_limit
    _core_limit = count


def get_num_threads() -> int:
    """The number of threads that resize one array.

    It is the number given to `set_num_threads`, else the variable ``UPSAMPLE_THREADS``, else the number of cores.

    Raises:
        ValueError: the variable is not a positive whole number.

    >>> get_num_threads() >= 1
    True
    """
    if _thread_count is not None:
        return _thread_count
    given = os.environ.get(_VARIABLE)
    if not given:
        return available_cores()
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"{_VARIABLE} must be a positive whole number, got {given!r}")
    return int(given)


def set_num_threads(number: int) -> None:
    """Set the number of threads that resize one array. Results do not depend on it.

    Raises:
        ValueError: the number is not positive.
        TypeError: the number is not an integer.

    >>> before = get_num_threads()
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(before)
    """
    global _thread_count
    if not isinstance(number, int):
        raise TypeError(f"the number of threads must be a whole number, got {number!r}")
    if number < 1:
        raise ValueError(f"the number of threads must be positive, got {number}")
    _thread_count = number


def run_tasks(tasks: Iterable[Callable[[], None]], threads: int) -> None:
    """Run all tasks on this thread and ``threads - 1`` others; each thread takes the next task when it is free."""
    left = deque(tasks)

    def work() -> None:
        while left:
            try:
                task = left.popleft()
            except IndexError:  # another thread has just taken the last one
                return
            task()

    helpers = []
    with suppress(RuntimeError):  # if the system allows no more threads, the existing ones do the work
        for _ in range(min(threads, _MOST_THREADS, len(left)) - 1):
            helpers.append(_helpers().submit(work))  # noqa: PERF401 keeps those that started before a failure
    try:
        work()
    finally:
        left.clear()
        for helper in helpers:
            helper.result()


def _helpers() -> Any:
    """The pool. It starts a thread when no thread is idle, and keeps it for later."""
    global _pool
    if _pool is None:
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and small work does not need it

        _pool = ThreadPoolExecutor(_MOST_THREADS, "upsample")
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_forget_pool)  # a forked child has none of its threads
    return _pool


def stop_helpers() -> None:
    """End the threads of the pool, which is made again when it is needed."""
    if _pool is not None:
        _pool.shutdown()
        _forget_pool()


def _forget_pool() -> None:
    global _pool
    _pool = None
