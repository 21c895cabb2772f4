"""Formats read and written entirely by Pillow: BMP, TGA, PPM, JPEG 2000, AVIF and others."""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL import Image

from ...geometry import INCH
from ..base import Array
from ..dropped import dropped_entries
from . import avif, jpeg2000
from .metadata import supported_metadata
from .model import EXIF_PREFIX, Animation, EncodeSpec, PictureMetadata
from .pixels import to_image

_DEFAULT_QUALITY = 95
_MAX_DPI = 2**31 / 40  # samples per metre are stored in 32 bits, and a metre has 39.37 inches
_ENCODING_KEYS = {  # entries of `Image.info` about the encoding, or applied while decoding
    *("background", "bbox", "blend", "compression", "default_image", "disposal", "duration", "hotspots", "id_section"),
    *("loop", "orientation", "primary", "rle", "sizes", "timestamp", "transparency", "version", "wal"),
}
_CARRIED_KEYS = ("icc_profile", "exif", "xmp", "dpi", "comment")


def read(image: Image.Image, file: BinaryIO) -> PictureMetadata:
    """Read the metadata that Pillow knows."""
    info = image.info
    profile, unsupported = jpeg2000.read(file) if image.format == "JPEG2000" else (info.get("icc_profile"), ())
    comment = info.get("comment", b"")
    dpi = info.get("dpi", (0, 0))
    dropped = [
        *unsupported,
        *sorted(str(key) for key in info if key not in _CARRIED_KEYS and key not in _ENCODING_KEYS),
    ]
    frames = getattr(image, "n_frames", 1) if image.format == "AVIF" else 1
    return PictureMetadata(
        exif=_exif(image),
        xmp=info.get("xmp", b""),
        icc=profile or None,
        comments=((comment.decode("latin-1") if isinstance(comment, bytes) else comment),) if comment else (),
        spacing=(INCH / float(dpi[0]), INCH / float(dpi[1])) if min(dpi) > 0 else None,
        unit="mm" if min(dpi) > 0 else None,
        animation=Animation(avif.durations(file, frames)) if frames > 1 else None,
        warnings=tuple(dropped_entries(dropped)),
    )


def _exif(image: Image.Image) -> bytes:
    if "exif" in image.info:
        return bytes(image.info["exif"]).removeprefix(EXIF_PREFIX)
    stored = image.getexif()
    return stored.tobytes().removeprefix(EXIF_PREFIX) if len(stored) else b""


def write(file: BinaryIO, frames: Array, spec: EncodeSpec, format_name: str) -> None:
    """Write a picture with Pillow; the other arguments are those of `png.writer.write`."""
    metadata = spec.metadata
    images = [to_image(frame, spec) for frame in frames]
    supported = supported_metadata(format_name)
    save: dict[str, Any] = {}
    if spec.dpi is not None:
        save["dpi"] = tuple(min(value, _MAX_DPI) for value in spec.dpi)
    elif format_name in ("BMP", "DIB"):
        save["dpi"] = (0, 0)  # unknown; Pillow's default is 96
    if format_name == "ICO":  # by default, Pillow adds smaller sizes and omits larger ones
        save |= {"sizes": [spec.size], "bitmap_format": "png"}
    if "EXIF" in supported and metadata.exif:
        save["exif"] = EXIF_PREFIX + metadata.exif
    if "XMP" in supported and metadata.xmp:
        save["xmp"] = metadata.xmp
    if metadata.icc and "the ICC profile" in supported:
        save["icc_profile"] = metadata.icc
    if metadata.comments and "comments" in supported:
        save["comment"] = "\n".join(metadata.comments)
    if format_name in ("AVIF", "MPO"):
        save["quality"] = spec.options.quality or _DEFAULT_QUALITY
    if metadata.animation is not None:
        durations = [round(duration) for duration in metadata.animation.durations]
        save |= {"save_all": True, "append_images": images[1:], "duration": durations}
    images[0].save(file, format_name, **save)
