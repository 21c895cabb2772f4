"""GeoTIFF: the place of every pixel in the world, by oracles that are computed by hand."""

import numpy as np
import pytest
import tifffile

from tests.pipeline_helpers import planned, upsampled
from upsample_cli.errors import InputError

PIXEL_IS_AREA, PIXEL_IS_POINT = 1, 2
SHAPE = (20, 30)
SCALE = (2.0, 3.0, 0.0)  # of a pixel along x and, downwards, y
ORIGIN = (500.0, 1000.0)
MATRIX = (1.9, 0.5, 0, 500, 0.4, -2.8, 0, 1000, 0, 0, 0, 0, 0, 0, 0, 1)
TIEPOINT = (0.0, 0.0, 0.0, *ORIGIN, 0.0)
OTHER_TIEPOINT = (10.0, 4.0, 0.0, ORIGIN[0] + 20, ORIGIN[1] - 12, 0.0)


def keys(raster: int | None) -> tuple[int, ...]:
    entries = [(1024, 0, 1, 1)] + ([(1025, 0, 1, raster)] if raster else []) + [(3072, 0, 1, 32632)]
    return tuple(number for entry in [(1, 1, 0, len(entries)), *entries] for number in entry)


def geotiff(path, tags, raster, byteorder="<"):
    directory = keys(raster)
    more = [(34735, 3, len(directory), directory, True), (34737, 2, 0, "UTM 32N|", True)]
    described = [(code, 12, len(values), values, True) for code, values in tags.items()]
    array = np.zeros(SHAPE, np.float32)
    tifffile.imwrite(path, array, extratags=described + more, metadata=None, byteorder=byteorder)


def world(path, x, y):
    """Where the centre of the pixel (x, y) lies, as the GeoTIFF specification has it."""
    with tifffile.TiffFile(path) as tiff:
        tags = {tag.code: tag.value for tag in tiff.pages[0].tags}
    directory = np.array(tags[34735]).reshape(-1, 4)
    is_point = [1025, 0, 1, PIXEL_IS_POINT] in directory.tolist()
    i, j = (x, y) if is_point else (x + 0.5, y + 0.5)
    if 34264 in tags:
        return tuple((np.array(tags[34264]).reshape(4, 4) @ [i, j, 0, 1])[:2])
    (tie_i, tie_j, _, tie_x, tie_y, _), (scale_x, scale_y, _) = tags[33922][-6:], tags[33550]
    return tie_x + (i - tie_i) * scale_x, tie_y - (j - tie_j) * scale_y


TAGS = {
    "scale": {33550: SCALE, 33922: TIEPOINT},
    "another-tiepoint": {33550: SCALE, 33922: (*TIEPOINT, *OTHER_TIEPOINT)},
    "matrix": {34264: MATRIX},
}
# Of a pixel of the output, the position in pixels of the input: a·dst + b, computed by hand.
CASES = {
    "2": ({"scale": "2"}, (7, 5), (3.25, 2.25)),
    "1.7": ({"scale": "1.7"}, (10, 1), (10.5 / 1.7 - 0.5, 1.5 / 1.7 - 0.5)),
    "half": ({"scale": "0.5"}, (3, 2), (6.5, 4.5)),
    "x": ({"scale": "x=2"}, (7, 5), (3.25, 5)),
    "corners": ({"size": "59x39", "align_corners": True}, (8, 6), (4, 3)),
}


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("raster", [None, PIXEL_IS_AREA, PIXEL_IS_POINT])
@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize(("options", "pixel", "before"), CASES.values(), ids=CASES)
def test_pixels_stay_where_they_are(tmp_path, options, pixel, before, tags, raster, byteorder):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    geotiff(path, tags, raster, byteorder)
    upsampled(path, out, **options)
    assert world(out, *pixel) == pytest.approx(world(path, *before), rel=1e-12)
    assert world(out, 0, 0) != pytest.approx(world(path, 0.2, 0.2), rel=1e-12)


def test_the_oracle_is_right_of_the_input(tmp_path):
    geotiff(tmp_path / "area.tif", TAGS["scale"], PIXEL_IS_AREA)
    geotiff(tmp_path / "point.tif", TAGS["scale"], PIXEL_IS_POINT)
    assert world(tmp_path / "area.tif", 0, 0) == (501, 998.5)
    assert world(tmp_path / "point.tif", 0, 0) == (500, 1000)


def test_scale_and_tie_points_of_areas_at_a_whole_factor(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    geotiff(path, TAGS["another-tiepoint"], PIXEL_IS_AREA)
    assert planned(path, scale="2").warnings == ()
    upsampled(path, out, scale="2")
    with tifffile.TiffFile(out) as tiff:
        tags = {tag.code: tag.value for tag in tiff.pages[0].tags}
    assert tags[33550] == (1.0, 1.5, 0.0)
    assert tags[33922] == (*TIEPOINT, 20.0, 8.0, *OTHER_TIEPOINT[2:])
    assert (tags[34735], tags[34737]) == (keys(PIXEL_IS_AREA), "UTM 32N|")
    assert 34264 not in tags


def test_missing_samples_weigh_nothing(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tags = [(42112, 2, 0, "<GDALMetadata/>", True), (42113, 2, 0, "-9999", True)]
    array = np.full(SHAPE, 100, np.float32)
    array[3:, 3:] = -9999
    tifffile.imwrite(path, array, extratags=tags, metadata=None)
    for mode in ("linear", "nearest"):
        assert upsampled(path, out, scale="2", mode=mode, verify=True).warnings == ()
        assert set(np.unique(tifffile.imread(out))) == {100, -9999}
    with tifffile.TiffFile(out) as tiff:
        assert tiff.pages[0].tags[42112].value == "<GDALMetadata/>"
        assert tiff.pages[0].tags[42113].value == "-9999"
    upsampled(path, out, scale="2", nodata="none")
    assert len(np.unique(tifffile.imread(out))) > 2


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [("nan", "float32", np.nan), ("255", "uint8", 255), ("-1", "uint8", None), ("?", "uint8", None)],
)
def test_the_value_of_missing_samples(tmp_path, text, dtype, value):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, np.zeros(SHAPE, dtype), extratags=[(42113, 2, 0, text, True)], metadata=None)
    found = planned(path, scale="2").first.before.nodata
    assert found == value or (value != value and np.isnan(found))


def test_another_family_says_what_it_loses(tmp_path):
    geotiff(tmp_path / "in.tif", TAGS["scale"], PIXEL_IS_AREA)
    (warning,) = planned(tmp_path / "in.tif", tmp_path / "out.npy", scale="2").warnings
    for name in ("ModelPixelScaleTag", "ModelTiepointTag", "GeoKeyDirectoryTag"):
        assert name in warning


@pytest.mark.parametrize(("code", "kind", "values"), [(33922, 12, (0.0,) * 5), (33550, 3, (1, 1, 0))])
def test_tags_that_make_no_sense_are_refused(tmp_path, code, kind, values):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, np.zeros(SHAPE), extratags=[(code, kind, len(values), values, True)], metadata=None)
    with pytest.raises(InputError, match="GeoTIFF tags have a wrong type or count"):
        planned(path, scale="2")
