"""How many threads share the work of one array, and the pool that they wait in."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

_VARIABLE = "UPSAMPLE_THREADS"
_MOST_THREADS = 256

_number: int | None = None
_pool: Any = None  # a ThreadPoolExecutor, once there is work for it


def get_num_threads() -> int:
    """How many threads resize one array: what was set, or ``UPSAMPLE_THREADS``, or as many as there are cores.

    Raises:
        ValueError: the variable holds no positive number.
    """
    if _number is not None:
        return _number
    given = os.environ.get(_VARIABLE)
    if not given:
        return cores()
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"{_VARIABLE} must be a positive whole number, got {given!r}")
    return int(given)


def set_num_threads(number: int) -> None:
    """Set how many threads resize one array; no result depends on it.

    Raises:
        ValueError: the number is not positive.
        TypeError: it is no whole number.
    """
    global _number
    if not isinstance(number, int):
        raise TypeError(f"the number of threads must be a whole number, got {number!r}")
    if number < 1:
        raise ValueError(f"the number of threads must be positive, got {number}")
    _number = number


def share(tasks: Iterable[Callable[[], None]], threads: int) -> None:
    """Do all the tasks, this thread and ``threads - 1`` others each taking the next one when it is free."""
    left = deque(tasks)

    def work() -> None:
        while left:
            try:
                task = left.popleft()
            except IndexError:  # another thread was faster
                return
            task()

    helpers = [_helpers().submit(work) for _ in range(min(threads, _MOST_THREADS, len(left)) - 1)]
    try:
        work()
    finally:
        left.clear()
        for helper in helpers:
            helper.result()


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _helpers() -> Any:
    """The pool: it starts a thread when none is idle, and keeps it."""
    global _pool
    if _pool is None:
        from concurrent.futures import ThreadPoolExecutor  # which small work need not wait for

        _pool = ThreadPoolExecutor(_MOST_THREADS, "upsample")
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_forget_pool)  # its threads do not exist there
    return _pool


def _forget_pool() -> None:
    global _pool
    _pool = None
