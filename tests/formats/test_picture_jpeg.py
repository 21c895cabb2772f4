"""JPEG: encoded as the input is, with all its segments, true of the output."""

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from tests.formats import file_dump
from tests.formats.file_dump import icc_profile, segments, with_segments
from tests.pipeline_helpers import planned, upsampled, whole

APP, COM = {number: 0xE0 + number for number in range(16)}, 0xFE
PIXELS = np.add.outer(np.arange(40) * 3, np.arange(48) * 2).astype(np.uint8)
RGB = np.stack([PIXELS, PIXELS[::-1], 255 - PIXELS], -1)


def written(tmp_path, *added, **options):
    """The segments of the output, and the warnings."""
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "JPEG", dpi=(300, 150))
    (tmp_path / "in.jpg").write_bytes(with_segments(stream.getvalue(), *added))
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", **{"scale": "2", **options})
    return segments((tmp_path / "out.jpg").read_bytes()), " ".join(plan.warnings)


def resource(number, data, name=b""):
    name = bytes([len(name)]) + name
    padded = name + bytes(len(name) % 2)
    return b"8BIM" + struct.pack(">H", number) + padded + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)


def density(x, y):
    return struct.pack(">IHHIHH", x << 16, 1, 2, y << 16, 1, 2)


@pytest.mark.parametrize(
    "segment",
    [
        (COM, b"a remark, in \xff no encoding"),
        (APP[1], b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 5, 0) + b"<x/>\n"),
        (APP[2], b"FPXR\0 something else than a profile"),
        (APP[3], b"Meta\0\0 of Kodak"),
        (APP[12], b"Ducky\0\1\0\4\0\0\0\x50\0\0"),
        (APP[13], b"Adobe_CM\0"),
        (APP[15], b"whatever"),
    ],
)
def test_segments_that_are_kept_to_the_byte(tmp_path, segment):
    after, warnings = written(tmp_path, segment, segment)
    assert after.count(segment) == 2
    assert warnings == ""


@pytest.mark.parametrize(
    ("segment", "says"),
    [
        ((APP[11], b"JP\0\1 jumbf, c2pa"), "its APP11 segments"),
        ((APP[13], b"Photoshop 3.0\0" + resource(0x0408, bytes(16))), "Photoshop's guides and slices"),
    ],
)
def test_segments_that_are_dropped_and_said(tmp_path, segment, says):
    after, warnings = written(tmp_path, segment)
    assert segment[0] not in dict(after)
    assert says in warnings


def test_thumbnails_of_jfif_and_what_pillow_writes_anew_go_without_a_word(tmp_path):
    after, warnings = written(tmp_path, (APP[0], b"JFXX\0\x13" + bytes(20)), (APP[14], b"Adobe\0\x64\0\0\0\0\1"))
    assert [marker for marker, _ in after].count(APP[0]) == 1
    assert warnings == ""


def test_photoshops_resources(tmp_path):
    caption, name = resource(0x0404, b"\x1c\x02\x78\x00\x03Sky"), resource(0x07D0, b"a path", b"odd")
    inner = caption + resource(0x03ED, density(300, 150)) + resource(0x040C, b"thumbnail") + name
    after, warnings = written(tmp_path, (APP[13], b"Photoshop 3.0\0" + inner), scale="x=2,y=3")
    expected = caption + resource(0x03ED, density(600, 450)) + name
    assert dict(after)[APP[13]] == b"Photoshop 3.0\0" + expected
    assert warnings == ""


def test_resources_of_photoshop_that_fill_several_segments(tmp_path):
    inner = resource(0x07D0, bytes(range(250)) * 400)
    parts = [(APP[13], b"Photoshop 3.0\0" + inner[start : start + 60_000]) for start in (0, 60_000)]
    after, _ = written(tmp_path, *parts)
    joined = b"".join(data.removeprefix(b"Photoshop 3.0\0") for marker, data in after if marker == APP[13])
    assert joined == inner


def test_a_profile_that_fills_several_segments(tmp_path):
    profile = icc_profile(np.random.default_rng(0).bytes(150_000))
    Image.fromarray(RGB).save(tmp_path / "in.jpg", icc_profile=profile)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("stored", "scale", "expected"),
    [
        ((1, 300, 150), "2", (1, 600, 300)),
        ((2, 100, 200), "2", (2, 200, 400)),  # per centimetre
        ((0, 1, 1), "x=2", (0, 1, 1)),
        ((0, 1, 2), "2", (0, 1, 2)),
    ],
)
def test_the_density_of_pixels(tmp_path, stored, scale, expected):
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "JPEG")
    data = bytearray(stream.getvalue())
    data[13:18] = struct.pack(">BHH", *stored)
    (tmp_path / "in.jpg").write_bytes(data)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale=scale)
    unit, x, y = struct.unpack_from(">BHH", dict(segments((tmp_path / "out.jpg").read_bytes()))[APP[0]], 7)
    assert unit == expected[0]
    assert x * expected[2] == y * expected[1]
    assert unit == 0 or (x, y) == expected[1:]


