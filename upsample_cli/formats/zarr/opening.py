"""Finds the images of a Zarr hierarchy and opens them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import InputError, is_thread_shortage, reason
from ...geometry import DEFAULT_AXES, Axis, Grid
from ..base import Array, Box, Closeable, Header, IndexArray, ReadOptions, Source, rows_from_boxes
from .array import StoredArray
from .checking import DamagedDocumentError
from .documents import Json, Node, read_node
from .metadata import Metadata, ome_attributes
from .ngff import VERSIONS, Multiscale
from .store import Directory, ObjectStore, open_store, require_libraries

_COLOURS = {"FF0000": "Red", "00FF00": "Green", "0000FF": "Blue"}


class ZarrSource(Closeable):
    """One image of a hierarchy; see `Source` and `BoxSource`."""

    streams = True

    def __init__(self, path: Path, array: StoredArray, header: Header, warnings: list[str], largest_chunk: int) -> None:
        self.array, self.header, self.warnings = array, header, warnings
        self.others: Sequence[Source] = ()
        self._path = path
        samples = max(1, array.cache_bytes, largest_chunk * array.dtype.itemsize)
        self.memory_factor = samples / max(1, math.prod(array.shape) * array.dtype.itemsize)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """The shape of a chunk."""
        return self.array.chunk_shape

    @property
    def write_shape(self) -> tuple[int, ...]:
        """The shape of the parts that are stored or not; see `SparseArray`."""
        return self.array.write_shape

    @property
    def fill_value(self) -> Any:
        """The value of samples that are not stored; see `SparseArray`."""
        return self.array.fill_value

    def stored_chunks(self) -> IndexArray | None:
        """The indices of the stored parts; see `SparseArray`."""
        return self.array.stored_chunks()

    def read_box(self, box: Box) -> Array:
        """The samples of a box; see `BoxSource`.

        Raises:
            InputError: the samples cannot be read from the store or decoded.
        """
        try:
            return self.array.read_box(box)
        except OSError as error:
            raise InputError(f"cannot be read: {reason(error)}", self._path) from error
        except MemoryError:
            raise
        except Exception as error:  # codecs raise various exceptions for damaged data
            if is_thread_shortage(error):
                raise
            raise InputError(f"has a damaged chunk: {reason(error)}", self._path) from error

    def forget(self) -> None:
        """Free the decoded chunks; see `BoxSource`."""
        self.array.forget()

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        return rows_from_boxes(self.read_box, self.array.shape, axis, start, stop)


def open_source(path: Path, options: ReadOptions) -> ZarrSource:
    """Open all images of the hierarchy at `path`, with their label images, or that of ``options.series``.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    require_libraries(path)
    store = open_store(path)
    try:
        root = read_node(store, "")
        if root is None:
            raise InputError("holds no Zarr group or array" if store.is_remote else "is no Zarr directory", path)
        return _open(store, root, options, path)
    except (InputError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror or error}", path) from error
    except DamagedDocumentError as error:
        raise InputError(f"is not a readable Zarr hierarchy: {error}", path) from error
    except Exception as error:  # zarr-python raises various exceptions for documents that are damaged
        raise InputError(f"is not a readable Zarr hierarchy: {reason(error)}", path) from error


def _open(store: Directory | ObjectStore, root: Node, options: ReadOptions, path: Path) -> ZarrSource:
    if root.is_array:
        return _plain_array(store, root, options, path)
    ancestors, images = _images(store, root)
    if not images:
        below = ", ".join(name for name in store.children() or [] if not name.startswith((".", "zarr.json")))
        raise InputError(f"holds no image; name one of its arrays or groups: {below or 'there are none'}", path)
    if options.series is not None:
        if options.series >= len(images):
            raise InputError(f"has {len(images)} images, so there is no --series {options.series}", path)
        image = images[options.series]
        if image.path:  # the image becomes the root of the output
            root = replace(image, path="", consolidated=False)
            return _open(open_store(f"{store}/{image.path}"), root, options._replace(series=0), path)
    sources: list[ZarrSource] = []
    labelled: list[Node] = []
    for image in images:
        number = len(sources)
        sources.append(_image(store, image, ancestors, options, path))
        labels_group, labels = _labels(store, image)
        labelled += [*labels_group, *labels]
        for label in labels:
            source = _image(store, label, (*ancestors, *labels_group), options, path)
            source.header = source.header._replace(labels=True, labels_of=number)
            sources.append(source)
    first, *others = sources
    first.others = others
    first.warnings += _left_out(store, root, ancestors, [*images, *labelled])
    return first


