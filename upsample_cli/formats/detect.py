"""Detects the format of data without a file name, as the suffix the file would have."""

from __future__ import annotations

import zlib
from pathlib import Path

from .registry import COMPRESSED_SUFFIXES, GZIP_MAGIC, HEADER_BYTES, suffix_by_content

# suffixes for formats that have several
_PREFERRED_SUFFIXES = {"JPEG2000": ".jp2", "PPM": ".pnm", "SGI": ".sgi", "TGA": ".tga"}


def suffix_for(path: Path) -> str:
    """The suffix for the content of the file at `path`, or an empty string if it is unknown."""
    with path.open("rb") as file:
        start = file.read(2 * HEADER_BYTES)
    if start.startswith(GZIP_MAGIC):
        return _compressed_suffix(start)
    return suffix_by_content(start) or _picture_suffix(path)


def _compressed_suffix(start: bytes) -> str:
    try:
        content = zlib.decompressobj(wbits=31).decompress(start, HEADER_BYTES)
    except zlib.error:
        return ""
    return COMPRESSED_SUFFIXES.get(suffix_by_content(content), "")


def _picture_suffix(path: Path) -> str:
    """The suffix that Pillow has for the picture."""
    from PIL import Image, UnidentifiedImageError  # slow import; it recognises many more formats

    from .picture.opening import without_size_limit

    try:
        with without_size_limit(), Image.open(path) as image:
            kind = image.format
    except (UnidentifiedImageError, OSError, ValueError):
        return ""
    suffixes = (suffix for suffix, name in Image.registered_extensions().items() if name == kind)
    return _PREFERRED_SUFFIXES.get(kind or "") or next(suffixes, "")
