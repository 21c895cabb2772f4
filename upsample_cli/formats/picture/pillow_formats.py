"""The formats of which Pillow alone knows: BMP, TGA, PPM, JPEG 2000, AVIF and others."""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL import Image

from ...geometry import INCH
from ..base import Array
from . import jpeg2000, metadata
from .model import EXIF_PREFIX, Animation, Picture, PictureMetadata
from .pixels import to_image

_QUALITY = 95
_DENSEST = 2**31 / 40  # samples per inch, of which 39.37 go into the 32 bits of samples per metre
_OF_THE_ENCODING = {  # entries of `Image.info` that tell of the encoding, or are applied to the samples
    "background",
    "bbox",
    "blend",
    "compression",
    "default_image",
    "disposal",
    "duration",
    "hotspots",
    "id_section",
    "loop",
    "orientation",
    "primary",
    "rle",
    "sizes",
    "timestamp",
    "transparency",
    "version",
    "wal",
}
_CARRIED = ("icc_profile", "exif", "xmp", "dpi", "comment")


def read(image: Image.Image, file: BinaryIO) -> PictureMetadata:
    """What Pillow knows of a file beside its samples."""
    info = image.info
    profile, unread = jpeg2000.read(file) if image.format == "JPEG2000" else (info.get("icc_profile"), ())
    comment = info.get("comment", b"")
    dpi = info.get("dpi", (0, 0))
    lost = [*unread, *sorted(str(key) for key in info if key not in _CARRIED and key not in _OF_THE_ENCODING)]
    frames = getattr(image, "n_frames", 1) if image.format == "AVIF" else 1
    return PictureMetadata(
        exif=_exif(image),
        xmp=info.get("xmp", b""),
        icc=profile or None,
        comments=((comment.decode("latin-1") if isinstance(comment, bytes) else comment),) if comment else (),
        spacing=(INCH / float(dpi[0]), INCH / float(dpi[1])) if min(dpi) > 0 else None,
        unit="mm" if min(dpi) > 0 else None,
        animation=_animation(image, frames) if frames > 1 else None,
        warnings=(f"these entries of its metadata are dropped: {', '.join(lost)}",) if lost else (),
    )


def _exif(image: Image.Image) -> bytes:
    if "exif" in image.info:
        return bytes(image.info["exif"]).removeprefix(EXIF_PREFIX)
    stored = image.getexif()
    return stored.tobytes().removeprefix(EXIF_PREFIX) if len(stored) else b""


def _animation(image: Image.Image, frames: int) -> Animation:
    durations = []
    for number in range(frames):
        image.seek(number)
        image.load()
        durations.append(float(image.info.get("duration", 0)))
    image.seek(0)
    return Animation(tuple(durations))


def write(file: BinaryIO, frames: Array, picture: Picture, format_name: str) -> None:
    """Write a picture by Pillow; the other arguments are those of `png.writer.write`."""
    notes = picture.notes
    images = [to_image(frame, picture) for frame in frames]
    held = metadata.held(format_name)
    save: dict[str, Any] = {}
    if picture.dpi is not None:
        save["dpi"] = tuple(min(value, _DENSEST) for value in picture.dpi)
    if format_name == "ICO":  # which would hold smaller ones besides, and none that is larger
        save |= {"sizes": [picture.size], "bitmap_format": "png"}
    if "EXIF" in held and notes.exif:
        save["exif"] = EXIF_PREFIX + notes.exif
    if "XMP" in held and notes.xmp:
        save["xmp"] = notes.xmp
    if notes.icc and "the ICC profile" in held:
        save["icc_profile"] = notes.icc
    if notes.comments and "comments" in held:
        save["comment"] = "\n".join(notes.comments)
    if format_name in ("AVIF", "MPO"):
        save["quality"] = picture.options.quality or _QUALITY
    if notes.animation is not None:
        durations = [round(duration) for duration in notes.animation.durations]
        save |= {"save_all": True, "append_images": images[1:], "duration": durations}
    images[0].save(file, format_name, **save)
