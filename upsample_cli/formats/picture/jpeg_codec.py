"""Decodes JPEG into arrays and encodes it from arrays, without the copy through Pillow's own layout of pixels.

Both codecs are libjpeg-turbo, so the samples and the bytes are those of Pillow. Pillow remains for what this one lacks:
damaged files, CMYK, progressive output, and quantization tables other than the standard ones.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, BinaryIO

import numpy as np

from ..base import Array

_IMPORT_PIXELS = 1 << 21  # with so many pixels, the time that is saved exceeds the time of the import
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # that ends the data of a scan
TAIL_BYTES = 65_536  # searched for the end of the image, and for data after it
_SUBSAMPLING = {0: "444", 1: "422", 2: "420"}  # by Pillow's number

_pixels_so_far = 0  # in this process


def suits(file: BinaryIO, size: tuple[int, int]) -> bool:
    """Whether `decode` should read a file of this width and height.

    The file must end with the end of an image, perhaps followed by zeros, or samples are missing. And this process must
    have read so many pixels that importing the codec saves time.
    """
    global _pixels_so_far
    _pixels_so_far += size[0] * size[1]
    return _pixels_so_far >= _IMPORT_PIXELS and tail(file).endswith(_END_OF_IMAGE)


def tail(file: BinaryIO) -> bytes:
    """The last bytes of a file, up to `TAIL_BYTES`, without the zeros at its end."""
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - TAIL_BYTES))
    return file.read().rstrip(b"\0")


def decode(data: bytes) -> Array | None:
    """The samples of a JPEG file in grey or RGB, of shape (height, width) or (height, width, 3).

    Returns:
        The array, or None if Pillow has to decode the file or to say what is wrong with it: this codec does not report
        missing samples.
    """
    import imagecodecs

    if not _reaches_end(data):
        return None
    try:
        samples: Array = imagecodecs.jpeg8_decode(data)
    except imagecodecs.Jpeg8Error:
        return None
    return samples if samples.dtype == np.uint8 else None


def _reaches_end(data: bytes) -> bool:
    """Whether the segments, followed from the first on, lead to the end of the image, as in an undamaged file."""
    position, marker = 2, b""
    while marker != _END_OF_IMAGE:
        marker, length = data[position : position + 2], data[position + 2 : position + 4]
        position += 2 + int.from_bytes(length, "big")
        if marker == _START_OF_SCAN:
            found = _MARKER.search(data, position)
            position = len(data) if found is None else found.start()
        elif marker[:1] != b"\xff":
            return False
    return True


def can_encode(mode: str, size: tuple[int, int], options: Mapping[str, Any]) -> bool:
    """Whether `encode` should replace Pillow's encoder with these arguments, for a picture of this width and height."""
    if max(_pixels_so_far, size[0] * size[1]) < _IMPORT_PIXELS:
        return False
    is_plain = mode in ("L", "RGB") and not options.get("keep_rgb") and not options.get("progressive")
    return is_plain and _quality(options, 1 if mode == "L" else 2) is not None


def encode(samples: Array, options: Mapping[str, Any]) -> bytes:
    """A JPEG file of samples of shape (height, width) or (height, width, 3), by the arguments of Pillow's encoder."""
    import imagecodecs

    is_grey = samples.ndim == 2
    encoded = imagecodecs.jpeg8_encode(
        np.ascontiguousarray(samples),
        _quality(options, 1 if is_grey else 2),
        subsampling=None if is_grey else _SUBSAMPLING[options.get("subsampling", 2)],
    )
    return bytes(encoded)


def _quality(options: Mapping[str, Any], count: int) -> int | None:
    """Libjpeg's quality with the same first `count` tables as the arguments, or None; grey pictures have one table."""
    tables: Sequence[Sequence[int]] | None = options.get("qtables")
    if tables is None:
        return int(options["quality"])
    return _qualities(count).get(tuple(map(tuple, tables)))


@cache
def _qualities(count: int) -> dict[tuple[tuple[int, ...], ...], int]:
    """The quality by its first `count` tables: at quality 50 those of the standard, else scaled as libjpeg does."""
    from PIL import Image, JpegImagePlugin

    stream = io.BytesIO()
    stream.name = "picture.jpg"  # tells Pillow the format, so that it loads no other plug-in
    Image.new("RGB", (1, 1)).save(stream, "JPEG", quality=50)
    with Image.open(stream) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile), "it was written as JPEG"
        standard = np.array([image.quantization[number] for number in (0, 1)])
    found = {}
    for quality in range(1, 101):
        per_cent = 5000 // quality if quality < 50 else 200 - 2 * quality
        tables = ((standard * per_cent + 50) // 100).clip(1, 255).tolist()
        found[tuple(map(tuple, tables[:count]))] = quality
    return found
