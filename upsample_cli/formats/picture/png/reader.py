"""PNG, chunk by chunk, so that nothing depends on which chunks a library knows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ... import xmp
from ..model import EXIF_PREFIX, PNG_SIGNATURE, Animation, Kind, Metadata, Palette, PictureMetadata

COLOUR_TYPES = {"1": 0, "L": 0, "I;16": 0, "LA": 4, "RGB": 2, "RGBA": 6, "P": 3}
BEFORE_PALETTE = (b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"sBIT")
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_OF_THE_KIND_OF_PIXELS = (b"sBIT", b"bKGD")  # have no meaning in another one
_KEPT = (*BEFORE_PALETTE, *_TEXT, b"bKGD", b"sPLT", b"tIME", b"sTER", b"pCAL")
_STALE = (b"oFFs",)  # is called safe to copy, and counts in pixels
_MADE_ANEW = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"pHYs", b"eXIf", b"acTL", b"fcTL", b"fdAT")
_COLOURS = (b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI")  # colour spaces that no other format can say so
_RAW_PROFILES = {  # ImageMagick's way to put what had no chunk of its own into text
    b"Raw profile type exif": "exif",
    b"Raw profile type APP1": "exif",
    b"Raw profile type xmp": "xmp",
}
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}  # Pillow's, of colour types
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
BACKGROUND = 1  # takes the place of a frame
_LARGEST_TEXT = 64 << 20  # bytes, when inflated


Frame = tuple[bytes, tuple[tuple[int, int], ...]]


class Chunk(NamedTuple):
    """A part of a PNG file.

    Attributes:
        name: four letters.
        data: what it holds.
        behind: whether it lies behind the pixels.
    """

    name: bytes
    data: bytes
    behind: bool = False


class Structure(NamedTuple):
    """How the samples of a PNG file are stored.

    Attributes:
        size: width and height.
        depth: bits of a sample.
        colour_type: of the specification.
        palette: where there is one.
        key: the grey level or colour that is transparent, or ().
        frames: of an animation: the control chunk of each, and where its compressed samples lie in the file.
        spare_image: whether the default image is none of the frames.
        interlaced: whether coarse samples come before fine ones.
    """

    size: tuple[int, int]
    depth: int
    colour_type: int
    palette: Palette | None = None
    key: tuple[int, ...] = ()
    frames: tuple[Frame, ...] = ()
    spare_image: bool = False
    interlaced: bool = False

    @property
    def kind(self) -> Kind:
        """The same in Pillow's terms."""
        mode = {(1, 0): "1", (16, 0): "I;16"}.get((self.depth, self.colour_type), _MODES[self.colour_type])
        transparent = bool(self.key or (self.colour_type == 3 and self.palette and self.palette.opacity))
        return Kind("PNG", mode, self.size, transparent)

    @property
    def is_opaque(self) -> bool:
        """Whether no pixel of an animation can be transparent."""
        if self.colour_type in (4, 6) or self.key or (self.palette and self.palette.opacity):
            return False
        covers = struct.unpack_from(">II", self.frames[0][0], 4) == self.size
        return covers and all(control[24] != BACKGROUND for control, _ in self.frames)


def read(file: BinaryIO) -> tuple[Structure, PictureMetadata]:
    """What a PNG file says beside its samples, which are skipped.

    Raises:
        ValueError: it is damaged.
    """
    chunks, frames, spare_image = _taken_apart(file)
    by_name = {chunk.name: chunk.data for chunk in reversed(chunks)}
    if len(by_name.get(b"IHDR", b"")) != 13:
        raise ValueError("its header is damaged")
    width, height, depth, colour_type, _, _, interlace = struct.unpack_from(">IIBBBBB", by_name[b"IHDR"])
    if depth not in _DEPTHS.get(colour_type, ()) or not width or not height:
        raise ValueError(f"its header says {depth} bits of colour type {colour_type}, {width}×{height}")
    animated = b"acTL" in by_name and len(frames) > 1
    structure = Structure(
        (width, height),
        depth,
        colour_type,
        _palette(by_name),
        _key(by_name, colour_type),
        frames if animated else (),
        spare_image and b"acTL" in by_name and len(frames) > 0,
        interlace != 0,
    )
    return structure, _notes(chunks, by_name, structure)


def _taken_apart(file: BinaryIO) -> tuple[list[Chunk], tuple[Frame, ...], bool]:
    """The chunks without samples, the frames of an animation, and whether the first samples are of none of them."""
    chunks: list[Chunk] = []
    frames: list[tuple[bytes, list[tuple[int, int]]]] = []
    pixels = spare_image = False
    for name, offset, length in heads(file):
        if name in (b"IDAT", b"fdAT"):
            spare_image = spare_image or (not pixels and not frames)
            pixels = True
            if frames:
                skipped = 4 if name == b"fdAT" else 0  # its sequence number
                frames[-1][1].append((offset + skipped, length - skipped))
            continue
        file.seek(offset)
        data = file.read(length)
        if file.read(4) != struct.pack(">I", zlib.crc32(name + data)):
            raise ValueError(f"its chunk {name.decode('latin-1')} is damaged")
        if name == b"fcTL":
            frames.append((data, []))
        chunks.append(Chunk(name, data, pixels))
    return chunks, tuple((control, tuple(parts)) for control, parts in frames if parts), spare_image


