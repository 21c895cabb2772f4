"""Converts the tags of a TIFF page to the documents that picture formats store."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import tifffile

from ..documents import Documents
from .directories import Tree, packed

DOCUMENT_TAGS = frozenset(  # of documents, cameras, authors and ratings, and Windows' own text tags
    (269, 271, 272, 274, 285, 306, 315, 316, 33432, 33723, 18246, 18249, 40091, 40092, 40093, 40094, 40095)
)
_ORIENTATION = 274
_XMP, _IPTC, _PHOTOSHOP = 700, 33723, 34377
_ASCII = 2
_BIGTIFF_TYPES = (16, 17, 18)  # data types that only BigTIFF has


def documents(
    tags: Iterable[tuple[int, int, int, Any, bool]],
    directories: Mapping[int, Tree],
    texts: Mapping[int, bytes | None],
    byteorder: str,
) -> Documents:
    """The documents of a page.

    Args:
        tags: code, data type, number of values, values, and a flag of each tag.
        directories: of EXIF and GPS, by the tags that point to them.
        texts: the description and the software, by tag number.
        byteorder: of the values.
    """
    from ..picture import photoshop  # rarely needed

    values = {code: (dtype, count, _stored(value, byteorder)) for code, dtype, count, value, _ in tags}
    entries = [(code, _ASCII, len(text) + 1, text + b"\0") for code, text in texts.items() if text]
    entries += [(code, *values[code]) for code in (DOCUMENT_TAGS & values.keys()) - {_ORIENTATION, _IPTC}]
    children = {code: _classic(tree) for code, tree in directories.items()}
    exif = packed(Tree(tuple(sorted(entries)), children, byteorder == "<")) if entries or children else b""
    resources, iptc = (values.get(code, (0, 0, b""))[2] for code in (_PHOTOSHOP, _IPTC))
    if iptc and not photoshop.resource(resources, photoshop.IPTC):
        resources += photoshop.packed(photoshop.IPTC, iptc)
    names = {code: f"the tag {tifffile.TIFF.TAGS.get(code, str(code))}" for code in values}
    items = {
        "EXIF": {"EXIF", "the image description", *(names[code] for code, *_ in entries if code in names)},
        "XMP": {names[code] for code in values if code == _XMP},
        "Photoshop's resources": {names[code] for code in values if code in (_PHOTOSHOP, _IPTC)},
    }
    xmp = values.get(_XMP, (0, 0, b""))[2].rstrip(b"\0")
    return Documents(exif, xmp, resources, {name: frozenset(held) for name, held in items.items()})


def _stored(value: Any, byteorder: str) -> bytes:
    """The bytes of a tag value; fractions are sequences of integers, signed or unsigned."""
    if isinstance(value, bytes):
        return value
    return b"".join(struct.pack(byteorder + ("i" if number < 0 else "I"), number) for number in value)


def _classic(tree: Tree) -> Tree:
    """The tree without values that only BigTIFF has."""
    entries = tuple(entry for entry in tree.entries if entry[1] not in _BIGTIFF_TYPES)
    return Tree(entries, {code: _classic(child) for code, child in tree.children.items()}, tree.little_endian)