def tables(path):
    """The quantisation tables by the number of their component, and the sampling of each."""
    parsed = segments(path.read_bytes())
    stored = {}
    for data in (data for marker, data in parsed if marker == 0xDB):
        position = 0
        while position < len(data):
            wide, number = data[position] >> 4, data[position] & 15
            stored[number] = data[position + 1 : position + 65 + 64 * wide]
            position += 65 + 64 * wide
    frame = next(data for marker, data in parsed if marker in (0xC0, 0xC1, 0xC2))
    components = [frame[6 + 3 * number : 9 + 3 * number] for number in range(frame[5])]
    return [stored[component[2]] for component in components], [component[1] for component in components]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 75, 98])
def test_quality_and_subsampling_are_those_of_the_input(tmp_path, quality, subsampling, progressive):
    Image.fromarray(RGB).save(tmp_path / "in.jpg", quality=quality, subsampling=subsampling, progressive=progressive)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    assert tables(tmp_path / "out.jpg") == tables(tmp_path / "in.jpg")
    markers = [marker for marker, _ in segments((tmp_path / "out.jpg").read_bytes())]
    assert (0xC2 in markers) == progressive


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_tables_of_any_kind(tmp_path, mode):
    custom = [[3 + n for n in range(64)], [5 + n for n in range(64)], [7 + n for n in range(64)]]
    custom = custom[: 1 if mode == "L" else 3]
    Image.fromarray(RGB).convert(mode).save(tmp_path / "in.jpg", qtables=custom)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    assert tables(tmp_path / "out.jpg") == tables(tmp_path / "in.jpg")


def test_a_quality_that_is_asked_for(tmp_path):
    for quality in (20, 90):
        Image.fromarray(RGB).save(tmp_path / "in.jpg", quality=50, subsampling=0)
        Image.fromarray(RGB).save(tmp_path / "like.jpg", quality=quality, subsampling=0)
        upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2", quality=quality)
        assert tables(tmp_path / "out.jpg") == tables(tmp_path / "like.jpg")


