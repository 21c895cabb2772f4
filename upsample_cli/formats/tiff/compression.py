"""Arguments of the TIFF codecs."""

from __future__ import annotations

from typing import Any

import tifffile
from tifffile import COMPRESSION

from ..base import WriteOptions

_HIGH_QUALITY = 95
JPEG = (COMPRESSION.JPEG, 33007, 34892)  # some codecs have several codes
_WITH_LEVELS = (COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.LZMA, COMPRESSION.ZSTD, 34926)
_WEBP = (COMPRESSION.WEBP, 34927)
_LOSSY = (COMPRESSION.JPEGXL, 52546, COMPRESSION.JPEG2000, 33003, 33004, 33005)
_SUBSAMPLINGS = ((1, 1), (2, 1), (2, 2), (4, 1))
_DQT = 0xDB
_STANDARD_SUM = 3688  # sum of the luminance table of the JPEG standard, which libjpeg uses at quality 50


def arguments(compression: int | None, options: WriteOptions, quality: int | None) -> dict[str, Any]:
    """The arguments of the codec; `quality` is the JPEG quality of the input, or None if unknown."""
    if compression in JPEG:
        return {"level": options.quality or quality or _HIGH_QUALITY}
    if compression in _WITH_LEVELS and options.compress_level is not None:
        return {"level": options.compress_level}
    if compression in _WEBP and options.quality is not None:
        return {"level": options.quality, "lossless": False}
    if compression in _LOSSY and options.quality is not None:
        return {"level": options.quality}
    return {}


def jpeg_quality(page: tifffile.TiffPage) -> int | None:
    """Estimate the libjpeg quality from the first quantization table of a page; None without a table."""
    if page.compression not in JPEG:
        return None
    data = page.jpegtables
    if data is None and page.dataoffsets:
        file = page.parent.filehandle
        file.seek(page.dataoffsets[0])
        data = file.read(min(page.databytecounts[0], 4096))
    table = _first_table(data or b"")
    if table is None:
        return None
    percent = 100 * sum(table) / _STANDARD_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return min(100, max(1, round(quality)))


def subsampling(page: tifffile.TiffPage) -> tuple[int, int]:
    """The chroma subsampling (horizontal, vertical) of a page, or (1, 1) if tifffile cannot write it."""
    across, down = page.subsampling or (2, 2)
    fits = not any(side % (8 * max(across, down)) for side in page.tile or ())
    return (across, down) if fits and (across, down) in _SUBSAMPLINGS else (1, 1)


def _first_table(data: bytes) -> bytes | None:
    """The 64 entries of the first 8-bit quantization table of a JPEG stream."""
    position = 2  # after the SOI marker
    while position + 5 <= len(data) and data[position] == 0xFF:
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if data[position + 1] == _DQT and data[position + 4] >> 4 == 0:  # 8-bit precision
            return data[position + 5 : position + 69]
        position += 2 + length
    return None
