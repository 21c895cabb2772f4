"""Chunks that are encoded and decoded without zarr-python, which reads what they write, and writes what they read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

zarr = pytest.importorskip("zarr")
import numcodecs  # noqa: E402
from zarr import codecs  # noqa: E402

from upsample_cli.formats.zarr.array import StoredArray  # noqa: E402
from upsample_cli.formats.zarr.codecs import Encoding  # noqa: E402
from upsample_cli.formats.zarr.documents import Node, read_node  # noqa: E402
from upsample_cli.formats.zarr.store import Directory, ObjectStore  # noqa: E402

SHAPE, CHUNKS, SHARDS = (11, 9, 14), (3, 4, 5), (6, 4, 10)
BLOSCS = {
    name: {"compressors": codecs.BloscCodec(cname=name, clevel=5, shuffle=shuffle)}
    for name, shuffle in zip(
        ("blosclz", "lz4", "lz4hc", "zlib", "zstd"), ("shuffle", "bitshuffle", "noshuffle") * 2, strict=False
    )
}
SHARD = {"shards": SHARDS}
INDEX = [codecs.BytesCodec(), codecs.Crc32cCodec()]
INNER = [codecs.TransposeCodec(order=(1, 2, 0)), codecs.BytesCodec(endian="big"), codecs.ZstdCodec(level=1)]
COMMON: dict[str, dict[str, Any]] = {
    "no compressor": {"compressors": None},
    "zstd": {},
    "gzip": {"compressors": codecs.GzipCodec(level=1)},
    "checksum": {"compressors": [codecs.ZstdCodec(level=1), codecs.Crc32cCodec()]},
    **BLOSCS,
    "big-endian": {"serializer": codecs.BytesCodec(endian="big")},
    "transposed": {"filters": codecs.TransposeCodec(order=(2, 0, 1))},
    "dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "version 2 keys": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "shards": SHARD,
    "shards that begin with the index": {
        "chunks": SHARDS,
        "filters": None,
        "compressors": None,
        "serializer": codecs.ShardingCodec(
            chunk_shape=CHUNKS, codecs=INNER, index_codecs=INDEX, index_location="start"
        ),
    },
    "format 2": {"zarr_format": 2},
    "format 2, blosc": {"zarr_format": 2, "compressors": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": -1}},
    "format 2, gzip": {"zarr_format": 2, "compressors": {"id": "gzip", "level": 1}},
    "format 2, zlib": {"zarr_format": 2, "compressors": {"id": "zlib", "level": 1}},
    "format 2, Fortran order": {"zarr_format": 2, "order": "F", "dtype": ">u2"},
    **{f"of {name}": {"dtype": name} for name in ("bool", "int8", "float16", "float32", "float64", "complex64")},
    **{f"filled with {value}": {"dtype": "f4", "fill_value": value} for value in (1.5, np.nan, -np.inf, -0.0)},
}
UNCOMMON: dict[str, dict[str, Any]] = {
    "checksums of zstd": {"compressors": codecs.ZstdCodec(level=1, checksum=True)},
    "format 2, LZ4": {"zarr_format": 2, "compressors": {"id": "lz4", "acceleration": 1}},
    "format 2, delta": {"zarr_format": 2, "filters": [numcodecs.Delta("<u2")]},
}
ALL = {**COMMON, **UNCOMMON}


def create(path: Path, options: dict[str, Any], name: str = "") -> tuple[zarr.Array, np.ndarray]:
    """An array without samples, and samples for it, of which one shard and one chunk are nothing but the fill value."""
    settings = {"shape": SHAPE, "chunks": CHUNKS, "dtype": "u2", "fill_value": 0, "name": name, **options}
    array = zarr.create_array(path, **settings)
    values = np.random.default_rng(0).integers(0, 99, SHAPE).astype(array.dtype)
    values[:6, :4, :10] = array.fill_value
    values[6:9, 4:8, 10:] = array.fill_value
    return array, values


def opened(store: Directory | ObjectStore, path: str = "", order: tuple[int, ...] = (0, 1, 2)) -> StoredArray:
    node = read_node(store, path)
    assert node is not None
    return StoredArray(store, node, order, read_only=False)


def whole(array: StoredArray) -> tuple[range, ...]:
    return tuple(map(range, array.shape))


@pytest.mark.parametrize("name", ALL)
def test_what_zarr_python_writes_is_read(tmp_path: Path, name: str) -> None:
    array, values = create(tmp_path, ALL[name], "group/array")
    array[...] = values
    ours = opened(Directory(tmp_path), "group/array")
    assert (Encoding.of(ours.node) is None) == (name in UNCOMMON)
    assert ours.dtype == array.dtype
    np.testing.assert_array_equal(ours.fill_value, array.fill_value)
    np.testing.assert_array_equal(ours.read_box(whole(ours)), values)
    box = (range(2, 8), range(3, 5), range(4, 14))
    np.testing.assert_array_equal(ours.read_box(box), values[2:8, 3:5, 4:14])


@pytest.mark.parametrize("name", ALL)
def test_zarr_python_reads_what_is_written(tmp_path: Path, name: str) -> None:
    path = "group/array" if "blosc" in name else ""
    array, values = create(tmp_path / "ours", ALL[name], path)
    ours = opened(Directory(tmp_path / "ours"), path, (2, 0, 1))
    ours.write_box(whole(ours), values.transpose(2, 0, 1))
    np.testing.assert_array_equal(array[...], values)
    theirs, _ = create(tmp_path / "theirs", ALL[name], path)
    theirs[...] = values
    stored = {file.relative_to(tmp_path / "theirs") for file in (tmp_path / "theirs").rglob("*")}
    assert {file.relative_to(tmp_path / "ours") for file in (tmp_path / "ours").rglob("*")} == stored


@pytest.mark.parametrize("name", ["zstd", "shards", "shards that begin with the index", "checksums of zstd"])
def test_an_object_store_gives_the_same(name: str) -> None:
    pytest.importorskip("fsspec")
    url = f"memory://codecs/{name}"
    array, values = create(url, COMMON.get(name) or UNCOMMON[name], "array")
    ours = opened(ObjectStore(url), "array")
    ours.write_box(whole(ours), values)
    np.testing.assert_array_equal(array[...], values)
    np.testing.assert_array_equal(ours.read_box(whole(ours)), values)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def middle(data: bytes) -> bytes:
    return data[:20] + bytes([data[20] ^ 255]) * 20 + data[40:]


def cut(data: bytes) -> bytes:
    return data[:-1]


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, cut) for name in COMMON if not name.startswith(("of", "filled"))]
    + [("gzip", middle), ("checksum", flip), ("shards", flip), ("shards", lambda data: data[:4])],
)
def test_a_damaged_chunk_is_an_error(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    array, values = create(tmp_path, COMMON[name])
    array[...] = values
    ours = opened(Directory(tmp_path))
    key = ours.node.chunk_key((1, 1, 1))
    (tmp_path / key).write_bytes(damage((tmp_path / key).read_bytes()))
    with pytest.raises((ValueError, RuntimeError)):
        ours.read_box(whole(ours))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["zstd", "shards"])
def test_a_pipe_in_place_of_a_chunk_is_not_read(tmp_path: Path, name: str) -> None:
    create(tmp_path, COMMON[name])
    ours = opened(Directory(tmp_path))
    pipe = tmp_path / ours.node.chunk_key((1, 1, 1))
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    assert not ours.read_box(whole(ours)).any()


@pytest.mark.parametrize("name", ["zstd", "gzip", "lz4", "format 2, zlib"])
def test_a_chunk_that_decodes_to_more_than_its_size_is_an_error(tmp_path: Path, name: str) -> None:
    create(tmp_path, COMMON[name])
    node = read_node(Directory(tmp_path), "")
    assert node is not None
    encoding = Encoding.of(node)
    assert encoding is not None
    bomb = encoding.chunk.steps[0].encode(np.zeros(1 << 20, np.uint8))
    with pytest.raises((ValueError, RuntimeError)):
        encoding.chunk.decode(bomb)


@pytest.mark.parametrize(
    "change",
    [
        {"codecs": []},
        {"codecs": [{"name": "zstd", "configuration": {"level": 1}}]},
        {"codecs": [{"name": "bytes"}]},
        {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zfp"}]},
        {"data_type": "bfloat16"},
        {"data_type": {"name": "numpy.datetime64"}},
        {"fill_value": None},
        {"fill_value": 70000},
        {"fill_value": "NaN"},
        {"shape": [11, 9]},
        {"shape": [11, 9, -1]},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 4, 5]}}},
        {"storage_transformers": [{"name": "unknown"}]},
        {"unknown": {"must_understand": True}},
    ],
    ids=str,
)
def test_what_is_uncommon_is_left_to_zarr_python(tmp_path: Path, change: dict[str, Any]) -> None:
    create(tmp_path, {})
    node = read_node(Directory(tmp_path), "")
    assert node is not None
    assert Encoding.of(node) is not None
    assert Encoding.of(Node("", {**node.document, **change})) is None


def test_common_arrays_do_not_import_zarr_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array, values = create(tmp_path, {})
    array[...] = values
    monkeypatch.setattr(StoredArray, "_array", property(lambda self: pytest.fail("zarr-python is used")))
    ours = opened(Directory(tmp_path))
    ours.write_box(whole(ours), ours.read_box(whole(ours)))
