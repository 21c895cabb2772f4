"""PNG: every chunk kept, updated, or said to be dropped; every depth of samples."""

import re
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.formats import file_dump
from tests.formats.file_dump import chunk, chunks, png
from tests.oracles import reference
from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import InputError, UpsampleError
from upsample_cli.formats.base import ReadOptions

KEEP = ReadOptions(keep_indices=True)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ROWS = [bytes(range(30 * row, 30 * row + 15)) for row in range(4)]  # 5 × 4 pixels of RGB
SIZE = (5, 4)


def written(tmp_path, data, **options):
    """The chunks of the output, and the warnings."""
    (tmp_path / "in.png").write_bytes(data)
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.png", **{"scale": "2", **options})
    return chunks((tmp_path / "out.png").read_bytes()), " ".join(plan.warnings)


KEPT = {
    "gAMA": struct.pack(">I", 45455),
    "cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    "sRGB": b"\0",
    "cICP": bytes([9, 16, 0, 1]),
    "mDCV": bytes(range(24)),
    "cLLI": bytes(8),
    "sBIT": bytes([5, 6, 5]),
    "iCCP": b"a name of its own\0\0" + zlib.compress(PROFILE),
    "bKGD": bytes([0, 1, 0, 2, 0, 3]),
    "pCAL": b"density\0" + struct.pack(">iiBB", 0, 255, 0, 2) + b"\x000\0001",
    "sPLT": b"a palette\0\x08" + bytes(6),
    "tIME": struct.pack(">HBBBBB", 2020, 2, 29, 12, 30, 0),
    "tEXt": b"Author\0somebod\xfd",
    "zTXt": b"Comment\0\0" + zlib.compress(b"squeezed"),
    "iTXt": b"Title\0\0\0de\0Titel\0" + "Grüße".encode(),
    "vpAg": bytes(9),  # of no specification, but safe to copy
}


@pytest.mark.parametrize(
    ("name", "where"),
    [(name, "before") for name in KEPT] + [(name, "behind") for name in ("tEXt", "zTXt", "iTXt", "tIME", "vpAg")],
)
def test_chunks_that_are_kept_to_the_byte(tmp_path, name, where):
    added = chunk(name.encode(), KEPT[name])
    after, warnings = written(tmp_path, png(ROWS, SIZE, **{where: added}))
    place, pixels = after.index((name.encode(), KEPT[name])), dict(after)[b"IDAT"]
    assert (place > after.index((b"IDAT", pixels))) == (where == "behind")
    assert warnings == ""


@pytest.mark.parametrize(
    ("name", "content"), [("hIST", bytes(4)), ("oFFs", bytes(9)), ("caBX", b"signed"), ("teST", b"unsafe to copy")]
)
def test_chunks_that_are_dropped_and_said(tmp_path, name, content):
    after, warnings = written(tmp_path, png(ROWS, SIZE, before=chunk(name.encode(), content)))
    assert name.encode() not in dict(after)
    assert f"its chunk {name} is dropped" in warnings


@pytest.mark.parametrize("name", ["sBIT", "bKGD"])
def test_chunks_that_tell_of_another_kind_of_pixels(tmp_path, name):
    palette = chunk(b"PLTE", bytes(range(12)))
    content = {"sBIT": bytes([5, 6, 5]), "bKGD": b"\1"}[name]
    added = chunk(name.encode(), content)
    data = png([b"\1\2\0\3"], (4, 1), 8, 3, before=added + palette if name == "sBIT" else palette + added)
    after, warnings = written(tmp_path, data)
    assert name.encode() not in dict(after)
    assert f"its chunk {name} is dropped: it describes another pixel format" in warnings
    after, warnings = written(tmp_path, data, mode="nearest")
    assert dict(after)[name.encode()] == content
    assert warnings == ""


@pytest.mark.parametrize(
    ("stored", "scale", "expected"),
    [
        ((2835, 2835, 1), "2", (5670, 5670, 1)),
        ((11811, 5906, 1), "x=3,y=2", (35433, 11812, 1)),
        ((2, 1, 0), "2", (2, 1, 0)),
        ((2, 1, 0), "x=3", (6, 1, 0)),
        ((1, 1, 0), "y=2", (1, 2, 0)),
        ((3, 4, 0), "2", (3, 4, 0)),
    ],
)
def test_the_density_of_pixels(tmp_path, stored, scale, expected):
    after, warnings = written(
        tmp_path, png(ROWS, SIZE, before=chunk(b"pHYs", struct.pack(">IIB", *stored))), scale=scale
    )
    assert struct.unpack(">IIB", dict(after)[b"pHYs"]) == expected
    assert warnings == ""


