"""Reads the ICC profile of JPEG 2000 files, and lists the metadata boxes that Pillow does not support."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from .. import bounded

_UUIDS = {
    b"JpgTiffExif->JP2": "EXIF",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "XMP",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC",
}
_SUPERBOXES = (b"jp2h", b"asoc", b"uinf", b"moov", b"trak", b"mdia", b"minf", b"stbl")  # of AVIF from moov on
_METHOD_ICC = 2  # method of a colour specification box that holds a restricted ICC profile
_UUID_BYTES = 16


def read(file: BinaryIO) -> tuple[bytes | None, tuple[str, ...]]:
    """The ICC profile, and descriptions of the metadata boxes that Pillow does not read."""
    profile, dropped = None, []
    file.seek(0)
    if file.read(8)[4:] == b"jP  ":  # not a raw codestream
        for name, start, size in boxes(file, 0):
            file.seek(start)
            if name == b"uuid":
                dropped.append(_UUIDS.get(file.read(_UUID_BYTES), "an unknown UUID box"))
            elif name == b"xml ":
                dropped.append("XML")
            elif name == b"colr" and file.read(3)[:1] == bytes([_METHOD_ICC]):
                profile = bounded.read(file, size - 3)
    return profile, tuple(dict.fromkeys(dropped))


def boxes(file: BinaryIO, start: int, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Name, content offset and content size of each box, including those nested in superboxes."""
    end = file.seek(0, io.SEEK_END) if end is None else end
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        stop = end if size == 0 else min(start + size, end)
        if stop < start + head:
            return
        if name in _SUPERBOXES:
            yield from boxes(file, start + head, stop)
        else:
            yield name, start + head, stop - start - head
        start = stop
