"""Encodes and decodes the chunks of arrays whose codecs are common, without zarr-python.

zarr-python needs more time to start and a quarter more time per chunk. It takes care of all other arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple, cast

import numpy as np

from ..base import Array
from .documents import Json, Node
from .store import Data

_DTYPES = {np.dtype(code).name for code in "?bBhHiIqQefdFD"}
_ARRAY_KEYS = {"zarr_format", "node_type", "shape", "data_type", "fill_value", "dimension_names"}
_ENCODING_KEYS = {"chunk_grid", "chunk_key_encoding", "codecs", "storage_transformers"}
_BYTE_ORDERS: Mapping[str, Any] = {"little": "<", "big": ">"}
_SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BLOSC_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
_BLOSC_COMPRESSORS = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
_BLOSC_HEADER_BYTES = 16
_CRC_BYTES = 4
_ABSENT = (1 << 64) - 1  # in the index of a shard


class UncommonError(Exception):
    """An array needs zarr-python."""


class Step(NamedTuple):
    """A codec from bytes to bytes.

    Attributes:
        encode: the encoded bytes.
        decode: the decoded bytes; also takes their number, which is never exceeded.
    """

    encode: Callable[[Data], Data]
    decode: Callable[[Data, int], Data]


@dataclass(frozen=True)
class ChunkCodec:
    """How a chunk becomes bytes.

    Attributes:
        shape: of a chunk.
        dtype: of the stored samples, with their byte order.
        order: the axes in the order in which they are stored, slowest first.
        steps: what is done to the bytes, in the order of encoding.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: tuple[int, ...]
    steps: tuple[Step, ...]

    def encode(self, chunk: Array) -> Data:
        """The bytes of a whole chunk."""
        samples = np.ascontiguousarray(chunk.transpose(self.order), self.dtype)
        data: Data = samples.reshape(-1).view(np.uint8)
        for step in self.steps:
            data = step.encode(data)
        return data

    def decode(self, data: Data) -> Array:
        """The samples of a whole chunk, read-only.

        Raises:
            ValueError, RuntimeError: the bytes are not those of a chunk.
        """
        size = math.prod(self.shape) * self.dtype.itemsize
        for step in reversed(self.steps):
            data = step.decode(data, size)
        if len(data) != size:
            raise ValueError(f"its decoded size is {len(data)} bytes, not {size}")
        stored: Array = np.frombuffer(data, self.dtype).reshape([self.shape[axis] for axis in self.order])
        return stored.transpose(np.argsort(self.order))


@dataclass(frozen=True)
class Sharding:
    """How the chunks of a shard lie in it.

    Attributes:
        counts: the number of chunks in a shard along each axis.
        index_at_end: whether the index follows the chunks, or precedes them.
        index_codec: of the index: offset and length of each chunk.
    """

    counts: tuple[int, ...]
    index_at_end: bool
    index_codec: ChunkCodec

    @property
    def index_bytes(self) -> int:
        """The length of the encoded index."""
        checksum = _CRC_BYTES * len(self.index_codec.steps)
        return math.prod(self.index_codec.shape) * self.index_codec.dtype.itemsize + checksum

    def join(self, chunks: Sequence[Data | None]) -> bytes | None:
        """The bytes of a shard from those of its chunks in C order; None if no chunk is stored."""
        index = np.full((len(chunks), 2), _ABSENT, np.uint64)
        offset = 0 if self.index_at_end else self.index_bytes
        for number, data in enumerate(chunks):
            if data is not None:
                index[number] = offset, len(data)
                offset += len(data)
        stored = [data for data in chunks if data is not None]
        if not stored:
            return None
        encoded = self.index_codec.encode(index.reshape(self.index_codec.shape))
        return b"".join([*stored, encoded] if self.index_at_end else [encoded, *stored])

    def extent(self, index: Array, position: Sequence[int]) -> tuple[int, int] | None:
        """Where the chunk at a position within its shard begins and ends; None if it is not stored."""
        offset, length = (int(number) for number in index[tuple(position)])
        return None if offset == length == _ABSENT else (offset, offset + length)


