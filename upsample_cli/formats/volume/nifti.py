"""NIfTI-1 and -2, single files and pairs, by nibabel's understanding of their headers.

Fields that a resize does not touch, and extensions, are written as they were read, to the byte.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from ...errors import InputError, OutputError
from ...geometry import Affine, Axis, Grid
from ..base import Header, lost
from .conversion import Dimensions, carried, dimensions, generic_losses, without_scaling
from .samples import READ_ERRORS, Block, VolumeSource, open_plain, refuse_impossible
from .sink import Encoded, is_pair

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # it speaks of headers that our messages name

_NAMES = "xyztuvw"
_LENGTH_UNITS = {1: "m", 2: "mm", 3: "µm"}  # by the lower bits of xyzt_units
_TIME_UNITS = {8: "s", 16: "ms", 24: "µs"}  # by the bits above them
_PIXELS = {"RGB": 3, "RGBA": 4}  # by the codes 128 and 2304
_RGB24, _RGBA32 = 128, 2304
_LABELS = 1002  # NIFTI_INTENT_LABEL
_COMMENT, _CIFTI = 6, 32  # codes of extensions
_WITH_GEOMETRY = {2: "DICOM", 4: "AFNI"}  # extensions that speak of the samples as they were
_SLICE_FIELDS = ("slice_start", "slice_end", "slice_duration", "slice_code")
_LARGEST_NIFTI_1 = 32_767
_DESCRIP = 79  # characters of the field, and the zero behind them


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a NIfTI file holds besides its samples.

    Attributes:
        raw: the header, as nibabel presents it.
        extensions: their codes and contents, padding included.
    """

    raw: Any
    extensions: tuple[tuple[int, bytes], ...]


def recognizes(start: bytes) -> bool:
    """Whether a file that begins with `start` has the header of NIfTI."""
    return _version(start) is not None


def open_source(path: Path, samples: Path, header: Path) -> VolumeSource:
    """Open a NIfTI file whose samples and header lie in the files of these names.

    Raises:
        InputError: it is damaged, or holds what is not supported.
    """
    try:
        with open_plain(header) as file:
            raw = _read_header(file.read(nib.Nifti2Header.sizeof_hdr), is_pair(path))
            shape, dtype = raw.get_data_shape(), _dtype(raw, path)
            block = Block(samples, (*shape[::-1], *_pixel(dtype)), _plain(dtype), _offset(raw, is_pair(path)))
            refuse_impossible(block, path)
            file.seek(raw.sizeof_hdr)
            extra = file.read(-1 if is_pair(path) else max(0, block.offset - raw.sizeof_hdr))
        extensions, rest = _extensions(extra, raw.endianness)
        header_ = _header(raw, shape, block.dtype, extensions)
    except (HeaderDataError, ValueError, OverflowError, *READ_ERRORS) as error:
        raise InputError(f"is not a readable NIfTI file: {error}", path) from error
    if any(code == _CIFTI for code, _ in extensions):
        raise InputError("is CIFTI, whose axes are no directions in space; it cannot be resized", path)
    warnings = [f"{len(rest):,} bytes between header and samples are dropped"] if rest.strip(b"\0") else []
    return VolumeSource(path, header_, block, warnings)


def encode(header: Header, path: Path, pair: bool) -> Encoded:
    """A NIfTI file for the array of `header`: of the version of the input, or the first that can hold it.

    Raises:
        OutputError: none can.
    """
    if isinstance(header.metadata, Metadata):
        return _same_kind(header, header.metadata, path, pair)
    pixels = _has_pixels(header)
    target = dimensions(header, "NIfTI", 7, path, pixels)
    dtype, said = carried(header.dtype)
    raw = _new_header(header, target, dtype, path)
    lost_here = lost(without_scaling(header), "NIfTI", *target.lost, *generic_losses(header, pixels=pixels))
    return _encoded(raw, [], header.history, pair, dtype, target.order, (*said, *lost_here))


def _version(start: bytes) -> int | None:
    if start[344:348] in (b"n+1\0", b"ni1\0"):
        return 1
    return 2 if start[4:8] in (b"n+2\0", b"ni2\0") else None


def _read_header(start: bytes, pair: bool) -> Any:
    kind = _kind(_version(start) == 2, pair)
    if len(start) < kind.sizeof_hdr:
        raise HeaderDataError("it ends within its header")
    raw = kind(start[: kind.sizeof_hdr], check=False)
    if not 1 <= raw["dim"][0] <= 7:
        raise HeaderDataError(f"it has {raw['dim'][0]} dimensions")
    raw["pixdim"][1:] = np.abs(raw["pixdim"][1:])  # old files have negative ones; the affine says how axes run
    return raw


