"""Lays out a Zarr hierarchy for the output, and writes it box by box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import OutputError
from ...geometry import DEFAULT_AXES, PATIENT_FRAMES, SPATIAL, Axis, Grid
from ..base import Array, Header, WriteOptions
from ..documents import Channel, WithChannels
from ..dropped import Dropped, Loss, dropped_warning
from .array import StoredArray
from .documents import Json, Node, new_array, new_group
from .metadata import Metadata, ome_attributes, with_ome_attributes
from .ngff import multiscale_entry
from .output import ZarrOutput, open_output
from .store import open_store, require_libraries

_RGBA = (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"), ("Alpha", "FFFFFF"))

_WHITE, _OME_XML = "FFFFFF", "the OME-XML"


class Layout(NamedTuple):
    """One image of the output.

    Attributes:
        nodes: its group, if it has one, and the groups above.
        arrays: its levels, largest first.
        order: for each presented axis, the number of the stored axis.
    """

    nodes: tuple[Node, ...]
    arrays: tuple[Node, ...]
    order: tuple[int, ...]


class ZarrSink:
    """A hierarchy with an image for each header; see `Sink` and `BoxSink`."""

    memory_factor = 0.0
    streams = True
    compresses = True
    pyramids = False  # levels are made from each other, see `level_shapes`

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        require_libraries(path)
        if str(path).startswith("http"):
            raise OutputError("is a web address, which can only be read; write to a directory, s3:// or gs://", path)
        self._path = path
        self.warnings: list[str] = []
        self.layouts: list[Layout] = []
        # Only OME-Zarr says what the arrays of a group are.
        wants_images = path.name.lower().endswith(".ome.zarr") or len(headers) > 1
        for number, header in enumerate(headers):
            where = f"{number}" if len(headers) > 1 else ""
            self.layouts.append(self._layout(header, where, options, wants_images))
        if len(headers) > 1 and not isinstance(headers[0].metadata, Metadata):
            series = {"series": [str(number) for number in range(len(headers))]}
            root = new_group("", {"ome": {"version": "0.5", "bioformats2raw.layout": 3}})
            index = new_group("OME", {"ome": {"version": "0.5", **series}})
            self.layouts[0] = self.layouts[0]._replace(nodes=(root, index, *self.layouts[0].nodes))

    def level_shapes(self, number: int) -> list[tuple[int, ...]]:
        """The shapes of the smaller levels of an image, in the presented order; see `BoxSink`."""
        layout = self.layouts[number]
        return [tuple(node.shape[axis] for axis in layout.order) for node in layout.arrays[1:]]

    def write_shapes(self, number: int) -> list[tuple[int, ...]]:
        """For each level of an image, the shape of its shards, in the presented order; see `BoxSink`."""
        layout = self.layouts[number]
        return [tuple(node.write_shape[axis] for axis in layout.order) for node in layout.arrays]

    @contextmanager
    def begin(self, fingerprint: str, overwrite: bool) -> Iterator[ZarrOutput]:
        """Open the output for writing; see `BoxSink`."""
        nodes = {node.path: node for layout in self.layouts for node in (*layout.nodes, *layout.arrays)}
        with open_output(self._path, list(nodes.values()), fingerprint, overwrite) as output:
            output.arrays = self.stored_arrays(output.location)
            yield output

    def stored_arrays(self, location: str) -> list[StoredArray]:
        """Every level of every image, for reading and writing in the store at `location`."""
        store = open_store(location)
        return [
            StoredArray(store, node, layout.order, read_only=False) for layout in self.layouts for node in layout.arrays
        ]

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Boxes are written instead; see `BoxSink`."""
        raise NotImplementedError

    def _layout(self, header: Header, default_path: str, options: WriteOptions, wants_image: bool) -> Layout:
        metadata = header.metadata if isinstance(header.metadata, Metadata) else None
        if metadata is not None and (metadata.group is not None or not wants_image):
            return self._kept(header, metadata)
        return self._new(header, default_path, options, wants_image)

    def _kept(self, header: Header, metadata: Metadata) -> Layout:
        """The layout of an image or array from a Zarr hierarchy."""
        shapes = [header.grid.shape, *header.levels]
        levels = []
        for node, shape in zip(metadata.levels, shapes, strict=True):
            stored = [0] * len(shape)
            for number, size in zip(metadata.order, shape, strict=True):
                stored[number] = size
            levels.append(node.resized(stored).with_dtype(header.dtype))
        if metadata.group is None or metadata.multiscale is None:
            return Layout((), tuple(levels), metadata.order)
        stored_axes: list[Axis] = list(header.grid.axes)
        for number, axis in zip(metadata.order, header.grid.axes, strict=True):
            stored_axes[number] = axis
        grid = Grid(tuple(stored_axes))
        grids = [grid, *(grid.resized(level.shape) for level in levels[1:])]
        entry = multiscale_entry(
            metadata.multiscale, metadata.multiscale.paths, grids, metadata.version, header.history
        )
        ome = {**ome_attributes(metadata.group), "multiscales": [entry]}
        attributes = with_ome_attributes(metadata.group, _with_planes(ome, metadata, grid))
        group = replace(metadata.group, attributes=attributes)
        return Layout((*metadata.ancestors, group), tuple(levels), metadata.order)

    def _new(self, header: Header, path: str, options: WriteOptions, wants_image: bool) -> Layout:
        """The layout of an array of another family."""
        names = header.grid.names
        if not wants_image:
            self.warnings += dropped_warning(header, "a plain Zarr array", *_lost_by_array(header))
            node = new_array(path, header.grid.shape, header.dtype, names, options.compress_level)
            return Layout((), (node,), tuple(range(len(names))))
        stored_names = ["c" if name == "s" else name for name in names]
        spatial = [name for name in stored_names if name in SPATIAL]
        if len(set(stored_names)) < len(names) or not set(stored_names) <= set(DEFAULT_AXES) or len(spatial) < 2:
            raise OutputError(
                f"OME-Zarr has no place for the axes {''.join(names)}; write a plain array (.zarr), .tif or .npy",
                self._path,
            )
        order = tuple(sorted(stored_names, key=DEFAULT_AXES.index).index(name) for name in stored_names)
        grid, lost = _world(header.grid, order, stored_names)
        channels = _channels(header)
        grids = _halvings(grid)
        start = f"{path}/" if path else ""
        arrays = [
            new_array(f"{start}{number}", level.shape, header.dtype, level.names, options.compress_level)
            for number, level in enumerate(grids)
        ]
        small = next((number for number, node in enumerate(arrays) if _is_one_chunk(node)), len(arrays) - 1)
        small = max(small, min(len(header.levels), len(arrays) - 1))
        header = _without_kept_items(header, channels)
        self.warnings += dropped_warning(header, "OME-Zarr", *lost, *_lost_by_image(header))
        arrays, grids = arrays[: small + 1], grids[: small + 1]
        entry = multiscale_entry(None, [str(n) for n in range(len(arrays))], grids, "0.5", header.history)
        ome: dict[str, Json] = {"version": "0.5", "multiscales": [entry]}
        if "s" in names and header.grid["s"].size in (3, 4) and header.colours in (None, "RGB", "RGBA"):
            ome["omero"] = _rgb(header)
        elif channels:
            window = _window(header)
            ome["omero"] = {
                "channels": [
                    {"label": each.name, "color": each.colour or _WHITE, "active": True, "window": window}
                    for each in channels
                ]
            }
        return Layout((new_group(path, {"ome": ome}),), tuple(arrays), order)


