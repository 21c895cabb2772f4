"""Reads and writes GIF block by block, with the exact colours, duration and disposal method of each frame.

Pillow keeps neither a palette per frame nor unknown blocks and XMP; it encodes and decodes the pixels.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..base import Array
from ..dropped import Dropped, Loss
from .model import ALPHA, Animation, EncodeSpec, Palette, PictureMetadata, PixelKind

_EXTENSION, _COMMENT, _APPLICATION, _CONTROL, _PLAIN_TEXT = 0x21, 0xFE, 0xFF, 0xF9, 0x01
_IMAGE, _TRAILER = 0x2C, 0x3B
_LOOP, _OTHER_LOOP, _XMP, _ICC = b"NETSCAPE2.0", b"ANIMEXTS1.0", b"XMP DataXMP", b"ICCRGBG1012"
_XMP_TRAILER = bytes([1, *range(255, -1, -1), 0])  # lets parsers that read XMP as blocks find its end
_DISPOSE_KEEP, _DISPOSE_BACKGROUND = 1, 2  # disposal methods
_ALPHA_THRESHOLD = 128  # pixels with less alpha become transparent
_MAX_COLOURS = 256

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """Layout of a frame.

    Attributes:
        box: x, y, width and height of the part of the canvas that the frame covers.
        duration: in hundredths of a second.
        disposal: disposal method.
        transparent: index of the transparent palette entry, or None.
        palette: the frame's own colour table, or None.
    """

    box: Box
    duration: int = 0
    disposal: int = 0
    transparent: int | None = None
    palette: bytes | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a file.

    Attributes:
        size: width and height of the canvas: the screen, or more if a frame exceeds it.
        palette: the colour table of frames that have none, or None.
        frames: in their order.
    """

    size: tuple[int, int]
    palette: bytes | None
    frames: tuple[Frame, ...]

    @property
    def first_palette(self) -> bytes | None:
        """The colour table of the first frame."""
        return self.palette if self.frames[0].palette is None else self.frames[0].palette

    @property
    def kind(self) -> PixelKind:
        """Format and pixel type as Pillow presents them; a palette of all grey levels in order counts as grey."""
        palette = self.first_palette or b""
        mode = "L" if palette == bytes(level for level in range(len(palette) // 3) for _ in range(3)) else "P"
        return PixelKind("GIF", mode, self.size, self.frames[0].transparent is not None)

    @property
    def is_opaque(self) -> bool:
        """Whether all pixels of an animation are known to be opaque."""
        first = self.frames[0]
        covers = first.box == (0, 0, *self.size) and first.transparent is None
        return covers and all(frame.disposal != _DISPOSE_BACKGROUND for frame in self.frames)


def read(file: BinaryIO, truncated: bool = False) -> tuple[Layout, PictureMetadata]:
    """Read the layout and the metadata of a GIF file, without decoding pixels.

    Raises:
        ValueError: the file is damaged, and not `truncated` after its first frame.
    """
    file.seek(0)
    screen = file.read(13)
    if len(screen) < 13:
        raise ValueError("the file is truncated")
    palette = _read_colour_table(file, screen[10])
    frames: list[Frame] = []
    comments: list[bytes] = []
    applications: list[tuple[bytes, bytes]] = []
    plain_text = stray = False
    control = b""
    while (block_type := file.read(1)) and block_type[0] != _TRAILER:
        if block_type[0] == _IMAGE:
            frames.append(_frame(file, control))
            control = b""
        elif block_type[0] == _EXTENSION:
            label = (file.read(1) or b"\0")[0]
            if label == _CONTROL:
                control = b"".join(_blocks(file))
            elif label == _COMMENT:
                comments.append(b"".join(_blocks(file)))
            elif label == _APPLICATION:
                applications.append(_application(file))
            else:
                plain_text = plain_text or label == _PLAIN_TEXT
                _skip_blocks(file)
        elif truncated and frames:
            break
        else:
            stray = True
    warnings: list[str] = [Dropped("its plain text extensions are dropped", Loss.COMMENT)] if plain_text else []
    if stray:
        warnings.append("unknown bytes between its blocks are skipped")
    layout = _layout(screen, palette, frames, warnings)
    return layout, _metadata(screen, frames, comments, applications, warnings)


def _layout(screen: bytes, palette: bytes | None, frames: list[Frame], warnings: list[str]) -> Layout:
    """The layout of all frames, on a canvas that contains them."""
    if not frames:
        raise ValueError("it has no frame")
    width, height = struct.unpack_from("<HH", screen, 6)
    size = (max(width, *(f.box[0] + f.box[2] for f in frames)), max(height, *(f.box[1] + f.box[3] for f in frames)))
    if size != (width, height):
        warnings.append(f"its frames exceed its screen of {width}×{height} pixels, which is enlarged")
    return Layout(size, palette, tuple(frames))


def _metadata(
    screen: bytes,
    frames: list[Frame],
    comments: list[bytes],
    applications: list[tuple[bytes, bytes]],
    warnings: list[str],
) -> PictureMetadata:
    by_name = dict(reversed(applications))
    known = (_LOOP, _OTHER_LOOP, _XMP, _ICC)
    native = tuple((name, data) for name, data in applications if name not in known)
    names = tuple(f"the extension {name.decode('latin-1').strip()}" for name, _ in native)
    aspect = (screen[12] + 15) / 64 if screen[12] else None
    durations = tuple(10.0 * frame.duration for frame in frames)
    plays = _play_count(by_name.get(_LOOP, by_name.get(_OTHER_LOOP)))
    return PictureMetadata(
        xmp=by_name.get(_XMP, b""),
        icc=by_name.get(_ICC),
        comments=tuple(text.decode("latin-1") for text in comments),
        spacing=(aspect, 1.0) if aspect else None,
        animation=Animation(durations, plays, tuple(f.disposal for f in frames)) if len(frames) > 1 else None,
        native=native,
        foreign_items=names,
        lossless=True,
        at_most_256_colours=not any(frame.palette for frame in frames),
        warnings=tuple(warnings),
    )


def _play_count(data: bytes | None) -> int:
    """Number of times an animation is played, 0 for endlessly; the file stores the number of repeats."""
    if data is None or len(data) < 3:
        return 1
    (repeats,) = struct.unpack_from("<H", data, 1)
    return repeats + 1 if repeats else 0


def _frame(file: BinaryIO, control: bytes) -> Frame:
    descriptor = file.read(9)
    if len(descriptor) < 9:
        raise ValueError("a frame is truncated")
    x, y, width, height = struct.unpack_from("<HHHH", descriptor)
    palette = _read_colour_table(file, descriptor[8])
    file.read(1)
    _skip_blocks(file)
    if not width or not height:
        raise ValueError("a frame has no pixels")
    if len(control) < 4:
        control = bytes(4)
    flags, duration, transparent = struct.unpack_from("<BHB", control)
    return Frame((x, y, width, height), duration, flags >> 2 & 7, transparent if flags & 1 else None, palette)


def _read_colour_table(file: BinaryIO, flags: int) -> bytes | None:
    return file.read(3 << (flags & 7) + 1) if flags & 0x80 else None


def _skip_colour_table(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, io.SEEK_CUR)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while (size := file.read(1)) and size[0]:
        yield file.read(size[0])


def _skip_blocks(file: BinaryIO) -> None:
    for _ in _blocks(file):
        pass


def _application(file: BinaryIO) -> tuple[bytes, bytes]:
    """Name and data of an application extension."""
    size = file.read(1)
    name = file.read(size[0] if size else 0)
    if name != _XMP:
        return name, b"".join(_blocks(file))
    data = bytearray()
    while size := file.read(1):  # XMP is not in blocks, but its trailer ends like one
        data += size
        if not size[0]:
            break
    return name, bytes((data + file.read(1))[: -len(_XMP_TRAILER)])


def transparent_entry(palette: Palette) -> int | None:
    """Index of the transparent entry, None without one, -1 if GIF cannot represent the palette's transparency."""
    entries = [entry for entry, alpha in enumerate(palette.alpha) if alpha < 255]
    if not entries:
        return None
    return entries[0] if len(entries) == 1 and palette.alpha[entries[0]] == 0 else -1


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture or an animation; the arguments are those of `png.writer.write`."""
    layouts = list(_frame_layouts(frames, spec))
    global_palette = _to_indices(frames[0], spec, layouts[0].disposal == _DISPOSE_BACKGROUND)[1]
    bits = _index_bits(global_palette)
    file.write(b"GIF89a" + struct.pack("<HHBBB", *spec.size, 0xF0 | bits - 1, 0, _aspect_byte(spec.metadata)))
    file.write(_colour_table(global_palette))
    _write_metadata(file, spec)
    for frame, layout in zip(frames, layouts, strict=True):
        x, y, width, height = layout.box
        _write_frame(file, frame[y : y + height, x : x + width], layout, global_palette, spec)
    file.write(bytes([_TRAILER]))


def _aspect_byte(metadata: PictureMetadata) -> int:
    if metadata.spacing is None or metadata.unit is not None:
        return 0
    return min(max(1, round(metadata.spacing[0] / metadata.spacing[1] * 64) - 15), 255)


def _frame_layouts(frames: Array, spec: EncodeSpec) -> Iterator[Frame]:
    """Layout of each output frame: the whole canvas, or the part that has changed."""
    animation = spec.metadata.animation or Animation((0.0,))
    see_through = has_transparency(frames, spec)
    disposals = _disposals(animation, len(frames), see_through)
    ends = [0, *(round(end / 10) for end in accumulate(animation.durations))]  # rounding errors do not add up
    for number, (start, end) in enumerate(pairwise(ends)):
        box = (0, 0, *spec.size)
        if number > 0 and not see_through and disposals[number - 1] in (0, _DISPOSE_KEEP):
            box = _changed_box(frames[number - 1], frames[number])
        yield Frame(box, end - start, disposals[number])


def _write_metadata(file: BinaryIO, spec: EncodeSpec) -> None:
    metadata = spec.metadata
    if metadata.animation is not None and metadata.animation.plays != 1:
        repeats = max(0, metadata.animation.plays - 1)
        _write_extension(file, _APPLICATION, _LOOP, b"\1" + struct.pack("<H", min(repeats, 65535)))
    if metadata.icc:
        _write_extension(file, _APPLICATION, _ICC, metadata.icc)
    if metadata.xmp:
        file.write(bytes([_EXTENSION, _APPLICATION, len(_XMP)]) + _XMP + metadata.xmp + _XMP_TRAILER)
    for name, data in metadata.native if isinstance(metadata.native, tuple) else ():
        _write_extension(file, _APPLICATION, name, data)
    history = () if spec.history is None else (spec.history,)
    for text in (*metadata.comments, *history):
        _write_extension(
            file, _COMMENT, b"", text.encode("latin-1" if metadata.native is not None else "utf-8", "replace")
        )


def _write_extension(file: BinaryIO, label: int, name: bytes, data: bytes) -> None:
    head = bytes([_EXTENSION, label]) + (bytes([len(name)]) + name if name else b"")
    blocks = (data[start : start + 255] for start in range(0, len(data), 255))
    file.write(head + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")


def has_transparency(frames: Array, spec: EncodeSpec) -> bool:
    """Whether any pixel of any frame is transparent."""
    return spec.mode in ALPHA and any(bool((frame[..., -1] < _ALPHA_THRESHOLD).any()) for frame in frames)


def _disposals(animation: Animation, count: int, see_through: bool) -> tuple[int, ...]:
    """Disposal methods of the input; if there are transparent pixels, each frame is cleared before the next."""
    if count == 1:
        return (0,)
    if see_through:
        return (_DISPOSE_BACKGROUND,) * count
    return animation.disposals if len(animation.disposals) == count else (_DISPOSE_KEEP,) * count


def _changed_box(before: Array, after: Array) -> Box:
    """The smallest box, of at least one pixel, that contains all differences between two frames."""
    different = before != after
    if different.ndim == 3:
        different = different.any(axis=-1)
    rows, columns = (np.flatnonzero(different.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1


def _write_frame(file: BinaryIO, frame: Array, layout: Frame, global_palette: Palette, spec: EncodeSpec) -> None:
    indices, palette = _to_indices(frame, spec, layout.disposal == _DISPOSE_BACKGROUND)
    transparent = transparent_entry(palette)
    if layout.duration or layout.disposal or transparent is not None:
        flags = layout.disposal << 2 | (transparent is not None)
        control = struct.pack("<BHB", flags, min(layout.duration, 65535), transparent or 0)
        file.write(bytes([_EXTENSION, _CONTROL, 4]) + control + b"\0")
    local = palette.colours != global_palette.colours
    file.write(struct.pack("<BHHHHB", _IMAGE, *layout.box, 0x80 | _index_bits(palette) - 1 if local else 0))
    file.write(_colour_table(palette) if local else b"")
    file.write(_lzw_data(indices))


def _index_bits(palette: Palette) -> int:
    """Bits per index of a colour table."""
    return max(1, (len(palette.colours) // 3 - 1).bit_length())


def _colour_table(palette: Palette) -> bytes:
    return palette.colours.ljust(3 << _index_bits(palette), b"\0")


def _to_indices(frame: Array, spec: EncodeSpec, cleared: bool = False) -> tuple[Array, Palette]:
    """Palette indices of a frame and its palette; lossless if the frame has at most 256 colours.

    A frame that is `cleared` before the next one gets a transparent entry if there is room, because Pillow and libvips
    fill it with the background colour otherwise.
    """
    if spec.palette is not None:
        return frame, spec.palette
    if spec.mode == "1":
        return frame.astype(np.uint8), Palette(bytes([0, 0, 0, 255, 255, 255]))
    if spec.mode == "L":
        return frame, Palette(bytes(np.arange(256, dtype=np.uint8).repeat(3)))
    if spec.mode == "LA":
        frame = frame[..., [0, 0, 0, 1]]
    transparent_pixels = frame[..., 3] < _ALPHA_THRESHOLD if frame.shape[-1] == 4 else np.zeros(frame.shape[:2], bool)
    colours = np.where(transparent_pixels[..., None], 0, frame[..., :3]).astype(np.uint8)
    needs_entry = bool(transparent_pixels.any())
    exact = _exact_indices(colours, _MAX_COLOURS - needs_entry)
    indices, table = exact or _quantized_indices(colours, _MAX_COLOURS - (needs_entry or cleared))
    entries = len(table) // 3
    if not needs_entry and not (cleared and entries < _MAX_COLOURS):
        return indices, Palette(table)
    indices[transparent_pixels] = entries
    return indices, Palette(table + bytes(3), b"\xff" * entries + b"\0")


def _exact_indices(colours: Array, max_colours: int) -> tuple[Array, bytes] | None:
    """Lossless indices and colour table, None if there are too many colours."""
    rgb = colours[..., 0].astype(np.uint32)
    for plane in (1, 2):
        rgb <<= 8
        rgb |= colours[..., plane]
    if len(np.unique(rgb[::16])) > max_colours:  # cheap early test on some rows
        return None
    unique_rgb = np.unique(rgb)
    if len(unique_rgb) > max_colours:
        return None
    indices = np.empty(rgb.shape, np.uint8)
    for row, numbers in zip(rgb, indices, strict=True):  # row by row: searchsorted needs 8 bytes per pixel
        numbers[:] = np.searchsorted(unique_rgb, row)
    table = np.stack([unique_rgb >> 16, unique_rgb >> 8 & 255, unique_rgb & 255], -1).astype(np.uint8)
    return indices, table.tobytes()


def _quantized_indices(colours: Array, max_colours: int) -> tuple[Array, bytes]:
    image = Image.fromarray(np.ascontiguousarray(colours)).quantize(max_colours, dither=Image.Dither.NONE)
    indices = np.array(image)
    return indices, bytes(image.getpalette("RGB") or ())[: 3 * (int(indices.max()) + 1)]


def _lzw_data(indices: Array) -> bytes:
    """The LZW minimum code size and data blocks of a frame, encoded by Pillow."""
    height, width = indices.shape
    image = Image.frombytes("P", (width, height), np.ascontiguousarray(indices).tobytes())
    image.putpalette(bytes(range(256)) * 3)
    stream = io.BytesIO()
    image.save(stream, "GIF", optimize=False, interlace=0)
    data = stream.getvalue()
    stream.seek(13)
    _skip_colour_table(stream, data[10])
    while stream.read(1)[0] == _EXTENSION:
        stream.read(1)
        _skip_blocks(stream)
    flags = stream.read(9)[8]
    _skip_colour_table(stream, flags)
    return data[stream.tell() : -1]
