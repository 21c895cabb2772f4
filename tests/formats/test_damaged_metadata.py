"""Metadata that other readers refuse: left out of the output with a warning, or repaired, in every family."""

import struct
import zlib

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import invoke
from tests.formats import file_dump
from tests.formats.file_dump import chunk, chunks, icc_profile, png
from tests.pipeline_helpers import planned, upsampled
from tests.process_helpers import sparse
from upsample_cli.formats import icc, xmp
from upsample_cli.formats.picture.png import ancillary
from upsample_cli.formats.tiff import slides

ROWS = [bytes(range(n, n + 12)) for n in range(3)]
PROFILE = icc_profile(b"")
BOMB = zlib.compress(bytes(2 << 20))  # as a text, more than Pillow allows

INTACT = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"sRGB": b"\0",
    b"cICP": b"\1\x0d\0\1",
    b"sBIT": b"\5\6\5",
    b"bKGD": bytes(6),
    b"tIME": struct.pack(">HBBBBB", 2024, 2, 29, 12, 0, 60),
    b"iCCP": b"a name\0\0" + zlib.compress(PROFILE),
    b"tEXt": b"Title\0Gr\xf6\xdfe",
    b"zTXt": b"Title\0\0" + zlib.compress(b"a title"),
    b"iTXt": b"Title\0\1\0de\0Titel\0" + zlib.compress(b"a title"),
    b"sPLT": b"a name\0\x08" + bytes(12),
}
DAMAGED = [
    (b"gAMA", b"\0\1"),
    (b"gAMA", bytes(4)),
    (b"cHRM", bytes(31)),
    (b"sRGB", b"\4"),
    (b"cICP", b"\1\x0d\1\1"),
    (b"sBIT", b"\5"),
    (b"bKGD", b"\5"),
    (b"tIME", bytes(7)),
    (b"iCCP", b"a name\0\0" + zlib.compress(PROFILE)[:-9]),
    (b"iCCP", b"a name\0\1" + zlib.compress(PROFILE)),
    (b"iCCP", b"a name\0\0" + zlib.compress(b"no profile")),
    (b"tEXt", b"no separator"),
    (b"tEXt", b"\x1b[31m\0text"),
    (b"zTXt", b"Title\0\1" + zlib.compress(b"a title")),
    (b"zTXt", b"Title\0\0not deflated"),
    (b"zTXt", b"Title\0\0" + BOMB),
    (b"iTXt", b"Title\0\1\0"),
    (b"iTXt", b"Title\0\1\0\0\0" + BOMB),
    (b"sPLT", b"a name\0\x07" + bytes(12)),
]


def with_chunks(path, *before):
    path.write_bytes(png(ROWS, (4, 3), before=b"".join(chunk(*each) for each in before)))


def test_chunks_that_hold_what_they_should_are_copied(tmp_path):
    with_chunks(tmp_path / "in.png", *INTACT.items())
    assert upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2").warnings == ()
    assert set(chunks((tmp_path / "out.png").read_bytes())) >= set(INTACT.items())


@pytest.mark.parametrize(("name", "content"), DAMAGED)
def test_damaged_chunks_are_dropped(tmp_path, name, content):
    with_chunks(tmp_path / "in.png", (name, content))
    (warning,) = upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2").warnings
    assert warning == f"its chunk {name.decode()} is damaged or repeated and is dropped"
    assert (name, content) not in chunks((tmp_path / "out.png").read_bytes())
    with Image.open(tmp_path / "out.png") as image:
        image.load()


def test_a_chunk_that_must_be_alone_is_written_once(tmp_path):
    with_chunks(tmp_path / "in.png", (b"gAMA", b"\0\0\1\1"), (b"gAMA", b"\0\0\2\2"))
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2")
    assert [data for name, data in chunks((tmp_path / "out.png").read_bytes()) if name == b"gAMA"] == [b"\0\0\1\1"]


