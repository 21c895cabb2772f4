"""GIF, block by block: every frame with exactly its colours, its time, and what becomes of it afterwards."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..base import Array
from .model import ALPHA, Animation, Palette, Picture, PictureMetadata

_EXTENSION, _COMMENT, _APPLICATION, _CONTROL, _PLAIN_TEXT = 0x21, 0xFE, 0xFF, 0xF9, 0x01
_IMAGE, _TRAILER = 0x2C, 0x3B
_LOOP, _XMP, _ICC = b"NETSCAPE2.0", b"XMP DataXMP", b"ICCRGBG1012"
_XMP_TRAILER = bytes([1, *range(255, -1, -1), 0])  # a way back for who takes XMP for blocks
_STAYS, _CLEARED = 1, 2  # what becomes of a frame
_OPAQUE = 128  # the lowest alpha that is seen
_MANY = 256

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """The control of a frame, the part of the screen that it covers, and whether it has a table of colours."""

    box: Box
    duration: int = 0
    disposal: int = 0
    transparent: bool = False
    own_colours: bool = False


def read(file: BinaryIO) -> tuple[tuple[Frame, ...], PictureMetadata]:
    """The frames of a GIF file without their samples, and what it says beside them.

    Raises:
        ValueError: it is damaged.
    """
    file.seek(0)
    screen = file.read(13)
    if len(screen) < 13:
        raise ValueError("it is cut short")
    _skip_colours(file, screen[10])
    frames: list[Frame] = []
    comments: list[bytes] = []
    applications: list[tuple[bytes, bytes]] = []
    plain_text = False
    control = b""
    while (kind := file.read(1)) and kind[0] != _TRAILER:
        if kind[0] == _IMAGE:
            frames.append(_frame(file, control))
            control = b""
        elif kind[0] == _EXTENSION:
            label = (file.read(1) or b"\0")[0]
            if label == _CONTROL:
                control = b"".join(_blocks(file))
            elif label == _COMMENT:
                comments.append(b"".join(_blocks(file)))
            elif label == _APPLICATION:
                applications.append(_application(file))
            else:
                plain_text = plain_text or label == _PLAIN_TEXT
                _skip_blocks(file)
        else:
            raise ValueError("it is damaged between its blocks")
    return tuple(frames), _notes(screen, frames, comments, applications, plain_text)


def _notes(
    screen: bytes,
    frames: list[Frame],
    comments: list[bytes],
    applications: list[tuple[bytes, bytes]],
    plain_text: bool,
) -> PictureMetadata:
    by_name = dict(reversed(applications))
    known = (_LOOP, _XMP, _ICC, b"ANIMEXTS1.0")
    own = tuple((name, data) for name, data in applications if name not in known)
    names = tuple(f"the extension {name.decode('latin-1').strip()}" for name, _ in own)
    aspect = (screen[12] + 15) / 64 if screen[12] else None
    durations = tuple(10.0 * frame.duration for frame in frames)
    plays = _plays(by_name.get(_LOOP, by_name.get(b"ANIMEXTS1.0")))
    return PictureMetadata(
        xmp=by_name.get(_XMP, b""),
        icc=by_name.get(_ICC),
        comments=tuple(text.decode("latin-1") for text in comments),
        spacing=(aspect, 1.0) if aspect else None,
        animation=Animation(durations, plays, tuple(f.disposal for f in frames)) if len(frames) > 1 else None,
        own=own,
        foreign_items=names,
        lossless=True,
        few_colours=not any(frame.own_colours for frame in frames),
        warnings=("its plain text extensions are dropped",) if plain_text else (),
    )


def _plays(data: bytes | None) -> int:
    """How often an animation is shown: the file says how often it is repeated."""
    if data is None or len(data) < 3:
        return 1
    (repeated,) = struct.unpack_from("<H", data, 1)
    return repeated + 1 if repeated else 0


def _frame(file: BinaryIO, control: bytes) -> Frame:
    descriptor = file.read(9)
    if len(descriptor) < 9:
        raise ValueError("a frame of it is cut short")
    x, y, width, height = struct.unpack_from("<HHHH", descriptor)
    _skip_colours(file, descriptor[8])
    file.read(1)
    _skip_blocks(file)
    if len(control) < 4:
        control = bytes(4)
    flags, duration = struct.unpack_from("<BH", control)
    box = (x, y, width, height)
    return Frame(box, duration, flags >> 2 & 7, bool(flags & 1), own_colours=bool(descriptor[8] & 0x80))


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, io.SEEK_CUR)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while (size := file.read(1)) and size[0]:
        yield file.read(size[0])


def _skip_blocks(file: BinaryIO) -> None:
    for _ in _blocks(file):
        pass


def _application(file: BinaryIO) -> tuple[bytes, bytes]:
    """The name of an application's extension, and its data."""
    size = file.read(1)
    name = file.read(size[0] if size else 0)
    if name != _XMP:
        return name, b"".join(_blocks(file))
    data = bytearray()
    while size := file.read(1):  # XMP is not in blocks, but its trailer ends like one
        data += size
        if not size[0]:
            break
    return name, bytes((data + file.read(1))[: -len(_XMP_TRAILER)])


