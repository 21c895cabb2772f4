"""Chooses a cheap deflate strategy for PNG when LZ77 matching would not pay, and compresses with it.

Bands are compressed on all cores; imagecodecs compresses a picture on one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial, reduce

import numpy as np

from ....runtime.prefetch import map_threaded
from ...base import Array, ByteArray

_PAETH = 4  # PNG filter type
_BAND_BYTES = 1 << 20  # of filtered samples, compressed independently
_BLOCK_BYTES = 1 << 16  # filtered at a time, to stay in the cache
_RARELY_EQUAL, _OFTEN_EQUAL = 0.03, 0.5  # shares of equal neighbours
_PROBES, _PROBE_BYTES = 3, 48 << 10  # number of row blocks compressed as a test, and their total size
_MAX_SIZE_RATIO = 1.03  # of the test rows, relative to LZ77 matching
_ZLIB_HEADER = b"\x78\x01"  # RFC 1950
_RAW_WBITS, _MEM_LEVEL = -15, 9  # raw deflate; largest hash table
_WINDOW_BYTES = 1 << 15  # of the LZ77 window, which precedes a band
_LAST_BLOCK = b"\x03\0"  # an empty final block
_ADLER_BASE = 65_521  # RFC 1950


def quick_strategy(frame: Array) -> int | None:
    """A zlib strategy that nearly reaches the size of LZ77 matching in a tenth of the time, or None.

    Some rows are compressed as a test. If few neighbours are equal, as in photographs, the result is compared with
    fast LZ77 matching, otherwise with thorough matching.
    """
    rows = frame[::16]
    if frame.dtype == bool or rows.shape[1] < 2:
        return None
    same = rows[:, 1:] == rows[:, :-1]
    equal = float((reduce(np.logical_and, np.moveaxis(same, -1, 0)) if same.ndim == 3 else same).mean())
    if equal > _OFTEN_EQUAL:
        return None
    filtered = _probe(frame)
    sizes = {how: len(_deflate_raw(filtered, 0, how)) for how in (zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)}
    best = min(sizes, key=lambda how: sizes[how])
    if equal < _RARELY_EQUAL and sizes[best] <= len(zlib.compress(filtered.data, 1)):
        return best
    return best if sizes[best] <= _MAX_SIZE_RATIO * len(zlib.compress(filtered.data, 6)) else None


def _probe(frame: Array) -> ByteArray:
    """Filtered test rows: all rows, or some from the start, the middle and the end."""
    count = max(1, _PROBE_BYTES // _PROBES // frame[:1].nbytes)
    if count * _PROBES >= len(frame):
        return _filter_rows(frame, 0, len(frame))
    starts = np.linspace(0, len(frame) - count, _PROBES).astype(int)
    return np.concatenate([_filter_rows(frame[start : start + count], 0, count) for start in starts])


def deflate_frame(frame: Array, strategy: int) -> Iterator[bytes]:
    """Filter a frame with the Paeth predictor and compress it on all cores; yields the parts of one zlib stream.

    Args:
        frame: of shape (height, width) or (height, width, samples), with 8 or 16 bits per sample.
        strategy: zlib strategy, from `quick_strategy`.
    """
    return deflate_rows(frame, partial(_filter_rows, frame), partial(_deflate_raw, strategy=strategy))


def deflate_thoroughly(frame: Array, filter_rows: Callable[[int, int], ByteArray], level: int) -> Iterator[bytes]:
    """Compress a frame with LZ77 matching on all cores; yields the parts of one zlib stream.

    Args:
        frame: as for `deflate_frame`.
        filter_rows: returns a range of its rows as PNG stores them.
        level: zlib level.
    """
    rows_before = -(-_WINDOW_BYTES // frame[:1].nbytes)

    def compress(filtered: ByteArray, start: int) -> bytes:
        before = filter_rows(max(0, start - rows_before), start).tobytes()[-_WINDOW_BYTES:] if start else b""
        return _deflate_raw(filtered, start, zlib.Z_FILTERED, level, before)

    return deflate_rows(frame, filter_rows, compress)


def deflate_rows(
    frame: Array, filter_rows: Callable[[int, int], ByteArray], compress: Callable[[ByteArray, int], bytes]
) -> Iterator[bytes]:
    """Filter and compress a frame band by band; yields the parts of one zlib stream.

    Args:
        frame: as for `deflate_frame`.
        filter_rows: returns a range of its rows as PNG stores them.
        compress: returns the raw deflate stream of filtered rows; its second argument is the number of the first row.
    """
    from zlib_ng import zlib_ng

    height = len(frame)
    step = max(1, _BAND_BYTES // frame[:1].nbytes)

    def make(start: int) -> tuple[int, int, bytes]:
        filtered = filter_rows(start, min(start + step, height))
        return filtered.size, zlib_ng.adler32(filtered.data), compress(filtered, start)

    checksum = 1
    head = _ZLIB_HEADER
    for size, added, data in map_threaded(make, range(0, height, step)):
        checksum = _joined_checksum(checksum, added, size)
        yield head + data
        head = b""
    yield _LAST_BLOCK + struct.pack(">I", checksum)


def _joined_checksum(first: int, second: int, size: int) -> int:
    """Adler-32 of two concatenated pieces from their checksums; the second piece has `size` bytes."""
    a, b = (first & 0xFFFF) + (second & 0xFFFF) - 1, (first >> 16) + (second >> 16) + size * ((first & 0xFFFF) - 1)
    return (b % _ADLER_BASE) << 16 | a % _ADLER_BASE


def _deflate_raw(data: ByteArray, start: int, strategy: int, level: int = 1, before: bytes = b"") -> bytes:
    """Raw deflate data of rows that follow the bytes `before`, without a final block."""
    from zlib_ng import zlib_ng  # three times as fast as zlib; not needed for palettes

    dictionary = [before] if before else []
    coder = zlib_ng.compressobj(level, zlib.DEFLATED, _RAW_WBITS, _MEM_LEVEL, strategy, *dictionary)
    return bytes(coder.compress(data.data) + coder.flush(zlib.Z_SYNC_FLUSH))


def _filter_rows(frame: Array, start: int, stop: int) -> ByteArray:
    """Rows ``start:stop`` as PNG stores them: filter type, then differences to the Paeth prediction, as bytes."""
    above = max(0, start - 1)
    part = np.ascontiguousarray(frame[above:stop], frame.dtype.newbyteorder(">"))
    rows = part.reshape(len(part), -1).view(np.uint8)
    width, pixel = rows.shape[1], frame[:1, :1].nbytes
    step = max(1, _BLOCK_BYTES // width)
    padded = np.zeros((step + 1, pixel + width), np.uint8)
    if above < start:
        padded[0, pixel:], rows = rows[0], rows[1:]
    filtered = np.empty((len(rows), 1 + width), np.uint8)
    filtered[:, 0] = _PAETH
    differences = np.empty((step, pixel + width), np.uint8)
    for first in range(0, len(rows), step):
        block = rows[first : first + step]
        padded[1 : len(block) + 1, pixel:] = block
        before, here = padded[: len(block)].ravel(), padded[1 : len(block) + 1].ravel()  # flat arrays are fastest
        predicted = _paeth(here[:-pixel], before[pixel:], before[:-pixel])
        np.subtract(here[pixel:], predicted, out=differences[: len(block)].ravel()[pixel:])
        filtered[first : first + step, 1:] = differences[: len(block), pixel:]
        padded[0] = padded[len(block)]
    return filtered


def _paeth(left: ByteArray, up: ByteArray, corner: ByteArray) -> ByteArray:
    """The neighbour nearest to ``left + up − corner``; ties prefer left, then up.

    The corner is nearest only if it lies between the other two and its distances to them differ by less than the
    smaller one, so all arithmetic fits into 8 bits. (A. Paeth, "Image file compression made easy", 1991.)
    """
    to_left, to_up = _abs_diff(up, corner), _abs_diff(left, corner)  # distances from the prediction
    takes_corner = (corner >= np.minimum(left, up)) & (corner <= np.maximum(left, up))
    takes_corner &= _abs_diff(to_left, to_up) < np.minimum(to_left, to_up)
    return _select(takes_corner, corner, _select(to_left <= to_up, left, up))


def _abs_diff(x: ByteArray, y: ByteArray) -> ByteArray:
    difference: ByteArray = np.maximum(x, y)
    difference -= np.minimum(x, y)
    return difference


def _select(mask: Array, x: ByteArray, y: ByteArray) -> ByteArray:
    """``np.where(mask, x, y)`` with bitwise operations, ten times as fast."""
    selected = x ^ y
    selected &= np.negative(mask.view(np.uint8))
    selected ^= y
    return selected