def _decoded_samples(node: Node) -> int:
    """The samples that are decoded or encoded at once; a chunk or a shard may exceed its whole array."""
    stored = math.prod(node.write_shape)
    return stored if stored > math.prod(node.shape) else math.prod(node.chunk_shape)


def _images(store: Directory | ObjectStore, root: Node) -> tuple[tuple[Node, ...], list[Node]]:
    """The groups that hold no image themselves, and the groups of all images."""
    ome = ome_attributes(root)
    if "multiscales" in ome:
        return (), [root]
    if "plate" in ome:
        wells = _nodes(store, [well["path"] for well in ome["plate"]["wells"]])
        fields = _nodes(
            store,
            [f"{well.path}/{image['path']}" for well in wells for image in ome_attributes(well)["well"]["images"]],
        )
        rows = {well.path.partition("/")[0] for well in wells if "/" in well.path}
        between = [node for row in sorted(rows) if (node := read_node(store, row)) is not None]
        return (root, *between, *wells), fields
    if "bioformats2raw.layout" in {**root.attributes, **ome}:
        index = read_node(store, "OME")
        series = None if index is None else ome_attributes(index).get("series")
        found = _nodes(store, series) if series else list(_numbered(store))
        return (root, *([] if index is None else [index])), found
    return (), []


def _numbered(store: Directory | ObjectStore) -> Iterator[Node]:
    number = 0
    while (node := read_node(store, str(number))) is not None:
        yield node
        number += 1


def _nodes(store: Directory | ObjectStore, paths: Iterable[str]) -> list[Node]:
    """The groups or arrays at `paths`; those that are named repeatedly are taken once."""
    found = [_node(store, path) for path in dict.fromkeys(paths)]
    return list({node.path: node for node in found}.values())


def _node(store: Directory | ObjectStore, path: str) -> Node:
    node = read_node(store, path.strip("/"))
    if node is None:
        raise ValueError(f"it names {path}, which does not exist")
    return node


def _labels(store: Directory | ObjectStore, image: Node) -> tuple[list[Node], list[Node]]:
    """The group of the label images of `image`, and their groups."""
    path = f"{image.path}/labels".lstrip("/")
    group = read_node(store, path)
    if group is None or group.is_array:
        return [], []
    return [group], _nodes(store, [f"{path}/{name}" for name in ome_attributes(group).get("labels", [])])


def _image(
    store: Directory | ObjectStore, group: Node, ancestors: tuple[Node, ...], options: ReadOptions, path: Path
) -> ZarrSource:
    ome = ome_attributes(group)
    entries = ome["multiscales"]
    layout_version = "0.5" if group.zarr_format == 3 else "0.4"
    version = str(ome.get("version") or entries[0].get("version") or layout_version)
    if version not in VERSIONS:
        raise ValueError(f"it is OME-Zarr {version}; the versions {VERSIONS[0]} to {VERSIONS[-1]} are supported")
    start = f"{group.path}/" if group.path else ""
    datasets = [_node(store, start + str(dataset["path"])) for dataset in entries[0]["datasets"]]
    _check_levels(datasets)
    multiscale = Multiscale.parse(entries[0], len(datasets[0].shape))
    grid = multiscale.grid(datasets[0].shape)
    colours = _colours(ome, grid)
    order = tuple(range(len(grid.axes)))
    if colours is not None:
        channel = grid.names.index("c")
        order = (*(number for number in order if number != channel), channel)
        axes = [grid.axes[number] for number in order]
        grid = Grid((*axes[:-1], axes[-1]._replace(name="s")))
    metadata = Metadata(group, multiscale, tuple(datasets), order, ancestors, layout_version)
    array = StoredArray(store, datasets[0], order)
    header = Header(
        grid,
        array.dtype,
        alpha=colours == "RGBA",
        colours=None if colours is None else "RGB",
        levels=tuple(array.presented(level.shape) for level in datasets[1:]),
        metadata=metadata,
        foreign_items=_foreign_items(group, ome, entries),
    )
    lost = [f"of {len(entries)} multiscales only the first is resized"] if len(entries) > 1 else []
    return ZarrSource(path, array, header, lost, max(map(_decoded_samples, datasets)))