def is_opaque(frames: tuple[Frame, ...], size: tuple[int, int]) -> bool:
    """Whether no pixel of an animation can be transparent."""
    first = frames[0]
    return first.box == (0, 0, *size) and not first.transparent and all(f.disposal != _CLEARED for f in frames)


def transparent_entry(palette: Palette) -> int | None:
    """The index that a GIF calls transparent; -1 where the palette's opacity cannot be said so."""
    hidden = [number for number, opacity in enumerate(palette.opacity) if opacity < 255]
    if not hidden:
        return None
    return hidden[0] if len(hidden) == 1 and not palette.opacity[hidden[0]] else -1


def write(file: BinaryIO, frames: Array, picture: Picture) -> None:
    """Write a picture or an animation; the arguments are those of `png.writer.write`."""
    shared = _indexed(frames[0], picture)[1]
    bits = _bits(shared)
    file.write(b"GIF89a" + struct.pack("<HHBBB", *picture.size, 0xF0 | bits - 1, 0, _aspect(picture.notes)))
    file.write(_table(shared))
    _write_notes(file, picture)
    for frame, part in zip(frames, _parts(frames, picture), strict=True):
        x, y, width, height = part.box
        _write_frame(file, frame[y : y + height, x : x + width], part, shared, picture)
    file.write(bytes([_TRAILER]))


def _aspect(notes: PictureMetadata) -> int:
    if notes.spacing is None or notes.unit is not None:
        return 0
    return min(max(1, round(notes.spacing[0] / notes.spacing[1] * 64) - 15), 255)


def _parts(frames: Array, picture: Picture) -> Iterator[Frame]:
    """How each frame is written: whole, or no more of it than has changed."""
    animation = picture.notes.animation or Animation((0.0,))
    seen = _seen_through(frames, picture)
    disposals = _disposals(animation, len(frames), seen)
    ends = [0, *(round(end / 10) for end in accumulate(animation.durations))]  # rounded so that the whole is right
    for number, (start, end) in enumerate(pairwise(ends)):
        box = (0, 0, *picture.size)
        if number > 0 and not seen and disposals[number - 1] in (0, _STAYS):
            box = _changed(frames[number - 1], frames[number])
        yield Frame(box, end - start, disposals[number])


def _write_notes(file: BinaryIO, picture: Picture) -> None:
    notes = picture.notes
    if notes.animation is not None and notes.animation.plays != 1:
        repeated = max(0, notes.animation.plays - 1)
        _write_extension(file, _APPLICATION, _LOOP, b"\1" + struct.pack("<H", min(repeated, 65535)))
    if notes.icc:
        _write_extension(file, _APPLICATION, _ICC, notes.icc)
    if notes.xmp:
        file.write(bytes([_EXTENSION, _APPLICATION, len(_XMP)]) + _XMP + notes.xmp + _XMP_TRAILER)
    for name, data in notes.own if isinstance(notes.own, tuple) else ():
        _write_extension(file, _APPLICATION, name, data)
    history = () if picture.history is None else (picture.history,)
    for text in (*notes.comments, *history):
        _write_extension(file, _COMMENT, b"", text.encode("latin-1" if notes.own is not None else "utf-8", "replace"))


