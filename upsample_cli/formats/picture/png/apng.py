"""The frames of an animated PNG, and samples of 16 bits, of which Pillow would drop half."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from ...base import Array
from ..model import PNG_SIGNATURE, Palette
from .reader import BACKGROUND, Chunk, Structure, packed

_PLANES: dict[str, Any] = {"L": 0, "I;16": 0, "LA": [0, 3], "RGB": slice(3), "RGBA": slice(4)}  # of RGBA
_PREVIOUS = 2  # takes the place of a frame
_OVER = 1  # it lies over what is there, and does not replace it


def frames(file: BinaryIO, structure: Structure, mode: str) -> Iterator[Array]:
    """The frames of an animation as they are seen, by the rules of APNG, in Pillow's `mode`."""
    width, height = structure.size
    dtype, opaque = (np.uint16, 65535) if structure.depth == 16 else (np.uint8, 255)
    canvas: Array = np.zeros((height, width, 4), dtype)
    for control, parts in structure.frames:
        _, w, h, x, y = struct.unpack_from(">IIIII", control)
        dispose, blend = control[24:26]
        if x + w > width or y + h > height or not w or not h:
            raise ValueError("a frame of it lies outside its picture")
        samples = _in_colour(decode(_alone(file, structure, (w, h), parts), structure), structure)
        region = canvas[y : y + h, x : x + w]
        before = region.copy() if dispose == _PREVIOUS else None
        region[...] = _over(samples, region, opaque) if blend == _OVER else samples
        yield canvas[..., _PLANES[mode]].copy()
        if dispose == BACKGROUND:
            region[...] = 0
        elif before is not None:
            region[...] = before


def _alone(file: BinaryIO, structure: Structure, size: tuple[int, int], parts: Iterable[tuple[int, int]]) -> bytes:
    """A frame as a picture of its own."""
    file.seek(len(PNG_SIGNATURE))
    header = file.read(25)[8:21]
    chunks = [Chunk(b"IHDR", struct.pack(">II", *size) + header[8:])]
    if structure.palette is not None:
        chunks.append(Chunk(b"PLTE", structure.palette.colours))
    for offset, length in parts:
        file.seek(offset)
        chunks.append(Chunk(b"IDAT", file.read(length)))
    return PNG_SIGNATURE + b"".join(packed(chunk) for chunk in (*chunks, Chunk(b"IEND", b"")))


def decode(data: bytes, structure: Structure) -> Array:
    """The samples of a picture as they are stored, indices of a palette included, and grey levels in 8 or 16 bits."""
    if structure.depth == 16:
        import imagecodecs  # most pictures have no need of it

        return np.asarray(imagecodecs.png_decode(data))
    from ..opening import Image, without_size_limit

    with without_size_limit(), Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L") if image.mode == "1" else image)


def _in_colour(samples: Array, structure: Structure) -> Array:
    """Red, green, blue and alpha of each pixel."""
    if structure.palette is not None and structure.colour_type == 3:
        return _colours_of(structure.palette)[samples]
    planes = samples if samples.ndim == 3 else samples[..., None]
    if planes.shape[-1] in (2, 4):
        colours, alpha = planes[..., :-1], planes[..., -1:]
    else:
        colours, alpha = planes, opacity(planes, structure)
    return np.concatenate([np.broadcast_to(colours, (*alpha.shape[:-1], 3)), alpha], -1)


def opacity(planes: Array, structure: Structure) -> Array:
    """Alpha of pixels without any, of shape (height, width, 1): what has the transparent level or colour is clear."""
    alpha = np.full_like(planes[..., :1], np.iinfo(planes.dtype).max)
    if structure.key:
        key = np.array(structure.key) * (255 // (2**structure.depth - 1) if structure.depth < 8 else 1)
        alpha[(planes == key).all(-1)] = 0
    return alpha


def _colours_of(palette: Palette) -> Array:
    """The colours of 256 indices, of shape (256, 4)."""
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    entries = np.frombuffer(palette.colours, np.uint8)[: len(palette.colours) // 3 * 3].reshape(-1, 3)[:256]
    opacity = np.frombuffer(palette.opacity, np.uint8)[:256]
    table[: len(entries), :3] = entries
    table[: len(opacity), 3] = opacity
    return table


def _over(above: Array, below: Array, opaque: int) -> Array:
    """Straight alpha over straight alpha, rounded to the nearest: Porter and Duff (1984)."""
    a, b = above[..., 3:] / opaque, below[..., 3:] / opaque
    alpha = a + b * (1 - a)
    colours = (above[..., :3] * a + below[..., :3] * b * (1 - a)) / np.where(alpha > 0, alpha, 1)
    composited: Array = np.rint(np.concatenate([colours, alpha * opaque], -1)).astype(above.dtype)
    return composited