@pytest.mark.parametrize("name", [b"ABCd", b"ab\x1bd", b"a1cd"])
def test_unknown_chunks_that_readers_must_know_are_dropped(tmp_path, name):
    with_chunks(tmp_path / "in.png", (name, b"content"))
    done = invoke(tmp_path / "in.png", "--scale", 2, "-o", tmp_path / "out.png")
    assert "is dropped" in done.stderr
    assert done.stderr.replace("\n", "").isprintable()
    assert name not in (tmp_path / "out.png").read_bytes()


def test_the_time_for_texts_that_expand_is_bounded():
    """Of any number of them, as much is decompressed as all texts together may hold."""
    texts = ancillary.Texts()
    bomb = b"Raw profile type xmp\0\0" + zlib.compress(bytes(20 << 20))
    assert [texts.read(b"zTXt", bomb) for _ in range(50)] == [None] * 50
    assert texts.read(b"zTXt", INTACT[b"zTXt"]) is None
    assert texts.read(b"tEXt", INTACT[b"tEXt"]) == (b"Title", b"Gr\xf6\xdfe")


@pytest.mark.parametrize("profile", [b"no profile", PROFILE[:131], PROFILE[:36] + b"abcd" + PROFILE[40:]])
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
def test_damaged_profiles_are_dropped(tmp_path, suffix, profile):
    path = tmp_path / f"in{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint8), photometric="rgb", iccprofile=profile)
    else:
        Image.new("RGB", (5, 4)).save(path, icc_profile=profile)
    plan = planned(path, tmp_path / f"out{suffix}", scale="2")
    assert plan.warnings == ("its ICC profile is damaged and is dropped",)
    assert plan.first.after.icc is None
    assert not icc.is_profile(profile)
    assert icc.is_profile(PROFILE)


@pytest.mark.parametrize("document", [b"<x", b"<x><y></x>", b'<!DOCTYPE x [<!ENTITY e "1">]><x>&e;</x>', b"\xff\xfe"])
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png", ".tif"])
def test_damaged_xmp_is_dropped(tmp_path, suffix, document):
    path = tmp_path / f"in{suffix}"
    if suffix == ".tif":
        extra = [(700, 1, len(document), document, True)]
        tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint8), photometric="rgb", metadata=None, extratags=extra)
    elif suffix == ".png":
        with_chunks(path, (b"iTXt", xmp.PNG_KEYWORD + b"\0\0\0\0\0" + document))
    else:
        Image.new("RGB", (5, 4)).save(path, xmp=document)
    plan = upsampled(path, tmp_path / f"out{suffix}", scale="2")
    assert plan.warnings == ("its XMP is damaged and is dropped",)
    assert document not in (tmp_path / f"out{suffix}").read_bytes()


def test_xmp_with_padding_and_undeclared_prefixes_is_kept():
    assert xmp.is_well_formed(b'<?xpacket begin=""?><x:a b:c="1"/><?xpacket end="w"?>\n\0')


def test_patterns_over_xmp_do_not_go_back():
    """Every quantifier of a pattern is possessive: no text makes a search read a character twice."""
    patterns = [xmp._property_pattern("tiff:ImageWidth").pattern, xmp._ORIENTATION.pattern]
    for pattern in patterns:
        assert pattern.count(b"*") == pattern.count(b"*+") > 0


def test_digits_in_the_description_of_a_slide_are_read_once():
    digits = b"1" * (1 << 20)
    assert slides._SIZE.sub(b"", digits) == digits
    assert slides._SIZE.sub(b"2x3", b"Aperio 12x34 [5]") == b"Aperio 2x3"


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_numbers_of_nifti_that_readers_refuse_are_repaired(tmp_path, kind):
    image = kind(np.ones((3, 4, 5), np.int16), np.eye(4))
    nib.save(image, tmp_path / "in.nii")
    data = bytearray((tmp_path / "in.nii").read_bytes())
    header = kind.header_class(bytes(data[: kind.header_class.sizeof_hdr]), check=False)
    header["scl_slope"], header["scl_inter"], header["pixdim"][7] = 2, np.nan, np.inf
    data[: header.sizeof_hdr] = header.binaryblock
    if kind is nib.Nifti1Image:  # of NIfTI-2 the size is all that tells the version
        data[:4] = struct.pack("<i", 99)
    else:
        data[8:12] = b"\n\n\n\n"
    (tmp_path / "in.nii").write_bytes(data)
    plan = upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="2")
    assert "its scl_inter is nan; 0 is used instead" in plan.warnings
    assert ("its sizeof_hdr is 99; 348 is written" in plan.warnings) == (kind is nib.Nifti1Image)
    made = nib.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(made.get_fdata(), np.full((6, 8, 10), 2.0))
    assert np.isfinite(made.header["pixdim"]).all()


