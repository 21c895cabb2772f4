"""Documents that files of several families hold: EXIF, XMP and Photoshop's resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable


class Documents(NamedTuple):
    """The documents of a file of another family.

    Attributes:
        exif: a TIFF structure, or b"".
        xmp: an XML document, or b"".
        photoshop: Photoshop's image resources, or b"".
        items: for ``EXIF``, ``XMP`` and ``Photoshop's resources``: which of the header's `foreign_items` they hold.
    """

    exif: bytes
    xmp: bytes
    photoshop: bytes
    items: Mapping[str, frozenset[str]]


@runtime_checkable
class Documented(Protocol):
    """Metadata of a family that has such documents."""

    def documents(self) -> Documents:
        """The documents."""
        ...
