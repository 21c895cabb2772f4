"""Composes the frames of an APNG file: applies disposal and blending, with 16 bits where the file has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from ...base import Array
from .decode import decode, to_rgba
from .reader import DISPOSE_BACKGROUND, Structure

_RGBA_PLANES: dict[str, Any] = {"L": 0, "I;16": 0, "LA": [0, 3], "RGB": slice(3), "RGBA": slice(4)}  # by mode
_DISPOSE_PREVIOUS = 2
_BLEND_OVER = 1


def frames(file: BinaryIO, structure: Structure, mode: str, truncated: bool = False) -> Iterator[Array]:
    """The frames of an animation as displayed, with APNG disposal and blending applied, in Pillow's `mode`.

    Raises:
        ValueError: a frame lies outside the canvas, or is damaged and not `truncated`.
    """
    width, height = structure.size
    dtype, opaque = (np.uint16, 65535) if structure.depth == 16 else (np.uint8, 255)
    canvas: Array = np.zeros((height, width, 4), dtype)
    for control, parts in structure.frames:
        _, w, h, x, y = struct.unpack_from(">IIIII", control)
        dispose, blend = control[24:26]
        if x + w > width or y + h > height or not w or not h:
            raise ValueError("a frame lies outside the canvas")
        samples = to_rgba(decode(file, structure, (w, h), parts, truncated), structure)
        region = canvas[y : y + h, x : x + w]
        before = region.copy() if dispose == _DISPOSE_PREVIOUS else None
        region[...] = _composite(samples, region, opaque) if blend == _BLEND_OVER else samples
        yield canvas[..., _RGBA_PLANES[mode]].copy()
        if dispose == DISPOSE_BACKGROUND:
            region[...] = 0
        elif before is not None:
            region[...] = before


def _composite(above: Array, below: Array, opaque: int) -> Array:
    """Porter and Duff's (1984) operator "over" for straight alpha, rounded to the nearest integer."""
    a, b = above[..., 3:] / opaque, below[..., 3:] / opaque
    alpha = a + b * (1 - a)
    colours = (above[..., :3] * a + below[..., :3] * b * (1 - a)) / np.where(alpha > 0, alpha, 1)
    composited: Array = np.rint(np.concatenate([colours, alpha * opaque], -1)).astype(above.dtype)
    return composited
