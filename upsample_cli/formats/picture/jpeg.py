"""Reads and writes JPEG metadata segment by segment, so that segments which Pillow drops are preserved."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import ImageFile, JpegImagePlugin

from ...geometry import INCH
from ..base import Array
from ..dropped import Dropped, Loss
from . import jpeg_codec, photoshop
from .model import EXIF_PREFIX, EncodeSpec, PictureMetadata
from .pixels import to_image

MAX_SEGMENT_BYTES = 65_533  # without the length field

_DEFAULT_QUALITY = 95
_SOS, _EOI, _COM, _APP0, _APP1, _APP2, _APP11, _APP13, _APP14 = 0xDA, 0xD9, 0xFE, 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE
_JFIF = b"JFIF\0"
_REWRITTEN = (_JFIF, b"JFXX\0")  # segments that the encoder writes, or that hold a thumbnail
_XMP, _ICC, _MPF = b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"MPF\0"
_MAX_RELATIVE_ERROR = 0.005  # of JFIF's integer resolution; beyond it, only EXIF stores the resolution
_RATIO, _PER_INCH, _PER_CENTIMETRE = 0, 1, 2  # density units of JFIF
_MAX_ASPECT = 100  # of pixels; JFIF of more holds no density
_UNIT_MM = {_PER_INCH: INCH, _PER_CENTIMETRE: 10.0}  # by JFIF density unit
_MAXBLOCK_LOCK = threading.Lock()

Segment = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class NativeData:
    """JPEG-specific data.

    Attributes:
        segments: marker and content of the segments that are copied unchanged.
        photoshop: Photoshop image resources.
        encoder_options: arguments of Pillow's encoder: quantization tables, subsampling, progressive mode.
        density_unit: of JFIF.
    """

    segments: tuple[Segment, ...]
    photoshop: bytes
    encoder_options: dict[str, Any]
    density_unit: int

    def stripped(self) -> NativeData:
        """See `NativeSettings`."""
        return replace(self, segments=(), photoshop=b"")


def read(image: JpegImagePlugin.JpegImageFile, file: BinaryIO) -> PictureMetadata:
    """Read the metadata of a JPEG file."""
    segments = list(_segments(file))
    resources = _join_payloads(segments, _APP13, photoshop.PREFIX)
    density_unit, spacing, unit = _jfif_spacing(segments)
    if spacing is None and (spacing := photoshop.spacing(resources)):
        unit = "mm"
    kept = tuple((marker, data) for marker, data in segments if _is_copied(marker, data))
    names = {f"APP{marker - _APP0}" for marker, data in kept if marker != _COM}
    return PictureMetadata(
        exif=_join_payloads(segments, _APP1, EXIF_PREFIX),
        xmp=next((data[len(_XMP) :] for marker, data in segments if marker == _APP1 and data.startswith(_XMP)), b""),
        icc=_icc_profile(segments),
        comments=tuple(_decode_comment(data) for marker, data in segments if marker == _COM),
        spacing=spacing,
        unit=unit,
        native=NativeData(kept, resources, _encoder_options(image), density_unit),
        foreign_items=(
            *(f"the segments {name}" for name in sorted(names)),
            *(["Photoshop's resources"] if resources else []),
        ),
        warnings=tuple(_warnings(image, file, segments, resources)),
    )


def _warnings(
    image: JpegImagePlugin.JpegImageFile, file: BinaryIO, segments: Sequence[Segment], resources: bytes
) -> Iterator[str]:
    """Warnings about data that no output keeps."""
    unknown = {_name(data) for marker, data in segments if marker == _APP0 and not data.startswith(_REWRITTEN)}
    if unknown:
        yield Dropped(f"its APP0 segments {', '.join(sorted(unknown))} are dropped", Loss.HEADER_FIELD)
    if any(marker == _APP11 for marker, _ in segments):
        text = "its APP11 segments (such as content credentials, valid only for the original samples) are dropped"
        yield Dropped(text, Loss.HEADER_FIELD)
    if photoshop.has_positions(resources):
        yield Dropped("Photoshop's guides and slices are dropped, because they are positions in pixels", Loss.OTHER)
    has_views = getattr(image, "n_frames", 1) > 1  # `PictureSource` warns about these
    if not has_views and (any(data.startswith(_MPF) for _, data in segments) or _has_trailer(file)):
        text = "data after the picture (such as a gain map, a depth map or a video) is dropped"
        yield Dropped(text, Loss.TRAILING_DATA)


def _segments(file: BinaryIO) -> Iterator[Segment]:
    """Marker and content of each segment before the samples; bytes between segments are skipped, as in decoders."""
    file.seek(2)
    while len(head := file.read(4)) == 4:
        if head[0] != 0xFF or head[1] == 0xFF:  # damage, or a fill byte
            file.seek(-3, io.SEEK_CUR)
            continue
        marker, length = head[1], struct.unpack(">H", head[2:])[0]
        if marker in (_SOS, _EOI) or length < 2:
            return
        yield marker, file.read(length - 2)


def _has_trailer(file: BinaryIO) -> bool:
    """Whether data other than zeros follows the end-of-image marker, which a truncated file lacks."""
    tail, end = jpeg_codec.tail(file), bytes([0xFF, _EOI])
    return (end in tail or len(tail) == jpeg_codec.TAIL_BYTES) and not tail.endswith(end)


def _is_copied(marker: int, data: bytes) -> bool:
    """Whether a segment is copied unchanged, because it does not depend on the samples."""
    if marker == _COM:
        return True
    if marker == _APP1:
        return not data.startswith((EXIF_PREFIX, _XMP))
    if marker == _APP2:
        return not data.startswith((_ICC, _MPF))
    if marker == _APP13:
        return not data.startswith(photoshop.PREFIX)
    return _APP0 < marker <= 0xEF and marker not in (_APP11, _APP14)


def _join_payloads(segments: list[Segment], wanted: int, prefix: bytes) -> bytes:
    return b"".join(data[len(prefix) :] for marker, data in segments if marker == wanted and data.startswith(prefix))


def _icc_profile(segments: list[Segment]) -> bytes | None:
    """The profile, whose parts are numbered; a part that is stored twice counts once."""
    parts = [data[len(_ICC) :] for marker, data in segments if marker == _APP2 and data.startswith(_ICC)]
    numbered = {part[0]: part[2:] for part in reversed(parts) if len(part) > 2}
    return b"".join(numbered[number] for number in sorted(numbered)) or None


def _name(data: bytes) -> str:
    """The identifier at the start of a segment; that of CIFF follows a header."""
    identifier = data[6:14] if data[6:10] == b"HEAP" else data.split(b"\0")[0][:8]
    return identifier.decode("ascii", "replace") or "without a name"


def _jfif_spacing(segments: list[Segment]) -> tuple[int, tuple[float, float] | None, str | None]:
    """JFIF's density unit, the spacing and its unit: mm, or None for a ratio. As for libjpeg, the last one counts."""
    for marker, data in reversed(segments):
        if marker == _APP0 and data.startswith(_JFIF) and len(data) >= 12:
            unit, x, y = struct.unpack_from(">BHH", data, 7)
            if x and y and unit in _UNIT_MM:
                return unit, (_UNIT_MM[unit] / x, _UNIT_MM[unit] / y), "mm"
            is_ratio = unit == _RATIO and x and y and x != y and max(x, y) <= _MAX_ASPECT * min(x, y)
            return unit, (y / x, 1.0) if is_ratio else None, None
    return _PER_INCH, None, None


