"""Which tags of a page are copied as they are. A list of what may be, since others would make readers misread us."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import tifffile

from .metadata import Tag

_COPIED = frozenset(
    (
        *(
            269,
            271,
            272,
            274,
            280,
            281,
            285,
            286,
            287,
            301,
            306,
            315,
            316,
            318,
            319,
            321,
        ),  # documents, cameras, colours
        *(332, 333, 334, 336, 337, 340, 341, 529, 531, 532),  # inks, ranges and YCbCr
        *(700, 33432, 33723, 34377),  # XMP, copyright, IPTC, Photoshop's
        *(34735, 34736, 34737, 42112, 42113),  # the projection of GeoTIFF, GDAL's
    )
)
_PRIVATE_RANGE = frozenset(range(65000, 65536)) - frozenset(range(65420, 65470))  # those are Hamamatsu's, of slides
_MAX_SAMPLE_VALUE, _PAGE_NUMBER = 281, 297
_SHORT = 3
_VENDOR_MARKERS = frozenset((700,))  # by which tifffile knows their files
_RATIONALS = {5: "I", 10: "i"}  # by the numbers of their types
_STRUCTURE = frozenset(  # read, made anew, or say how the samples are stored
    (
        *(254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 282, 283, 284, 288, 289, 292, 293, 296, 297),
        *(305, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 515, 519, 520, 521, 530),
        *(33550, 33922, 34264, 34675, 50674, 50838, 50839),
    )
)


def copied_tags(page: tifffile.TiffPage, is_vendor: bool, is_single: bool = True) -> Iterator[Tag]:
    """The tags that are copied.

    Args:
        page: the page.
        is_vendor: whether the file has the dialect of a vendor, which is not written.
        is_single: whether the page is an image of its own, and not the first of a stack.
    """
    for tag in page.tags:
        if _is_copied(tag, is_vendor) or (tag.code == _PAGE_NUMBER and is_single):
            yield Tag(tag.code, int(tag.dtype), tag.count, _value(tag, page.parent.byteorder), True)


def highest_value(page: tifffile.TiffPage, bits: int | None) -> Iterator[Tag]:
    """The tag MaxSampleValue for grey samples with fewer `bits` than their type, unless the page has it already."""
    if bits is not None and bits > 8 and page.samplesperpixel == 1 and _MAX_SAMPLE_VALUE not in page.tags:
        value = struct.pack(f"{page.parent.byteorder}H", (1 << bits) - 1)
        yield Tag(_MAX_SAMPLE_VALUE, _SHORT, 1, value, True)


def dropped_names(page: tifffile.TiffPage, is_vendor: bool) -> list[str]:
    """The names of the tags that are lost."""
    return [tag.name for tag in page.tags if not _is_copied(tag, is_vendor) and tag.code not in _STRUCTURE]


def raw_value(tag: tifffile.TiffTag) -> bytes:
    """The value as it lies in the file, in its byte order and encoding."""
    file = tag.parent.filehandle
    file.seek(tag.valueoffset)
    value: bytes = file.read(tag.valuebytecount)
    if len(value) < tag.valuebytecount:
        raise ValueError(f"the tag {tag.name} lies beyond the end")
    return value


def _value(tag: tifffile.TiffTag, byteorder: str) -> bytes | tuple[int, ...]:
    """The value as `TiffWriter` takes it to the byte: fractions, of which it miscounts the bytes, as their numbers."""
    value = raw_value(tag)
    if tag.dtype not in _RATIONALS:
        return value
    return struct.unpack(f"{byteorder}{2 * tag.count}{_RATIONALS[tag.dtype]}", value)


def text(page: tifffile.TiffPage, code: int) -> bytes | None:
    """The value of a tag of text, without what fills it up."""
    tag = page.tags.get(code)
    return (raw_value(tag).rstrip(b"\0") or None) if tag is not None else None


def _is_copied(tag: tifffile.TiffTag, is_vendor: bool) -> bool:
    if is_vendor:
        return tag.code in _COPIED - _VENDOR_MARKERS
    return tag.code in _COPIED or tag.code in _PRIVATE_RANGE
