"""Builds NIfTI headers.

Fields that a resize does not touch, and extensions, are copied byte for byte.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from ...errors import OutputError
from ...geometry import Affine, Grid
from ..base import Header
from ..dropped import Dropped, Loss, dropped_warning
from .conversion import DESCRIP, LARGEST, Dimensions, dimensions, generic_losses, lossless_dtype, same_directions
from .nifti import LABELS, PIXELS, Metadata, kind_of, text
from .sink import Encoded

_WITH_GEOMETRY = {2: "DICOM", 4: "AFNI"}  # extensions that describe the original geometry
_COMMENT = 6  # the code of an extension
_SLICE_FIELDS = ("slice_start", "slice_end", "slice_duration", "slice_code")


def encode(header: Header, path: Path, pair: bool) -> Encoded:
    """A NIfTI file for the array of `header`: of the version of the input, or the first that can hold it.

    Raises:
        OutputError: none can.
    """
    if isinstance(header.metadata, Metadata):
        return _same_kind(header, header.metadata, path, pair)
    pixels = _has_pixels(header)
    target = dimensions(header, "NIfTI", 7, path, pixels)
    dtype, warnings = lossless_dtype(header.dtype)
    raw = _new_header(header, target, dtype, path)
    losses = (*target.lost, *generic_losses(header, pixels=pixels))
    warnings += dropped_warning(header._replace(scaling=None), "NIfTI", *losses)
    return _encoded(raw, [], header.history, pair, dtype, target.order, warnings)


def _same_kind(header: Header, metadata: Metadata, path: Path, pair: bool) -> Encoded:
    before = metadata.raw
    raw = kind_of(isinstance(before, nib.Nifti2Header), pair)(before.binaryblock, before.endianness, check=False)
    _, samples = PIXELS["RGBA" if header.alpha else "RGB"]
    if any(axis.name == "s" and axis.size != samples for axis in header.grid.axes):
        raise OutputError("NIfTI has pixels of three or four samples; leave out axis s, or write .npy", path)
    axes = [axis for axis in header.grid.axes if axis.name != "s"][::-1]
    _set_shape(raw, tuple(axis.size for axis in axes), path)
    for number, axis in enumerate(axes):
        if axis.spacing is not None:
            raw["pixdim"][1 + number] = axis.spacing
        if axis.name == "t":
            raw["toffset"] = axis.origin
    for frame, affine in header.grid.affines.items():
        _move(raw, frame, affine)
    warnings = _clear_slices(raw, before, is_reoriented(before, header.grid))
    if raw["dim"].tolist() != before["dim"].tolist():
        stale = [_WITH_GEOMETRY[code] for code, _ in metadata.extensions if code in _WITH_GEOMETRY]
        warnings += [f"the {name} extension is kept, and describes the samples as they were" for name in stale]
    order = tuple(range(len(header.grid.axes)))
    return _encoded(raw, metadata.extensions, header.history, pair, header.dtype, order, warnings)


def _set_shape(raw: Any, shape: tuple[int, ...], path: Path) -> None:
    spacing = raw["pixdim"].copy()
    try:
        raw.set_data_shape(shape)
    except HeaderDataError as error:
        size = "×".join(map(str, shape))
        message = f"NIfTI-1 holds no more than {LARGEST:,} samples along an axis, not {size}"
        raise OutputError(f"{message}; write .npy or .tif", path) from error
    raw["pixdim"] = spacing  # the frames need the spacing of absent axes too


def _move(raw: Any, frame: str, affine: Affine) -> None:
    if frame == "sform":
        for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
            raw[name] = affine[row]
    elif frame == "qform" and not same_directions(raw.get_qform(), affine):
        raw.set_qform(affine, int(raw["qform_code"]))
    elif frame == "qform":  # samples move along the axes alone, so the rotation stays as it is, to the bit
        for row, name in enumerate(("qoffset_x", "qoffset_y", "qoffset_z")):
            raw[name] = affine[row, 3]


def is_reoriented(raw: Any, grid: Grid) -> bool:
    """Whether the axes of a grid run in other directions than those of a header."""
    affines = {"sform": raw.get_sform, "qform": raw.get_qform}
    return any(not same_directions(affines[frame](), affine) for frame, affine in grid.affines.items())


def _clear_slices(raw: Any, before: Any, is_reoriented: bool) -> list[str]:
    """Clear the slice timing if the slices, their axis or the repetition time have changed."""
    if is_reoriented:
        raw.set_dim_info()
    slices = before.get_dim_info()[2]
    changed = [1 + (2 if slices is None else slices), 4]
    same = not is_reoriented and all(raw[field][n] == before[field][n] for field in ("dim", "pixdim") for n in changed)
    if same or not any(raw[name] for name in _SLICE_FIELDS):
        return []
    for name in _SLICE_FIELDS:
        raw[name] = 0
    return [Dropped("slice timing is dropped, because the slices changed", Loss.SLICE_TIMING)]


def _has_pixels(header: Header) -> bool:
    """Whether the samples of a pixel are the colours of RGB24 or RGBA32."""
    samples = next((axis.size for axis in header.grid.axes if axis.name == "s"), 0)
    known = header.dtype == np.uint8 and header.colours in (None, "RGB", "RGBA")
    return known and samples == PIXELS["RGBA" if header.alpha else "RGB"][1]


def _new_header(header: Header, target: Dimensions, dtype: np.dtype[Any], path: Path) -> Any:
    raw = kind_of(max(target.shape) > LARGEST, False)()
    try:
        raw.set_data_dtype(dtype)
    except HeaderDataError as error:
        raise OutputError(f"NIfTI cannot hold samples of type {header.dtype}; write .npy", path) from error
    if _has_pixels(header):
        raw["datatype"], samples = PIXELS["RGBA" if header.alpha else "RGB"]
        raw["bitpix"] = 8 * samples
    raw.set_data_shape(target.shape)
    raw["pixdim"][1 : 1 + len(target.spacing)] = target.spacing
    raw["toffset"] = target.onset
    raw.set_xyzt_units(target.units[0], "sec" if target.units[1] else None)
    _set_frames(raw, target)
    if header.scaling is not None:
        raw["scl_slope"], raw["scl_inter"] = header.scaling
    if header.labels:
        raw["intent_code"] = LABELS
    return raw


def _set_frames(raw: Any, target: Dimensions) -> None:
    """The affine, as sform, and as qform too if it comes from a scanner and is no more than a rotation."""
    code = "scanner" if target.frame == "ras" else "aligned"
    raw.set_sform(target.affine, code)
    if target.frame is None or not target.affine[:3, :3].any(axis=0).all():
        return
    spacing = raw["pixdim"].copy()
    raw.set_qform(target.affine, code, strip_shears=True)
    if not np.allclose(raw.get_qform(), target.affine, rtol=0, atol=1e-4 * min(target.spacing[:3])):
        raw.set_qform(None, "unknown")
        raw["pixdim"][1:] = spacing[1:]


def _encoded(
    raw: Any,
    extensions: Sequence[tuple[int, bytes]],
    history: str | None,
    pair: bool,
    dtype: np.dtype[Any],
    order: tuple[int, ...],
    warnings: Sequence[str],
) -> Encoded:
    """Add history, extensions and sample offset, and serialise the header."""
    kind = kind_of(isinstance(raw, nib.Nifti2Header), pair)
    raw = kind(raw.binaryblock, raw.endianness, check=False)
    if history is not None and not text(raw["descrip"]) and len(history) <= DESCRIP:
        raw["descrip"] = history.encode("ascii")
    elif history is not None:
        extensions = [*extensions, (_COMMENT, history.encode("ascii"))]
    body = b"".join(_extension(code, content, raw.endianness) for code, content in extensions)
    raw["magic"] = kind.pair_magic if pair else kind.single_magic
    raw["vox_offset"] = 0 if pair else raw.sizeof_hdr + 4 + len(body)
    head = raw.binaryblock + (b"\1\0\0\0" if body else b"\0\0\0\0") + body
    encoded = Encoded(dtype, order, warnings=tuple(warnings))
    return replace(encoded, header=head) if pair else replace(encoded, head=head)


def _extension(code: int, content: bytes, endianness: str) -> bytes:
    """An extension, whose size is a multiple of 16 bytes."""
    padded = content + b"\0" * (-(8 + len(content)) % 16)
    return struct.pack(f"{endianness}ii", 8 + len(padded), code) + padded
