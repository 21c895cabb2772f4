"""Strip-by-strip encoding, so that a whole page need not be in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION

from ..base import Array
from .metadata import Layout

_BYTE_CODECS = (
    *(COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.LZW, COMPRESSION.ZSTD, COMPRESSION.LZMA),
    COMPRESSION.PACKBITS,
)
_PIECE_BYTES = 4096  # of a row per PackBits call: the codec's time grows with the square of the run length
_STRIP_BYTES, _LARGEST_STRIP_BYTES = 1 << 18, 2 << 20  # default and maximum


def can_encode_strips(layout: Layout, dtype: np.dtype[Any]) -> bool:
    """Whether strips can be encoded independently as bytes (bilevel data is packed and excluded)."""
    return layout.compression in _BYTE_CODECS and layout.tile is None and dtype.kind != "b"


def rows_per_strip(shape: tuple[int, ...], itemsize: int, wanted: int | None = None) -> int:
    """Rows per strip of a page of `shape`: `wanted`, unless such strips are too large to keep several in memory."""
    row = max(1, math.prod(shape[1:]) * itemsize)
    if wanted is not None and wanted * row <= _LARGEST_STRIP_BYTES:
        return wanted
    return max(1, min(shape[0], _STRIP_BYTES // row))


def strip_encoder(layout: Layout, dtype: np.dtype[Any]) -> Callable[[Array], bytes]:
    """Make a function that encodes a strip, shape (rows, width) or (rows, width, samples)."""
    codec = tifffile.TIFF.COMPRESSORS[layout.compression or COMPRESSION.NONE]
    if layout.compression == COMPRESSION.PACKBITS:
        codec = partial(_packbits, codec)
    arguments = layout.compressionargs or {}
    predict = tifffile.TIFF.PREDICTORS[layout.predictor] if layout.predictor is not None else None

    def encode(strip: Array) -> bytes:
        strip = np.ascontiguousarray(strip, dtype).reshape(*strip.shape[:2], -1)
        return bytes(codec(predict(strip, axis=-2) if predict is not None else strip, **arguments))

    return encode


def _packbits(codec: Callable[[Array], bytes], strip: Array, **options: object) -> bytes:
    """Encode a strip in linear time; PackBits runs never span rows."""
    rows = strip.reshape(len(strip), -1).view(np.uint8)
    if rows.shape[1] <= _PIECE_BYTES:
        return codec(rows)
    starts = range(0, rows.shape[1], _PIECE_BYTES)
    return b"".join(codec(row[start : start + _PIECE_BYTES]) for row in rows for start in starts)
