"""Pyramids by odd sizes, in one plane or several, as GDAL and vips recognise them."""

import warnings

import numpy as np
import pytest
import tifffile

from tests.external_readers.programs import needs, said
from tests.formats.examples import samples
from tests.pipeline_helpers import upsampled


@pytest.fixture(params=[False, True], ids=["interleaved", "planar"])
def planar(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["in the chain", "in sub-directories"])
def below(request):
    return request.param


@pytest.fixture
def pyramid(tmp_path, planar, below):
    """An image of 261×175 pixels and its levels, made of one of 97×65."""
    array = samples((3, 65, 97) if planar else (65, 97))
    options = {"photometric": "rgb", "planarconfig": "separate"} if planar else {"photometric": "minisblack"}
    options |= {"metadata": None, "tile": (16, 16)}
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        writer.write(array, subifds=2 if below else None, **options)
        for step in (2, 4):
            writer.write(np.ascontiguousarray(array[..., ::step, ::step]), subfiletype=1, **options)
    upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale=2.7, verify=True)
    return tmp_path / "out.tif"


def test_gdal_finds_the_levels(pyramid, planar):
    rasterio = pytest.importorskip("rasterio")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file has no place on earth
        with rasterio.open(pyramid) as opened:
            assert opened.shape == (175, 261)
            assert opened.overviews(1) == [2, 4]
            assert opened.count == (3 if planar else 1)


@needs("vipsheader")
def test_vips_finds_the_levels(pyramid, below):
    places = ("subifd=0", "subifd=1") if below else ("page=1", "page=2")
    sizes = [said("vipsheader", f"{pyramid}[{place}]").split(": ")[1].split()[0] for place in places]
    assert sizes == ["131x88", "66x44"]