def heads(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk, and where its data lie, up to the last one that is there."""
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


def _key(by_name: dict[bytes, bytes], colour_type: int) -> tuple[int, ...]:
    data = by_name.get(b"tRNS", b"")
    size = {0: 2, 2: 6}.get(colour_type)
    return struct.unpack(f">{size // 2}H", data[:size]) if size and len(data) >= size else ()


def _notes(chunks: list[Chunk], by_name: dict[bytes, bytes], structure: Structure) -> PictureMetadata:
    texts = [(*_text(chunk), chunk) for chunk in chunks if chunk.name in _TEXT]
    elsewhere = {id(chunk) for keyword, _, chunk in texts if keyword == xmp.PNG_KEYWORD or keyword in _RAW_PROFILES}
    others = [c for c in chunks if c.name not in _MADE_ANEW and id(c) not in elsewhere]
    dropped = dict.fromkeys(chunk.name.decode("latin-1") for chunk in others if not _may_be_copied(chunk.name))
    warnings = [f"its chunk {name} is dropped" for name in dropped]
    if structure.spare_image and not structure.frames:
        warnings.append("its animation of a single frame is dropped; the picture that is no part of it is resized")
    elif structure.spare_image:
        said = "the picture that it shows where animations are unknown is dropped; its first frame takes its place"
        warnings.append(said)
    kept = [chunk for chunk in others if _may_be_copied(chunk.name)]
    raw = {_RAW_PROFILES[keyword]: _raw_profile(text) for keyword, text, _ in texts if keyword in _RAW_PROFILES}
    document = next((text for keyword, text, _ in texts if keyword == xmp.PNG_KEYWORD), raw.get("xmp", b""))
    spacing, unit = _spacing(by_name.get(b"pHYs", b""))
    return PictureMetadata(
        exif=by_name.get(b"eXIf", raw.get("exif", b"")).removeprefix(EXIF_PREFIX),
        xmp=document,
        icc=_profile(by_name.get(b"iCCP", b"")),
        comments=tuple(_decoded(text, chunk) for keyword, text, chunk in texts if keyword == b"Comment"),
        spacing=spacing,
        unit=unit,
        animation=_animation(structure, by_name.get(b"acTL", b"")),
        own=(Chunk(b"IHDR", by_name[b"IHDR"]), *kept),
        foreign_items=_in_words(kept, b"sRGB" in by_name),
        lossless=True,
        few_colours=structure.palette is not None and structure.colour_type == 3,
        warnings=tuple(warnings),
    )


def _in_words(chunks: list[Chunk], standard_colours: bool) -> tuple[str, ...]:
    """What of the chunks no other format can hold."""
    keywords = [_text(chunk)[0].decode("latin-1") for chunk in chunks if chunk.name in _TEXT]
    words = [f"the text {keyword}" for keyword in keywords if keyword not in ("Comment", "Software")]
    known = set(_KEPT) if standard_colours else set(_KEPT) - set(_COLOURS)
    words += [f"the chunk {chunk.name.decode('latin-1')}" for chunk in chunks if chunk.name not in known]
    return tuple(dict.fromkeys(words))


def _raw_profile(text: bytes) -> bytes:
    """What ImageMagick has written as hexadecimal digits, behind its name and length; b"" where it is damaged."""
    try:
        return bytes.fromhex("".join(text.decode("ascii").split()[2:]))
    except ValueError:
        return b""


def _may_be_copied(name: bytes) -> bool:
    """Whether a chunk stays true when samples change: it is known to, or has the safe-to-copy bit."""
    return name in _KEPT or (name[3:4].islower() and name not in _STALE)


def _spacing(data: bytes) -> tuple[tuple[float, float] | None, str | None]:
    if len(data) < 9:
        return None, None
    x, y, unit = struct.unpack_from(">IIB", data)
    if not x or not y:
        return None, None
    return ((1000 / x, 1000 / y), "mm") if unit == 1 else ((y / x, 1.0), None)


def _profile(data: bytes) -> bytes | None:
    _, _, rest = data.partition(b"\0")
    try:
        return _inflated(rest[1:]) if rest else None
    except (zlib.error, ValueError):
        return None


def _inflated(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    text = inflate.decompress(data, _LARGEST_TEXT)
    if inflate.unconsumed_tail:
        raise ValueError("a text of it is too long")
    return text


def _text(chunk: Chunk) -> tuple[bytes, bytes]:
    """The keyword of a chunk of text, and the text itself, or b"" where it is damaged."""
    keyword, _, rest = chunk.data.partition(b"\0")
    try:
        if chunk.name == b"zTXt":
            return keyword, _inflated(rest[1:])
        if chunk.name == b"iTXt":
            text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
            return keyword, _inflated(text) if rest[:1] == b"\1" else text
    except (zlib.error, ValueError):
        return keyword, b""
    return keyword, rest


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


def packed(chunk: Chunk) -> bytes:
    """The chunk as it stands in a file."""
    body = chunk.name + chunk.data
    return struct.pack(">I", len(chunk.data)) + body + struct.pack(">I", zlib.crc32(body))


def still_true(own: object, metadata: Metadata) -> tuple[tuple[Chunk, ...], list[str]]:
    """Of the chunks of the input those that are true of the output, and warnings of the others.

    Args:
        own: the chunks.
        metadata: of the input, with the mode in which its samples are resized.
    """
    chunks: tuple[Chunk, ...] = own if isinstance(own, tuple) else ()
    (header,) = (chunk.data for chunk in chunks if chunk.name == b"IHDR")
    depth, colour_type = header[8:10]
    same = colour_type == COLOUR_TYPES[metadata.mode] and depth in (metadata.bits, 16)
    dropped = () if same else _OF_THE_KIND_OF_PIXELS
    names = dict.fromkeys(chunk.name.decode() for chunk in chunks if chunk.name in dropped)
    kept = tuple(chunk for chunk in chunks if chunk.name not in (*dropped, b"IHDR"))
    return kept, [f"its chunk {name} is dropped: it tells of another kind of pixels" for name in names]