def _kind(second: bool, pair: bool) -> Any:
    if second:
        return nib.nifti2.Nifti2PairHeader if pair else nib.Nifti2Header
    return nib.nifti1.Nifti1PairHeader if pair else nib.Nifti1Header


def _offset(raw: Any, pair: bool) -> int:
    offset = float(raw["vox_offset"])
    if not math.isfinite(offset) or offset < 0:
        raise HeaderDataError(f"its samples begin at byte {offset:g}")
    return int(offset) if pair else max(int(offset), raw.sizeof_hdr)


def _pixel(dtype: np.dtype[Any]) -> tuple[int, ...]:
    """The samples of a pixel, of types that have several."""
    return () if dtype.fields is None else (len(dtype.fields),)


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.fields is None else np.dtype(np.uint8)


def _dtype(raw: Any, path: Path) -> np.dtype[Any]:
    code = int(raw["datatype"])
    known = nib.nifti1.data_type_codes
    if code in known.code:
        dtype = cast(np.dtype[Any], raw.get_data_dtype())
        if dtype.kind in "iufc" or dtype.fields is not None:
            return dtype
    name = known.label[code] if code in known.code else code
    raise InputError(f"holds samples of type {name}, which are not supported; numbers of up to 64 bits are", path)


def _extensions(data: bytes, endianness: str) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    """The extensions in what follows the header, and what remains of it."""
    if data[:1] in (b"", b"\0"):
        return (), data[4:]
    found, at = [], 4
    while at + 8 <= len(data):
        size, code = struct.unpack_from(f"{endianness}ii", data, at)
        if size < 8 or at + size > len(data):
            break
        found.append((code, data[at + 8 : at + size]))
        at += size
    return tuple(found), data[at:]


def _header(raw: Any, shape: tuple[int, ...], dtype: np.dtype[Any], extensions: Sequence[tuple[int, bytes]]) -> Header:
    pixel = {_RGB24: "RGB", _RGBA32: "RGBA"}.get(int(raw["datatype"]))
    return Header(
        grid=_grid(raw, shape, pixel),
        dtype=dtype,
        alpha=pixel == "RGBA",
        colours=None if pixel is None else "RGB",
        scaling=_scaling(raw),
        labels=int(raw["intent_code"]) == _LABELS,
        metadata=Metadata(raw, tuple(extensions)),
        extras=_extras(raw, extensions),
    )


def _grid(raw: Any, shape: tuple[int, ...], pixel: str | None) -> Grid:
    units = int(raw["xyzt_units"])
    length_unit, time_unit = _LENGTH_UNITS.get(units & 0b111), _TIME_UNITS.get(units & 0b111000)
    axes = []
    for number, size in enumerate(shape):
        name = _NAMES[number]
        spacing = float(raw["pixdim"][1 + number])
        unit = length_unit if number < 3 else time_unit if number == 3 else None
        origin = float(raw["toffset"]) if name == "t" and np.isfinite(raw["toffset"]) else 0.0
        axes.append(Axis(name, size, spacing if np.isfinite(spacing) and spacing > 0 else None, unit, origin))
    affines: dict[str, Affine] = {}
    if raw["sform_code"] > 0:
        affines["sform"] = raw.get_sform()
    if raw["qform_code"] > 0:
        with np.errstate(invalid="ignore"):  # what is not finite is refused later
            affines["qform"] = raw.get_qform()
    samples = () if pixel is None else (Axis("s", _PIXELS[pixel]),)
    return Grid((*reversed(axes), *samples), affines)


def _scaling(raw: Any) -> tuple[float, float] | None:
    slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
    means_nothing = slope in (0, 1) and intercept == 0
    return None if means_nothing or not np.isfinite([slope, intercept]).all() or slope == 0 else (slope, intercept)


def _extras(raw: Any, extensions: Sequence[tuple[int, bytes]]) -> tuple[str, ...]:
    """What the header says that other families have no word for."""
    code, name = int(raw["intent_code"]), _text(raw["intent_name"])
    intents = nib.nifti1.intent_codes
    intent = ", ".join(str(part) for part in (intents.label[code] if code in intents.code else code, name) if part)
    said = {
        f"the intent ({intent})": code or name,
        f"the description ({_text(raw['descrip'])})": _text(raw["descrip"]),
        f"the name of another file ({_text(raw['aux_file'])})": _text(raw["aux_file"]),
        "the range of display (cal_min, cal_max)": raw["cal_min"] or raw["cal_max"],
        "the order and the times of slices": raw["slice_code"] or raw["dim_info"],
        f"extensions of the header ({', '.join(str(code) for code, _ in extensions)})": extensions,
    }
    return tuple(text for text, is_there in said.items() if is_there)


