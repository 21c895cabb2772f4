"""Analyze 7.5 pairs, and the SPM99 and SPM2 additions: a slope, and the origin in whole voxels.

x runs to the left, as in SPM. Only shape, spacing and origin of a header are rewritten.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from ...errors import InputError, OutputError, reason
from ...geometry import Axis, Grid
from .. import split_name
from ..base import Array, Header
from ..dropped import Dropped, Loss
from .block import MAX_REST_BYTES, READ_ERRORS, Block, VolumeSource, open_plain, reject_impossible_size, skip
from .conversion import DESCRIP, LARGEST, NAMES
from .sink import Encoded

_SIZE = 348
_UNITS = {b"mm": "mm", b"um": "µm", b"cm": "cm", b"m": "m"}
_TYPES = {
    **{2: "u1", 4: "i2", 8: "i4", 16: "f4", 32: "c8", 64: "f8"},
    **{130: "i1", 132: "u2", 136: "u4"},  # of SPM99
    **{256: "i1", 512: "u2", 768: "u4"},  # of NIfTI
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """The header of an Analyze pair.

    Attributes:
        raw: the nibabel header.
        rest: the bytes after it.
    """

    raw: Any
    rest: bytes


def recognizes(start: bytes) -> bool:
    """Whether a header file that begins with `start` is Analyze."""
    return len(start) >= _SIZE and _SIZE in (struct.unpack("<i", start[:4])[0], struct.unpack(">i", start[:4])[0])


def open_source(path: Path, samples: Path, header: Path) -> VolumeSource:
    """Open an Analyze pair.

    Raises:
        InputError: the file is damaged or has unsupported content.
    """
    try:
        with open_plain(header) as file:
            raw = cast(Any, nib.Spm99AnalyzeHeader)(file.read(_SIZE), check=False)
            rest = file.read(MAX_REST_BYTES)
            unread = skip(file)
        if not 1 <= raw["dim"][0] <= 7:
            raise HeaderDataError(f"it has {raw['dim'][0]} dimensions")
        shape, offset = raw.get_data_shape(), float(raw["vox_offset"])
        if not np.isfinite(offset) or offset < 0:
            raise HeaderDataError(f"its samples begin at byte {offset:g}")
    except (HeaderDataError, ValueError, *READ_ERRORS) as error:
        raise InputError(f"is not a readable Analyze file: {reason(error)}", path) from error
    code = int(raw["datatype"])
    if code not in _TYPES:
        raise InputError(f"holds samples of Analyze's type {code}, which is not supported; plain numbers are", path)
    dtype = np.dtype(_TYPES[code]).newbyteorder(raw.endianness)
    block = Block(samples, shape[::-1], dtype, int(offset))
    reject_impossible_size(block, path)
    grid = _grid(raw, shape)
    result = Header(grid, dtype, scaling=_scaling(raw), metadata=Metadata(raw, rest), foreign_items=_foreign_items(raw))
    matrix = samples.with_name(split_name(samples)[0] + ".mat")
    ignored = f"SPM's matrix in {matrix.name} is neither used nor written: the header alone says where samples lie"
    warnings = [ignored] if matrix.exists() else []
    if unread:
        warnings.append(Dropped(f"{unread:,} bytes at the end of its header file are dropped", Loss.TRAILING_DATA))
    return VolumeSource(path, result, block, warnings)


def encode(header: Header, path: Path) -> Encoded:
    """An Analyze pair for the array of `header`, which comes from one.

    Raises:
        OutputError: an axis is too long.
    """
    metadata = header.metadata
    assert isinstance(metadata, Metadata)
    before = metadata.raw
    raw = before.copy()
    axes = header.grid.axes[::-1]
    if max(axis.size for axis in axes) > LARGEST:
        size = "×".join(str(axis.size) for axis in axes)
        message = f"Analyze holds no more than {LARGEST:,} samples along an axis, not {size}"
        raise OutputError(f"{message}; write .nii", path)
    for number, axis in enumerate(axes):
        raw["dim"][1 + number] = axis.size
        if axis.spacing is not None:
            raw["pixdim"][1 + number] = axis.spacing
    raw["vox_offset"] = 0
    warnings = _set_origin(raw, before, header.grid)
    if header.history is not None and not bytes(raw["descrip"].item()) and len(header.history) <= DESCRIP:
        raw["descrip"] = header.history.encode("ascii")
    order = tuple(range(len(axes)))
    return Encoded(header.dtype, order, header=raw.binaryblock + metadata.rest, warnings=tuple(warnings))


def _grid(raw: Any, shape: tuple[int, ...]) -> Grid:
    unit = _UNITS.get(bytes(raw["vox_units"].item()).strip(b"\0 ").lower(), "mm")  # the usual unit
    axes = []
    for number, size in enumerate(shape):
        spacing = abs(float(raw["pixdim"][1 + number]))
        known = np.isfinite(spacing) and spacing > 0
        axes.append(Axis(NAMES[number], size, spacing if known else None, unit if number < 3 else None))
    zooms = np.array([axis.spacing or 1.0 for axis in axes[:3]] + [1.0] * (3 - len(axes[:3])))
    origin = _given_origin(raw, shape)
    affine = np.diag([*(zooms * (-1, 1, 1)), 1.0])
    affine[:3, 3] = -affine[:3, :3] @ (_centre(shape) if origin is None else origin - 1)
    return Grid(tuple(reversed(axes)), {"spm": affine})


def _centre(shape: tuple[int, ...]) -> Array:
    """The voxel in the middle, which is SPM's origin unless the header states another one."""
    return (np.array([*shape[:3], 1, 1][:3]) - 1) / 2


