"""Damages files: at random bytes, or in their chunks, segments, directories, headers and texts.

A mutator takes the bytes and a random generator, and returns other bytes. Mutators do not depend on the command's code.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Callable
from random import Random

import nibabel as nib

from tests.campaign.metadata import CONTENTS, PNG_CHUNKS, TIFF_TAGS

Mutator = Callable[[bytes, Random], bytes]

_EXTREMES = (
    0,
    1,
    2,
    3,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63,
    2**64 - 1,
)
_HEADER_BYTES = 128  # most numbers that determine the layout of a file are here
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = (b"0", b"-1", b"1", b"3", b"65536", b"4294967296", b"1e309", b"nan", b"-inf", b"0.0", b"1e-320", b"", b"x")


# --- any file ---


def flip_bits(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 8)):
        changed[_place(data, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def set_number(data: bytes, random: Random) -> bytes:
    """Set a possible length, count, offset or size to an extreme number."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 3)):
        width = random.choice((1, 2, 4, 8))
        number = random.choice(_EXTREMES) % (1 << 8 * width)
        place = _place(data, random)
        changed[place : place + width] = number.to_bytes(width, random.choice(("little", "big")))
    return bytes(changed[: len(data)])


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(1, len(data))]


def duplicate(data: bytes, random: Random) -> bytes:
    start, stop = _span(data, random)
    return data[:stop] + data[start:stop] * random.randint(1, 3) + data[stop:]


def remove(data: bytes, random: Random) -> bytes:
    start, stop = _span(data, random)
    return data[:start] + data[stop:] or b"\0"


def overwrite(data: bytes, random: Random) -> bytes:
    start, stop = _span(data, random)
    filling = random.choice((bytes(stop - start), b"\xff" * (stop - start), random.randbytes(stop - start)))
    return data[:start] + filling + data[stop:]


def insert(data: bytes, random: Random) -> bytes:
    place = _place(data, random)
    return data[:place] + random.randbytes(random.randint(1, 40)) + data[place:]


def append(data: bytes, random: Random) -> bytes:
    return data + random.choice((bytes(100), random.randbytes(100), data))


def change_text_number(data: bytes, random: Random) -> bytes:
    """Change a decimal number in a header or in XML."""
    found = [*re.finditer(rb"\d+(\.\d+)?", data[:4000])]
    if not found:
        return set_number(data, random)
    chosen = random.choice(found)
    return data[: chosen.start()] + random.choice(_NUMBERS) + data[chosen.end() :]


GENERAL = (flip_bits, set_number, truncate, duplicate, remove, overwrite, insert, append, change_text_number)


def _place(data: bytes, random: Random) -> int:
    return random.randrange(min(len(data), _HEADER_BYTES) if random.random() < 0.5 else len(data))


def _span(data: bytes, random: Random) -> tuple[int, int]:
    start = _place(data, random)
    return start, min(len(data), start + random.randint(1, 200))


def _extreme_bytes(size: int, random: Random) -> bytes:
    order = random.choice(("little", "big"))
    return (random.choice(_EXTREMES) % (1 << 8 * size)).to_bytes(size, order) if size else b""


def _edit_content(content: bytes, random: Random) -> bytes:
    """Damage the content of a chunk; its length and checksum are corrected."""
    if not content:
        return random.randbytes(random.randint(1, 20))
    return random.choice((*GENERAL, _shrink, _replace_content))(content, random)


def _shrink(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def _replace_content(content: bytes, random: Random) -> bytes:
    return random.choice((b"", random.randbytes(random.randint(0, 60)), *CONTENTS))


def _edit_list(parts: list[tuple[bytes, bytes]], random: Random, made: Callable[[], tuple[bytes, bytes]]) -> None:
    """Damage, remove, repeat, move, rename or add a named part of a file."""
    number = random.randrange(len(parts))
    name, content = parts[number]
    match random.randrange(8):
        case 0 | 1 | 2:
            parts[number] = (name, _edit_content(content, random))
        case 3:
            del parts[number]
        case 4:
            parts.insert(random.randrange(len(parts) + 1), (name, content))
        case 5:
            parts.insert(random.randrange(len(parts)), parts.pop(number))
        case 6:
            parts[number] = (random.choice(parts)[0], content)
        case 7:
            parts.insert(random.randrange(1, len(parts) + 1), made())


# --- PNG ---


def png_chunks(data: bytes, random: Random) -> bytes:
    """Change the number, order or contents of chunks; lengths and checksums are correct."""
    parts, position = [], 8
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        parts.append((name, data[position + 8 : position + 8 + length]))
        position += length + 12
    for _ in range(random.randint(1, 3)):
        if parts:
            _edit_list(parts, random, lambda: _png_chunk(random))
    packed = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    ]
    return data[:8] + b"".join(packed)


