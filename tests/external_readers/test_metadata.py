"""Metadata written by exiftool, and read by exiftool after a resize: every tag is as it was, or in the tables below."""

import itertools
import re

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.external_readers.cases import TARGETS, new_sizes, pitches
from tests.external_readers.programs import exiftool, needs, said
from tests.pipeline_helpers import upsampled

pytestmark = needs("exiftool")

SIZES = {"x": 30, "y": 20}
DPI = {"x": 300, "y": 150}
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = ("jpg", "png", "webp")
TURNED = [f"turned.{kind}" for kind in KINDS]
FILES = [*(f"upright.{kind}" for kind in (*KINDS, "avif")), *TURNED]
TIFF, GIF, JPEG_2000 = "upright.tif", "upright.gif", "upright.jp2"
TAGS = f"""
    IFD0:Make=Maker IFD0:Model=Model IFD0:Artist=Käthe IFD0:Copyright=CC0 IFD0:ImageDescription=Sky
    IFD0:XResolution={DPI["x"]} IFD0:YResolution={DPI["y"]} IFD0:ResolutionUnit#=2
    ExifIFD:FNumber=2.8 ExifIFD:ExposureTime=1/250 ExifIFD:UserComment=remark ExifIFD:LensModel=Lens ExifIFD:ISO=200
    ExifIFD:ExifImageWidth={SIZES["x"]} ExifIFD:ExifImageHeight={SIZES["y"]}
    InteropIFD:InteropIndex=R98 InteropIFD:RelatedImageWidth={SIZES["x"]} InteropIFD:RelatedImageHeight={SIZES["y"]}
    GPS:GPSLatitude=48.5 GPS:GPSLatitudeRef=N GPS:GPSLongitude=11.25 GPS:GPSLongitudeRef=E GPS:GPSAltitude=519
    XMP-tiff:ImageWidth={SIZES["x"]} XMP-tiff:ImageHeight={SIZES["y"]}
    XMP-exif:ExifImageWidth={SIZES["x"]} XMP-exif:ExifImageHeight={SIZES["y"]}
    XMP-dc:Title=Größe XMP-dc:Subject=cat XMP-xmp:Rating=5 XMP-xmp:CreatorTool=Tool
    IPTC:Keywords=cat IPTC:City=Bern IPTC:Caption-Abstract=Caption Comment=remark
    PNG:Author=Käthe PNG:Title=Größe PNG:Gamma=2.2
"""
# exiftool's own words on the file, and how it is laid out.
IGNORED = ("System:", "ExifTool:", "Composite:", "SourceFile", "IFD0:Strip", "IFD0:RowsPerStrip", "File:ExifByteOrder")
IGNORED += ("QuickTime:MediaData", "GIF:ColorResolutionDepth", "GIF:BackgroundColor", "GIF:BitsPerPixel")
WIDTHS = (
    "File:ImageWidth",
    "PNG:ImageWidth",
    "RIFF:ImageWidth",
    "IFD0:ImageWidth",
    "GIF:ImageWidth",
    "ExifIFD:ExifImageWidth",
)
WIDTHS += ("InteropIFD:RelatedImageWidth", "XMP-tiff:ImageWidth", "XMP-exif:ExifImageWidth")
DENSITIES = {"IFD0:XResolution": 1, "JFIF:XResolution": 1, "PNG-pHYs:PixelsPerUnitX": 1 / 0.0254}  # in one inch
ORIENTATIONS = ("IFD0:Orientation", "XMP-tiff:Orientation")
CAMERA = ("ExifIFD:", "GPS:", "InteropIFD:")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures with everything that exiftool can put into them."""
    folder = tmp_path_factory.mktemp("metadata")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIZES["y"], SIZES["x"], 3), np.uint8))
    for kind in (*KINDS, "avif", "tif", "gif", "jp2"):
        picture.save(folder / f"upright.{kind}", dpi=(DPI["x"], DPI["y"]), icc_profile=PROFILE)
    thumbnail = folder.parent / "thumbnail.jpg"
    picture.resize((8, 6)).save(thumbnail)
    options = [f"-{tag}" for tag in TAGS.split()]
    said("exiftool", "-q", "-overwrite_original", "-m", *options, f"-ThumbnailImage<={thumbnail}", folder)
    for name in TURNED:
        (folder / name).write_bytes((folder / name.replace("turned", "upright")).read_bytes())
    said(
        "exiftool",
        "-q",
        "-overwrite_original",
        "-IFD0:Orientation#=6",
        "-XMP-tiff:Orientation#=6",
        *(folder / name for name in TURNED),
    )
    return folder


@pytest.fixture(scope="module")
def before(folder):
    return exiftool(folder, "-all")


@pytest.fixture(scope="module", params=TARGETS.values(), ids=TARGETS)
def resized(request, folder, tmp_path_factory):
    """What was asked, the tags of the outputs, and the warnings."""
    target = tmp_path_factory.mktemp("resized")
    warnings = {
        name: upsampled(folder / name, target / name, **request.param).warnings
        for name in (*FILES, TIFF, GIF, JPEG_2000)
    }
    return request.param, exiftool(target, "-all"), warnings


def told(tags):
    return {name: value for name, value in tags.items() if not name.startswith(IGNORED)}


def expected(name, tags, options):
    """The tags of the output: those of the input, with what a resize changes."""
    sizes, dpi = SIZES, DPI
    if name in TURNED:
        sizes, dpi = {"x": sizes["y"], "y": sizes["x"]}, {"x": dpi["y"], "y": dpi["x"]}
    after, pitch = new_sizes(options, sizes), pitches(options, sizes)
    changes = dict.fromkeys(ORIENTATIONS, 1)
    for tag in WIDTHS:
        changes |= {tag: after["x"], tag.replace("Width", "Height"): after["y"]}
    changes["QuickTime:ImageSpatialExtent"] = f"{after['x']} {after['y']}"
    for tag, unit in DENSITIES.items():
        for axis in "xy":
            density = pytest.approx(dpi[axis] / pitch[axis] * unit, rel=1e-3, abs=0.5)  # JFIF has whole numbers
            changes[tag.replace("X", axis.upper())] = density
    return told(tags) | {tag: value for tag, value in changes.items() if tag in tags}


@pytest.mark.parametrize("name", FILES)
def test_every_tag_is_kept_or_told_anew(name, before, resized):
    options, tags, warnings = resized
    found, wanted = told(tags[name]), expected(name, before[name], options)
    assert sum(tag.startswith("IFD1:") for tag in wanted) > 3, "there was a thumbnail"
    wanted = {tag: value for tag, value in wanted.items() if not tag.startswith("IFD1:")}
    software = found.pop("PNG:Software" if name.endswith("png") else "IFD0:Software")
    assert software.startswith("upsample ")
    assert found == wanted
    assert warnings[name] == ()


def test_every_tag_of_tiff_is_kept_or_told_anew(before, resized):
    options, tags, warnings = resized
    found, wanted = told(tags[TIFF]), expected(TIFF, before[TIFF], options)
    assert found.pop("IFD0:Software").startswith("upsample ")
    assert sum(tag.startswith(CAMERA) for tag in wanted) > 10
    assert without_xmp(found) == without_xmp(wanted)
    assert warnings[TIFF] == ()


def test_xmp_in_tiff(before, resized):
    options, tags, _ = resized
    found, wanted = tags[TIFF], expected(TIFF, before[TIFF], options)
    names = [name for name in wanted if name.startswith("XMP")]
    assert len(names) > 5
    assert {name: found[name] for name in names} == {name: wanted[name] for name in names}


def test_every_tag_of_gif_is_kept_or_told_anew(before, resized):
    options, tags, _ = resized
    wanted = expected(GIF, before[GIF], options)
    assert sum(tag.startswith("XMP") for tag in wanted) > 5
    assert told(tags[GIF]) == wanted


def test_what_jpeg_2000_loses_is_said(before, resized):
    _, tags, warnings = resized
    lost = {tag.split(":")[0] for tag in told(before[JPEG_2000]).keys() - tags[JPEG_2000].keys()}
    words = " ".join(warnings[JPEG_2000])
    assert "EXIF" in words or not lost & {"IFD0", "ExifIFD", "GPS"}
    assert "XMP" in words or not any(group.startswith("XMP") for group in lost)


def without_xmp(tags):
    return {tag: value for tag, value in tags.items() if not tag.startswith("XMP")}


NAMED = {  # groups of exiftool, and by what word a warning names them
    **{"XMP-dc": "XMP", "ExifIFD": "EXIF|ExifTag", "GPS": "EXIF|GPSTag", "ICC_Profile": "the ICC profile"},
    "IPTC": "Photoshop's resources|iptc|IPTC",
}


def test_what_another_format_cannot_hold_is_said(folder, before, tmp_path):
    warnings = {}
    kinds = ("jpg", "png", "webp", "tif", "gif")
    for old, new in itertools.product(kinds, (*kinds, "bmp")):
        plan = upsampled(folder / f"upright.{old}", tmp_path / f"{old}-to.{new}", scale="2")
        warnings[f"{old}-to.{new}"] = " ".join(plan.warnings)
    after, kept = exiftool(tmp_path, "-all"), 0
    for name, words in warnings.items():
        groups, old_groups = (
            {tag.split(":")[0] for tag in tags} for tags in (after[name], before[f"upright.{name.split('-')[0]}"])
        )
        for group, word in NAMED.items():
            kept += group in groups
            assert (group in groups) == (group in old_groups and not re.search(word, words)), (name, group, words)
    assert kept > 50


def test_on_request_nothing_is_said_of_what_was_done(folder, tmp_path):
    for name in (*FILES, TIFF):
        upsampled(folder / name, tmp_path / name, scale="2", provenance=False)
    for tags in exiftool(tmp_path, "-all").values():
        assert not [tag for tag, value in tags.items() if "upsample" in str(value) and not tag.startswith(IGNORED)]
        assert not [tag for tag in tags if tag.endswith(":Software")]


def test_profiles_are_the_same_bytes(folder, tmp_path):
    """The profile as exiftool extracts it, not what it says of it."""
    names = [*(f"upright.{kind}" for kind in KINDS), TIFF]
    for name in names:
        upsampled(folder / name, tmp_path / name, scale="2")
    said("exiftool", "-q", "-b", "-icc_profile", "-w!", "%d%f_%e.icc", *(tmp_path / name for name in names))
    for kind in (*KINDS, "tif"):
        assert (tmp_path / f"upright_{kind}.icc").read_bytes() == PROFILE