@dataclass(frozen=True)
class Encoding:
    """How the samples of an array are stored.

    Attributes:
        dtype: of the samples as they are presented.
        fill_value: of the samples that are not stored.
        chunk: the codec of a chunk.
        sharding: how chunks lie in shards; None if each is stored by itself.
    """

    dtype: np.dtype[Any]
    fill_value: Any
    chunk: ChunkCodec
    sharding: Sharding | None = None

    @classmethod
    def of(cls, node: Node) -> Encoding | None:
        """The encoding of an array; None if zarr-python must read it, or refuse it."""
        try:
            _check_shapes(node)
            return _version_2(node) if node.zarr_format == 2 else _version_3(node)
        except (UncommonError, KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError):
            return None

    def is_fill(self, samples: Array) -> bool:
        """Whether the bits of all samples are those of the fill value."""
        if samples.size == 0:
            return True
        fill = np.asarray(self.fill_value, self.dtype)
        if samples[(0,) * samples.ndim].tobytes() != fill.tobytes():
            return False
        if self.dtype.kind in "biu":
            return bool((samples == fill).all())
        bits = np.ascontiguousarray(samples).reshape(-1).view(np.uint8).reshape(-1, self.dtype.itemsize)
        return bool((bits == bits[0]).all())


def _require(condition: bool) -> None:
    if not condition:
        raise UncommonError


def _check_shapes(node: Node) -> None:
    shapes = (node.shape, node.write_shape, node.chunk_shape)
    _require(all(type(size) is int and size > 0 for shape in shapes for size in shape))
    _require(len({len(shape) for shape in shapes}) == 1)
    _require(all(outer % inner == 0 for outer, inner in zip(node.write_shape, node.chunk_shape, strict=True)))


def _version_2(node: Node) -> Encoding:
    document = node.document
    dtype = np.dtype(document["dtype"])
    _require(dtype.name in _DTYPES and not document["filters"])
    _require(document.get("dimension_separator", ".") in "./")
    axes = tuple(range(len(node.shape)))
    order = {"C": axes, "F": axes[::-1]}[document["order"]]
    settings = document["compressor"]
    steps = () if settings is None else (_STEPS_2[settings["id"]](settings, dtype.itemsize),)
    value = document["fill_value"]
    fill_value = dtype.type(0) if value is None else _fill_value(value, dtype)
    return Encoding(dtype, fill_value, ChunkCodec(node.chunk_shape, dtype, order, steps))


