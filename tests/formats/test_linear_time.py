"""Reading what a file may hold any number of takes linear time: four times as much takes about four times as long.

Quadratic time would take sixteen times as long. The CPU time of this thread is measured, so other work does not count.
"""

import io
import json
import struct
import time
from contextlib import suppress

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.file_dump import chunk, png, with_segments
from tests.formats.zarr.documents import OLD_ARRAY
from tests.pipeline_helpers import planned
from upsample_cli.errors import UpsampleError

ROWS = [bytes(12)] * 3
GROWTH, MOST = 4, 9.0  # how much larger the second file is, and how much longer it may take
NEGLIGIBLE = 0.004  # seconds, below which the resolution of clocks and caches decide
TRIES = 3
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">%s</rdf:RDF>'
    b"</x:xmpmeta>"
)
OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels ID="P:0" DimensionOrder="XYZCT" Type="uint8" '
    'SizeX="4" SizeY="4" SizeZ="1" SizeC="1" SizeT="1">%s</Pixels>%s</Image>%s</OME>'
)


def png_xmp(document):
    return png(ROWS, (4, 3), before=chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + document))


def described(text):
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((4, 4), np.uint8), description=text, metadata=None)
    return stream.getvalue()


def tiff_pages(count):
    """A TIFF file of `count` pages, which share their samples."""
    page = [(256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 4), (279, 16)]
    size = 2 + 12 * len(page) + 4
    packed = struct.pack("<H", len(page)) + b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in page)
    places = [24 + size * number for number in range(1, count)] + [0]
    return (
        b"II*\0" + struct.pack("<I", 24) + bytes(16) + b"".join(packed + struct.pack("<I", place) for place in places)
    )


def tiff_tags(count):
    stream = io.BytesIO()
    tags = [(65000 + number % 400, "H", 1, 7, True) for number in range(count)]
    tifffile.imwrite(stream, np.zeros((4, 4), np.uint8), extratags=tags)
    return stream.getvalue()


def imagej_labels(count):
    stream = io.BytesIO()
    labels = {"Labels": [f"plane {number}" for number in range(count)]}
    tifffile.imwrite(stream, np.zeros((count, 1, 1), np.uint8), imagej=True, metadata={"axes": "ZYX", **labels})
    return stream.getvalue()


def saved(kind, **options):
    stream = io.BytesIO()
    Image.new("RGB", (4, 3)).save(stream, kind, **options)
    return stream.getvalue()


def exif(count):
    entries = b"".join(struct.pack("<HHII", 40000 + number % 9000, 3, 1, 7) for number in range(count))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + bytes(4)


def gif(blocks, frames):
    comment = b"\x21\xfe\x01a\0"
    frame = b"\x21\xf9\x04\x04\x0a\0\0\0,\0\0\0\0\x04\0\x03\0\0\x02\x02\x44\x01\0"
    start = b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0x80, 0, 0) + bytes(6)
    return start + comment * blocks + frame * frames + b";"


def webp(count):
    data = saved("WEBP", lossless=True)[12:]
    packed = b"VP8X" + struct.pack("<I", 10) + bytes(4) + bytes((3, 0, 0, 2, 0, 0)) + data + b"abcd\1\0\0\0x\0" * count
    return b"RIFF" + struct.pack("<I", len(packed) + 4) + b"WEBP" + packed


def nifti(count):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    image.header.extensions.extend(nib.nifti1.Nifti1Extension(6, b"a comment") for _ in range(count))
    return image.to_bytes()


def mgh(count):
    image = nib.MGHImage(np.zeros((4, 4, 4), np.uint8), np.eye(4)).to_bytes()
    return image + bytes(20) + (struct.pack(">iq", 30, 4) + b"tag\0") * count


def npy(text):
    return b"\x93NUMPY\2\0" + struct.pack("<I", len(text)) + text.encode() + bytes(16)


