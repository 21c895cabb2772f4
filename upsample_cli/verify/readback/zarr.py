"""Reads Zarr hierarchies back with zarr-python's own indexing and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ...geometry import UNITS
from .model import Expected, ReadBack

_UNITS = {"angstrom": "Å", "inch": "in", "minute": "min", "second": "s", "hour": "h"}
_PREFIXES = {"pico": "p", "nano": "n", "micro": "µ", "milli": "m", "centi": "c", "kilo": "k", "": ""}


def read_arrays(path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]:
    """The levels of all images; label images follow their image."""
    import zarr

    node: Any = zarr.open(str(path), mode="r")
    if isinstance(node, zarr.Array):
        return [_array(node, {}, {})]
    return [
        _array(image[dataset["path"]], entry, dataset)
        for image in [node, *_groups_below(node)]
        for entry in image.attrs.get("ome", image.attrs).get("multiscales", [])[:1]
        for dataset in entry["datasets"]
    ]


def _groups_below(group: Any) -> Iterator[Any]:
    """All groups of a hierarchy, labels first, and those with numbers in their order."""
    for _, below in sorted(group.groups(), key=lambda item: (item[0] != "labels", len(item[0]), item[0])):
        yield below
        yield from _groups_below(below)


def _array(array: Any, entry: Mapping[str, Any], dataset: Mapping[str, Any]) -> ReadBack:
    axes = entry.get("axes", [{"name": "?"}] * array.ndim)
    scale = np.ones(array.ndim)
    for part in (dataset, entry):
        for transformation in part.get("coordinateTransformations", []):
            if transformation["type"] == "scale":
                scale = scale * transformation["scale"]
    spacing = {
        axis["name"]: float(step) * _size(axis.get("unit", ""))
        for axis, step in zip(axes, scale, strict=True)
        if axis.get("type") in ("space", "time")
    }
    names = "".join(axis["name"].lower() if len(axis["name"]) == 1 else "?" for axis in axes)
    return ReadBack(names, array.shape, array.dtype, lambda index: array[index], spacing)


def _size(unit: str) -> float:
    """Millimetres or seconds in a unit of OME-Zarr."""
    base = next((base for base in ("meter", "second") if unit.endswith(base)), None)
    short = _UNITS.get(unit, unit if base is None else _PREFIXES.get(unit[: -len(base)], "?") + base[0])
    return next((table[short] for table in UNITS if short in table), 1.0)
