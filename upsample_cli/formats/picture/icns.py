"""Writes Apple icons: one picture of a size that the format knows."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from ..base import Array
from .model import EncodeSpec
from .png import writer

SIZES = {16: b"icp4", 32: b"icp5", 64: b"icp6", 128: b"ic07", 256: b"ic08", 512: b"ic09", 1024: b"ic10"}
_HEAD_BYTES = 8


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a square picture of one of `SIZES`; the arguments are those of `png.writer.write`."""
    stream = io.BytesIO()
    writer.write(stream, frames, spec)
    data = stream.getvalue()
    entry = SIZES[spec.size[0]] + struct.pack(">I", _HEAD_BYTES + len(data)) + data
    file.write(b"icns" + struct.pack(">I", _HEAD_BYTES + len(entry)) + entry)
