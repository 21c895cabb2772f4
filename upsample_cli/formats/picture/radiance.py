"""Reads and writes Radiance pictures (RGBE): floating-point colours in linear light."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import BinaryIO

import numpy as np

from ...runtime.library_messages import silence
from ..base import Array
from ..dropped import dropped_entries
from .model import EncodeSpec, Picture, PictureMetadata, PixelKind

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
    names = {line.split(b"=")[0].decode("latin-1") for line in head[: match.start()].split(b"\n") if b"=" in line}
    dropped = sorted(names - {"FORMAT"})
    kind = PixelKind("HDR", "RGB", (width, height), False, "float32")
    decode_part = partial(_decode_part, (height, width))
    return Picture(kind, PictureMetadata(warnings=tuple(dropped_entries(dropped))), _decode, decode_part=decode_part)


def _decode(file: BinaryIO) -> Array:
    import imagecodecs  # slow import

    silence("imagecodecs")
    file.seek(0)
    return np.asarray(imagecodecs.rgbe_decode(file.read()))


def _decode_part(size: tuple[int, int], file: BinaryIO) -> Array:
    """The samples of a truncated picture of this height and width: zeros where they are missing."""
    import imagecodecs

    silence("imagecodecs")
    rows = np.zeros((*size, 3), np.float32)
    file.seek(0)
    with suppress(imagecodecs.RgbeError):
        imagecodecs.rgbe_decode(file.read(), out=rows)
    return rows


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture of mode RGB in float32; the arguments are those of `png.writer.write`."""
    import imagecodecs

    file.write(imagecodecs.rgbe_encode(np.ascontiguousarray(frames[0], np.float32)))
