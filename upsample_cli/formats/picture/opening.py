"""Opens pictures with Pillow, without its limit on the number of pixels, and reads their palettes."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as Image
from PIL import ImageFile, UnidentifiedImageError

from ...errors import InputError
from .model import Palette

_MAGIC = {  # the position of these bytes, and the name of the format
    b"ftypavif": (4, "AVIF"),
    b"ftypavis": (4, "AVIF"),
    b"jP  ": (4, "JPEG 2000"),
    b"\xff\x4f\xff\x51": (0, "JPEG 2000"),
    b"\xff\xd8\xff": (0, "JPEG"),
    b"8BPS": (0, "PSD"),
    b"\0\0\1\0": (0, "ICO"),
}

_limit_lock = threading.Lock()
_limit_users = 0
_limit_before: int | None = None
_tolerance_lock = threading.Lock()


def open_image(path: Path, data: bytes | None = None) -> Image.Image:
    """Open a picture without decoding it, from `data` if they are not those of the file.

    Raises:
        InputError: Pillow does not recognize the format.
    """
    try:
        with without_size_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about minor metadata errors, which Pillow tolerates
            return Image.open(path if data is None else io.BytesIO(data))
    except UnidentifiedImageError:
        name = _format_name(path)
        if name is not None:
            raise InputError(f"is {name} that is damaged, or of a kind that cannot be read", path) from None
        raise InputError("is not a picture, TIFF, NIfTI or .npy file that can be read", path) from None


def _format_name(path: Path) -> str | None:
    """The name of the format, recognized by the first bytes; None if they are unknown."""
    with path.open("rb") as file:
        start = file.read(16)
    return next((name for magic, (place, name) in _MAGIC.items() if start[place:].startswith(magic)), None)


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
    """Let Pillow return the readable part of a truncated file. One thread at a time, because the switch is global."""
    with _tolerance_lock:
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def palette_of(image: Image.Image) -> Palette | None:
    """The palette of a picture that is not decoded yet, with the alpha of its entries; None if there is none."""
    if image.palette is None:
        image.load()  # some files have it behind their pixels
    if image.palette is None:
        return None
    tiny = Image.new("P", (1, 1))  # converts any order of the bytes
    tiny.im.putpalette(image.palette.mode, *image.palette.getdata())
    entries = tiny.im.getpalette(image.palette.mode, image.palette.mode)
    samples = len(image.palette.mode)
    colours = b"".join(entries[start : start + 3] for start in range(0, len(entries), samples))
    transparency = image.info.get("transparency", b"")
    if isinstance(transparency, int):
        return Palette(colours, b"\xff" * transparency + b"\0")
    return Palette(colours, bytes(transparency) or (entries[3::4] if samples == 4 else b""))
