"""Checks the JSON documents of a hierarchy, which may be damaged, before other modules rely on them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_AXES = 32
_MAX_SIZE = 2**58  # samples
_SEPARATORS = (".", "/")


class DamagedDocumentError(ValueError):
    """A document that is damaged or not supported; the message is for users."""


def check_path(path: str) -> None:
    """Check the path of a node, which the output takes over.

    Raises:
        DamagedDocumentError: it leads out of the hierarchy.
    """
    if path and not all(part.strip(".") for part in path.split("/")):
        raise DamagedDocumentError(f"it names {path!r}, which is not a path inside it")


def parsed(data: bytes, key: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        DamagedDocumentError: the file holds something else.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise DamagedDocumentError(f"its {key} is not JSON") from None
    return _object(document, f"its {key}")


def check_document(document: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
    """Check the document of a group or an array: its format, its shapes, and the names of its axes and codecs.

    Raises:
        DamagedDocumentError: a field is missing or damaged.
    """
    _object(attributes, "the attributes")
    _object(attributes.get("ome", {}), "its ome attribute")
    if document.get("zarr_format") not in (2, 3) or isinstance(document["zarr_format"], bool):
        raise DamagedDocumentError("its zarr_format is neither 2 nor 3")
    if document["zarr_format"] == 3 and document.get("node_type") != ("array" if "shape" in document else "group"):
        raise DamagedDocumentError("its node_type contradicts its other fields")
    if "shape" not in document:
        return
    shape = _sizes(document["shape"], "shape", 0)
    if not isinstance(document.get("data_type", document.get("dtype")), (str, dict, list)):
        raise DamagedDocumentError("its data type is damaged")
    if document["zarr_format"] == 2:
        names = attributes.get("_ARRAY_DIMENSIONS")
        _sizes(document.get("chunks"), "chunks", 1, len(shape))
        _separator(document.get("dimension_separator", "."))
    else:
        names = document.get("dimension_names")
        _check_chunks(document, len(shape))
    if names is not None and not (isinstance(names, list) and len(names) == len(shape) and _are_names(names)):
        raise DamagedDocumentError("the names of its axes are damaged")


def _check_chunks(document: Mapping[str, Any], ndim: int) -> None:
    """Check the fields about chunks of an array in format 3."""
    grid = _object(document.get("chunk_grid"), "its chunk_grid")
    if grid.get("name") != "regular":
        raise DamagedDocumentError("its chunk grid is not regular; only regular grids are supported")
    settings = _object(grid.get("configuration"), "the configuration of its chunk_grid")
    _sizes(settings.get("chunk_shape"), "chunk_shape", 1, ndim)
    encoding = _object(document.get("chunk_key_encoding"), "its chunk_key_encoding")
    if encoding.get("name") not in ("default", "v2"):
        raise DamagedDocumentError("its chunk_key_encoding is neither default nor v2")
    settings = _object(encoding.get("configuration", {}), "the configuration of its chunk_key_encoding")
    if not set(settings) <= {"separator"}:
        raise DamagedDocumentError("its chunk_key_encoding has unknown settings")
    _separator(settings.get("separator", "/"))
    _check_codecs(document.get("codecs"), ndim)


def _check_codecs(codecs: object, ndim: int) -> None:
    if not isinstance(codecs, list) or not codecs:
        raise DamagedDocumentError("its codecs are damaged")
    for codec in codecs:
        settings = _object(_object(codec, "a codec").get("configuration", {}), "the configuration of a codec")
        if not isinstance(codec.get("name"), str):
            raise DamagedDocumentError("a codec has no name")
        if codec["name"] == "sharding_indexed":
            _sizes(settings.get("chunk_shape"), "chunk_shape within shards", 1, ndim)
            _check_codecs(settings.get("codecs"), ndim)


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DamagedDocumentError(f"{what} is not a JSON object")
    return value


def _sizes(values: object, name: str, lowest: int, ndim: int | None = None) -> Sequence[int]:
    """The list `values` of whole numbers from `lowest` on, one for each axis."""
    is_list = isinstance(values, list) and all(type(value) is int for value in values)
    if not isinstance(values, list) or not is_list or len(values) > _MAX_AXES:
        raise DamagedDocumentError(f"its {name} is not a list of whole numbers")
    if not all(lowest <= value for value in values) or math.prod(values) > _MAX_SIZE:
        raise DamagedDocumentError(f"its {name} is {', '.join(str(value)[:20] for value in values)}, which cannot be")
    if ndim is not None and len(values) != ndim:
        raise DamagedDocumentError(f"its {name} has {len(values)} axes, but its shape has {ndim}")
    return values


def _separator(value: object) -> None:
    if value not in _SEPARATORS:
        raise DamagedDocumentError("the separator of its chunk keys is neither a dot nor a slash")


def _are_names(names: Sequence[object]) -> bool:
    return all(name is None or isinstance(name, str) for name in names)
