"""Files whose tags, tables and chunks contradict the samples, as the campaign in `tests/campaign` makes them."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats import file_dump
from tests.formats.file_dump import chunk, icc_profile, png
from tests.formats.test_claimed_sizes import BASE, STRIPS, tiff
from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import InputError
from upsample_cli.formats import icc


@pytest.mark.parametrize(("code", "kind"), [(256, 9), (273, 9), (278, 8), (322, 6), (32997, 9), (32998, 8)])
def test_negative_sizes_and_offsets_of_tiff_are_refused(tmp_path, code, kind):
    with pytest.raises(InputError, match=f"its tag {code} is negative"):
        planned(tiff(tmp_path / "in.tif", BASE | STRIPS | {code: (kind, 1, 2**32 - 1)}, 1000), scale="2")


@pytest.mark.parametrize("code", [257, 259, 277, 284, 317, 32997])
def test_tags_of_tiff_that_need_a_value_have_one(tmp_path, code):
    with pytest.raises(InputError, match=f"its tag {code} has no value"):
        planned(tiff(tmp_path / "in.tif", BASE | STRIPS | {code: (3, 0, 0)}, 1000), scale="2")


@pytest.mark.parametrize("bits", [1, 8])
def test_pages_of_tiff_with_more_planes_than_strips_are_refused(tmp_path, bits):
    path = tiff(tmp_path / "in.tif", BASE | STRIPS | {258: (3, 1, bits), 259: (3, 1, 32773), 32997: (4, 1, 65535)})
    with pytest.raises(InputError, match="it has fewer strips or tiles than planes"):
        planned(path, scale="2")


def test_signed_tags_of_tiff_that_are_positive_are_read(tmp_path):
    tiff(tmp_path / "in.tif", BASE | STRIPS | {278: (9, 1, 4)}, 1000)
    assert planned(tmp_path / "in.tif", scale="2").first.before.grid.shape == (4, 4)


@pytest.mark.parametrize(("shape", "planar"), [((5, 6), False), ((3, 5, 6), True)])
def test_differences_without_compression_are_added_up_in_each_line(tmp_path, shape, planar):
    samples = np.random.default_rng(0).integers(0, 9, shape, np.uint8)
    options = {"photometric": "rgb", "planarconfig": "separate"} if planar else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "in.tif", samples, metadata=None, extratags=[(65000, 3, 1, 2, True)], **options)
    data = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "in.tif").write_bytes(data.replace(struct.pack("<HH", 65000, 3), struct.pack("<HH", 317, 3)))
    expected = np.cumsum(samples, -1, dtype=np.uint8)
    assert np.array_equal(whole(tmp_path / "in.tif"), np.moveaxis(expected, 0, -1) if planar else expected)
    upsampled(tmp_path / "in.tif", tmp_path / "out.npy", scale="2", verify=True)


def test_a_stack_whose_pages_lead_in_a_circle_before_its_end(tmp_path):
    options = {"compression": "zlib", "photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((4, 5, 6), np.uint8), **options)
    data = bytearray((tmp_path / "in.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "in.tif") as stack:
        first, second = (page.offset for page in stack.pages[:2])
    (entries,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * entries, first)
    (tmp_path / "in.tif").write_bytes(data)
    with pytest.raises(InputError, match="is truncated or damaged: its contents are damaged"):
        upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale="2")


def test_coarse_quantization_tables_are_written_as_baseline_jpeg(tmp_path, capfd):
    Image.new("RGB", (17, 13), (9, 80, 30)).save(tmp_path / "in.jpg", qtables=[[300] * 64, [9] * 64])
    assert "too coarse" in capfd.readouterr().err, "libjpeg comments on the tables of the input"
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    with Image.open(tmp_path / "out.jpg") as image:
        assert max(max(table) for table in image.quantization.values()) == 255
    assert capfd.readouterr().err == ""


def test_damaged_exif_turns_no_picture(tmp_path):
    directory = struct.pack("<HHHII", 200, 274, 3, 1, 6)  # of 200 entries, with one
    Image.new("RGB", (17, 13), (9, 80, 30)).save(tmp_path / "in.jpg")
    data = file_dump.with_segments((tmp_path / "in.jpg").read_bytes(), (0xE1, b"Exif\0\0II*\0\x08\0\0\0" + directory))
    (tmp_path / "in.jpg").write_bytes(data)
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.png", scale="2", verify=True)
    assert plan.first.after.grid.shape == (26, 34, 3)
    assert any("EXIF is damaged" in warning for warning in plan.warnings)


def test_the_first_of_several_transparency_chunks_counts(tmp_path):
    colours = [chunk(b"PLTE", bytes(range(48))), chunk(b"tRNS", bytes(range(0, 240, 15)))]
    repeated = [*colours, chunk(b"tRNS", b"\xff\0\xff")]
    for name, chunks in (("once", colours), ("twice", repeated)):
        rows = [bytes([0x01, 0x23]), bytes([0x45, 0x67])]
        (tmp_path / f"{name}.png").write_bytes(png(rows, (4, 2), 4, 3, before=b"".join(chunks)))
        upsampled(tmp_path / f"{name}.png", tmp_path / f"{name}.npy", scale="2", verify=True)
    assert np.array_equal(np.load(tmp_path / "once.npy"), np.load(tmp_path / "twice.npy"))


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
@pytest.mark.parametrize("spacing", [1e-7, 1e5])
def test_a_spacing_that_a_format_cannot_hold_is_dropped(tmp_path, suffix, spacing):
    tags = {"resolution": (10 / spacing, 10 / spacing), "resolutionunit": "centimeter"}
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((4, 5), np.uint8), photometric="minisblack", **tags)
    plan = upsampled(tmp_path / "in.tif", tmp_path / f"out{suffix}", size="4", verify=True)
    assert any("its spacing is dropped" in warning for warning in plan.warnings)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert max(image.info.get("dpi", (0,))) == 0


def _profile(start=b"", tags=()):
    data = bytearray(icc_profile(b""))
    data[8 : 8 + len(start)] = start
    data[128:] = struct.pack(">I", len(tags)) + b"".join(name + struct.pack(">II", 128, 4) for name in tags)
    data[:4] = struct.pack(">I", len(data))
    return bytes(data)


def test_profiles_are_those_that_littlecms_opens():
    from PIL import ImageCms

    cases = {
        _profile(): True,
        _profile(tags=[b"rTRC", b"gTRC"]): True,
        _profile(b"\4\0\0\0none"): False,  # a class that does not exist
        _profile(b"\x09"): False,  # versions of the future
        _profile(b"\x05\x40"): False,
        _profile(tags=[b"rTRC", b"rTRC"]): False,
        _profile(tags=[b"%04d" % number for number in range(101)]): False,
    }
    for profile, expected in cases.items():
        assert icc.is_profile(profile) == expected
        if not expected:
            with pytest.raises(OSError, match="cannot open profile"):
                ImageCms.core.profile_frombytes(profile)


def test_a_description_of_imagej_with_a_wrong_type_is_not_copied_as_text(tmp_path):
    """The output would claim to be a stack of ImageJ, and tifffile would refuse it."""
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((3, 5, 6), np.float32), imagej=True)
    data = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "in.tif").write_bytes(data.replace(struct.pack("<HH", 270, 2), struct.pack("<HH", 270, 1), 1))
    upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale="2")
    with tifffile.TiffFile(tmp_path / "out.tif") as out:
        assert not out.is_imagej


def test_single_bits_are_written_without_differences(tmp_path):
    samples = np.random.default_rng(0).integers(0, 2, (16, 24)).astype(bool)
    tifffile.imwrite(
        tmp_path / "in.tif",
        samples,
        photometric="minisblack",
        compression="zlib",
        metadata=None,
        extratags=[(65000, 3, 1, 2, True)],
    )
    data = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "in.tif").write_bytes(data.replace(struct.pack("<HH", 65000, 3), struct.pack("<HH", 317, 3)))
    upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale="2", mode="nearest", truncated=True)
    with tifffile.TiffFile(tmp_path / "out.tif") as out:
        assert out.pages[0].predictor == 1
        out.asarray()


@pytest.mark.parametrize("wrong", ['SizeZ="-1"', 'SizeZ="9" SizeX="99"'])
def test_an_ome_xml_that_contradicts_the_pages_is_not_verified(tmp_path, wrong):
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((21, 35, 3), np.uint8), photometric="rgb")
    document = tifffile.tiffcomment(tmp_path / "in.ome.tif").replace(
        'SizeX="35"', "" if "SizeX" in wrong else 'SizeX="35"'
    )
    tifffile.tiffcomment(tmp_path / "in.ome.tif", document.replace('SizeZ="1"', wrong).encode())
    upsampled(tmp_path / "in.ome.tif", tmp_path / "out.ome.tif", scale="2", verify=True)


@pytest.mark.parametrize("later", [{"rowsperstrip": 9}, {"rowsperstrip": 20}, {"tile": (16, 16)}], ids=str)
def test_a_stack_whose_pages_have_other_strips_than_the_first_is_refused(tmp_path, later):
    """tifffile would read strips of 8 rows; 5 strips of 9 rows would give wrong samples without an error."""
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for number, options in enumerate(({"rowsperstrip": 8}, later, later)):
            description = None if number else "ImageJ=1.54\nimages=3\nslices=3\n"
            page = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48)
            writer.write(page, contiguous=False, metadata=None, description=description, software=False, **options)
    with pytest.raises(InputError, match="pages of one stack that are stored in different ways"):
        planned(tmp_path / "in.tif", tmp_path / "out.tif", scale="2")


@pytest.mark.parametrize("kind", ["number of samples", "offset"])
def test_a_later_page_with_a_damaged_tag_is_refused(tmp_path, kind):
    tifffile.imwrite(tmp_path / "in.tif", np.ones((3, 5, 6), np.uint8), imagej=True, compression="zlib")
    with tifffile.TiffFile(tmp_path / "in.tif") as stack:
        tag = stack.pages.get(1, aspage=True).tags[277 if kind == "number of samples" else 273]
    data = bytearray((tmp_path / "in.tif").read_bytes())
    order = "<" if data[:2] == b"II" else ">"
    if kind == "offset":
        struct.pack_into(f"{order}I", data, tag.offset + 8, 0)
    else:
        struct.pack_into(f"{order}H", data, tag.offset + 2, 7)  # bytes of no type
    (tmp_path / "in.tif").write_bytes(data)
    with pytest.raises(InputError, match="stored in different ways" if kind != "offset" else "page 1 is empty"):
        upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale="2")


def test_an_animation_whose_frames_come_before_the_default_image_is_refused(tmp_path):
    frames = [Image.new("RGB", (5, 4), (9 * number, 0, 0)) for number in range(3)]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:])
    chunks = file_dump.chunks((tmp_path / "in.png").read_bytes())
    at = [name for name, _ in chunks].index(b"IDAT")
    chunks[at], chunks[at + 2] = (b"fdAT", struct.pack(">I", 1) + chunks[at][1]), (b"IDAT", chunks[at + 2][1][4:])
    chunks[at + 1] = (b"fcTL", struct.pack(">I", 2) + chunks[at + 1][1][4:])
    (tmp_path / "in.png").write_bytes(file_dump.SIGNATURE + b"".join(chunk(*each) for each in chunks))
    with pytest.raises(InputError, match="chunks of its animation are not in order"):
        planned(tmp_path / "in.png", scale="2")


def test_a_stack_whose_pages_are_compressed_in_different_ways_is_refused(tmp_path):
    """tifffile would decode all pages like the first."""
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((3, 5, 6), np.uint8), imagej=True, compression="zlib", predictor=2)
    with tifffile.TiffFile(tmp_path / "in.tif", mode="r+") as stack:
        stack.pages.get(1, aspage=True).tags[317].overwrite(1)
    with pytest.raises(InputError, match="pages of one stack that are stored in different ways"):
        planned(tmp_path / "in.tif", tmp_path / "out.tif", scale="2")
