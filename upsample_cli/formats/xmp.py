"""Updates dimensions, orientation and resolution in XMP, stored as attributes or elements.

Values are replaced in the text, so that the rest of the packet stays as it is.
"""

from __future__ import annotations

import re

PNG_KEYWORD = b"XML:com.adobe.xmp"
_ORIENTATION = re.compile(rb"[\s<]tiff:Orientation\s*+(?:=\s*+[\"']|>)\s*+([1-8])\s*+[\"'<]")


def is_well_formed(xmp: bytes) -> bool:
    """Whether a document is well-formed XML without entity declarations, which could expand to huge texts."""
    from xml.parsers import expat  # needed for files with XMP only

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse_entities
    try:
        parser.Parse(xmp.strip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, ValueError):
        return False
    return True


def _refuse_entities(*_: object) -> None:
    raise ValueError


def updated(xmp: bytes, size: tuple[int, int], dpi: tuple[float, float] | None, turned: bool = True) -> bytes:
    """The document updated for an output of `size`; no property is added.

    Args:
        xmp: the document.
        size: width and height.
        dpi: samples per inch along x and y, None if unknown.
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
        xmp = _property_pattern(name).sub(rb"\g<1>" + value.encode(), xmp)
    return _without_thumbnails(xmp)


def _without_thumbnails(xmp: bytes) -> bytes:
    """The document without its previews, in one pass: the time is linear in its length."""
    for prefix in (b"xmp", b"xap"):
        kept, start, end = [], 0, b"</" + prefix + b":Thumbnails>"
        while (begin := xmp.find(b"<" + prefix + b":Thumbnails>", start)) >= 0 and (stop := xmp.find(end, begin)) >= 0:
            kept.append(xmp[start:begin])
            start = stop + len(end)
        xmp = b"".join([*kept, xmp[start:]])
    return xmp


def _property_pattern(name: str) -> re.Pattern[bytes]:
    """A pattern for the value of a property, with the text before it as group 1."""
    return re.compile(rb"([\s<]" + name.encode() + rb"\s*+(?:=\s*+[\"']|>)\s*+)[^\"'<]*+")  # possessive: linear time


def orientation(xmp: bytes) -> int:
    """The orientation in a document, as in EXIF; 1 (upright) if it has none."""
    found = _ORIENTATION.search(xmp)
    return int(found[1]) if found else 1
