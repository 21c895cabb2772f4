"""The formats of which Pillow alone knows: BMP, TGA, PPM, JPEG 2000, AVIF and others."""

from __future__ import annotations

import io
from functools import cache
from typing import Any, BinaryIO

from PIL import Image

from ..base import Array
from . import exif, jpeg2000
from .pixels import to_image
from .record import ALPHA, CHANNELS, INCH, Animation, Notes, Picture

ANIMATED = ("AVIF",)
_QUALITY = 95
_HOLDS = {
    "AVIF": frozenset(["EXIF", "XMP", "the ICC profile", "the resolution"]),
    "BMP": frozenset(["the resolution"]),
    "DIB": frozenset(["the resolution"]),
    "JPEG2000": frozenset(["comments"]),
    "PCX": frozenset(["the resolution"]),
    "MPO": frozenset(["EXIF", "XMP", "the ICC profile", "comments", "the resolution"]),
}
_OF_THE_ENCODING = {  # entries of `Image.info` that tell of the encoding, or are applied to the samples
    *(
        "background",
        "compression",
        "default_image",
        "duration",
        "loop",
        "primary",
        "sizes",
        "timestamp",
        "transparency",
    ),
    *("orientation", "id_section", "rle", "wal", "hotspots", "transparency", "blend", "disposal", "bbox", "version"),
}
_CARRIED = ("icc_profile", "exif", "xmp", "dpi", "comment")


def holds(format_name: str) -> frozenset[str]:
    """What a format can say beside samples, in words."""
    return _HOLDS.get(format_name, frozenset())


def read(image: Image.Image, file: BinaryIO) -> Notes:
    """What Pillow knows of a file beside its samples."""
    info = image.info
    profile, unread = jpeg2000.read(file) if image.format == "JPEG2000" else (info.get("icc_profile"), ())
    comment = info.get("comment", b"")
    dpi = info.get("dpi", (0, 0))
    lost = [*unread, *sorted(str(key) for key in info if key not in _CARRIED and key not in _OF_THE_ENCODING)]
    frames = getattr(image, "n_frames", 1) if image.format in ANIMATED else 1
    return Notes(
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
        return bytes(image.info["exif"]).removeprefix(exif.PREFIX)
    stored = image.getexif()
    return stored.tobytes().removeprefix(exif.PREFIX) if len(stored) else b""


def _animation(image: Image.Image, frames: int) -> Animation:
    durations = []
    for number in range(frames):
        image.seek(number)
        image.load()
        durations.append(float(image.info.get("duration", 0)))
    image.seek(0)
    return Animation(tuple(durations))


def write(file: BinaryIO, frames: Array, picture: Picture, format_name: str) -> None:
    """Write a picture by Pillow; the other arguments are those of `png_writing.write`."""
    notes = picture.notes
    images = [to_image(frame, picture) for frame in frames]
    held = holds(format_name)
    save: dict[str, Any] = {}
    if picture.dpi is not None:
        save["dpi"] = picture.dpi
    if "EXIF" in held and notes.exif:
        save["exif"] = exif.PREFIX + notes.exif
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


@cache
def gives_back(format_name: str, mode: str) -> bool:
    """Whether a format gives back pixels of a mode without loss of depth, colour or alpha: tried on a single one."""
    written = io.BytesIO()
    try:
        Image.new(mode, (1, 1)).save(written, format_name)
        with Image.open(written) as image:
            read, size, transparent = image.mode, image.size, "transparency" in image.info
    except Exception:  # encoders refuse in many ways
        return False
    deep = mode in ("I", "F") or mode.startswith("I;16")
    return (
        size == (1, 1)  # icons have sizes of their own
        and (not deep or read in ("I", "F") or read.startswith("I;16"))
        and (mode not in ALPHA or read in ALPHA or transparent)
        and (mode not in CHANNELS or mode in ALPHA or read in (*CHANNELS, "P"))
        and (mode != "CMYK" or read == "CMYK")
        and not (mode == "I" and format_name in ("PNG", "PPM"))  # they cut off what is beyond 16 bits
    )
