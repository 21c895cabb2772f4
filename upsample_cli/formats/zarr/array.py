"""Boxes of one stored array: read through a cache of decoded chunks, written as whole shards."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from ...runtime.retry import patiently
from ..base import Array, Box
from .documents import Node
from .store import Directory, ObjectStore

_CACHE_BYTES = 64 << 20  # of decoded chunks, unless a single box needs more


class StoredArray:
    """An array of a hierarchy, whose axes may be presented in another order than they are stored in.

    Attributes:
        node: its document, which need not have been written yet.
        order: for each presented axis, the number of the stored axis.
        shape: in the presented order.
        dtype: of the samples, including byte order.
    """

    def __init__(
        self, store: Directory | ObjectStore, node: Node, order: Sequence[int], read_only: bool = True
    ) -> None:
        self.node = node
        self.order = tuple(order)
        self._store = store
        self._read_only = read_only
        self._cache: OrderedDict[tuple[int, ...], Future[Array]] = OrderedDict()
        self._lock = threading.Lock()
        self.shape = self.presented(node.shape)

    @cached_property
    def _array(self) -> Any:
        import zarr
        from zarr.storage import StorePath

        metadata: Any = self.node.merged()
        place = StorePath(self._store.for_zarr(self._read_only), self.node.path)
        return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=place))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type of the samples."""
        dtype: np.dtype[Any] = np.dtype(self._array.dtype)
        return dtype

    @property
    def fill_value(self) -> Any:
        """The value of all samples whose chunks are not stored."""
        value = self._array.fill_value
        return self.dtype.type(0) if value is None else value

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """The shape of what is decoded at once, in the presented order."""
        return self.presented(self.node.chunk_shape)

    @property
    def write_shape(self) -> tuple[int, ...]:
        """The shape of what is stored as one object, in the presented order."""
        return self.presented(self.node.write_shape)

    @property
    def cache_bytes(self) -> int:
        """The most memory that decoded chunks take."""
        return min(_CACHE_BYTES, math.prod(self.shape) * self.dtype.itemsize)

    def presented(self, values: Sequence[int]) -> tuple[int, ...]:
        """One number for each stored axis, in the presented order."""
        return tuple(values[number] for number in self.order)

    def read_box(self, box: Box) -> Array:
        """The samples of a box."""
        stored = self._stored(box)
        if math.prod(map(len, stored)) * self.dtype.itemsize > _CACHE_BYTES // 2:
            return self._fetch(tuple(slice(part.start, part.stop) for part in stored)).transpose(self.order)
        out: Array = np.empty([part.stop - part.start for part in stored], self.dtype)
        for index, chunk in self._chunks(stored):
            starts = [number * length for number, length in zip(index, self.node.chunk_shape, strict=True)]
            inside, outside = [], []
            for part, start, length in zip(stored, starts, chunk.shape, strict=True):
                low, high = max(part.start, start), min(part.stop, start + length)
                inside.append(slice(low - start, high - start))
                outside.append(slice(low - part.start, high - part.start))
            out[tuple(outside)] = chunk[tuple(inside)]
        return out.transpose(self.order)

    def forget(self) -> None:
        """Free the decoded chunks."""
        with self._lock:
            self._cache.clear()

    def write_box(self, box: Box, samples: Array) -> None:
        """Store a box of whole shards; chunks of nothing but the fill value are not stored."""
        stored = tuple(slice(part.start, part.stop) for part in self._stored(box))
        inverse = np.argsort(self.order)
        values = samples.transpose(inverse).astype(self.dtype, copy=False)
        self._call(self._array.__setitem__, stored, values)

    def stored_chunks(self) -> np.ndarray[Any, Any] | None:
        """The indices of all stored objects, shape (objects, axes), presented; None if the store cannot list them."""
        keys = self._store.keys(self.node.key_prefix)
        if keys is None:
            return None
        found = [index for key in keys if (index := self.node.chunk_index(key.name)) is not None]
        indices = np.array(found, np.int64).reshape(-1, len(self.order))
        return indices[:, list(self.order)]

    def _fetch(self, selection: tuple[slice, ...]) -> Array:
        samples: Array = np.asarray(self._call(self._array.__getitem__, selection))
        return samples

    def _call(self, request: Callable[..., Any], *args: Any) -> Any:
        return patiently(request, *args) if self._store.is_remote else request(*args)

    def _stored(self, box: Box) -> tuple[range, ...]:
        parts = dict(zip(self.order, box, strict=True))
        return tuple(parts[number] for number in range(len(self.order)))

    def _chunks(self, stored: Sequence[range]) -> Iterator[tuple[tuple[int, ...], Array]]:
        """All chunks that a box touches. Threads that need the same chunk decode it once."""
        lengths = self.node.chunk_shape
        numbers = [range(p.start // n, -(-p.stop // n)) for p, n in zip(stored, lengths, strict=True)]
        mine: dict[tuple[int, ...], Future[Array]] = {}
        futures: dict[tuple[int, ...], Future[Array]] = {}
        with self._lock:
            for index in product(*numbers):
                if index not in self._cache:
                    self._cache[index] = mine[index] = Future()
                self._cache.move_to_end(index)
                futures[index] = self._cache[index]
            kept = max(1, _CACHE_BYTES // (math.prod(lengths) * self.dtype.itemsize))
            while len(self._cache) > max(kept, len(futures)):
                self._cache.popitem(last=False)
        if mine:
            self._decode(mine)
        for index, future in futures.items():
            yield index, future.result()

    def _decode(self, wanted: dict[tuple[int, ...], Future[Array]]) -> None:
        """Read the smallest box that holds the chunks `wanted` in one call, which fetches and decodes them at once."""
        lengths = self.node.chunk_shape
        low = [min(axis) for axis in zip(*wanted, strict=True)]
        high = [max(axis) + 1 for axis in zip(*wanted, strict=True)]
        bounds = [
            slice(a * n, min(b * n, size)) for a, b, n, size in zip(low, high, lengths, self.node.shape, strict=True)
        ]
        try:
            samples = self._fetch(tuple(bounds))
        except BaseException as error:
            with self._lock:
                for index in wanted:
                    self._cache.pop(index, None)
            for future in wanted.values():
                future.set_exception(error)
            raise
        for index, future in wanted.items():
            starts = [(number - first) * n for number, first, n in zip(index, low, lengths, strict=True)]
            part = samples[tuple(slice(s, s + n) for s, n in zip(starts, lengths, strict=True))]
            future.set_result(part if len(wanted) == 1 else part.copy())
