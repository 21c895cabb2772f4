"""Reads and writes HEIC and HEIF with pillow-heif, an optional dependency."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import InputError, OutputError
from ..base import Array
from ..dropped import Dropped, Loss
from . import exif
from .model import EXIF_PREFIX, EncodeSpec, Picture, PictureMetadata, PixelKind
from .pixels import unpremultiplied

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")  # which Pillow reads
_INSTALL = "pip install 'upsample[heif]'"
_FASTEST = {"preset": "ultrafast"}  # of x265: a seventh of the time of its default, as near, and 16% larger
_DEFAULT_QUALITY = 90


def recognizes(start: bytes) -> bool:
    """Whether a file of boxes that begins with `start` is HEIF and not AVIF."""
    box = start[8 : int.from_bytes(start[:4], "big")]
    brands = [box[:4], *(box[n : n + 4] for n in range(8, len(box), 4))]
    return any(brand in _BRANDS for brand in brands) and not any(brand in _AVIF_BRANDS for brand in brands)


def read(file: BinaryIO, path: Path) -> Picture:
    """Read the header and the metadata of the primary picture of a HEIF file.

    Raises:
        InputError: pillow-heif is not installed.
        ValueError: the file is damaged.
    """
    try:
        import pillow_heif
    except ImportError:
        raise InputError(f"is a HEIC picture; to read it, install the library for it: {_INSTALL}", path) from None
    file.seek(0)
    opened = pillow_heif.open_heif(file.read(), convert_hdr_to_8bit=False, hdr_to_16bit=True)
    image = opened[opened.primary_index]
    mode, deep = image.mode.removesuffix(";16"), ";16" in image.mode
    premultiplied = mode == "RGBa"
    mode = "I;16" if deep and mode in ("I", "L") else mode.upper()
    info: dict[str, Any] = dict(image.info)
    warnings = (
        [Dropped(f"only the first of its {len(opened)} pictures is resized", Loss.OTHER)] if len(opened) > 1 else []
    )
    if info.get("depth_images"):
        warnings.append(Dropped("its depth map is dropped", Loss.OTHER))
    metadata = PictureMetadata(
        exif=exif.upright((info.get("exif") or b"").removeprefix(EXIF_PREFIX)),
        xmp=info.get("xmp") or b"",
        icc=info.get("icc_profile") or None,
        warnings=tuple(warnings),
    )
    kind = PixelKind("HEIF", mode, image.size, False, "uint16" if deep else "")
    return Picture(kind, metadata, partial(_decode, image, premultiplied), upright=True)


def _decode(image: Any, premultiplied: bool, file: BinaryIO) -> Array:
    samples = np.asarray(image)
    return unpremultiplied(samples) if premultiplied else samples


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture; the arguments are those of `png.writer.write`.

    Raises:
        OutputError: pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError:
        raise OutputError(f"to write HEIC, install the library for it: {_INSTALL}") from None
    frame = np.ascontiguousarray(frames[0])
    image = pillow_heif.from_bytes(spec.mode, spec.size, frame.tobytes())
    if spec.metadata.icc:
        image[0].info["icc_profile"] = spec.metadata.icc
    quality = _DEFAULT_QUALITY if spec.options.quality is None else spec.options.quality
    exif_data = EXIF_PREFIX + spec.metadata.exif if spec.metadata.exif else None
    image.save(file, quality=quality, exif=exif_data, xmp=spec.metadata.xmp or None, enc_params=_FASTEST)
