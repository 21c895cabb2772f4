"""EXIF and XMP of what has been resized: true of the output, and untouched where they have nothing to do with it."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from tests.formats import file_dump
from tests.formats.file_dump import MAKER_NOTE, THUMBNAIL, ascii_value, long, ratio, short
from tests.pipeline_helpers import planned, upsampled

XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description rdf:about=""
 tiff:Orientation="6" exif:PixelXDimension = '12' dc:format="image/jpeg" xmp:Rating="5">
 <exif:PixelYDimension>8</exif:PixelYDimension><tiff:XResolution>300/1</tiff:XResolution>
 <tiff:ImageWidth>12</tiff:ImageWidth><tiff:ImageLength>8</tiff:ImageLength>
 <tiff:YResolution>150/1</tiff:YResolution><tiff:ResolutionUnit>2</tiff:ResolutionUnit>
 <xmp:Thumbnails><rdf:Alt><rdf:li>AAAA</rdf:li></rdf:Alt></xmp:Thumbnails>
 <dc:title>Sky &amp; sea</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"""


def exif(order="<", **options):
    main = {
        **{256: long(order, 12), 257: long(order, 8), 271: ascii_value("a camera"), 274: short(order, 6)},
        **{282: ratio(order, 300), 283: ratio(order, 150), 296: short(order, 2), 305: ascii_value("Firmware 1")},
    }
    details = {40962: long(order, 12), 40963: short(order, 8), 37396: (3, 2, file_dump.struct.pack(order + "HH", 3, 4))}
    return file_dump.exif(order, main, details, **options)


def picture(path, **save):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    Image.fromarray(pixels).save(path, **save)


def stored(path):
    """EXIF as it lies in a file, and XMP."""
    data = path.read_bytes()
    if path.suffix == ".png":
        found = dict(file_dump.chunks(data))
        return found.get(b"eXIf", b""), found.get(b"iTXt", b"").removeprefix(b"XML:com.adobe.xmp\0\0\0\0\0")
    if path.suffix == ".webp":
        found = dict(file_dump.riff(data))
        return found.get(b"EXIF", b""), found.get(b"XMP ", b"")
    parts = [content for marker, content in file_dump.segments(data) if marker == 0xE1]
    head = b"http://ns.adobe.com/xap/1.0/\0"
    return (
        b"".join(part[6:] for part in parts if part.startswith(b"Exif\0\0")),
        b"".join(part[len(head) :] for part in parts if part.startswith(head)),
    )


def read(data):
    """EXIF as Pillow reads it."""
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + data)
    return tags


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_is_true_of_the_output(tmp_path, suffix, order):
    before = exif(order)
    picture(tmp_path / f"in{suffix}", exif=b"Exif\0\0" + before)
    plan = upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale="x=2,y=3")
    after, _ = stored(tmp_path / f"out{suffix}")
    tags = read(after)
    assert tags[274] == 1
    assert (tags[256], tags[257]) == (16, 36), "turned, then resized"
    details = tags.get_ifd(34665)
    assert (details[40962], details[40963]) == (16, 36)
    assert 37396 not in details
    assert any("the subject position in its EXIF, in pixels, is dropped" in warning for warning in plan.warnings)
    assert (tags[282], tags[283], tags[296]) == (pytest.approx(300), pytest.approx(900), 2)
    assert tags[271] == "a camera"
    assert tags.get_ifd(34853)[2] == (48, 12, 30), "where it was taken"
    history = r"; upsample [\w.]+ linear half-pixel y=3 x=2"
    assert re.fullmatch("Firmware 1" + ("" if suffix == ".png" else history), tags[305])
    assert THUMBNAIL not in after
    assert not tags.get_ifd(1)
    assert before.index(MAKER_NOTE) == after.index(MAKER_NOTE), "offsets within it count from the start"


def test_the_thumbnail_goes_even_where_something_follows_it(tmp_path):
    data = exif()
    assert data.index(THUMBNAIL) + len(THUMBNAIL) < len(data)
    picture(tmp_path / "in.jpg", exif=b"Exif\0\0" + data)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    assert THUMBNAIL[2:-2] not in (tmp_path / "out.jpg").read_bytes()


