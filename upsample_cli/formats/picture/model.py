"""What the formats of pictures have in common: the records in which what a file says travels from one to another."""

from __future__ import annotations

from typing import NamedTuple

from ...geometry import INCH, Grid
from ..base import WriteOptions

CHANNELS = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
ALPHA = ("LA", "RGBA")
INDEXED = "P"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF_PREFIX = b"Exif\0\0"  # in JPEG, and left there by some who write EXIF elsewhere


class Kind(NamedTuple):
    """What a picture is, before it is decoded.

    Attributes:
        format: Pillow's name of the file's format.
        mode: Pillow's mode of the samples.
        size: width and height as they are stored.
        transparent: whether a level, a colour or entries of the palette are transparent.
    """

    format: str
    mode: str
    size: tuple[int, int]
    transparent: bool


class Animation(NamedTuple):
    """How the frames of an animation follow each other.

    Attributes:
        durations: of each frame, in milliseconds.
        plays: how often they are shown, 0 for ever.
        disposals: what becomes of each frame when its time is up, in GIF's numbers.
    """

    durations: tuple[float, ...]
    plays: int = 0
    disposals: tuple[int, ...] = ()

    def resampled(self, frames: int) -> Animation:
        """As many frames, which share the same time."""
        if frames == len(self.durations):
            return self
        return Animation((sum(self.durations) / frames,) * frames, self.plays)


class Palette(NamedTuple):
    """The colours that indices stand for.

    Attributes:
        colours: red, green and blue of each entry.
        opacity: of the first entries; the others are opaque.
    """

    colours: bytes
    opacity: bytes = b""


class PictureMetadata(NamedTuple):
    """What the file of a picture says beside its samples.

    Attributes:
        exif: a TIFF structure, or b"".
        xmp: an XML document, or b"".
        icc: the profile of the colours.
        comments: remarks for people.
        spacing: distance between samples along x and y in mm, or in no unit where `unit` is None.
        unit: of the spacing.
        animation: how the frames follow each other, None for a still picture.
        own: what only the same format understands.
        foreign_items: what that is, in words.
        lossless: whether a format that can be either is so.
        few_colours: whether the frames of an animation have no more than 256 colours each.
        warnings: what is not even carried over to the same format.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes | None = None
    comments: tuple[str, ...] = ()
    spacing: tuple[float, float] | None = None
    unit: str | None = None
    animation: Animation | None = None
    own: object = None
    foreign_items: tuple[str, ...] = ()
    lossless: bool = False
    few_colours: bool = False
    warnings: tuple[str, ...] = ()


class Metadata(NamedTuple):
    """What a picture's header keeps for a picture.

    Attributes:
        format: Pillow's name of the file's format.
        mode: Pillow's mode of the samples.
        grid: of the upright input.
        notes: what the file says.
        palette: of indices that are kept as they are.
        bits: of a sample in the file.
        picks: whether no sample will be anything but a copy of one of the input.
    """

    format: str
    mode: str
    grid: Grid
    notes: PictureMetadata = PictureMetadata()
    palette: Palette | None = None
    bits: int = 8
    picks: bool = False


class Picture(NamedTuple):
    """What an encoder needs to know besides the samples.

    Attributes:
        size: width and height.
        mode: Pillow's mode of the samples.
        notes: what the file shall say, true of the output.
        palette: of indices.
        bits: of a sample.
        history: what has been done, None where the file shall not say.
        options: what the user said of the encoding.
    """

    size: tuple[int, int]
    mode: str
    notes: PictureMetadata
    palette: Palette | None = None
    bits: int = 8
    history: str | None = None
    options: WriteOptions = WriteOptions()

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Samples per inch along x and y, where that is known."""
        if self.notes.spacing is None or self.notes.unit != "mm":
            return None
        return INCH / self.notes.spacing[0], INCH / self.notes.spacing[1]
