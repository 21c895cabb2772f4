"""The JSON documents of groups and arrays in formats 2 and 3. An output keeps them except for what resizing changes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from .checking import check_document, check_path, parsed
from .store import Directory, ObjectStore

Json: TypeAlias = Any

_ZEROS: Mapping[str, Json] = {"b": False, "c": [0.0, 0.0], "f": 0.0}  # by the kind of a type; 0 for integers
_COPIES = ".zmetadata"  # the file of a root of format 2 that holds copies of all documents
_NODE_FILES = ("zarr.json", ".zgroup", ".zarray")
_DEFAULT_LEVEL = 3
_TARGET_CHUNK_SAMPLES = 64**3
_LARGEST_SLAB_BYTES = 64 << 20  # of the chunks that a file read row by row fills together


@dataclass(frozen=True)
class Node:
    """A group or an array of a hierarchy, without its samples.

    Attributes:
        path: relative to the root, which is ``""``.
        document: the contents of ``zarr.json``, or of ``.zgroup`` or ``.zarray``; without the attributes.
        attributes: the user's attributes.
        consolidated: whether it is a root that keeps copies of all documents below it.
    """

    path: str
    document: Mapping[str, Json]
    attributes: Mapping[str, Json] = field(default_factory=dict)
    consolidated: bool = False

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return int(self.document["zarr_format"])

    @property
    def is_array(self) -> bool:
        """Whether the node is an array."""
        return "shape" in self.document

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(self.document["shape"])

    @property
    def data_type(self) -> str:
        """The data type of the samples, as the document names it."""
        return str(self.document["dtype" if self.zarr_format == 2 else "data_type"])

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """The shape of the smallest part that can be read: a chunk, within a shard where there are shards."""
        sharding = self._sharding()
        return self.write_shape if sharding is None else tuple(sharding["chunk_shape"])

    @property
    def write_shape(self) -> tuple[int, ...]:
        """The shape of the parts that are stored as one object: shards, or chunks where there are no shards."""
        if self.zarr_format == 2:
            return tuple(self.document["chunks"])
        return tuple(self.document["chunk_grid"]["configuration"]["chunk_shape"])

    @property
    def dimension_names(self) -> Sequence[str | None] | None:
        """The names of the dimensions, or None."""
        if self.zarr_format == 2:
            names: Sequence[str | None] | None = self.attributes.get("_ARRAY_DIMENSIONS")  # xarray's convention
            return names
        return self.document.get("dimension_names")

    @property
    def key_prefix(self) -> str:
        """What the keys of all chunks begin with, relative to the root."""
        return f"{self.path}/c".lstrip("/") if self._key_encoding() == "default" else self.path

    def chunk_key(self, index: Sequence[int]) -> str:
        """The key of the stored chunk, or shard, with this index, relative to the root."""
        separator = self._separator()
        between = separator if self._key_encoding() == "default" else "/" if self.path else ""
        return f"{self.key_prefix}{between}{separator.join(map(str, index))}"

    def chunk_index(self, key: str) -> tuple[int, ...] | None:
        """The index of the stored chunk with this key, which is relative to the root; None for other keys."""
        separator = self._separator()
        text = key[len(self.key_prefix) :].lstrip(f"{separator}/")
        try:
            index = tuple(int(part) for part in text.split(separator))
        except ValueError:
            return None
        return index if len(index) == len(self.shape) else None

    def resized(self, shape: Sequence[int]) -> Node:
        """The same node for an array of another shape."""
        return replace(self, document={**self.document, "shape": list(shape)})

    def with_dtype(self, dtype: np.dtype[Any]) -> Node:
        """The same node for samples of another type; its fill value becomes zero if the type changes."""
        key, name = ("dtype", dtype.str) if self.zarr_format == 2 else ("data_type", dtype.newbyteorder("=").name)
        if np.dtype(self.document[key]) == (dtype if self.zarr_format == 2 else dtype.newbyteorder("=")):
            return self
        changed = {**self.document, key: name, "fill_value": _ZEROS.get(dtype.kind, 0)}
        if self.zarr_format == 3:
            changed["codecs"] = _codecs_for(self.document["codecs"], dtype.itemsize)
        return replace(self, document=changed)

    def files(self) -> Iterator[tuple[str, Mapping[str, Json]]]:
        """The keys of the node's documents, relative to the root, and their contents."""
        start = f"{self.path}/" if self.path else ""
        if self.zarr_format == 3:
            yield f"{start}zarr.json", {**self.document, "attributes": self.attributes}
            return
        yield f"{start}{'.zarray' if self.is_array else '.zgroup'}", self.document
        if self.attributes:
            yield f"{start}.zattrs", self.attributes

    def merged(self) -> dict[str, Json]:
        """The document with its attributes, as zarr-python takes it."""
        return {**self.document, "attributes": dict(self.attributes)}

    def _sharding(self) -> Mapping[str, Json] | None:
        if self.zarr_format == 2:
            return None
        codecs = [codec for codec in self.document["codecs"] if codec["name"] == "sharding_indexed"]
        return codecs[0]["configuration"] if codecs else None

    def _key_encoding(self) -> str:
        return "v2" if self.zarr_format == 2 else str(self.document["chunk_key_encoding"]["name"])

    def _separator(self) -> str:
        if self.zarr_format == 2:
            return str(self.document.get("dimension_separator", "."))
        default = "/" if self._key_encoding() == "default" else "."
        return str(self.document["chunk_key_encoding"].get("configuration", {}).get("separator", default))


