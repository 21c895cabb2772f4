"""Writes PNG and APNG."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import numpy as np

from ... import xmp
from ...base import Array, ByteArray
from ..model import INDEXED, PNG_SIGNATURE, Animation, EncodeSpec, Palette
from ..pixels import to_image
from .compress import deflate_frame, deflate_thoroughly, quick_strategy
from .reader import BEFORE_PALETTE, COLOUR_TYPES, Chunk, chunk_headers, encode_chunk

_ALL_FILTERS = 0xF8  # libpng chooses one for each row
_LEVEL = 7  # default of zlib-ng: about as small as zlib level 6, but faster
_INT32_MAX = 2**31 - 1


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture, or an animation if the metadata of `spec` has one.

    Args:
        file: open for writing.
        frames: of shape (frames, height, width) or (frames, height, width, samples).
        spec: how to encode them, and their metadata.
    """
    depth = 16 if frames.dtype.itemsize == 2 else spec.bits
    header = struct.pack(">IIBBBBB", *spec.size, depth, COLOUR_TYPES[spec.mode], 0, 0, 0)
    file.write(PNG_SIGNATURE + encode_chunk(Chunk(b"IHDR", header)))
    chunks = _chunks(spec)
    for chunk in chunks:
        if chunk.name in BEFORE_PALETTE and not chunk.after_pixels:
            file.write(encode_chunk(chunk))
    for chunk in _palette_chunks(spec.palette):
        file.write(encode_chunk(chunk))
    for chunk in chunks:
        if chunk.name not in BEFORE_PALETTE and not chunk.after_pixels:
            file.write(encode_chunk(chunk))
    if spec.metadata.animation is None:
        for data in _compress_frame(frames[0], spec):
            file.write(encode_chunk(Chunk(b"IDAT", data)))
    else:
        _write_animation(file, frames, spec, spec.metadata.animation)
    for chunk in chunks:
        if chunk.after_pixels:
            file.write(encode_chunk(chunk))
    file.write(encode_chunk(Chunk(b"IEND", b"")))


def _write_animation(file: BinaryIO, frames: Array, spec: EncodeSpec, animation: Animation) -> None:
    """Write full-size frames that replace the canvas, so that disposal methods do not matter."""
    file.write(encode_chunk(Chunk(b"acTL", struct.pack(">II", len(frames), animation.plays))))
    sequence = 0
    for number, (frame, duration) in enumerate(zip(frames, animation.durations, strict=True)):
        control = struct.pack(">IIIII", sequence, *spec.size, 0, 0) + _delay(duration) + b"\0\0"
        file.write(encode_chunk(Chunk(b"fcTL", control)))
        sequence += 1
        data = b"".join(_compress_frame(frame, spec))  # in one chunk: some readers refuse several for a frame
        if number == 0:
            file.write(encode_chunk(Chunk(b"IDAT", data)))
        else:
            file.write(encode_chunk(Chunk(b"fdAT", struct.pack(">I", sequence) + data)))
            sequence += 1


def _delay(milliseconds: float) -> bytes:
    """A duration in seconds, as a ratio of two 16-bit integers."""
    denominator = next((d for d in (1000, 100, 1) if milliseconds * d / 1000 <= 65535), 1)
    return struct.pack(">HH", min(65535, round(milliseconds * denominator / 1000)), denominator)


def _palette_chunks(palette: Palette | None) -> list[Chunk]:
    if palette is None:
        return []
    transparency = [Chunk(b"tRNS", palette.alpha)] if palette.alpha else []
    return [Chunk(b"PLTE", palette.colours), *transparency]