def _with_planes(ome: dict[str, Json], metadata: Metadata, grid: Grid) -> dict[str, Json]:
    """The attributes with the default planes of omero moved to where the same content now lies."""
    rendering = ome.get("omero", {}).get("rdefs")
    if not isinstance(rendering, dict):
        return ome
    moved = dict(rendering)
    before = dict(zip(grid.names, metadata.levels[0].shape, strict=True))
    for key, name in (("defaultZ", "z"), ("defaultT", "t")):
        if isinstance(moved.get(key), int) and name in before:
            size = grid[name].size
            moved[key] = min(size - 1, int((moved[key] + 0.5) * size / before[name]))
    return {**ome, "omero": {**ome["omero"], "rdefs": moved}}


def _world(grid: Grid, order: Sequence[int], names: Sequence[str]) -> tuple[Grid, list[str]]:
    """The grid with its axes in the stored order and with their stored names, and what it cannot represent."""
    axes = [Axis("", 0)] * len(names)
    for number, name, axis in zip(order, names, grid.axes, strict=True):
        spacing = axis.spacing if axis.spacing is not None or name == "c" else 1.0
        axes[number] = axis._replace(name=name, spacing=None if name == "c" else spacing)
    frame = next((name for name in PATIENT_FRAMES if name in grid.affines), None)
    lost = [f"the affine {name}" for name in grid.frames if name != frame]
    if frame is None:
        return Grid(tuple(axes)), lost
    affine = grid.affines[frame]
    diagonal = affine[:3, :3].diagonal()
    if not (abs(affine[:3, :3] - np.diag(diagonal)).max() < 1e-6 * abs(diagonal).max() and min(diagonal) > 0):
        return Grid(tuple(axes)), [*lost, f"the orientation and position in the world ({frame})"]
    return Grid(
        tuple(a._replace(origin=float(affine[SPATIAL.index(a.name), 3])) if a.name in SPATIAL else a for a in axes)
    ), lost


