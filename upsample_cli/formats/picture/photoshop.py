"""Photoshop's image resources, in the APP13 segments of JPEG: captions, paths, resolution and much else."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ...geometry import INCH

PREFIX = b"Photoshop 3.0\0"
_RESOLUTION, _THUMBNAILS = 0x03ED, (0x0409, 0x040C)
_IN_PIXELS = (0x0408, 0x041A)  # guides and slices, at positions that are no more
_PER_INCH, _PER_CENTIMETRE = 1, 2


def spacing(resources: bytes) -> tuple[float, float] | None:
    """The distance between samples along x and y in mm, where it is said."""
    for kind, _, data in _resources(resources):
        if kind == _RESOLUTION and len(data) >= 16:
            x, x_unit, _, y, _, _ = struct.unpack_from(">IHHIHH", data)
            return (65536 * INCH / x, 65536 * INCH / y) if x and y and x_unit in (_PER_INCH, _PER_CENTIMETRE) else None
    return None


def updated(resources: bytes, dpi: tuple[float, float] | None) -> bytes:
    """The resources with the output's resolution, without thumbnails and positions in pixels."""
    kept = []
    for kind, name, data in _resources(resources):
        if kind in (*_THUMBNAILS, *_IN_PIXELS):
            continue
        if kind == _RESOLUTION and dpi is not None and len(data) >= 16:
            x_units, y_units = data[4:8], data[12:16]  # in which it is displayed; it is stored per inch
            x, y = (struct.pack(">I", min(round(value * 65536), 2**32 - 1)) for value in dpi)
            data = x + x_units + y + y_units + data[16:]
        kept.append(b"8BIM" + struct.pack(">H", kind) + name + struct.pack(">I", len(data)) + data)
        kept.append(bytes(len(data) % 2))
    return b"".join(kept)


def has_positions(resources: bytes) -> bool:
    """Whether there are guides or slices, which `updated` leaves out."""
    return any(kind in _IN_PIXELS for kind, _, _ in _resources(resources))


def _resources(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The number, padded name and content of each."""
    position = 0
    while data[position : position + 4] == b"8BIM" and position + 12 <= len(data):
        (kind,) = struct.unpack_from(">H", data, position + 4)
        name_end = position + 7 + data[position + 6]
        name_end += (name_end - position - 6) % 2
        if name_end + 4 > len(data):
            return
        (size,) = struct.unpack_from(">I", data, name_end)
        yield kind, data[position + 6 : name_end], data[name_end + 4 : name_end + 4 + size]
        position = name_end + 4 + size + size % 2
