"""Reads PNG chunk by chunk, so that chunks which Pillow drops are preserved."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ... import bounded, xmp
from ...dropped import Dropped, Loss
from ..model import EXIF_PREFIX, PNG_SIGNATURE, Animation, Palette, PictureInfo, PictureMetadata, PixelKind
from . import ancillary
from .ancillary import RAW_PROFILES, TEXT

COLOUR_TYPES = {"1": 0, "L": 0, "I;16": 0, "LA": 4, "RGB": 2, "RGBA": 6, "P": 3}
BEFORE_PALETTE = (b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT")
_PIXEL_FORMAT_CHUNKS = (b"sBIT", b"bKGD")  # meaningless in another pixel format
_COPIED = (*BEFORE_PALETTE, *TEXT, b"bKGD", b"sPLT", b"tIME", b"sTER", b"pCAL")
_UNIQUE = frozenset((*BEFORE_PALETTE, b"bKGD", b"tIME", b"sTER", b"pCAL"))
_POSITIONAL = (b"oFFs",)  # marked as safe to copy, but measured in pixels
_REWRITTEN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"pHYs", b"eXIf", b"acTL", b"fcTL", b"fdAT")
_COLOUR_SPACE_CHUNKS = (b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI")  # other formats need ICC profiles for these
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}  # Pillow modes by colour type
SAMPLES_PER_PIXEL = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
DISPOSE_BACKGROUND = 1
_SHOWN = (b"tRNS", b"acTL", b"fcTL")  # ancillary chunks that change the picture

Frame = tuple[bytes, tuple[tuple[int, int], ...]]


class Chunk(NamedTuple):
    """A chunk of a PNG file.

    Attributes:
        name: four ASCII letters.
        data: content.
        after_pixels: whether it follows the pixel data.
    """

    name: bytes
    data: bytes
    after_pixels: bool = False


class Structure(NamedTuple):
    """How the samples of a PNG file are stored.

    Attributes:
        size: width and height in pixels.
        depth: bits per sample.
        colour_type: number of the PNG specification.
        palette: or None.
        colour_key: the transparent grey level or colour, or ().
        frames: of an animation: control chunk of each, and offsets and lengths of its compressed samples.
        separate_default_image: whether the default image is not a frame of the animation.
        interlaced: whether Adam7 interlacing is used.
        pixels: offsets and lengths of the compressed samples of the default image.
        complete: whether the file ends where it should.
    """

    size: tuple[int, int]
    depth: int
    colour_type: int
    palette: Palette | None = None
    colour_key: tuple[int, ...] = ()
    frames: tuple[Frame, ...] = ()
    separate_default_image: bool = False
    interlaced: bool = False
    pixels: tuple[tuple[int, int], ...] = ()
    complete: bool = True

    @property
    def pixel_kind(self) -> PixelKind:
        """Format and pixel type in Pillow's terms."""
        mode = {(1, 0): "1", (16, 0): "I;16"}.get((self.depth, self.colour_type), _MODES[self.colour_type])
        transparent = bool(self.colour_key or (self.colour_type == 3 and self.palette and self.palette.alpha))
        return PixelKind("PNG", mode, self.size, transparent, "uint16" if self.depth == 16 else "")

    @property
    def is_opaque(self) -> bool:
        """Whether all pixels of an animation are known to be opaque."""
        if self.colour_type in (4, 6) or self.colour_key or (self.palette and self.palette.alpha):
            return False
        covers = struct.unpack_from(">II", self.frames[0][0], 4) == self.size
        return covers and all(control[24] != DISPOSE_BACKGROUND for control, _ in self.frames)


def read(file: BinaryIO, truncated: bool = False) -> tuple[Structure, PictureMetadata]:
    """Read the structure and the metadata of a PNG file, without its samples.

    Raises:
        ValueError: the file is damaged, or truncated before its samples end and not `truncated`.
    """
    chunks, frames, pixels, separate_default_image = _parse(file, truncated)
    if not chunks or chunks[0].name != b"IHDR":
        raise ValueError("it does not begin with its header")
    by_name = {chunk.name: chunk.data for chunk in reversed(chunks)}
    if len(by_name.get(b"IHDR", b"")) != 13:
        raise ValueError("its header is damaged")
    width, height, depth, colour_type, _, _, interlace = struct.unpack_from(">IIBBBBB", by_name[b"IHDR"])
    if depth not in _DEPTHS.get(colour_type, ()) or not width or not height:
        raise ValueError(f"its header is invalid: {depth} bits, colour type {colour_type}, {width}×{height} pixels")
    animated = b"acTL" in by_name and len(frames) > 1
    if animated and not _is_in_order(file):
        raise ValueError("the chunks of its animation are not in order")
    structure = Structure(
        (width, height),
        depth,
        colour_type,
        _palette(by_name),
        _colour_key(by_name, colour_type, depth),
        frames if animated else (),
        separate_default_image and b"acTL" in by_name and len(frames) > 0,
        interlace != 0,
        pixels,
        complete=b"IEND" in by_name,
    )
    return structure, _metadata(chunks, by_name, structure)


