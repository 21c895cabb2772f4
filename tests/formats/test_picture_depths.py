"""Formats of which Pillow reads or writes less than they hold: depth, alpha and light of every sample stay."""

import struct
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.batch.inputs import Selection
from upsample_cli.batch.make import make_batch
from upsample_cli.batch.naming import Template
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats import open_source
from upsample_cli.formats.base import ReadOptions
from upsample_cli.pipeline.opening import open_input
from upsample_cli.pipeline.per_axis import PerAxis
from upsample_cli.pipeline.request import Request

RANDOM = np.random.default_rng(0)
SHAPE = (5, 7)


def samples(dtype, *channels):
    if np.dtype(dtype).kind == "f":
        return RANDOM.random((*SHAPE, *channels)).astype(dtype)
    return RANDOM.integers(0, np.iinfo(dtype).max, (*SHAPE, *channels), dtype, endpoint=True)


def netpbm(magic, highest, array):
    height, width = array.shape[:2]
    return f"{magic}\n# a comment\n{width} {height}\n{highest}\n".encode() + array.tobytes()


def pam(kind, depth, highest, array):
    height, width = array.shape[:2]
    lines = ["P7", f"WIDTH {width}", f"HEIGHT {height}", f"DEPTH {depth}", f"MAXVAL {highest}", f"TUPLTYPE {kind}"]
    return "\n".join([*lines, "ENDHDR\n"]).encode() + array.tobytes()


@pytest.mark.parametrize("highest", [65535, 1023])
def test_ppm_of_more_than_8_bits(tmp_path, highest):
    array = np.minimum(samples(np.uint16, 3), highest)
    (tmp_path / "in.ppm").write_bytes(netpbm("P6", highest, array.astype(">u2")))
    expected = np.rint(array / highest * 65535).astype(np.uint16)
    np.testing.assert_allclose(whole(tmp_path / "in.ppm"), expected, atol=0.5 if highest == 65535 else 1)
    upsampled(tmp_path / "in.ppm", tmp_path / "out.ppm", scale="2", mode="nearest", verify=True)
    data = (tmp_path / "out.ppm").read_bytes()
    assert data.startswith(b"P6\n14 10\n65535\n")
    written = np.frombuffer(data[len(b"P6\n14 10\n65535\n") :], ">u2").reshape(10, 14, 3)
    np.testing.assert_array_equal(written[::2, ::2], whole(tmp_path / "in.ppm"))


def test_plain_netpbm_files(tmp_path):
    (tmp_path / "in.pgm").write_bytes(b"P2 # plain\n3 2\n15\n0 5 15\n# in between\n10 1 2\n")
    np.testing.assert_array_equal(whole(tmp_path / "in.pgm"), [[0, 85, 255], [170, 17, 34]])
    (tmp_path / "in.pbm").write_bytes(b"P1\n3 2\n01 1\n100")
    bits = whole(tmp_path / "in.pbm", ReadOptions(keep_indices=True))
    np.testing.assert_array_equal(bits, [[True, False, False], [False, True, True]])
    (tmp_path / "short.pgm").write_bytes(b"P2\n3 2\n15\n0 5 15\n")
    with pytest.raises(InputError, match="truncated"):
        whole(tmp_path / "short.pgm")


@pytest.mark.parametrize(
    ("kind", "channels", "dtype"),
    [("GRAYSCALE", (), "u1"), ("GRAYSCALE_ALPHA", (2,), "u2"), ("RGB", (3,), "u2"), ("RGB_ALPHA", (4,), "u1")],
)
def test_pam(tmp_path, kind, channels, dtype):
    array = samples(dtype, *channels)
    highest = np.iinfo(dtype).max
    data = pam(kind, (channels or (1,))[0], highest, array.astype(f">{dtype}"))
    (tmp_path / "in.pam").write_bytes(data)
    np.testing.assert_array_equal(whole(tmp_path / "in.pam"), array)
    upsampled(tmp_path / "in.pam", tmp_path / "same.pam", scale="1", mode="nearest", verify=True)
    assert (tmp_path / "same.pam").read_bytes() == data
    upsampled(tmp_path / "in.pam", tmp_path / "out.png", scale="2", mode="nearest", verify=True)
    stored = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(stored[::2, ::2], array)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_pfm(tmp_path, order, channels):
    array = samples(np.float32, *channels) * 100
    scale = "-1.0" if order == "<" else "1.0"
    magic = "PF" if channels else "Pf"
    (tmp_path / "in.pfm").write_bytes(f"{magic}\n7 5\n{scale}\n".encode() + array[::-1].astype(f"{order}f4").tobytes())
    np.testing.assert_array_equal(whole(tmp_path / "in.pfm"), array)
    upsampled(tmp_path / "in.pfm", tmp_path / "out.pfm", scale="2", verify=True)
    assert whole(tmp_path / "out.pfm").dtype == np.float32
    if channels:
        with pytest.raises(OutputError, match="PNG cannot hold floating-point RGB"):
            planned(tmp_path / "in.pfm", tmp_path / "out.png", scale="2")


