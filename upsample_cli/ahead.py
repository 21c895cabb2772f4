"""Work that overlaps: items are made in one thread while the last ones are used in another."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_PATIENCE = 1.0  # seconds that an item which is no longer wanted is waited for


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def ahead(items: Generator[T]) -> Iterator[T]:
    """The same items in the same order, each made by a thread of its own while the one before it is used.

    One item waits at most, so that memory is bounded: one is being made, one waits, one is used. What making them
    raises is raised here. When this iterator is closed, the thread ends after the item that it is at.
    """
    waiting: queue.Queue[_Item[T] | _End] = queue.Queue(1)
    stop = threading.Event()

    def make() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                waiting.put(_Item(item))
                del item  # or it would be held while the next one is made
                if stop.is_set():
                    break
        except BaseException as failure:
            error = failure
        finally:
            items.close()
        waiting.put(_End(error))

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
        _drain(waiting, thread)


def _drain(waiting: queue.Queue[_Item[T] | _End], thread: threading.Thread) -> None:
    """Let go a thread that may be about to hand over an item."""
    until = time.monotonic() + _PATIENCE
    while thread.is_alive() and time.monotonic() < until:
        try:
            waiting.get(timeout=0.01)
        except queue.Empty:
            continue
