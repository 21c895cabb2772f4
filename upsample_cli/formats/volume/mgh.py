"""FreeSurfer's volumes: ``.mgh``, and compressed ``.mgz``.

A header of 284 bytes, the samples, a footer of scan parameters, and tags; all big-endian.
(https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat)

nibabel would drop the tags after the samples.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.freesurfer import mghformat

from ...errors import InputError, OutputError, reason
from ...geometry import SPATIAL, Affine, Axis, Grid
from ..base import Array, Header
from ..dropped import Dropped, Loss, dropped_warning, named
from .block import MAX_REST_BYTES, READ_ERRORS, Block, VolumeSource, open_plain, reject_impossible_size, skip
from .conversion import Dimensions, dimensions, generic_losses, lossless_dtype, same_directions
from .sink import Encoded

_SIZE = mghformat.DATA_OFFSET
_HEADER, _FOOTER = mghformat.header_dtype, mghformat.footer_dtype
_LARGEST = 2**31 - 1  # samples along an axis
_TYPES = {0: "u1", 1: "i4", 3: "f4", 4: "i2", 10: "u2"}
_WIDER = {"int8": "int16"}
_SPACING_TOLERANCE = 1e-3  # relative
_TAG_CMDLINE = 3  # command line that created the file


@dataclass(frozen=True, slots=True)
class Metadata:
    """Contents of an MGH file besides its samples.

    Attributes:
        head: bytes before the samples.
        tail: bytes after them: the footer and the tags.
    """

    head: bytes
    tail: bytes


def open_source(path: Path) -> VolumeSource:
    """Open an MGH volume.

    Raises:
        InputError: the file is damaged or has unsupported content.
    """
    try:
        with open_plain(path) as file:
            head = file.read(_SIZE)
            if len(head) < _SIZE or head[3] != 1 or head[:2] != b"\0\0":
                raise InputError("is not a readable MGH file: it does not begin like one", path)
            if head[2]:
                raise InputError(f"has MGH's intent {head[2]}; only plain volumes are supported", path)
            raw = _fields(head)
            code = int(raw["type"])
            if code not in _TYPES:
                raise InputError(f"holds samples of MGH's type {code}, which is not supported; plain numbers are", path)
            shape = tuple(int(n) for n in raw["dims"])
            shape = shape if shape[3] != 1 else shape[:3]
            block = Block(path, shape[::-1], np.dtype(_TYPES[code]).newbyteorder(">"), _SIZE)
            reject_impossible_size(block, path)
            file.seek(block.end)
            tail = file.read(MAX_REST_BYTES)
            rest = skip(file)
    except READ_ERRORS as error:
        raise InputError(f"cannot be read to its end: {reason(error)}", path) from error
    metadata = Metadata(head, tail)
    header = Header(_grid(raw, shape, tail), block.dtype, metadata=metadata, foreign_items=_foreign_items(raw, tail))
    warning = Dropped(f"{rest:,} bytes after its tags are dropped", Loss.TRAILING_DATA)
    return VolumeSource(path, header, block, [warning] if rest else [])


def encode(header: Header, path: Path) -> Encoded:
    """A volume in MGH format for the array of `header`.

    Raises:
        OutputError: MGH cannot hold the array.
    """
    if max(header.grid.shape) > _LARGEST:
        raise OutputError(f"MGH holds no more than {_LARGEST:,} samples along an axis; write .npy", path)
    if isinstance(header.metadata, Metadata):
        raw, tail = _fields(header.metadata.head), header.metadata.tail
        if raw["goodRASFlag"] != 1:
            raw["goodRASFlag"] = 0  # with other values, readers might use the position, which is not updated
        _move(raw, header.grid)
        head = raw.tobytes() + header.metadata.head[_HEADER.itemsize :]
        return Encoded(header.dtype, tuple(range(len(header.grid.axes))), head, _updated_tail(tail, header))
    target = dimensions(header, "MGH", 4, path)
    dtype, warnings = _supported_dtype(header, path)
    head = _new_header(dtype, target).tobytes().ljust(_SIZE, b"\0")
    warnings += dropped_warning(header, "MGH", *target.lost, *_lost(header, target), *generic_losses(header))
    return Encoded(dtype, target.order, head, _updated_tail(b"", header), warnings=tuple(warnings))


def _lost(header: Header, target: Dimensions) -> Iterator[Dropped]:
    """What MGH cannot hold of the dimensions: sizes of voxels are those of the affine, and times have a unit."""
    if target.onset:
        yield Dropped("the time of the first volume", Loss.HEADER_FIELD)
    grid = header.grid
    known = {name: grid[name].in_unit("mm").spacing for name in SPATIAL if name in grid.names}
    of_affine = dict(zip(SPATIAL, np.linalg.norm(target.affine[:3, :3], axis=0), strict=True))
    if any(s and not math.isclose(s, of_affine[name], rel_tol=_SPACING_TOLERANCE) for name, s in known.items()):
        yield Dropped("a spacing that differs from that of its affine", Loss.SPACING)
    if "t" in grid.names and grid["t"].spacing and grid["t"].unit is None:
        yield Dropped("the spacing of t, which has no unit", Loss.SPACING)


def _fields(head: bytes) -> Any:
    """The header as a record whose fields can be set."""
    return np.frombuffer(head[: _HEADER.itemsize], _HEADER)[0].copy()


def _grid(raw: Any, shape: tuple[int, ...], tail: bytes) -> Grid:
    repetition = _footer(tail)["tr"]
    known = raw["goodRASFlag"] == 1
    spacing = [float(size) if known and size > 0 else None for size in raw["delta"]]
    axes = [Axis(name, shape[number], spacing[number], "mm") for number, name in enumerate("xyz")]
    if len(shape) > 3:
        axes.append(Axis("t", shape[3], float(repetition) if repetition > 0 else None, "ms"))
    return Grid(tuple(reversed(axes)), {"ras": _affine(raw, shape)} if known else {})


def _affine(raw: Any, shape: tuple[int, ...]) -> Affine:
    affine = np.eye(4)
    affine[:3, :3] = raw["Mdc"].T.astype(float) * raw["delta"].astype(float)
    affine[:3, 3] = raw["Pxyz_c"] - affine[:3, :3] @ (np.array(shape[:3]) / 2)
    return affine


def _move(raw: Any, grid: Grid) -> None:
    """Set size, spacing and centre; the directions stay bit-identical unless the axes were reoriented."""
    for number, axis in enumerate(grid.axes[::-1]):
        raw["dims"][number] = axis.size
        if axis.name != "t" and axis.spacing is not None:
            raw["delta"][number] = axis.spacing
        elif axis.name != "t" and "ras" in grid.affines:  # a negative size, which turns the direction round
            length = np.linalg.norm(grid.affines["ras"][:3, number]) / np.linalg.norm(raw["Mdc"][number])
            raw["delta"][number] = math.copysign(length, raw["delta"][number])
    if "ras" in grid.affines:
        if not same_directions(_affine(raw, tuple(raw["dims"])), grid.affines["ras"]):
            raw["Mdc"] = (grid.affines["ras"][:3, :3] / np.linalg.norm(grid.affines["ras"][:3, :3], axis=0)).T
        raw["Pxyz_c"] = _centre(grid.affines["ras"], raw["dims"])


def _centre(affine: Affine, dims: Array) -> Affine:
    return np.asarray(affine[:3, 3] + affine[:3, :3] @ (dims[:3] / 2))


def _footer(tail: bytes) -> Any:
    """The scan parameters; missing bytes read as zero."""
    return np.frombuffer(tail[: _FOOTER.itemsize].ljust(_FOOTER.itemsize, b"\0"), _FOOTER)[0].copy()


def _updated_tail(tail: bytes, header: Header) -> bytes:
    """Footer and tags, with updated repetition time and history."""
    footer = _footer(tail)
    time = next((axis for axis in header.grid.axes if axis.name == "t"), None)
    time = None if time is None else time.in_unit("ms")
    if time is not None and time.spacing is not None and time.unit == "ms":
        footer["tr"] = time.spacing
    tags = tail[_FOOTER.itemsize :]
    if header.history is not None:
        text = header.history.encode("ascii") + b"\0"
        tags += struct.pack(">iq", _TAG_CMDLINE, len(text)) + text
    return bytes(footer.tobytes()) + tags


def _foreign_items(raw: Any, tail: bytes) -> tuple[str, ...]:
    footer = _footer(tail)
    names = {"flip_angle": "flip angle", "te": "echo time", "ti": "inversion time", "fov": "field of view"}
    given = [name for field, name in names.items() if footer[field]]
    has_tags = len(tail) > _FOOTER.itemsize
    items = named(
        (Loss.HEADER_FIELD, f"the {', '.join(given)}", given),
        (Loss.HEADER_FIELD, "the degrees of freedom", raw["dof"]),
        (Loss.TAG, "the tags after the samples", has_tags),
    )
    return tuple(items)


def _supported_dtype(header: Header, path: Path) -> tuple[np.dtype[Any], list[str]]:
    """The dtype in which MGH holds samples without loss, and warnings about it."""
    dtype, warnings = lossless_dtype(header.dtype)
    if dtype.name in _WIDER:
        dtype = np.dtype(_WIDER[dtype.name])
        warnings = [f"samples of type {header.dtype.name} become {dtype.name}, which holds them all"]
    if dtype.str[1:] not in _TYPES.values():
        raise OutputError(f"MGH cannot hold samples of type {header.dtype.name}; write .nii or .npy", path)
    return dtype.newbyteorder(">"), warnings


def _new_header(dtype: np.dtype[Any], target: Dimensions) -> Any:
    raw: Any = np.zeros(1, _HEADER)[0]
    raw["version"], raw["goodRASFlag"], raw["dims"] = 1, 1, 1
    raw["dims"][: len(target.shape)] = target.shape
    spacing = np.linalg.norm(target.affine[:3, :3], axis=0)
    raw["delta"] = spacing
    raw["Mdc"] = (target.affine[:3, :3] / np.where(spacing > 0, spacing, 1)).T
    raw["Pxyz_c"] = _centre(target.affine, raw["dims"])
    raw["type"] = next(code for code, name in _TYPES.items() if name == dtype.str[1:])
    return raw
