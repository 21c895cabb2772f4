"""Pictures taken apart, and put together, by hand: chunks, segments and directories, with no help of a library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAKER_NOTE = b"maker's own\0" + bytes(range(40))
THUMBNAIL = b"\xff\xd8" + b"a small picture of what was" * 3 + b"\xff\xd9"

Value = tuple[int, int, bytes]  # type, count and values of an entry of EXIF


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    rows: Sequence[bytes],
    size: tuple[int, int],
    depth: int = 8,
    colour_type: int = 2,
    before: bytes = b"",
    behind: bytes = b"",
) -> bytes:
    """A PNG of rows without filters, with chunks before and behind its pixels."""
    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return SIGNATURE + chunk(b"IHDR", header) + before + pixels + behind + chunk(b"IEND")


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The names and contents of a PNG's chunks, whose checksums are right."""
    assert data[:8] == SIGNATURE
    found, position = [], 8
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        content = data[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        assert checksum == zlib.crc32(name + content), name
        found.append((name, content))
        position += length + 12
    assert found[-1] == (b"IEND", b"")
    return found


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """The markers and contents of a JPEG's segments, up to its samples."""
    assert data[:2] == b"\xff\xd8"
    found, position = [], 2
    while data[position + 1] != 0xDA:
        assert data[position] == 0xFF
        (length,) = struct.unpack_from(">H", data, position + 2)
        found.append((data[position + 1], data[position + 4 : position + 2 + length]))
        position += 2 + length
    return found


def with_segments(jpeg: bytes, *added: tuple[int, bytes]) -> bytes:
    """The JPEG with more segments behind its first."""
    (length,) = struct.unpack_from(">H", jpeg, 4)
    packed = b"".join(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in added)
    return jpeg[: 4 + length] + packed + jpeg[4 + length :]


def riff(data: bytes) -> list[tuple[bytes, bytes]]:
    """The names and contents of a WebP's chunks."""
    assert data[:4] == b"RIFF"
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    assert data[8:12] == b"WEBP"
    found, position = [], 12
    while position < len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        found.append((name, data[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2
    return found


def icc_profile(content: bytes) -> bytes:
    """An ICC profile without tags that has `content` behind its header."""
    return struct.pack(">I", 132 + len(content)).ljust(36, b"\0") + b"acsp" + bytes(92) + content


def ascii_value(text: str) -> Value:
    return 2, len(text) + 1, text.encode() + b"\0"


def exif(order: str, main: Mapping[int, Value], details: Mapping[int, Value], thumbnail: bool = True) -> bytes:
    """EXIF with a directory of details, the notes of a maker at a place that only it knows, and a thumbnail."""
    blob = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 0))

    def directory(entries: Mapping[int, Value], following: int) -> int:
        packed = []
        for tag, (kind, count, values) in sorted(entries.items()):
            if len(values) > 4:
                offset = len(blob)
                blob.extend(values + bytes(len(values) % 2))
                values = struct.pack(order + "I", offset)
            packed.append(struct.pack(order + "HHI", tag, kind, count) + values.ljust(4, b"\0"))
        offset = len(blob)
        blob.extend(struct.pack(order + "H", len(packed)) + b"".join(packed) + struct.pack(order + "I", following))
        return offset

    inner = directory({**details, 37500: (7, len(MAKER_NOTE), MAKER_NOTE)}, 0)
    place = directory({1: (2, 2, b"N\0"), 2: (5, 3, struct.pack(order + "6I", 48, 1, 12, 1, 30, 1))}, 0)
    pointers = {34665: (4, 1, struct.pack(order + "I", inner)), 34853: (4, 1, struct.pack(order + "I", place))}
    second = 0
    if thumbnail:
        size = 2 + 2 * 12 + 4
        start = struct.pack(order + "I", len(blob) + size)
        second = directory({513: (4, 1, start), 514: (4, 1, struct.pack(order + "I", len(THUMBNAIL)))}, 0)
        blob.extend(THUMBNAIL)
    first = directory({**main, **pointers}, second)
    struct.pack_into(order + "I", blob, 4, first)
    return bytes(blob)


def short(order: str, value: int) -> Value:
    return 3, 1, struct.pack(order + "H", value)


def long(order: str, value: int) -> Value:
    return 4, 1, struct.pack(order + "I", value)


def ratio(order: str, numerator: int, denominator: int = 1) -> Value:
    return 5, 1, struct.pack(order + "II", numerator, denominator)