def _write_extension(file: BinaryIO, label: int, name: bytes, data: bytes) -> None:
    head = bytes([_EXTENSION, label]) + (bytes([len(name)]) + name if name else b"")
    blocks = (data[start : start + 255] for start in range(0, len(data), 255))
    file.write(head + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")


def _seen_through(frames: Array, picture: Picture) -> bool:
    """Whether a pixel of any frame is transparent."""
    return picture.mode in ALPHA and any(bool((frame[..., -1] < _OPAQUE).any()) for frame in frames)


def _disposals(animation: Animation, count: int, seen: bool) -> tuple[int, ...]:
    """Those of the input; but what is transparent must not show the last frame."""
    if count == 1:
        return (0,)
    if seen:
        return (_CLEARED,) * count
    return animation.disposals if len(animation.disposals) == count else (_STAYS,) * count


def _changed(before: Array, after: Array) -> Box:
    """The smallest box, of a pixel or more, outside of which two frames are the same."""
    different = before != after
    if different.ndim == 3:
        different = different.any(axis=-1)
    rows, columns = (np.flatnonzero(different.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1


def _write_frame(file: BinaryIO, frame: Array, part: Frame, shared: Palette, picture: Picture) -> None:
    indices, palette = _indexed(frame, picture)
    transparent = transparent_entry(palette)
    if part.duration or part.disposal or transparent is not None:
        flags = part.disposal << 2 | (transparent is not None)
        control = struct.pack("<BHB", flags, min(part.duration, 65535), transparent or 0)
        file.write(bytes([_EXTENSION, _CONTROL, 4]) + control + b"\0")
    own = palette.colours != shared.colours
    file.write(struct.pack("<BHHHHB", _IMAGE, *part.box, 0x80 | _bits(palette) - 1 if own else 0))
    file.write(_table(palette) if own else b"")
    file.write(_compressed(indices))


def _bits(palette: Palette) -> int:
    """Of an index into the table of colours."""
    return max(1, (len(palette.colours) // 3 - 1).bit_length())


def _table(palette: Palette) -> bytes:
    return palette.colours.ljust(3 << _bits(palette), b"\0")


def _indexed(frame: Array, picture: Picture) -> tuple[Array, Palette]:
    """The indices of a frame, and the colours that they stand for: exactly its own if they are no more than 256."""
    if picture.palette is not None:
        return frame, picture.palette
    if picture.mode == "1":
        return frame.astype(np.uint8), Palette(bytes([0, 0, 0, 255, 255, 255]))
    if picture.mode == "L":
        return frame, Palette(bytes(np.arange(256, dtype=np.uint8).repeat(3)))
    if picture.mode == "LA":
        frame = frame[..., [0, 0, 0, 1]]
    hidden = frame[..., 3] < _OPAQUE if frame.shape[-1] == 4 else None
    colours = frame[..., :3]
    if hidden is not None:
        colours = np.where(hidden[..., None], 0, colours).astype(np.uint8)
    room = _MANY - (hidden is not None and bool(hidden.any()))
    indices, table = _exactly(colours, room) or _roughly(colours, room)
    if room == _MANY or hidden is None:
        return indices, Palette(table)
    indices[hidden] = len(table) // 3
    return indices, Palette(table + bytes(3), b"\xff" * (len(table) // 3) + b"\0")


def _exactly(colours: Array, room: int) -> tuple[Array, bytes] | None:
    """Indices without loss, None where there are too many colours."""
    packed = colours[..., 0].astype(np.uint32)
    for plane in (1, 2):
        packed <<= 8
        packed |= colours[..., plane]
    if len(np.unique(packed[::16])) > room:  # known sooner
        return None
    found = np.unique(packed)
    if len(found) > room:
        return None
    indices = np.empty(packed.shape, np.uint8)
    for row, numbers in zip(packed, indices, strict=True):  # not all at once, which takes eight bytes for each
        numbers[:] = np.searchsorted(found, row)
    table = np.stack([found >> 16, found >> 8 & 255, found & 255], -1).astype(np.uint8)
    return indices, table.tobytes()


def _roughly(colours: Array, room: int) -> tuple[Array, bytes]:
    image = Image.fromarray(np.ascontiguousarray(colours)).quantize(room, dither=Image.Dither.NONE)
    indices = np.array(image)
    return indices, bytes(image.getpalette("RGB") or ())[: 3 * (int(indices.max()) + 1)]


def _compressed(indices: Array) -> bytes:
    """The code size and the blocks of a frame, by Pillow's encoder."""
    height, width = indices.shape
    image = Image.frombytes("P", (width, height), np.ascontiguousarray(indices).tobytes())
    image.putpalette(bytes(range(256)) * 3)
    stream = io.BytesIO()
    image.save(stream, "GIF", optimize=False, interlace=0)
    data = stream.getvalue()
    stream.seek(13)
    _skip_colours(stream, data[10])
    while stream.read(1)[0] == _EXTENSION:
        stream.read(1)
        _skip_blocks(stream)
    flags = stream.read(9)[8]
    _skip_colours(stream, flags)
    return data[stream.tell() : -1]
