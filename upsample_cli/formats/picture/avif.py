"""Reads the durations of the frames of AVIF, which Pillow tells only after it has decoded them."""

from __future__ import annotations

import struct
from typing import BinaryIO

from .jpeg2000 import boxes

_MS_PER_SECOND = 1000


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
