"""Damaged Zarr hierarchies: changed documents, chunks, keys and links of small stores that zarr-python wrote."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.campaign import mutators
from tests.formats.examples import samples

Store = dict[str, bytes]  # content by key
Mutator = Callable[[Store, Random], str]  # changes the store, and says what it did

_DOCUMENTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
_VALUES = (
    *(0, 1, -1, 2, 7, 10**12, 2**31, 2**63, 2**64, -(10**12), 1.5, 1e300, float("nan"), float("-inf")),
    *("", "0", "nan", "\x1b[31m\r\n", "../..", "/", "a" * 5000, "uint8", "float64", "<f3", "|O", "|V9", "<M8[D]"),
    *(None, True, False, [], {}, [0], [[]], {"name": "regular"}, [10**12] * 3, [1] * 70, [0, 0, 0], ["4", "5", "6"]),
)
_CODECS = (
    {"name": "gzip", "configuration": {"level": 99}},
    {"name": "gzip", "configuration": {}},
    {"name": "nonsense"},
    {"name": "transpose", "configuration": {"order": [9, 9, 9]}},
    {"name": "sharding_indexed", "configuration": {"chunk_shape": [0, 0, 0], "codecs": [], "index_codecs": []}},
    {"name": "sharding_indexed", "configuration": {"chunk_shape": [10**12], "codecs": [{"name": "bytes"}]}},
    {"name": "blosc", "configuration": {"cname": "none", "clevel": -1, "typesize": 0, "blocksize": 2**40}},
    {"name": "bytes", "configuration": {"endian": "middle"}},
    {"id": "zlib", "level": 1},
    {"id": "lz4", "acceleration": 2**40},
    {"id": "pickle"},
    {"name": "crc32c"},
    {},
    7,
)


@cache
def seeds() -> list[Store]:
    """Images of both formats, with shards, labels and several codecs, and plain arrays."""
    with tempfile.TemporaryDirectory() as folder:
        return [_contents(path) for path in _write(Path(folder))]


def _write(folder: Path) -> Iterator[Path]:
    import zarr

    from tests.formats.zarr.stores import write_image

    levels = [samples((6, 9, 12), "uint16"), samples((3, 5, 6), "uint16")]
    placed = ([[2.0, 1.0, 1.0], [4.0, 2.0, 2.0]], [[0.0] * 3, [1.0, 0.5, 0.5]])
    for number, (format_, storage) in enumerate(
        [
            (3, {"chunks": (2, 3, 4), "shards": (4, 6, 8)}),
            (3, {"chunks": (3, 5, 6), "compressors": None}),
            (2, {"chunks": (3, 5, 6)}),
        ]
    ):
        group = zarr.create_group(str(folder / f"image{number}"), zarr_format=format_)
        write_image(group, "zyx", levels, *placed, **storage)
        if number == 0:
            labels = group.create_group("labels")
            labels.attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
            write_image(
                labels.create_group("cells"), "zyx", levels[:1], [placed[0][0]], [placed[1][0]], chunks=(6, 9, 12)
            )
        yield folder / f"image{number}"
    for format_ in (2, 3):
        path = folder / f"array{format_}"
        array = zarr.create_array(
            str(path), shape=(7, 8), chunks=(4, 4), dtype="float32", zarr_format=format_, fill_value=1.5
        )
        array[...] = samples((7, 8), "float32")
        yield path


def _contents(folder: Path) -> Store:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def write(store: Store, folder: Path) -> None:
    """Write a store; a content that begins with ``link:`` becomes a symbolic link."""
    for key, content in store.items():
        path = folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if content.startswith(b"link:"):
                path.symlink_to(content[5:].decode())
            else:
                path.write_bytes(content)
        except (OSError, ValueError):
            pass  # the key is no possible name, or lies below a file


# --- mutators ---


def change_field(store: Store, random: Random) -> str:
    """Replace a value anywhere in a document."""
    key = _document(store, random)
    try:
        document = json.loads(store[key])
    except (ValueError, RecursionError):
        return damage_document(store, random)
    places = list(_places(document)) if isinstance(document, dict | list) else []
    if not places:
        return damage_document(store, random)
    owner, name = random.choice(places)
    value = random.choice((*_VALUES, *_CODECS))
    match random.randrange(5):
        case 0 if isinstance(owner, dict):
            del owner[name]
            value = "deleted"
        case 1 if isinstance(owner[name], list) and owner[name]:
            owner[name] = owner[name] * random.choice((2, 100))
            value = "repeated"
        case _:
            owner[name] = value
    store[key] = json.dumps(document).encode()
    return f"{key} {name}: {str(value)[:40]}"


def change_shapes(store: Store, random: Random) -> str:
    """Give an array, its chunks or its shards an impossible shape."""
    keys = [key for key, data in store.items() if key.endswith(_DOCUMENTS) and b'"shape"' in data]
    if not keys:
        return change_field(store, random)
    key = random.choice(keys)
    try:
        document = json.loads(store[key])
        owner, name = random.choice(
            [place for place in _places(document) if place[1] in ("shape", "chunks", "chunk_shape")]
        )
        sizes = list(owner[name])
        sizes[random.randrange(len(sizes))] = random.choice((0, -1, 1, 10**12, 2**40, 2**63, 10**30, 1.5, "4", None))
    except (ValueError, LookupError, TypeError, RecursionError):
        return damage_document(store, random)
    owner[name] = random.choice((sizes, sizes, sizes, sizes[1:], [*sizes, 1], [], [10**12] * len(sizes)))
    store[key] = json.dumps(document).encode()
    return f"{key} {name}: {str(owner[name])[:40]}"


def damage_document(store: Store, random: Random) -> str:
    """Make a document no JSON, or another kind of JSON."""
    key = _document(store, random)
    nested = b"[" * 100_000
    store[key] = random.choice(
        (b"", b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe", nested, b'{"a":' * 50_000, b"{}", store[key][:-9])
    )
    return f"{key} damaged"


def damage_chunk(store: Store, random: Random) -> str:
    """Damage, truncate or empty a chunk or a shard."""
    keys = [key for key in store if not key.endswith(_DOCUMENTS)]
    if not keys:
        return damage_document(store, random)
    key = random.choice(keys)
    data = store[key]
    store[key] = random.choice((b"", data[:-1], data[: len(data) // 2], data + data, bytes(len(data)), b"\xff" * 100))
    if random.random() < 0.6 and data:
        store[key] = random.choice(mutators.GENERAL)(data, random)
    return f"chunk {key}"


def damage_keys(store: Store, random: Random) -> str:
    """Remove or rename a file, or replace it by a link or a directory."""
    key = random.choice(sorted(store))
    data = store.pop(key)
    match random.randrange(4):
        case 0:
            return f"{key} removed"
        case 1:
            store[f"{key}/{random.choice(('a', '0', 'zarr.json', 'c'))}"] = data
            return f"{key} is a directory"
        case 2:
            target = random.choice(
                ("..", ".", "/dev/zero", "/dev/null", "missing", key.rpartition("/")[2], "zarr.json")
            )
            store[key] = b"link:" + target.encode()
            return f"{key} links to {target}"
    store[f"{key}{random.choice(('.1', '/9/9/9', '0'))}"] = data
    return f"{key} renamed"


MUTATORS: tuple[Mutator, ...] = (
    change_field,
    change_field,
    change_field,
    change_shapes,
    change_shapes,
    damage_document,
    damage_chunk,
    damage_keys,
)


def _document(store: Store, random: Random) -> str:
    return random.choice(sorted(key for key in store if key.endswith(_DOCUMENTS)) or sorted(store))


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document, with every key or index of it."""
    for name in list(document) if isinstance(document, dict) else range(len(document)):
        yield document, name
        if isinstance(document[name], dict | list):
            yield from _places(document[name])