def _halvings(grid: Grid) -> list[Grid]:
    """The grid and those of half the size along the axes of space, again and again, down to a single sample."""
    grids = [grid]
    while max(grids[-1][name].size for name in grid.spatial) > 1:
        last = grids[-1]
        grids.append(grid.resized([-(-axis.size // 2) if axis.name in SPATIAL else axis.size for axis in last.axes]))
    return grids


def _is_one_chunk(node: Node) -> bool:
    names = node.dimension_names or ()
    pairs = zip(names, node.shape, node.write_shape, strict=True)
    return all(size <= chunk for name, size, chunk in pairs if name in SPATIAL)


def _channels(header: Header) -> tuple[Channel, ...]:
    """The channels that the input describes, if there are still as many."""
    channels = header.metadata.channels() if isinstance(header.metadata, WithChannels) else ()
    count = header.grid["c"].size if "c" in header.grid.names else 0
    return channels if len(channels) == count else ()


def _without_kept_items(header: Header, channels: Sequence[Channel]) -> Header:
    """The header without those of its `foreign_items` that an image holds: the levels, and the channels."""
    kept = {"the lower levels of the pyramid"} if header.levels else set()
    items = [item for item in header.foreign_items if item not in kept]
    if channels and _OME_XML in items:
        items[items.index(_OME_XML)] = Dropped(f"{_OME_XML}, except names and colours of channels", Loss.DESCRIPTION)
    return header._replace(foreign_items=tuple(items))


def _window(header: Header) -> dict[str, Json]:
    """The range of samples that viewers show."""
    highest = float((1 << 8 * header.dtype.itemsize) - 1) if header.dtype.kind == "u" else 1.0
    return {"min": 0.0, "max": highest, "start": 0.0, "end": highest}


def _rgb(header: Header) -> dict[str, Json]:
    window = _window(header)
    channels = [
        {"label": label, "color": colour, "active": label != "Alpha", "window": window}
        for label, colour in _RGBA[: header.grid["s"].size]
    ]
    return {"channels": channels, "rdefs": {"model": "color"}}


def _lost_by_array(header: Header) -> list[str]:
    spaced = any(axis.spacing is not None for axis in header.grid.axes)
    return [*(["spacing and units; .ome.zarr keeps them"] if spaced else []), *_lost_by_image(header)]


def _lost_by_image(header: Header) -> list[str]:
    items = {"the ICC profile": header.icc, "that the samples are labels": header.labels}
    return [text for text, is_there in items.items() if is_there]


make_sink = ZarrSink
