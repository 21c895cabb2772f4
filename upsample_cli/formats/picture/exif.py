"""Reads EXIF, and updates it in place.

Unknown data, such as maker notes with offsets of their own, keeps its position: new values are appended at the end.

Pillow's `Image.Exif` rewrites all directories, which breaks the offsets inside maker notes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ...geometry import INCH

_EMPTY = b"II*\0\x08\0\0\0\0\0\0\0\0\0"  # a directory (IFD) without entries

_WIDTH, _HEIGHT, _ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT, _SOFTWARE = 256, 257, 274, 282, 283, 296, 305
_THUMBNAIL, _THUMBNAIL_SIZE = 513, 514
_EXIF, _INTEROPERABILITY = 34665, 40965  # pointers to subdirectories
_PIXELS_X, _PIXELS_Y, _RELATED_WIDTH, _RELATED_HEIGHT = 40962, 40963, 4097, 4098
_SUBJECT_AREA, _SUBJECT_LOCATION = 37396, 41492  # in pixels of the input, so dropped
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SHORT, _LONG, _RATIONAL, _ASCII = 3, 4, 5, 2
_UNIT_MM = {2: INCH, 3: 10.0}  # by value of the resolution unit tag
_UINT32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """Directory entry: TIFF field type, number of values, and the values or their offset (4 bytes)."""

    field_type: int
    count: int
    value: bytes


Directory = dict[int, Entry]


def read(data: bytes) -> tuple[int | None, tuple[float, float] | None]:
    """Read the orientation, from 1 (upright) to 8, and the spacing in mm along x and y as stored; None if not given.

    Raises:
        ValueError: the EXIF data is damaged.
    """
    order = _byte_order(data)
    entries, _ = _read_directory(data, order, _first_offset(data, order))
    (orientation,) = _read_integer(entries.get(_ORIENTATION), order) or (0,)
    (unit,) = _read_integer(entries.get(_UNIT), order) or (2,)
    density = [_read_rational(data, order, entries.get(tag)) for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
    known = unit in _UNIT_MM and min(density) > 0
    spacing = (_UNIT_MM[unit] / density[0], _UNIT_MM[unit] / density[1]) if known else None
    return orientation if 1 <= orientation <= 8 else None, spacing


def upright(data: bytes) -> bytes:
    """EXIF whose orientation is 1, for pictures that their decoder turns upright; b"" if it is damaged."""
    if not data:
        return b""
    try:
        return updated(data, None, None, None)
    except ValueError:
        return b""


def updated(
    data: bytes,
    size: tuple[int, int] | None,
    dpi: tuple[float, float] | None,
    history: str | None,
    add_resolution: bool = False,
) -> bytes:
    """EXIF of the output: upright, with new dimensions and resolution, and without the thumbnail.

    Args:
        data: EXIF of the input, or b"".
        size: width and height of the output in pixels; None if they do not change.
        dpi: samples per inch along x and y, or None.
        history: text to append to the tag Software, or None.
        add_resolution: whether to add resolution tags that the input lacks.
    """
    tiff = bytearray(data or _EMPTY)
    order = _byte_order(data or _EMPTY)
    first = _first_offset(tiff, order)
    entries, thumbnails = _read_directory(tiff, order, first)
    present = {_ORIENTATION: _integer_entry(order, _SHORT, 1)}
    _drop_thumbnail(tiff, order, thumbnails)
    if size is not None:
        width, height = (_integer_entry(order, _LONG, number) for number in size)
        present |= {_WIDTH: width, _HEIGHT: height}
    changes = {tag: value for tag, value in present.items() if tag in entries}
    if dpi is not None and (add_resolution or _X_RESOLUTION in entries or _Y_RESOLUTION in entries):
        changes |= {_X_RESOLUTION: _rational_entry(order, dpi[0]), _Y_RESOLUTION: _rational_entry(order, dpi[1])}
        changes[_UNIT] = _integer_entry(order, _SHORT, 2)
    if history is not None:
        changes[_SOFTWARE] = _software_entry(tiff, order, entries.get(_SOFTWARE), history)
    _edit_directory(tiff, order, first, changes, position_at=4)
    if size is not None:
        _edit_sub_directories(tiff, order, entries.get(_EXIF), width, height)
    return bytes(tiff) if data or changes else b""


def has_subject_position(data: bytes) -> bool:
    """Whether there are subject positions in pixels, which `updated` drops."""
    order = _byte_order(data)
    entries, _ = _read_directory(data, order, _first_offset(data, order))
    details = _sub_directory(data, order, entries.get(_EXIF))
    return details is not None and not {_SUBJECT_AREA, _SUBJECT_LOCATION}.isdisjoint(details[1])


def _edit_sub_directories(tiff: bytearray, order: str, pointer: Entry | None, width: Entry, height: Entry) -> None:
    """Update the dimensions in the subdirectories."""
    found = _sub_directory(tiff, order, pointer)
    if found is None:
        return
    offset, entries = found
    changes = {tag: value for tag, value in ((_PIXELS_X, width), (_PIXELS_Y, height)) if tag in entries}
    _edit_directory(tiff, order, offset, changes, drop=(_SUBJECT_AREA, _SUBJECT_LOCATION))
    found = _sub_directory(tiff, order, entries.get(_INTEROPERABILITY))
    if found is not None:
        offset, entries = found
        related = ((_RELATED_WIDTH, width), (_RELATED_HEIGHT, height))
        _edit_directory(tiff, order, offset, {tag: value for tag, value in related if tag in entries})


def _sub_directory(data: bytes | bytearray, order: str, pointer: Entry | None) -> tuple[int, Directory] | None:
    """Offset and entries of the directory that an entry points to, None if it is damaged."""
    if pointer is None:
        return None
    (offset,) = struct.unpack(order + "I", pointer.value)
    try:
        return offset, _read_directory(data, order, offset)[0]
    except ValueError:
        return None


def _edit_directory(
    tiff: bytearray,
    order: str,
    offset: int,
    changes: Mapping[int, Entry],
    drop: tuple[int, ...] = (),
    position_at: int | None = None,
) -> None:
    """Change entries of the directory at `offset`.

    If `position_at`, the position of the directory's offset, is given, a directory that grows moves to the end, and
    the link to the next directory (the thumbnail's) is removed.
    """
    entries, following = _read_directory(tiff, order, offset)
    (old_count,) = struct.unpack_from(order + "H", tiff, offset)
    for tag in drop:
        entries.pop(tag, None)
    entries = _merged(entries, {tag: _store_value(tiff, order, entry) for tag, entry in changes.items()})
    following = following if position_at is None else 0
    packed = [struct.pack(order + "HHI", tag, e.field_type, e.count) + e.value for tag, e in entries.items()]
    directory = struct.pack(order + "H", len(packed)) + b"".join(packed) + struct.pack(order + "I", following)
    if len(entries) > old_count and position_at is not None:
        _align(tiff)
        offset = len(tiff)
        struct.pack_into(order + "I", tiff, position_at, offset)
    tiff[offset : offset + len(directory)] = directory


def _merged(entries: Directory, changes: Directory) -> Directory:
    """The entries in their order, with changed ones in their place and new ones before the first larger tag."""
    items = list((entries | {tag: entry for tag, entry in changes.items() if tag in entries}).items())
    for tag in sorted(changes.keys() - entries.keys()):
        place = next((number for number, (other, _) in enumerate(items) if other > tag), len(items))
        items.insert(place, (tag, changes[tag]))
    return dict(items)


def _store_value(tiff: bytearray, order: str, entry: Entry) -> Entry:
    """The entry as stored: values longer than 4 bytes are appended to `tiff` and replaced by their offset."""
    if len(entry.value) <= 4:
        return Entry(entry.field_type, entry.count, entry.value.ljust(4, b"\0"))
    _align(tiff)
    offset = len(tiff)
    tiff += entry.value
    return Entry(entry.field_type, entry.count, struct.pack(order + "I", offset))


def _align(tiff: bytearray) -> None:
    tiff += bytes(len(tiff) % 2)


def _drop_thumbnail(tiff: bytearray, order: str, offset: int) -> None:
    """Delete the thumbnail from the end of `tiff`; overwrite it with zeros if other data follows."""
    if not offset:
        return
    try:
        entries, _ = _read_directory(tiff, order, offset)
    except ValueError:
        return
    start, size = (_read_integer(entries.get(tag), order) or (0,) for tag in (_THUMBNAIL, _THUMBNAIL_SIZE))
    if not start[0] or start[0] + size[0] > len(tiff):
        return
    if start[0] + size[0] >= len(tiff) - 1:
        del tiff[start[0] :]
    else:
        tiff[start[0] : start[0] + size[0]] = bytes(size[0])


def _software_entry(tiff: bytearray, order: str, entry: Entry | None, history: str) -> Entry:
    old = (
        _value_bytes(tiff, order, entry).split(b"\0")[0].strip()
        if entry is not None and entry.field_type == _ASCII
        else b""
    )
    text = (old + b"; " if old else b"") + history.encode() + b"\0"
    return Entry(_ASCII, len(text), text)


def _rational_entry(order: str, value: float) -> Entry:
    denominator = next(d for d in (10_000, 100, 1) if value * d <= _UINT32_MAX or d == 1)
    numerator = min(max(1, round(value * denominator)), _UINT32_MAX)
    return Entry(_RATIONAL, 1, struct.pack(order + "II", numerator, denominator))


def _integer_entry(order: str, field_type: int, number: int) -> Entry:
    return Entry(field_type, 1, struct.pack(order + ("H" if field_type == _SHORT else "I"), number).ljust(4, b"\0"))


def _byte_order(data: bytes | bytearray) -> str:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        raise ValueError("it has no TIFF header")
    return order


def _first_offset(data: bytes | bytearray, order: str) -> int:
    try:
        return int(struct.unpack_from(order + "I", data, 4)[0])
    except struct.error:
        raise ValueError("it is truncated") from None


def _read_directory(data: bytes | bytearray, order: str, offset: int) -> tuple[Directory, int]:
    """Entries of a directory by tag, without broken ones, and the offset of the next directory, or 0.

    Raises:
        ValueError: the directory is truncated.
    """
    try:
        (count,) = struct.unpack_from(order + "H", data, offset)
        entries: Directory = {}
        for number in range(count):
            tag, field_type, values, value = struct.unpack_from(order + "HHI4s", data, offset + 2 + 12 * number)
            if _is_valid(data, order, Entry(field_type, values, value)):
                entries.setdefault(tag, Entry(field_type, values, value))
    except struct.error:
        raise ValueError("a directory is truncated") from None
    end = offset + 2 + 12 * count
    following = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
    return entries, following


def _is_valid(data: bytes | bytearray, order: str, entry: Entry) -> bool:
    """Whether an entry has a type that exists and a value that begins within `data`; readers stop at others."""
    if entry.field_type not in _TYPE_BYTES:
        return False
    (offset,) = struct.unpack(order + "I", entry.value)
    return entry.count * _TYPE_BYTES[entry.field_type] <= 4 or int(offset) < len(data)


def broken_entries(data: bytes) -> int:
    """The number of entries of the first and the EXIF directory that `updated` leaves out."""
    order = _byte_order(data)
    first = _first_offset(data, order)
    entries, _ = _read_directory(data, order, first)
    directories = [(first, entries), _sub_directory(data, order, entries.get(_EXIF))]
    stored = [(struct.unpack_from(order + "H", data, found[0])[0], len(found[1])) for found in directories if found]
    return sum(count - valid for count, valid in stored)


def _value_bytes(data: bytes | bytearray, order: str, entry: Entry) -> bytes:
    size = entry.count * _TYPE_BYTES.get(entry.field_type, 1)
    if size <= 4:
        return entry.value[:size]
    (offset,) = struct.unpack(order + "I", entry.value)
    return bytes(data[offset : offset + size])


def _read_integer(entry: Entry | None, order: str) -> tuple[int, ...]:
    """The value of an entry with a single integer as a tuple, or ()."""
    if entry is None or entry.count != 1 or entry.field_type not in (_SHORT, _LONG):
        return ()
    size = _TYPE_BYTES[entry.field_type]
    return struct.unpack(order + ("H" if entry.field_type == _SHORT else "I"), entry.value[:size])


def _read_rational(data: bytes | bytearray, order: str, entry: Entry | None) -> float:
    """The value of an entry with a single ratio, 0 if there is none."""
    if entry is None or entry.count != 1 or entry.field_type != _RATIONAL:
        return 0.0
    stored = _value_bytes(data, order, entry)
    numerator, denominator = struct.unpack(order + "II", stored) if len(stored) == 8 else (0, 0)
    return numerator / denominator if denominator else 0.0
