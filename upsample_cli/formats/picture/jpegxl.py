"""Reads and writes JPEG XL with imagecodecs; the header is parsed here, before the decoder allocates anything.

The layout is that of ISO/IEC 18181-1 (codestream) and 18181-2 (container).
"""

from __future__ import annotations

import io
import struct
from bisect import bisect_left
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ...runtime.library_messages import silence
from .. import bounded
from ..base import Array
from ..dropped import Dropped, Loss, dropped_entries
from . import exif
from .jpeg2000 import boxes
from .model import CHANNELS, Animation, EncodeSpec, Picture, PictureMetadata, PixelKind
from .pixels import unpremultiplied

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_HEADER_BYTES = 65_536  # of the codestream, within which the image header ends
_DROPPED = {b"brob": "compressed metadata", b"jumb": "JUMBF boxes"}  # by name of their boxes
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}  # width to height
_SIDE = ((1, 9), (1, 13), (1, 18), (1, 30))  # smallest value and number of bits of each way to store a number
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_ALPHA, _GREY = 0, 1
_SIDES_SWAPPED = (5, 6, 7, 8)  # orientations, which the decoder applies
_MODES = {(True, False): "L", (True, True): "LA", (False, False): "RGB", (False, True): "RGBA"}  # grey, alpha
_DEFAULT_QUALITY = 95
_BEST_EFFORT = 9
_FRAME_MS = 100.0  # duration of a frame; imagecodecs neither reads nor writes it
_MAX_FRAMES = 1 << 16
_BOX_HEADER_BYTES = 8  # size and name


class _ImageHeader(NamedTuple):
    """The fields of an image header that determine what the decoder returns."""

    size: tuple[int, int]
    bits: int
    is_float: bool
    grey: bool
    alpha: bool
    animated: bool
    premultiplied: bool
    icc: bool


