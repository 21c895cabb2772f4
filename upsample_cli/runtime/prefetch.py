"""Produces items in another thread before they are needed, and maps a function over items in several threads."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import Generic, NamedTuple, TypeVar

from ..core.threads import available_cores

T = TypeVar("T")
U = TypeVar("U")

_ITEMS_PER_THREAD = 4  # submitted and not yet returned, at most
_BYTES_IN_PROGRESS = 64 << 20  # at most, unless a single item is larger
_JOIN_SECONDS = 1.0  # how long to wait for a thread whose next item is no longer needed


class _Item(NamedTuple, Generic[T]):
    value: T


class _End(NamedTuple):
    error: BaseException | None


def prefetch(items: Generator[T]) -> Generator[T]:
    """Yield the same items in the same order, each produced by another thread while the previous one is in use.

    At most two items exist at a time: one in production or waiting, and one in use. An exception of the producer is
    raised here. Closing this generator stops the thread after its current item. If no thread can be started, items are
    produced on demand.
    """
    waiting: queue.SimpleQueue[_Item[T] | _End] = queue.SimpleQueue()
    wanted = threading.Semaphore()  # released whenever an item is taken
    stop = threading.Event()

    def produce() -> None:
        error: BaseException | None = None
        try:
            while wanted.acquire() and not stop.is_set():
                waiting.put(_Item(next(items)))
        except StopIteration:
            pass
        except BaseException as failure:
            error = failure
        finally:
            items.close()
        waiting.put(_End(error))

    thread = threading.Thread(target=produce, name="upsample-prefetch", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system allows no more threads
        with closing(items):
            yield from items
        return
    try:
        while isinstance(entry := waiting.get(), _Item):
            wanted.release()
            yield entry.value
            del entry
        if entry.error is not None:
            raise entry.error
    finally:
        stop.set()
        wanted.release()
        thread.join(_JOIN_SECONDS)


def map_threaded(function: Callable[[T], U], items: Iterable[T], item_bytes: int = 0) -> Iterator[U]:
    """``map(function, items)`` on all cores, in order, with a bounded number of items in progress.

    Args:
        function: is called in several threads.
        items: its arguments.
        item_bytes: size of a result; if results are large, fewer are in progress.
    """
    items = iter(items)
    start = list(islice(items, 2))
    items = chain(start, items)
    most = items_in_progress(item_bytes)
    if len(start) < 2 or most == 1:
        del start
        yield from map(function, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # slow to import, and small work does not need it

    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(min(available_cores(), most)) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def items_in_progress(item_bytes: int) -> int:
    """How many results of `map_threaded` of this size exist at a time; 1 if it uses no threads."""
    threads = available_cores()
    most = threads if threads == 1 else threads * _ITEMS_PER_THREAD
    return max(1, min(most, _BYTES_IN_PROGRESS // max(1, item_bytes)))
