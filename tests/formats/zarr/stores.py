"""OME-Zarr hierarchies as other programs write them: by zarr-python's plainest calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

TYPES = {"t": "time", "c": "channel"}


def axes_of(names: str) -> list[dict[str, str]]:
    """The axes of a multiscale, in micrometres and seconds."""
    units = {"t": {"unit": "second"}, "c": {}}
    return [{"name": n, "type": TYPES.get(n, "space"), **units.get(n, {"unit": "micrometer"})} for n in names]


def write_image(
    group: zarr.Group,
    names: str,
    levels: Sequence[np.ndarray],
    scales: Sequence[Sequence[float]],
    translations: Sequence[Sequence[float]],
    *,
    whole: list[dict[str, Any]] | None = None,
    extra: dict[str, Any] | None = None,
    **storage: Any,
) -> None:
    """Write an image into `group`, in the version that belongs to its Zarr format."""
    format_ = group.metadata.zarr_format
    for number, level in enumerate(levels):
        named = {"dimension_names": list(names)} if format_ == 3 else {}
        array = group.create_array(str(number), shape=level.shape, dtype=level.dtype, **storage, **named)
        array[...] = level
    entry: dict[str, Any] = {
        "name": "cells",
        "axes": axes_of(names),
        "datasets": [
            {
                "path": str(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": list(scale)},
                    {"type": "translation", "translation": list(translation)},
                ],
            }
            for number, (scale, translation) in enumerate(zip(scales, translations, strict=True))
        ],
    }
    if whole is not None:
        entry["coordinateTransformations"] = whole
    if format_ == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [entry], **(extra or {})}
    else:
        group.attrs.update({"multiscales": [{**entry, "version": "0.4"}], **(extra or {})})


def ome(group: zarr.Group) -> dict[str, Any]:
    """The attributes of OME-Zarr."""
    return dict(group.attrs).get("ome", dict(group.attrs))


def positions(group: zarr.Group, level: int) -> list[np.ndarray]:
    """The world coordinates of the samples of a level, along each axis."""
    entry = ome(group)["multiscales"][0]
    dataset = entry["datasets"][level]
    shape = group[dataset["path"]].shape
    coordinates = [np.arange(size, dtype=float) for size in shape]
    for part in (dataset, entry):
        for step in part.get("coordinateTransformations", []):
            for axis, value in enumerate(step[step["type"]]):
                coordinates[axis] = coordinates[axis] * value if step["type"] == "scale" else coordinates[axis] + value
    return coordinates


def samples(path: Path, array: str = "") -> np.ndarray:
    """All samples of an array."""
    return np.asarray(zarr.open_array(str(path), path=array, mode="r")[...])
