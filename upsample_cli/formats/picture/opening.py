"""Opens pictures with Pillow, without its limit on the number of pixels."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as Image
from PIL import ImageFile, UnidentifiedImageError

from ...errors import InputError

_limit_lock = threading.Lock()
_limit_users = 0
_limit_before: int | None = None
_tolerance_lock = threading.Lock()


def open_image(path: Path) -> Image.Image:
    """Open a picture without decoding it.

    Raises:
        InputError: Pillow does not recognize the format.
    """
    try:
        with without_size_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about minor metadata errors, which Pillow tolerates
            return Image.open(path)
    except UnidentifiedImageError:
        raise InputError("is not a picture, TIFF, NIfTI or .npy file that can be read", path) from None


@contextmanager
def without_size_limit() -> Iterator[None]:
    """Suspend Pillow's pixel limit while any thread is inside; Pillow also checks it while decoding.

    Pictures that are too large are rejected by their predicted memory instead.
    """
    global _limit_users, _limit_before
    with _limit_lock:
        if _limit_users == 0:
            _limit_before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _limit_users += 1
    try:
        yield
    finally:
        with _limit_lock:
            _limit_users -= 1
            if _limit_users == 0:
                Image.MAX_IMAGE_PIXELS = _limit_before


@contextmanager
def tolerating_truncation() -> Iterator[None]:
    """Let Pillow return what a truncated file holds; one thread at a time, since the switch is global."""
    with _tolerance_lock:
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
