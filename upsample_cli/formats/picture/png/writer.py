"""Writing PNG and APNG."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ... import xmp
from ...base import Array
from ..model import INDEXED, PNG_SIGNATURE, Animation, Palette, Picture
from ..pixels import to_image
from .compress import deflated, quick_strategy
from .reader import BEFORE_PALETTE, COLOUR_TYPES, Chunk, heads, packed

_ALL_FILTERS = 0xF8  # libpng chooses for each row
_LARGEST_INTEGER = 2**31 - 1


def write(file: BinaryIO, frames: Array, picture: Picture) -> None:
    """Write a picture or, where `picture` has an animation, an animated one.

    Args:
        file: to write to.
        frames: of shape (frames, height, width) or (frames, height, width, samples).
        picture: what to say of them.
    """
    depth = 16 if frames.dtype.itemsize == 2 else picture.bits
    header = struct.pack(">IIBBBBB", *picture.size, depth, COLOUR_TYPES[picture.mode], 0, 0, 0)
    file.write(PNG_SIGNATURE + packed(Chunk(b"IHDR", header)))
    chunks = _chunks(picture)
    for chunk in chunks:
        if chunk.name in BEFORE_PALETTE and not chunk.behind:
            file.write(packed(chunk))
    for chunk in _palette_chunks(picture.palette):
        file.write(packed(chunk))
    for chunk in chunks:
        if chunk.name not in BEFORE_PALETTE and not chunk.behind:
            file.write(packed(chunk))
    if picture.notes.animation is None:
        for data in _encoded(frames[0], picture):
            file.write(packed(Chunk(b"IDAT", data)))
    else:
        _write_animation(file, frames, picture, picture.notes.animation)
    for chunk in chunks:
        if chunk.behind:
            file.write(packed(chunk))
    file.write(packed(Chunk(b"IEND", b"")))


def _write_animation(file: BinaryIO, frames: Array, picture: Picture, animation: Animation) -> None:
    """Every frame whole, in place of the last one, so that it does not matter what becomes of that."""
    file.write(packed(Chunk(b"acTL", struct.pack(">II", len(frames), animation.plays))))
    sequence = 0
    for number, (frame, duration) in enumerate(zip(frames, animation.durations, strict=True)):
        control = struct.pack(">IIIII", sequence, *picture.size, 0, 0) + _delay(duration) + b"\0\0"
        file.write(packed(Chunk(b"fcTL", control)))
        sequence += 1
        for data in _encoded(frame, picture):
            if number == 0:
                file.write(packed(Chunk(b"IDAT", data)))
            else:
                file.write(packed(Chunk(b"fdAT", struct.pack(">I", sequence) + data)))
                sequence += 1


def _delay(milliseconds: float) -> bytes:
    """As a ratio of two numbers of 16 bits, in seconds."""
    denominator = next((d for d in (1000, 100, 1) if milliseconds * d / 1000 <= 65535), 1)
    return struct.pack(">HH", min(65535, round(milliseconds * denominator / 1000)), denominator)


def _palette_chunks(palette: Palette | None) -> list[Chunk]:
    if palette is None:
        return []
    opacity = [Chunk(b"tRNS", palette.opacity)] if palette.opacity else []
    return [Chunk(b"PLTE", palette.colours), *opacity]


def _chunks(picture: Picture) -> list[Chunk]:
    """The chunks beside the samples, those that the input had among them, in its order."""
    notes = picture.notes
    own: tuple[Chunk, ...] = notes.own if isinstance(notes.own, tuple) else ()
    chunks = [_with_history(chunk, picture.history) for chunk in own]
    if notes.icc is not None and not any(chunk.name == b"iCCP" for chunk in own):
        chunks.insert(0, Chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(notes.icc)))
    if notes.spacing is not None:
        chunks.append(Chunk(b"pHYs", _density(notes.spacing, notes.unit)))
    if notes.exif:
        chunks.append(Chunk(b"eXIf", notes.exif))
    if notes.xmp:
        chunks.append(Chunk(b"iTXt", xmp.PNG_KEYWORD + b"\0\0\0\0\0" + notes.xmp))
    if not own:
        chunks += [_comment(text) for text in notes.comments]
    if picture.history is not None and not any(_says_software(chunk) for chunk in own):
        chunks.append(Chunk(b"tEXt", b"Software\0" + picture.history.encode()))
    return chunks


def _says_software(chunk: Chunk) -> bool:
    return chunk.name == b"tEXt" and chunk.data.startswith(b"Software\0")


def _with_history(chunk: Chunk, history: str | None) -> Chunk:
    if history is None or not _says_software(chunk):
        return chunk
    return chunk._replace(data=chunk.data + b"; " + history.encode())


def _comment(text: str) -> Chunk:
    try:
        return Chunk(b"tEXt", b"Comment\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return Chunk(b"iTXt", b"Comment\0\0\0\0\0" + text.encode())


def _density(spacing: tuple[float, float], unit: str | None) -> bytes:
    """Samples per metre; or, in no unit, the shape of a pixel in whole numbers."""
    if unit == "mm":
        x, y = (min(max(1, round(1000 / value)), _LARGEST_INTEGER) for value in spacing)
        return struct.pack(">IIB", x, y, 1)
    from fractions import Fraction  # slow to load, and seldom needed

    shape = Fraction(spacing[1] / spacing[0]).limit_denominator(10_000)
    return struct.pack(">IIB", max(1, shape.numerator), shape.denominator, 0)


def _encoded(frame: Array, picture: Picture) -> Iterator[bytes]:
    """The compressed samples of a frame, in parts."""
    level = picture.options.compress_level
    if picture.bits < 8 or picture.mode == INDEXED:
        yield zlib.compress(_packed_rows(frame, picture), -1 if level is None else level)
        return
    strategy = quick_strategy(frame) if level is None else None
    if strategy is not None:
        yield from deflated(frame, strategy)
        return
    if frame.dtype.itemsize == 2:
        import imagecodecs  # Pillow knows no colours of 16 bits

        native = np.ascontiguousarray(frame, frame.dtype.newbyteorder("="))
        stream = io.BytesIO(imagecodecs.png_encode(native, level=level, filter=_ALL_FILTERS))
    else:
        stream = io.BytesIO()
        save = {} if level is None else {"compress_level": level}
        to_image(frame, picture).save(stream, "PNG", **save)
    for name, offset, length in heads(stream):
        if name == b"IDAT":
            stream.seek(offset)
            yield stream.read(length)


def _packed_rows(frame: Array, picture: Picture) -> bytes:
    """Samples of up to 8 bits, as many as fit into each byte, without a filter."""
    values = frame.astype(np.uint8)
    if picture.mode == "L":
        values //= 255 // (2**picture.bits - 1)
    in_byte = 8 // picture.bits
    values = np.pad(values, [(0, 0), (0, -values.shape[1] % in_byte)]).reshape(len(values), -1, in_byte)
    shifts = np.arange(8 - picture.bits, -1, -picture.bits, dtype=np.uint8)
    rows = np.bitwise_or.reduce(values << shifts, axis=-1)
    return np.pad(rows, [(0, 0), (1, 0)]).tobytes()