def test_without_provenance_nothing_is_added(tmp_path):
    picture(tmp_path / "in.jpg", exif=b"Exif\0\0" + exif())
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2", provenance=False)
    assert read(stored(tmp_path / "out.jpg")[0])[305] == "Firmware 1"
    picture(tmp_path / "bare.jpg")
    upsampled(tmp_path / "bare.jpg", tmp_path / "out.jpg", scale="2", provenance=False)
    assert stored(tmp_path / "out.jpg")[0] == b""
    assert b"upsample" not in (tmp_path / "out.jpg").read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_what_has_been_done_is_said_in_exif(tmp_path, suffix):
    picture(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / f"out{suffix}", scale="2", mode="cubic", align_corners=True)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.getexif()[305].startswith("upsample")
        assert "cubic align-corners y=2" in image.getexif()[305]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_xmp_is_true_of_the_output(tmp_path, suffix):
    picture(tmp_path / f"in{suffix}", exif=b"Exif\0\0" + exif(thumbnail=False))
    data = (tmp_path / f"in{suffix}").read_bytes()
    if suffix == ".jpg":
        data = file_dump.with_segments(data, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP))
    elif suffix == ".png":
        data = data[:-12] + file_dump.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + data[-12:]
    else:
        stream = io.BytesIO()
        with Image.open(tmp_path / "in.webp") as image:
            image.save(stream, "WEBP", exif=image.info["exif"], xmp=XMP)
        data = stream.getvalue()
    (tmp_path / f"in{suffix}").write_bytes(data)
    upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale="2")
    _, xmp = stored(tmp_path / f"out{suffix}")
    values = {
        **{b'tiff:Orientation="6"': b'tiff:Orientation="1"', b"Dimension = '12'": b"Dimension = '16'"},
        **{b"YDimension>8<": b"YDimension>24<", b"Width>12<": b"Width>16<", b"Length>8<": b"Length>24<"},
        **{b"XResolution>300/1<": b"XResolution>3000000/10000<", b"YResolution>150/1<": b"YResolution>6000000/10000<"},
        b" <xmp:Thumbnails><rdf:Alt><rdf:li>AAAA</rdf:li></rdf:Alt></xmp:Thumbnails>\n": b" \n",
    }
    expected = XMP
    for old, new in values.items():
        assert old in expected
        expected = expected.replace(old, new)
    assert xmp == expected


@pytest.mark.parametrize("damage", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff\0"])
def test_damaged_exif_is_dropped_and_said(tmp_path, damage):
    picture(tmp_path / "in.jpg")
    data = file_dump.with_segments((tmp_path / "in.jpg").read_bytes(), (0xE1, damage))
    (tmp_path / "in.jpg").write_bytes(data)
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    assert any("its EXIF is damaged" in warning for warning in plan.warnings)
    assert damage[6:] not in (tmp_path / "out.jpg").read_bytes()


@pytest.mark.parametrize(
    ("source", "target"), [(".jpg", ".png"), (".png", ".webp"), (".webp", ".jpg"), (".jpg", ".avif")]
)
def test_exif_and_xmp_go_from_format_to_format(tmp_path, source, target):
    xmp = {} if source == ".png" else {"xmp": XMP}
    picture(tmp_path / f"in{source}", exif=b"Exif\0\0" + exif(), **xmp)
    upsampled(tmp_path / f"in{source}", tmp_path / f"out{target}", scale="2")
    with Image.open(tmp_path / f"out{target}") as image:
        assert image.size == (16, 24)
        assert image.getexif()[271] == "a camera"
        assert image.getexif().get(274, 1) == 1
        assert float(image.getexif()[283]) == pytest.approx(600)
        assert not xmp or b"Sky &amp; sea" in image.info["xmp"]


@pytest.mark.parametrize("target", [".bmp", ".gif", ".ppm", ".npy", ".tga"])
def test_what_cannot_be_held_is_said(tmp_path, target):
    picture(tmp_path / "in.jpg", exif=b"Exif\0\0" + exif(), xmp=XMP)
    plan = planned(tmp_path / "in.jpg", tmp_path / f"out{target}", scale="2")
    said = " ".join(plan.warnings)
    assert "EXIF" in said
    assert target == ".gif" or "XMP" in said


def test_resolution_of_a_png_is_written_to_the_exif_of_a_webp(tmp_path):
    picture(tmp_path / "in.png", dpi=(300, 150))
    upsampled(tmp_path / "in.png", tmp_path / "out.webp", scale="2")
    with Image.open(tmp_path / "out.webp") as image:
        tags = image.getexif()
        assert (float(tags[282]), float(tags[283])) == (pytest.approx(600, abs=0.1), pytest.approx(300, abs=0.1))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_nothing_points_to_the_dropped_thumbnail(tmp_path, suffix, order):
    """The first directory ends with the offset of the thumbnail's, which has to be 0 once that is gone."""
    picture(tmp_path / f"in{suffix}", exif=b"Exif\0\0" + exif(order))
    upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale=2)
    data, _ = stored(tmp_path / f"out{suffix}")
    (first,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, first)
    assert entries > 0
    assert struct.unpack_from(order + "I", data, first + 2 + 12 * entries) == (0,)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_an_orientation_behind_a_value_that_is_cut_off(tmp_path, suffix):
    """Pillow stops at the value, but the orientation is whole."""
    maker = struct.pack("<HHII", 271, 2, 9, 38)  # nine bytes, of which one is there
    orientation = struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    data = b"II*\0" + struct.pack("<IH", 8, 2) + maker + orientation + bytes(4) + b"A"
    picture(tmp_path / f"in{suffix}", exif=b"Exif\0\0" + data)
    plan = upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale=2, mode="nearest", verify=True)
    assert plan.first.after.grid.names[:2] == ("y", "x")
    assert plan.first.after.grid.shape[:2] == (24, 16)
