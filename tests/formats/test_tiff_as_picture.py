"""TIFF images whose samples no picture format holds as they are, written as pictures."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from tests.cli_helpers import run
from tests.formats.examples import samples
from upsample_cli.formats.tiff.directories import Tree, append_trees

SHAPE = (8, 9)


def as_png(folder, array, mode="nearest", suffix=".png", **options):
    """Write an array as TIFF, resize it to a picture, and read this with Pillow; gives it and what was printed."""
    path, out = folder / "in.tif", folder / f"out{suffix}"
    tifffile.imwrite(path, array, metadata=None, **options)
    result = run(path, "--scale", "2", "--mode", mode, "--verify", "--overwrite", "-o", out)
    with Image.open(out) as image:
        image.load()
        return image, result.output


def doubled(array):
    return array.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16"])
def test_white_that_is_zero_is_inverted(tmp_path, dtype):
    array = samples(SHAPE, dtype)
    image, printed = as_png(tmp_path, array, photometric="miniswhite")
    expected = ~array if dtype == "bool" else np.iinfo(dtype).max - array
    np.testing.assert_array_equal(np.asarray(image), doubled(expected))
    assert "Warning" not in printed


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_levels_of_few_bits_fill_the_range(tmp_path, bits, photometric):
    levels = samples(SHAPE) >> (8 - bits)
    image, _ = as_png(tmp_path, levels, photometric=photometric, bitspersample=bits)
    expected = levels.astype(int) * 255 // ((1 << bits) - 1)
    np.testing.assert_array_equal(
        np.asarray(image), doubled(255 - expected if photometric == "miniswhite" else expected)
    )


def test_white_that_is_zero_of_twelve_bits(tmp_path):
    levels = samples(SHAPE, "uint16") >> 4
    image, _ = as_png(tmp_path, levels, photometric="miniswhite", bitspersample=12)
    np.testing.assert_array_equal(np.asarray(image), doubled(4095 - levels))


@pytest.mark.parametrize("mode", ["nearest", "label"])
def test_a_palette(tmp_path, mode):
    array = samples(SHAPE)
    colormap = np.random.default_rng(0).integers(0, 256, (3, 256), np.uint16) * 257
    if mode == "nearest":
        image, _ = as_png(tmp_path, array, photometric="palette", colormap=colormap)
        expected = np.moveaxis(colormap // 257, 0, -1)[array]
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), doubled(expected))
    else:
        tifffile.imwrite(tmp_path / "in.tif", array, photometric="palette", colormap=colormap, metadata=None)
        out = tmp_path / "out.tif"
        run(tmp_path / "in.tif", "--scale", "2", "--mode", mode, "--verify", "-o", out)
        with tifffile.TiffFile(out) as tiff:
            np.testing.assert_array_equal(tiff.pages[0].colormap, colormap)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_premultiplied_alpha_becomes_straight(tmp_path, dtype):
    full = np.iinfo(dtype).max
    straight = samples((*SHAPE, 4), dtype).astype(np.float64)
    premultiplied = straight.copy()
    premultiplied[..., :3] *= straight[..., 3:] / full
    stored = np.rint(premultiplied).astype(dtype)
    image, printed = as_png(tmp_path, stored, photometric="rgb", extrasamples=["assocalpha"])
    assert image.mode == "RGBA"
    assert "Warning" not in printed
    if dtype == "uint8":
        found, alpha = np.asarray(image).astype(float), doubled(stored[..., 3:]).astype(float)
        np.testing.assert_allclose(found[..., :3] * alpha / full, doubled(stored[..., :3]), atol=0.51)
        np.testing.assert_array_equal(found[..., 3:], alpha)


def test_planes_of_colours(tmp_path):
    array = samples((3, *SHAPE))
    image, printed = as_png(tmp_path, array, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(np.asarray(image), doubled(np.moveaxis(array, 0, -1)))
    assert "Warning" not in printed


def test_cielab_is_converted_as_by_littlecms(tmp_path):
    colours = np.stack([np.full(SHAPE, 160), samples(SHAPE) % 30 + 113, samples(SHAPE)[::-1] % 30 + 113], -1)
    lab = colours.astype(np.uint8)
    stored = lab.copy()
    stored[..., 1:] ^= 0x80
    image, printed = as_png(tmp_path, stored, photometric="cielab")
    assert "its CIELAB colours are converted to sRGB" in printed
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(*profiles, "LAB", "RGB")
    expected = ImageCms.applyTransform(Image.frombytes("LAB", SHAPE[::-1], stored.tobytes()), transform)
    difference = np.asarray(image).astype(int) - doubled(np.asarray(expected))
    assert np.abs(difference).max() <= 2


def test_ycbcr_is_converted_as_by_pillow(tmp_path):
    stored = samples((*SHAPE, 3))
    image, printed = as_png(tmp_path, stored, photometric="ycbcr")
    assert "converted to sRGB" in printed
    expected = np.asarray(Image.fromarray(stored, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(np.asarray(image) - doubled(expected)).max() <= 1


DOCUMENTS = {  # what each format keeps of EXIF, XMP and Photoshop's resources
    ".jpg": {"exif", "xmp", "photoshop"},
    ".png": {"exif", "xmp"},
    ".webp": {"exif", "xmp"},
    ".avif": {"exif", "xmp"},
    ".bmp": set(),
}


@pytest.mark.parametrize("suffix", DOCUMENTS)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_exif_xmp_and_photoshops_resources_go_along(tmp_path, suffix, byteorder):
    path, out = tmp_path / "in.tif", tmp_path / f"out{suffix}"
    xmp = b"<x:xmpmeta><rdf tiff:ImageWidth='9' tiff:ImageLength='8'/></x:xmpmeta>"
    iptc = b"\x1c\x02\x78\0\x07caption"
    tags = [(271, 2, 0, "a maker", True), (700, 1, len(xmp), xmp, True), (33723, 7, len(iptc), iptc, True)]
    description = {"description": "a view", "software": "a scanner", "extratags": tags, "metadata": None}
    tifffile.imwrite(path, samples((*SHAPE, 3)), photometric="rgb", byteorder=byteorder, **description)
    number = struct.Struct(f"{byteorder}I")
    exif = Tree(((40962, 4, 1, number.pack(9)), (37510, 7, 12, b"a comment...")), {}, byteorder == "<")
    gps = Tree(((1, 2, 2, b"N\0"),), {}, byteorder == "<")
    with path.open("r+b") as file:
        append_trees(file, [(0, {34665: exif, 34853: gps})])
    printed = run(path, "--scale", "2", "--verify", "-o", out).output
    kept = DOCUMENTS[suffix]
    with Image.open(out) as image:
        found = image.getexif()
        assert found.get(271) == ("a maker" if "exif" in kept else None)
        assert ("xmp" in image.info) == ("xmp" in kept)
        if "exif" in kept:
            assert (found[270], found[305].split(";")[0]) == ("a view", "a scanner")
            assert found.get_ifd(34665)[40962] == 18
            assert found.get_ifd(34665)[37510] == b"a comment..."
            assert found.get_ifd(34853)[1] == "N"
            assert b"tiff:ImageWidth='18'" in image.info["xmp"]
        if "photoshop" in kept:
            assert image.info["photoshop"][0x0404] == iptc
    for name, item in (("exif", "EXIF"), ("xmp", "the tag XMP"), ("photoshop", "the tag IPTCNAA")):
        assert (item in printed) == (name not in kept)


@pytest.mark.parametrize("quote", ['"', "'"])
def test_an_orientation_in_xmp_of_either_form(tmp_path, quote):
    array, xmp = samples((*SHAPE, 3)), f"<rdf tiff:Orientation={quote}3{quote}/>".encode()
    image, _ = as_png(tmp_path, array, photometric="rgb", extratags=[(700, 1, len(xmp), xmp, True)])
    np.testing.assert_array_equal(np.asarray(image), doubled(array[::-1, ::-1]))


@pytest.mark.parametrize("orientation", [3, 5, 6, 7, 8])
@pytest.mark.parametrize(
    ("kind", "told_by"), [("rgb", "tag"), ("miniswhite", "tag"), ("separated", "tag"), ("rgb", "XMP")]
)
def test_an_orientation_is_applied_once(tmp_path, orientation, kind, told_by):
    array = samples((*SHAPE, {"rgb": 3, "miniswhite": 1, "separated": 4}[kind])).squeeze()
    xmp = f'<rdf tiff:Orientation="{orientation}"/>'.encode()
    tag = (274, 3, 1, orientation, True) if told_by == "tag" else (700, 1, len(xmp), xmp, True)
    options = {"photometric": kind, "resolution": (100, 200), "resolutionunit": 2}
    image, _ = as_png(tmp_path, array, extratags=[tag], **options)
    upright, _ = as_png(tmp_path, array, **options)
    upright.getexif()[274] = orientation
    expected = ImageOps.exif_transpose(upright)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    assert image.info["dpi"] == pytest.approx((400, 200) if orientation > 4 else (200, 400), rel=1e-3)
