"""Writes JPEG 2000 with Pillow, and adds the ICC profile and the resolution, which Pillow does not write.

The boxes are those of ISO/IEC 15444-1, annex I.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from ...geometry import INCH
from ..base import Array
from . import pillow_formats
from .model import EncodeSpec

_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_METHOD_ICC = 2  # method of a colour specification box that holds a restricted ICC profile
_MAX_NUMBER = 2**16 - 1  # of a numerator or denominator of the resolution


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture with its ICC profile and its resolution; the arguments are those of `png.writer.write`."""
    stream: Any = io.BytesIO()
    stream.name = file.name  # from the suffix, Pillow decides whether to write boxes
    pillow_formats.write(stream, frames, spec, "JPEG2000")
    data = stream.getvalue()
    added = _profile_box(spec.metadata.icc) + _resolution_box(spec.dpi)
    if added and data.startswith(_SIGNATURE):
        data = _with_header_boxes(data, added)
    file.write(data)


def _with_header_boxes(data: bytes, added: bytes) -> bytes:
    """Insert boxes into the header box, after the image header: readers use the first colour specification."""
    start = data.index(b"jp2h") - 4
    (size,) = struct.unpack_from(">I", data, start)
    (first,) = struct.unpack_from(">I", data, start + 8)
    place = start + 8 + first
    return data[:start] + struct.pack(">I", size + len(added)) + data[start + 4 : place] + added + data[place:]


def _profile_box(profile: bytes | None) -> bytes:
    return _box(b"colr", bytes([_METHOD_ICC, 0, 0]) + profile) if profile else b""


def _resolution_box(dpi: tuple[float, float] | None) -> bytes:
    """The resolution at which the picture was captured, in samples per metre along y and x."""
    if dpi is None:
        return b""
    fractions, exponents = b"", b""
    for value in reversed(dpi):
        density, exponent = value * 1000 / INCH, 0
        while density > _MAX_NUMBER:
            density, exponent = density / 10, exponent + 1
        denominator = max(1, min(_MAX_NUMBER, int(_MAX_NUMBER / density)))
        fractions += struct.pack(">HH", max(1, round(density * denominator)), denominator)
        exponents += struct.pack(">b", exponent)
    return _box(b"res ", _box(b"resc", fractions + exponents))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content