def test_noise_in_a_progressive_file_of_the_best_quality(tmp_path):
    """Which does not fit into the buffer that Pillow takes for enough."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.jpg", quality=100, subsampling=0)
    data = (tmp_path / "in.jpg").read_bytes()
    assert JpegImagePlugin.get_sampling(Image.open(io.BytesIO(data))) == 0
    np.save(tmp_path / "in.npy", noise)
    progressive = Image.fromarray(noise[:8, :8])
    progressive.save(tmp_path / "in.jpg", quality=100, subsampling=0, progressive=True)
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", size="700x700", mode="nearest")
    assert plan.warnings == ()
    assert whole(tmp_path / "out.jpg").shape == (700, 700, 3)


@pytest.mark.parametrize("kind", ["CMYK", "YCCK", "RGB stored as such"])
def test_colours_other_than_ycbcr_look_the_same(tmp_path, kind):
    if kind != "RGB stored as such":
        inks = np.concatenate([RGB, 255 - PIXELS[..., None] // 2], -1)
        Image.frombytes("CMYK", (48, 40), inks.tobytes()).save(tmp_path / "in.jpg", quality=98)
    else:
        Image.fromarray(RGB).save(tmp_path / "in.jpg", quality=98, keep_rgb=True, subsampling=0)
    if kind == "YCCK":  # the same numbers, which now stand for other inks
        data = (tmp_path / "in.jpg").read_bytes()
        place = data.index(b"Adobe") + 11
        assert data[place] == 0
        (tmp_path / "in.jpg").write_bytes(data[:place] + b"\2" + data[place + 1 :])
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2", mode="nearest")
    with Image.open(tmp_path / "in.jpg") as before, Image.open(tmp_path / "out.jpg") as after:
        assert after.mode == before.mode
        assert before.info.get("adobe_transform") == (2 if kind == "YCCK" else 0)
        assert after.info.get("adobe_transform") == 0
        rgb = [np.asarray(image.convert("RGB")).astype(int) for image in (before, after)]
    assert np.abs(rgb[0].repeat(2, 0).repeat(2, 1) - rgb[1]).mean() < 2


def test_inks_without_jfif_say_their_resolution_in_exif(tmp_path):
    Image.new("CMYK", (8, 8)).save(
        tmp_path / "in.jpg",
        exif=b"Exif\0\0" + file_dump.exif("<", {282: file_dump.ratio("<", 300), 283: file_dump.ratio("<", 300)}, {}),
    )
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getexif()[282] == pytest.approx(600)


@pytest.mark.parametrize(("unit", "spacing"), [(0, (0.25, 0.5)), (145, (25.4 / 144, 25.4 / 144))])
def test_proportions_of_pixels_or_a_damaged_unit_beside_a_resolution_in_exif(tmp_path, unit, spacing):
    resolution = {282: file_dump.ratio("<", 72), 283: file_dump.ratio("<", 72)}
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "JPEG", exif=b"Exif\0\0" + file_dump.exif("<", resolution, {}))
    data = bytearray(stream.getvalue())
    struct.pack_into(">BHH", data, data.index(b"JFIF\0") + 7, unit, 2, 1)
    (tmp_path / "in.jpg").write_bytes(data)
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2", verify=True)
    grid = plan.images[0].after.grid
    assert (grid["x"].spacing, grid["y"].spacing) == pytest.approx(spacing)


def test_of_two_densities_the_last_counts(tmp_path):
    """As for libjpeg and Pillow."""
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "JPEG", dpi=(72, 72))
    second = b"JFIF\0\1\1\1" + struct.pack(">HH", 300, 150) + bytes(2)
    (tmp_path / "in.jpg").write_bytes(with_segments(stream.getvalue(), (0xE0, second)))
    with Image.open(tmp_path / "in.jpg") as image:
        last = image.info["dpi"]
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.png", scale="2", verify=True)
    assert [25.4 / plan.images[0].before.grid[axis].spacing for axis in "xy"] == pytest.approx(last)


def test_all_views_but_the_first_are_said_to_be_dropped(tmp_path):
    views = [Image.fromarray(RGB), Image.fromarray(RGB[::-1])]
    views[0].save(tmp_path / "in.jpg", "MPO", save_all=True, append_images=views[1:], comment=b"stereo")
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    assert any("only the first of 2 frames" in warning for warning in plan.warnings)
    data = (tmp_path / "out.jpg").read_bytes()
    assert b"MPF\0" not in data
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.format == "JPEG"
        assert image.info["comment"] == b"stereo"


@pytest.mark.parametrize("padding", [0, 5])
def test_what_follows_the_picture_in_its_file_is_said_to_be_dropped(tmp_path, padding):
    written(tmp_path)
    data = (tmp_path / "in.jpg").read_bytes() + bytes(padding)
    (tmp_path / "in.jpg").write_bytes(data)
    assert planned(tmp_path / "in.jpg", scale="2").warnings == ()
    (tmp_path / "in.jpg").write_bytes(data + b"....ftypmp42 a motion photo" + bytes(padding))
    (warning,) = planned(tmp_path / "in.jpg", scale="2").warnings
    assert "data after the picture" in warning


def test_a_gain_map_is_said_to_be_dropped(tmp_path):
    _, warnings = written(tmp_path, (APP[2], b"MPF\0 of which Pillow makes nothing"))
    assert "data after the picture" in warnings


def test_what_only_jpeg_can_say_is_said_to_be_dropped_elsewhere(tmp_path):
    added = ((APP[12], b"Ducky"), (APP[13], b"Photoshop 3.0\0" + resource(0x0404, b"abcd")), (COM, b"a remark"))
    written(tmp_path, *added)
    (warning,) = planned(tmp_path / "in.jpg", tmp_path / "out.png", scale="2").warnings
    assert re.search(r"PNG cannot hold these.*: the segments APP12; Photoshop's resources$", warning)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.png", scale="2")
    assert (b"tEXt", b"Comment\0a remark") in file_dump.chunks((tmp_path / "out.png").read_bytes())


def test_xmp_that_is_too_long_for_jpeg(tmp_path):
    document = b"<x:xmpmeta>" + b" " * 70_000 + b"</x:xmpmeta>"
    text = file_dump.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + document)
    (tmp_path / "in.png").write_bytes(file_dump.png([b"\1\2\3"], (1, 1), before=text))
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.jpg", scale="2")
    assert any("its XMP is dropped: too long for JPEG" in warning for warning in plan.warnings)
    assert whole(tmp_path / "out.jpg").shape == (2, 2, 3)
