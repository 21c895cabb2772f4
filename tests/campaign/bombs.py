"""Functions that make bombs: small files that claim to be huge, expand enormously, contain loops or nest deeply."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from tests.campaign.seeds import XMP
from tests.formats.file_dump import SIGNATURE, chunk, with_segments

Make = Callable[[Path], object]
Bomb = tuple[str, str, Make]

_ZEROS = bytes(1 << 24)
_NESTING = 200_000


def _stored(data: bytes | Callable[[], bytes]) -> Make:
    return lambda path: path.write_bytes(data if isinstance(data, bytes) else data())


@cache
def _deflated(total: int) -> bytes:
    """A zlib stream of `total` zeros, about a thousandth as long: one block repeated."""
    packer = zlib.compressobj(9)
    start = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(_ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (total % 65_521) << 16 | 1  # Adler-32 of zeros
    return start + block * (total // len(_ZEROS)) + b"\3\0" + struct.pack(">I", checksum)


@cache
def _zipped() -> bytes:
    """A gzip member that contains zeros."""
    return gzip.compress(_ZEROS, 9, mtime=0)


# --- PNG ---


def _png(
    width: int, height: int, depth: int, colour: int, *chunks: bytes, data: bytes = b"", interlace: int = 0
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    palette = chunk(b"PLTE", bytes(6)) if colour == 3 else b""
    pixels = chunk(b"IDAT", data or zlib.compress(bytes(50)))
    return SIGNATURE + chunk(b"IHDR", header) + b"".join(chunks) + palette + pixels + chunk(b"IEND")


def _small_png(*chunks: bytes) -> bytes:
    return _png(4, 4, 8, 2, *chunks, data=zlib.compress(bytes(4 * 13)))


def _pngs() -> Iterator[Bomb]:
    for width, height in [
        (2**31 - 1, 1),
        (1, 2**31 - 1),
        (65_535, 65_535),
        (330, 459_007),
        (2**31 - 1, 2**31 - 1),
        (10**6, 10**6),
    ]:
        for depth, colour in [(8, 2), (1, 0), (16, 6), (8, 3)]:
            yield (
                f"png {width}x{height} {depth} bit type {colour}",
                ".png",
                _stored(partial(_png, width, height, depth, colour)),
            )
    yield "png interlaced 65535", ".png", _stored(lambda: _png(65_535, 65_535, 8, 2, interlace=1))
    yield "png pixels that expand", ".png", _stored(lambda: _png(10, 10, 8, 2, data=_deflated(1 << 30)))
    bombs = {
        "zTXt": lambda: b"key\0\0" + _deflated(1 << 28),
        "iTXt": lambda: b"key\0\1\0\0\0" + _deflated(1 << 28),
        "iCCP": lambda: b"name\0\0" + _deflated(1 << 28),
    }
    for name, content in bombs.items():
        yield (
            f"png {name} that expands",
            ".png",
            _stored(lambda name=name, content=content: _small_png(chunk(name.encode(), content()))),
        )
    yield (
        "png 60 texts that expand",
        ".png",
        _stored(lambda: _small_png(*[chunk(b"zTXt", b"key\0\0" + _deflated(1 << 26))] * 60)),
    )
    yield "png 100000 chunks", ".png", _stored(lambda: _small_png(*[chunk(b"tEXt", b"a\0b")] * 100_000))
    yield (
        "png XMP that expands",
        ".png",
        _stored(lambda: _small_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + _deflated(1 << 26)))),
    )
    for name, text in _xmps():
        yield (
            f"png XMP {name}",
            ".png",
            _stored(lambda text=text: _small_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text()))),
        )
    for count in (10_000, 2**31 - 1):
        yield f"png animation of {count} frames", ".png", _stored(partial(_apng, count, (4, 4)))
    yield "png animation of large frames", ".png", _stored(partial(_apng, 2000, (20_000, 20_000)))


def _apng(count: int, size: tuple[int, int]) -> bytes:
    frames, sequence = [], 0
    for number in range(min(count, 10_000)):
        control = struct.pack(">IIIIIHHBB", sequence, *size, 0, 0, 1, 10, 0, 0)
        frames.append(chunk(b"fcTL", control))
        sequence += 1
        if number:
            frames.append(chunk(b"fdAT", struct.pack(">I", sequence) + zlib.compress(bytes(52))))
            sequence += 1
        else:
            frames.append(chunk(b"IDAT", zlib.compress(bytes(52))))
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    return (
        SIGNATURE
        + chunk(b"IHDR", header)
        + chunk(b"acTL", struct.pack(">II", count, 0))
        + b"".join(frames)
        + chunk(b"IEND")
    )


def _xmps() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """XMP that regular expressions and parsers may take too long to process."""
    yield "nested", lambda: XMP + b"<a>" * _NESTING
    yield "spaces", lambda: b"<tiff:Orientation" + b" " * 3_000_000
    yield "names", lambda: b" tiff:Orientation" * 200_000
    yield "openings", lambda: b"<xmp:Thumbnails>" * 200_000
    yield "quotes", lambda: b" tiff:ImageWidth = " * 200_000
    yield "values", lambda: b"<tiff:ImageWidth>" + b"1" * 3_000_000
    yield "entities", _entities


def _entities() -> bytes:
    """Nested entities that expand to a billion copies of a word."""
    levels = b"".join(b'<!ENTITY e%d "%s">' % (n + 1, b"&e%d;" % n * 10) for n in range(9))
    return b'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY e0 "word">' + levels + b"]><OME>&e9;</OME>"


# --- JPEG, WebP, GIF ---


def _saved(kind: str, size: tuple[int, int] = (16, 16), mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    return stream.getvalue()


def _with_size(jpeg: bytes, width: int, height: int) -> bytes:
    place = next(p for marker in (b"\xff\xc0", b"\xff\xc2") if (p := jpeg.find(marker)) >= 0)
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


def _resized(width: int, height: int, progressive: bool) -> bytes:
    return _with_size(_saved("JPEG", progressive=progressive), width, height)


def _jpegs() -> Iterator[Bomb]:
    for width, height in [(65_535, 65_535), (65_535, 1), (1, 65_535), (65_500, 20_000), (30_000, 0)]:
        for progressive in (False, True):
            kind = "progressive" if progressive else "baseline"
            made = partial(_resized, width, height, progressive)
            yield f"jpeg {width}x{height} {kind}", ".jpg", _stored(made)
    yield "jpeg many scans", ".jpg", _stored(_many_scans)
    yield "jpeg 30000 segments", ".jpg", _stored(lambda: with_segments(_saved("JPEG"), *[(0xE5, b"x")] * 30_000))
    yield (
        "jpeg 255 profiles of one",
        ".jpg",
        _stored(lambda: _segmented(*[b"ICC_PROFILE\0\1\1" + bytes(65_000)] * 255, marker=0xE2)),
    )
    yield "jpeg fill bytes", ".jpg", _stored(lambda: b"\xff\xd8" + b"\xff" * 5_000_000)
    yield (
        "jpeg extended XMP of 4 GB",
        ".jpg",
        _stored(
            lambda: _segmented(
                b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 2**32 - 1, 0) + b"x"
            )
        ),
    )
    for name, text in _xmps():
        if name in ("spaces", "names", "openings"):
            yield (
                f"jpeg XMP {name}",
                ".jpg",
                _stored(lambda text=text: _segmented(b"http://ns.adobe.com/xap/1.0/\0" + text()[:65_000])),
            )
    yield (
        "jpeg EXIF in a loop",
        ".jpg",
        _stored(lambda: _segmented(b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 34665, 4, 1, 8, 8))),
    )
    yield (
        "jpeg EXIF of 65535 entries",
        ".jpg",
        _stored(
            lambda: _segmented(
                b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + struct.pack("<HHII", 274, 3, 2**32 - 1, 1) * 5000
            )
        ),
    )


def _segmented(*contents: bytes, marker: int = 0xE1) -> bytes:
    return with_segments(_saved("JPEG"), *[(marker, content[:65_533]) for content in contents])


def _many_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    jpeg = _with_size(_saved("JPEG", progressive=True), 8000, 8000)
    scan = jpeg.rfind(b"\xff\xda")
    return jpeg[:scan] + jpeg[scan:-2] * 400 + jpeg[-2:]


def _webps() -> Iterator[Bomb]:
    for width, height in [(2**24, 2**24), (2**24, 1), (16_384, 16_384)]:
        yield f"webp canvas {width}x{height}", ".webp", _stored(partial(_webp, width, height, 1))
    yield "webp 20000 frames", ".webp", _stored(partial(_webp, 4000, 4000, 20_000))
    for size in (0, 0xFFFFFFFF, 0x7FFFFFFF):
        yield (
            f"webp chunk of {size}",
            ".webp",
            _stored(lambda size=size: b"RIFF\xff\xff\xff\xffWEBPVP8L" + struct.pack("<I", size) + bytes(30)),
        )


def _webp(width: int, height: int, frames: int) -> bytes:
    still = _saved("WEBP", lossless=True)[12:]
    flags = struct.pack("<I", 2)
    canvas = flags + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frame = bytes(6) + (15).to_bytes(3, "little") * 2 + (1).to_bytes(3, "little") + b"\0" + still
    packed = b"VP8X" + struct.pack("<I", 10) + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    packed += (b"ANMF" + struct.pack("<I", len(frame)) + frame) * frames
    return b"RIFF" + struct.pack("<I", len(packed) + 4) + b"WEBP" + packed


def _gif(screen: tuple[int, int], frame: tuple[int, int], count: int, data: bytes = b"\x02\x02\x44\x01\0") -> bytes:
    start = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6)
    control = b"\x21\xf9\x04\x04\x0a\0\0\0"
    return start + (control + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + data) * count + b";"


def _gifs() -> Iterator[Bomb]:
    for screen, frame, count in [
        ((65_535, 65_535), (1, 1), 1),
        ((1, 1), (65_535, 65_535), 1),
        ((1, 1), (65_535, 65_535), 2),
        ((8, 8), (8, 65_535), 3),
        ((65_535, 65_535), (65_535, 65_535), 50),
        ((3000, 3000), (1, 1), 10_000),
        ((1, 1), (1, 1), 10_000),
        ((0, 0), (0, 0), 2),
        ((0, 0), (65_535, 1), 9),
    ]:
        yield f"gif {screen} {frame} {count}", ".gif", _stored(partial(_gif, screen, frame, count))
    yield "gif comments without end", ".gif", _stored(lambda: b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\xff" * 5_000_000)
    yield "gif of empty blocks", ".gif", _stored(lambda: b"GIF89a" + bytes(7) + b"\x21\xfe\0" * 1_000_000)


# --- TIFF ---

_Entry = tuple[int, int, int, int]


def _tiff(*entries: _Entry, data: bytes = b"", following: int = 0) -> bytes:
    """A TIFF with `data` at byte 8, followed by one directory; entries are tag, type, count and value."""
    offset = 8 + len(data) + len(data) % 2
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    directory = struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", offset) + data + bytes(len(data) % 2) + directory


def _page(width: int = 4, height: int = 4, **changes: int) -> list[_Entry]:
    fields = {
        "bits": 8,
        "compression": 1,
        "samples": 1,
        "rows": height,
        "offset": 8,
        "bytes": 16,
        "photometric": 1,
    } | changes
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, fields["bits"]),
        (259, 3, 1, fields["compression"]),
        (262, 3, 1, fields["photometric"]),
        (273, 4, fields.get("strips", 1), fields["offset"]),
        (277, 3, 1, fields["samples"]),
        (278, 4, 1, fields["rows"]),
        (279, 4, fields.get("strips", 1), fields["bytes"]),
    ]


def _tiles(tile: int, compression: int, width: int = 4) -> list[_Entry]:
    kept = [entry for entry in _page(width, width, compression=compression) if entry[0] not in (273, 278, 279)]
    return [*kept, (322, 4, 1, tile), (323, 4, 1, tile), (324, 4, 1, 8), (325, 4, 1, 16)]


def _tiffs() -> Iterator[Bomb]:
    for width, height in [(2**32 - 1, 1), (1, 2**32 - 1), (2**16, 2**16), (2**32 - 1, 2**32 - 1), (10**6, 10**6)]:
        for compression in (1, 5, 8, 32773, 7, 4):
            made = partial(_tiff, *_page(width, height, compression=compression), data=bytes(64))
            yield f"tiff {width}x{height} compression {compression}", ".tif", _stored(made)
    for tile in (2**15, 2**16, 2**31, 2**32 - 16, 0, 1):
        for compression in (1, 8, 32773):
            yield (
                f"tiff tiles of {tile} compression {compression}",
                ".tif",
                _stored(partial(_tiff, *_tiles(tile, compression), data=bytes(64))),
            )
    for name, changes in {
        "65535 samples": {"samples": 65_535},
        "64740 samples": {"samples": 64_740, "bits": 1},
        "65535 bits": {"bits": 65_535},
        "0 bits": {"bits": 0},
        "rows 0": {"rows": 0},
        "rows 4294967295": {"rows": 2**32 - 1},
        "a strip of 4 GB": {"bytes": 2**32 - 1},
        "2147483647 strips": {"strips": 2**31 - 1},
        "100000000 strips": {"strips": 10**8},
    }.items():
        yield f"tiff {name}", ".tif", _stored(partial(_tiff, *_page(**changes), data=bytes(64)))
    yield "tiff strip that expands", ".tif", _stored(_expanding_strip)
    yield "tiff a row in each strip", ".tif", _stored(lambda: _tiff(*_page(4, 10**8, rows=1), data=bytes(64)))
    yield "tiff a loop of one", ".tif", _stored(lambda: _tiff(*_page(), data=bytes(16), following=24))
    yield "tiff a loop of two", ".tif", _stored(_loop_of_two)
    yield "tiff subdirectories in a loop", ".tif", _stored(lambda: _tiff(*_page(), (330, 4, 1, 24), data=bytes(16)))
    yield "tiff 65535 entries", ".tif", _stored(lambda: _tiff(*_page(), *[(65_000, 3, 1, 0)] * 60_000, data=bytes(16)))
    yield "tiff 5000 pages", ".tif", _stored(lambda: _chain(5000))
    for tag in (258, 270, 273, 320, 330, 339, 700, 33723, 34377, 34675, 50839, 42112):
        yield (
            f"tiff tag {tag} of 4 GB",
            ".tif",
            _stored(
                lambda tag=tag: _tiff(*[e for e in _page() if e[0] != tag], (tag, 1, 2**32 - 1, 8), data=bytes(64))
            ),
        )
    for images in (2**31 - 1, 10**9, 10**5):
        text = f"ImageJ=1.53t\nimages={images}\nslices={images}\nhyperstack=true\n".encode()
        yield f"tiff ImageJ of {images}", ".tif", _stored(partial(_described, text))
    yield "tiff shaped", ".tif", _stored(lambda: _described(b'{"shape": [1000000000, 1000000000, 4, 4]}'))
    yield (
        "tiff shape of 100000 axes",
        ".tif",
        _stored(lambda: _described(b'{"shape": [' + b"1, " * 100_000 + b"4, 4]}")),
    )
    yield "tiff nested JSON", ".tif", _stored(lambda: _described(b'{"shape": ' + b"[" * _NESTING))
    for name, text in _omes():
        yield f"ome {name}", ".ome.tif", _stored(lambda text=text: _described(text()))
    for name, text in _xmps():
        yield f"tiff XMP {name}", ".tif", _stored(lambda text=text: _with_text(700, 1, text()))
    yield (
        "tiff GDAL nested",
        ".tif",
        _stored(lambda: _with_text(42112, 2, b"<GDALMetadata>" + b"<Item>" * _NESTING + b"\0")),
    )
    yield (
        "tiff GDAL entities",
        ".tif",
        _stored(lambda: _with_text(42112, 2, _entities().replace(b"OME", b"GDALMetadata") + b"\0")),
    )
    yield "tiff nodata of a million digits", ".tif", _stored(lambda: _with_text(42113, 2, b"1" * 1_000_000 + b"\0"))


def _expanding_strip() -> bytes:
    data = _deflated(1 << 30)
    return _tiff(*_page(compression=8, bytes=len(data)), data=data)


def _loop_of_two() -> bytes:
    first = _tiff(*_page(), data=bytes(16))
    second = _tiff(*_page())[8:]
    return first[:-4] + struct.pack("<I", len(first)) + second[:-4] + struct.pack("<I", 24)


def _chain(pages: int) -> bytes:
    size = len(_tiff(*_page())) - 8
    parts = [_tiff(*_page(), following=24 + size * (n + 1) if n + 1 < pages else 0)[8:] for n in range(pages)]
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + b"".join(parts)


def _with_text(tag: int, kind: int, text: bytes) -> bytes:
    return _tiff(*_page(), (tag, kind, len(text), 24), data=bytes(16) + text)


def _described(text: bytes) -> bytes:
    return _with_text(270, 2, text + b"\0")


def _omes() -> Iterator[tuple[str, Callable[[], bytes]]]:
    start = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    pixels = '<Pixels ID="P:0" DimensionOrder="XYZCT" Type="int8" SizeX="{}" SizeY="{}" SizeZ="{}" SizeC="1" SizeT="1">'
    end = "</Pixels></Image></OME>"

    def document(sizes: tuple[object, ...], inside: str = "<TiffData/>") -> bytes:
        return (start + pixels.format(*sizes) + inside + end).encode()

    yield "SizeZ 1e9", lambda: document((4, 4, 10**9))
    yield "SizeX 1e9", lambda: document((10**9, 4, 1))
    yield "SizeZ -1", lambda: document((4, 4, -1))
    yield "SizeZ of 5000 digits", lambda: document((4, 4, "9" * 5000))
    yield "100000 planes", lambda: document((4, 4, 1), '<Plane TheZ="0" TheC="0" TheT="0"/>' * 100_000)
    yield "100000 parts", lambda: document((4, 4, 100_000), '<TiffData IFD="0" PlaneCount="1"/>' * 100_000)
    yield "PlaneCount 1e9", lambda: document((4, 4, 1), '<TiffData IFD="0" PlaneCount="1000000000"/>')
    nested = "<a>" * _NESTING + "</a>" * _NESTING
    yield (
        "nested",
        lambda: document((4, 4, 1))[:-6] + f"<StructuredAnnotations>{nested}</StructuredAnnotations></OME>".encode(),
    )
    yield "nested without end", lambda: (start + "<a>" * _NESTING).encode()
    yield "entities", _entities
    yield (
        "100000 images",
        lambda: (
            start.replace("<Image", "<x/>" * 100_000 + "<Image") + pixels.format(4, 4, 1) + "<TiffData/>" + end
        ).encode(),
    )
    yield "attributes", lambda: ("<OME " + "".join(f'a{n}="1" ' for n in range(100_000)) + "/>").encode()
    yield "100000 regions", lambda: document((4, 4, 1))[:-6] + b'<ROI ID="ROI:0"><Union/></ROI>' * 100_000 + b"</OME>"


# --- volumes and arrays ---


def _nifti(compress: bool = False, data: bytes = bytes(512), **fields: object) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_shape((4, 4, 4))
    header.set_data_dtype(np.uint8)
    header["magic"], header["vox_offset"] = b"n+1", 352
    for name, value in fields.items():
        header[name] = value
    whole = header.structarr.tobytes() + bytes(4) + data
    return gzip.compress(whole, 9, mtime=0) if compress else whole


def _volumes() -> Iterator[Bomb]:
    for dims in [
        (7, *[32_767] * 7),
        (3, 32_767, 32_767, 32_767, 1, 1, 1, 1),
        (1, 32_767, 1, 1, 1, 1, 1, 1),
        (3, -1, -1, -1, 1, 1, 1, 1),
        (7, 1, 1, 1, 1, 1, 1, 32_767),
    ]:
        for compress in (False, True):
            suffix = ".nii.gz" if compress else ".nii"
            yield f"nifti {dims[1]}^{dims[0]}{suffix}", suffix, _stored(lambda d=dims, c=compress: _nifti(c, dim=d))
    for offset in (1e9, 1e18, 3e38, float("inf"), float("nan"), -1e9):
        for compress in (False, True):
            suffix = ".nii.gz" if compress else ".nii"
            yield (
                f"nifti vox_offset {offset}{suffix}",
                suffix,
                _stored(lambda o=offset, c=compress: _nifti(c, vox_offset=o)),
            )
    yield (
        "nifti of zeros without end",
        ".nii.gz",
        _stored(lambda: _nifti(True, dim=(3, 4, 4, 4, 1, 1, 1, 1)) + _zipped() * 64),
    )
    yield "nifti behind a gigabyte", ".nii.gz", _stored(lambda: _nifti(True, vox_offset=1e9) + _zipped() * 64)
    yield (
        "nifti extension of 2 GB",
        ".nii",
        _stored(lambda: _nifti(vox_offset=1e9)[:348] + b"\1\0\0\0" + struct.pack("<II", 2**31 - 16, 6) + bytes(512)),
    )
    yield (
        "nifti 100000 extensions",
        ".nii",
        _stored(
            lambda: (
                _nifti(vox_offset=352 + 1_600_000)[:348]
                + b"\1\0\0\0"
                + (struct.pack("<II", 16, 6) + bytes(8)) * 100_000
                + bytes(64)
            )
        ),
    )
    for shape in [(2**31 - 1, 2**31 - 1, 2**31 - 1, 1), (2**31 - 1, 1, 1, 1), (-1, -1, -1, 1), (1, 1, 1, 2**31 - 1)]:
        for suffix in (".mgh", ".mgz"):
            yield f"mgh {shape}{suffix}", suffix, _stored(lambda s=shape, z=suffix: _mgh(s, z == ".mgz"))
    yield "mgh of zeros without end", ".mgz", _stored(lambda: _zipped() * 64)
    for name in (".hdr", ".img"):
        yield f"analyze of {name}", name, partial(_pair, name)
    yield "nifti gzip in gzip", ".nii.gz", _stored(lambda: gzip.compress(_zipped() * 16, 9, mtime=0))


def _mgh(shape: tuple[int, ...], compress: bool) -> bytes:
    whole = struct.pack(">iiiiiiih", 1, *shape, 0, 0, 1).ljust(284, b"\0") + bytes(100)
    return gzip.compress(whole, 9, mtime=0) if compress else whole


def _pair(suffix: str, path: Path) -> None:
    header = nib.Spm99AnalyzeHeader()
    header.set_data_shape((32_767, 32_767, 32_767))
    path.with_suffix(".hdr").write_bytes(header.structarr.tobytes())
    path.with_suffix(".img").write_bytes(bytes(1000))


def _npy(text: str, data: bytes = bytes(16), version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + length + text.encode() + data


def _arrays() -> Iterator[Bomb]:
    shapes = [
        "(99999999999999,)",
        "(" + "1," * 64 + ")",
        "(0, 99999999999)",
        "(" + "9" * 5000 + ",)",
        "(4294967296, 4294967296)",
        "(1, 2147483648)",
    ]
    for shape in shapes:
        for order in (False, True):
            text = f"{{'descr': '|u1', 'fortran_order': {order}, 'shape': {shape}}}\n"
            yield f"npy shape {shape[:30]} {order}", ".npy", _stored(partial(_npy, text))
    yield "npy nested header", ".npy", _stored(lambda: _npy("(" * 60_000))
    yield "npy header of 4 GB", ".npy", _stored(b"\x93NUMPY\2\0\xff\xff\xff\xff{'descr'")
    yield "npy sparse line", ".npy", partial(_sparse, (30_000_000, 1))
    yield "npy sparse cube", ".npy", partial(_sparse, (20_000, 20_000, 20_000))  # no disk has room for the result
    yield "npy sums", ".npy", _stored(lambda: _npy("{'descr': '|u1', 'shape': (" + "1+" * 20_000 + "1,)}"))


def _sparse(shape: tuple[int, ...], path: Path) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))


# --- other pictures ---


def _others() -> Iterator[Bomb]:
    for kind in (b"P5", b"P6", b"P4", b"P2", b"P3", b"P1", b"Pf", b"PF"):
        numbers = b"-1.0" if kind in (b"Pf", b"PF") else b"" if kind in (b"P4", b"P1") else b"255"
        for size in (b"999999999 999999999", b"1 4294967295", b"9" * 5000 + b" 1"):
            name = f"netpbm {kind.decode()} {size[:20].decode()}"
            yield (
                name,
                ".pfm" if kind in (b"Pf", b"PF") else ".ppm",
                _stored(kind + b"\n" + size + b"\n" + numbers + b"\n" + bytes(99)),
            )
    yield "netpbm comment without end", ".ppm", _stored(lambda: b"P6\n#" + b"x" * 5_000_000)
    yield "netpbm spaces", ".ppm", _stored(lambda: b"P3\n4 4\n255\n" + b" " * 5_000_000)
    yield (
        "pam",
        ".pam",
        _stored(b"P7\nWIDTH 999999999\nHEIGHT 999999999\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"),
    )
    yield (
        "pam of 65535 samples",
        ".pam",
        _stored(b"P7\nWIDTH 9\nHEIGHT 9\nDEPTH 999999999\nMAXVAL 255\nENDHDR\n" + bytes(99)),
    )
    for width, height in [(2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (1, -(2**31)), (60_000, 60_000)]:
        for bits, compression in [(24, 0), (8, 1), (1, 0), (32, 3)]:
            yield (
                f"bmp {width}x{height} {bits} bit {compression}",
                ".bmp",
                _stored(partial(_bmp, width, height, bits, compression)),
            )
    yield (
        "tga",
        ".tga",
        _stored(struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 65_535, 65_535, 32, 8) + bytes(50)),
    )
    yield (
        "tga of runs",
        ".tga",
        _stored(struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 65_535, 65_535, 24, 0) + b"\xff\0\0\0" * 50),
    )
    for runs in (0, 1):
        yield (
            f"sgi {runs}",
            ".sgi",
            _stored(struct.pack(">hBBHHHH", 474, runs, 1, 3, 65_535, 65_535, 65_535).ljust(512, b"\0") + bytes(4000)),
        )
    yield (
        "pcx",
        ".pcx",
        _stored(
            b"\n\5\1\10"
            + struct.pack("<HHHH", 0, 0, 65_534, 65_534)
            + bytes(4 + 48 + 1)
            + b"\1"
            + struct.pack("<HH", 65_534, 1)
            + bytes(58)
            + b"\xff" * 50
        ),
    )
    yield "qoi", ".qoi", _stored(b"qoif" + struct.pack(">II", 2**32 - 1, 2**32 - 1) + b"\4\0" + b"\xfd" * 50)
    yield "dds", ".dds", _stored(lambda: _saved("DDS")[:12] + struct.pack("<II", 2**31, 2**31) + _saved("DDS")[20:])
    yield "psd", ".psd", _stored(b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 56, 300_000, 300_000, 8, 3) + bytes(20))
    yield "radiance", ".rgbe", _stored(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 999999999 +X 999999999\n" + bytes(99))
    yield "radiance lines", ".rgbe", _stored(lambda: b"#?RADIANCE\n" + b"A=B\n" * 1_000_000)
    yield (
        "icon of 65535",
        ".ico",
        _stored(lambda: b"\0\0\1\0\xff\xff" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, 2**31 - 1, 22) * 65_535),
    )
    yield "icon of a large PNG", ".ico", _stored(lambda: _icon(_png(65_535, 65_535, 8, 6)))
    yield "icon of a large BMP", ".ico", _stored(lambda: _icon(_bmp(2**30, 2**30, 32, 0)[14:]))
    yield "icns of a large PNG", ".icns", _stored(lambda: _icns(_png(65_535, 65_535, 8, 6)))
    yield "icns of 4 GB", ".icns", _stored(b"icns\xff\xff\xff\xffic07\xff\xff\xff\xff" + bytes(99))
    for width, height, tile in [(2**32 - 1, 2**32 - 1, 2**32 - 1), (10**6, 10**6, 1), (65_535, 65_535, 65_535)]:
        yield f"jpeg 2000 {width}x{height} tiles of {tile}", ".j2k", _stored(partial(_j2k, width, height, tile))
    yield (
        "jpeg 2000 boxes",
        ".jp2",
        _stored(lambda: _saved("JPEG2000")[:12] + b"\0\0\0\1free\xff\xff\xff\xff\xff\xff\xff\xff"),
    )
    yield "jpeg 2000 of 16384 channels", ".j2k", _stored(partial(_j2k, 100, 100, 100, 16_384))
    yield "jpeg xl", ".jxl", _stored(b"\xff\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" + bytes(50))
    yield "jpeg xl boxes", ".jxl", _stored(lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x08free" * 100_000)
    yield "avif", ".avif", _stored(lambda: _avif(2**31 - 1, 2**31 - 1))
    yield "avif 65535", ".avif", _stored(lambda: _avif(65_535, 65_535))


def _bmp(width: int, height: int, bits: int, compression: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 2**31 - 1, 0)
    return b"BM" + struct.pack("<IHHI", 200, 0, 0, 54) + header + bytes(100)


def _icon(data: bytes) -> bytes:
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(data), 22) + data


def _icns(data: bytes) -> bytes:
    return b"icns" + struct.pack(">I", len(data) + 16) + b"ic07" + struct.pack(">I", len(data) + 8) + data


def _j2k(width: int, height: int, tile: int, channels: int = 1) -> bytes:
    size = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, tile, tile, 0, 0, channels) + b"\7\1\1" * channels
    style = b"\xff\x52\0\x0c\0\0\0\1\0\1\4\4\0\1" + b"\xff\x5c\0\x07\x40\x40\x48\x48\x50"
    return (
        b"\xff\x4f\xff\x51"
        + struct.pack(">H", len(size) + 2)
        + size
        + style
        + b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93"
        + bytes(9)
        + b"\xff\xd9"
    )


def _avif(width: int, height: int) -> bytes:
    data = _saved("AVIF")
    place = data.find(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


BOMBS: tuple[Bomb, ...] = (
    *_pngs(),
    *_jpegs(),
    *_webps(),
    *_gifs(),
    *_tiffs(),
    *_volumes(),
    *_arrays(),
    *_others(),
)
