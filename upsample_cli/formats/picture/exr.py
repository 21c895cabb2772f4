"""Reads and writes OpenEXR with the library of that name, an optional dependency."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ...errors import InputError, OutputError
from ..base import Array
from ..dropped import Dropped, Loss, dropped_entries
from .model import EncodeSpec, Picture, PictureMetadata, PixelKind

_INSTALL = "pip install 'upsample[exr]'"
_MODES = {"RGBA": "RGBA", "RGB": "RGB", "YA": "LA", "Y": "F"}  # by names of the channels, most samples first
_CHANNELS = {mode: letters for letters, mode in _MODES.items()}
_CHANNEL_LIST = re.compile(rb"channels\0chlist\0.{4}((?:[^\0]+\0.{16})+)\0", re.DOTALL)
_CHANNEL = re.compile(rb"([^\0]+)\0(.).{15}", re.DOTALL)  # name, type
_HALF = b"\1"
_HEADER_BYTES = 65_536
_MAX_HALF = 65_504
_LAYOUT = (  # attributes that describe how the samples are stored
    *("channels", "chunkCount", "compression", "dataWindow", "displayWindow", "lineOrder", "name", "pixelAspectRatio"),
    *("screenWindowCenter", "tiles", "type", "version"),
)


class _Encoding(NamedTuple):
    """How a file is encoded.

    Attributes:
        compression: a member of the library's enumeration.
        half: whether the samples are stored in half precision.
        attributes: further entries of the header that do not depend on the size.
    """

    compression: Any
    half: bool
    attributes: dict[str, Any]

    def stripped(self) -> _Encoding:
        """See `NativeSettings`: without texts."""
        kept = {name: value for name, value in self.attributes.items() if not isinstance(value, str)}
        return self._replace(attributes=kept)


def read(file: BinaryIO, path: Path) -> Picture:
    """Read the header of the first part of an OpenEXR file.

    Raises:
        InputError: the library is not installed.
        ValueError: its channels are neither grey nor RGB.
    """
    try:
        import OpenEXR
    except ImportError:
        raise InputError(f"is an OpenEXR picture; to read it, install the library for it: {_INSTALL}", path) from None
    opened = OpenEXR.File(str(path), separate_channels=True, header_only=True)
    header = opened.header()
    names = {channel.name for channel in header["channels"]}
    wanted = next((letters for letters in _MODES if set(letters) <= names), None)
    if wanted is None:
        raise ValueError(f"its channels are {', '.join(sorted(names))}, which is not supported")
    (left, top), (right, bottom) = header["dataWindow"]
    size = (int(right - left) + 1, int(bottom - top) + 1)
    dropped = sorted(names - set(wanted))
    warnings: list[str] = []
    warnings += [Dropped(f"its channels {', '.join(dropped)} are dropped", Loss.OTHER)] if dropped else []
    if len(opened.parts) > 1:
        warnings.append(Dropped(f"only the first of its {len(opened.parts)} parts is resized", Loss.OTHER))
    if not np.array_equal(header["dataWindow"], header["displayWindow"]):
        warnings.append(Dropped("its display window is dropped: the whole data window is resized", Loss.OTHER))
    others = {name: value for name, value in header.items() if name not in _LAYOUT}
    kept = {n: v for n, v in others.items() if isinstance(v, str | int | float) or n == "chromaticities"}
    warnings += dropped_entries(sorted(others.keys() - kept))
    aspect = float(header.get("pixelAspectRatio", 1))
    metadata = PictureMetadata(
        spacing=(aspect, 1.0) if aspect != 1 else None,
        native=_Encoding(header["compression"], _is_half(file, wanted), kept),
        foreign_items=(Dropped("attributes of OpenEXR", Loss.OTHER),) if kept.keys() - {"screenWindowWidth"} else (),
        warnings=tuple(warnings),
    )
    kind = PixelKind("EXR", _MODES[wanted], size, False, "float32")
    return Picture(kind, metadata, partial(_decode, OpenEXR, path, wanted))


def _is_half(file: BinaryIO, wanted: str) -> bool:
    """Whether all of the channels are stored in half precision, which the library tells only with the samples."""
    file.seek(0)
    found = _CHANNEL_LIST.search(file.read(_HEADER_BYTES))
    types = dict(_CHANNEL.findall(found[1])) if found else {}
    return all(types.get(letter.encode()) == _HALF for letter in wanted)


def _decode(library: Any, path: Path, wanted: str, file: BinaryIO) -> Array:
    channels = library.File(str(path), separate_channels=True).channels()
    planes = np.stack([np.asarray(channels[name].pixels, np.float32) for name in wanted], -1)
    if "A" not in wanted:
        return planes[..., 0] if wanted == "Y" else planes
    alpha = planes[..., -1:]
    return np.concatenate([planes[..., :-1] / np.where(alpha > 0, alpha, 1), alpha], -1)  # stored premultiplied


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture, compressed like the input or by ZIP; the arguments are those of `png.writer.write`.

    Raises:
        OutputError: the library is not installed.
    """
    try:
        import OpenEXR
    except ImportError:
        raise OutputError(f"to write OpenEXR, install the library for it: {_INSTALL}") from None
    letters, native = _CHANNELS[spec.mode], spec.metadata.native
    encoding = native if isinstance(native, _Encoding) else _Encoding(OpenEXR.ZIP_COMPRESSION, False, {})
    header = encoding.attributes | {"compression": encoding.compression, "type": OpenEXR.scanlineimage}
    if spec.metadata.spacing:
        header["pixelAspectRatio"] = spec.metadata.spacing[0] / spec.metadata.spacing[1]
    samples = np.atleast_3d(frames[0]).astype(np.float32)
    if "A" in letters:
        alpha = samples[..., -1:]
        samples[..., :-1] *= np.where(alpha > 0, alpha, 1)
    if encoding.half:
        samples = samples.clip(-_MAX_HALF, _MAX_HALF).astype(np.float16)
    planes = {name: np.ascontiguousarray(samples[..., number]) for number, name in enumerate(letters)}
    OpenEXR.File(header, {name: OpenEXR.Channel(plane) for name, plane in planes.items()}).write(file.name)
