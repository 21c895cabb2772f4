"""What was made for the last calls, for the next call of the same kind."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Up to `count` values by their keys; the oldest makes room for a new one.

    Unlike `functools.lru_cache`, it leaves to the caller which values are small enough to be kept.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: dict[Hashable, Value] = {}
        self._lock = Lock()
        self.find = self._values.get

    def __len__(self) -> int:
        return len(self._values)

    def keep(self, key: Hashable, value: Value) -> None:
        """Keep the value of a key."""
        with self._lock:
            while len(self._values) >= self._count:
                del self._values[next(iter(self._values))]
            self._values[key] = value

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()
