"""XMP: what it says of dimensions, orientation and resolution, as attributes or as elements."""

from __future__ import annotations

import re

PNG_KEYWORD = b"XML:com.adobe.xmp"
_THUMBNAILS = rb"(?s)<(xmp|xap):Thumbnails>.*?</\1:Thumbnails>"


def updated(xmp: bytes, size: tuple[int, int], dpi: tuple[float, float] | None, turned: bool = True) -> bytes:
    """The document with what is true of an output of `size`; nothing is added that was not there.

    Args:
        xmp: the document.
        size: width and height.
        dpi: samples per inch along x and y, None where that is not known.
        turned: whether the output has been turned upright, so that its orientation is 1.
    """
    if not xmp:
        return xmp
    width, height = map(str, size)
    values = {
        "tiff:ImageWidth": width,
        "tiff:ImageLength": height,
        "exif:PixelXDimension": width,
        "exif:PixelYDimension": height,
    }
    if turned:
        values["tiff:Orientation"] = "1"
    if dpi is not None:
        values |= {
            f"tiff:{axis}Resolution": f"{round(value * 1e4)}/10000" for axis, value in zip("XY", dpi, strict=True)
        }
        values["tiff:ResolutionUnit"] = "2"  # inches
    for name, value in values.items():
        xmp = _where(name).sub(rb"\g<1>" + value.encode(), xmp)
    return re.sub(_THUMBNAILS, b"", xmp)


def _where(name: str) -> re.Pattern[bytes]:
    """Matches the value of a property, behind what comes before it."""
    return re.compile(rb"([\s<]" + name.encode() + rb"(?:\s*=\s*[\"']|\s*>)\s*)[^\"'<]*")