def test_provenance_is_appended_to_the_software(tmp_path):
    after, _ = written(tmp_path, png(ROWS, SIZE, before=chunk(b"tEXt", b"Software\0Drawer 3")), mode="nearest")
    assert re.fullmatch(rb"Software\0Drawer 3; upsample \S+ nearest half-pixel y=2 x=2", dict(after)[b"tEXt"])
    after, _ = written(tmp_path, png(ROWS, SIZE))
    assert re.fullmatch(rb"Software\0upsample \S+ linear half-pixel y=2 x=2", dict(after)[b"tEXt"])
    after, _ = written(tmp_path, png(ROWS, SIZE), provenance=False)
    assert b"tEXt" not in dict(after)


@pytest.mark.parametrize("keyword", ["exif", "APP1"])
def test_exif_that_imagemagick_has_put_into_text_becomes_exif(tmp_path, keyword):
    inner = b"Exif\0\0" + file_dump.exif("<", {274: file_dump.short("<", 6)}, {}, thumbnail=False)
    digits = inner.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    text = f"\nexif\n{len(inner):8}\n{lines}\n".encode()
    added = chunk(b"zTXt", f"Raw profile type {keyword}".encode() + b"\0\0" + zlib.compress(text))
    after, warnings = written(tmp_path, png(ROWS, SIZE, before=added))
    assert b"zTXt" not in dict(after)
    assert b"eXIf" in dict(after)
    assert struct.unpack_from(">II", dict(after)[b"IHDR"]) == (8, 10)
    assert warnings == ""