def _version_3(node: Node) -> Encoding:
    document = node.document
    _require(set(document) <= _ARRAY_KEYS | _ENCODING_KEYS)
    _require(document["data_type"] in _DTYPES and not document.get("storage_transformers"))
    _require(document["chunk_key_encoding"]["name"] in ("default", "v2"))
    dtype = np.dtype(document["data_type"])
    fill_value = _fill_value(document["fill_value"], dtype)
    codecs = document["codecs"]
    if codecs[0]["name"] != "sharding_indexed":
        return Encoding(dtype, fill_value, _chunk_codec(codecs, node.chunk_shape, dtype))
    _require(len(codecs) == 1)
    settings = codecs[0]["configuration"]
    counts = tuple(outer // inner for outer, inner in zip(node.write_shape, node.chunk_shape, strict=True))
    index_codec = _chunk_codec(settings["index_codecs"], (*counts, 2), np.dtype(np.uint64))
    _require(all(codec["name"] in ("bytes", "crc32c") for codec in settings["index_codecs"]))
    at_end = {"start": False, "end": True}[settings.get("index_location", "end")]
    chunk = _chunk_codec(settings["codecs"], node.chunk_shape, dtype)
    return Encoding(dtype, fill_value, chunk, Sharding(counts, at_end, index_codec))


def _chunk_codec(codecs: Sequence[Json], shape: Sequence[int], dtype: np.dtype[Any]) -> ChunkCodec:
    remaining = [(codec["name"], codec.get("configuration", {})) for codec in codecs]
    order = tuple(range(len(shape)))
    if remaining[0][0] == "transpose":
        order = tuple(remaining.pop(0)[1]["order"])
        _require(sorted(order) == list(range(len(shape))))
    name, settings = remaining.pop(0)
    _require(name == "bytes")
    if dtype.itemsize > 1:
        dtype = dtype.newbyteorder(_BYTE_ORDERS[settings["endian"]])
    names = [name for name, _ in remaining]
    _require("crc32c" not in names[:-1] and len(names) - names.count("crc32c") <= 1)
    steps = tuple(_STEPS_3[name](settings, dtype.itemsize) for name, settings in remaining)
    return ChunkCodec(tuple(shape), dtype, order, steps)


def _fill_value(value: Json, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "c":
        real, imaginary = (_SPECIAL_NUMBERS.get(part, part) for part in value)
        _require(not isinstance(real, str) and not isinstance(imaginary, str))
        return dtype.type(complex(real, imaginary))
    if dtype.kind == "f":
        value = _SPECIAL_NUMBERS.get(value, value)
    _require(type(value) in {"b": (bool,), "f": (int, float)}.get(dtype.kind, (int,)))
    return dtype.type(value)


def _zstd(settings: Mapping[str, Json], itemsize: int) -> Step:
    from imagecodecs import zstd_decode, zstd_encode

    _require(settings.get("checksum", False) is False)
    level = _level(settings, "level", 22)
    return Step(lambda data: zstd_encode(data, level), lambda data, size: zstd_decode(data, out=_buffer(size)))


def _gzip(settings: Mapping[str, Json], itemsize: int) -> Step:
    from imagecodecs import gzip_encode
    from isal import igzip, igzip_lib

    level = _level(settings, "level", 9)
    file, isal_error = cast(Any, igzip.IGzipFile), cast(type[Exception], igzip_lib.IsalError)  # which have no types

    def decode(data: Data, size: int) -> bytes:
        try:
            return bytes(file(fileobj=BytesIO(data)).read(size + 1))
        except (OSError, EOFError, isal_error) as error:
            raise ValueError(f"its gzip data is damaged: {error}") from error

    return Step(lambda data: gzip_encode(data, level), decode)


def _zlib(settings: Mapping[str, Json], itemsize: int) -> Step:
    from imagecodecs import zlib_decode, zlib_encode

    level = _level(settings, "level", 9)
    return Step(lambda data: zlib_encode(data, level), lambda data, size: zlib_decode(data, out=_buffer(size)))


def _blosc(settings: Mapping[str, Json], itemsize: int) -> Step:
    from imagecodecs import blosc_decode, blosc_encode

    name = settings["cname"]
    _require(name in _BLOSC_COMPRESSORS)
    shuffle: Any = _BLOSC_SHUFFLES.get(settings["shuffle"], settings["shuffle"])
    if shuffle == -1:  # automatic
        shuffle = 2 if itemsize == 1 else 1
    options = {
        "level": _level(settings, "clevel", 9),
        "compressor": name,
        "shuffle": int(shuffle),
        "typesize": int(settings.get("typesize") or itemsize),
        "blocksize": int(settings.get("blocksize", 0)),
    }

    def decode(data: Data, size: int) -> Data:
        header = np.frombuffer(data, "<u4", _BLOSC_HEADER_BYTES // 4)
        if header[3] != len(data):  # or else the decoder reads beyond the end
            raise ValueError("its length is not that in its Blosc header")
        return blosc_decode(data, out=_buffer(size), numthreads=1)

    return Step(lambda data: blosc_encode(data, numthreads=1, **options), decode)


def _crc32c(settings: Mapping[str, Json], itemsize: int) -> Step:
    from google_crc32c import value

    def checksum(plain: bytes) -> bytes:
        return int(value(plain)).to_bytes(_CRC_BYTES, "little")

    def encode(data: Data) -> bytes:
        plain = bytes(data)
        return plain + checksum(plain)

    def decode(data: Data, size: int) -> bytes:
        plain = bytes(data[:-_CRC_BYTES])
        if bytes(data[-_CRC_BYTES:]) != checksum(plain):
            raise ValueError("its checksum is wrong")
        return plain

    return Step(encode, decode)


_STEPS_2 = {"zstd": _zstd, "gzip": _gzip, "zlib": _zlib, "blosc": _blosc}
_STEPS_3 = {"zstd": _zstd, "gzip": _gzip, "blosc": _blosc, "crc32c": _crc32c}


def _level(settings: Mapping[str, Json], key: str, highest: int) -> int:
    level = settings[key]
    _require(type(level) is int and 0 <= level <= highest)
    return int(level)


def _buffer(size: int) -> Any:  # the types of imagecodecs do not name arrays
    return np.empty(size, np.uint8)
