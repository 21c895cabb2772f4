"""Checks metadata chunks against the PNG specification, because Pillow and libpng reject files with invalid ones.

A limit on the decompressed size of texts bounds the time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from ... import xmp
from ..model import Palette

TEXT = (b"tEXt", b"zTXt", b"iTXt")
RAW_PROFILES = {  # keywords of the texts in which ImageMagick stores EXIF and XMP
    b"Raw profile type exif": "exif",
    b"Raw profile type APP1": "exif",
    b"Raw profile type xmp": "xmp",
}
_CHUNK_BYTES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8, b"tIME": 7, b"sTER": 1}
_BACKGROUND_BYTES = {0: 2, 2: 6, 3: 1, 4: 2, 6: 6}  # by colour type
_SIGNIFICANT_BYTES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_MAX_KEYWORD_BYTES = 79
_UNPRINTABLE = frozenset((*range(32), *range(127, 161)))  # in Latin-1
_MAX_TEXT_BYTES = 1 << 20  # decompressed; Pillow's limit
_MAX_PROFILE_BYTES = 16 << 20  # decompressed, of XMP, EXIF and ICC profiles, which are recompressed
_MAX_TOTAL_TEXT_BYTES = 64 << 20


class Texts:
    """Reads text chunks whose total decompressed size is at most 64 MiB."""

    def __init__(self) -> None:
        self._left = _MAX_TOTAL_TEXT_BYTES

    def read(self, name: bytes, data: bytes) -> tuple[bytes, bytes] | None:
        """Keyword and text of a chunk; None if it is damaged or its decompressed text is too large."""
        keyword, separator, rest = data.partition(b"\0")
        if not separator or not _is_keyword(keyword):
            return None
        compressed = name == b"zTXt"
        if name == b"iTXt":
            compressed, rest = rest[:1] == b"\1", rest[1:]
        if compressed and rest[:1] != b"\0":  # the only compression method that PNG defines
            return None
        if name != b"tEXt":
            rest = rest[1:]
        if name == b"iTXt":
            if rest.count(b"\0", 0) < 2:
                return None
            rest = rest.split(b"\0", 2)[2]
        if not compressed:
            return keyword, rest
        text = self._inflated(rest, is_profile=keyword == xmp.PNG_KEYWORD or keyword in RAW_PROFILES)
        return None if text is None else (keyword, text)

    def _inflated(self, data: bytes, is_profile: bool) -> bytes | None:
        limit = min(self._left, _MAX_PROFILE_BYTES if is_profile else _MAX_TEXT_BYTES)
        text = inflated(data, limit)
        self._left -= limit if text is None else len(text)
        return text


def inflated(data: bytes, limit: int) -> bytes | None:
    """The content of a zlib stream; None if it is damaged or longer than `limit`."""
    if limit <= 0:
        return None
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, limit)
    except zlib.error:
        return None
    return text if stream.eof else None


def profile(data: bytes) -> bytes | None:
    """The ICC profile in the data of an iCCP chunk; None if it is damaged."""
    name, _, rest = data.partition(b"\0")
    found = inflated(rest[1:], _MAX_PROFILE_BYTES) if _is_keyword(name) and rest[:1] == b"\0" else None
    if found is None:
        return None
    from ...icc import is_profile  # needed for files with a profile only

    return found if is_profile(found) else None


def is_intact(name: bytes, data: bytes, colour_type: int, palette: Palette | None) -> bool:
    """Whether a chunk other than text and iCCP conforms to the specification; True for unknown chunks."""
    expected: Mapping[bytes, int] = _CHUNK_BYTES | {
        b"sBIT": _SIGNIFICANT_BYTES[colour_type],
        b"bKGD": _BACKGROUND_BYTES[colour_type],
    }
    if name in expected and len(data) != expected[name]:
        return False
    match name:
        case b"gAMA":
            return data != bytes(4)
        case b"sRGB":
            return data[0] <= 3  # rendering intents
        case b"cICP":
            return data[2] == 0 and data[3] <= 1  # RGB, and whether the range is full
        case b"tIME":
            _, month, day, hour, minute, second = struct.unpack(">HBBBBB", data)
            return bool(1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60)
        case b"bKGD":
            return colour_type != 3 or (palette is not None and data[0] < len(palette.colours) // 3)
        case b"sPLT":
            return _is_keyword(data.partition(b"\0")[0]) and _is_suggested_palette(data.partition(b"\0")[2])
        case _:
            return True


def _is_suggested_palette(data: bytes) -> bool:
    return data[:1] in (b"\x08", b"\x10") and (len(data) - 1) % (6 if data[0] == 8 else 10) == 0


def _is_keyword(name: bytes) -> bool:
    return 1 <= len(name) <= _MAX_KEYWORD_BYTES and _UNPRINTABLE.isdisjoint(name)