def _png_chunk(random: Random) -> tuple[bytes, bytes]:
    content = random.choice((*CONTENTS, random.randbytes(random.randint(0, 40))))
    return random.choice(PNG_CHUNKS), content


def png_header(data: bytes, random: Random) -> bytes:
    """Change fields of IHDR, with a correct checksum."""
    fields = bytearray(data[12:29])
    place, size = random.choice(((4, 4), (8, 4), (12, 1), (13, 1), (14, 1), (15, 1), (16, 1)))
    fields[place : place + size] = random.choice(
        (_extreme_bytes(size, random), bytes([0] * (size - 1) + [random.randrange(20)]))
    )
    return data[:12] + bytes(fields) + struct.pack(">I", zlib.crc32(fields)) + data[33:]


# --- JPEG ---


def jpeg_segments(data: bytes, random: Random) -> bytes:
    parts, position = [], 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, position + 2)
        parts.append((data[position + 1 : position + 2], data[position + 4 : position + 2 + length]))
        position += 2 + max(2, length)
    for _ in range(random.randint(1, 3)):
        if parts:
            _edit_list(
                parts,
                random,
                lambda: (bytes([random.choice((0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE))]), random.choice(CONTENTS)),
            )
    packed = [b"\xff" + marker + struct.pack(">H", (len(content) + 2) & 0xFFFF) + content for marker, content in parts]
    return data[:2] + b"".join(packed) + data[position:]


# --- GIF ---


def gif_blocks(data: bytes, random: Random) -> bytes:
    """Change the sizes of the screen or of frames, code sizes, or the lengths of blocks."""
    changed = bytearray(data)
    starts = [match.start() for match in re.finditer(rb"[\x2c\x21]", data)] or [6]
    place = random.choice((*range(6, 11), *(start + random.randrange(12) for start in random.choices(starts, k=4))))
    size = random.choice((1, 2))
    changed[place : place + size] = _extreme_bytes(size, random)
    return bytes(changed)


# --- WebP ---


