"""How the samples of a PNG are compressed: to search for what repeats takes most of the time, and may find nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import Array

_PAETH = 0x80  # libpng's number of the filter
_HUFFMAN_ONLY: dict[str, Any] = {"level": 1, "strategy": 2, "filter": _PAETH}  # zlib's Z_HUFFMAN_ONLY
_RUNS_ONLY: dict[str, Any] = {"level": 1, "strategy": 3, "filter": _PAETH}  # its Z_RLE
_QUICK_SEARCH: dict[str, Any] = {"level": 1, "filter": _PAETH}
_SEARCH: dict[str, Any] = {"level": 6, "filter": _PAETH}
_FEW, _MANY = 0.03, 0.5  # of the neighbours that are equal
_BANDS, _BAND_ROWS = 3, 16  # that are tried
_LARGER = 1.03  # how much larger than by the search a sample may be


def encode(frame: Array, **how: Any) -> bytes:
    """A frame as a PNG file."""
    import imagecodecs  # which palettes and the like have no need of

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(frame, frame.dtype.newbyteorder("=")), **how))


def quick_strategy(frame: Array) -> dict[str, Any] | None:
    """Arguments of `encode` that take a tenth of the time and make a file of nearly the same size, if there are any.

    A few rows are tried. In photographs hardly two neighbours are equal, and a quick search shows that nothing repeats
    there; otherwise the sample is compressed by the thorough search as well.
    """
    rows = frame[::16]
    if frame.dtype == bool or rows.shape[1] < 2:
        return None
    same = rows[:, 1:] == rows[:, :-1]
    equal = float((same.all(axis=-1) if same.ndim == 3 else same).mean())
    if equal > _MANY:
        return None
    starts = np.linspace(0, max(0, len(frame) - _BAND_ROWS), _BANDS).astype(int)
    sample = np.concatenate([frame[start : start + _BAND_ROWS] for start in starts])
    best = min((_HUFFMAN_ONLY, _RUNS_ONLY), key=lambda how: len(encode(sample, **how)))
    size = len(encode(sample, **best))
    if equal < _FEW and size <= len(encode(sample, **_QUICK_SEARCH)):
        return best
    return best if size <= _LARGER * len(encode(sample, **_SEARCH)) else None
