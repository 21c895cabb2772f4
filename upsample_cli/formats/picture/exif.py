"""EXIF that is changed where it has to be, and is left alone everywhere else.

What is not known here, such as the notes of a camera's maker with offsets of their own, stays at its place: new values
are added behind the old ones.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ...geometry import INCH

_EMPTY = b"II*\0\x08\0\0\0\0\0\0\0\0\0"  # one directory without entries

_WIDTH, _HEIGHT, _ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT, _SOFTWARE = 256, 257, 274, 282, 283, 296, 305
_THUMBNAIL, _THUMBNAIL_SIZE = 513, 514
_EXIF, _INTEROPERABILITY = 34665, 40965  # directories within directories
_PIXELS_X, _PIXELS_Y, _RELATED_WIDTH, _RELATED_HEIGHT = 40962, 40963, 4097, 4098
_SUBJECT_AREA, _SUBJECT_LOCATION = 37396, 41492  # in pixels of a picture that is no more
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SHORT, _LONG, _RATIONAL, _ASCII = 3, 4, 5, 2
_MILLIMETRES = {2: INCH, 3: 10.0}  # of the units of resolution
_LARGEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory: its type, how many values it has, and the values, or where they begin."""

    kind: int
    count: int
    value: bytes


Directory = dict[int, Entry]


@dataclass(frozen=True, slots=True)
class Facts:
    """What EXIF says of the samples.

    Attributes:
        orientation: 1 where it stands upright, up to 8.
        spacing: of samples along x and y as they are stored, in mm.
    """

    orientation: int = 1
    spacing: tuple[float, float] | None = None


