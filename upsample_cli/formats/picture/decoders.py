"""Chooses the module of this package that decodes a picture, where Pillow reads less than the file holds."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from .model import Picture

_START_BYTES = 64
_NETPBM = tuple(b"P" + kind for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"f", b"F"))
_SPACE = b" \t\r\n#"


def read(file: BinaryIO, path: Path) -> Picture | None:
    """The picture in `file`; None if Pillow reads it.

    Raises:
        InputError: a library for the format is not installed.
        ValueError: the file is damaged.
    """
    file.seek(0)
    start = file.read(_START_BYTES)
    if start[:2] in _NETPBM and start[2:3] and start[2:3] in _SPACE:
        from . import netpbm

        return netpbm.read(file)
    if start.startswith(b"BM"):
        from . import bmp

        return bmp.read(file)
    if start.startswith(b"\x01\xda"):
        from . import sgi

        return sgi.read(file)
    if start.startswith((b"#?RADIANCE", b"#?RGBE")):
        from . import radiance

        return radiance.read(file)
    if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        from . import jpegxl

        return jpegxl.read(file)
    if start[4:8] == b"ftyp":
        from . import heif

        return heif.read(file, path) if heif.recognizes(start) else None
    if start.startswith(b"\x76\x2f\x31\x01"):
        from . import exr

        return exr.read(file, path)
    return None
