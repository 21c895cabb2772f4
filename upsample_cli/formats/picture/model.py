"""Records and constants that the picture formats share."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable

from ...geometry import INCH, Grid
from ..base import Array, Header, WriteOptions

CHANNELS = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
ALPHA = ("LA", "RGBA")
INDEXED = "P"
CODESTREAM_SUFFIXES = (".j2k", ".j2c", ".jpc")  # of JPEG 2000 files without boxes
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_CHUNKS = (b"IHDR", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT")  # of PNG
EXIF_PREFIX = b"Exif\0\0"  # required in JPEG; some encoders write it in other formats too


class PixelKind(NamedTuple):
    """Format and pixel type of a picture, known before it is decoded.

    Attributes:
        format: Pillow's name of the file format.
        mode: Pillow mode of the samples.
        size: width and height as stored, in pixels.
        transparent: whether a grey level, a colour or palette entries are transparent.
        dtype: NumPy's name of the type of the samples, where `mode` does not tell it.
    """

    format: str
    mode: str
    size: tuple[int, int]
    transparent: bool
    dtype: str = ""


class Animation(NamedTuple):
    """Timing of an animation.

    Attributes:
        durations: of each frame, in milliseconds.
        plays: number of times the animation is played; 0 means endlessly.
        disposals: GIF disposal method of each frame, or ().
    """

    durations: tuple[float, ...]
    plays: int = 0
    disposals: tuple[int, ...] = ()

    def resampled(self, frames: int) -> Animation:
        """The animation with `frames` frames and the same total duration, divided equally if their number changes."""
        if frames == len(self.durations):
            return self
        return Animation((sum(self.durations) / frames,) * frames, self.plays)


class Palette(NamedTuple):
    """Colour table of indexed pixels.

    Attributes:
        colours: red, green and blue of each entry, one byte each.
        alpha: of the first entries, one byte each; the remaining entries are opaque.
    """

    colours: bytes
    alpha: bytes = b""


class PictureMetadata(NamedTuple):
    """Metadata of a picture file, independent of the format where possible.

    Attributes:
        exif: a TIFF structure, or b"".
        xmp: an XML document, or b"".
        icc: ICC profile, or None.
        comments: free text.
        spacing: distance between samples along x and y in mm; only their ratio is meaningful if `unit` is None.
        unit: "mm", or None.
        animation: timing of the frames, None for a still picture.
        native: format-specific data (chunks, segments, extensions), copied only to the same format.
        foreign_items: descriptions of the items in `native`, for the warning of other formats.
        lossless: whether the samples are compressed without loss.
        at_most_256_colours: whether each frame has at most 256 colours.
        warnings: about parts of the file that are dropped even if the output has the same format.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes | None = None
    comments: tuple[str, ...] = ()
    spacing: tuple[float, float] | None = None
    unit: str | None = None
    animation: Animation | None = None
    native: object = None
    foreign_items: tuple[str, ...] = ()
    lossless: bool = False
    at_most_256_colours: bool = False
    warnings: tuple[str, ...] = ()


class PictureInfo(NamedTuple):
    """Picture-specific part of a `Header`; stored as `Header.metadata`.

    Attributes:
        format: Pillow's name of the file format.
        mode: Pillow mode in which the samples are resized.
        grid: of the input after its EXIF orientation has been applied.
        metadata: of the file.
        palette: of pixels that stay indexed, else None.
        bits: per sample in an output file.
        copies_samples: whether each output sample is a copy of an input sample.
    """

    format: str
    mode: str
    grid: Grid
    metadata: PictureMetadata = PictureMetadata()
    palette: Palette | None = None
    bits: int = 8
    copies_samples: bool = False

    def for_samples(self, header: Header) -> PictureInfo:
        """See `AdaptableMetadata`; grey samples that no mode stands for get the mode F."""
        channels = header.grid["s"].size if header.grid.names[-1] == "s" else 1
        grey = {"uint8": "L", "uint16": "I;16", "int32": "I"}.get(header.dtype.newbyteorder("=").name, "F")
        mode = {1: grey, 2: "LA", 3: "RGB", 4: self.mode}[channels]
        return self._replace(mode=mode, palette=None, bits=8 * header.dtype.itemsize, copies_samples=False)

    def stripped(self) -> PictureInfo:
        """See `AdaptableMetadata`."""
        kept = PictureMetadata(
            icc=self.metadata.icc,
            spacing=self.metadata.spacing,
            unit=self.metadata.unit,
            animation=self.metadata.animation,
            native=_stripped(self.metadata.native),
            lossless=self.metadata.lossless,
            at_most_256_colours=self.metadata.at_most_256_colours,
        )
        return self._replace(metadata=kept)


@runtime_checkable
class NativeSettings(Protocol):
    """Format-specific data, of which a part controls the encoder."""

    def stripped(self) -> object:
        """The part that controls the encoder."""
        ...


def _stripped(native: object) -> object:
    """The format-specific data that encoding and colours need: settings, or tuples that begin with a chunk name."""
    if isinstance(native, NativeSettings):
        return native.stripped()
    return tuple(chunk for chunk in native if chunk[0] in _COLOUR_CHUNKS) if isinstance(native, tuple) else None


class Picture(NamedTuple):
    """A picture file that is decoded by a module of this package instead of Pillow.

    Attributes:
        kind: format and pixel type.
        metadata: of the file.
        decode: returns the samples, given the open file.
        upright: whether `decode` applies the orientation.
        decode_part: returns the samples of a truncated file, zeros where they are missing; None if `decode` does so for
            a file that is padded with zeros.
    """

    kind: PixelKind
    metadata: PictureMetadata
    decode: Callable[[BinaryIO], Array]
    upright: bool = False
    decode_part: Callable[[BinaryIO], Array] | None = None


class EncodeSpec(NamedTuple):
    """Everything an encoder needs besides the samples.

    Attributes:
        size: width and height in pixels.
        mode: Pillow mode of the samples.
        metadata: of the output.
        palette: of indexed pixels, else None.
        expands_palette: whether the samples are indices, to be written as the colours of `palette` in `mode`.
        bits: per sample.
        history: ASCII description of the processing to record, None to record nothing.
        options: encoder options given by the user.
    """

    size: tuple[int, int]
    mode: str
    metadata: PictureMetadata
    palette: Palette | None = None
    expands_palette: bool = False
    bits: int = 8
    history: str | None = None
    options: WriteOptions = WriteOptions()

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Samples per inch along x and y, None if unknown."""
        if self.metadata.spacing is None or self.metadata.unit != "mm":
            return None
        return INCH / self.metadata.spacing[0], INCH / self.metadata.spacing[1]
