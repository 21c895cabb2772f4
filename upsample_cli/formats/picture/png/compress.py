"""How the samples of a PNG are compressed: to search for what repeats takes most of the time, and may find nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import reduce

import numpy as np

from ....runtime.prefetch import map_threaded
from ...base import Array, ByteArray

_PAETH = 4  # PNG's number of the filter
_BAND_BYTES = 1 << 20  # of filtered samples, which are compressed by themselves
_STEP_BYTES = 1 << 16  # that are filtered at a time, and stay in the cache
_FEW, _MANY = 0.03, 0.5  # of the neighbours that are equal
_SAMPLES, _SAMPLE_BYTES = 3, 48 << 10  # that are tried
_LARGER = 1.03  # how much larger than by the search a sample may be
_HEAD = b"\x78\x01"  # of a stream in zlib's format: RFC 1950
_RAW, _MEMORY = -15, 9  # without such a head; and as much memory as zlib can use


def quick_strategy(frame: Array) -> int | None:
    """A strategy for `deflated` that takes a tenth of a search's time and gives nearly its size, if there is any.

    A few rows are tried. In photographs hardly two neighbours are equal, and a quick search shows that nothing repeats
    there; otherwise the sample is compressed by the thorough search as well.
    """
    rows = frame[::16]
    if frame.dtype == bool or rows.shape[1] < 2:
        return None
    same = rows[:, 1:] == rows[:, :-1]
    equal = float((reduce(np.logical_and, np.moveaxis(same, -1, 0)) if same.ndim == 3 else same).mean())
    if equal > _MANY:
        return None
    filtered = _sample(frame)
    sizes = {how: len(_compressed(filtered.data, how, zlib.Z_FINISH)) for how in (zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)}
    best = min(sizes, key=lambda how: sizes[how])
    if equal < _FEW and sizes[best] <= len(zlib.compress(filtered.data, 1)):
        return best
    return best if sizes[best] <= _LARGER * len(zlib.compress(filtered.data, 6)) else None


def _sample(frame: Array) -> ByteArray:
    """Some rows, filtered: of the beginning, the middle and the end where there are too many."""
    count = max(1, _SAMPLE_BYTES // _SAMPLES // frame[:1].nbytes)
    if count * _SAMPLES >= len(frame):
        return _filtered(frame, 0, len(frame))
    starts = np.linspace(0, len(frame) - count, _SAMPLES).astype(int)
    return np.concatenate([_filtered(frame[start : start + count], 0, count) for start in starts])


def deflated(frame: Array, strategy: int) -> Iterator[bytes]:
    """The samples of a frame, filtered by Paeth's predictor and compressed on all cores, in parts of one stream.

    Args:
        frame: of shape (height, width) or (height, width, samples), in 8 or 16 bits.
        strategy: of zlib.
    """
    height = len(frame)
    step = max(1, _BAND_BYTES // frame[:1].nbytes)

    def make(start: int) -> tuple[ByteArray, bytes]:
        filtered = _filtered(frame, start, min(start + step, height))
        return filtered, _compressed(filtered.data, strategy, zlib.Z_SYNC_FLUSH)

    from zlib_ng import zlib_ng

    checksum = zlib_ng.adler32(b"")
    head = _HEAD
    for filtered, data in map_threaded(make, range(0, height, step)):
        checksum = zlib_ng.adler32(filtered.data, checksum)
        yield head + data
        head = b""
    yield _compressed(b"", strategy, zlib.Z_FINISH) + struct.pack(">I", checksum)


def _compressed(data: memoryview | bytes, strategy: int, flush: int) -> bytes:
    from zlib_ng import zlib_ng  # takes a third of zlib's time, and palettes have no need of it

    coder = zlib_ng.compressobj(1, zlib.DEFLATED, _RAW, _MEMORY, strategy)
    return bytes(coder.compress(data) + coder.flush(flush))


def _filtered(frame: Array, start: int, stop: int) -> ByteArray:
    """Rows ``start:stop`` as a PNG has them: the number of the filter, and differences to what it predicts."""
    above = max(0, start - 1)
    part = np.ascontiguousarray(frame[above:stop], frame.dtype.newbyteorder(">"))
    rows = part.reshape(len(part), -1).view(np.uint8)
    width, pixel = rows.shape[1], frame[:1, :1].nbytes
    step = max(1, _STEP_BYTES // width)
    padded = np.zeros((step + 1, pixel + width), np.uint8)
    if above < start:
        padded[0, pixel:], rows = rows[0], rows[1:]
    filtered = np.empty((len(rows), 1 + width), np.uint8)
    filtered[:, 0] = _PAETH
    differences = np.empty((step, pixel + width), np.uint8)
    for first in range(0, len(rows), step):
        block = rows[first : first + step]
        padded[1 : len(block) + 1, pixel:] = block
        before, here = padded[: len(block)].ravel(), padded[1 : len(block) + 1].ravel()  # whole rows take least time
        predicted = _paeth(here[:-pixel], before[pixel:], before[:-pixel])
        np.subtract(here[pixel:], predicted, out=differences[: len(block)].ravel()[pixel:])
        filtered[first : first + step, 1:] = differences[: len(block), pixel:]
        padded[0] = padded[len(block)]
    return filtered


def _paeth(left: ByteArray, up: ByteArray, corner: ByteArray) -> ByteArray:
    """Of three neighbours that which is nearest to ``left + up − corner``, and the first of equally near ones.

    The corner is nearest only where it lies between the other two, and the differences to them differ by less than
    either is; so nothing leaves 8 bits. (A. Paeth, "Image file compression made easy", 1991.)
    """
    to_left, to_up = _distance(up, corner), _distance(left, corner)  # of the prediction
    takes_corner = (corner >= np.minimum(left, up)) & (corner <= np.maximum(left, up))
    takes_corner &= _distance(to_left, to_up) < np.minimum(to_left, to_up)
    return _chosen(takes_corner, corner, _chosen(to_left <= to_up, left, up))


def _distance(x: ByteArray, y: ByteArray) -> ByteArray:
    distance: ByteArray = np.maximum(x, y)
    distance -= np.minimum(x, y)
    return distance


def _chosen(mask: Array, x: ByteArray, y: ByteArray) -> ByteArray:
    """``np.where(mask, x, y)`` by operations on bits, which take a tenth of its time."""
    chosen = x ^ y
    chosen &= np.negative(mask.view(np.uint8))
    chosen ^= y
    return chosen
