"""Photoshop image resources (captions, paths, resolution and others) in the APP13 segments of JPEG."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ...geometry import INCH

PREFIX = b"Photoshop 3.0\0"
_RESOLUTION, _THUMBNAILS = 0x03ED, (0x0409, 0x040C)
IPTC = 0x0404
_PIXEL_POSITIONS = (0x0408, 0x041A)  # guides and slices, whose positions resizing invalidates
_PER_INCH, _PER_CENTIMETRE = 1, 2


def spacing(resources: bytes) -> tuple[float, float] | None:
    """The distance between samples along x and y in mm, None if it is not stored."""
    for resource_id, _, data in _iter_resources(resources):
        if resource_id == _RESOLUTION and len(data) >= 16:
            x, x_unit, _, y, _, _ = struct.unpack_from(">IHHIHH", data)
            return (65536 * INCH / x, 65536 * INCH / y) if x and y and x_unit in (_PER_INCH, _PER_CENTIMETRE) else None
    return None


def updated(resources: bytes, dpi: tuple[float, float] | None) -> bytes:
    """The resources with the resolution of the output, and without thumbnails and pixel positions."""
    kept = []
    for resource_id, name, data in _iter_resources(resources):
        if resource_id in (*_THUMBNAILS, *_PIXEL_POSITIONS):
            continue
        if resource_id == _RESOLUTION and dpi is not None and len(data) >= 16:
            x_units, y_units = data[4:8], data[12:16]  # display units; the value itself is always per inch
            x, y = (struct.pack(">I", min(round(value * 65536), 2**32 - 1)) for value in dpi)
            data = x + x_units + y + y_units + data[16:]
        kept.append(b"8BIM" + struct.pack(">H", resource_id) + name + struct.pack(">I", len(data)) + data)
        kept.append(bytes(len(data) % 2))
    return b"".join(kept)


def has_positions(resources: bytes) -> bool:
    """Whether there are guides or slices, which `updated` drops."""
    return any(resource_id in _PIXEL_POSITIONS for resource_id, _, _ in _iter_resources(resources))


def resource(resources: bytes, wanted: int) -> bytes:
    """The content of the first resource of a number, or b""."""
    return next((data for resource_id, _, data in _iter_resources(resources) if resource_id == wanted), b"")


def packed(resource_id: int, data: bytes) -> bytes:
    """Encode a resource without a name."""
    return b"8BIM" + struct.pack(">HHI", resource_id, 0, len(data)) + data + bytes(len(data) % 2)


def _iter_resources(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Identifier, padded name and content of each resource."""
    position = 0
    while data[position : position + 4] == b"8BIM" and position + 12 <= len(data):
        (resource_id,) = struct.unpack_from(">H", data, position + 4)
        name_end = position + 7 + data[position + 6]
        name_end += (name_end - position - 6) % 2
        if name_end + 4 > len(data):
            return
        (size,) = struct.unpack_from(">I", data, name_end)
        yield resource_id, data[position + 6 : name_end], data[name_end + 4 : name_end + 4 + size]
        position = name_end + 4 + size + size % 2