def _parse(file: BinaryIO, truncated: bool) -> tuple[list[Chunk], tuple[Frame, ...], tuple[tuple[int, int], ...], bool]:
    """The chunks without samples, the frames, the default image, and whether the latter is not one of the frames."""
    chunks: list[Chunk] = []
    frames: list[tuple[bytes, list[tuple[int, int]]]] = []
    default: list[tuple[int, int]] = []
    pixels = separate_default_image = False
    for name, offset, length in chunk_headers(file):
        if name in (b"IDAT", b"fdAT"):
            separate_default_image = separate_default_image or (not pixels and not frames)
            pixels = True
            if name == b"IDAT":
                default.append((offset, length))
            if frames:
                skipped = 4 if name == b"fdAT" else 0  # the sequence number
                frames[-1][1].append((offset + skipped, length - skipped))
            continue
        file.seek(offset)
        data = bounded.read(file, length)
        if file.read(4) != struct.pack(">I", zlib.crc32(name + data)):
            if truncated and default:
                break
            if not name[:1].islower() or name in _SHOWN:
                raise ValueError(f"its chunk {name.decode('latin-1')} is damaged")
            data = b""  # which is not valid either: it is dropped with a warning
        if name == b"fcTL":
            frames.append((data, []))
        if name == b"PLTE" and pixels and chunks and chunks[0].data[9:10] == b"\3":
            raise ValueError("its palette follows its samples")
        chunks.append(Chunk(name, data, pixels))
    complete = tuple((control, tuple(parts)) for control, parts in frames if parts)
    return chunks, complete, tuple(default), separate_default_image


def _is_in_order(file: BinaryIO) -> bool:
    """Whether the chunks of the animation are numbered consecutively, behind the default image, as libpng requires."""
    expected, has_default = 0, False
    for name, offset, _ in chunk_headers(file):
        has_default |= name == b"IDAT"
        if name == b"fdAT" and not has_default:
            return False
        if name in (b"fcTL", b"fdAT"):
            file.seek(offset)
            if file.read(4) != struct.pack(">I", expected):
                return False
            expected += 1
    return True


