"""Opening pictures with Pillow."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as Image
from PIL import UnidentifiedImageError

from ...errors import InputError

_LIMIT_LOCK = threading.Lock()


def open_image(path: Path) -> Image.Image:
    """The picture in a file, not decoded yet.

    Raises:
        InputError: Pillow knows no such picture.
    """
    try:
        with _without_size_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about small faults in metadata, which Pillow tolerates
            return Image.open(path)
    except UnidentifiedImageError:
        raise InputError("is not a picture, TIFF, NIfTI or .npy file that can be read", path) from None


@contextmanager
def _without_size_limit() -> Iterator[None]:
    """Suspend Pillow's limit on pixels: images that are too large are refused by their predicted memory."""
    with _LIMIT_LOCK:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
