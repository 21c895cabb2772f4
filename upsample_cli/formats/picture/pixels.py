"""Between arrays and Pillow's pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..base import Array
from .record import Picture


def to_image(frame: Array, picture: Picture) -> Image.Image:
    """A frame, of shape (height, width) or (height, width, samples), as a picture of Pillow's."""
    if picture.mode == "1":
        return Image.fromarray(frame.astype(bool, copy=False))
    native = np.ascontiguousarray(frame, frame.dtype.newbyteorder("="))
    raw_mode = "I;16N" if picture.mode == "I;16" else picture.mode
    image = Image.frombuffer(picture.mode, picture.size, native, "raw", raw_mode, 0, 1)
    if picture.palette is not None:
        image.putpalette(picture.palette.colours, "RGB")
    return image


def has_no_runs(frame: Array) -> bool:
    """Whether most neighbours differ, on every sixteenth row: as in photographs, but for those enlarged by nearest.

    There zlib's search for repetitions takes five times as long as its run-length strategy, and gains 3 %. Grey
    pictures and those with alpha gain more by it.
    """
    if frame.ndim != 3 or frame.shape[2] != 3:
        return False
    rows = frame[::16]
    return rows.shape[1] > 1 and bool((rows[:, 1:] == rows[:, :-1]).all(axis=-1).mean() < 0.5)
