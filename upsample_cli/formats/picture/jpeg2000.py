"""JPEG 2000, of whose boxes Pillow reads few and writes fewer: a look at what is lost."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

_UUIDS = {
    b"JpgTiffExif->JP2": "EXIF",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "XMP",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC",
}
_SUPERBOXES = (b"jp2h", b"asoc", b"uinf")
_PROFILE = 2  # the way of a colour box to hold an ICC profile
_CONTENT = 16  # bytes of a box that are read, but for its profile


def read(file: BinaryIO) -> tuple[bytes | None, tuple[str, ...]]:
    """The ICC profile, and what Pillow does not read, in words."""
    profile, words = None, []
    file.seek(0)
    if file.read(8)[4:] == b"jP  ":  # not a mere codestream
        for name, start, size in _boxes(file, 0):
            file.seek(start)
            if name == b"uuid":
                words.append(_UUIDS.get(file.read(_CONTENT), "a box of its own"))
            elif name == b"xml ":
                words.append("XML")
            elif name == b"colr" and file.read(3)[:1] == bytes([_PROFILE]):
                profile = file.read(size - 3)
    return profile, tuple(dict.fromkeys(words))


def _boxes(file: BinaryIO, start: int, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The name of each box, those within others too, and where its content begins and how long it is."""
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
            yield from _boxes(file, start + head, stop)
        else:
            yield name, start + head, stop - start - head
        start = stop
