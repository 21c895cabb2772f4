"""Opening pictures with Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image as Image
from PIL import UnidentifiedImageError

from ...errors import InputError

Image.MAX_IMAGE_PIXELS = None  # what is too large is refused by its predicted memory, with a number and a remedy


def open_image(path: Path) -> Image.Image:
    """The picture in a file, not decoded yet.

    Raises:
        InputError: Pillow knows no such picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of small faults in metadata, which Pillow survives
            return Image.open(path)
    except UnidentifiedImageError:
        raise InputError("is not a picture, TIFF, NIfTI or .npy file that can be read", path) from None
