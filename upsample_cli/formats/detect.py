"""What kind of file something without a name is, as the suffix that its name would have."""

from __future__ import annotations

import zlib
from pathlib import Path

_HEADER_BYTES = 540  # of the longest header that tells: NIfTI-2's
_GZIP = b"\x1f\x8b"
_MAGIC = (  # what a file begins with, and the suffix of such files
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"II+\0", ".tif"),
    (b"MM\0+", ".tif"),
    (b"\x93NUMPY", ".npy"),
)
_NIFTI = {344: b"n+1\0", 4: b"n+2\0"}  # where a single file of version 1 or 2 says so
_MGH = b"\0\0\0\1"
_USUAL = {"JPEG2000": ".jp2", "PPM": ".pnm", "SGI": ".sgi", "TGA": ".tga"}  # of formats with many suffixes


def suffix_for(path: Path) -> str:
    """The suffix that suits the content of the file at `path`, or nothing where it is unknown."""
    with path.open("rb") as file:
        begin = file.read(2 * _HEADER_BYTES)
    if begin.startswith(_GZIP):
        return _of_compressed(begin)
    for magic, suffix in _MAGIC:
        if begin.startswith(magic):
            return suffix
    return _of_volume(begin) or _of_picture(path)


def _of_compressed(begin: bytes) -> str:
    try:
        inner = _of_volume(zlib.decompressobj(wbits=31).decompress(begin, _HEADER_BYTES))
    except zlib.error:
        return ""
    return {".nii": ".nii.gz", ".mgh": ".mgz"}.get(inner, "")


def _of_volume(begin: bytes) -> str:
    if any(begin[place:].startswith(magic) for place, magic in _NIFTI.items()):
        return ".nii"
    return ".mgh" if begin.startswith(_MGH) else ""


def _of_picture(path: Path) -> str:
    """The suffix that Pillow knows for the picture."""
    from PIL import Image, UnidentifiedImageError  # which knows many that begin in other ways

    from .picture.opening import without_size_limit

    try:
        with without_size_limit(), Image.open(path) as image:
            kind = image.format
    except (UnidentifiedImageError, OSError, ValueError):
        return ""
    suffixes = (suffix for suffix, name in Image.registered_extensions().items() if name == kind)
    return _USUAL.get(kind or "") or next(suffixes, "")
