"""Reads and writes Radiance pictures (RGBE): floating-point colours in linear light."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from ...runtime.library_messages import silence
from ..base import Array
from ..dropped import Dropped, Loss
from .model import EncodeSpec, Picture, PictureMetadata, PixelKind

MAGIC = (b"#?RADIANCE", b"#?RGBE")
_RESOLUTION = re.compile(rb"\n\n([+-][XY]) +(\d{1,9}) +([+-][XY]) +(\d{1,9})\n")
_HEADER_BYTES = 65_536  # within which the header ends


def read(file: BinaryIO) -> Picture:
    """Read the header of a Radiance picture.

    Raises:
        ValueError: the header is damaged, or the rows do not run from the top left.
    """
    file.seek(0)
    head = file.read(_HEADER_BYTES)
    match = _RESOLUTION.search(head)
    if match is None:
        raise ValueError("its header is truncated")
    if match[1] != b"-Y" or match[3] != b"+X":
        raise ValueError(f"its rows run {match[1].decode()} {match[3].decode()}, which is not supported")
    height, width = int(match[2]), int(match[4])
    if not width or not height:
        raise ValueError(f"its header is invalid: {width}×{height} pixels")
    dropped = [line.split(b"=")[0].decode("latin-1") for line in head[: match.start()].split(b"\n") if b"=" in line]
    dropped = sorted({name for name in dropped if name != "FORMAT"})
    warnings = (
        (Dropped(f"these metadata entries are dropped: {', '.join(dropped)}", Loss.HEADER_FIELD),) if dropped else ()
    )
    kind = PixelKind("HDR", "RGB", (width, height), False, "float32")
    return Picture(kind, PictureMetadata(warnings=warnings), _decode)


def _decode(file: BinaryIO) -> Array:
    import imagecodecs  # slow import

    silence("imagecodecs")
    file.seek(0)
    return np.asarray(imagecodecs.rgbe_decode(file.read()))


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture of mode RGB in float32; the arguments are those of `png.writer.write`."""
    import imagecodecs

    file.write(imagecodecs.rgbe_encode(np.ascontiguousarray(frames[0], np.float32)))
