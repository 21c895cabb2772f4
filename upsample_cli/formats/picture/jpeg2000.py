"""The ICC profile and the resolution in JP2 files, and a list of the metadata boxes that Pillow does not support.

The boxes are those of ISO/IEC 15444-1, annex I. Pillow writes neither of the two.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from ...geometry import INCH
from .. import bounded
from ..base import Array
from .model import EncodeSpec

_UUIDS = {
    b"JpgTiffExif->JP2": "EXIF",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "XMP",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC",
}
_SUPERBOXES = (b"jp2h", b"asoc", b"uinf", b"moov", b"trak", b"mdia", b"minf", b"stbl")  # of AVIF from moov on
_METHOD_ICC = 2  # method of a colour specification box that holds a restricted ICC profile
_UUID_BYTES = 16
_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_MAX_NUMBER = 2**16 - 1  # of the fractions that tell the resolution


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


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture with its ICC profile and its resolution; the arguments are those of `png.writer.write`."""
    from . import pillow_formats

    stream: Any = io.BytesIO()
    stream.name = file.name  # whose suffix tells Pillow whether there are boxes
    pillow_formats.write(stream, frames, spec, "JPEG2000")
    data = stream.getvalue()
    added = _profile_box(spec.metadata.icc) + _resolution_box(spec.dpi)
    if added and data.startswith(_SIGNATURE):
        data = _with_header_boxes(data, added)
    file.write(data)


def _with_header_boxes(data: bytes, added: bytes) -> bytes:
    """The file with boxes added to its header box, behind the image header: of several colours, the first counts."""
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