def _decode_comment(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _encoder_options(image: JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    """Arguments that make Pillow's encoder use the settings of the input."""
    tables = [_of_8_bits(image.quantization[layer[3]]) for layer in image.layer if layer[3] in image.quantization]
    while len(tables) > 1 and tables[-1] == tables[-2]:  # Pillow reuses the last table for all further components
        tables.pop()
    encoder_options: dict[str, Any] = {"qtables": tables} if 0 < len(tables) <= 4 else {"quality": _DEFAULT_QUALITY}
    if image.layers == 3:
        sampling = JpegImagePlugin.get_sampling(image)
        encoder_options["subsampling"] = sampling if sampling >= 0 else 0  # unknown subsampling: use none (4:4:4)
        encoder_options["keep_rgb"] = image.info.get("adobe_transform") == 0 and "jfif" not in image.info
    encoder_options["progressive"] = bool(image.info.get("progressive"))
    return encoder_options


def _of_8_bits(table: Sequence[int]) -> list[int]:
    """The quantization table with numbers that baseline JPEG, which every program reads, can hold."""
    return list(table) if max(table) <= 255 else [min(number, 255) for number in table]


def with_resources(resources: bytes) -> NativeData:
    """JPEG settings that contain Photoshop's resources from a file of another family."""
    return NativeData((), resources, {"quality": _DEFAULT_QUALITY}, _PER_INCH)


def jfif_holds_resolution(spec: EncodeSpec) -> bool:
    """Whether JFIF can store the resolution: it holds integers, and only exists for YCbCr and grey."""
    native = spec.metadata.native
    plain = spec.mode in ("1", "L", "RGB") and not (
        isinstance(native, NativeData) and native.encoder_options.get("keep_rgb")
    )
    return plain and (spec.dpi is None or _density(spec) is not None)


def _density(spec: EncodeSpec) -> tuple[int, int, int] | None:
    """JFIF's unit and samples per unit along x and y; None if no unit gives integers."""
    native = spec.metadata.native
    own = native.density_unit if isinstance(native, NativeData) else _PER_INCH
    for unit in sorted(_UNIT_MM, key=lambda unit: unit != own):
        values = [_UNIT_MM[unit] / value for value in spec.metadata.spacing or ()]
        if all(1 <= round(v) <= 65_535 and abs(v - round(v)) <= _MAX_RELATIVE_ERROR * v for v in values):
            return unit, round(values[0]), round(values[1])
    return None


def exceeds_segments(profile: bytes | None) -> bool:
    """Whether an ICC profile is too large for 255 segments, the maximum."""
    return len(profile or b"") > 255 * (MAX_SEGMENT_BYTES - len(_ICC) - 2)


def exceeds_segment(document: bytes) -> bool:
    """Whether an XMP document does not fit into a segment."""
    return len(document) > MAX_SEGMENT_BYTES - len(_XMP)


def write(file: BinaryIO, frames: Array, spec: EncodeSpec) -> None:
    """Write a picture; the arguments are those of `png.writer.write`."""
    save = _save_options(spec)
    if jpeg_codec.can_encode(spec.mode, spec.size, save):
        data = memoryview(jpeg_codec.encode(frames[0], save))
    else:
        data = _encode_with_pillow(frames[0], spec, save)
    start = 2
    if data[3] == _APP0:
        start += 2 + struct.unpack_from(">H", data, 4)[0]
    file.write(bytes(data[:2]) + _with_density(bytes(data[2:start]), spec))
    for marker, content in _metadata_segments(spec):
        file.write(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content)
    file.write(data[start:])


def _encode_with_pillow(frame: Array, spec: EncodeSpec, save: dict[str, Any]) -> memoryview:
    stream = io.BytesIO()
    stream.name = "picture.jpg"  # tells Pillow the format, so that it loads no other plug-in
    image = to_image(frame, spec)
    with _MAXBLOCK_LOCK:  # progressive files need a single buffer; Pillow's estimate can be too small
        before = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = max(before, 4 * frame.size + MAX_SEGMENT_BYTES) if save.get("progressive") else before
        try:
            image.save(stream, **save)
        finally:
            ImageFile.MAXBLOCK = before
    return stream.getbuffer()


def encodes_directly(spec: EncodeSpec) -> bool:
    """Whether the output is encoded without Pillow."""
    return jpeg_codec.can_encode(spec.mode, spec.size, _save_options(spec))


def is_progressive(spec: EncodeSpec) -> bool:
    """Whether the output is progressive, which it is if the input is."""
    return bool(_save_options(spec).get("progressive"))


def _save_options(spec: EncodeSpec) -> dict[str, Any]:
    native = spec.metadata.native
    options: dict[str, Any] = (
        dict(native.encoder_options) if isinstance(native, NativeData) else {"quality": _DEFAULT_QUALITY}
    )
    if spec.options.quality is not None:
        options.pop("qtables", None)
        options["quality"] = spec.options.quality
    return options


def _with_density(jfif: bytes, spec: EncodeSpec) -> bytes:
    """The JFIF segment with the resolution, or with the pixel aspect ratio if the resolution has no unit."""
    metadata = spec.metadata
    if metadata.spacing is None or not jfif:
        return jfif
    if metadata.unit is not None:
        density = _density(spec)
        return jfif if density is None else jfif[:11] + struct.pack(">BHH", *density) + jfif[16:]
    x, y = (round(1000 / value * metadata.spacing[1]) for value in metadata.spacing)
    return jfif[:11] + struct.pack(">BHH", 0, min(x, 65535), min(y, 65535)) + jfif[16:]


def _metadata_segments(spec: EncodeSpec) -> Iterator[Segment]:
    """The metadata segments, in their customary order."""
    metadata = spec.metadata
    yield from ((_APP1, EXIF_PREFIX + part) for part in _split(metadata.exif, MAX_SEGMENT_BYTES - len(EXIF_PREFIX)))
    if metadata.xmp:
        yield _APP1, _XMP + metadata.xmp
    profile = _split(metadata.icc or b"", MAX_SEGMENT_BYTES - len(_ICC) - 2)
    yield from ((_APP2, _ICC + bytes([number, len(profile)]) + part) for number, part in enumerate(profile, 1))
    if isinstance(metadata.native, NativeData):
        resources = photoshop.updated(metadata.native.photoshop, spec.dpi)
        yield from (
            (_APP13, photoshop.PREFIX + part) for part in _split(resources, MAX_SEGMENT_BYTES - len(photoshop.PREFIX))
        )
        yield from metadata.native.segments
    else:
        yield from ((_COM, text.encode()[:MAX_SEGMENT_BYTES]) for text in metadata.comments)


def _split(data: bytes, length: int) -> list[bytes]:
    return [data[start : start + length] for start in range(0, len(data), length)]
