"""The metadata of an array from a Zarr hierarchy, which a Zarr output keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .documents import Json, Node
from .ngff import Multiscale


class Metadata(NamedTuple):
    """An image of a hierarchy, or a plain array.

    Attributes:
        group: the group of the image; None for a plain array.
        multiscale: the description of the image; None for a plain array.
        levels: its arrays, largest first.
        order: for each presented axis, the number of the stored axis.
        ancestors: the other groups of the hierarchy, such as the root of a plate.
        version: of the specification.
    """

    group: Node | None
    multiscale: Multiscale | None
    levels: tuple[Node, ...]
    order: tuple[int, ...]
    ancestors: tuple[Node, ...] = ()
    version: str = "0.5"


def ome_attributes(node: Node) -> Mapping[str, Json]:
    """The attributes of OME-Zarr, which version 0.5 keeps under a key of their own."""
    ome: Mapping[str, Json] = node.attributes.get("ome", node.attributes) if node.zarr_format == 3 else node.attributes
    return ome


def with_ome_attributes(node: Node, changed: Mapping[str, Json]) -> dict[str, Json]:
    """The attributes of `node` with those of OME-Zarr replaced by `changed`."""
    if "ome" in node.attributes or node.zarr_format == 3:
        return {**node.attributes, "ome": dict(changed)}
    return dict(changed)