def _given_origin(raw: Any, shape: tuple[int, ...]) -> Array | None:
    """The voxel of the origin, counted from 1; None if absent or implausible by SPM's rules."""
    origin = np.array(raw["origin"][:3], float)
    size = np.array([*shape[:3], 1, 1][:3])
    return origin if origin.any() and (origin > -size).all() and (origin < 2 * size).all() else None


def _set_origin(raw: Any, before: Any, grid: Grid) -> list[str]:
    """Move the origin with the samples, rounded to whole voxels."""
    affine, shape = grid.affines["spm"], grid.shape[::-1]
    voxel = np.linalg.solve(affine[:3, :3], -affine[:3, 3])
    whole = np.rint(voxel + 1)
    exact = np.allclose(whole, voxel + 1, rtol=0, atol=1e-3)
    centred = np.allclose(voxel, _centre(shape), rtol=0, atol=1e-3)
    if centred and (not exact or _given_origin(before, before.get_data_shape()) is None):
        if _given_origin(raw, shape) is not None:
            raw["origin"][:3] = 0
        return []
    raw["origin"][:3] = np.clip(whole, -LARGEST, LARGEST)
    if exact and whole.any():
        return []
    off = ", ".join(f"{error:.3g}" for error in np.abs(raw["origin"][:3] - voxel - 1))
    return [f"Analyze counts the origin in whole voxels: it is off by {off} of a voxel (x, y, z); .nii keeps it"]


def _scaling(raw: Any) -> tuple[float, float] | None:
    slope = float(raw["scl_slope"])
    return None if slope in (0, 1) or not np.isfinite(slope) else (slope, 0.0)


def _foreign_items(raw: Any) -> tuple[str, ...]:
    fields = {"description": "descrip", "name of another file": "aux_file", "number of the patient": "patient_id"}
    fields |= {"number of the scan": "scannum", "date": "exp_date", "time": "exp_time", "program": "generated"}
    texts = {name: bytes(raw[field].item()).strip(b"\0 ").decode("latin-1") for name, field in fields.items()}
    items = [Dropped(f"the {name} ({text})", Loss.HEADER_FIELD) for name, text in texts.items() if text]
    if raw["cal_min"] or raw["cal_max"]:
        items.append(Dropped("the display range (cal_min, cal_max)", Loss.DISPLAY_RANGE))
    return tuple(items)
