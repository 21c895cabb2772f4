"""Finds the page of each plane of a TIFF file whose dialect defines it by a description and the order of pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..formats.base import Header

_IN_FILE_ORDER = ("shaped", "lsm", "fluoview", "nih", "scanimage", "sis", "mdgel", "svs", "qpi")  # tifffile's names
_POSITIONS = "R"  # tifffile's name of the axis of places on a slide
_IMAGEJ_ORDER = "tzc"  # slowest first


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane of an image.

    Attributes:
        page: tifffile's page that holds it.
        skipped: number of planes between the samples of the page and those of the plane; only the first has a page.
        sample: number of the sample of each pixel of the page that forms the plane; None for all of them.
    """

    page: Any
    skipped: int = 0
    sample: int | None = None


def planes_of(tiff: Any, headers: Sequence[Header]) -> list[Plane | None]:
    """The planes of all images in order, None for those whose place is not known.

    Args:
        tiff: tifffile's file.
        headers: of the images that were read.
    """
    try:
        if tiff.is_ome:
            return _planes_of_ome(tiff, headers)
        if tiff.is_imagej:
            return _planes_of_imagej(tiff, headers[0]) if len(headers) == 1 else _unknown(headers)
        if any(getattr(tiff, f"is_{name}", False) for name in _IN_FILE_ORDER):
            return _planes_in_file_order(tiff, headers)
    except (ValueError, TypeError, RuntimeError):  # tifffile cannot read the tags of some page
        pass
    return _unknown(headers)


def plane_count(header: Header) -> int:
    """The number of planes along x and y of an image."""
    return math.prod(_leading(header).values())


def _leading(header: Header) -> dict[str, int]:
    """The sizes of the axes before y, by name."""
    grid = header.grid
    return {name: grid[name].size for name in grid.names[: grid.names.index("y")]}


def _unknown(headers: Sequence[Header]) -> list[Plane | None]:
    return [None] * sum(map(plane_count, headers))


def _pages(tiff: Any) -> list[Any]:
    return [tiff.pages.get(number, aspage=True) for number in range(len(tiff.pages))]


def _planes_of_imagej(tiff: Any, header: Header) -> list[Plane | None]:
    """Planes in ImageJ's order, of pages of their own or behind the samples of the only page."""
    sizes, pages = _leading(header), _pages(tiff)
    count = plane_count(header)
    if not sizes.keys() <= set(_IMAGEJ_ORDER) or len(pages) not in (1, count):
        return _unknown([header])
    planes: list[Plane | None] = []
    for place in np.ndindex(*sizes.values()):
        index, number = dict(zip(sizes, place, strict=True)), 0
        for name in _IMAGEJ_ORDER:
            number = number * sizes.get(name, 1) + index.get(name, 0)
        planes.append(Plane(pages[number]) if len(pages) == count else Plane(pages[0], number))
    return planes


def _planes_of_ome(tiff: Any, headers: Sequence[Header]) -> list[Plane | None]:
    """Planes at the pages that the elements TiffData of the OME-XML name."""
    try:
        images = list(ElementTree.fromstring(tiff.pages[0].description).iterfind("./{*}Image/{*}Pixels"))
        maps = [_pages_of_planes(pixels, tiff.filehandle.name) for pixels in images]
    except (ElementTree.ParseError, ValueError, KeyError):
        return _unknown(headers)
    if len(maps) != len(headers):
        return _unknown(headers)
    stored, planes = _pages(tiff), list[Plane | None]()
    for header, pages in zip(headers, maps, strict=True):
        sizes = _leading(header)
        for place in np.ndindex(*sizes.values()):
            index = dict(zip(sizes, place, strict=True))
            number = pages.get(tuple(index.get(name, 0) for name in "zct")) if sizes.keys() <= set("zct") else None
            planes.append(None if number is None or number >= len(stored) else Plane(stored[number]))
    return planes


def _pages_of_planes(pixels: ElementTree.Element, name: str) -> dict[tuple[int, ...], int]:
    """The numbers of the pages of this file, by (z, c, t)."""
    channel = pixels.find("./{*}Channel")
    samples = int(channel.get("SamplesPerPixel", 1)) if channel is not None else 1
    sizes = {axis: int(pixels.get(f"Size{axis}", 1)) // (samples if axis == "C" else 1) for axis in "ZCT"}
    order = pixels.attrib["DimensionOrder"][2:]  # fastest first
    count = math.prod(sizes.values())
    found: dict[tuple[int, ...], int] = {}
    for data in pixels.iterfind("./{*}TiffData"):
        identity = data.find("./{*}UUID")
        first = {axis: int(data.get(f"First{axis}", 0)) for axis in order}
        position = sum(first[axis] * math.prod(sizes[below] for below in order[:n]) for n, axis in enumerate(order))
        length = int(data.get("PlaneCount", 1 if "IFD" in data.attrib else count))
        if identity is not None and identity.get("FileName", name) != name:
            continue
        for step in range(min(length, count - position)):
            rest, index = position + step, {}
            for axis in order:
                rest, index[axis] = divmod(rest, sizes[axis])
            found[index["Z"], index["C"], index["T"]] = int(data.get("IFD", 0)) + step
    return found


def _planes_in_file_order(tiff: Any, headers: Sequence[Header]) -> list[Plane | None]:
    """For each image, the next planes of its size."""
    left = _stored_planes(tiff)
    planes: list[Plane | None] = []
    for header in headers:
        grid = header.grid
        size = grid["y"].size, grid["x"].size
        samples = grid["s"].size if "s" in grid.names else 1
        alike = [plane for plane in left if (plane.page.imagelength, plane.page.imagewidth) == size]
        split = alike[0].page.samplesperpixel if alike and samples == 1 else 1  # channels that are samples of a page
        found = alike[: plane_count(header) // split]
        if len(found) * split < plane_count(header) or any(
            plane.page.samplesperpixel != samples * split for plane in found
        ):
            planes += _unknown([header])
            continue
        taken = set(map(id, found))
        left = [plane for plane in left if id(plane) not in taken]
        planes += [replace(plane, sample=n if split > 1 else None) for plane in found for n in range(split)]
    return planes


def _stored_planes(tiff: Any) -> list[Plane]:
    """The planes of all pages, or behind the only page; those of one position on a slide together."""
    pages = [page for page in _pages(tiff) if not page.is_reduced] or _pages(tiff)
    series = tiff.series[0]
    leading = series.shape[: len(series.shape) - len(series.keyframe.shape)]
    count = math.prod(leading)
    planes = [Plane(page) for page in pages] if len(pages) > 1 else [Plane(pages[0], number) for number in range(count)]
    axis = series.axes.find(_POSITIONS)
    if not 0 <= axis < len(leading) or count != len(planes):
        return planes
    return [planes[number] for number in np.moveaxis(np.arange(count).reshape(leading), axis, 0).ravel()]
