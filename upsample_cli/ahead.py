"""Work that overlaps: items are made in one thread while the last ones are used in another."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Generic, NamedTuple, TypeVar

from .limits import cores

T = TypeVar("T")
U = TypeVar("U")

_ITEMS_PER_THREAD = 4  # that are worked on or wait, at most
_PATIENCE = 1.0  # seconds that an item which is no longer wanted is waited for
_GLANCE = 0.05  # seconds after which a thread that has to wait looks whether it still shall


class _Item(NamedTuple, Generic[T]):
    value: T


class _End(NamedTuple):
    error: BaseException | None


def ahead(items: Generator[T]) -> Generator[T]:
    """The same items in the same order, each made by a thread of its own while the one before it is used.

    One item waits at most, so that memory is bounded: one is being made, one waits, one is used. What making them
    raises is raised here. When this iterator is closed, the thread ends after the item that it is at.
    """
    waiting: queue.Queue[_Item[T] | _End] = queue.Queue(1)
    stop = threading.Event()

    def hand_over(thing: _Item[T] | _End) -> bool:
        while not stop.is_set():
            with suppress(queue.Full):
                waiting.put(thing, timeout=_GLANCE)
                return True
        return False

    def make() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not hand_over(_Item(item)):
                    break
                del item  # or it would be held while the next one is made
        except BaseException as failure:
            error = failure
        finally:
            items.close()
        hand_over(_End(error))

    thread = threading.Thread(target=make, name="upsample-ahead", daemon=True)
    thread.start()
    try:
        while isinstance(item := waiting.get(), _Item):
            yield item.value
            del item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join(_PATIENCE)


def in_threads(function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """``map(function, items)`` on all cores, in order, of which only a few are worked on at a time."""
    items = iter(items)
    begin = list(islice(items, 2))
    items = chain(begin, items)
    if len(begin) < 2 or cores() == 1:
        yield from map(function, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # which small work need not wait for

    threads = cores()
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= threads * _ITEMS_PER_THREAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
