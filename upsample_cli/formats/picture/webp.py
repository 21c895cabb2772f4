"""Reads and writes WebP chunk by chunk, so that chunks which Pillow drops are preserved.

Animations are written as full-size frames.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from .. import bounded
from ..base import Array
from ..dropped import Dropped, Loss
from .model import ALPHA, EXIF_PREFIX, INDEXED, Animation, EncodeSpec, PictureMetadata, PixelKind
from .pixels import to_image

_DEFAULT_QUALITY = 95
_ICC_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _XMP_FLAG, _ANIMATION_FLAG = 0x20, 0x10, 0x08, 0x04, 0x02
_KNOWN_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
_ANNOUNCED = (  # chunks that have a flag in the header
    (b"EXIF", _EXIF_FLAG, Loss.EXIF),
    (b"XMP ", _XMP_FLAG, Loss.XMP),
    (b"ICCP", _ICC_FLAG, Loss.ICC_PROFILE),
)
_BITSTREAM_CHUNKS = (b"ALPH", b"VP8 ", b"VP8L")
_NO_BLENDING = 0x02
_FRAME_HEADER_BYTES = 24  # of a frame and of the first chunk in it
_MAX_PIXEL_BYTES = 8  # more than any encoder needs for a pixel
_MAX_DURATION_MS = 2**24 - 1

Chunk = tuple[bytes, bytes]


def read(file: BinaryIO, truncated: bool = False) -> tuple[PixelKind, PictureMetadata]:
    """Read the pixel type and the metadata of a WebP file.

    Raises:
        ValueError: the file is damaged, other than by the end of its last frame if it is `truncated`.
    """
    chunks = list(_chunks(file))
    if truncated and chunks and _is_cut_frame(*chunks[-1]):
        del chunks[-1]
    first = dict(reversed(chunks))
    hidden = _hide_unannounced(first, chunks[0][1] if chunks and chunks[0][0] == b"VP8X" else b"")
    native = tuple((name, data) for name, data in chunks if name not in _KNOWN_CHUNKS)
    data = first.get(b"EXIF", b"")
    codecs = {name for name, _ in _bitstream_chunks(chunks)}
    metadata = PictureMetadata(
        exif=data.removeprefix(EXIF_PREFIX),
        xmp=first.get(b"XMP ", b""),
        icc=first.get(b"ICCP"),
        animation=_animation(chunks),
        native=native,
        foreign_items=tuple(f"the chunk {name.decode('latin-1')}" for name, _ in native),
        lossless=b"VP8L" in codecs and b"VP8 " not in codecs,
        warnings=tuple(hidden),
    )
    size, alpha = _canvas(chunks)
    return PixelKind("WEBP", "RGBA" if alpha else "RGB", size, False), metadata


def _hide_unannounced(first: dict[bytes, bytes], header: bytes) -> list[Dropped]:
    """Remove the metadata chunks whose flag is not set, which libwebp does not read; return warnings.

    Args:
        first: the first chunk of each name.
        header: the chunk VP8X if the file begins with it.
    """
    flags = header[0] if header else 0
    warnings = []
    for name, flag, loss in _ANNOUNCED:
        if name in first and not flags & flag:
            del first[name]
            what = name.decode().strip()
            warnings.append(Dropped(f"its chunk {what} is dropped, because its header says that there is none", loss))
    return warnings


def _canvas(chunks: list[Chunk]) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether there is an alpha channel."""
    alpha = False
    for name, data in chunks:
        if name == b"VP8X" and len(data) >= 10:
            size = (1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little"))
            still = next((c for c in chunks if c[0] in (b"VP8L", b"ALPH")), (b"", b""))
            alpha = bool(data[0] & _ALPHA_FLAG) or (not data[0] & _ANIMATION_FLAG and _has_alpha(still))
            return size, alpha
        if name == b"VP8L" and len(data) >= 5:
            bits = int.from_bytes(data[1:5], "little")
            return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), _has_alpha((name, data))
        if name == b"VP8 " and len(data) >= 10:
            width, height = struct.unpack_from("<HH", data, 6)
            return (width & 0x3FFF, height & 0x3FFF), False
    raise ValueError("it has no picture")


def _has_alpha(chunk: Chunk) -> bool:
    name, data = chunk
    return name == b"ALPH" or (name == b"VP8L" and len(data) >= 5 and bool(data[4] & 0x10))


