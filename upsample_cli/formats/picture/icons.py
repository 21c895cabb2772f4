"""Looks into icons before Pillow opens them, because it decodes their pictures at once."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

MAGIC = (b"\0\0\1\0", b"\0\0\2\0", b"icns")  # ICO, CUR and ICNS
_PNG_HEADER = re.compile(rb"\x89PNG\r\n\x1a\n....IHDR(.{8})", re.DOTALL)
_MAX_SIDE = 4096


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
