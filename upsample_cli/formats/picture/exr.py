"""Reads OpenEXR with the library of that name, an optional dependency."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import InputError
from ..base import Array
from ..dropped import Dropped, Loss
from .model import Picture, PictureMetadata, PixelKind

MAGIC = b"\x76\x2f\x31\x01"
_INSTALL = "pip install 'upsample[exr]'"
_MODES = {"RGBA": "RGBA", "RGB": "RGB", "YA": "LA", "Y": "F"}  # by names of the channels, most samples first


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
    warnings = [Dropped(f"its channels {', '.join(dropped)} are dropped", Loss.OTHER)] if dropped else []
    if len(opened.parts) > 1:
        warnings.append(Dropped(f"only the first of its {len(opened.parts)} parts is resized", Loss.OTHER))
    kind = PixelKind("EXR", _MODES[wanted], size, False, "float32")
    return Picture(kind, PictureMetadata(warnings=tuple(warnings)), partial(_decode, OpenEXR, path, wanted))


def _decode(library: Any, path: Path, wanted: str, file: BinaryIO) -> Array:
    channels = library.File(str(path), separate_channels=True).channels()
    planes = np.stack([np.asarray(channels[name].pixels, np.float32) for name in wanted], -1)
    if "A" not in wanted:
        return planes[..., 0] if wanted == "Y" else planes
    alpha = planes[..., -1:]
    return np.concatenate([planes[..., :-1] / np.where(alpha > 0, alpha, 1), alpha], -1)  # stored premultiplied