CASES = {
    "XMP elements": (".png", lambda n: png_xmp(XMP % (b"<a>1</a>" * n)), 20_000),
    "XMP attributes": (
        ".png",
        lambda n: png_xmp(XMP % (b"<a " + b" ".join(b'b%d="1"' % k for k in range(n)) + b"/>")),
        5000,
    ),
    "XMP orientations": (".png", lambda n: png_xmp(XMP % (b"<tiff:Orientation>" * n)), 20_000),
    "XMP spaces": (".png", lambda n: png_xmp(b"<tiff:Orientation" + b" " * n), 200_000),
    "XMP names": (".png", lambda n: png_xmp(b" tiff:Orientation" * n), 20_000),
    "XMP previews": (".png", lambda n: png_xmp(XMP % (b"<xmp:Thumbnails>" * n)), 20_000),
    "XMP quotes": (".png", lambda n: png_xmp(b" tiff:ImageWidth = " * n), 20_000),
    "texts of PNG": (".png", lambda n: png(ROWS, (4, 3), before=chunk(b"tEXt", b"key\0text") * n), 1000),
    "compressed texts of PNG": (
        ".png",
        lambda n: png(ROWS, (4, 3), before=chunk(b"zTXt", b"key\0\0" + b"x\x9c" * 9) * n),
        1000,
    ),
    "chunks of PNG": (".png", lambda n: png(ROWS, (4, 3), before=chunk(b"abcd", b"text") * n), 1000),
    "segments of JPEG": (".jpg", lambda n: with_segments(saved("JPEG"), *[(0xE5, b"x")] * n), 2000),
    "comments of JPEG": (".jpg", lambda n: with_segments(saved("JPEG"), *[(0xFE, b"x")] * n), 2000),
    "profiles of JPEG": (".jpg", lambda n: with_segments(saved("JPEG"), *[(0xE2, b"ICC_PROFILE\0\1\1x")] * n), 2000),
    "resources of Photoshop": (
        ".jpg",
        lambda n: with_segments(saved("JPEG"), *[(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\2ab")] * n),
        2000,
    ),
    "fill bytes of JPEG": (".jpg", lambda n: b"\xff\xd8" + b"\xff" * n, 20_000),
    "entries of EXIF": (".jpg", lambda n: with_segments(saved("JPEG"), (0xE1, exif(n))), 500),
    "comments of GIF": (".gif", lambda n: gif(n, 1), 2000),
    "frames of GIF": (".gif", lambda n: gif(0, n), 200),
    "chunks of WebP": (".webp", webp, 500),
    "pages of TIFF": (".tif", tiff_pages, 80),
    "tags of TIFF": (".tif", tiff_tags, 500),
    "planes of OME-XML": (
        ".ome.tif",
        lambda n: described(OME % ('<Plane TheZ="0" TheC="0" TheT="0"/>' * n, "", "")),
        2000,
    ),
    "parts of OME-XML": (
        ".ome.tif",
        lambda n: described(OME % ('<TiffData IFD="0" PlaneCount="1"/>' * n, "", "")),
        2000,
    ),
    "regions of OME-XML": (".ome.tif", lambda n: described(OME % ("", "", '<ROI ID="ROI:0"><Union/></ROI>' * n)), 1000),
    "attributes of OME-XML": (
        ".ome.tif",
        lambda n: described("<OME " + " ".join(f'a{k}="1"' for k in range(n)) + "/>"),
        2000,
    ),
    "lines of ImageJ": (".tif", lambda n: described("ImageJ=1.11a\n" + "a=1\n" * n), 5000),
    "labels of ImageJ": (".tif", imagej_labels, 200),
    "extensions of NIfTI": (".nii", nifti, 400),
    "tags of MGH": (".mgh", mgh, 1000),
    "axes of NumPy": (
        ".npy",
        lambda n: npy("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "1," * n + ")}"),
        2000,
    ),
    "sums of NumPy": (".npy", lambda n: npy("{'descr': '|u1', 'shape': (" + "1+" * n + "1,)}"), 2000),
    "brackets of NumPy": (".npy", lambda n: npy("(" * n), 2000),
    "comments of Netpbm": (".ppm", lambda n: b"P6\n" + b"# comment\n" * n + b"4 3 255\n" + bytes(36), 5000),
    "numbers of Netpbm": (".ppm", lambda n: b"P3\n4 3\n255\n" + b"0 " * n, 20_000),
    "variables of Radiance": (".rgbe", lambda n: b"#?RADIANCE\n" + b"A=B\n" * n + b"\n-Y 3 +X 4\n" + bytes(48), 5000),
}


def seconds(path):
    """The CPU time of planning a file; a refusal ends it as well."""
    started = time.thread_time()
    with suppress(UpsampleError):
        planned(path, scale="2")
    return time.thread_time() - started


def is_linear(small, large):
    for _ in range(TRIES):
        long = seconds(large)
        if long < NEGLIGIBLE or long < MOST * seconds(small):
            return True
    return False


@pytest.mark.parametrize("name", CASES)
def test_time_grows_as_the_file(tmp_path, name):
    suffix, make, count = CASES[name]
    small, large = tmp_path / f"small{suffix}", tmp_path / f"large{suffix}"
    small.write_bytes(make(count))
    large.write_bytes(make(GROWTH * count))
    assert is_linear(small, large)


def test_time_grows_as_the_attributes_of_zarr(tmp_path):
    pytest.importorskip("zarr")
    for name, count in (("small", 2000), ("large", 2000 * GROWTH)):
        document = OLD_ARRAY | {"shape": [4, 4], "chunks": [4, 4]}
        (tmp_path / f"{name}.zarr").mkdir()
        (tmp_path / f"{name}.zarr" / ".zarray").write_text(json.dumps(document))
        (tmp_path / f"{name}.zarr" / ".zattrs").write_text(json.dumps({f"a{number}": 1 for number in range(count)}))
    assert is_linear(tmp_path / "small.zarr", tmp_path / "large.zarr")


def test_quadratic_time_is_noticed(tmp_path, monkeypatch):
    def slow(path, **options):
        size = len(path.read_bytes())
        sum(1 for _ in range(size * size))

    monkeypatch.setattr("tests.formats.test_linear_time.planned", slow)
    (tmp_path / "small").write_bytes(bytes(200))
    (tmp_path / "large").write_bytes(bytes(200 * GROWTH))
    assert not is_linear(tmp_path / "small", tmp_path / "large")
