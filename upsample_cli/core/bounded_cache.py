"""A small cache of objects that later calls with the same arguments reuse."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Up to `count` values by key; a new one replaces the oldest.

    Unlike `functools.lru_cache`, it lets the caller decide which values are small enough to store.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: dict[Hashable, Value] = {}
        self._lock = Lock()
        self.get = self._values.get

    def __len__(self) -> int:
        return len(self._values)

    def store(self, key: Hashable, value: Value) -> None:
        """Store the value under a key."""
        with self._lock:
            while len(self._values) >= self._count:
                del self._values[next(iter(self._values))]
            self._values[key] = value

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._values.clear()
