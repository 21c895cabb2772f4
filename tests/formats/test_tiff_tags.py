"""Tags of a TIFF file: kept, updated, or dropped and said, as Pillow reads them where it can."""

import pytest
import tifffile
from PIL import Image, ImageCms

from tests.formats.examples import samples
from tests.pipeline_helpers import planned, upsampled

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ASCII, SHORT, LONG, RATIONAL, BYTE, UNDEFINED, DOUBLE = 2, 3, 4, 5, 1, 7, 12
KEPT = {  # by their numbers: type, and value
    269: (ASCII, b"document"),
    271: (ASCII, b"maker"),
    272: (ASCII, b"model"),
    274: (SHORT, (6,)),
    285: (ASCII, b"page"),
    306: (ASCII, b"2020:01:02 03:04:05"),
    315: (ASCII, "Käthe".encode("latin-1")),
    316: (ASCII, b"host"),
    318: (RATIONAL, (3127, 10000, 3290, 10000)),
    333: (ASCII, b"Cyan\0Magenta"),
    700: (BYTE, b"<x:xmpmeta/>"),
    33432: (ASCII, b"copyright"),
    33723: (LONG, (1, 2, 3)),
    34377: (BYTE, b"8BIM" + bytes(8)),
    42112: (ASCII, b"<GDALMetadata/>"),
    65000: (DOUBLE, (1.5, 2.5)),
    65535: (UNDEFINED, bytes(range(20))),
}
DROPPED = {  # tags of others, which say of the file what would not be true
    50844: "RPCCoefficientTag",
    65421: "65421",
    37724: "ImageSourceData",
}


def written(path, tags, array=None, **options):
    array = samples((8, 9)) if array is None else array
    extra = [
        (code, kind, None if isinstance(value, bytes) else len(value) // (2 if kind == RATIONAL else 1), value, True)
        for code, (kind, value) in tags.items()
    ]
    options = {"photometric": "minisblack", "metadata": None} | options
    tifffile.imwrite(path, array, extratags=extra, **options)


def raw(path, code):
    """The type, and the bytes of a tag of the first page."""
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags.get(code)
        if tag is None:
            return None
        tiff.filehandle.seek(tag.valueoffset)
        return int(tag.dtype), tiff.filehandle.read(tag.valuebytecount)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_tags_are_kept_to_the_byte(tmp_path, byteorder, bigtiff):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    written(path, KEPT, byteorder=byteorder, bigtiff=bigtiff)
    assert upsampled(path, out, scale="2").warnings == ()
    for code, (kind, value) in KEPT.items():
        assert raw(out, code) == raw(path, code), code
        assert raw(out, code)[0] == kind
        if isinstance(value, bytes):
            assert raw(out, code)[1].rstrip(b"\0") == value.rstrip(b"\0")


@pytest.mark.parametrize("code", [271, 272, 285, 315, 318, 333, 700, 33432, 34377, 65000])
def test_pillow_reads_the_same(tmp_path, code):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    written(path, KEPT)
    upsampled(path, out, scale="2")
    with Image.open(path) as before, Image.open(out) as after:
        assert after.tag_v2[code] == before.tag_v2[code]


@pytest.mark.parametrize(("code", "name"), DROPPED.items(), ids=DROPPED.values())
def test_tags_that_would_be_misread_are_dropped_and_said(tmp_path, code, name):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    written(path, {code: (DOUBLE, (1.0,))})
    (warning,) = upsampled(path, out, scale="2").warnings
    assert warning == f"these tags are dropped: {name}"
    assert raw(out, code) is None


@pytest.mark.parametrize("shaped", [False, True])
def test_descriptions_and_their_own_metadata(tmp_path, shaped):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    own = {"metadata": {"axes": "ZYX", "key": [1, "µ"]}} if shaped else {"metadata": None}
    text = "words of theirs, größer".encode()
    tifffile.imwrite(path, samples((3, 8, 9)), photometric="minisblack", description=text, **own)
    assert upsampled(path, out, scale="2", axes=None if shaped else "zyx").warnings == ()
    with Image.open(out) as image:
        assert image.tag_v2[270].encode("latin-1", "replace")[:15] == b"words of theirs"
    assert raw(out, 270)[1].rstrip(b"\0") == text
    if shaped:
        with tifffile.TiffFile(out) as tiff:
            assert tiff.shaped_metadata[0]["key"] == [1, "µ"]
            assert tiff.series[0].shape == (6, 16, 18)


@pytest.mark.parametrize("before", [None, "a camera"])
@pytest.mark.parametrize("provenance", [True, False])
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_provenance(tmp_path, before, provenance, suffix):
    path, out = tmp_path / "in.tif", tmp_path / f"out{suffix}"
    written(path, {}, software=before or False)
    contents = []
    for _ in range(2):
        upsampled(path, out, scale="x=2,y=3", provenance=provenance)
        contents.append(out.read_bytes())
    assert contents[0] == contents[1]
    with Image.open(out) as image:
        software = image.tag_v2.get(305)
        assert 306 not in image.tag_v2
    said = (software or "").removeprefix(before or "").removeprefix("; ")
    assert said.startswith("upsample ") == provenance
    assert ("half-pixel" in said and "y=3" in said) == provenance
    assert (software or "").startswith(before or "")


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_the_colour_profile_is_kept(tmp_path, suffix):
    path, out = tmp_path / "in.tif", tmp_path / f"out{suffix}"
    written(path, {}, samples((8, 9, 3)), photometric="rgb", iccprofile=ICC)
    assert upsampled(path, out, scale="2").warnings == ()
    with Image.open(out) as image:
        assert image.info["icc_profile"] == ICC
    assert planned(path, scale="2").first.after.icc == ICC


@pytest.mark.parametrize("suffix", [".npy", ".nii"])
def test_another_family_lists_what_it_loses(tmp_path, suffix):
    path = tmp_path / "in.tif"
    written(path, {315: (ASCII, b"me"), 65000: (DOUBLE, (1.0,))}, description="words")
    warnings = [w for w in planned(path, tmp_path / f"out{suffix}", scale="2").warnings if "cannot hold" in w]
    assert len(warnings) == 1
    for words in ("the tag Artist", "the tag 65000", "the image description"):
        assert words in warnings[0]


def test_a_description_in_the_language_of_others_is_not_copied(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples((32, 32, 3)), photometric="rgb", description="<OME></OME>", metadata=None)
    assert any("description" in warning for warning in upsampled(path, out, scale="2").warnings)
    with tifffile.TiffFile(out) as tiff:
        assert not tiff.pages[0].description


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("other", [{"extratags": [(285, 2, 0, "two", True)]}, {"description": "two"}, {}])
def test_tags_of_later_pages_are_said_to_be_dropped(tmp_path, other, contiguous):
    path = tmp_path / "in.tif"
    same = {"photometric": "minisblack", "metadata": None, "contiguous": contiguous}
    with tifffile.TiffWriter(path) as writer:
        writer.write(samples((8, 9)), extratags=[(285, 2, 0, "one", True)], **same)
        writer.write(samples((8, 9)), **same, **other)
    said = any("pages after the first" in warning for warning in planned(path, scale="2").warnings)
    assert said == (bool(other) and not contiguous)
