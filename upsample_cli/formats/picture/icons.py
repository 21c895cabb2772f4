"""Checks the sizes of icons before Pillow opens them, because it decodes their pictures at once; writes ICNS."""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO

from ..base import Array
from .model import EncodeSpec

MAGIC = (b"\0\0\1\0", b"\0\0\2\0", b"icns")  # ICO, CUR and ICNS
SIZES = {16: b"icp4", 32: b"icp5", 64: b"icp6", 128: b"ic07", 256: b"ic08", 512: b"ic09", 1024: b"ic10"}  # of ICNS
_PNG_HEADER = re.compile(rb"\x89PNG\r\n\x1a\n....IHDR(.{8})", re.DOTALL)
_MAX_SIDE = 4096
_HEAD_BYTES = 8


def check_sizes(file: BinaryIO) -> None:
    """Refuse icons of a size that none has.

    Raises:
        ValueError: a picture in the file is too large.
    """
    file.seek(0)
    for match in _PNG_HEADER.finditer(file.read()):
        width, height = struct.unpack(">II", match[1])
        if max(width, height) > _MAX_SIDE:
            raise ValueError(f"it holds an icon of {width}×{height} pixels")


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a square picture of one of `SIZES` as ICNS; the arguments are those of `png.writer.write`."""
    from .png import writer  # not needed for reading

    stream = io.BytesIO()
    writer.write(stream, frames, spec)
    data = stream.getvalue()
    entry = SIZES[spec.size[0]] + struct.pack(">I", _HEAD_BYTES + len(data)) + data
    file.write(b"icns" + struct.pack(">I", _HEAD_BYTES + len(entry)) + entry)