def read_node(store: Directory | ObjectStore, path: str) -> Node | None:
    """The node at `path`, or None if there is none.

    Raises:
        DamagedDocumentError: its path leads out of the hierarchy, or its document is damaged.
    """
    check_path(path)
    start = f"{path}/" if path else ""
    if (data := store.read(f"{start}zarr.json")) is not None:
        document = parsed(data, f"{start}zarr.json")
        attributes = document.pop("attributes", {})
        copies = document.pop("consolidated_metadata", None)  # of the documents below, which change
        check_document(document, attributes)
        return Node(path, document, attributes, copies is not None and not path)
    for name in (".zarray", ".zgroup"):
        if (data := store.read(f"{start}{name}")) is not None:
            document = parsed(data, f"{start}{name}")
            attributes = parsed(store.read(f"{start}.zattrs") or b"{}", f"{start}.zattrs")
            check_document(document, attributes)
            return Node(path, document, attributes, not path and store.read(_COPIES) is not None)
    return None


def write_nodes(store: Directory | ObjectStore, nodes: Sequence[Node]) -> None:
    """Write the documents of `nodes`, those of the root last, so that nobody finds an unfinished hierarchy."""
    for node in sorted(nodes, key=lambda node: (not node.is_array, -node.path.count("/"), not node.path)):
        files = dict(node.files())
        if node.consolidated:
            _add_copies(files, nodes)
        for key in sorted(files, key=lambda key: key.endswith(_NODE_FILES)):  # the one that makes it a node last
            store.write(key, json.dumps(files[key], indent=2).encode())


def _add_copies(files: dict[str, Mapping[str, Json]], nodes: Sequence[Node]) -> None:
    """Add copies of the documents of `nodes` to those of the root, which zarr-python calls consolidated metadata."""
    if "zarr.json" not in files:
        copies = dict(file for node in nodes for file in node.files())
        files[_COPIES] = {"zarr_consolidated_format": 1, "metadata": copies}
        return
    copies = {node.path: document for node in nodes if node.path for _, document in node.files()}
    inline = {"kind": "inline", "must_understand": False, "metadata": copies}
    files["zarr.json"] = {**files["zarr.json"], "consolidated_metadata": inline}


def new_group(path: str, attributes: Mapping[str, Json]) -> Node:
    """A group of format 3."""
    return Node(path, {"zarr_format": 3, "node_type": "group"}, attributes)


def new_array(
    path: str, shape: Sequence[int], dtype: np.dtype[Any], names: Sequence[str], level: int | None = None
) -> Node:
    """An array of format 3 in chunks of about half a megabyte, compressed by Zstandard.

    Args:
        path: of the array.
        shape: of the array.
        dtype: of its samples.
        names: of its axes.
        level: of the compression, 1 to 9, or 0 for none.
    """
    level = _DEFAULT_LEVEL if level is None else level
    zstd = {"name": "zstd", "configuration": {"level": level, "checksum": False}}
    endian = {"configuration": {"endian": "little"}} if dtype.itemsize > 1 else {}
    return Node(
        path,
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": dtype.name,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": list(_chunks(shape, names, dtype.itemsize))},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": _ZEROS.get(dtype.kind, 0),
            "codecs": [{"name": "bytes", **endian}, *([zstd] if level else [])],
            "dimension_names": list(names),
            "storage_transformers": [],
        },
    )


def _codecs_for(codecs: Sequence[Mapping[str, Json]], itemsize: int) -> list[Json]:
    """The same codecs for samples of another size."""
    adapted = []
    for codec in codecs:
        settings = dict(codec.get("configuration", {}))
        if codec["name"] == "bytes" and itemsize > 1:
            settings.setdefault("endian", "little")
        if "typesize" in settings:
            settings["typesize"] = itemsize
        if "codecs" in settings:
            settings["codecs"] = _codecs_for(settings["codecs"], itemsize)
        adapted.append({**codec, **({"configuration": settings} if settings else {})})
    return adapted


def _chunks(shape: Sequence[int], names: Sequence[str], itemsize: int) -> tuple[int, ...]:
    """The shape of a chunk: a square or cube along spatial axes, flatter if planes are large; 1 along other axes."""
    spatial = [axis for axis, name in enumerate(names) if name in "zyx"] or [len(shape) - 1]
    chunk = [1] * len(shape)
    edge = round(_TARGET_CHUNK_SAMPLES ** (1 / len(spatial)))
    for axis in spatial:
        chunk[axis] = edge
    first = spatial[0]
    plane = math.prod(shape[axis] for axis in spatial[1:]) * itemsize
    while len(spatial) > 2 and chunk[first] > 1 and chunk[first] * plane > _LARGEST_SLAB_BYTES:
        chunk[first] //= 2
        narrow = min(spatial[1:], key=lambda axis: chunk[axis])
        chunk[narrow] *= 2
    return tuple(min(size, length) for size, length in zip(chunk, shape, strict=True))