def _chunks(spec: EncodeSpec) -> list[Chunk]:
    """The metadata chunks; those copied from the input keep its order."""
    metadata = spec.metadata
    native: tuple[Chunk, ...] = metadata.native if isinstance(metadata.native, tuple) else ()
    chunks = [_with_history(chunk, spec.history) for chunk in native]
    if metadata.icc is not None and not any(chunk.name == b"iCCP" for chunk in native):
        chunks.insert(0, Chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.spacing is not None:
        chunks.append(Chunk(b"pHYs", _phys_data(metadata.spacing, metadata.unit)))
    if metadata.exif:
        chunks.append(Chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(Chunk(b"iTXt", xmp.PNG_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if not native:
        chunks += [_comment(text) for text in metadata.comments]
    if spec.history is not None and not any(_is_software_text(chunk) for chunk in native):
        chunks.append(Chunk(b"tEXt", b"Software\0" + spec.history.encode()))
    return chunks


def _is_software_text(chunk: Chunk) -> bool:
    return chunk.name == b"tEXt" and chunk.data.startswith(b"Software\0")


def _with_history(chunk: Chunk, history: str | None) -> Chunk:
    if history is None or not _is_software_text(chunk):
        return chunk
    return chunk._replace(data=chunk.data + b"; " + history.encode())


def _comment(text: str) -> Chunk:
    try:
        return Chunk(b"tEXt", b"Comment\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        return Chunk(b"iTXt", b"Comment\0\0\0\0\0" + text.encode())


def _phys_data(spacing: tuple[float, float], unit: str | None) -> bytes:
    """Content of a pHYs chunk: samples per metre, or the pixel aspect ratio without a unit."""
    if unit == "mm":
        x, y = (min(max(1, round(1000 / value)), _INT32_MAX) for value in spacing)
        return struct.pack(">IIB", x, y, 1)
    from fractions import Fraction  # slow import; rarely needed

    shape = Fraction(spacing[1] / spacing[0]).limit_denominator(10_000)
    return struct.pack(">IIB", max(1, shape.numerator), shape.denominator, 0)


def _compress_frame(frame: Array, spec: EncodeSpec) -> Iterator[bytes]:
    """The zlib stream of a frame, in parts."""
    level = spec.options.compress_level
    if spec.bits < 8 or spec.mode == INDEXED:
        yield zlib.compress(_packed_rows(frame, spec), -1 if level is None else level)
        return
    strategy = quick_strategy(frame) if level is None else None
    if strategy is not None:
        yield from deflate_frame(frame, strategy)
        return
    yield from deflate_thoroughly(frame, partial(_filtered_rows, frame, spec), _LEVEL if level is None else level)


def _filtered_rows(frame: Array, spec: EncodeSpec, start: int, stop: int) -> ByteArray:
    """Rows ``start:stop`` as PNG stores them, each with the filter that probably compresses best."""
    above = max(0, start - 1)
    part = frame[above:stop]
    if frame.dtype.itemsize == 2:
        import imagecodecs  # Pillow does not support 16-bit colours

        native = np.ascontiguousarray(part, frame.dtype.newbyteorder("="))
        stream = io.BytesIO(imagecodecs.png_encode(native, level=0, filter=_ALL_FILTERS))
    else:
        stream = io.BytesIO()
        to_image(part, spec._replace(size=(spec.size[0], len(part)))).save(stream, "PNG", compress_level=0)
    inflate, rows = zlib.decompressobj(), bytearray()
    for name, offset, length in chunk_headers(stream):
        if name == b"IDAT":
            stream.seek(offset)
            rows += inflate.decompress(stream.read(length))
    return np.frombuffer(rows, np.uint8).reshape(len(part), -1)[start - above :]


def _packed_rows(frame: Array, spec: EncodeSpec) -> bytes:
    """Rows of samples of up to 8 bits, packed into bytes, each after filter type 0 (none)."""
    values = frame.astype(np.uint8)
    if spec.mode == "L":
        values //= 255 // (2**spec.bits - 1)
    in_byte = 8 // spec.bits
    values = np.pad(values, [(0, 0), (0, -values.shape[1] % in_byte)]).reshape(len(values), -1, in_byte)
    shifts = np.arange(8 - spec.bits, -1, -spec.bits, dtype=np.uint8)
    rows = np.bitwise_or.reduce(values << shifts, axis=-1)
    return np.pad(rows, [(0, 0), (1, 0)]).tobytes()