def _check_levels(levels: Sequence[Node]) -> None:
    """Raise `DamagedDocumentError` unless the arrays can be the levels of one pyramid."""
    if len({level.path for level in levels}) < len(levels):
        raise DamagedDocumentError("two of its levels are the same array")
    if len({(len(level.shape), level.data_type) for level in levels}) > 1:
        raise DamagedDocumentError("its levels have different numbers of axes or data types")
    if any(0 in level.shape for level in levels):
        raise DamagedDocumentError("one of its arrays has an empty axis")
    pairs = [pair for two in pairwise(levels) for pair in zip(*(level.shape for level in two), strict=True)]
    if any(size > above for above, size in pairs):
        raise DamagedDocumentError("its levels are not ordered from the largest to the smallest")


def _colours(ome: Json, grid: Grid) -> str | None:
    """``RGB`` or ``RGBA`` if the channels are those of a picture, as this program writes them."""
    channels = ome.get("omero", {}).get("channels", [])
    names = [str(channel.get("label", "")) for channel in channels]
    if "c" not in grid.names or len(names) != grid["c"].size or names[:3] != list(_COLOURS.values()):
        return None
    if [str(channel.get("color", "")).upper() for channel in channels[:3]] != list(_COLOURS):
        return None
    return {("Alpha",): "RGBA", (): "RGB"}.get(tuple(names[3:]))


def _foreign_items(group: Node, ome: Json, entries: Sequence[Json]) -> tuple[str, ...]:
    items = []
    if "omero" in ome:
        items.append("the names, colours and windows of the channels (omero)")
    if "image-label" in ome:
        items.append("the colours and properties of the labels")
    if "name" in entries[0]:
        items.append(f"its name {entries[0]['name']!r}")
    others = sorted(set(group.attributes) - {"ome", "omero", "multiscales", "image-label"})
    if others:
        items.append(f"the attributes {', '.join(others)}")
    return tuple(items)


def _plain_array(store: Directory | ObjectStore, node: Node, options: ReadOptions, path: Path) -> ZarrSource:
    ndim = len(node.shape)
    if ndim == 0:
        raise ValueError("it holds a single number; an array of one or more axes is needed")
    stored = [name for name in node.dimension_names or () if name]
    names: Sequence[str] = options.axes or (stored if len(set(stored)) == ndim else DEFAULT_AXES[-ndim:])
    if len(names) != ndim:
        raise ValueError(f"it has {ndim} axes; name each of them with --axes, such as --axes tzyx")
    order = tuple(range(ndim))
    array = StoredArray(store, node, order)
    grid = Grid(tuple(Axis(name, size) for name, size in zip(names, node.shape, strict=True)))
    attributes = sorted(set(node.attributes) - {"_ARRAY_DIMENSIONS"})
    items = (f"the attributes {', '.join(attributes)}",) if attributes else ()
    header = Header(grid, array.dtype, metadata=Metadata(None, None, (node,), order), foreign_items=items)
    return ZarrSource(path, array, header, [], _decoded_samples(node))


def _left_out(
    store: Directory | ObjectStore, root: Node, ancestors: Sequence[Node], images: Sequence[Node]
) -> list[str]:
    """A warning that lists other groups and arrays of the hierarchy, which are not copied."""
    lost = []
    for group in {node.path: node for node in (root, *ancestors, *images)}.values():
        known = {"zarr.json", ".zgroup", ".zattrs", ".zmetadata"}
        known |= {
            str(d["path"]).partition("/")[0]
            for m in ome_attributes(group).get("multiscales", ())
            for d in m["datasets"]
        }
        start = f"{group.path}/" if group.path else ""
        below = [node.path[len(start) :] for node in (*ancestors, *images) if node.path.startswith(start)]
        known |= {path.partition("/")[0] for path in below}
        lost += [start + name for name in store.children(group.path) or [] if name not in known]
    return [f"not carried over, because no image lists them: {', '.join(lost)}"] if lost else []