def sgi(array, compressed):
    """An SGI file of 16 bits, with every row a literal run and a repeated one if `compressed`."""
    planes = np.moveaxis(array.reshape(*SHAPE, -1), -1, 0)[:, ::-1]
    channels, height, width = planes.shape
    head = struct.pack(">HBBHHHHII", 474, compressed, 2, 3, width, height, channels, 0, 65535).ljust(512, b"\0")
    if not compressed:
        return head + planes.astype(">u2").tobytes()
    rows, starts, lengths = b"", [], []
    for row in planes.reshape(-1, width):
        runs = struct.pack(">H", 0x80 | (width - 2)) + row[:-2].astype(">u2").tobytes()
        runs += struct.pack(">HHH", 2, row[-1], 0)
        starts.append(512 + 8 * channels * height + len(rows))
        lengths.append(len(runs))
        rows += runs
    return head + np.array(starts, ">u4").tobytes() + np.array(lengths, ">u4").tobytes() + rows


@pytest.mark.parametrize("compressed", [0, 1])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_sgi_of_16_bits(tmp_path, channels, compressed):
    array = samples(np.uint16, *channels)
    array[:, -2] = array[:, -1]
    (tmp_path / "in.sgi").write_bytes(sgi(array, compressed))
    np.testing.assert_array_equal(whole(tmp_path / "in.sgi"), array)
    upsampled(tmp_path / "in.sgi", tmp_path / "out.sgi", scale="2", mode="nearest", verify=True)
    np.testing.assert_array_equal(whole(tmp_path / "out.sgi")[::2, ::2], array)
    with Image.open(tmp_path / "out.sgi") as image:  # which reads the upper 8 bits
        seen = np.asarray(image.convert({(): "L", (3,): "RGB", (4,): "RGBA"}[channels]))
    np.testing.assert_array_equal(seen[::2, ::2], array >> 8)


def bmp(bits, words, masks=None, height=5, header=108):
    """A BMP with masks of red, green, blue and alpha."""
    offset = 14 + max(header, 40) + (12 if header == 40 and masks else 0)
    info = struct.pack("<IiiHHIIiiII", header, 7, height, 1, bits, 3 if masks else 0, 0, 11811, 5906, 0, 0)
    stored = struct.pack("<4I", *masks)[: 12 if header == 40 else 16] if masks else b""
    row = np.ascontiguousarray(words).view(np.uint8).reshape(5, -1)
    padded = np.pad(row, [(0, 0), (0, -row.shape[1] % 4)])
    head = b"BM" + struct.pack("<IHHI", offset + padded.size, 0, 0, offset) + (info + stored).ljust(offset - 14, b"\0")
    return head + padded.tobytes()


@pytest.mark.parametrize(
    ("bits", "masks", "header"),
    [
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000), 108),
        (16, (0xF00, 0xF0, 0xF, 0xF000), 56),
        (16, (0xF800, 0x7E0, 0x1F, 0), 40),
        (32, (0xFF000000, 0xFF0000, 0xFF00, 0), 40),
        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 124),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), 108),
        (32, (0x7F, 0x3F80, 0x3FC000, 0), 56),
    ],
)
@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_of_any_masks(tmp_path, bits, masks, header, top_down):
    words = RANDOM.integers(0, 2**bits, SHAPE, np.uint64).astype(f"<u{bits // 8}")
    (tmp_path / "in.bmp").write_bytes(bmp(bits, words, masks, -5 if top_down else 5, header))
    found = whole(tmp_path / "in.bmp")
    full = 65535 if max(mask.bit_count() for mask in masks) > 8 else 255
    shown = words if top_down else words[::-1]
    wanted = [mask for mask in masks if mask]
    assert found.shape == (*SHAPE, len(wanted))
    for plane, mask in enumerate(wanted):
        shift = (mask & -mask).bit_length() - 1
        exact = ((shown & np.array(mask, words.dtype)) >> shift) / (mask >> shift) * full
        np.testing.assert_allclose(found[..., plane], exact, atol=0.5)
    with open_source(tmp_path / "in.bmp", ReadOptions()) as source:
        assert source.header.alpha == bool(masks[3])
        assert source.header.grid["x"].spacing == pytest.approx(25.4 / 300, rel=1e-3)
    if full == 255:
        upsampled(tmp_path / "in.bmp", tmp_path / "out.bmp", scale="2", mode="nearest", verify=True)
        with Image.open(tmp_path / "out.bmp") as image:
            assert image.mode == ("RGBA" if masks[3] else "RGB")
            np.testing.assert_array_equal(np.asarray(image)[::2, ::2], found)


