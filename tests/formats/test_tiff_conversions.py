"""Arrays of other families in TIFF: axes, spacing, units and history come along, and one warning lists the rest."""

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import samples
from tests.formats.file_dump import icc_profile
from tests.pipeline_helpers import upsampled


def volume(path, shape, dtype, unit="mm"):
    array = samples(shape, dtype)
    image = nib.Nifti1Image(array, np.diag([1.5, 2, 3, 1]))
    image.header.set_xyzt_units(unit, "msec")
    if len(shape) > 3:
        image.header.set_zooms((1.5, 2, 3, 500))
    nib.save(image, path)
    return array


def pillow_lines(path):
    with Image.open(path) as image:
        return dict(line.split("=", 1) for line in image.tag_v2[270].splitlines() if "=" in line)


@pytest.mark.parametrize(
    ("dtype", "kind"), [("uint8", "imagej"), ("float32", "imagej"), ("int16", "ome"), ("float64", "ome")]
)
@pytest.mark.parametrize("shape", [(7, 6, 5), (7, 6, 5, 4)])
def test_volumes_become_stacks(tmp_path, dtype, kind, shape):
    path, out = tmp_path / "in.nii", tmp_path / "out.tif"
    array = volume(path, shape, dtype)
    (warning,) = upsampled(path, out, scale="x=2", mode="nearest").warnings
    assert "the orientation (affine)" in warning
    with tifffile.TiffFile(out) as tiff:
        assert (tiff.series[0].kind, tiff.series[0].axes) == (kind, "TZYX"[4 - len(shape) :])
        np.testing.assert_array_equal(tiff.asarray().T, array.repeat(2, 0))
        assert tiff.pages[0].software.startswith("upsample ")
    if kind == "imagej":
        lines = pillow_lines(out)
        assert (lines["unit"], lines["spacing"]) == ("mm", "3.0")
        assert lines.get("finterval") == (None if len(shape) == 3 else "0.5")
        with Image.open(out) as image:
            assert (1 / image.tag_v2[282], 1 / image.tag_v2[283]) == pytest.approx((0.75, 2))
    else:
        xml = tifffile.tiffcomment(out)
        for text in ('PhysicalSizeX="0.75"', 'PhysicalSizeY="2.0"', 'PhysicalSizeZ="3.0"', 'PhysicalSizeZUnit="mm"'):
            assert text in xml
        assert ('TimeIncrement="500.0" TimeIncrementUnit="ms"' in xml) == (len(shape) > 3)


def test_micrometres_are_imagejs_own_unit(tmp_path):
    volume(tmp_path / "in.nii", (7, 6, 5), "uint8", unit="micron")
    upsampled(tmp_path / "in.nii", tmp_path / "out.tif", scale="2")
    assert pillow_lines(tmp_path / "out.tif")["unit"] == "um"
    assert pillow_lines(tmp_path / "out.tif")["spacing"] == "1.5"


def test_a_picture_keeps_its_density_and_profile(tmp_path):
    path, out = tmp_path / "in.png", tmp_path / "out.tif"
    Image.fromarray(samples((8, 9, 4))).save(path, dpi=(300, 150), icc_profile=icc_profile(b"a profile"))
    assert not any("profile" in warning for warning in upsampled(path, out, scale="2").warnings)
    with Image.open(out) as image:
        assert image.mode == "RGBA"
        assert image.info["dpi"] == pytest.approx((600, 300), rel=1e-3)
        assert image.info["icc_profile"] == icc_profile(b"a profile")


def test_the_frames_of_an_animation_become_times(tmp_path):
    path, out = tmp_path / "in.png", tmp_path / "out.tif"
    frames = samples((3, 8, 9, 3))
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=200)
    upsampled(path, out, scale="2", mode="nearest")
    with tifffile.TiffFile(out) as tiff:
        assert (tiff.series[0].kind, tiff.series[0].axes) == ("imagej", "TYXS")
        np.testing.assert_array_equal(tiff.asarray(), frames.repeat(2, 1).repeat(2, 2))
    assert pillow_lines(out)["finterval"] == "0.2"


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "complex128"])
def test_arrays_of_any_numbers(tmp_path, dtype):
    array = samples((3, 8, 9), dtype)
    np.save(tmp_path / "in.npy", array)
    upsampled(tmp_path / "in.npy", tmp_path / "out.tif", scale="x=2", mode="nearest", axes="zyx")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), array.repeat(2, 2))


def test_a_stack_of_tiff_becomes_a_volume(tmp_path):
    path, out = tmp_path / "in.ome.tif", tmp_path / "out.nii"
    array = samples((5, 6, 7), "uint16")
    sizes = {"PhysicalSizeX": 500.0, "PhysicalSizeY": 750.0, "PhysicalSizeZ": 2000.0}
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": "ZYX", **sizes})
    (warning,) = upsampled(path, out, scale="2", mode="nearest").warnings
    assert "the OME-XML" in warning
    image = nib.load(out)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, array.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    assert image.header.get_zooms() == pytest.approx((0.25, 0.375, 1.0))
    assert image.header.get_xyzt_units()[0] == "mm"
