"""Converts arrays to Pillow images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..base import Array
from .model import EncodeSpec

if TYPE_CHECKING:
    from PIL import Image


def to_image(frame: Array, spec: EncodeSpec) -> Image.Image:
    """Convert a frame of shape (height, width) or (height, width, samples) to a Pillow image."""
    from PIL import Image  # slow import; rarely needed for PNG

    if spec.mode == "1":
        return Image.fromarray(frame.astype(bool, copy=False))
    native = np.ascontiguousarray(frame, frame.dtype.newbyteorder("="))
    raw_mode = "I;16N" if spec.mode == "I;16" else spec.mode
    image = Image.frombuffer(spec.mode, spec.size, native, "raw", raw_mode, 0, 1)
    if spec.palette is not None:
        image.putpalette(spec.palette.colours, "RGB")
    return image