def test_bmp_of_64_bits_is_linear_light(tmp_path):
    light = np.zeros((*SHAPE, 4), "<i2")
    light[...] = 8192
    light[0, 0] = (0, 4096, 8192, 2048)  # blue, green, red and alpha of the pixel at the bottom left
    (tmp_path / "in.bmp").write_bytes(bmp(64, light))
    found = whole(tmp_path / "in.bmp")
    srgb_of_half = round((1.055 * 0.5 ** (1 / 2.4) - 0.055) * 65535)
    assert found[-1, 0].tolist() == [65535, srgb_of_half, 0, round(0.25 * 65535)]


def test_radiance_pictures_are_told_from_volumes(tmp_path):
    array = samples(np.float32, 3) * 8
    (tmp_path / "in.hdr").write_bytes(imagecodecs.rgbe_encode(array))
    np.testing.assert_allclose(whole(tmp_path / "in.hdr"), array, atol=8 / 255)
    request = Request(scale=PerAxis.parse("2", "--scale"))
    (job,) = make_batch(Selection(names=(str(tmp_path / "in.hdr"),)), Template(None), [request]).jobs
    assert job.output.name == "in_upsampled.rgbe"
    upsampled(tmp_path / "in.hdr", tmp_path / "out.rgbe", scale="2", mode="nearest", verify=True)
    stored = imagecodecs.rgbe_decode((tmp_path / "out.rgbe").read_bytes())
    np.testing.assert_allclose(stored[::2, ::2], whole(tmp_path / "in.hdr"), rtol=0.01, atol=1e-3)


@pytest.mark.parametrize(
    ("channels", "dtype"),
    [((), "u1"), ((), "u2"), ((2,), "u1"), ((3,), "u1"), ((3,), "u2"), ((3,), "f4"), ((4,), "u1"), ((4,), "u2")],
)
def test_jpeg_xl(tmp_path, channels, dtype):
    array = samples(dtype, *channels)
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(array, lossless=True))
    found = whole(tmp_path / "in.jxl")
    np.testing.assert_array_equal(found, array)
    upsampled(tmp_path / "in.jxl", tmp_path / "out.jxl", scale="2", mode="nearest", compress_level=3, verify=True)
    stored = imagecodecs.jpegxl_decode((tmp_path / "out.jxl").read_bytes())
    np.testing.assert_array_equal(np.squeeze(stored)[::2, ::2], array)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (64, 48), (100, 37), (640, 360), (1025, 3), (3, 300)])
def test_the_size_of_jpeg_xl_is_known_before_it_is_decoded(tmp_path, size):
    width, height = size
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(np.zeros((height, width, 3), np.uint8), effort=1))
    with open_source(tmp_path / "in.jxl", ReadOptions()) as source:
        assert source.header.grid.shape == (height, width, 3)


