"""The undamaged files of every family that the campaign starts from."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path

import imagecodecs
import nibabel as nib
import numpy as np
import tifffile
from PIL import Image, ImageCms

from tests.formats import file_dump
from tests.formats.examples import EXAMPLES, samples
from tests.samples import SAMPLES

_LARGEST_BYTES = 60_000  # size limit of a seed; larger ones only take more time
_ZARR = "zarr"


def seeds() -> dict[str, dict[str, list[bytes]]]:
    """The files by family and by suffix; the parts of a multi-part file are concatenated, the header last."""
    found: dict[str, dict[str, list[bytes]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, example in enumerate(EXAMPLES):
            path = Path(folder, f"{number}{example.suffix}")
            example.make(path)
            _add(found, example.suffix, path.read_bytes())
    for path in sorted(SAMPLES.iterdir()):
        suffix = "".join(path.suffixes[-2:]) if path.name.endswith((".nii.gz", ".ome.tif")) else path.suffix
        if suffix not in (".py", ".md") and path.is_file() and path.stat().st_size <= _LARGEST_BYTES:
            _add(found, suffix, path.read_bytes())
    for suffix, data in [*_pictures(), *_rich_tiffs(), *_volumes()]:
        _add(found, suffix, data)
    return found


def _add(found: dict[str, dict[str, list[bytes]]], suffix: str, data: bytes) -> None:
    if len(data) <= _LARGEST_BYTES:
        found.setdefault(family(suffix), {}).setdefault(suffix, []).append(data)


def family(suffix: str) -> str:
    """The name under which the files with a suffix are counted."""
    last = suffix.rpartition(".")[2]
    groups = {
        "tiff": ("tif", "tiff", "btf"),
        "jpeg": ("jpg", "jpeg"),
        "nifti": ("nii", "gz", "hdr", "img"),
        "mgh": ("mgh", "mgz"),
        "netpbm": ("ppm", "pgm", "pbm", "pam", "pfm", "pnm"),
        "icon": ("ico", "icns"),
    }
    return next((name for name, members in groups.items() if last in members), last)


def profile() -> bytes:
    """An ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6" tiff:ImageWidth="17"><tiff:XResolution>300/1</tiff:XResolution></rdf:Description></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)


def _exif() -> bytes:
    return file_dump.exif(
        "<",
        {
            271: file_dump.ascii_value("maker"),
            274: file_dump.short("<", 6),
            282: file_dump.ratio("<", 300),
            283: file_dump.ratio("<", 300),
            296: file_dump.short("<", 2),
            305: file_dump.ascii_value("program"),
        },
        {40962: file_dump.long("<", 17), 40963: file_dump.long("<", 13), 37396: (3, 2, struct.pack("<2H", 8, 6))},
    )


def png_with_everything() -> bytes:
    """A PNG with every chunk that is interpreted or copied."""
    chunk = file_dump.chunk
    before = [
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        chunk(b"cICP", b"\x01\x0d\x00\x01"),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile())),
        chunk(b"sBIT", b"\x08\x08\x08"),
        chunk(b"bKGD", struct.pack(">3H", 1, 2, 3)),
        chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        chunk(b"tIME", struct.pack(">HBBBBB", 2024, 2, 29, 1, 2, 3)),
        chunk(b"oFFs", struct.pack(">iiB", 3, 4, 0)),
        chunk(b"sCAL", b"\x011.0\x001.0"),
        chunk(b"eXIf", _exif()),
        chunk(b"tEXt", b"Title\0a title"),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a comment" * 9)),
        chunk(b"iTXt", b"Author\0\1\0de\0Verfasser\0" + zlib.compress("Müller".encode())),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
    ]
    rows = [bytes(range(row, row + 51)) for row in range(13)]
    return file_dump.png(rows, (17, 13), before=b"".join(before), behind=chunk(b"tEXt", b"Software\0program"))