def _chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Name and content of each chunk; frames are cut after their header, pixel data is skipped."""
    file.seek(8)
    if file.read(4) != b"WEBP":
        raise ValueError("not a WebP file")
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        wanted = min(size, {b"VP8 ": 10, b"VP8L": 5, b"ALPH": 0, b"ANMF": _FRAME_HEADER_BYTES}.get(name, size))
        yield name, bounded.read(file, wanted)
        file.seek(size - wanted + size % 2, io.SEEK_CUR)


def _is_cut_frame(name: bytes, data: bytes) -> bool:
    return name == b"ANMF" and len(data) < _FRAME_HEADER_BYTES


def completed(data: bytes) -> bytes:
    """A truncated file whose last chunk is padded with zeros, at most as many as its pixels can need."""
    chunks: list[Chunk] = []
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        content = data[position + 8 : position + 8 + size]
        chunks.append((name, content))
        position += 8 + size + size % 2
        if len(content) < size:
            del chunks[-1]
            if not _is_cut_frame(name, content):
                width, height = _canvas([*chunks, (name, content)])[0]
                wanted = len(content) + _MAX_PIXEL_BYTES * width * height
                chunks.append((name, content.ljust(min(size, wanted), b"\0")))
    stream = io.BytesIO()
    _write_chunks(stream, chunks)
    return stream.getvalue()


def _bitstream_chunks(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Names of the chunks with pixel data, without their content."""
    for name, data in chunks:
        if name == b"ANMF" and len(data) >= 20:
            inner = data[16:20]
            yield (b"VP8 " if inner == b"ALPH" else inner), b""
        elif name in _BITSTREAM_CHUNKS:
            yield name, b""


def _animation(chunks: list[Chunk]) -> Animation | None:
    control = dict(chunks).get(b"ANIM", b"")
    frames = [data for name, data in chunks if name == b"ANMF"]
    if not frames or len(control) < 6:
        return None
    if any(len(frame) < 16 for frame in frames):
        raise ValueError("a frame is truncated")
    durations = tuple(float(int.from_bytes(frame[12:15], "little")) for frame in frames)
    return Animation(durations, struct.unpack_from("<H", control, 4)[0])


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture or an animation; the arguments are those of `png.writer.write`."""
    metadata = spec.metadata
    flags = _ALPHA_FLAG if spec.mode in ALPHA or (spec.palette is not None and spec.palette.alpha) else 0
    flags |= _ICC_FLAG if metadata.icc else 0
    flags |= _EXIF_FLAG if metadata.exif else 0
    flags |= _XMP_FLAG if metadata.xmp else 0
    flags |= _ANIMATION_FLAG if metadata.animation else 0
    native: tuple[Chunk, ...] = metadata.native if isinstance(metadata.native, tuple) else ()
    chunks = [(b"ICCP", metadata.icc or b"")] if metadata.icc else []
    if metadata.animation is None:
        chunks += _encode_frame(frames[0], spec)
    else:
        chunks.append((b"ANIM", struct.pack("<IH", 0, min(metadata.animation.plays, 65535))))
        for frame, duration in zip(frames, metadata.animation.durations, strict=True):
            chunks.append((b"ANMF", _anmf_payload(frame, duration, spec)))
    chunks += [(b"EXIF", metadata.exif)] if metadata.exif else []
    chunks += [(b"XMP ", metadata.xmp)] if metadata.xmp else []
    chunks += native
    if flags or native:  # the alpha flag too: it keeps the alpha channel of opaque pictures
        width, height = (size - 1 for size in spec.size)
        canvas = struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
        chunks.insert(0, (b"VP8X", canvas))
    _write_chunks(file, chunks)


def _write_chunks(file: BinaryIO, chunks: list[Chunk]) -> None:
    body = b"WEBP" + b"".join(map(_encode_chunk, chunks))
    file.write(b"RIFF" + struct.pack("<I", len(body)) + body)


def _encode_chunk(chunk: Chunk) -> bytes:
    name, data = chunk
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _anmf_payload(frame: Array, duration: float, spec: EncodeSpec) -> bytes:
    """Content of the chunk of a frame that replaces the whole canvas."""
    width, height = (size - 1 for size in spec.size)
    numbers = [0, 0, width, height, min(round(duration), _MAX_DURATION_MS)]
    control = b"".join(number.to_bytes(3, "little") for number in numbers) + bytes([_NO_BLENDING])
    return control + b"".join(map(_encode_chunk, _encode_frame(frame, spec)))


def _encode_frame(frame: Array, spec: EncodeSpec) -> list[Chunk]:
    """The pixel chunks of a frame."""
    stream = io.BytesIO()
    image = to_image(frame, spec)
    if spec.mode == INDEXED and spec.palette is not None and spec.palette.alpha:
        image.info["transparency"] = spec.palette.alpha
        image = image.convert("RGBA")
    image.save(stream, "WEBP", **_save_options(spec))
    chunks, data = [], stream.getvalue()
    position = 12
    while position < len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        if name in _BITSTREAM_CHUNKS:
            chunks.append((name, data[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2
    return chunks


def is_lossless(spec: EncodeSpec) -> bool:
    """Whether to encode without loss: like a WebP input, or for palettes, unless a quality is given."""
    lossless_input = spec.metadata.lossless and isinstance(spec.metadata.native, tuple)
    return spec.options.quality is None and (lossless_input or spec.mode == INDEXED)


def _save_options(spec: EncodeSpec) -> dict[str, Any]:
    options = spec.options
    if is_lossless(spec):
        effort = {} if options.compress_level is None else {"quality": round(options.compress_level / 9 * 100)}
        return {"lossless": True, "exact": True} | effort
    return {"quality": _DEFAULT_QUALITY if options.quality is None else options.quality}
