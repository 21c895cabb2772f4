"""OME-TIFF: what the XML in the image description says of a stack."""

from __future__ import annotations

import uuid
from typing import Any
from xml.etree import ElementTree

from ...geometry import Axis, Grid
from .metadata import UNITS

TYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64", "complex64", "complex128")


def first_pixels(xml: str) -> ElementTree.Element | None:
    """The element that describes the samples of the first image."""
    return ElementTree.fromstring(xml).find("./{*}Image/{*}Pixels")


def with_spacing(axis: Axis, pixels: ElementTree.Element) -> Axis:
    """The axis with the spacing that `pixels` says."""
    name = _attribute(axis)
    spacing = pixels.get(name)
    if spacing is None or float(spacing) <= 0:
        return axis
    unit = pixels.get(f"{name}Unit", "s" if axis.name == "t" else "µm")  # the schema's defaults
    return Axis(axis.name, axis.size, float(spacing), UNITS.get(unit, unit))


def channel_names(pixels: ElementTree.Element) -> tuple[str, ...]:
    """The names of the channels, or () where one has none."""
    names = [channel.get("Name") for channel in pixels.findall("./{*}Channel")]
    return tuple(name for name in names if name) if all(names) else ()


def description(grid: Grid, channels: tuple[str, ...], name: str) -> dict[str, Any]:
    """The metadata from which tifffile makes the XML; the file's `name` and shape give it a reproducible identity."""
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"upsample:{name}:{grid.shape}")
    described: dict[str, Any] = {"axes": "".join(grid.names).upper(), "UUID": str(identity)}
    for axis in grid.axes:
        if axis.spacing is not None and axis.name in "zyxt":
            described[_attribute(axis)] = axis.spacing
            if axis.unit is not None:
                described[f"{_attribute(axis)}Unit"] = axis.unit
    if channels and "c" in grid.names and grid["c"].size == len(channels):
        described["Channel"] = {"Name": list(channels)}
    return described


def _attribute(axis: Axis) -> str:
    return "TimeIncrement" if axis.name == "t" else f"PhysicalSize{axis.name.upper()}"
