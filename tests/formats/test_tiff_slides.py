"""Files of slide scanners, and of microscopes that write one image for each position."""

import numpy as np
import pytest
import tifffile

from tests.formats.examples import samples
from tests.pipeline_helpers import planned, upsampled
from upsample_cli.formats.tiff import series

RGB = {"photometric": "rgb", "metadata": None}
ORIGINAL = (
    "Aperio Image Library v11\r\n46x33 [0,1 96x64] (16x16) JPEG/RGB Q=30"
    "|AppMag = 20|StripeWidth = 2040|MPP = 0.4990|OriginalWidth = 46|Date = 12/29/09"
)


def slide(path):
    """An Aperio file: scan, thumbnail, a level, label and overview."""
    full = samples((64, 96, 3))
    with tifffile.TiffWriter(path) as writer:
        writer.write(full, tile=(16, 16), description=ORIGINAL, **RGB)
        writer.write(full[::4, ::4], description="Aperio Image Library v11\r\n96x64 -> 24x16|MPP = 0.4990", **RGB)
        writer.write(full[::2, ::2], tile=(16, 16), description=ORIGINAL, **RGB)
        writer.write(full[:8, :9], subfiletype=1, description="Aperio Image Library v11\r\nlabel 9x8", **RGB)
        writer.write(full[:10, :12], subfiletype=9, description="Aperio Image Library v11\r\nmacro 12x10", **RGB)
    return full


def test_a_slide_keeps_its_images_spacing_and_description(tmp_path):
    path, out = tmp_path / "in.svs.tif", tmp_path / "out.tif"
    full = slide(path)
    plan = upsampled(path, out, scale=2, mode="nearest", verify=True)
    assert plan.first.before.grid["x"].in_unit("µm").spacing == pytest.approx(0.499)
    assert [image.after.grid.shape[:2] for image in plan.images] == [(128, 192), (32, 48), (16, 18), (20, 24)]
    with tifffile.TiffFile(out) as tiff:
        assert not tiff.is_svs
        first, *others = [page for page in tiff.pages if not page.is_reduced]
        assert first.description == (
            "Scanned by Aperio Image Library v11\r\n192x128|AppMag = 40|MPP = 0.2495|Date = 12/29/09"
        )
        assert others[0].description == "Scanned by Aperio Image Library v11\r\n48x32"
        numerator, denominator = first.tags["XResolution"].value
        per_millimetre = numerator / denominator / {2: 25.4, 3: 10, 4: 1}[first.tags["ResolutionUnit"].value]
        assert 1000 / per_millimetre == pytest.approx(0.2495)
        np.testing.assert_array_equal(first.asarray(), full.repeat(2, 0).repeat(2, 1))


def test_positions_are_images_of_their_own(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    stack = samples((2, 3, 8, 9), "uint16")  # times, positions
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "TRYX"})
    plan = upsampled(path, out, scale=2, mode="nearest", verify=True)
    assert [image.after.grid.names for image in plan.images] == [("t", "y", "x")] * 3
    with tifffile.TiffFile(out) as tiff:
        for position, found in enumerate(tiff.series):
            np.testing.assert_array_equal(found.asarray(), stack[:, position].repeat(2, 1).repeat(2, 2))


def ome_set(folder):
    """Two images, each in a file of its own, with one OME-XML that describes both."""
    identities = [f"urn:uuid:{digit * 8}-1111-1111-1111-111111111111" for digit in "12"]
    images = ""
    for number, identity in enumerate(identities):
        file = f'<UUID FileName="part{number}.ome.tif">{identity}</UUID>'
        planes = "".join(f'<TiffData IFD="{z}" FirstZ="{z}" PlaneCount="1">{file}</TiffData>' for z in range(3))
        images += (
            f'<Image ID="Image:{number}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint8" SizeX="9" '
            f'SizeY="8" SizeZ="3" SizeC="1" SizeT="1"><Channel ID="Channel:{number}:0" SamplesPerPixel="1"/>'
            f"{planes}</Pixels></Image>"
        )
    namespace = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    arrays = [samples((3, 8, 9)), samples((3, 8, 9))[::-1]]
    for number, (identity, array) in enumerate(zip(identities, arrays, strict=True)):
        xml = f'<?xml version="1.0"?><OME xmlns="{namespace}" UUID="{identity}">{images}</OME>'
        options = {"compression": "zlib" if number else None, "photometric": "minisblack", "metadata": None}
        tifffile.imwrite(folder / f"part{number}.ome.tif", array, description=xml, **options)
    return arrays


@pytest.mark.parametrize("first", [0, 1])
def test_a_set_of_files_with_several_images(tmp_path, first):
    arrays = ome_set(tmp_path)
    out = tmp_path / "out.ome.tif"
    upsampled(tmp_path / f"part{first}.ome.tif", out, scale=2, mode="nearest", verify=True)
    with tifffile.TiffFile(out) as tiff:
        for found, array in zip(tiff.series, arrays, strict=True):
            np.testing.assert_array_equal(found.asarray(), array.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_a_positions_axis_that_no_page_has_is_left_alone(tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, samples((3, 8, 9)), photometric="minisblack", metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as tiff:
        (image,) = series._images_of_dialect(tiff.series)
    assert image.series.axes == "TYX"
    assert planned(path, scale=2).first.after.grid.names == ("t", "y", "x")
