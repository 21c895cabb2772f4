"""EXIF, GPS, XMP and Photoshop's resources in TIFF files, from pictures and from other TIFF files."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from tests.formats.examples import samples
from tests.pipeline_helpers import upsampled

EXIF, GPS = 0x8769, 0x8825
XMP = b"<x:xmpmeta><rdf tiff:ImageWidth='9' tiff:ImageLength='8'/></x:xmpmeta>"


def exif_block():
    exif = Image.Exif()
    exif[271], exif[305], exif[270], exif[274] = "a maker", "a camera", "a view", 1
    exif.get_ifd(EXIF).update({33434: 0.5, 37500: b"maker's note, longer than four bytes", 40962: 9, 40963: 8})
    exif.get_ifd(GPS).update({1: "N", 2: (51.0, 30.0, 12.5)})
    return exif


def jpeg(path):
    resources = b"8BIM" + struct.pack(">H", 0x0404) + bytes(2) + struct.pack(">I", 12) + b"\x1c\x02\x78\0\x07caption"
    Image.fromarray(samples((8, 9, 3))).save(path, exif=exif_block(), xmp=XMP, dpi=(300, 150))
    data = path.read_bytes()
    segment = b"Photoshop 3.0\0" + resources
    path.write_bytes(data[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + data[2:])
    return resources


def check_metadata(path, resources, size):
    with Image.open(path) as image:
        exif = image.getexif()
        details, gps = exif.get_ifd(EXIF), exif.get_ifd(GPS)
        assert (details[33434], details[37500]) == (0.5, b"maker's note, longer than four bytes")
        assert (details[40962], details[40963]) == size == image.size
        assert gps[1] == "N"
        assert tuple(map(float, gps[2])) == (51.0, 30.0, 12.5)
        assert exif[271] == "a maker"
        assert exif[305].startswith("a camera; upsample")
        assert f"tiff:ImageWidth='{size[0]}'".encode() in image.tag_v2[700]
        assert image.tag_v2[34377] == resources
        assert image.tag_v2[270] == "a view"


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_samples_of_another_dtype_keep_what_a_jpeg_says_of_itself(tmp_path, dtype):
    resources = jpeg(tmp_path / "in.jpg")
    upsampled(tmp_path / "in.jpg", tmp_path / "out.tif", scale=2, dtype=dtype, verify=True)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        tags = file.pages[0].tags
        assert (tags[271].value, tags[700].value[:3], tags[34377].value) == ("a maker", XMP[:3], resources)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_what_a_jpeg_says_of_itself_goes_from_file_to_file(tmp_path, mode):
    path, out, again = tmp_path / "in.jpg", tmp_path / "out.tif", tmp_path / "again.tif"
    resources = jpeg(path)
    assert upsampled(path, out, scale=2, mode=mode, verify=True).warnings == ()
    check_metadata(out, resources, (18, 16))
    assert upsampled(out, again, scale=2, mode=mode, verify=True).warnings == ()
    check_metadata(again, resources, (36, 32))
    with Image.open(again) as image:
        assert image.info["dpi"] == pytest.approx((1200, 600))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_exif_of_several_pages(tmp_path, byteorder, bigtiff):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    pages = [samples((8, 9, 3)), samples((8, 9, 3))[::-1], samples((4, 5, 3))]
    with tifffile.TiffWriter(path, byteorder=byteorder, bigtiff=bigtiff) as writer:
        for number, page in enumerate(pages):
            tags = [(315, 2, 0, f"artist {number}", True)]
            writer.write(page, photometric="rgb", metadata=None, extratags=tags, contiguous=False)
    from upsample_cli.formats.tiff.directories import Tree, append_trees

    little = byteorder == "<"
    trees = [(n, {EXIF: Tree(((37510, 7, 12, b"comment " + bytes(3) + b"%d" % n),), {}, little)}) for n in (0, 2)]
    with path.open("r+b") as file:
        append_trees(file, trees)
    assert upsampled(path, out, scale=2, mode="nearest", verify=True).warnings == ()
    with tifffile.TiffFile(out) as tiff:
        assert [page.tags["Artist"].value for page in tiff.pages] == ["artist 0", "artist 1", "artist 2"]
        found = [page.tags.valueof("ExifTag") for page in tiff.pages]
        assert [None if exif is None else exif["UserComment"] for exif in found] == [
            b"comment \0\0\x000",
            None,
            b"comment \0\0\x002",
        ]
        for page, array in zip(tiff.pages, pages, strict=True):
            np.testing.assert_array_equal(page.asarray(), array.repeat(2, 0).repeat(2, 1))


def test_a_damaged_exif_directory_is_left_out(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    jpeg(tmp_path / "in.jpg")
    upsampled(tmp_path / "in.jpg", path, scale=1, mode="nearest")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags["ExifTag"].offset + 8
        data[place : place + 4] = struct.pack(f"{tiff.byteorder}I", len(data) - 1)
    path.write_bytes(data)
    assert any("ExifTag" in warning for warning in upsampled(path, out, scale=2).warnings)
    with Image.open(out) as image:
        assert image.getexif().get_ifd(GPS)[1] == "N"


def indexed(path, transparency=None):
    picture = Image.fromarray(samples((8, 9)) % 16, "P")
    picture.putpalette(samples((16, 3)).tobytes())
    picture.save(path, **({} if transparency is None else {"transparency": transparency}))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("suffix", [".png", ".gif"])
@pytest.mark.parametrize("mode", ["nearest", "label"])
def test_a_palette_goes_into_tiff(tmp_path, suffix, mode):
    path, out = tmp_path / f"in{suffix}", tmp_path / "out.tif"
    colours = indexed(path)
    warnings = upsampled(path, out, scale=2, mode=mode, verify=True).warnings
    assert not any("palette" in warning for warning in warnings)
    with Image.open(out) as image:
        assert image.mode == "P"
        if mode == "nearest":
            np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), colours.repeat(2, 0).repeat(2, 1))


def test_a_palette_with_transparent_entries_becomes_colours_with_alpha(tmp_path):
    path, out = tmp_path / "in.png", tmp_path / "out.tif"
    colours = indexed(path, transparency=bytes([0, 128] + [255] * 14))
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    with Image.open(out) as image:
        assert image.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(image), colours.repeat(2, 0).repeat(2, 1))


def test_a_palette_with_alpha_in_tiff(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    indices, alpha = samples((8, 9)), samples((8, 9))[::-1]
    tifffile.imwrite(
        path, np.stack([indices, alpha], -1), photometric="minisblack", planarconfig="contig", metadata=None
    )
    colormap = np.random.default_rng(0).integers(0, 256, (3, 256), np.uint16) * 257
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages[0].tags["PhotometricInterpretation"].valueoffset
        extra = tiff.pages[0].tags["ExtraSamples"].valueoffset
    data = bytearray(path.read_bytes())
    data[place], data[extra] = 3, 2
    path.write_bytes(data)
    _add_colormap(path, colormap)
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    expected = np.concatenate([(np.moveaxis(colormap, 0, -1) // 257)[indices], alpha[..., None]], -1)
    with Image.open(out) as image:
        assert image.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(image), expected.repeat(2, 0).repeat(2, 1))


def _add_colormap(path, colormap):
    """Add a tag to the first page, whose directory moves to the end of the file."""
    data = bytearray(path.read_bytes())
    (offset,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, offset)
    entries = [bytes(data[offset + 2 + 12 * n : offset + 14 + 12 * n]) for n in range(count)]
    entries.append(struct.pack("<HHII", 320, 3, colormap.size, len(data)))
    data += colormap.astype("<u2").tobytes()
    struct.pack_into("<I", data, 4, len(data))
    data += struct.pack("<H", count + 1) + b"".join(sorted(entries, key=lambda e: e[:2][::-1])) + bytes(4)
    path.write_bytes(data)


def test_an_absurd_density_is_dropped_and_said(tmp_path):
    path, out = tmp_path / "in.jpg", tmp_path / "out.tif"
    exif = Image.Exif()
    exif[282] = exif[283] = TiffImagePlugin.IFDRational(2**32 - 1, 1)
    exif[296] = 2
    Image.fromarray(samples((8, 9))).save(path, exif=exif)
    warnings = upsampled(path, out, scale=5, verify=True).warnings
    assert "its resolution is not plausible and is dropped: 4.29e+09 dpi" in warnings
    with Image.open(out) as image:
        assert image.size == (45, 40)


@pytest.mark.parametrize(("unit", "expected"), [(None, 300), (2, 300), (3, 762), (1, None)])
def test_a_density_without_a_unit_is_one_per_inch(tmp_path, unit, expected):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples((8, 9)), resolution=(300, 300), resolutionunit=unit or 1, metadata=None)
    if unit is None:
        with tifffile.TiffFile(path) as tiff:
            offset = tiff.pages[0].tags["ResolutionUnit"].offset
        data = bytearray(path.read_bytes())
        data[offset : offset + 2] = struct.pack("<H", 65001)  # a private tag, which does not matter
        path.write_bytes(data)
    plan = upsampled(path, out, scale=2, verify=True)
    axis = plan.first.before.grid["x"]
    if expected is None:
        assert axis.unit is None
        return
    assert axis.spacing == pytest.approx(25.4 / expected)
    with Image.open(out) as image:
        assert image.info["dpi"][0] == pytest.approx(2 * expected)
