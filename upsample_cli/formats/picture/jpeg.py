"""JPEG, segment by segment, so that what no library knows goes through."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import ImageFile, JpegImagePlugin

from ...geometry import INCH
from ..base import Array
from . import photoshop
from .model import EXIF_PREFIX, Picture, PictureMetadata
from .pixels import to_image

LONGEST = 65_533  # bytes in a segment

_QUALITY = 95
_SOS, _EOI, _COM, _APP0, _APP1, _APP2, _APP11, _APP13, _APP14 = 0xDA, 0xD9, 0xFE, 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE
_XMP, _ICC, _MPF = (
    b"http://ns.adobe.com/xap/1.0/\0",
    b"ICC_PROFILE\0",
    b"MPF\0",
)
_ROUNDING = 0.005  # of the resolution: what whole numbers may be off before EXIF says it alone
_TAIL = 65_536  # bytes at the end of a file that are looked at
_MILLIMETRES = {1: INCH, 2: 10.0}  # of the units of JFIF
_BLOCK_LOCK = threading.Lock()

Segment = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Own:
    """What only JPEG understands.

    Attributes:
        segments: those that are kept as they are, by marker and content.
        photoshop: its image resources.
        coding: arguments of Pillow's encoder: tables, subsampling, whether it is progressive.
    """

    segments: tuple[Segment, ...]
    photoshop: bytes
    coding: dict[str, Any]


def read(image: JpegImagePlugin.JpegImageFile, file: BinaryIO) -> PictureMetadata:
    """What a JPEG file says beside its samples."""
    segments = list(_segments(file))
    resources = _joined(segments, _APP13, photoshop.PREFIX)
    spacing, unit = _spacing(segments)
    if spacing is None and (spacing := photoshop.spacing(resources)):
        unit = "mm"
    kept = tuple((marker, data) for marker, data in segments if _is_kept(marker, data))
    names = {f"APP{marker - _APP0}" for marker, data in kept if marker != _COM}
    warnings = []
    if any(marker == _APP11 for marker, _ in segments):
        warnings.append(
            "its APP11 segments (content credentials and the like, which hold for its own samples) are dropped"
        )
    if photoshop.has_positions(resources):
        warnings.append("Photoshop's guides and slices, which are positions in pixels, are dropped")
    views = getattr(image, "n_frames", 1) > 1  # of which the source itself speaks
    if not views and (any(data.startswith(_MPF) for _, data in segments) or _goes_on(file)):
        warnings.append("what follows the picture in its file (a gain map, a depth map or a video) is dropped")
    return PictureMetadata(
        exif=_joined(segments, _APP1, EXIF_PREFIX),
        xmp=next((data[len(_XMP) :] for marker, data in segments if marker == _APP1 and data.startswith(_XMP)), b""),
        icc=_profile(segments),
        comments=tuple(_decoded(data) for marker, data in segments if marker == _COM),
        spacing=spacing,
        unit=unit,
        own=Own(kept, resources, _coding(image)),
        foreign_items=(
            *(f"the segments {name}" for name in sorted(names)),
            *(["Photoshop's resources"] if resources else []),
        ),
        warnings=tuple(warnings),
    )


def _segments(file: BinaryIO) -> Iterator[Segment]:
    """The marker and content of each segment before the samples."""
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        if head[1] == 0xFF:  # filling
            file.seek(-3, io.SEEK_CUR)
            continue
        marker, length = head[1], struct.unpack(">H", head[2:])[0]
        if marker in (_SOS, _EOI) or length < 2:
            return
        yield marker, file.read(length - 2)


def _goes_on(file: BinaryIO) -> bool:
    """Whether the file ends with something else than the end of a picture, and zeros."""
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - _TAIL))
    return not file.read().rstrip(b"\0").endswith(bytes([0xFF, _EOI]))


def _is_kept(marker: int, data: bytes) -> bool:
    """Whether a segment stays true, whatever becomes of the samples."""
    if marker == _COM:
        return True
    if marker == _APP1:
        return not data.startswith((EXIF_PREFIX, _XMP))
    if marker == _APP2:
        return not data.startswith((_ICC, _MPF))
    if marker == _APP13:
        return not data.startswith(photoshop.PREFIX)
    return _APP0 < marker <= 0xEF and marker not in (_APP11, _APP14)


def _joined(segments: list[Segment], wanted: int, prefix: bytes) -> bytes:
    return b"".join(data[len(prefix) :] for marker, data in segments if marker == wanted and data.startswith(prefix))


def _profile(segments: list[Segment]) -> bytes | None:
    parts = sorted(data[len(_ICC) :] for marker, data in segments if marker == _APP2 and data.startswith(_ICC))
    return b"".join(part[2:] for part in parts) or None  # sorted by the number in front


def _spacing(segments: list[Segment]) -> tuple[tuple[float, float] | None, str | None]:
    """What JFIF says."""
    for marker, data in segments:
        if marker == _APP0 and data.startswith(b"JFIF\0") and len(data) >= 12:
            unit, x, y = struct.unpack_from(">BHH", data, 7)
            if x and y and unit in _MILLIMETRES:
                return (_MILLIMETRES[unit] / x, _MILLIMETRES[unit] / y), "mm"
            return ((y / x, 1.0), None) if x and y and x != y else (None, None)
    return None, None


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _coding(image: JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    """How the input is encoded, as the encoder is told."""
    tables = [image.quantization[layer[3]] for layer in image.layer if layer[3] in image.quantization]
    while len(tables) > 1 and tables[-1] == tables[-2]:  # the last one serves all other components
        tables.pop()
    coding: dict[str, Any] = {"qtables": tables} if tables else {"quality": _QUALITY}
    if image.layers == 3:
        sampling = JpegImagePlugin.get_sampling(image)
        coding["subsampling"] = sampling if sampling >= 0 else 0  # of an unusual kind: the one that loses nothing
        coding["keep_rgb"] = image.info.get("adobe_transform") == 0 and "jfif" not in image.info
    coding["progressive"] = bool(image.info.get("progressive"))
    return coding


def has_resolution(picture: Picture) -> bool:
    """Whether JFIF says the resolution, in whole numbers, and only with the colours YCbCr and grey."""
    own = picture.notes.own
    plain = picture.mode in ("1", "L", "RGB") and not (isinstance(own, Own) and own.coding.get("keep_rgb"))
    return plain and all(v <= 65_535 and abs(v - round(v)) <= _ROUNDING * v for v in picture.dpi or ())


def is_too_long(document: bytes) -> bool:
    """Whether XMP does not fit into a segment."""
    return len(document) > LONGEST - len(_XMP)


def write(file: BinaryIO, frames: Array, picture: Picture) -> None:
    """Write a picture; the arguments are those of `png.writer.write`."""
    stream = io.BytesIO()
    stream.name = "picture.jpg"  # tells Pillow the format, and that it need load no other
    save = _save_options(picture)
    image = to_image(frames[0], picture)
    with _BLOCK_LOCK:  # a progressive file is made in a single block, for which Pillow's guess may be too small
        before = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = max(before, 4 * frames[0].size + LONGEST) if save.get("progressive") else before
        try:
            image.save(stream, **save)
        finally:
            ImageFile.MAXBLOCK = before
    data = stream.getbuffer()
    start = 2
    if data[3] == _APP0:
        start += 2 + struct.unpack_from(">H", data, 4)[0]
    file.write(bytes(data[:2]) + _with_aspect(bytes(data[2:start]), picture.notes))
    for marker, content in _described(picture):
        file.write(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content)
    file.write(data[start:])


def _save_options(picture: Picture) -> dict[str, Any]:
    own = picture.notes.own
    options: dict[str, Any] = dict(own.coding) if isinstance(own, Own) else {"quality": _QUALITY}
    if picture.options.quality is not None:
        options.pop("qtables", None)
        options["quality"] = picture.options.quality
    if picture.dpi is not None and has_resolution(picture):
        options["dpi"] = picture.dpi
    return options


def _with_aspect(jfif: bytes, notes: PictureMetadata) -> bytes:
    """The segment with the shape of a pixel, where that is all that is known."""
    if notes.spacing is None or notes.unit is not None or not jfif:
        return jfif
    x, y = (round(1000 / value * notes.spacing[1]) for value in notes.spacing)
    return jfif[:11] + struct.pack(">BHH", 0, min(x, 65535), min(y, 65535)) + jfif[16:]


def _described(picture: Picture) -> Iterator[Segment]:
    """The segments beside the samples, in the customary order."""
    notes = picture.notes
    yield from ((_APP1, EXIF_PREFIX + part) for part in _cut(notes.exif, LONGEST - len(EXIF_PREFIX)))
    if notes.xmp:
        yield _APP1, _XMP + notes.xmp
    profile = _cut(notes.icc or b"", LONGEST - len(_ICC) - 2)
    yield from ((_APP2, _ICC + bytes([number, len(profile)]) + part) for number, part in enumerate(profile, 1))
    if isinstance(notes.own, Own):
        resources = photoshop.updated(notes.own.photoshop, picture.dpi)
        yield from ((_APP13, photoshop.PREFIX + part) for part in _cut(resources, LONGEST - len(photoshop.PREFIX)))
        yield from notes.own.segments
    else:
        yield from ((_COM, text.encode()[:LONGEST]) for text in notes.comments)


def _cut(data: bytes, length: int) -> list[bytes]:
    return [data[start : start + length] for start in range(0, len(data), length)]
