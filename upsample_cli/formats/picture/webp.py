"""WebP, chunk by chunk: a still picture, or an animation of whole frames."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from ..base import Array
from .model import ALPHA, EXIF_PREFIX, INDEXED, Animation, Picture, PictureMetadata
from .pixels import to_image

_QUALITY = 95
_ICC_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _XMP_FLAG, _ANIMATION_FLAG = 0x20, 0x10, 0x08, 0x04, 0x02
_KNOWN = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
_PIXELS = (b"ALPH", b"VP8 ", b"VP8L")
_NO_BLENDING = 0x02
_LONGEST_FRAME = 2**24 - 1  # milliseconds

Chunk = tuple[bytes, bytes]


def read(file: BinaryIO) -> PictureMetadata:
    """What a WebP file says beside its samples.

    Raises:
        ValueError: it is damaged.
    """
    chunks = list(_chunks(file))
    first = dict(reversed(chunks))
    own = tuple((name, data) for name, data in chunks if name not in _KNOWN)
    data = first.get(b"EXIF", b"")
    codecs = {name for name, _ in _frame_chunks(chunks)}
    return PictureMetadata(
        exif=data.removeprefix(EXIF_PREFIX),
        xmp=first.get(b"XMP ", b""),
        icc=first.get(b"ICCP"),
        animation=_animation(chunks),
        own=own,
        foreign_items=tuple(f"the chunk {name.decode('latin-1')}" for name, _ in own),
        lossless=b"VP8L" in codecs and b"VP8 " not in codecs,
    )


def _chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The name and content of each chunk; of frames, no more than what tells how they are made."""
    file.seek(8)
    if file.read(4) != b"WEBP":
        raise ValueError("it is no WebP file")
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        wanted = min(size, {b"VP8 ": 0, b"VP8L": 0, b"ALPH": 0, b"ANMF": 24}.get(name, size))
        yield name, file.read(wanted)
        file.seek(size - wanted + size % 2, io.SEEK_CUR)


def _frame_chunks(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The chunks that hold samples, by name alone."""
    for name, data in chunks:
        if name == b"ANMF" and len(data) >= 20:
            inner = data[16:20]
            yield (b"VP8 " if inner == b"ALPH" else inner), b""
        elif name in _PIXELS:
            yield name, b""


def _animation(chunks: list[Chunk]) -> Animation | None:
    control = dict(chunks).get(b"ANIM", b"")
    frames = [data for name, data in chunks if name == b"ANMF"]
    if not frames or len(control) < 6:
        return None
    if any(len(frame) < 16 for frame in frames):
        raise ValueError("a frame of it is cut short")
    durations = tuple(float(int.from_bytes(frame[12:15], "little")) for frame in frames)
    return Animation(durations, struct.unpack_from("<H", control, 4)[0])


def write(file: BinaryIO, frames: Array, picture: Picture) -> None:
    """Write a picture or an animation; the arguments are those of `png.writer.write`."""
    notes = picture.notes
    flags = _ALPHA_FLAG if picture.mode in ALPHA or (picture.palette is not None and picture.palette.opacity) else 0
    flags |= _ICC_FLAG if notes.icc else 0
    flags |= _EXIF_FLAG if notes.exif else 0
    flags |= _XMP_FLAG if notes.xmp else 0
    flags |= _ANIMATION_FLAG if notes.animation else 0
    own: tuple[Chunk, ...] = notes.own if isinstance(notes.own, tuple) else ()
    chunks = [(b"ICCP", notes.icc or b"")] if notes.icc else []
    if notes.animation is None:
        chunks += _encoded(frames[0], picture)
    else:
        chunks.append((b"ANIM", struct.pack("<IH", 0, min(notes.animation.plays, 65535))))
        for frame, duration in zip(frames, notes.animation.durations, strict=True):
            chunks.append((b"ANMF", _frame(frame, duration, picture)))
    chunks += [(b"EXIF", notes.exif)] if notes.exif else []
    chunks += [(b"XMP ", notes.xmp)] if notes.xmp else []
    chunks += own
    if flags or own:  # alpha among them, lest a picture without a transparent pixel loses it
        width, height = (size - 1 for size in picture.size)
        canvas = struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
        chunks.insert(0, (b"VP8X", canvas))
    _write_chunks(file, chunks)


def _write_chunks(file: BinaryIO, chunks: list[Chunk]) -> None:
    body = b"WEBP" + b"".join(map(_packed, chunks))
    file.write(b"RIFF" + struct.pack("<I", len(body)) + body)


def _packed(chunk: Chunk) -> bytes:
    name, data = chunk
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _frame(frame: Array, duration: float, picture: Picture) -> bytes:
    """A whole frame, which takes the place of what was there."""
    width, height = (size - 1 for size in picture.size)
    numbers = [0, 0, width, height, min(round(duration), _LONGEST_FRAME)]
    control = b"".join(number.to_bytes(3, "little") for number in numbers) + bytes([_NO_BLENDING])
    return control + b"".join(map(_packed, _encoded(frame, picture)))


def _encoded(frame: Array, picture: Picture) -> list[Chunk]:
    """The chunks with the samples of a frame."""
    stream = io.BytesIO()
    image = to_image(frame, picture)
    if picture.mode == INDEXED and picture.palette is not None and picture.palette.opacity:
        image.info["transparency"] = picture.palette.opacity
        image = image.convert("RGBA")
    image.save(stream, "WEBP", **_save_options(picture))
    chunks, data = [], stream.getvalue()
    position = 12
    while position < len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        if name in _PIXELS:
            chunks.append((name, data[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2
    return chunks


def is_lossless(picture: Picture) -> bool:
    """Whether the samples come back as they went: as those of the input did, unless a quality is asked for."""
    own = picture.notes.lossless and isinstance(picture.notes.own, tuple)
    return picture.options.quality is None and (own or picture.mode == INDEXED)


def _save_options(picture: Picture) -> dict[str, Any]:
    options = picture.options
    if is_lossless(picture):
        effort = {} if options.compress_level is None else {"quality": round(options.compress_level / 9 * 100)}
        return {"lossless": True, "exact": True} | effort
    return {"quality": _QUALITY if options.quality is None else options.quality}
