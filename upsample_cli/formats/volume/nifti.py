"""Reads NIfTI-1 and NIfTI-2, single files and pairs; nibabel parses the headers."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from ...errors import InputError, reason
from ...geometry import Affine, Axis, Grid
from ...runtime.library_messages import silence
from ..base import Header
from ..dropped import Dropped, Loss, named
from .block import MAX_REST_BYTES, READ_ERRORS, Block, VolumeSource, open_plain, reject_impossible_size, skip
from .conversion import NAMES
from .sink import is_pair

silence("nibabel.global")

_LENGTH_UNITS = {1: "m", 2: "mm", 3: "µm"}  # by the lower bits of xyzt_units
_TIME_UNITS = {8: "s", 16: "ms", 24: "µs"}  # by the bits above them
_LENGTH_BITS, _TIME_BITS = 0b111, 0b111000
_QUATERNION = ("quatern_b", "quatern_c", "quatern_d")
PIXELS = {"RGB": (128, 3), "RGBA": (2304, 4)}  # NIfTI's code, and the number of samples
LABELS = 1002  # NIFTI_INTENT_LABEL
_EOL_CHECK = (13, 10, 26, 10)  # of NIfTI-2
_CIFTI = 32  # the code of an extension


@dataclass(frozen=True, slots=True)
class Metadata:
    """Contents of a NIfTI file besides its samples.

    Attributes:
        raw: the header, as nibabel presents it.
        extensions: their codes and contents, padding included.
    """

    raw: Any
    extensions: tuple[tuple[int, bytes], ...]

    def for_samples(self, header: Header) -> Metadata | None:
        """See `AdaptableMetadata`; None for colours that are not of 8 bits: they need a dimension of their own."""
        raw = self.raw.copy()
        if header.grid.names[-1] != "s":
            raw.set_data_dtype(header.dtype)
        elif header.dtype == np.uint8:
            raw["datatype"], samples = PIXELS["RGBA" if header.alpha else "RGB"]
            raw["bitpix"] = 8 * samples
        else:
            return None
        if header.scaling != _scaling(raw):
            raw["scl_slope"], raw["scl_inter"] = header.scaling or (1, 0)
        raw["cal_min"] = raw["cal_max"] = 0  # of display; no longer known
        return Metadata(raw, self.extensions)

    def stripped(self) -> Metadata:
        """See `AdaptableMetadata`."""
        raw = self.raw.copy()
        for name in ("descrip", "aux_file", "intent_name", "db_name"):
            if name in raw.keys():  # noqa: SIM118 a nibabel header
                raw[name] = b""
        return Metadata(raw, ())


def recognizes(start: bytes) -> bool:
    """Whether a file that begins with `start` has a NIfTI header."""
    return _version(start) is not None


def open_source(path: Path, samples: Path, header: Path) -> VolumeSource:
    """Open a NIfTI file whose samples and header lie in the files of these names.

    Raises:
        InputError: the file is damaged or has unsupported content.
    """
    try:
        with open_plain(header) as file:
            raw = _read_header(file.read(nib.Nifti2Header.sizeof_hdr), is_pair(path))
            warnings = [*_repair_numbers(raw), *_repair_qfac(raw), *_repair_quaternion(raw)]
            shape, dtype = raw.get_data_shape(), _dtype(raw, path)
            pixel = () if dtype.fields is None else (len(dtype.fields),)
            plain = dtype if dtype.fields is None else np.dtype(np.uint8)
            block = Block(samples, (*shape[::-1], *pixel), plain, _offset(raw, is_pair(path)))
            reject_impossible_size(block, path)
            file.seek(raw.sizeof_hdr)
            between = MAX_REST_BYTES if is_pair(path) else max(0, block.offset - raw.sizeof_hdr)
            extra = file.read(min(between, MAX_REST_BYTES))
            unread = skip(file) if is_pair(path) else between - len(extra)
        extensions, rest = _extensions(extra, raw.endianness)
        result = _header(raw, shape, block.dtype, extensions)
    except (HeaderDataError, ValueError, OverflowError, *READ_ERRORS) as error:
        raise InputError(f"is not a readable NIfTI file: {reason(error)}", path) from error
    if any(code == _CIFTI for code, _ in extensions):
        raise InputError("is CIFTI, whose axes are no directions in space; it cannot be resized", path)
    if unread or rest.count(0) < len(rest):
        dropped = f"{len(rest) + unread:,} bytes between header and samples are dropped"
        warnings.append(Dropped(dropped, Loss.TRAILING_DATA))
    return VolumeSource(path, result, block, warnings)


def _version(start: bytes) -> int | None:
    if start[344:348] in (b"n+1\0", b"ni1\0"):
        return 1
    return 2 if start[4:8] in (b"n+2\0", b"ni2\0") else None


def _read_header(start: bytes, pair: bool) -> Any:
    kind = kind_of(_version(start) == 2, pair)
    if len(start) < kind.sizeof_hdr:
        raise HeaderDataError("it ends within its header")
    raw = kind(start[: kind.sizeof_hdr], check=False)
    if not 1 <= raw["dim"][0] <= 7:
        raise HeaderDataError(f"it has {raw['dim'][0]} dimensions")
    raw["pixdim"][1:] = np.abs(raw["pixdim"][1:])  # old files have negative ones; the affine gives the directions
    return raw


def _repair_numbers(raw: Any) -> list[str]:
    """Correct the fields whose invalid values make other readers reject a file; returns a warning about each."""
    warnings = []
    if raw["sizeof_hdr"] != raw.sizeof_hdr:
        warnings.append(f"its sizeof_hdr is {raw['sizeof_hdr']}; {raw.sizeof_hdr} is written")
        raw["sizeof_hdr"] = raw.sizeof_hdr
    if isinstance(raw, nib.Nifti2Header) and raw["eol_check"].tolist() != list(_EOL_CHECK):
        warnings.append("its eol_check, which detects converted line ends, is wrong; the correct value is written")
        raw["eol_check"] = _EOL_CHECK
    if raw["datatype"] in [code for code, _ in PIXELS.values()] and raw["scl_slope"] and _scaling(raw) is not None:
        warnings.append("its slope and intercept are dropped, because they do not apply to colours")
        raw["scl_slope"], raw["scl_inter"] = 1, 0
    if np.isfinite(raw["scl_slope"]) and raw["scl_slope"] and not np.isfinite(raw["scl_inter"]):
        warnings.append(f"its scl_inter is {raw['scl_inter']:g}; 0 is used instead")
        raw["scl_inter"] = 0
    if not np.isfinite(raw["pixdim"][1:]).all():
        warnings.append("its pixdim contains a value that is not finite; 0 is used instead")
        raw["pixdim"][1:] = np.nan_to_num(raw["pixdim"][1:], nan=0, posinf=0, neginf=0)
    spatial = raw["pixdim"][1 : 1 + min(int(raw["dim"][0]), 3)]
    if raw["qform_code"] > 0 and not spatial.all():
        warnings.append("its pixdim is 0 along an axis of the qform; 1 is used instead, as other readers do")
        spatial[spatial == 0] = 1
    return warnings


def _repair_qfac(raw: Any) -> list[str]:
    """Set a qfac other than ±1 to 1: the standard treats 0 as 1, and nibabel does so with all other numbers."""
    qfac = float(raw["pixdim"][0])
    if qfac not in (1, -1):
        raw["pixdim"][0] = 1
    return [] if qfac in (1, -1, 0) or not raw["qform_code"] > 0 else [f"its qfac is {qfac:g}; 1 is used instead"]


def _repair_quaternion(raw: Any) -> list[str]:
    """Scale a quaternion whose length exceeds 1 to 1, as niftilib does; it then means a rotation by 180 degrees.

    Raises:
        HeaderDataError: it is not finite.
    """
    if not raw["qform_code"] > 0:
        return []
    try:
        raw.get_qform_quaternion()
    except ValueError:
        imaginary = np.array([float(raw[name]) for name in _QUATERNION])
        length = np.linalg.norm(imaginary)
        if not np.isfinite(length):
            raise HeaderDataError("its quaternion is not finite") from None
        for name, part in zip(_QUATERNION, imaginary / length, strict=True):
            raw[name] = part
        return [f"its quaternion has a length of {length:.3g}; it is scaled to 1"]
    return []


def kind_of(second: bool, pair: bool) -> Any:
    """The class that nibabel has for a header, of NIfTI-2 if `second`."""
    if second:
        return nib.nifti2.Nifti2PairHeader if pair else nib.Nifti2Header
    return nib.nifti1.Nifti1PairHeader if pair else nib.Nifti1Header


def _offset(raw: Any, pair: bool) -> int:
    offset = float(raw["vox_offset"])
    if not math.isfinite(offset) or offset < 0:
        raise HeaderDataError(f"its samples begin at byte {offset:g}")
    if not pair and offset < raw.sizeof_hdr and text(raw["magic"]).startswith("ni"):
        raise HeaderDataError("its samples are in another file; name it .hdr, and that one .img")
    return int(offset) if pair else max(int(offset), raw.sizeof_hdr)


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
    """The extensions in the bytes after the header, and the remaining bytes."""
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
    pixel = next((name for name, (code, _) in PIXELS.items() if code == raw["datatype"]), None)
    return Header(
        grid=_grid(raw, shape, pixel),
        dtype=dtype,
        alpha=pixel == "RGBA",
        colours=None if pixel is None else "RGB",
        scaling=_scaling(raw),
        labels=int(raw["intent_code"]) == LABELS,
        metadata=Metadata(raw, tuple(extensions)),
        foreign_items=_foreign_items(raw, extensions),
    )


def _grid(raw: Any, shape: tuple[int, ...], pixel: str | None) -> Grid:
    units = int(raw["xyzt_units"])
    length_unit, time_unit = _LENGTH_UNITS.get(units & _LENGTH_BITS), _TIME_UNITS.get(units & _TIME_BITS)
    axes = []
    for number, size in enumerate(shape):
        name = NAMES[number]
        spacing = float(raw["pixdim"][1 + number])
        unit = length_unit if number < 3 else time_unit if number == 3 else None
        origin = float(raw["toffset"]) if name == "t" and np.isfinite(raw["toffset"]) else 0.0
        axes.append(Axis(name, size, spacing if np.isfinite(spacing) and spacing > 0 else None, unit, origin))
    affines: dict[str, Affine] = {}
    if raw["sform_code"] > 0:
        affines["sform"] = raw.get_sform()
    if raw["qform_code"] > 0:
        affines["qform"] = raw.get_qform()
    samples = () if pixel is None else (Axis("s", PIXELS[pixel][1]),)
    return Grid((*reversed(axes), *samples), affines)


def _scaling(raw: Any) -> tuple[float, float] | None:
    slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
    means_nothing = slope in (0, 1) and intercept == 0
    return None if means_nothing or not np.isfinite([slope, intercept]).all() or slope == 0 else (slope, intercept)


def _foreign_items(raw: Any, extensions: Sequence[tuple[int, bytes]]) -> tuple[str, ...]:
    """Descriptions of header fields that other families do not have."""
    code, name = int(raw["intent_code"]), text(raw["intent_name"])
    intents = nib.nifti1.intent_codes
    intent = ", ".join(str(part) for part in (intents.label[code] if code in intents.code else code, name) if part)
    codes = ", ".join(str(code) for code, _ in extensions)
    odd_unit = int(raw["xyzt_units"]) & _TIME_BITS > max(_TIME_UNITS)
    items = named(
        (Loss.INTENT, f"the intent ({intent})", code or name),
        (Loss.DESCRIPTION, f"the description ({text(raw['descrip'])})", text(raw["descrip"])),
        (Loss.HEADER_FIELD, f"the name of another file ({text(raw['aux_file'])})", text(raw["aux_file"])),
        (Loss.DISPLAY_RANGE, "the display range (cal_min, cal_max)", raw["cal_min"] or raw["cal_max"]),
        (Loss.SLICE_TIMING, "the order and timing of slices", raw["slice_code"] or raw["dim_info"]),
        (Loss.UNIT, "the unit of its fourth axis (Hz, ppm or rad/s)", odd_unit),
        (Loss.EXTENSION, f"header extensions ({codes})", extensions),
    )
    return tuple(items)


def text(field: Any) -> str:
    """The text of a zero-padded field."""
    return bytes(field.item()).rstrip(b"\0 ").decode("latin-1")
