"""Reads the frame durations of AVIF, which Pillow gives only after decoding, and pads truncated files."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from .jpeg2000 import boxes

_MS_PER_SECOND = 1000
_BRANDS = (b"avif", b"avis")
_MAX_PADDING = 1 << 26
_TYPE_BYTES = 12  # size and name of the first box, and the brand


def durations(file: BinaryIO, frames: int) -> tuple[float, ...]:
    """The duration of each frame in milliseconds, 0 where the file does not state it.

    Args:
        file: the AVIF file.
        frames: their number.
    """
    timescale = 0
    found: list[int] = []
    for name, start, size in boxes(file, 0):
        if name not in (b"mdhd", b"stts") or size < 8:
            continue
        file.seek(start)
        data = file.read(min(size, 8 + 8 * frames))
        if name == b"mdhd":
            if found:  # those of the first track are complete
                break
            (timescale,) = struct.unpack_from(">I", data, 20 if data[0] == 1 else 12)
        else:
            entries = min(struct.unpack_from(">I", data, 4)[0], (len(data) - 8) // 8)
            for count, ticks in struct.iter_unpack(">II", data[8 : 8 + 8 * entries]):
                found += [ticks] * min(count, frames - len(found))
    milliseconds = [_MS_PER_SECOND * ticks / timescale if timescale else 0.0 for ticks in found]
    return tuple(milliseconds + [0.0] * (frames - len(milliseconds)))


def completed(file: BinaryIO) -> bytes | None:
    """A truncated file, padded with zeros to the end of its last box; None if it is complete, or not AVIF."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(_TYPE_BYTES)
    if head[4:8] != b"ftyp" or head[8:12] not in _BRANDS:
        return None
    start = 0
    while start + 8 <= end:
        file.seek(start)
        size = int.from_bytes(file.read(4), "big")
        if size == 1:
            file.seek(start + 8)
            size = int.from_bytes(file.read(8), "big")
        if size < 8:  # up to the end of the file
            return None
        start += size
    if not end < start <= end + _MAX_PADDING:
        return None
    file.seek(0)
    return file.read().ljust(start, b"\0")