def _pictures() -> list[tuple[str, bytes]]:
    rgb, rgba = samples((13, 17, 3)), samples((13, 17, 4))
    found = [(".png", png_with_everything())]

    def saved(suffix: str, kind: str, picture: Image.Image, **options: object) -> None:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        found.append((suffix, stream.getvalue()))

    colour, see_through = Image.fromarray(rgb), Image.fromarray(rgba)
    described = {"exif": b"Exif\0\0" + _exif(), "icc_profile": profile(), "xmp": XMP}
    saved(".jpg", "JPEG", colour, comment=b"a comment", **described)
    saved(".jpg", "JPEG", colour, progressive=True, dpi=(300, 300))
    saved(".webp", "WEBP", see_through, lossless=True, **described)
    saved(".avif", "AVIF", colour, **described)
    saved(".jp2", "JPEG2000", colour)
    saved(".ico", "ICO", see_through, sizes=[(16, 16), (8, 8)])
    saved(".icns", "ICNS", see_through.resize((32, 32)))
    saved(".tga", "TGA", colour, compression="tga_rle")
    saved(".pcx", "PCX", colour)
    saved(".dds", "DDS", see_through)
    saved(".qoi", "QOI", see_through)
    saved(".sgi", "SGI", colour)
    saved(".gif", "GIF", colour.convert("P"), comment=b"a comment", transparency=3)
    found.append((".jxl", imagecodecs.jpegxl_encode(rgb)))
    found.append((".rgbe", _radiance()))
    header = b"P7\nWIDTH 17\nHEIGHT 13\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    found.append((".pam", header + rgba.tobytes()))
    found.append((".pfm", b"PF\n17 13\n-1.0\n" + samples((13, 17, 3), "float32").tobytes()))
    found.append((".ppm", b"P3\n# a comment\n17 13\n255\n" + b" ".join(str(v).encode() for v in rgb.ravel())))
    return found


def _radiance() -> bytes:
    pixels = samples((13, 17, 4)).tobytes()
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\nEXPOSURE=2\n\n-Y 13 +X 17\n" + pixels


def _rich_tiffs() -> list[tuple[str, bytes]]:
    """TIFF files that have every interpreted tag, or use other codecs."""
    found = []
    geo = [
        (33550, 12, 3, (0.5, 0.5, 0.0), True),
        (33922, 12, 6, (0.0, 0.0, 0.0, 1e5, 2e5, 0.0), True),
        (34735, 3, 4, (1, 1, 0, 0), True),
        (42113, 2, 0, "-9999", True),
    ]
    described = [
        (34675, 7, len(profile()), profile(), True),
        (700, 1, len(XMP), XMP, True),
        (33723, 7, 4, b"\x1c\2\0\0", True),
    ]
    for extra, options in [
        (geo, {}),
        (described, {"photometric": "rgb", "resolution": (300, 300)}),
        ([], {"photometric": "rgb", "compression": "jpeg"}),
        ([], {"photometric": "ycbcr", "compression": "jpeg", "tile": (16, 16)}),
        ([], {"photometric": "rgb", "subifds": 1}),
    ]:
        stream = io.BytesIO()
        shape = (32, 32, 3) if "photometric" in options else (32, 32)
        with tifffile.TiffWriter(stream) as writer:
            writer.write(samples(shape), extratags=extra, **options)
            if "subifds" in options:
                writer.write(samples((16, 16, 3)), subfiletype=1, photometric="rgb")
        found.append((".tif", stream.getvalue()))
    for kind in ("group4", "group3", "tiff_lzw", "tiff_adobe_deflate"):
        stream = io.BytesIO()
        Image.fromarray(samples((13, 17), "bool")).save(stream, "TIFF", compression=kind, dpi=(300, 300))
        found.append((".tif", stream.getvalue()))
    return found


def _volumes() -> list[tuple[str, bytes]]:
    image = nib.Nifti1Image(samples((7, 6, 5), "int16"), np.diag([1.5, 2, 3, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"], image.header["aux_file"], image.header["intent_name"] = b"a scan", b"aux", b"intent"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"an extension"))
    second = nib.Nifti2Image(samples((7, 6, 5), "float32"), np.diag([1.5, 2, 3, 1]))
    return [(".nii", image.to_bytes()), (".nii", second.to_bytes())]
