"""TIFF files whose tags contradict each other, or are broken, and which others open all the same."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import run
from tests.formats.examples import samples
from tests.pipeline_helpers import upsampled
from upsample_cli.errors import InputError

SHAPE = (8, 9)
PLAIN = {"metadata": None}


def patched(path, code, value, kind="<H"):
    """Change the first value of a tag of the first page."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags[code].valueoffset
    struct.pack_into(kind, data, place, value)
    path.write_bytes(data)


def doubled(array):
    return array.repeat(2, 0).repeat(2, 1)


def test_an_unknown_predictor(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", samples(SHAPE), compression="zlib", predictor=True, **PLAIN)
    patched(tmp_path / "in.tif", 317, 0)
    with pytest.raises(InputError, match="predictor 0, which is unknown"):
        upsampled(tmp_path / "in.tif", tmp_path / "out.ome.tif", scale=2)


@pytest.mark.parametrize("value", [3, 999])
def test_an_unknown_kind_of_extra_sample(tmp_path, value):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((*SHAPE, 4))
    tifffile.imwrite(path, array, photometric="rgb", extrasamples=["unspecified"], **PLAIN)
    patched(path, 338, value)
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    with tifffile.TiffFile(out) as tiff:
        np.testing.assert_array_equal(tiff.asarray(), doubled(array))
        assert tiff.pages[0].extrasamples == (0,)


@pytest.mark.parametrize("bits", [12, 16])
def test_a_predictor_beside_samples_that_do_not_fill_their_bytes(tmp_path, bits):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples(SHAPE, "uint16") >> (16 - bits)
    tifffile.imwrite(
        path, array, photometric="minisblack", bitspersample=bits, extratags=[(317, 3, 1, 2, True)], **PLAIN
    )
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    found = tifffile.imread(out)
    assert found.shape == (16, 18)
    np.testing.assert_array_equal(found, doubled(tifffile.imread(path)))


@pytest.mark.parametrize("value", [0, 7])
def test_an_unknown_unit_of_the_density(tmp_path, value):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples(SHAPE), resolution=(300, 300), resolutionunit=2, **PLAIN)
    patched(path, 296, value)
    plan = upsampled(path, out, scale=2, verify=True)
    assert plan.first.before.grid["x"].unit is None


@pytest.mark.parametrize("numerator", [0, 2**32 - 1])
def test_a_density_of_nothing_or_of_too_much(tmp_path, numerator):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples(SHAPE), resolution=(300, 300), resolutionunit=2, **PLAIN)
    patched(path, 282, numerator, "<I")
    upsampled(path, out, scale=4, verify=True)
    assert tifffile.imread(out).shape == (32, 36)


def test_nothing_of_tifffile_reaches_the_terminal(tmp_path, capfd):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples(SHAPE), photometric="minisblack", software="a program of some length", **PLAIN)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        entry = tiff.pages[0].tags["Software"].offset
    struct.pack_into("<I", data, entry + 8, len(data) + 10)
    path.write_bytes(data)
    printed = run(path, "--scale", "2", "--mode", "nearest", "-o", out).output
    assert "these tags lie beyond the end of the file and are dropped: Software" in printed
    assert "Tiff" not in printed + "".join(capfd.readouterr())
    np.testing.assert_array_equal(tifffile.imread(out), doubled(samples(SHAPE)))


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_grey_of_few_bits(tmp_path, bits, mode, compression):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    levels = samples(SHAPE) >> (8 - bits)
    tifffile.imwrite(path, levels, photometric="minisblack", bitspersample=bits, **PLAIN)
    if compression is not None:
        _compress(path)
    upsampled(path, out, scale=2, mode=mode, verify=True)
    shown = levels.astype(int) * 255 // ((1 << bits) - 1)
    with Image.open(out) as image:
        found = np.asarray(image.convert("L"))
    with tifffile.TiffFile(out) as tiff:
        assert tiff.pages[0].bitspersample == (bits if mode == "nearest" else 8)
    if mode == "nearest":
        np.testing.assert_array_equal(found, doubled(shown))
    assert abs(found.mean() - shown.mean()) < 6


