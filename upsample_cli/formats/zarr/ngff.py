"""Axes and coordinate transformations of OME-Zarr 0.4 and 0.5, to grids and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...geometry import DEFAULT_AXES, SPATIAL, Axis, Grid
from .checking import DamagedDocumentError
from .documents import Json

VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")
_UNITS = {
    "picometer": "pm",
    "angstrom": "Å",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "kilometer": "km",
    "inch": "in",
    "second": "s",
    "nanosecond": "ns",
    "microsecond": "µs",
    "millisecond": "ms",
    "minute": "min",
    "hour": "h",
}
_UNIT_NAMES = {short: name for name, short in _UNITS.items()}
_TYPES = {"t": "time", "c": "channel", **dict.fromkeys(SPATIAL, "space")}


class Transformation(NamedTuple):
    """A scale and a translation for each axis: ``world = scale · index + translation``."""

    scale: tuple[float, ...]
    translation: tuple[float, ...]

    @classmethod
    def parse(cls, entries: Sequence[Mapping[str, Json]], ndim: int) -> Transformation:
        """The composition of a list of ``coordinateTransformations``.

        Raises:
            DamagedDocumentError: one of them is of another kind.
        """
        scale, translation = [1.0] * ndim, [0.0] * ndim
        for entry in entries:
            kind = entry.get("type")
            if kind == "identity":
                continue
            values = entry.get(kind) if kind in ("scale", "translation") else None
            if not isinstance(values, list) or len(values) != ndim or not all(map(_is_finite, values)):
                raise DamagedDocumentError(f"one of its transformations is no scale or translation of {ndim} axes")
            if kind == "scale":
                scale = [a * b for a, b in zip(scale, values, strict=True)]
                translation = [a * b for a, b in zip(translation, values, strict=True)]
            else:
                translation = [a + b for a, b in zip(translation, values, strict=True)]
        return cls(tuple(scale), tuple(translation))


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


class Multiscale(NamedTuple):
    """The description of an image: its axes, and its levels of resolution.

    Attributes:
        entry: as it is in the attributes.
        axes: name, type and unit of each axis, as in the attributes.
        paths: of the arrays, largest first, relative to the group.
        first: the transformation of the largest array.
        whole: the transformation of the whole image, which follows that of each array.
    """

    entry: Mapping[str, Json]
    axes: tuple[Mapping[str, Json], ...]
    paths: tuple[str, ...]
    first: Transformation
    whole: Transformation

    @classmethod
    def parse(cls, entry: Mapping[str, Json], ndim: int) -> Multiscale:
        """An item of the list ``multiscales`` of an image whose arrays have `ndim` axes.

        Raises:
            ValueError: it is not what the specification says.
        """
        try:
            axes = entry.get("axes") or list(DEFAULT_AXES)  # the five that versions 0.1 and 0.2 have
            described = tuple({"name": axis} if isinstance(axis, str) else axis for axis in axes)
            datasets = entry["datasets"]
            paths = tuple(str(dataset["path"]).strip("/") for dataset in datasets)
            first = Transformation.parse(datasets[0].get("coordinateTransformations", []), ndim)
            whole = Transformation.parse(entry.get("coordinateTransformations", []), ndim)
            names = [axis["name"] for axis in described]
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"its multiscales are malformed: {error!r}") from error
        words = [*names, *(axis.get(key, "") for axis in described for key in ("type", "unit"))]
        if not all(isinstance(word, str) and word.isprintable() for word in words):
            raise DamagedDocumentError("the names, types or units of its axes are damaged")
        if len(names) != ndim or len(set(names)) != ndim:
            raise ValueError(f"its axes are {', '.join(names)}, but its arrays have {ndim}")
        return cls(entry, described, paths, first, whole)

    def grid(self, shape: Sequence[int]) -> Grid:
        """The grid of the largest array."""
        return Grid(tuple(self._axis(number, size) for number, size in enumerate(shape)))

    def _axis(self, number: int, size: int) -> Axis:
        axis, outer, inner = self.axes[number], self.whole, self.first
        name = str(axis["name"]).lower()
        if axis.get("type", _TYPES.get(name)) not in ("space", "time"):
            return Axis(name, size)
        unit = axis.get("unit")
        spacing = outer.scale[number] * inner.scale[number]
        origin = outer.scale[number] * inner.translation[number] + outer.translation[number]
        return Axis(name, size, spacing, _UNITS.get(unit, unit) if unit else None, origin)


def multiscale_entry(
    before: Multiscale | None, paths: Sequence[str], grids: Sequence[Grid], version: str, history: str | None
) -> dict[str, Json]:
    """The item of ``multiscales`` that describes an output.

    Args:
        before: the description of the input, of which all else is kept.
        paths: of the arrays, largest first.
        grids: of the arrays, with their axes in the stored order.
        version: of the specification.
        history: how the image was made, or None to say nothing about it.
    """
    entry = {} if before is None else dict(before.entry)
    for stale in ("type", "metadata"):  # how the levels were made, which are now made in another way
        entry.pop(stale, None)
    if version != "0.5":
        entry["version"] = version
    whole = Transformation.parse([], len(grids[0].axes)) if before is None else before.whole
    entry["axes"] = [_described(axis) for axis in grids[0].axes] if before is None else list(before.axes)
    translated = any(axis.origin != 0 for grid in grids for axis in grid.axes)
    entry["datasets"] = [
        {"path": path, "coordinateTransformations": _entries(grid, before, whole, translated)}
        for path, grid in zip(paths, grids, strict=True)
    ]
    if history is not None:
        entry["metadata"] = {"description": history}
    return entry


def _entries(grid: Grid, before: Multiscale | None, whole: Transformation, translated: bool) -> list[dict[str, Json]]:
    scale, translation = [], []
    for number, axis in enumerate(grid.axes):
        if axis.spacing is None:  # such as a channel
            scale.append(1.0 if before is None else before.first.scale[number])
            translation.append(0.0 if before is None else before.first.translation[number])
        else:
            scale.append(float(axis.spacing / whole.scale[number]))
            translation.append(float((axis.origin - whole.translation[number]) / whole.scale[number]))
    entries: list[dict[str, Json]] = [{"type": "scale", "scale": scale}]
    if translated or any(translation):
        entries.append({"type": "translation", "translation": translation})
    return entries


def _described(axis: Axis) -> dict[str, Any]:
    kind = {"type": _TYPES[axis.name]} if axis.name in _TYPES else {}
    unit = {"unit": _UNIT_NAMES[axis.unit]} if axis.unit in _UNIT_NAMES and axis.name not in "cs" else {}
    return {"name": axis.name, **kind, **unit}