def _text(field: Any) -> str:
    return bytes(field.item()).rstrip(b"\0 ").decode("latin-1")


def _same_kind(header: Header, metadata: Metadata, path: Path, pair: bool) -> Encoded:
    before = metadata.raw
    raw = _kind(isinstance(before, nib.Nifti2Header), pair)(before.binaryblock, before.endianness, check=False)
    if any(axis.name == "s" and axis.size != _PIXELS["RGBA" if header.alpha else "RGB"] for axis in header.grid.axes):
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
    warnings = _clear_slices(raw, before)
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
        message = f"NIfTI-1 holds no more than {_LARGEST_NIFTI_1:,} samples along an axis, not {size}"
        raise OutputError(f"{message}; write .npy or .tif", path) from error
    raw["pixdim"] = spacing  # the frames need that of axes that a picture does not have


def _move(raw: Any, frame: str, affine: Affine) -> None:
    if frame == "sform":
        for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
            raw[name] = affine[row]
    elif frame == "qform":  # samples move along the axes alone, so the rotation stays as it is, to the bit
        for row, name in enumerate(("qoffset_x", "qoffset_y", "qoffset_z")):
            raw[name] = affine[row, 3]


def _clear_slices(raw: Any, before: Any) -> list[str]:
    """Forget when each slice was taken if the slices, or the times between volumes, are others now."""
    slices = before.get_dim_info()[2]
    changed = [1 + (2 if slices is None else slices), 4]
    same = all(raw[field][n] == before[field][n] for field in ("dim", "pixdim") for n in changed)
    if same or not any(raw[name] for name in _SLICE_FIELDS):
        return []
    for name in _SLICE_FIELDS:
        raw[name] = 0
    return ["the times of slices are dropped: the slices are others now"]


def _has_pixels(header: Header) -> bool:
    """Whether the samples of a pixel are the colours of RGB24 or RGBA32."""
    samples = next((axis.size for axis in header.grid.axes if axis.name == "s"), 0)
    known = header.dtype == np.uint8 and header.colours in (None, "RGB", "RGBA")
    return known and samples == (4 if header.alpha else 3)


def _new_header(header: Header, target: Dimensions, dtype: np.dtype[Any], path: Path) -> Any:
    raw = _kind(max(target.shape) > _LARGEST_NIFTI_1, False)()
    try:
        raw.set_data_dtype(dtype)
    except HeaderDataError as error:
        raise OutputError(f"NIfTI cannot hold samples of type {header.dtype}; write .npy", path) from error
    if _has_pixels(header):
        raw["datatype"], raw["bitpix"] = (_RGBA32, 32) if header.alpha else (_RGB24, 24)
    raw.set_data_shape(target.shape)
    raw["pixdim"][1 : 1 + len(target.spacing)] = target.spacing
    raw["toffset"] = target.onset
    raw.set_xyzt_units(target.units[0], "sec" if target.units[1] else None)
    _set_frames(raw, target)
    if header.scaling is not None:
        raw["scl_slope"], raw["scl_inter"] = header.scaling
    if header.labels:
        raw["intent_code"] = _LABELS
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
    """The bytes of a header that says all but what has been done, and where the samples are."""
    kind = _kind(isinstance(raw, nib.Nifti2Header), pair)
    raw = cast(Any, kind)(raw.binaryblock, raw.endianness, check=False)
    if history is not None and not _text(raw["descrip"]) and len(history) <= _DESCRIP:
        raw["descrip"] = history.encode("ascii")
    elif history is not None:
        extensions = [*extensions, (_COMMENT, history.encode("ascii"))]
    body = b"".join(_extension(code, content, raw.endianness) for code, content in extensions)
    raw["magic"] = kind.pair_magic if pair else kind.single_magic
    raw["vox_offset"] = 0 if pair else raw.sizeof_hdr + 4 + len(body)
    head = raw.binaryblock + (b"\1\0\0\0" if body else b"\0\0\0\0") + body
    files = {"header": head} if pair else {"head": head}
    return Encoded(dtype, order, warnings=tuple(warnings), **cast(Any, files))


def _extension(code: int, content: bytes, endianness: str) -> bytes:
    """An extension, whose size is a multiple of 16 bytes."""
    padded = content + b"\0" * (-(8 + len(content)) % 16)
    return struct.pack(f"{endianness}ii", 8 + len(padded), code) + padded