def read(data: bytes) -> Facts:
    """What is to be known before samples are read.

    Raises:
        ValueError: it is damaged.
    """
    order = _order(data)
    entries, _ = _directory(data, order, _first(data, order))
    (orientation,) = _integers(entries.get(_ORIENTATION), order) or (1,)
    (unit,) = _integers(entries.get(_UNIT), order) or (2,)
    density = [_rational(data, order, entries.get(tag)) for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
    known = unit in _MILLIMETRES and min(density) > 0
    spacing = (_MILLIMETRES[unit] / density[0], _MILLIMETRES[unit] / density[1]) if known else None
    return Facts(orientation if 1 <= orientation <= 8 else 1, spacing)


def updated(
    data: bytes,
    size: tuple[int, int],
    dpi: tuple[float, float] | None,
    history: str | None,
    add_resolution: bool = False,
) -> bytes:
    """EXIF that is true of the output: upright, without a thumbnail, with the right dimensions and resolution.

    Args:
        data: of the input, or b"".
        size: width and height.
        dpi: samples per inch along x and y, where they are known.
        history: what the tag Software says from now on.
        add_resolution: whether the resolution is said even where it was not.
    """
    tiff = bytearray(data or _EMPTY)
    order = _order(data or _EMPTY)
    first = _first(tiff, order)
    entries, thumbnails = _directory(tiff, order, first)
    _drop_thumbnail(tiff, order, thumbnails)
    width, height = (_value(order, _LONG, number) for number in size)
    present = {_ORIENTATION: _value(order, _SHORT, 1), _WIDTH: width, _HEIGHT: height}
    changes = {tag: value for tag, value in present.items() if tag in entries}
    if dpi is not None and (add_resolution or _X_RESOLUTION in entries or _Y_RESOLUTION in entries):
        changes |= {_X_RESOLUTION: _ratio(order, dpi[0]), _Y_RESOLUTION: _ratio(order, dpi[1])}
        changes[_UNIT] = _value(order, _SHORT, 2)
    if history is not None:
        changes[_SOFTWARE] = _software(tiff, order, entries.get(_SOFTWARE), history)
    _edit(tiff, order, first, changes, position_at=4)
    _edit_details(tiff, order, entries.get(_EXIF), width, height)
    return bytes(tiff) if data or changes else b""


def says_where_the_subject_is(data: bytes) -> bool:
    """Whether there are positions in pixels, which `updated` leaves out."""
    order = _order(data)
    entries, _ = _directory(data, order, _first(data, order))
    details = _within(data, order, entries.get(_EXIF))
    return details is not None and not {_SUBJECT_AREA, _SUBJECT_LOCATION}.isdisjoint(details[1])


def _edit_details(tiff: bytearray, order: str, pointer: Entry | None, width: Entry, height: Entry) -> None:
    """Change what the directories within the first say of the dimensions."""
    found = _within(tiff, order, pointer)
    if found is None:
        return
    offset, entries = found
    changes = {tag: value for tag, value in ((_PIXELS_X, width), (_PIXELS_Y, height)) if tag in entries}
    _edit(tiff, order, offset, changes, drop=(_SUBJECT_AREA, _SUBJECT_LOCATION))
    found = _within(tiff, order, entries.get(_INTEROPERABILITY))
    if found is not None:
        offset, entries = found
        related = ((_RELATED_WIDTH, width), (_RELATED_HEIGHT, height))
        _edit(tiff, order, offset, {tag: value for tag, value in related if tag in entries})


def _within(data: bytes | bytearray, order: str, pointer: Entry | None) -> tuple[int, Directory] | None:
    """The directory that an entry points to, and its offset; None where it cannot be read, by anyone."""
    if pointer is None:
        return None
    (offset,) = struct.unpack(order + "I", pointer.value)
    try:
        return offset, _directory(data, order, offset)[0]
    except ValueError:
        return None


def _edit(
    tiff: bytearray,
    order: str,
    offset: int,
    changes: Mapping[int, Entry],
    drop: tuple[int, ...] = (),
    position_at: int | None = None,
) -> None:
    """Change entries of the directory at `offset`.

    One that has grown moves to the end, which is said at `position_at`; there, directories that follow are left out.
    """
    entries, following = _directory(tiff, order, offset)
    old_count = len(entries)
    for tag in drop:
        entries.pop(tag, None)
    entries |= {tag: _stored(tiff, order, entry) for tag, entry in changes.items()}
    following = following if position_at is None else 0
    packed = [struct.pack(order + "HHI", tag, e.kind, e.count) + e.value for tag, e in sorted(entries.items())]
    directory = struct.pack(order + "H", len(packed)) + b"".join(packed) + struct.pack(order + "I", following)
    if len(entries) > old_count and position_at is not None:
        _align(tiff)
        offset = len(tiff)
        struct.pack_into(order + "I", tiff, position_at, offset)
    tiff[offset : offset + len(directory)] = directory


def _stored(tiff: bytearray, order: str, entry: Entry) -> Entry:
    """An entry whose values, if there is no room in it, have been put behind all others."""
    if len(entry.value) <= 4:
        return Entry(entry.kind, entry.count, entry.value.ljust(4, b"\0"))
    _align(tiff)
    offset = len(tiff)
    tiff += entry.value
    return Entry(entry.kind, entry.count, struct.pack(order + "I", offset))


def _align(tiff: bytearray) -> None:
    tiff += bytes(len(tiff) % 2)


def _drop_thumbnail(tiff: bytearray, order: str, offset: int) -> None:
    """Take the bytes of the thumbnail away, or blank them where something follows."""
    if not offset:
        return
    try:
        entries, _ = _directory(tiff, order, offset)
    except ValueError:
        return
    start, size = (_integers(entries.get(tag), order) or (0,) for tag in (_THUMBNAIL, _THUMBNAIL_SIZE))
    if not start[0] or start[0] + size[0] > len(tiff):
        return
    if start[0] + size[0] >= len(tiff) - 1:
        del tiff[start[0] :]
    else:
        tiff[start[0] : start[0] + size[0]] = bytes(size[0])


def _software(tiff: bytearray, order: str, entry: Entry | None, history: str) -> Entry:
    old = _bytes(tiff, order, entry).split(b"\0")[0].strip() if entry is not None and entry.kind == _ASCII else b""
    text = (old + b"; " if old else b"") + history.encode() + b"\0"
    return Entry(_ASCII, len(text), text)


def _ratio(order: str, value: float) -> Entry:
    denominator = next(d for d in (10_000, 100, 1) if value * d <= _LARGEST or d == 1)
    numerator = min(max(1, round(value * denominator)), _LARGEST)
    return Entry(_RATIONAL, 1, struct.pack(order + "II", numerator, denominator))


def _value(order: str, kind: int, number: int) -> Entry:
    return Entry(kind, 1, struct.pack(order + ("H" if kind == _SHORT else "I"), number).ljust(4, b"\0"))


def _order(data: bytes | bytearray) -> str:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        raise ValueError("it does not begin as EXIF does")
    return order


def _first(data: bytes | bytearray, order: str) -> int:
    try:
        return int(struct.unpack_from(order + "I", data, 4)[0])
    except struct.error:
        raise ValueError("it is cut short") from None


def _directory(data: bytes | bytearray, order: str, offset: int) -> tuple[Directory, int]:
    """The entries of a directory by their tags, and the offset of the one that follows, or 0."""
    try:
        (count,) = struct.unpack_from(order + "H", data, offset)
        entries = {}
        for number in range(count):
            tag, kind, values, value = struct.unpack_from(order + "HHI4s", data, offset + 2 + 12 * number)
            entries[tag] = Entry(kind, values, value)
    except struct.error:
        raise ValueError("a directory of it is cut short") from None
    end = offset + 2 + 12 * count
    following = struct.unpack_from(order + "I", data, end)[0] if end + 4 <= len(data) else 0
    return entries, following


def _bytes(data: bytes | bytearray, order: str, entry: Entry) -> bytes:
    size = entry.count * _SIZES.get(entry.kind, 1)
    if size <= 4:
        return entry.value[:size]
    (offset,) = struct.unpack(order + "I", entry.value)
    return bytes(data[offset : offset + size])


def _integers(entry: Entry | None, order: str) -> tuple[int, ...]:
    """The value of an entry of a single integer."""
    if entry is None or entry.count != 1 or entry.kind not in (_SHORT, _LONG):
        return ()
    size = _SIZES[entry.kind]
    return struct.unpack(order + ("H" if entry.kind == _SHORT else "I"), entry.value[:size])


def _rational(data: bytes | bytearray, order: str, entry: Entry | None) -> float:
    """The value of an entry of a single ratio, 0 where there is none."""
    if entry is None or entry.count != 1 or entry.kind != _RATIONAL:
        return 0.0
    stored = _bytes(data, order, entry)
    numerator, denominator = struct.unpack(order + "II", stored) if len(stored) == 8 else (0, 0)
    return numerator / denominator if denominator else 0.0
