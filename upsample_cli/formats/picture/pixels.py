"""Between arrays and Pillow's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..base import Array
from .model import Picture

if TYPE_CHECKING:
    from PIL import Image


def to_image(frame: Array, picture: Picture) -> Image.Image:
    """A frame, of shape (height, width) or (height, width, samples), as a picture of Pillow's."""
    from PIL import Image  # which most PNG have no need of

    if picture.mode == "1":
        return Image.fromarray(frame.astype(bool, copy=False))
    native = np.ascontiguousarray(frame, frame.dtype.newbyteorder("="))
    raw_mode = "I;16N" if picture.mode == "I;16" else picture.mode
    image = Image.frombuffer(picture.mode, picture.size, native, "raw", raw_mode, 0, 1)
    if picture.palette is not None:
        image.putpalette(picture.palette.colours, "RGB")
    return image
