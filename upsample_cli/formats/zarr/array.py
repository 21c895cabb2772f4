"""Boxes of one stored array: read through a cache of decoded chunks, written as whole shards."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import product
from typing import Any, Generic, TypeVar, cast

import numpy as np

from ...core.threads import available_cores
from ...runtime.retry import with_retries
from ..base import Array, Box
from .codecs import Encoding, Sharding
from .documents import Node
from .store import Data, Directory, ObjectStore

R = TypeVar("R")
V = TypeVar("V")

_CACHE_BYTES = 64 << 20  # of decoded chunks
_KEPT_INDICES = 64  # of shards
_REMOTE_THREADS = 16  # which wait for an object store most of the time


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
        self._indices: _Shared[Array | None] = _Shared(_KEPT_INDICES)
        self._pool = ThreadPoolExecutor(_REMOTE_THREADS if store.is_remote else available_cores(), "upsample-chunk")
        self.shape = self.presented(node.shape)

    @cached_property
    def _encoding(self) -> Encoding | None:
        return Encoding.of(self.node)

    @cached_property
    def _array(self) -> Any:
        """The array of zarr-python, which reads and writes uncommon codecs and samples."""
        import zarr
        from zarr.storage import StorePath

        metadata: Any = self.node.merged()
        place = StorePath(self._store.for_zarr(self._read_only), self.node.path)
        return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=place))

    @cached_property
    def _chunks(self) -> _Shared[Array]:
        return _Shared(max(1, _CACHE_BYTES // (math.prod(self.node.chunk_shape) * self.dtype.itemsize)))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type of the samples."""
        dtype: np.dtype[Any] = np.dtype(self._array.dtype) if self._encoding is None else self._encoding.dtype
        return dtype

    @property
    def fill_value(self) -> Any:
        """The value of all samples whose chunks are not stored."""
        if self._encoding is not None:
            return self._encoding.fill_value
        value = self._array.fill_value
        return self.dtype.type(0) if value is None else value

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """The shape of a chunk, in the presented order."""
        return self.presented(self.node.chunk_shape)

    @property
    def write_shape(self) -> tuple[int, ...]:
        """The shape of a shard, or of a chunk where there are no shards, in the presented order."""
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
        out: Array = np.empty([len(part) for part in stored], self.dtype)
        keep = out.nbytes <= _CACHE_BYTES // 2

        def place(index: tuple[int, ...]) -> None:
            chunk = self._chunks.get(index, self._read_chunk) if keep else self._read_chunk(index)
            inside, outside = [], []
            for part, number, length in zip(stored, index, self.node.chunk_shape, strict=True):
                start = number * length
                low, high = max(part.start, start), min(part.stop, start + length)
                inside.append(slice(low - start, high - start))
                outside.append(slice(low - part.start, high - part.start))
            out[tuple(outside)] = chunk[tuple(inside)]

        self._for_all(place, _touched(stored, self.node.chunk_shape))
        return out.transpose(self.order)

    def forget(self) -> None:
        """Free the decoded chunks."""
        self._chunks.clear()

    def write_box(self, box: Box, samples: Array) -> None:
        """Store a box of whole shards; chunks of nothing but the fill value are not stored."""
        stored = self._stored(box)
        values = samples.transpose(np.argsort(self.order)).astype(self.dtype, copy=False)
        if self._encoding is None:
            self._call(self._array.__setitem__, tuple(slice(part.start, part.stop) for part in stored), values)
            return
        starts = [part.start for part in stored]
        shards = _touched(stored, self.node.write_shape)
        sharding = self._encoding.sharding
        if sharding is None:
            self._for_all(lambda index: self._write(index, self._encoded(values, starts, index)), shards)
            return
        for shard in shards:
            chunks = product(
                *(range(n * count, (n + 1) * count) for n, count in zip(shard, sharding.counts, strict=True))
            )
            self._write(shard, sharding.join(self._for_all(lambda index: self._encoded(values, starts, index), chunks)))

    def stored_chunks(self) -> np.ndarray[Any, Any] | None:
        """The indices of all stored objects, shape (objects, axes), presented; None if the store cannot list them."""
        keys = self._store.keys(self.node.key_prefix)
        if keys is None:
            return None
        found = [index for key in keys if (index := self.node.chunk_index(key.name)) is not None]
        indices = np.array(found, np.int64).reshape(-1, len(self.order))
        return indices[:, list(self.order)]

    def _for_all(self, function: Callable[[tuple[int, ...]], R], indices: Iterable[tuple[int, ...]]) -> list[R]:
        """The results of a function for all `indices`, by several threads if there are several."""
        wanted = list(indices)
        return [function(index) for index in wanted] if len(wanted) == 1 else list(self._pool.map(function, wanted))

    def _read_chunk(self, index: tuple[int, ...]) -> Array:
        """A whole chunk; those that zarr-python reads end where the array ends."""
        shape = self.node.chunk_shape
        if self._encoding is None:
            bounds = (
                slice(number * n, min((number + 1) * n, size))
                for number, n, size in zip(index, shape, self.node.shape, strict=True)
            )
            return np.asarray(self._call(self._array.__getitem__, tuple(bounds)))
        data = self._read(index)
        return np.broadcast_to(self._encoding.fill_value, shape) if data is None else self._encoding.chunk.decode(data)

    def _read(self, index: tuple[int, ...]) -> bytes | None:
        """The encoded bytes of a chunk."""
        sharding = cast(Encoding, self._encoding).sharding
        if sharding is None:
            return self._store.read(self.node.chunk_key(index))
        pairs = list(zip(index, sharding.counts, strict=True))
        shard = tuple(number // count for number, count in pairs)
        table = self._indices.get(shard, self._read_index)
        extent = None if table is None else sharding.extent(table, [number % count for number, count in pairs])
        if extent is None:
            return None
        return self._store.read_range(self.node.chunk_key(shard), *extent)

    def _read_index(self, shard: tuple[int, ...]) -> Array | None:
        """The index of a shard; None if the shard is not stored."""
        sharding = cast(Sharding, cast(Encoding, self._encoding).sharding)
        bounds = (-sharding.index_bytes, None) if sharding.index_at_end else (0, sharding.index_bytes)
        data = self._store.read_range(self.node.chunk_key(shard), *bounds)
        return None if data is None else sharding.index_codec.decode(data)

    def _encoded(self, values: Array, starts: Sequence[int], index: tuple[int, ...]) -> Data | None:
        """The encoded bytes of a chunk of a box; None if it holds nothing but the fill value.

        Args:
            values: the samples of the box.
            starts: where the box begins.
            index: of the chunk.
        """
        encoding = cast(Encoding, self._encoding)
        shape = self.node.chunk_shape
        lows = [number * n - start for number, n, start in zip(index, shape, starts, strict=True)]
        chunk = values[tuple(slice(low, low + n) for low, n in zip(lows, shape, strict=True))]
        if encoding.is_fill(chunk):
            return None
        if chunk.shape != shape:  # at the end of the array
            whole = np.full(shape, encoding.fill_value, self.dtype)
            whole[tuple(map(slice, chunk.shape))] = chunk
            chunk = whole
        return encoding.chunk.encode(chunk)

    def _write(self, index: tuple[int, ...], data: Data | None) -> None:
        if data is not None:
            self._store.write(self.node.chunk_key(index), data)

    def _call(self, request: Callable[..., Any], *args: Any) -> Any:
        return with_retries(request, *args) if self._store.is_remote else request(*args)

    def _stored(self, box: Box) -> tuple[range, ...]:
        parts = dict(zip(self.order, box, strict=True))
        return tuple(parts[number] for number in range(len(self.order)))


def _touched(box: Sequence[range], lengths: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The indices of all chunks with edges of `lengths` that a box touches."""
    return product(*(range(part.start // n, -(-part.stop // n)) for part, n in zip(box, lengths, strict=True)))


class _Shared(Generic[V]):
    """A cache of the most recently used values. Threads that need the same new value wait until one has made it."""

    def __init__(self, count: int) -> None:
        """Keep up to `count` values."""
        self._count = count
        self._futures: OrderedDict[tuple[int, ...], Future[V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, ...], make: Callable[[tuple[int, ...]], V]) -> V:
        """The value of a key, which `make` makes from the key."""
        with self._lock:
            future = self._futures.get(key)
            is_new = future is None
            if future is None:
                future = self._futures[key] = Future()
            self._futures.move_to_end(key)
            while len(self._futures) > self._count:
                self._futures.popitem(last=False)
        if is_new:
            try:
                future.set_result(make(key))
            except BaseException as error:
                with self._lock:
                    self._futures.pop(key, None)
                future.set_exception(error)
                raise
        return future.result()

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._futures.clear()
