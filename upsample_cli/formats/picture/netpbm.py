"""Reads and writes Netpbm's formats: PBM, PGM, PPM, PAM and PFM, with up to 16 bits per sample, or floats.

Pillow knows no PAM, and reduces colours of more than 8 bits to 8.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np

from ..base import Array
from .model import CHANNELS, EncodeSpec, Picture, PictureMetadata, PixelKind

_TOKEN = re.compile(rb"(?:\s|#[^\n]*(?:\n|$))*([^\s#]+)")
_HEADER_BYTES = 65_536  # within which the header ends
_PLAIN = {b"P1": (1, "1"), b"P2": (1, "L"), b"P3": (3, "RGB")}
_RAW = {b"P4": (1, "1"), b"P5": (1, "L"), b"P6": (3, "RGB")}
_FLOAT = {b"Pf": (1, "F"), b"PF": (3, "RGB")}
MAGIC = (*_PLAIN, *_RAW, *_FLOAT, b"P7")
_MAX_VALUE = 65_535
_PAM_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by number of samples per pixel
_PAM_TYPES = {"1": "BLACKANDWHITE", "L": "GRAYSCALE", "LA": "GRAYSCALE_ALPHA", "RGB": "RGB", "RGBA": "RGB_ALPHA"}


class _Layout(NamedTuple):
    """How the samples are stored.

    Attributes:
        magic: the first two bytes of the file.
        shape: height, width and samples per pixel.
        highest: the value that stands for full intensity; of floats the scale, negative if little-endian.
        offset: of the first sample in the file.
    """

    magic: bytes
    shape: tuple[int, int, int]
    highest: float
    offset: int


def read(file: BinaryIO) -> Picture:
    """Read the header of the first picture of a Netpbm file.

    Raises:
        ValueError: the header is damaged.
    """
    file.seek(0)
    head = file.read(_HEADER_BYTES)
    magic = head[:2]
    if magic == b"P7":
        layout, mode = _pam_layout(head)
    else:
        layout, mode = _layout(head, magic)
    height, width, _ = layout.shape
    if width < 1 or height < 1:
        raise ValueError(f"its header is invalid: {width}×{height} pixels")
    deep = magic not in _FLOAT and layout.highest > 255
    mode = "I;16" if deep and mode == "L" else mode
    dtype = "float32" if magic in _FLOAT else ("uint16" if deep else "")
    kind = PixelKind("PAM" if magic == b"P7" else "PPM", mode, (width, height), False, dtype)
    return Picture(kind, PictureMetadata(lossless=True, warnings=_trailing(file, layout)), partial(_decode, layout))


def _layout(head: bytes, magic: bytes) -> tuple[_Layout, str]:
    channels, mode = (_PLAIN | _RAW | _FLOAT)[magic]
    count = 2 if mode == "1" else 3
    position, words = 2, []
    for _ in range(count):
        match = _TOKEN.match(head, position)
        if match is None:
            raise ValueError("its header is truncated")
        words.append(match[1])
        position = match.end()
    width, height = int(words[0]), int(words[1])
    highest = float(words[2]) if count == 3 else 1.0
    if magic not in _FLOAT and not 1 <= highest <= _MAX_VALUE:
        raise ValueError(f"its header is invalid: a largest value of {highest:g}")
    return _Layout(magic, (height, width, channels), highest, position + 1), mode


def _pam_layout(head: bytes) -> tuple[_Layout, str]:
    header, found, _ = head.partition(b"ENDHDR")
    end = head.find(b"\n", len(header))
    if not found or end < 0:
        raise ValueError("its header is truncated")
    lines = [line.split(None, 1) for line in header.split(b"\n") if not line.startswith(b"#")]
    fields = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    height, width, depth, highest = (int(fields[name]) for name in (b"HEIGHT", b"WIDTH", b"DEPTH", b"MAXVAL"))
    if depth not in _PAM_MODES or not 1 <= highest <= _MAX_VALUE:
        raise ValueError(f"it has {depth} samples per pixel with values up to {highest}, which is not supported")
    mode = "1" if depth == 1 and highest == 1 else _PAM_MODES[depth]
    return _Layout(b"P7", (height, width, depth), highest, end + 1), mode


def _trailing(file: BinaryIO, layout: _Layout) -> tuple[str, ...]:
    """A warning if another picture follows."""
    if layout.magic in _PLAIN:
        return ()
    file.seek(layout.offset + _stored_bytes(layout))
    return ("only the first of its pictures is resized",) if file.read(2) in MAGIC else ()


def _stored_bytes(layout: _Layout) -> int:
    height, width, channels = layout.shape
    if layout.magic == b"P4":
        return height * ((width + 7) // 8)
    return height * width * channels * _stored_type(layout).itemsize


def _stored_type(layout: _Layout) -> np.dtype[np.generic]:
    if layout.magic in _FLOAT:
        return np.dtype("<f4" if layout.highest < 0 else ">f4")
    return np.dtype("u1" if layout.highest <= 255 else ">u2")


def _decode(layout: _Layout, file: BinaryIO) -> Array:
    file.seek(layout.offset if layout.magic not in _PLAIN else layout.offset - 1)
    height, width, channels = layout.shape
    if layout.magic in _PLAIN:
        samples = _plain_samples(layout, file.read())
    else:
        data = file.read(_stored_bytes(layout))
        if len(data) < _stored_bytes(layout):
            raise ValueError("the file is truncated")
        if layout.magic == b"P4":
            rows = np.frombuffer(data, np.uint8).reshape(height, -1)
            return np.asarray(np.unpackbits(rows, axis=1, count=width) == 0)
        samples = np.asarray(np.frombuffer(data, _stored_type(layout)))
    if layout.magic in _FLOAT:
        rows = samples.reshape(layout.shape)[::-1]  # stored from the bottom up
    else:
        rows = _scaled(samples, int(layout.highest)).reshape(layout.shape)
    if layout.magic in (b"P1", b"P7") and layout.highest == 1 and channels == 1:
        rows = (rows != 0) ^ (layout.magic == b"P1")
    return rows[..., 0] if channels == 1 else rows


def _plain_samples(layout: _Layout, body: bytes) -> Array:
    body = re.sub(rb"#[^\n]*", b"", body)
    wanted = math.prod(layout.shape)
    if layout.magic == b"P1":  # digits need no space between them
        digits = np.frombuffer(body, np.uint8)
        samples: Array = digits[(digits == 48) | (digits == 49)] - 48
    else:
        samples = np.fromstring(body.decode("latin-1"), np.int64, sep=" ")
    if len(samples) < wanted:
        raise ValueError("the file is truncated")
    return samples[:wanted].clip(0, _MAX_VALUE)


def _scaled(samples: Array, highest: int) -> Array:
    """Samples from 0 to `highest`, scaled to the range of 8 or 16 bits."""
    full = 255 if highest <= 255 else _MAX_VALUE
    dtype = np.uint8 if full == 255 else np.uint16
    if highest == full:
        return samples.astype(dtype, copy=False)
    table = np.minimum(np.arange(full + 1) * (full / highest) + 0.5, full).astype(dtype)
    return np.asarray(table[np.minimum(samples, highest)])


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture as PPM, PGM, PBM or PFM; the arguments are those of `png.writer.write`."""
    frame = frames[0]
    width, height = spec.size
    size = f"\n{width} {height}\n"
    if spec.mode == "1":
        file.write(b"P4" + size.encode() + np.packbits(frame == 0, axis=1).tobytes())
    elif frame.dtype.kind == "f":
        magic = "PF" if spec.mode in CHANNELS else "Pf"
        file.write(f"{magic}{size}-1.0\n".encode())
        file.write(np.ascontiguousarray(frame[::-1], "<f4").tobytes())
    else:
        magic = "P6" if spec.mode in CHANNELS else "P5"
        file.write(f"{magic}{size}{_highest(frame)}\n".encode())
        file.write(np.ascontiguousarray(frame, frame.dtype.newbyteorder(">")).tobytes())


def write_pam(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture as PAM; the arguments are those of `png.writer.write`."""
    frame = frames[0]
    width, height = spec.size
    depth = CHANNELS.get(spec.mode, 1)
    kind = _PAM_TYPES["L" if spec.mode == "I;16" else spec.mode]
    fields = {"WIDTH": width, "HEIGHT": height, "DEPTH": depth, "MAXVAL": _highest(frame), "TUPLTYPE": kind}
    header = "".join(f"{name} {value}\n" for name, value in fields.items())
    file.write(f"P7\n{header}ENDHDR\n".encode())
    file.write(np.ascontiguousarray(frame, frame.dtype.newbyteorder(">")).tobytes())


def _highest(frame: Array) -> int:
    return 1 if frame.dtype == bool else int(np.iinfo(frame.dtype).max)