class _Bits:
    """Reads the bits of a codestream, lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("its header is truncated")
        value = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return value

    def flag(self) -> bool:
        return bool(self.take(1))

    def choose(self, ways: tuple[tuple[int, int], ...]) -> int:
        """A number stored in one of four ways, of which two bits choose."""
        smallest, count = ways[self.take(2)]
        return smallest + self.take(count)


def read(file: BinaryIO) -> Picture:
    """Read the header and the metadata of a JPEG XL file.

    Raises:
        ValueError: the file is damaged.
    """
    codestream, exif_data, xmp, dropped = _contents(file)
    if not codestream.startswith(CODESTREAM):
        raise ValueError("it has no codestream")
    header = _image_header(_Bits(codestream[2:1026]))
    warnings = dropped_entries(sorted(dropped))
    mode, dtype = _MODES[header.grey, header.alpha], _dtype(header)
    frames = _frame_count(file, header, np.dtype(dtype or "u1")) if header.animated else 1
    animation = Animation((_FRAME_MS,) * frames) if frames > 1 else None
    if animation is not None:
        text = f"its frame durations cannot be read; each output frame lasts {_FRAME_MS / 1000:g} s"
        warnings.append(Dropped(text, Loss.ANIMATION))
    warnings += [Dropped("its ICC profile is dropped", Loss.ICC_PROFILE)] if header.icc else []
    if mode == "L" and dtype:
        mode = "F" if header.is_float else "I;16"
    kind = PixelKind("JPEG XL", mode, header.size, False, dtype)
    metadata = PictureMetadata(exif=exif.upright(exif_data), xmp=xmp, animation=animation, warnings=tuple(warnings))
    decode = partial(_decode, 0 if frames == 1 else None, header.premultiplied)
    decode_part = partial(_decode_part, kind, header.premultiplied) if frames == 1 else None
    return Picture(kind, metadata, decode, upright=True, decode_part=decode_part)


def _frame_count(file: BinaryIO, header: _ImageHeader, dtype: np.dtype[Any]) -> int:
    """The number of frames, by binary search: if a frame does not exist, the decoder leaves its buffer unchanged."""
    import imagecodecs  # slow import

    file.seek(0)
    data = file.read()
    width, height = header.size
    shape = (height, width, len(_MODES[header.grey, header.alpha].replace("L", "G")))

    def exists(number: int) -> bool:
        buffers = [np.full(shape[:2] if shape[2] == 1 else shape, fill, dtype) for fill in (0, 1)]
        for buffer in buffers:
            imagecodecs.jpegxl_decode(data, index=number, out=buffer)
        return np.array_equal(buffers[0], buffers[1])

    above = 1
    while above < _MAX_FRAMES and exists(above):
        above *= 2
    return above // 2 + bisect_left(range(above // 2, above), True, key=lambda number: not exists(number))


def _contents(file: BinaryIO) -> tuple[bytes, bytes, bytes, set[str]]:
    """The start of the codestream, EXIF, XMP, and the names of dropped boxes."""
    file.seek(0)
    codestream, exif_data, xmp = file.read(_HEADER_BYTES), b"", b""
    dropped: set[str] = set()
    if not codestream.startswith(CONTAINER):
        return codestream, exif_data, xmp, dropped
    codestream = b""
    for name, start, size in boxes(file, 0):
        file.seek(start)
        if name in (b"jxlc", b"jxlp") and len(codestream) < _HEADER_BYTES:
            data = file.read(min(size, _HEADER_BYTES))
            codestream += data[4:] if name == b"jxlp" else data
        elif name == b"Exif":
            data = bounded.read(file, size)
            exif_data = data[4 + int.from_bytes(data[:4], "big") :]
        elif name == b"xml ":
            xmp = bounded.read(file, size)
        elif name in _DROPPED:
            dropped.add(_DROPPED[name])
    return codestream, exif_data, xmp, dropped


def _dtype(header: _ImageHeader) -> str:
    if header.is_float:
        return "float32"
    return "uint16" if header.bits > 8 else ""


def _image_header(bits: _Bits) -> _ImageHeader:
    width, height = _size(bits)
    if bits.flag():  # every field has its default
        return _ImageHeader((width, height), 8, False, False, False, False, False, False)
    orientation, animated = 1, False
    if bits.flag():
        orientation = bits.take(3) + 1
        if bits.flag():
            _size(bits)  # intrinsic size
        if bits.flag():
            _preview(bits)
        if animated := bits.flag():
            _skip_animation(bits)
    depth, is_float = _bit_depth(bits)
    bits.flag()  # whether 16-bit buffers suffice
    alpha = premultiplied = False
    for _ in range(bits.choose(((0, 0), (1, 0), (2, 4), (1, 12)))):
        is_alpha, is_premultiplied = _extra_channel(bits)
        alpha, premultiplied = alpha or is_alpha, premultiplied or is_premultiplied
    bits.flag()  # whether colours are stored as XYB
    grey = icc = False
    if not bits.flag():  # not the default colour encoding
        icc = bits.flag()
        grey = bits.choose(_ENUM) == _GREY
    size = (height, width) if orientation in _SIDES_SWAPPED else (width, height)
    return _ImageHeader(size, depth, is_float, grey, alpha, animated, premultiplied, icc)


def _size(bits: _Bits) -> tuple[int, int]:
    """Width and height."""
    small = bits.flag()  # multiples of 8
    height = 8 * (bits.take(5) + 1) if small else bits.choose(_SIDE)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    return (8 * (bits.take(5) + 1) if small else bits.choose(_SIDE)), height


def _preview(bits: _Bits) -> None:
    small = bits.flag()
    ways = ((16, 0), (32, 0), (1, 5), (33, 9)) if small else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.choose(ways)
    if not bits.take(3):
        bits.choose(ways)


def _skip_animation(bits: _Bits) -> None:
    bits.choose(((100, 0), (1000, 0), (1, 10), (1, 30)))
    bits.choose(((1, 0), (1001, 0), (1, 8), (1, 10)))
    bits.choose(((0, 0), (0, 3), (0, 16), (0, 32)))
    bits.flag()


def _bit_depth(bits: _Bits) -> tuple[int, bool]:
    """Bits per sample, and whether samples are floating-point numbers."""
    if not bits.flag():
        return bits.choose(((8, 0), (10, 0), (12, 0), (1, 6))), False
    depth = bits.choose(((32, 0), (16, 0), (24, 0), (1, 6)))
    bits.take(4)
    return depth, True


def _extra_channel(bits: _Bits) -> tuple[bool, bool]:
    """Whether the next extra channel is alpha, and whether colours are premultiplied by it."""
    if bits.flag():
        return True, False
    kind = bits.choose(_ENUM)
    _bit_depth(bits)
    bits.choose(((0, 0), (3, 0), (4, 0), (1, 3)))
    bits.take(8 * bits.choose(((0, 0), (0, 4), (16, 5), (48, 10))))  # the name
    if kind == _ALPHA:
        return True, bits.flag()
    if kind == 2:  # a spot colour, of four half-precision numbers
        bits.take(64)
    elif kind == 5:  # a plane of a colour filter array
        bits.choose(((1, 0), (0, 2), (3, 4), (19, 8)))
    return False, False


def _decode(index: int | None, premultiplied: bool, file: BinaryIO) -> Array:
    """One frame, or all of them along a leading axis."""
    import imagecodecs  # slow import

    silence("imagecodecs")
    file.seek(0)
    array = np.asarray(imagecodecs.jpegxl_decode(file.read(), index=index))
    if premultiplied:
        return unpremultiplied(array)
    return array[..., 0] if array.shape[-1] == 1 and array.ndim == (3 if index == 0 else 4) else array


def _decode_part(kind: PixelKind, premultiplied: bool, file: BinaryIO) -> Array:
    """The samples of a truncated file: those of the groups that are complete."""
    import imagecodecs

    width, height = kind.size
    channels = CHANNELS.get(kind.mode, 1)
    array = np.zeros((height, width, channels) if channels > 1 else (height, width), kind.dtype or np.uint8)
    file.seek(0)
    with suppress(imagecodecs.JpegxlError):
        imagecodecs.jpegxl_decode(file.read(), index=0, out=array)
    return unpremultiplied(array) if premultiplied else array


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture in a container with its metadata; the arguments are those of `png.writer.write`."""
    import imagecodecs

    frames = frames if spec.metadata.animation is not None else frames[0]
    native = np.ascontiguousarray(frames, frames.dtype.newbyteorder("="))
    stream = io.BytesIO(imagecodecs.jpegxl_encode(native, usecontainer=True, **_options(spec, native.dtype)))
    metadata = spec.metadata
    extra = [(b"Exif", bytes(4) + metadata.exif)] if metadata.exif else []
    extra += [(b"xml ", metadata.xmp)] if metadata.xmp else []
    for name, start, size in boxes(stream, 0):
        if name in (b"jxlc", b"jxlp"):  # before the samples, so that readers find it first
            for added, data in extra:
                file.write(struct.pack(">I4s", _BOX_HEADER_BYTES + len(data), added) + data)
            extra = []
        stream.seek(start)
        file.write(struct.pack(">I4s", _BOX_HEADER_BYTES + size, name) + stream.read(size))


def _options(spec: EncodeSpec, dtype: np.dtype[Any]) -> dict[str, Any]:
    quality, effort = spec.options.quality, spec.options.compress_level
    options: dict[str, Any] = {} if effort is None else {"effort": max(1, min(effort, _BEST_EFFORT))}
    if quality is None and (effort is not None or dtype.kind == "f"):  # numbers that may exceed the range of colours
        return options | {"lossless": True}
    quality = _DEFAULT_QUALITY if quality is None else quality
    return options | {"distance": max(0.0, (100 - quality) / 10)}