def test_colours_of_nifti_have_no_scaling(tmp_path):
    colours = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    image = nib.Nifti1Image(colours, np.eye(4))
    nib.save(image, tmp_path / "in.nii")
    data = bytearray((tmp_path / "in.nii").read_bytes())
    struct.pack_into("<2f", data, 112, 2, 1)
    (tmp_path / "in.nii").write_bytes(data)
    plan = upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="2")
    assert "its slope and intercept are dropped, because they do not apply to colours" in plan.warnings
    assert np.asarray(nib.load(tmp_path / "out.nii").dataobj).shape == (6, 8, 10)


def test_axes_longer_than_mgh_holds(tmp_path):
    sparse(tmp_path / "in.npy", (2**31, 1))
    done = invoke(tmp_path / "in.npy", "--scale", "x=2", "-o", tmp_path / "out.mgh", "--dry-run")
    assert done.exit_code in (2, 4)
    assert "This is a bug" not in done.stderr


def test_an_opaque_alpha_channel_in_webp_passes_the_check(tmp_path):
    Image.new("RGBA", (17, 13), (9, 80, 30, 255)).save(tmp_path / "in.png")
    assert invoke(tmp_path / "in.png", "--scale", 2, "-o", tmp_path / "out.webp", "--verify").exit_code == 0


def test_unknown_units_of_nifti_pass_the_check(tmp_path):
    image = nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4))
    image.header["xyzt_units"] = 7
    nib.save(image, tmp_path / "in.nii")
    assert invoke(tmp_path / "in.nii", "--scale", 2, "-o", tmp_path / "out.nii", "--verify").exit_code == 0


def test_ome_xml_that_is_no_xml_passes_the_check(tmp_path):
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((4, 5), np.uint8), metadata={"axes": "YX"})
    data = (tmp_path / "in.ome.tif").read_bytes()
    (tmp_path / "in.ome.tif").write_bytes(data.replace(b'ID="Pixels:0"', b'ID="\x1bixels:0"'))
    done = invoke(tmp_path / "in.ome.tif", "--scale", 2, "-o", tmp_path / "out.npy", "--verify")
    assert "read back" not in done.stderr


@pytest.mark.parametrize(
    "change", [(b'SizeX="5"', b'SizeX="5000000000"'), (b'PlaneCount="1"', b'PlaneCount="9999999"')]
)
def test_ome_xml_that_promises_more_planes_than_there_are(tmp_path, change):
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((4, 5), np.uint8), metadata={"axes": "YX"})
    with tifffile.TiffFile(tmp_path / "in.ome.tif") as tiff:
        document = tiff.ome_metadata.encode()
    assert change[0] in document
    document = document.replace(*change)
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((4, 5), np.uint8), description=document, metadata=None)
    done = invoke(tmp_path / "in.ome.tif", "--scale", 2, "-o", tmp_path / "out.npy")
    assert done.exit_code == 3
    assert "describes" in done.stderr


def test_ome_xml_that_is_nested_too_deeply_is_no_bug(tmp_path):
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((4, 5), np.uint8), metadata={"axes": "YX"})
    with tifffile.TiffFile(tmp_path / "in.ome.tif") as tiff:
        document = tiff.ome_metadata
    nested = document.replace("</OME>", "<a>" * 20_000 + "</a>" * 20_000 + "</OME>")
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((4, 5), np.uint8), description=nested.encode(), metadata=None)
    done = invoke(tmp_path / "in.ome.tif", "--scale", 2, "-o", tmp_path / "out.ome.tif")
    assert done.exit_code == 4
    assert "it is nested too deeply" in done.stderr
    assert invoke(tmp_path / "in.ome.tif", "--scale", 2, "-o", tmp_path / "out.npy").exit_code == 0