def _compress(path):
    """Have the only strip compressed by LZW."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        start, length = page.dataoffsets[0], page.databytecounts[0]
    encoded = imagecodecs.lzw_encode(bytes(data[start : start + length]))
    end = len(data)
    path.write_bytes(data + encoded)
    for code, value, kind in ((259, 5, "<H"), (273, end, "<I"), (279, len(encoded), "<I")):
        patched(path, code, value, kind)


@pytest.mark.parametrize("bits", [12, 14])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_colours_of_twelve_and_fourteen_bits(tmp_path, bits, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    levels = samples((*SHAPE, 3), "uint16") >> (16 - bits)
    tifffile.imwrite(path, levels, photometric="rgb", bitspersample=bits, **PLAIN)
    upsampled(path, out, scale=2, mode=mode, verify=True)
    found = tifffile.imread(out)
    if mode == "nearest":
        np.testing.assert_array_equal(found, doubled(levels))
    else:
        full = levels[0, 0] * 65535.0 / ((1 << bits) - 1)
        np.testing.assert_allclose(found[0, 0], full, atol=0.51)


def write_bits(path, digits, bits, photometric):
    """Write a big-endian file of a page from the binary digits of its samples."""
    height, width, channels = digits.shape[:3]
    strip = np.packbits(digits.reshape(height, -1), axis=1).tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric}
    tags |= {273: 0, 277: channels, 278: height, 279: len(strip)}
    tags[273] = 10 + 12 * len(tags) + 4
    entries = b"".join(struct.pack(">HHII", code, 4, 1, value) for code, value in tags.items())
    path.write_bytes(b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + bytes(4) + strip)


@pytest.mark.parametrize(("photometric", "channels"), [(2, 3), (5, 4)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_colours_of_one_bit(tmp_path, photometric, channels, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    digits = samples((*SHAPE, channels)) & 1
    write_bits(path, digits[..., None], 1, photometric)
    plan = upsampled(path, out, scale=2, mode=mode, verify=True)
    assert "its 1-bit samples are scaled to 8 bits" in plan.warnings
    found = tifffile.imread(out)
    np.testing.assert_array_equal(found[0, 0], digits[0, 0] * 255)
    if mode == "nearest":
        np.testing.assert_array_equal(found, doubled(digits) * 255)


def test_grey_of_24_bits_says_how_many_count(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    levels = samples(SHAPE, "uint32") >> 8
    tifffile.imwrite(path, levels, photometric="minisblack", bitspersample=24, **PLAIN)
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(tifffile.imread(out), doubled(levels))
    with tifffile.TiffFile(out) as tiff:
        assert tiff.pages[0].tags["MaxSampleValue"].value == (1 << 24) - 1


@pytest.mark.parametrize("bits", [10, 12, 24])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_colours_of_any_depth_and_byte_order(tmp_path, bits, byteorder, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    size = 2 if bits < 16 else 4
    levels = samples((*SHAPE, 3), f"uint{8 * size}") >> (8 * size - bits)
    data = levels if byteorder == "<" else np.unpackbits(levels.astype(f">u{size}").view(np.uint8), axis=-1)
    if byteorder == "<":
        tifffile.imwrite(path, data, photometric="rgb", bitspersample=bits, **PLAIN)
    else:  # tifffile packs wrongly
        write_bits(path, data.reshape(*levels.shape, 8 * size)[..., -bits:], bits, photometric=2)
    upsampled(path, out, scale=2, mode=mode, verify=True)
    found = tifffile.imread(out).astype(float)
    with tifffile.TiffFile(out) as tiff:
        highest = (1 << tiff.pages[0].bitspersample) - 1
    shown = found / highest
    expected = levels / ((1 << bits) - 1)
    if mode == "nearest":
        np.testing.assert_allclose(shown, doubled(expected), atol=1e-4)
    np.testing.assert_allclose(shown[0, 0], expected[0, 0], atol=1e-4)


def test_a_page_that_is_marked_as_a_mask_and_is_none(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples((*SHAPE, 3)), photometric="rgb", subfiletype=2, **PLAIN)
    patched(path, 254, 6, "<I")
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(tifffile.imread(out), doubled(samples((*SHAPE, 3))))


def test_a_strip_that_holds_more_than_its_lines(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples(SHAPE)
    tifffile.imwrite(path, array, photometric="minisblack", compression="zlib", **PLAIN)
    encoded = zlib.compress(array.tobytes() + bytes(100))
    data = path.read_bytes()
    path.write_bytes(data + encoded)
    patched(path, 273, len(data), "<I")
    patched(path, 279, len(encoded), "<I")
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(tifffile.imread(out), doubled(array))


def test_four_samples_of_rgb_without_a_tag_are_colours_and_alpha(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((*SHAPE, 4))
    tifffile.imwrite(path, array, photometric="rgb", extrasamples=["unassalpha"], **PLAIN)
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags["ExtraSamples"].offset
    data = bytearray(path.read_bytes())
    data[place : place + 2] = struct.pack("<H", 65001)  # another tag
    path.write_bytes(data)
    plan = upsampled(path, out, scale=1.5, verify=True)
    assert plan.first.before.alpha
    with Image.open(out) as image:
        assert image.mode == "RGBA"


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_cielab_with_alpha(tmp_path, mode):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((*SHAPE, 4))
    array[..., 3] |= 128
    tifffile.imwrite(path, array, photometric="cielab", extrasamples=["unassalpha"], **PLAIN)
    upsampled(path, out, scale=2, mode=mode, verify=True)
    np.testing.assert_array_equal(tifffile.imread(out)[0, 0], array[0, 0])
