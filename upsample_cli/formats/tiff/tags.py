"""Chooses the tags of a page that are copied. Unknown tags are dropped, because they may not hold for the output."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

import tifffile

from .directories import Layout as FileLayout
from .directories import Tree, read_tree
from .documents import DOCUMENT_TAGS
from .metadata import Tag

_COPIED = DOCUMENT_TAGS | {
    *(280, 281, 286, 287, 301, 318, 319, 321),  # ranges, positions, colours
    *(332, 333, 334, 336, 337, 340, 341, 529, 531, 532),  # inks, ranges and YCbCr
    *(700, 34377),  # XMP, Photoshop's resources
    *(34735, 34736, 34737, 42112, 42113),  # the projection of GeoTIFF, and GDAL's tags
}
_PRIVATE_RANGE = frozenset(range(65000, 65536)) - frozenset(range(65420, 65470))  # except Hamamatsu's tags of slides
_EXIF, _GPS, _INTEROPERABILITY = 34665, 34853, 40965
POINTERS = (_EXIF, _GPS, _INTEROPERABILITY)  # tags that lead to directories of EXIF
_WIDTHS, _HEIGHTS = (40962, 4097), (40963, 4098)  # in EXIF and in its directory of interoperability
_SUBJECT_POSITIONS = (37396, 41492)  # in pixels of the input
_LONG = 4
_MAX_SAMPLE_VALUE, _PAGE_NUMBER = 281, 297
_SHORT = 3
_VENDOR_MARKERS = frozenset((700,))  # by which tifffile recognises files of vendors
_RATIONALS = {5: "I", 10: "i"}  # struct formats by data type
_STRUCTURE = frozenset(  # written by tifffile, or about the storage of samples
    (
        *(254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 282, 283, 284, 288, 289, 292, 293, 296, 297),
        *(305, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 515, 519, 520, 521, 530),
        *(32995, 32996, 32997, 32998, 59932),  # obsolete tags of alpha, data type and depth, and padding
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
        dtype, code = (_SHORT, "H") if bits <= 16 else (_LONG, "I")
        value = struct.pack(f"{page.parent.byteorder}{code}", (1 << bits) - 1)
        yield Tag(_MAX_SAMPLE_VALUE, dtype, 1, value, True)


def dropped_names(page: tifffile.TiffPage, is_vendor: bool, kept: Container[int] = ()) -> list[str]:
    """The names of the tags that are dropped, without those of directories that are `kept`."""
    dropped = [
        tag.name
        for tag in page.tags
        if not _is_copied(tag, is_vendor) and tag.code not in _STRUCTURE and tag.code not in kept
    ]
    return list(dict.fromkeys(dropped))


def written_value(data: bytes, dtype: int, byteorder: str) -> bytes | tuple[int, ...]:
    """A stored value as `TiffWriter` takes it: bytes; for fractions, numerators and denominators."""
    if dtype not in _RATIONALS:
        return data
    return struct.unpack(f"{byteorder}{len(data) // 4}{_RATIONALS[dtype]}", data)


def read_directories(page: tifffile.TiffPage) -> dict[int, Tree]:
    """The directories of EXIF and GPS of a page."""
    if not any(code in page.tags for code in POINTERS):
        return {}
    with Path(page.parent.filehandle.path).open("rb") as file:
        tree = read_tree(file, page.offset, FileLayout.of(file), POINTERS)
    return dict(tree.children) if tree is not None else {}


def updated_directories(trees: Mapping[int, Tree], size: tuple[int, int]) -> dict[int, Tree]:
    """The directories with the `size`, width and height, of the output, and without positions in pixels."""
    numbers = dict.fromkeys(_WIDTHS, size[0]) | dict.fromkeys(_HEIGHTS, size[1])
    updated = {}
    for name, tree in trees.items():
        entries = []
        for code, dtype, count, data in tree.entries:
            if code in numbers and name != _GPS and count == 1 and dtype in (_SHORT, _LONG):
                byteorder = "<" if tree.little_endian else ">"
                dtype, data = _LONG, struct.pack(f"{byteorder}I", numbers[code])
            if code not in _SUBJECT_POSITIONS or name == _GPS:
                entries.append((code, dtype, count, data))
        updated[name] = Tree(tuple(entries), updated_directories(tree.children, size), tree.little_endian)
    return updated


def has_subject_position(trees: Mapping[int, Tree]) -> bool:
    """Whether directories contain subject positions in pixels, which `updated_directories` drops."""
    return any(
        (code in _SUBJECT_POSITIONS and name != _GPS) for name, tree in trees.items() for code, *_ in tree.entries
    )


def raw_value(tag: tifffile.TiffTag) -> bytes:
    """The value as stored, in the byte order of the file."""
    file = tag.parent.filehandle
    file.seek(tag.valueoffset)
    value: bytes = file.read(tag.valuebytecount)
    if len(value) < tag.valuebytecount:
        raise ValueError(f"the value of the tag {tag.name} lies beyond the end of the file")
    return value


def _value(tag: tifffile.TiffTag, byteorder: str) -> bytes | tuple[int, ...]:
    return written_value(raw_value(tag), int(tag.dtype), byteorder)


def text(page: tifffile.TiffPage, code: int) -> bytes | None:
    """The value of a text tag without trailing zeros."""
    tag = page.tags.get(code)
    return (raw_value(tag).rstrip(b"\0") or None) if tag is not None else None


def _is_copied(tag: tifffile.TiffTag, is_vendor: bool) -> bool:
    if is_vendor:
        return tag.code in _COPIED - _VENDOR_MARKERS
    return tag.code in _COPIED or tag.code in _PRIVATE_RANGE
