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

_limit_lock = threading.Lock()
_limit_users = 0
_limit_before: int | None = None


def open_image(path: Path) -> Image.Image:
    """The picture in a file, not decoded yet.

    Raises:
        InputError: Pillow knows no such picture.
    """
    try:
        with without_size_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about small faults in metadata, which Pillow tolerates
            return Image.open(path)
    except UnidentifiedImageError:
        raise InputError("is not a picture, TIFF, NIfTI or .npy file that can be read", path) from None


@contextmanager
def without_size_limit() -> Iterator[None]:
    """Suspend Pillow's limit on pixels while any thread is in here, since Pillow checks it when it decodes, too.

    Images that are too large are refused by their predicted memory.
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