@pytest.mark.parametrize("dialect", ["ome", "imagej"])
def test_pages_of_a_dialect_that_lead_in_a_circle(tmp_path, dialect):
    path = tmp_path / ("in.ome.tif" if dialect == "ome" else "in.tif")
    tifffile.imwrite(path, np.zeros((2, 4, 5), np.uint8), **{dialect: True}, metadata={"axes": "ZYX"})
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages[0].offset
        (count,) = struct.unpack_from(tiff.byteorder + "H", data, first)
        struct.pack_into(tiff.byteorder + "I", data, first + 2 + 12 * count, first)
    path.write_bytes(data)
    assert invoke(path, "--scale", 2, "-o", tmp_path / "out.npy").exit_code in (0, 3)


@pytest.mark.parametrize(("code", "name"), [(284, "planar configuration"), (317, "PREDICTOR"), (42113, "not a number")])
def test_tags_of_other_types_are_told_of_in_words(tmp_path, code, name):
    tifffile.imwrite(tmp_path / "in.tif", np.zeros((4, 5), np.uint8), extratags=[(65000, "H", 1, 1, True)])
    data = bytearray((tmp_path / "in.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "in.tif") as tiff:
        place = tiff.pages[0].tags[65000].offset
    struct.pack_into("<HHII", data, place, code, 13, 0, 0)
    (tmp_path / "in.tif").write_bytes(data)
    done = invoke(tmp_path / "in.tif", "--scale", 2, "-o", tmp_path / "out.npy")
    assert "()" not in done.stderr
    assert "This is a bug" not in done.stderr


def test_a_picture_with_more_pixels_than_rows_prints_nothing_of_its_decoder(tmp_path, capfd):
    rows = [bytes(12)] * 5
    (tmp_path / "in.png").write_bytes(png(rows, (4, 3)))
    assert invoke(tmp_path / "in.png", "--scale", 2, "-o", tmp_path / "out.png", "-q").exit_code == 0
    assert capfd.readouterr().err == ""


def test_a_header_that_is_not_first(tmp_path):
    data = png(ROWS, (4, 3))
    (tmp_path / "in.png").write_bytes(data[:8] + chunk(b"tRNS", bytes(6)) + data[8:])
    done = invoke(tmp_path / "in.png", "--scale", 2, "-o", tmp_path / "out.png")
    assert done.exit_code == 3
    assert "it does not begin with its header" in done.stderr


def test_a_canvas_that_the_picture_does_not_fill(tmp_path):
    Image.new("RGBA", (5, 4), (1, 2, 3, 4)).save(
        tmp_path / "in.webp", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"
    )
    data = bytearray((tmp_path / "in.webp").read_bytes())
    place = data.index(b"VP8X") + 12
    data[place] += 3  # of the width
    (tmp_path / "in.webp").write_bytes(data)
    done = invoke(tmp_path / "in.webp", "--scale", 2, "-o", tmp_path / "out.webp")
    assert done.exit_code == 3


def test_bytes_between_the_segments_of_jpeg_are_skipped(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # turned
    Image.new("RGB", (5, 4)).save(tmp_path / "in.jpg", exif=exif)
    data = (tmp_path / "in.jpg").read_bytes()
    place = data.index(b"\xff\xe1")
    (tmp_path / "in.jpg").write_bytes(data[:place] + b"\0damage" + data[place:])
    assert planned(tmp_path / "in.jpg", scale="2").first.before.grid.shape == (5, 4, 3)


def test_exif_that_leads_in_a_circle(tmp_path):
    loop = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 34665, 4, 1, 8, 8)
    Image.new("RGB", (5, 4)).save(tmp_path / "in.jpg")
    data = file_dump.with_segments((tmp_path / "in.jpg").read_bytes(), (0xE1, b"Exif\0\0" + loop))
    (tmp_path / "in.jpg").write_bytes(data)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
