"""Reads and writes SGI images with 16 bits per sample, which Pillow reduces to 8."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np

from ..base import Array
from .model import EncodeSpec, Picture, PictureMetadata, PixelKind

MAGIC = b"\x01\xda"
_HEADER_BYTES = 512
_MODES = {1: "I;16", 2: "LA", 3: "RGB", 4: "RGBA"}  # by number of channels
_VERBATIM, _RLE = 0, 1
_LITERAL, _COUNT = 0x80, 0x7F  # bits of the first word of a run


class _Layout(NamedTuple):
    """Compression, channels, height and width."""

    compression: int
    shape: tuple[int, int, int]


def read(file: BinaryIO) -> Picture | None:
    """Read the header of an SGI file; None if Pillow decodes it without loss.

    Raises:
        ValueError: the header is damaged.
    """
    file.seek(0)
    head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES:
        raise ValueError("its header is truncated")
    if head[3] != 2:
        return None
    dimensions, width, height, channels = (int(number) for number in np.frombuffer(head, ">u2", 4, 4))
    height = height if dimensions > 1 else 1
    channels = channels if dimensions > 2 else 1
    if head[2] not in (_VERBATIM, _RLE) or channels not in _MODES or not width or not height:
        raise ValueError("its header is invalid")
    kind = PixelKind("SGI", _MODES[channels], (width, height), False, "uint16")
    layout = _Layout(head[2], (channels, height, width))
    return Picture(kind, PictureMetadata(lossless=True), partial(_decode, layout))


def _decode(layout: _Layout, file: BinaryIO) -> Array:
    channels, height, width = layout.shape
    if layout.compression == _VERBATIM:
        file.seek(_HEADER_BYTES)
        planes = np.frombuffer(file.read(2 * channels * height * width), ">u2").reshape(layout.shape)
    else:
        planes = np.empty(layout.shape, np.uint16)
        file.seek(_HEADER_BYTES)
        starts = np.frombuffer(file.read(4 * channels * height), ">u4")
        lengths = np.frombuffer(file.read(4 * channels * height), ">u4")
        rows = planes.reshape(-1, width)
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            file.seek(int(start))
            _expand(np.frombuffer(file.read(min(int(length), 4 * width + 4) // 2 * 2), ">u2"), rows[number])
    upright = planes[:, ::-1]  # stored from the bottom up
    return upright[0] if channels == 1 else np.moveaxis(upright, 0, -1)


def _expand(words: Array, row: Array) -> None:
    """Expand the runs of a row."""
    position = filled = 0
    while filled < len(row) and position < len(words):
        count = int(words[position]) & _COUNT
        if not count:
            break
        literal = bool(words[position] & _LITERAL)
        values = words[position + 1 : position + 1 + (count if literal else 1)]
        stop = min(filled + count, len(row))
        if not len(values) or (literal and len(values) < stop - filled):
            break
        row[filled:stop] = values[: stop - filled] if literal else values[0]
        position += 1 + len(values)
        filled = stop
    if filled < len(row):
        raise ValueError("the file is truncated")


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture uncompressed; the arguments are those of `png.writer.write`."""
    frame = frames[0]
    planes = np.moveaxis(frame, -1, 0) if frame.ndim == 3 else frame[None]
    channels, height, width = planes.shape
    numbers = np.array([3 if channels > 1 else 2, width, height, channels], ">u2")
    limits = np.array([0, np.iinfo(frame.dtype).max], ">u4")
    head = MAGIC + bytes([_VERBATIM, frame.dtype.itemsize]) + numbers.tobytes() + limits.tobytes()
    file.write(head.ljust(_HEADER_BYTES, b"\0"))
    file.write(np.ascontiguousarray(planes[:, ::-1], planes.dtype.newbyteorder(">")).tobytes())
