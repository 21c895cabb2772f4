"""TIFF files whose tags contradict each other, or are broken, and which others open all the same."""

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import run
from tests.formats.examples import samples
from tests.pipeline_helpers import upsampled

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