@pytest.mark.parametrize(("colour_type", "key"), [(0, False), (0, True), (2, False), (2, True), (4, False), (6, False)])
def test_sixteen_bits_are_all_used(tmp_path, colour_type, key):
    """Against float64, from samples that hand-made chunks hold: the low byte of none is lost."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    array = np.random.default_rng(0).integers(0, 65536, (7, 6, channels)).astype(">u2")
    added = chunk(b"tRNS", array[2, 3].tobytes()) if key else b""
    data = png([row.tobytes() for row in array], (6, 7), 16, colour_type, before=added)
    after, warnings = written(tmp_path, data, premultiply=False)
    assert warnings == ""
    if key:
        array = np.concatenate([array, np.where((array == array[2, 3]).all(-1, keepdims=True), 0, 65535)], -1)
    expected = reference.linear(array.astype(float), {0: 14, 1: 12})
    assert dict(after)[b"IHDR"][8] == 16
    result = imagecodecs.png_decode((tmp_path / "out.png").read_bytes()).astype(float)
    np.testing.assert_allclose(result, expected if channels > 1 or key else expected[..., 0], rtol=0, atol=0.52)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bits_of_colour_come_from_any_family(tmp_path, channels):
    array = np.random.default_rng(0).integers(0, 65536, (5, 4, channels), np.uint16)
    np.save(tmp_path / "in.npy", array)
    upsampled(tmp_path / "in.npy", tmp_path / "out.png", scale="2", mode="nearest", axes="yxs")
    result = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(result, array.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("colour_type", [0, 3], ids=["grey", "palette"])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_stay_few_with_nearest_and_become_eight_otherwise(tmp_path, depth, colour_type):
    width = 11
    values = np.random.default_rng(depth).integers(0, 2**depth, (6, width), np.uint8)
    bits = np.unpackbits(values[..., None], axis=-1)[..., -depth:].reshape(len(values), -1)
    colours = bytes(range(3 * 2**depth))
    added = chunk(b"PLTE", colours) + chunk(b"tRNS", b"\x80") if colour_type == 3 else b""
    data = png([np.packbits(row).tobytes() for row in bits], (width, 6), depth, colour_type, before=added)
    after, warnings = written(tmp_path, data, mode="nearest")
    found = dict(after)
    assert tuple(found[b"IHDR"][8:10]) == (depth, colour_type)
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(12, -1)[:, 1:]
    doubled = np.unpackbits(rows, axis=-1)[:, : 2 * width * depth].reshape(12, -1, depth)
    read = np.packbits(np.pad(doubled, [(0, 0), (0, 0), (8 - depth, 0)]), axis=-1)[..., 0]
    np.testing.assert_array_equal(read, values.repeat(2, 0).repeat(2, 1))
    if colour_type == 3:
        assert (found[b"PLTE"], found[b"tRNS"]) == (colours, b"\x80")
    assert warnings == ""
    after, _ = written(tmp_path, data)
    assert dict(after)[b"IHDR"][8] == 8


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_transparent_level_of_few_bits_becomes_alpha(tmp_path, depth, mode):
    values = np.random.default_rng(depth).integers(0, 2**depth, (6, 8), np.uint8)
    bits = np.unpackbits(values[..., None], axis=-1)[..., -depth:].reshape(len(values), -1)
    key = chunk(b"tRNS", bytes([0, values[2, 3]]))
    data = png([np.packbits(row).tobytes() for row in bits], (8, 6), depth, 0, before=key)
    (tmp_path / "in.png").write_bytes(data)
    keep = ReadOptions(keep_indices=mode == "nearest")
    expected = np.stack([values * (255 // (2**depth - 1)), np.where(values == values[2, 3], 0, 255)], -1)
    np.testing.assert_array_equal(whole(tmp_path / "in.png", keep), expected)
    after, _ = written(tmp_path, data, mode=mode)
    assert tuple(dict(after)[b"IHDR"][8:10]) == (8, 4)


def test_interlaced_pictures(tmp_path):
    """Of 1 × 1 pixel all passes but the first are empty, which is enough to tell that it is taken into account."""
    data = bytearray(png([b"\1\2\3"], (1, 1)))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    after, _ = written(tmp_path, bytes(data))
    assert dict(after)[b"IHDR"][12] == 0
    assert (whole(tmp_path / "out.png") == [1, 2, 3]).all()


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("kind", ["L", "RGB", "P", "RGB16"])
def test_the_compression_that_is_asked_for(tmp_path, level, kind):
    x = np.arange(60_000).reshape(200, 300) // 700 % 256
    array = np.stack([x] * 3, -1).astype(np.uint16 if kind == "RGB16" else np.uint8)
    if kind == "RGB16":
        (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(array))
    else:
        Image.fromarray(array if kind == "RGB" else array[..., 0]).convert(kind).save(tmp_path / "in.png")
    mode = "nearest" if kind == "P" else "linear"
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="1", mode=mode, compress_level=level)
    size = (tmp_path / "out.png").stat().st_size
    np.testing.assert_array_equal(whole(tmp_path / "out.png", KEEP), whole(tmp_path / "in.png", KEEP))
    assert (size > array[..., : 1 if kind in "LP" else 3].nbytes) == (level == 0)


@pytest.mark.parametrize("pixels", [10**9, 2**31 - 1])
def test_pictures_that_are_too_large_for_any_machine(tmp_path, pixels):
    (tmp_path / "in.png").write_bytes(png(ROWS, (pixels, pixels)))
    with pytest.raises(UpsampleError, match=r"would need|of memory"):
        planned(tmp_path / "in.png", scale="1")


def test_more_pixels_are_promised_than_there_are(tmp_path):
    for depth, colour_type in ((8, 2), (16, 6), (4, 3), (1, 0)):
        added = chunk(b"PLTE", bytes(48)) if colour_type == 3 else b""
        (tmp_path / "in.png").write_bytes(png(ROWS, (50, 40), depth, colour_type, before=added))
        with pytest.raises(InputError, match="cannot be read to its end"):
            whole(tmp_path / "in.png")


def test_what_only_png_can_say_is_said_to_be_dropped_elsewhere(tmp_path):
    added = b"".join(chunk(name, KEPT[name.decode()]) for name in (b"gAMA", b"iTXt", b"tEXt", b"zTXt"))
    (tmp_path / "in.png").write_bytes(png(ROWS, SIZE, before=added))
    (warning,) = planned(tmp_path / "in.png", tmp_path / "out.jpg", scale="2").warnings
    assert "the text Title; the text Author; the chunk gAMA" in warning
    upsampled(tmp_path / "in.png", tmp_path / "out.jpg", scale="2")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["comment"] == b"squeezed"


def test_the_profile_of_another_format(tmp_path):
    Image.new("RGB", (4, 3)).save(tmp_path / "in.jpg", icc_profile=PROFILE)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.png", scale="2")
    content = dict(chunks((tmp_path / "out.png").read_bytes()))[b"iCCP"]
    assert zlib.decompress(content.split(b"\0", 1)[1][1:]) == PROFILE


def test_a_palette_after_the_samples_is_refused(tmp_path):
    """libpng refuses it, and Pillow shows grey levels."""
    Image.fromarray(np.zeros((4, 5), np.uint8), "P").save(tmp_path / "in.png")
    data = (tmp_path / "in.png").read_bytes()
    start, samples = data.index(b"PLTE") - 4, data.index(b"IDAT") - 4
    end = len(data) - 12
    (tmp_path / "in.png").write_bytes(data[:start] + data[samples:end] + data[start:samples] + data[end:])
    with pytest.raises(InputError, match="its palette follows its samples"):
        planned(tmp_path / "in.png", tmp_path / "out.png", scale="2")
