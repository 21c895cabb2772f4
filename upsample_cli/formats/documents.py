"""Metadata that several file families share: EXIF, XMP, Photoshop's image resources, and descriptions of channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable


class Documents(NamedTuple):
    """The documents of a file, for output in another family.

    Attributes:
        exif: a TIFF structure, or b"".
        xmp: an XML document, or b"".
        photoshop: Photoshop's image resources, or b"".
        items: for ``EXIF``, ``XMP`` and ``Photoshop's resources``: the header's `foreign_items` that each contains.
    """

    exif: bytes
    xmp: bytes
    photoshop: bytes
    items: Mapping[str, frozenset[str]]


@runtime_checkable
class Documented(Protocol):
    """Metadata of a family whose files contain such documents."""

    def documents(self) -> Documents:
        """The documents."""
        ...


class Channel(NamedTuple):
    """One channel of a microscope image.

    Attributes:
        name: the name, or an empty string.
        colour: six hexadecimal digits for red, green and blue, or None.
    """

    name: str
    colour: str | None


@runtime_checkable
class WithChannels(Protocol):
    """Metadata of a family whose files describe the channels."""

    def channels(self) -> tuple[Channel, ...]:
        """The channels, in order; () if they are not described."""
        ...
