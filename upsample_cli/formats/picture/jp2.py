"""Writes lossless JPEG 2000 and its metadata.

imagecodecs encodes the samples, because Pillow lets no other thread run meanwhile, so that no signal is handled. The
boxes and marker segments are those of ISO/IEC 15444-1, annexes I and A.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from ...geometry import INCH
from ..base import Array
from .model import ALPHA, CHANNELS, CODESTREAM_SUFFIXES, EncodeSpec

_FILE_TYPE = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 "
_SRGB, _GREY = 16, 17  # enumerated colour spaces
_METHOD_ENUMERATED, _METHOD_ICC = 1, 2  # methods of a colour specification box; the latter holds a profile
_MAX_NUMBER = 2**16 - 1  # of a numerator or denominator of the resolution
_COMMENT, _FIRST_TILE = b"\xff\x64", b"\xff\x90"  # markers
_MAX_COMMENT_BYTES = 65_531
_TEXT = 1  # kind of a comment
_MAX_BOX_BYTES = 2**32 - 1


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture with its metadata; the arguments are those of `png.writer.write`."""
    import imagecodecs  # slow import

    native = np.ascontiguousarray(frames[0], frames[0].dtype.newbyteorder("="))
    stream = bytes(imagecodecs.jpeg2k_encode(native, reversible=True, codecformat="j2k"))
    start, end = _own_comment(stream)
    comment = _comment_segments("\n".join(spec.metadata.comments)) or stream[start:end]
    size = 8 + len(stream) - (end - start) + len(comment)
    if not file.name.lower().endswith(CODESTREAM_SUFFIXES):
        file.write(_FILE_TYPE + _header_box(native, spec))
        file.write(struct.pack(">I4s", size if size <= _MAX_BOX_BYTES else 0, b"jp2c"))  # 0: it extends to the end
    for part in (stream[:start], comment, memoryview(stream)[end:]):
        file.write(part)


def _header_box(samples: Array, spec: EncodeSpec) -> bytes:
    """Size, colours, meaning of the channels and resolution. Readers use the first colour specification."""
    width, height = spec.size
    channels, bits = CHANNELS.get(spec.mode, 1), 8 * samples.itemsize
    colours = _SRGB if spec.mode in ("RGB", "RGBA") else _GREY
    return _box(
        b"jp2h",
        _box(b"ihdr", struct.pack(">IIHBBBB", height, width, channels, bits - 1, 7, 0, 0))
        + _profile_box(spec.metadata.icc)
        + _box(b"colr", struct.pack(">BBBI", _METHOD_ENUMERATED, 0, 0, colours))
        + _alpha_box(spec.mode)
        + _resolution_box(spec.dpi),
    )


def _alpha_box(mode: str) -> bytes:
    """The definition of the channels of a picture with alpha: colour i belongs to channel i, and alpha to all."""
    if mode not in ALPHA:
        return b""
    colours = CHANNELS[mode] - 1
    channels = [*((number, 0, number + 1) for number in range(colours)), (colours, 1, 0)]
    return _box(b"cdef", struct.pack(">H", len(channels)) + b"".join(struct.pack(">3H", *entry) for entry in channels))


def _own_comment(stream: bytes) -> tuple[int, int]:
    """Where the encoder's comment begins and ends: the last segment of the main header."""
    start = 2
    while True:
        marker, length = struct.unpack_from(">2sH", stream, start)
        if marker == _COMMENT:
            return start, start + 2 + length
        if marker == _FIRST_TILE:
            return start, start
        start += 2 + length


def _comment_segments(text: str) -> bytes:
    """The marker segments of a comment, in Latin-1 if possible."""
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        data = text.encode(errors="replace")
    parts = [data[start : start + _MAX_COMMENT_BYTES] for start in range(0, len(data), _MAX_COMMENT_BYTES)]
    return b"".join(_COMMENT + struct.pack(">HH", len(part) + 4, _TEXT) + part for part in parts)


def _profile_box(profile: bytes | None) -> bytes:
    return _box(b"colr", bytes([_METHOD_ICC, 0, 0]) + profile) if profile else b""


def _resolution_box(dpi: tuple[float, float] | None) -> bytes:
    """The resolution at which the picture was captured, in samples per metre along y and x."""
    if dpi is None:
        return b""
    fractions, exponents = b"", b""
    for value in reversed(dpi):
        density, exponent = value * 1000 / INCH, 0
        while density > _MAX_NUMBER:
            density, exponent = density / 10, exponent + 1
        denominator = max(1, min(_MAX_NUMBER, int(_MAX_NUMBER / density)))
        fractions += struct.pack(">HH", max(1, round(density * denominator)), denominator)
        exponents += struct.pack(">b", exponent)
    return _box(b"res ", _box(b"resc", fractions + exponents))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content
