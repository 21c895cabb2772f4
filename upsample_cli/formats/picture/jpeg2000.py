"""Reads the ICC profile of JPEG 2000 files, lists the metadata boxes that Pillow does not support, and decodes samples.

OpenJPEG does the decoding. Pillow calls it without letting other threads run, so that no signal is handled meanwhile;
imagecodecs lets them run, but converts no colours and no bit depths.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from .. import bounded
from ..base import Array
from .model import CHANNELS

_UUIDS = {
    b"JpgTiffExif->JP2": "EXIF",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "XMP",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC",
}
_SUPERBOXES = (b"jp2h", b"asoc", b"uinf", b"moov", b"trak", b"mdia", b"minf", b"stbl")  # of AVIF from moov on
_START, _SIZE = b"\xff\x4f", b"\xff\x51"  # the first two markers of a codestream
_COMPONENTS_OFFSET = 40  # from the start of a codestream to the number of its components
_PLAIN_MODES = ("L", "I;16", "LA", "RGB", "RGBA")
_METHOD_ICC = 2  # method of a colour specification box that holds a restricted ICC profile
_PLAIN_COLOURS = (bytes([_METHOD_ICC]), b"\1\0\0\0\0\0\x10", b"\1\0\0\0\0\0\x11")  # a profile, sRGB, grey
_UUID_BYTES = 16


def read(file: BinaryIO) -> tuple[bytes | None, tuple[str, ...]]:
    """The ICC profile, and descriptions of the metadata boxes that Pillow does not read."""
    profile, dropped = None, []
    file.seek(0)
    if file.read(8)[4:] == b"jP  ":  # not a raw codestream
        for name, start, size in boxes(file, 0):
            file.seek(start)
            if name == b"uuid":
                dropped.append(_UUIDS.get(file.read(_UUID_BYTES), "an unknown UUID box"))
            elif name == b"xml ":
                dropped.append("XML")
            elif name == b"colr" and file.read(3)[:1] == bytes([_METHOD_ICC]):
                profile = bounded.read(file, size - 3)
    return profile, tuple(dict.fromkeys(dropped))


def decoded(file: BinaryIO, mode: str) -> Array | None:
    """The samples of a file that Pillow opens in `mode`; None if they need conversions.

    Raises:
        imagecodecs.Jpeg2kError: the file is damaged.
    """
    if not _is_plain(file, mode):
        return None
    import imagecodecs  # slow import

    file.seek(0)
    return np.asarray(imagecodecs.jpeg2k_decode(file.read()))


def _is_plain(file: BinaryIO, mode: str) -> bool:
    """Whether the stored samples are those of `mode`: unsigned, of 8 or 16 bits, without a palette and in full size."""
    start = _plain_codestream(file)
    if start is None or mode not in _PLAIN_MODES:
        return False
    file.seek(start)
    head = file.read(_COMPONENTS_OFFSET)
    channels = CHANNELS.get(mode, 1)
    component = bytes([15 if mode == "I;16" else 7, 1, 1])  # bits - 1, and the subsampling along x and y
    plain = channels.to_bytes(2, "big") + component * channels
    return head.startswith(_START + _SIZE) and file.read(len(plain)) == plain


def _plain_codestream(file: BinaryIO) -> int | None:
    """The offset of the codestream; None if there is none, or if its samples are palette indices or unusual colours."""
    file.seek(0)
    if file.read(8)[4:] != b"jP  ":
        return 0
    for name, start, _ in boxes(file, 0):
        file.seek(start)
        if name == b"jp2c":
            return start
        if name == b"pclr" or (name == b"colr" and not file.read(7).startswith(_PLAIN_COLOURS)):
            return None
    return None


def boxes(file: BinaryIO, start: int, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Name, content offset and content size of each box, including those nested in superboxes."""
    end = file.seek(0, io.SEEK_END) if end is None else end
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        stop = end if size == 0 else min(start + size, end)
        if stop < start + head:
            return
        if name in _SUPERBOXES:
            yield from boxes(file, start + head, stop)
        else:
            yield name, start + head, stop - start - head
        start = stop