def chunk_headers(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, data offset and data length of each chunk, up to IEND or the end of a truncated file."""
    file.seek(len(PNG_SIGNATURE))
    offset = file.tell()
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        offset += 8
        yield name, offset, length
        offset += length + 4
        file.seek(offset)
        if name == b"IEND":
            return


def _palette(by_name: dict[bytes, bytes]) -> Palette | None:
    if b"PLTE" not in by_name:
        return None
    return Palette(by_name[b"PLTE"], by_name.get(b"tRNS", b""))


def _colour_key(by_name: dict[bytes, bytes], colour_type: int, depth: int) -> tuple[int, ...]:
    """The transparent level or colour; bits above the depth do not count (PNG specification, 11.3.2.1)."""
    data = by_name.get(b"tRNS", b"")
    size = {0: 2, 2: 6}.get(colour_type)
    if not size or len(data) < size:
        return ()
    return tuple(value & (1 << depth) - 1 for value in struct.unpack(f">{size // 2}H", data[:size]))


def _metadata(chunks: list[Chunk], by_name: dict[bytes, bytes], structure: Structure) -> PictureMetadata:
    found, texts, warnings = _intact(chunks, structure)
    profile_chunks = {id(chunk) for keyword, _, chunk in texts if keyword == xmp.PNG_KEYWORD or keyword in RAW_PROFILES}
    others = [chunk for chunk in found if id(chunk) not in profile_chunks]
    dropped = dict.fromkeys(chunk.name.decode("latin-1") for chunk in others if not _is_copied(chunk.name))
    warnings += [Dropped(f"its chunk {name} is dropped", Loss.HEADER_FIELD) for name in dropped]
    if structure.separate_default_image and not structure.frames:
        warnings.append(Dropped("its single-frame animation is dropped; the default image is resized", Loss.ANIMATION))
    elif structure.separate_default_image:
        warnings.append(
            Dropped(
                "its default image, which is not part of the animation, is replaced by the first frame", Loss.ANIMATION
            )
        )
    kept = [chunk for chunk in others if _is_copied(chunk.name)]
    raw = {RAW_PROFILES[keyword]: _raw_profile(text) for keyword, text, _ in texts if keyword in RAW_PROFILES}
    document = next((text for keyword, text, _ in texts if keyword == xmp.PNG_KEYWORD), raw.get("xmp", b""))
    keywords = [keyword for keyword, _, chunk in texts if id(chunk) not in profile_chunks]
    spacing, unit = _spacing(by_name.get(b"pHYs", b""))
    return PictureMetadata(
        exif=by_name.get(b"eXIf", raw.get("exif", b"")).removeprefix(EXIF_PREFIX),
        xmp=document,
        icc=next((ancillary.profile(chunk.data) for chunk in kept if chunk.name == b"iCCP"), None),
        comments=tuple(_decoded(text, chunk) for keyword, text, chunk in texts if keyword == b"Comment"),
        spacing=spacing,
        unit=unit,
        animation=_animation(structure, by_name.get(b"acTL", b"")),
        native=(Chunk(b"IHDR", by_name[b"IHDR"]), *kept),
        foreign_items=_foreign_items(kept, keywords, b"sRGB" in by_name),
        lossless=True,
        at_most_256_colours=structure.palette is not None and structure.colour_type == 3,
        warnings=tuple(warnings),
    )


def _intact(
    chunks: list[Chunk], structure: Structure
) -> tuple[list[Chunk], list[tuple[bytes, bytes, Chunk]], list[str]]:
    """The valid chunks, the texts with their keywords and chunks, and warnings about invalid chunks."""
    kept: list[Chunk] = []
    texts: list[tuple[bytes, bytes, Chunk]] = []
    damaged: dict[str, None] = {}
    reader, names = ancillary.Texts(), set()
    for chunk in chunks:
        if chunk.name in _REWRITTEN:
            damaged |= {} if chunk.data or chunk.name not in (b"pHYs", b"eXIf") else {chunk.name.decode(): None}
            continue
        if chunk.name in TEXT:
            text = reader.read(chunk.name, chunk.data)
            intact = text is not None
            texts += [(*text, chunk)] if text is not None else []
        elif chunk.name == b"iCCP":
            intact = ancillary.profile(chunk.data) is not None
        else:
            intact = ancillary.is_intact(chunk.name, chunk.data, structure.colour_type, structure.palette)
        if not intact or (chunk.name in names and chunk.name in _UNIQUE):
            damaged[chunk.name.decode("latin-1")] = None
            continue
        names.add(chunk.name)
        kept.append(chunk)
    return kept, texts, [f"its chunk {name} is damaged or repeated and is dropped" for name in damaged]


def _foreign_items(chunks: list[Chunk], keywords: list[bytes], standard_colours: bool) -> tuple[str, ...]:
    """Descriptions of the chunks, and of the texts with these keywords, that only PNG can store."""
    words = [f"the text {word.decode('latin-1')}" for word in keywords if word not in (b"Comment", b"Software")]
    known = set(_COPIED) if standard_colours else set(_COPIED) - set(_COLOUR_SPACE_CHUNKS)
    words += [f"the chunk {chunk.name.decode('latin-1')}" for chunk in chunks if chunk.name not in known]
    return tuple(dict.fromkeys(words))


def _raw_profile(text: bytes) -> bytes:
    """Decode ImageMagick's hexadecimal digits, which follow a name and a length; b"" if damaged."""
    try:
        return bytes.fromhex("".join(text.decode("ascii").split()[2:]))
    except ValueError:
        return b""


def _is_copied(name: bytes) -> bool:
    """Whether a chunk stays valid if samples change: it is in `_COPIED`, or it is ancillary and safe to copy."""
    return name in _COPIED or (name.isalpha() and name[:1].islower() and name[3:].islower() and name not in _POSITIONAL)


def _spacing(data: bytes) -> tuple[tuple[float, float] | None, str | None]:
    if len(data) < 9:
        return None, None
    x, y, unit = struct.unpack_from(">IIB", data)
    if not x or not y:
        return None, None
    return ((1000 / x, 1000 / y), "mm") if unit == 1 else ((y / x, 1.0), None)


def _decoded(text: bytes, chunk: Chunk) -> str:
    return text.decode("utf-8" if chunk.name == b"iTXt" else "latin-1", "replace")


def _animation(structure: Structure, control: bytes) -> Animation | None:
    if not structure.frames:
        return None
    if len(control) < 8 or any(len(frame) != 26 for frame, _ in structure.frames):
        raise ValueError("the control chunks of its animation are damaged")
    delays = [struct.unpack_from(">HH", frame, 20) for frame, _ in structure.frames]
    durations = tuple(1000 * numerator / (denominator or 100) for numerator, denominator in delays)
    return Animation(durations, struct.unpack_from(">I", control, 4)[0])


def encode_chunk(chunk: Chunk) -> bytes:
    """The chunk as stored in a file, with length and checksum."""
    body = chunk.name + chunk.data
    return struct.pack(">I", len(chunk.data)) + body + struct.pack(">I", zlib.crc32(body))


def valid_chunks(native: object, info: PictureInfo) -> tuple[tuple[Chunk, ...], list[str]]:
    """The chunks of the input that stay valid in the output, and warnings about the others.

    Args:
        native: chunks of the input, including IHDR.
        info: of the input, with the mode in which it is resized.
    """
    chunks: tuple[Chunk, ...] = native if isinstance(native, tuple) else ()
    (header,) = (chunk.data for chunk in chunks if chunk.name == b"IHDR")
    depth, colour_type = header[8:10]
    same = colour_type == COLOUR_TYPES.get(info.mode) and depth in (info.bits, 16)
    dropped = () if same else _PIXEL_FORMAT_CHUNKS
    names = dict.fromkeys(chunk.name.decode() for chunk in chunks if chunk.name in dropped)
    kept = tuple(chunk for chunk in chunks if chunk.name not in (*dropped, b"IHDR"))
    return kept, [
        Dropped(f"its chunk {name} is dropped: it describes another pixel format", Loss.HEADER_FIELD) for name in names
    ]