def webp_chunks(data: bytes, random: Random) -> bytes:
    parts, position = [], 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        parts.append((name, data[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2
    names = (b"ICCP", b"EXIF", b"XMP ", b"ANIM", b"ANMF", b"ALPH", b"VP8X", b"VP8 ", b"VP8L", b"abcd")
    for _ in range(random.randint(1, 3)):
        if parts:
            _edit_list(parts, random, lambda: (random.choice(names), random.choice(CONTENTS)))
    packed = b"".join(n + struct.pack("<I", len(c)) + c + bytes(len(c) % 2) for n, c in parts)
    return b"RIFF" + struct.pack("<I", len(packed) + 4) + b"WEBP" + packed


# --- TIFF ---


def tiff_entries(data: bytes, random: Random) -> bytes:
    """Change the tags, types, counts, values or offsets of directory entries."""
    directories, order, big = _directories(data)
    if not directories:
        return set_number(data, random)
    changed = bytearray(data)
    size, value_bytes = (20, 8) if big else (12, 4)
    for _ in range(random.randint(1, 3)):
        start, count = random.choice(directories)
        place = start + size * random.randrange(max(1, count))
        match random.randrange(6):
            case 0:
                struct.pack_into(order + "H", changed, place + 2, random.choice((*_TYPE_BYTES, 0, 14, 255, 65535)))
            case 1:
                changed[place + 4 : place + 4 + value_bytes] = _extreme_bytes(value_bytes, random)
            case 2:
                changed[place + size - value_bytes : place + size] = _extreme_bytes(value_bytes, random)
            case 3:
                struct.pack_into(order + "H", changed, place, random.choice(TIFF_TAGS))
            case 4:
                other = start + size * random.randrange(max(1, count))
                changed[place : place + size] = data[other : other + size]
            case 5:
                value = random.choice((0, 1, 2, 3, 4, 5, 7, 8, 16, 32767, 34712, 50000, 65535))
                struct.pack_into(order + "H", changed, place + size - value_bytes, value)
    return bytes(changed)


def tiff_typed_tag(data: bytes, random: Random) -> bytes:
    """Replace an entry by a tag that the command interprets, with an unexpected type and count."""
    directories, order, big = _directories(data)
    if not directories or big:
        return tiff_entries(data, random)
    changed = bytearray(data)
    start, count = directories[0]
    place = start + 12 * random.randrange(max(1, count))
    kind = random.choice((*_TYPE_BYTES,))
    number = random.choice((0, 1, 2, 3, 5, 100))
    value = random.choice((0, 1, 8, len(data) - 4, 0xFFFFFFFF, len(data) + 9))
    struct.pack_into(order + "HHII", changed, place, random.choice(TIFF_TAGS), kind, number, value)
    return bytes(changed)


def with_tag(data: bytes, code: int, kind: int, count: int, value: int) -> bytes:
    """Replace the entry of the first directory that has this code, or else its last entry."""
    ((start, entries), *_), order, _ = _directories(data)
    places = [start + 12 * number for number in range(entries)]
    place = next((p for p in places if struct.unpack_from(order + "H", data, p)[0] == code), places[-1])
    changed = bytearray(data)
    struct.pack_into(order + "HHII", changed, place, code, kind, count, value)
    return bytes(changed)


def tiff_links(data: bytes, random: Random) -> bytes:
    """Link directories in a loop, or to other parts of the file."""
    directories, order, big = _directories(data)
    if not directories:
        return set_number(data, random)
    changed = bytearray(data)
    start, count = random.choice(directories)
    link = start + (20 if big else 12) * count
    target = random.choice((*(first - (8 if big else 2) for first, _ in directories), 8, random.randrange(len(data))))
    struct.pack_into(order + ("Q" if big else "I"), changed, min(link, len(data) - 8), target)
    return bytes(changed)


def _directories(data: bytes) -> tuple[list[tuple[int, int]], str, bool]:
    """The offset of the entries and their number for each directory, the byte order, and whether it is BigTIFF."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    found: list[tuple[int, int]] = []
    try:
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        while offset and len(found) < 20:
            (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
            first = offset + (8 if big else 2)
            (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, first + (20 if big else 12) * count)
            found.append((first, count))
    except struct.error:
        pass
    return found, order, big


def xml_text(data: bytes, random: Random) -> bytes:
    """Change attributes of the XML in a TIFF, keeping their lengths so that offsets stay valid."""
    found = [*re.finditer(rb'="([^"]*)"', data)]
    if not found:
        return tiff_entries(data, random)
    changed = data
    for _ in range(random.randint(1, 3)):
        chosen = random.choice(found)
        size = chosen.end(1) - chosen.start(1)
        values = (
            b"9" * size,
            b"-" * size,
            b"0" * size,
            b"\x1b" * size,
            b"<" * size,
            b"&" * size,
            b"nan".ljust(size)[:size],
            b" " * size,
        )
        changed = changed[: chosen.start(1)] + random.choice(values) + changed[chosen.end(1) :]
    return changed


# --- volumes ---


def _unpacked(data: bytes) -> bytes | None:
    """The uncompressed content of a gzip file; None if it is not a gzip file or is already damaged."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


def nifti_fields(data: bytes, random: Random) -> bytes:
    """Set header fields to extreme numbers, NaN or control characters."""
    if (inner := _unpacked(data)) is not None:
        return gzip.compress(nifti_fields(inner, random), 1, mtime=0)
    sizes = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
    little, big = (int.from_bytes(data[:4], order) for order in ("little", "big"))
    kind = sizes.get(little) or sizes.get(big)
    if kind is None:
        return set_number(data, random)
    order = "<" if little in sizes else ">"
    return _edit_fields(data, kind(endianness=order).structarr.dtype, order, random)


def mgh_fields(data: bytes, random: Random) -> bytes:
    if (inner := _unpacked(data)) is not None:
        return gzip.compress(mgh_fields(inner, random), 1, mtime=0)
    return _edit_fields(data, nib.MGHImage.header_class.template_dtype, ">", random)


def gzip_stream(data: bytes, random: Random) -> bytes:
    """Damage the uncompressed content, or the gzip stream itself."""
    inner = _unpacked(data)
    if not inner:
        return random.choice(GENERAL)(data, random)
    packed = gzip.compress(random.choice(GENERAL)(inner, random), 1, mtime=0)
    return random.choice((packed, packed + packed, packed + b"trailing", packed[:-8], packed[:-4] + b"\0\0\0\0"))


def nifti_extension(data: bytes, random: Random) -> bytes:
    """Change the sizes and codes of the extensions after the header."""
    if (inner := _unpacked(data)) is not None:
        return gzip.compress(nifti_extension(inner, random), 1, mtime=0)
    start = 540 if int.from_bytes(data[:4], "little") == 540 else 348
    changed = bytearray(data)
    flag = random.choice((b"\1\0\0\0", b"\1\0\0\0", b"\xff\xff\xff\xff"))
    size = random.choice((0, 1, 8, 15, 16, 17, 32, 48, 0x7FFFFFFF, 0xFFFFFFFF))
    changed[start : start + 12] = flag + struct.pack("<II", size, random.choice((0, 2, 4, 6, 44, 0xFFFFFFFF)))
    if start == 348 and random.random() < 0.5:
        struct.pack_into("<f", changed, 108, random.choice((352, 368, 384, 1e9, 351, 0, -16, float("nan"), 353.5)))
    return bytes(changed[: max(len(data), start)])


def _edit_fields(data: bytes, dtype: object, order: str, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 3)):
        base, offset = dtype.fields[random.choice(dtype.names)][:2]
        item = base.base
        place = offset + item.itemsize * random.randrange(base.itemsize // item.itemsize)
        changed[place : place + item.itemsize] = _field_value(item, order, random)
    return bytes(changed[: len(data)])


def _field_value(item: object, order: str, random: Random) -> bytes:
    if item.kind == "f":
        values = (0.0, -0.0, 1e38, -1e38, 1e-38, float("nan"), float("inf"), float("-inf"), -1.0, 3.5)
        return struct.pack(order + {4: "f", 8: "d"}[item.itemsize], random.choice(values))
    if item.kind in "iu":
        number = random.choice((*_EXTREMES, *range(9), 16, 64, 128, 256, 511, 512, 768, 1024, 1792, 2304))
        return (number % (1 << 8 * item.itemsize)).to_bytes(item.itemsize, "little" if order == "<" else "big")
    return random.choice((b"\x1b[31m\x07\r\n", b"\xff" * 9, b"\0", "ö\u202e".encode())).ljust(item.itemsize, b"\0")[
        : item.itemsize
    ]


# --- NumPy ---


def npy_header(data: bytes, random: Random) -> bytes:
    """Change the text of the header; its length is correct or wrong."""
    text = data[10 : 10 + int.from_bytes(data[8:10], "little")]
    edits = (
        (
            rb"'descr': '[^']*'",
            (
                b"'descr': '|O'",
                b"'descr': '<f3'",
                b"'descr': [('a', '<f4')]",
                b"'descr': '|V9'",
                b"'descr': '<M8[D]'",
                b"'descr': '<U3'",
                b"'descr': 7",
                b"'descr': '\x1b[31m'",
            ),
        ),
        (
            rb"'shape': \([^)]*\)",
            (
                b"'shape': ()",
                b"'shape': (0,)",
                b"'shape': (-1, 3)",
                b"'shape': (99999999999, 9999999999)",
                b"'shape': (1.5,)",
                b"'shape': None",
                b"'shape': (" + b"1," * 70 + b")",
                b"'shape': (True,)",
                b"'shape': (9" + b"9" * 5000 + b",)",
            ),
        ),
        (
            rb"'fortran_order': \w+",
            (b"'fortran_order': True", b"'fortran_order': 3", b"'fortran': False", b"'fortran_order': " + b"[" * 300),
        ),
    )
    pattern, values = random.choice(edits)
    text = re.sub(pattern, lambda _: random.choice(values), text)
    size = random.choice((len(text), len(text), 0, 0xFFFF, len(text) - 1))
    version = random.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\xff\0"))
    length = struct.pack("<I", size) if version[0] in (2, 3) else struct.pack("<H", size & 0xFFFF)
    return data[:6] + version + length + text + data[10 + len(text) :]


FORMAT_SPECIFIC: dict[str, tuple[Mutator, ...]] = {
    "png": (png_chunks, png_chunks, png_header),
    "jpeg": (jpeg_segments,),
    "gif": (gif_blocks,),
    "webp": (webp_chunks,),
    "tiff": (tiff_entries, tiff_typed_tag, tiff_links, xml_text),
    "nifti": (nifti_fields, nifti_extension, gzip_stream),
    "mgh": (mgh_fields, gzip_stream),
    "npy": (npy_header,),
    "netpbm": (change_text_number,),
}


def choose(family: str, random: Random) -> Mutator:
    """A mutator: half of the time one that is specific to the format, if there is one."""
    specific = FORMAT_SPECIFIC.get(family, ())
    return random.choice(specific) if specific and random.random() < 0.5 else random.choice(GENERAL)
