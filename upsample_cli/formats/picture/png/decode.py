"""Decodes the samples of PNG pictures and of the frames of APNG.

Decoders get the chunks with pixels alone, since libpng prints a warning for every other chunk that it dislikes.
"""

from __future__ import annotations

import io
import itertools
import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from ....runtime.library_messages import silence
from ... import bounded
from ...base import Array
from ..model import INDEXED, PNG_SIGNATURE
from ..pixels import rgba_table
from .reader import SAMPLES_PER_PIXEL, Chunk, Structure

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_FULL = ((0, 0, 1, 1),)  # passes: first column, first row, and the distance between columns and between rows
_MAX_EXPANSION, _SPARE_BYTES = 2, 1 << 16  # how much compression may enlarge samples; more than any encoder needs
_STEP_BYTES = 256  # decompressed at a time from damaged files

Parts = Iterable[tuple[int, int]]
Size = tuple[int, int]


def picture(file: BinaryIO, structure: Structure, mode: str, truncated: bool = False) -> Array:
    """The default image in Pillow's `mode`.

    Raises:
        ValueError: the image is damaged, unless it is `truncated`: then what is missing becomes 0.
    """
    samples = decode(file, structure, structure.size, structure.pixels, truncated)
    if mode in ("1", INDEXED):
        return samples != 0 if mode == "1" else samples
    if structure.colour_type == 3:
        return rgba_table(structure.palette)[samples][..., : len(mode)]
    if len(mode) == SAMPLES_PER_PIXEL[structure.colour_type] or mode == "I;16":
        return samples
    planes = samples if samples.ndim == 3 else samples[..., None]
    return np.concatenate([planes, alpha_from_key(planes, structure)], -1)


def decode(file: BinaryIO, structure: Structure, size: Size, parts: Parts, truncated: bool = False) -> Array:
    """Stored samples: palette indices stay indices, grey levels are scaled to at least 8 bits.

    Args:
        file: the PNG file.
        structure: of the file.
        size: width and height of the image.
        parts: offsets and lengths of its compressed samples.
        truncated: whether missing or damaged data is replaced by zeros.
    """
    if not structure.interlaced and not truncated:
        return _decode(structure, size, _read_parts(file, parts))
    passes = _ADAM7 if structure.interlaced else _FULL
    sizes = [(math.ceil((size[0] - x) / dx), math.ceil((size[1] - y) / dy)) for x, y, dx, dy in passes]
    lengths = [_filtered_bytes(structure, part) for part in sizes]
    data = memoryview(_inflated(_read_parts(file, parts), sum(lengths), truncated))
    array: Array | None = None
    start = 0
    for (x, y, dx, dy), part, length in zip(passes, sizes, lengths, strict=True):
        if not length:
            continue
        samples = _decode(structure, part, [zlib.compress(data[start : start + length], 0)])
        if array is None:
            array = np.zeros((size[1], size[0], *samples.shape[2:]), samples.dtype)
        array[y::dy, x::dx] = samples
        start += length
    assert array is not None, "the first pass has a pixel"
    return array


def _read_parts(file: BinaryIO, parts: Parts) -> Iterator[bytes]:
    for offset, length in parts:
        file.seek(offset)
        yield bounded.read(file, length)


def _filtered_bytes(structure: Structure, size: Size) -> int:
    """Bytes of an image before compression: a filter type and the packed samples for every row."""
    width, height = size
    if width < 1 or height < 1:
        return 0
    return height * (1 + math.ceil(width * SAMPLES_PER_PIXEL[structure.colour_type] * structure.depth / 8))


def _inflated(parts: Iterable[bytes], length: int, truncated: bool) -> bytearray:
    """The first `length` bytes of a zlib stream."""
    inflate, data = zlib.decompressobj(), bytearray()
    if truncated:  # an error loses all that a call would have returned
        parts = (part[start : start + _STEP_BYTES] for part in parts for start in range(0, len(part), _STEP_BYTES))
    try:
        for part in parts:
            data += inflate.decompress(part, length - len(data))
            if len(data) == length:
                break
    except zlib.error as error:
        if not truncated:
            raise ValueError("its samples are damaged") from error
    if len(data) < length and not truncated:
        raise ValueError("its samples are truncated")
    data += bytes(length - len(data))
    return data


def _decode(structure: Structure, size: Size, parts: Iterable[bytes]) -> Array:
    """Decode an image without interlacing."""
    header = struct.pack(">IIBBBBB", *size, structure.depth, structure.colour_type, 0, 0, 0)
    indexed = structure.colour_type == 3
    palette = [Chunk(b"PLTE", structure.palette.colours)] if indexed and structure.palette is not None else []
    parts = _first_bytes(parts, _MAX_EXPANSION * _filtered_bytes(structure, size) + _SPARE_BYTES)
    data = bytearray(PNG_SIGNATURE)
    for chunk in itertools.chain(
        [Chunk(b"IHDR", header), *palette], (Chunk(b"IDAT", part) for part in parts), [Chunk(b"IEND", b"")]
    ):
        data += struct.pack(">I", len(chunk.data)) + chunk.name
        data += chunk.data  # appended separately, because it may be as large as the file
        data += struct.pack(">I", zlib.crc32(chunk.data, zlib.crc32(chunk.name)))
    if structure.depth >= 8 and not indexed:
        import imagecodecs  # decodes twice as fast as Pillow, which reduces 16 bits to 8

        silence("imagecodecs")
        try:
            return np.asarray(imagecodecs.png_decode(data))
        except (imagecodecs.PngError, UnicodeError) as error:  # its text may belong to an earlier error
            raise ValueError("its samples are damaged or truncated") from error
    from ..opening import Image, without_size_limit

    with without_size_limit(), Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L") if image.mode == "1" else image)


def _first_bytes(parts: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The first `count` bytes of the parts: libpng decompresses all its input, even beyond the end of the image."""
    for part in parts:
        yield part[:count]
        count -= len(part)
        if count <= 0:
            return


def to_rgba(samples: Array, structure: Structure) -> Array:
    """Stored samples as RGBA, of shape (height, width, 4)."""
    if structure.colour_type == 3:
        return rgba_table(structure.palette)[samples]
    planes = samples if samples.ndim == 3 else samples[..., None]
    if planes.shape[-1] in (2, 4):
        colours, alpha = planes[..., :-1], planes[..., -1:]
    else:
        colours, alpha = planes, alpha_from_key(planes, structure)
    return np.concatenate([np.broadcast_to(colours, (*alpha.shape[:-1], 3)), alpha], -1)


def alpha_from_key(planes: Array, structure: Structure) -> Array:
    """Alpha of pixels without an alpha channel, of shape (height, width, 1): 0 where they match the colour key."""
    alpha = np.full_like(planes[..., :1], np.iinfo(planes.dtype).max)
    if structure.colour_key:
        colour_key = np.array(structure.colour_key) * (255 // (2**structure.depth - 1) if structure.depth < 8 else 1)
        alpha[(planes == colour_key).all(-1)] = 0
    return alpha
