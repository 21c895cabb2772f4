"""Encoding the strips of a page one by one, so that a page need not be in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION

from ..base import Array
from .metadata import Layout

_BYTEWISE = (COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.LZW, COMPRESSION.ZSTD, COMPRESSION.LZMA)
_STRIP_BYTES = 1 << 18  # where the input does not say


def is_bytewise(layout: Layout, dtype: np.dtype[Any]) -> bool:
    """Whether strips are encoded as the bytes of their samples, of which single bits are no whole one."""
    return layout.compression in _BYTEWISE and layout.tile is None and dtype.kind != "b"


def rows_per_strip(shape: tuple[int, ...], itemsize: int) -> int:
    """A number of rows that makes strips of a sensible size, for pages of `shape`."""
    row = int(np.prod(shape[1:], dtype=np.int64)) * itemsize
    return max(1, min(shape[0], _STRIP_BYTES // max(1, row)))


def encoder(layout: Layout, dtype: np.dtype[Any]) -> Callable[[Array], bytes]:
    """What turns a strip, shape (rows, width) or (rows, width, samples), into the bytes of the file."""
    codec = tifffile.TIFF.COMPRESSORS[layout.compression or COMPRESSION.NONE]
    arguments = layout.compressionargs or {}
    predict = tifffile.TIFF.PREDICTORS[layout.predictor] if layout.predictor is not None else None

    def encode(strip: Array) -> bytes:
        strip = np.ascontiguousarray(strip, dtype).reshape(*strip.shape[:2], -1)
        return bytes(codec(predict(strip, axis=-2) if predict is not None else strip, **arguments))

    return encode