def test_jpeg_xl_carries_exif_and_xmp(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = 6
    Image.fromarray(samples(np.uint8, 3)).save(tmp_path / "in.jpg", exif=exif, xmp=b"<x:xmpmeta/>")
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jxl", scale="2")
    with open_source(tmp_path / "out.jxl", ReadOptions()) as source:
        metadata = source.header.metadata.metadata
        assert source.header.grid.shape == (14, 10, 3)
    assert metadata.xmp == b"<x:xmpmeta/>"
    assert b"a camera" in metadata.exif


def test_heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    y, x = np.indices((40, 60))
    array = np.stack([3 * x, 5 * y, x + y], -1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    pillow_heif.from_pillow(Image.fromarray(array)).save(tmp_path / "in.heic", quality=95, exif=exif.tobytes())
    upsampled(tmp_path / "in.heic", tmp_path / "out.png", scale="2", mode="nearest", verify=True)
    with Image.open(tmp_path / "out.png") as image:
        assert np.abs(np.asarray(image)[::2, ::2].astype(int) - array).mean() < 4
        assert image.getexif()[0x010F] == "a camera"
    upsampled(tmp_path / "in.heic", tmp_path / "out.heic", scale="2", verify=True)
    assert pillow_heif.open_heif(tmp_path / "out.heic").size == (120, 80)


@pytest.mark.parametrize(
    ("library", "start", "extra"),
    [
        ("pillow_heif", struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic"), "heif"),
        ("OpenEXR", b"\x76\x2f\x31\x01\2\0\0\0", "exr"),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(tmp_path, monkeypatch, library, start, extra):
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / "in.bin").write_bytes(start + bytes(100))
    with pytest.raises(InputError, match=rf"pip install 'upsample\[{extra}\]'"):
        planned(tmp_path / "in.bin", tmp_path / "out.png", scale="2")


@pytest.mark.parametrize(
    ("letters", "dtype", "compression"), [("RGB", "f2", "ZIP"), ("RGBA", "f4", "PIZ"), ("Y", "f4", "ZIPS")]
)
def test_openexr_keeps_precision_compression_and_attributes(tmp_path, letters, dtype, compression):
    library = pytest.importorskip("OpenEXR")
    array = samples(np.float32, max(2, len(letters)))[..., : len(letters)].astype(dtype)
    method = getattr(library, f"{compression}_COMPRESSION")
    header = {"compression": method, "type": library.scanlineimage, "owner": "me", "pixelAspectRatio": 2.0}
    planes = {name: library.Channel(np.ascontiguousarray(array[..., n])) for n, name in enumerate(letters)}
    library.File(header, planes).write(str(tmp_path / "in.exr"))
    plan = upsampled(tmp_path / "in.exr", tmp_path / "out.exr", scale="x=4,y=2", mode="nearest", verify=True)
    assert not plan.warnings
    found = library.File(str(tmp_path / "out.exr"), separate_channels=True)
    assert (found.header()["compression"], found.header()["owner"]) == (method, "me")
    assert found.header()["pixelAspectRatio"] == 1
    for number, name in enumerate(letters):
        pixels = found.channels()[name].pixels
        assert pixels.dtype == dtype
        np.testing.assert_allclose(pixels[::2, ::4], array[..., number], rtol=1e-6)
    upsampled(tmp_path / "in.exr", tmp_path / "out.tif", scale="2", verify=True)


def test_whole_numbers_in_openexr_need_another_dtype(tmp_path):
    Image.fromarray(samples(np.uint8, 4)).save(tmp_path / "in.png")
    with pytest.raises(OutputError, match=r"EXR cannot hold 8-bit RGBA; write \.png, or add --dtype float32 --rescale"):
        planned(tmp_path / "in.png", tmp_path / "out.exr", scale="2")
    pytest.importorskip("OpenEXR")
    upsampled(tmp_path / "in.png", tmp_path / "out.exr", scale="2", dtype="float32", rescale="full", verify=True)


def test_icons_of_apple_have_known_sizes(tmp_path):
    array = RANDOM.integers(0, 256, (16, 16, 4), np.uint8)
    Image.fromarray(array).save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / "out.icns", scale="2", mode="nearest", verify=True)
    with Image.open(tmp_path / "out.icns") as image:
        assert image.size == (32, 32)
        np.testing.assert_array_equal(np.asarray(image)[::2, ::2], array)
    with pytest.raises(OutputError, match=r"squares of 16, 32, 64"):
        planned(tmp_path / "in.png", tmp_path / "out.icns", scale="3")


def test_a_palette_becomes_colours_where_the_format_holds_none(tmp_path):
    indices = RANDOM.integers(0, 4, SHAPE, np.uint8)
    colours = RANDOM.integers(0, 256, (4, 3), np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "in.png")
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.ppm", scale="2", mode="nearest", verify=True)
    np.testing.assert_array_equal(whole(tmp_path / "out.ppm")[::2, ::2], colours[indices])
    assert "PPM cannot store a palette" in " ".join(plan.warnings)


def test_cmyk_becomes_rgb_where_the_format_holds_none(tmp_path):
    array = samples(np.uint8, 4)
    Image.fromarray(array, "CMYK").save(tmp_path / "in.tif")
    request = Request(scale=PerAxis.parse("1", "--scale"))
    with open_input(tmp_path / "in.tif", request, tmp_path / "out.png") as source:
        found = source.read(0, 0, 5)
        assert source.header.colours == "RGB"
    exact = (255 - array[..., :3].astype(float)) * (255 - array[..., 3:]) / 255
    np.testing.assert_allclose(found, exact, atol=0.51)
    for kept in ("out.jpg", "out.tif", "out.npy"):
        with open_input(tmp_path / "in.tif", request, tmp_path / kept) as source:
            assert source.header.colours == "CMYK"


def test_alpha_into_jpeg_suggests_a_background(tmp_path):
    Image.fromarray(samples(np.uint8, 4)).save(tmp_path / "in.png")
    with pytest.raises(OutputError, match="--background white"):
        planned(tmp_path / "in.png", tmp_path / "out.jpg", scale="2")
