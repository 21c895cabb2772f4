"""TIFF as tiffinfo, exiftool and ImageMagick read it: how samples are stored, what they are, and where they lie."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from tests.external_readers.cases import TARGETS, new_sizes, pitches, resampled, shifts
from tests.external_readers.programs import decoded, exiftool, identify, needs, tiffinfo
from tests.pipeline_helpers import upsampled

SIZE = (96, 64)
SIZES = {"x": 96, "y": 64}
LEVEL = np.add.outer(np.arange(SIZE[1]) * 3, np.arange(SIZE[0]))
RGB = np.stack([LEVEL % 256, LEVEL[::-1] // 2, 255 - LEVEL // 2], -1).astype(np.uint8)
GREY = (LEVEL // 2).astype(np.uint8)
COLOURS = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
INCHES = {"resolution": (300, 150), "resolutionunit": "inch"}
CENTIMETRES = {"resolution": (40, 80), "resolutionunit": "centimeter"}
IN_COLOUR = {"photometric": "rgb"}
DEFLATE = {"compression": "zlib", "predictor": True}
WORDS = {"software": "Firmware", "datetime": "2020:01:02 03:04:05", "description": "words of theirs"}

KINDS = {  # by the name of a file: its samples, and how they are stored
    "tiled.tif": (LEVEL.astype(np.uint16) * 200, {"tile": (32, 32), **DEFLATE, **INCHES}),
    "described.tif": (GREY, {**WORDS, **CENTIMETRES}),
    "strips.tif": (RGB, {**IN_COLOUR, "rowsperstrip": 16, "compression": "lzw", "predictor": True}),
    "planar.tif": (RGB.transpose(2, 0, 1), {**IN_COLOUR, "planarconfig": "separate", "compression": "packbits"}),
    "wide.tif": (RGB.astype(np.uint16) * 257, {**IN_COLOUR, "tile": (16, 48), "byteorder": ">"}),
    "big.tif": (LEVEL.astype(np.float32), {"bigtiff": True, "byteorder": ">"}),
    "inverse.tif": (GREY, {"photometric": "miniswhite"}),
    "alpha.tif": (np.dstack([RGB, GREY]), {**IN_COLOUR, "extrasamples": ["unassalpha"]}),
    "more.tif": (np.dstack([RGB, GREY]), {**IN_COLOUR, "extrasamples": ["unspecified"]}),
    "ink.tif": (np.dstack([RGB, GREY]), {"photometric": "separated"}),
    "jpeg.tif": (RGB, {"photometric": "ycbcr", "compression": "jpeg", "tile": (32, 32)}),
    "double.tif": (LEVEL.astype(np.float64), {}),
    "signed.tif": (LEVEL.astype(np.int32) - 99, {"compression": "zstd"}),
    "half.tif": (LEVEL.astype(np.float16), {}),
    "complex.tif": (LEVEL.astype(np.complex64), {}),
}
PALETTE = "palette.tif"
DECODED_BY_IMAGEMAGICK = [
    f"{name}.tif" for name in ("tiled", "described", "strips", "planar", "wide", "inverse", "alpha", "palette")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiff")
    for name, (array, how) in KINDS.items():
        tifffile.imwrite(folder / name, array, **{"photometric": "minisblack", "metadata": None} | how)
    tifffile.imwrite(folder / PALETTE, LEVEL.astype(np.uint8), photometric="palette", colormap=COLOURS, metadata=None)
    return folder


@pytest.fixture(scope="module", params=TARGETS.values(), ids=TARGETS)
def resized(request, folder, tmp_path_factory):
    """What was asked, and the folder of the outputs."""
    target = tmp_path_factory.mktemp("resized")
    for name in (*KINDS, PALETTE):
        upsampled(folder / name, target / name, **request.param)
    return request.param, target


@pytest.fixture(scope="module")
def stored_before(folder):
    return tiffinfo(folder)


@pytest.fixture(scope="module")
def stored(resized):
    return tiffinfo(resized[1])


def resolution(facts):
    """Samples per unit along x and y, and the unit."""
    x, y, unit = re.match(r"([\d.e+-]+), ([\d.e+-]+) (.*)", facts.pop("Resolution")).groups()
    return float(x), float(y), unit


def assert_stored_alike(before, after, options, sizes):
    """The directory of an output says what that of the input does, but of its size and resolution."""
    old, new = dict(before), dict(after)
    (width, height), pitch = new_sizes(options, sizes).values(), pitches(options, sizes)
    assert old.pop("Image Width") == f"{sizes['x']} Image Length: {sizes['y']}"
    assert new.pop("Image Width") == f"{width} Image Length: {height}"
    (old_x, old_y, unit), found = resolution(old), resolution(new)
    density = (1, 1) if unit == "(unitless)" else (old_x / pitch["x"], old_y / pitch["y"])
    assert found == (pytest.approx(density[0], rel=1e-5), pytest.approx(density[1], rel=1e-5), unit)
    assert new.pop("Software").startswith(f"{old.pop('Software')}; upsample ")
    if old.get("Rows/Strip") == str(sizes["y"]):
        assert new.pop("Rows/Strip") == str(height)
        del old["Rows/Strip"]
    assert new == old


@pytest.mark.parametrize("name", KINDS)
def test_samples_are_stored_as_they_were(name, folder, resized, stored_before, stored):
    options, target = resized
    (old,), (new,) = stored_before[name], stored[name]
    assert len(old) > 6
    assert_stored_alike(old, new, options, SIZES)
    assert (folder / name).read_bytes()[:4] == (target / name).read_bytes()[:4], "byte order, or BigTIFF"


def test_a_palette_stays_where_nothing_is_between(resized, stored_before, stored):
    options, _ = resized
    (old,), (new,) = stored_before[PALETTE], stored[PALETTE]
    if options.get("mode") != "nearest":
        assert old["Color Map"] == "(present)"
        colours = {"Bits/Sample": "16", "Photometric Interpretation": "RGB color", "Samples/Pixel": "3"}
        old = {name: value for name, value in (old | colours).items() if name != "Color Map"}
    assert_stored_alike(old, new, options, SIZES)


@pytest.fixture(scope="module")
def before(folder):
    return decoded(folder, DECODED_BY_IMAGEMAGICK, SIZE)


@pytest.fixture(scope="module")
def after(resized):
    options, target = resized
    return decoded(target, DECODED_BY_IMAGEMAGICK, tuple(new_sizes(options, SIZES).values()))


@pytest.mark.parametrize("name", DECODED_BY_IMAGEMAGICK)
def test_imagemagick_sees_the_pixels_of_the_definition(name, resized, before, after):
    options, _ = resized
    old, new, axes = before[name], after[name], {"y": 0, "x": 1}
    assert np.ptp(old[..., :3]) > 0.5
    if options.get("mode") == "nearest":
        np.testing.assert_array_equal(new, resampled(old, options, axes))
        return
    weighted = np.concatenate([old[..., :3] * old[..., 3:], old[..., 3:]], -1)
    wanted = resampled(weighted, options, axes)
    half_a_level = (1 / 2 + 1 / 32) / (65535 if name in ("tiled.tif", "wide.tif", PALETTE) else 255)
    np.testing.assert_allclose(new[..., 3], wanted[..., 3], rtol=0, atol=half_a_level)
    visible = wanted[..., 3] > 0.1
    wanted = wanted[visible, :3] / wanted[visible, 3:]
    np.testing.assert_allclose(new[visible, :3], wanted, rtol=0, atol=half_a_level + 1 / 65535)


def test_ink_and_jpeg_keep_their_mean(folder, resized):
    """They are not decoded to the last level alike everywhere."""
    _, target = resized
    names = ("ink.tif", "jpeg.tif", "more.tif")
    old, new = (identify([where / name for name in names], "%[colorspace] %C %[fx:mean]") for where in (folder, target))
    for name in names:
        ((*kind, mean),), ((*old_kind, old_mean),) = new[name], old[name]
        assert kind == old_kind
        assert float(mean) == pytest.approx(float(old_mean), abs=0.02)


PYRAMID = [(64, 96), (32, 48), (16, 24)]


@pytest.mark.parametrize("options", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("name", ["plain.tif", "of.ome.tif"])
def test_a_pyramid_has_as_many_levels(name, options, tmp_path):
    with tifffile.TiffWriter(tmp_path / name) as tiff:
        for number, (height, width) in enumerate(PYRAMID):
            how = {"subfiletype": 1} if number else {"subifds": 2}
            metadata = {"axes": "YX"} if not number and "ome" in name else None
            array = LEVEL[:height, :width].astype(np.uint16)
            tiff.write(array, tile=(32, 32), photometric="minisblack", metadata=metadata, **how)
    upsampled(tmp_path / name, tmp_path / f"out-{name}", **options)
    stored = tiffinfo(tmp_path)
    before, after = stored[name], stored[f"out-{name}"]
    assert len(before) == len(after) == 4  # tiffinfo shows the last level twice, as it is chained twice
    width, height = new_sizes(options, SIZES).values()
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        reduced = 2 ** min(number, 2)
        found = [int(n) for n in re.findall(r"\d+", new["Image Width"])]
        assert found == pytest.approx([width / reduced, height / reduced], abs=1)
        kept = ("Subfile Type", "Tile Width", "Bits/Sample", "Photometric Interpretation", "Compression Scheme")
        assert {key: new.get(key) for key in kept} == {key: old.get(key) for key in kept}


TIEPOINT = (0.0, 0.0, 0.0, 500.0, 1000.0, 0.0)
MATRIX = (1.9, 0.5, 0, 500, 0.4, -2.8, 0, 1000, 0, 0, 0, 0, 0, 0, 0, 1)
PLACES = {
    "scale.tif": [(33550, 12, 3, (2.0, 3.0, 0.0), True), (33922, 12, 6, TIEPOINT, True)],
    "matrix.tif": [(34264, 12, 16, MATRIX, True)],
}


def in_the_world(tags, x, y):
    """Where the centre of a pixel lies, by what exiftool says; its corners have whole numbers (PixelIsArea)."""
    x, y = x + 0.5, y + 0.5
    if "IFD0:ModelTransform" in tags:
        matrix = np.reshape([float(n) for n in tags["IFD0:ModelTransform"].split()], (4, 4))
        return tuple((matrix @ [x, y, 0, 1])[:2])
    tie, scale = ([float(n) for n in tags[f"IFD0:{name}"].split()] for name in ("ModelTiePoint", "PixelScale"))
    return tie[3] + (x - tie[0]) * scale[0], tie[4] - (y - tie[1]) * scale[1]


@needs("exiftool")
@pytest.mark.parametrize("options", TARGETS.values(), ids=TARGETS)
def test_pixels_stay_on_the_map(options, tmp_path):
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    keys = (34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632), True)
    for name, place in PLACES.items():
        tifffile.imwrite(tmp_path / "before" / name, GREY, metadata=None, extratags=[*place, keys])
        upsampled(tmp_path / "before" / name, tmp_path / "after" / name, **options)
    before, after = (exiftool(tmp_path / part, "-all", "-ee") for part in ("before", "after"))
    pitch, shift = pitches(options, SIZES), shifts(options, SIZES)
    for name in PLACES:
        geography = {tag: value for tag, value in before[name].items() if tag.startswith("GeoTiff:")}
        assert len(geography) >= 3
        assert geography == {tag: after[name].get(tag) for tag in geography}
        for x, y in ((0, 0), (30, 0), (0, 20), (17, 11)):
            wanted = in_the_world(before[name], pitch["x"] * x + shift["x"], pitch["y"] * y + shift["y"])
            assert in_the_world(after[name], x, y) == pytest.approx(wanted, rel=1e-9)


STACK = {"x": 20, "y": 16, "z": 6}
MICROMETRES = {"x": 0.25, "y": 0.2, "z": 1.5}


def stack(path):
    array = np.random.default_rng(0).integers(0, 60000, tuple(STACK[axis] for axis in "zyx")).astype(np.uint16)
    if "ome" in path.name:
        sizes = {f"PhysicalSize{axis.upper()}": length for axis, length in MICROMETRES.items()}
        units = {f"PhysicalSize{axis.upper()}Unit": "µm" for axis in MICROMETRES}
        names = {"Name": "a stack of theirs", "Channel": {"Name": "DNA"}, "Description": "größer"}
        tifffile.imwrite(path, array, metadata={"axes": "ZYX"} | sizes | units | names)
        return
    density = (1 / MICROMETRES["x"], 1 / MICROMETRES["y"])
    metadata = {"axes": "ZYX", "unit": "um", "spacing": MICROMETRES["z"], "Info": "info of theirs", "min": 5.0}
    tifffile.imwrite(path, array, imagej=True, resolution=density, metadata=metadata)


@needs("exiftool")
@pytest.mark.parametrize("options", TARGETS.values(), ids=TARGETS)
def test_stacks_of_microscopes(options, tmp_path):
    """Planes as tiffinfo counts them, distances as exiftool finds them in the description."""
    for name in ("imagej.tif", "of.ome.tif"):
        stack(tmp_path / name)
        upsampled(tmp_path / name, tmp_path / f"out-{name}", **options)
    sizes, pitch = new_sizes(options, STACK), pitches(options, STACK)
    lengths = {axis: MICROMETRES[axis] * pitch[axis] for axis in "xyz"}
    told, planes = exiftool(tmp_path, "-all"), tiffinfo(tmp_path)
    for name in ("imagej.tif", "of.ome.tif"):
        found = [plane["Image Width"] for plane in planes[f"out-{name}"]]
        assert found == [f"{sizes['x']} Image Length: {sizes['y']}"] * sizes["z"]
        assert told[f"out-{name}"]["IFD0:Software"].startswith("tifffile.py; upsample ")
    lines = dict(line.split("=", 1) for line in told["out-imagej.tif"]["IFD0:ImageDescription"].splitlines() if line)
    assert (int(lines["slices"]), int(lines["images"]), lines["unit"]) == (sizes["z"], sizes["z"], "um")
    assert (float(lines["spacing"]), float(lines["min"])) == pytest.approx((lengths["z"], 5))
    density = (told["out-imagej.tif"]["IFD0:XResolution"], told["out-imagej.tif"]["IFD0:YResolution"])
    assert density == pytest.approx((1 / lengths["x"], 1 / lengths["y"]), rel=1e-5)
    image = ElementTree.fromstring(told["out-of.ome.tif"]["IFD0:ImageDescription"]).find("./{*}Image")
    described = image.find("./{*}Pixels").attrib
    for axis in "xyz":
        assert int(described[f"Size{axis.upper()}"]) == sizes[axis]
        assert float(described[f"PhysicalSize{axis.upper()}"]) == pytest.approx(lengths[axis], rel=1e-9)
        assert described[f"PhysicalSize{axis.upper()}Unit"] == "µm"
    assert image.get("Name") == "a stack of theirs"
    assert image.find("./{*}Description").text == "größer"
    assert image.find("./{*}Pixels/{*}Channel").get("Name") == "DNA"
