"""Decodes APNG frames, and 16-bit samples, which Pillow would reduce to 8 bits."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from ...base import Array
from ..model import PNG_SIGNATURE, Palette
from .reader import DISPOSE_BACKGROUND, Chunk, Structure, encode_chunk

_RGBA_PLANES: dict[str, Any] = {"L": 0, "I;16": 0, "LA": [0, 3], "RGB": slice(3), "RGBA": slice(4)}  # by mode
_DISPOSE_PREVIOUS = 2
_BLEND_OVER = 1


def frames(file: BinaryIO, structure: Structure, mode: str) -> Iterator[Array]:
    """The frames of an animation as displayed, with APNG disposal and blending applied, in Pillow's `mode`.

    Raises:
        ValueError: a frame lies outside the canvas.
    """
    width, height = structure.size
    dtype, opaque = (np.uint16, 65535) if structure.depth == 16 else (np.uint8, 255)
    canvas: Array = np.zeros((height, width, 4), dtype)
    for control, parts in structure.frames:
        _, w, h, x, y = struct.unpack_from(">IIIII", control)
        dispose, blend = control[24:26]
        if x + w > width or y + h > height or not w or not h:
            raise ValueError("a frame lies outside the canvas")
        samples = _to_rgba(decode(_standalone_png(file, structure, (w, h), parts), structure), structure)
        region = canvas[y : y + h, x : x + w]
        before = region.copy() if dispose == _DISPOSE_PREVIOUS else None
        region[...] = _composite(samples, region, opaque) if blend == _BLEND_OVER else samples
        yield canvas[..., _RGBA_PLANES[mode]].copy()
        if dispose == DISPOSE_BACKGROUND:
            region[...] = 0
        elif before is not None:
            region[...] = before


def _standalone_png(
    file: BinaryIO, structure: Structure, size: tuple[int, int], parts: Iterable[tuple[int, int]]
) -> bytes:
    """A frame as a PNG file of its own."""
    file.seek(len(PNG_SIGNATURE))
    header = file.read(25)[8:21]
    chunks = [Chunk(b"IHDR", struct.pack(">II", *size) + header[8:])]
    if structure.palette is not None:
        chunks.append(Chunk(b"PLTE", structure.palette.colours))
    for offset, length in parts:
        file.seek(offset)
        chunks.append(Chunk(b"IDAT", file.read(length)))
    return PNG_SIGNATURE + b"".join(encode_chunk(chunk) for chunk in (*chunks, Chunk(b"IEND", b"")))


def decode(data: bytes, structure: Structure) -> Array:
    """The stored samples of a PNG file: palette indices stay indices, grey levels are scaled to at least 8 bits."""
    if structure.depth == 16:
        import imagecodecs  # slow import; rarely needed

        return np.asarray(imagecodecs.png_decode(data))
    from ..opening import Image, without_size_limit

    with without_size_limit(), Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L") if image.mode == "1" else image)


def _to_rgba(samples: Array, structure: Structure) -> Array:
    """Stored samples as RGBA, of shape (height, width, 4)."""
    if structure.palette is not None and structure.colour_type == 3:
        return _rgba_table(structure.palette)[samples]
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


def _rgba_table(palette: Palette) -> Array:
    """RGBA of all 256 palette indices, of shape (256, 4)."""
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    entries = np.frombuffer(palette.colours, np.uint8)[: len(palette.colours) // 3 * 3].reshape(-1, 3)[:256]
    alpha = np.frombuffer(palette.alpha, np.uint8)[:256]
    table[: len(entries), :3] = entries
    table[: len(alpha), 3] = alpha
    return table


def _composite(above: Array, below: Array, opaque: int) -> Array:
    """Porter and Duff's (1984) operator "over" for straight alpha, rounded to the nearest integer."""
    a, b = above[..., 3:] / opaque, below[..., 3:] / opaque
    alpha = a + b * (1 - a)
    colours = (above[..., :3] * a + below[..., :3] * b * (1 - a)) / np.where(alpha > 0, alpha, 1)
    composited: Array = np.rint(np.concatenate([colours, alpha * opaque], -1)).astype(above.dtype)
    return composited
