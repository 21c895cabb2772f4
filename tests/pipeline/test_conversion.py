"""Output samples of another data type, range or without alpha."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import refuse, run
from tests.formats.examples import made
from tests.pipeline_helpers import whole
from upsample_cli.errors import RequestError
from upsample_cli.pipeline import array_plan
from upsample_cli.pipeline.conversion_options import parse_colour, parse_range

RAMP = np.arange(12, dtype=np.float64).reshape(3, 4)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def converted(array, *options):
    np.save("in.npy", array)
    run("in.npy", "--scale", 2, "--axes", "zyx"[-array.ndim :], "-o", "out.npy", "--overwrite", *options)
    return np.load("out.npy")


def resized(array):
    """The exact result in float64."""
    return converted(array.astype(np.float64))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32"])
@pytest.mark.parametrize("target", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"])
def test_values_are_kept_and_rounded_once(dtype, target):
    array = (RAMP * 9).astype(dtype)
    out = converted(array, "--dtype", target)
    exact = resized(array)
    assert out.dtype == target
    assert np.array_equal(out, exact if out.dtype.kind == "f" else np.rint(exact))


def test_values_outside_the_range_are_saturated_with_a_warning():
    np.save("in.npy", np.array([[-5, 300]], np.int16))
    result = run("in.npy", "--scale", 1, "--dtype", "uint8", "-o", "out.npy")
    assert np.load("out.npy").tolist() == [[0, 255]]
    assert "values below 0 or above 255 are saturated; --rescale maps the full range" in result.stderr
    assert "saturated" not in run("in.npy", "--scale", 1, "--dtype", "int32", "-o", "wide.npy").stderr


def test_the_full_range_of_integers_is_that_of_their_type():
    array = np.array([[0, 65535], [257, 32768]], np.uint16)
    np.save("in.npy", array)
    run("in.npy", "--scale", 1, "--dtype", "uint8", "--rescale", "-o", "out.npy")
    assert np.load("out.npy").tolist() == [[0, 255], [1, 128]]
    run("in.npy", "--scale", 1, "--dtype", "float32", "--rescale", "-o", "unit.npy")
    np.testing.assert_allclose(np.load("unit.npy"), array / 65535, rtol=1e-6)


def test_the_full_range_of_floats_is_that_of_the_samples():
    array = np.array([[-2.0, np.nan], [0.0, 6.0]])
    np.save("in.npy", array)
    run("in.npy", "--scale", 1, "--dtype", "uint8", "--rescale", "-o", "out.npy")
    assert np.load("out.npy").tolist() == [[0, 0], [64, 255]]  # NaN becomes 0


@pytest.mark.parametrize("order", [["--rescale", "0,4095", "in.npy"], ["in.npy", "--rescale=0,4095"]])
def test_a_given_range(order):
    np.save("in.npy", np.array([[0, 4095, 9000]], np.uint16))
    run(*order, "--scale", 1, "--dtype", "uint8", "-o", "out.npy")
    assert np.load("out.npy").tolist() == [[0, 255, 255]]


def test_rescale_does_not_take_an_input_for_its_value():
    np.save("1.npy", np.array([[0, 65535]], np.uint16))
    run("--scale", 1, "--dtype", "uint8", "-o", "out.npy", "--rescale", "1.npy")
    assert np.load("out.npy").tolist() == [[0, 255]]


def test_physical_values_of_a_volume_stay():
    image = nib.Nifti1Image((RAMP * 50).reshape(3, 4, 1).astype(np.int16), np.eye(4))
    image.header.set_slope_inter(2.0, 10.0)
    nib.save(image, "in.nii")
    run("in.nii", "--scale", 1, "--dtype", "uint8", "--rescale", "10,1110", "-o", "out.nii")
    before, after = nib.load("in.nii"), nib.load("out.nii")
    assert after.get_data_dtype() == np.uint8
    step = after.dataobj.slope
    np.testing.assert_allclose(after.get_fdata(), before.get_fdata(), rtol=0, atol=step / 2 * 1.001)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_transparent_pixels_lie_on_the_background(mode):
    pixels = np.array([[[255, 0, 0, 255], [0, 255, 0, 0], [0, 0, 255, 51]]], np.uint8)
    Image.fromarray(pixels).save("in.png")
    run("in.png", "--scale", 1, "--mode", mode, "--background", "#ff8000", "-o", "out.png")
    out = np.asarray(Image.open("out.png"))
    assert out[0].tolist() == [[255, 0, 0], [255, 128, 0], [204, 102, 51]]


def test_the_background_of_grey_is_grey():
    Image.fromarray(np.array([[[0, 0], [100, 255]]], np.uint8), "LA").save("in.png")
    run("in.png", "--scale", 1, "--background", "white", "-o", "out.png")
    with Image.open("out.png") as image:
        assert (image.mode, np.asarray(image).tolist()) == ("L", [[255, 100]])


@pytest.mark.parametrize("output", ["out.tif", "out.ome.tif", "out.zarr", "out.ome.zarr", "out.webp"])
@pytest.mark.parametrize("channels", [2, 4])
def test_the_background_is_the_same_in_every_format(output, channels):
    """Alpha is the last sample of a pixel, also where regions of the output are made one by one."""
    if "zarr" in output:
        pytest.importorskip("zarr")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (13, 17, channels), np.uint8)).save("in.png")
    arguments = ("--scale", 2, "--background", "white", "--quality", 100)
    run("in.png", *arguments, "-o", "out.npy")
    run("in.png", *arguments, "--verify", "-o", output)
    if output.endswith((".tif", ".zarr")):
        expected, found = np.load("out.npy").squeeze(), whole(Path(output)).squeeze()
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("output", ["out.tif", "out.ome.tif"])
def test_the_levels_of_a_pyramid_lose_alpha_too(output):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 80, 4), np.uint8)
    with tifffile.TiffWriter("in.tif") as writer:
        options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "metadata": None, "tile": (16, 16)}
        writer.write(pixels, subifds=1, **options)
        writer.write(np.ascontiguousarray(pixels[::2, ::2]), subfiletype=1, **options)
    run("in.tif", "--scale", 2, "--background", "white", "--verify", "-o", output)
    with tifffile.TiffFile(output) as out:
        assert [level.shape for level in out.series[0].levels] == [(128, 160, 3), (64, 80, 3)]


@pytest.mark.parametrize("name", ["nifti-rgba-gz", "nifti-rgb"])
@pytest.mark.parametrize("options", [["--rescale", "--dtype=uint8"], ["--dtype=float32"], ["--background", "white"]])
def test_colours_of_voxels_are_converted(tmp_path, name, options):
    path = made(tmp_path, name)
    run(path, "--scale", 1, *options, "--verify", "-o", "out.nii")
    run(path, "--scale", 1, *options, "-o", "out.npy")
    found, expected = whole(Path("out.nii")), np.load("out.npy")  # with axes in other orders
    assert np.array_equal(np.sort(found, axis=None), np.sort(expected, axis=None))


@pytest.mark.parametrize("options", [["--rescale", "20,200"], ["--dtype", "uint16"], ["--rescale", "--dtype=uint16"]])
def test_alpha_means_the_same_opacity(options):
    pixels = np.array([[[20, 200, 20, 255], [20, 20, 20, 51], [20, 20, 20, 0]]], np.uint8)
    Image.fromarray(pixels).save("in.png")
    run("in.png", "--scale", 1, *options, "-o", "out.tif")
    out = tifffile.imread("out.tif")
    assert (out[0, :, 3] * (255 / np.iinfo(out.dtype).max)).tolist() == [255, 51, 0]


def test_a_picture_without_alpha_ignores_the_background():
    Image.fromarray(np.full((2, 2, 3), 7, np.uint8)).save("in.png")
    run("in.png", "--scale", 2, "--background", "white", "-o", "out.png")
    assert (np.asarray(Image.open("out.png")) == 7).all()


@pytest.mark.parametrize("name", ["out.jpg", "out.tif", "out.png"])
def test_a_16_bit_picture_becomes_one_of_8_bits(name):
    Image.fromarray((RAMP * 5000).astype(np.uint16)).save("in.png")
    run("in.png", "--scale", 2, "--dtype", "uint8", "--rescale", "-o", name)
    out = tifffile.imread(name) if name.endswith("tif") else np.asarray(Image.open(name))
    assert (out.dtype, out.shape) == (np.uint8, (6, 8))
    exact = resized((RAMP * 5000).astype(np.uint16)) * 255 / 65535
    assert np.abs(out - exact).max() <= (6 if name.endswith("jpg") else 0.5001)


def test_slabs_do_not_change_a_conversion(monkeypatch):
    array = np.random.default_rng(0).integers(0, 65535, (40, 30, 20)).astype(np.uint16)
    np.save("in.npy", array)
    whole = converted(array, "--dtype", "uint8", "--rescale")
    monkeypatch.setattr(array_plan, "_SLAB_BYTES", 1 << 14)
    np.testing.assert_array_equal(converted(array, "--dtype", "uint8", "--rescale"), whole)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dtype", "float8"], "--dtype float8: choose from uint8, "),
        (["--rescale=9,3"], "--rescale 9,3: the first value must be below the second"),
        (["--rescale=a,b"], "--rescale a,b: write the lowest and the highest value"),
        (["--background", "pinkish"], "--background pinkish: write a colour"),
    ],
)
def test_refusals(options, says):
    np.save("in.npy", RAMP)
    refuse("in.npy", "--scale", 2, *options, code=2, says=says)


def test_colours_and_ranges():
    assert parse_colour("255,0,51") == (1.0, 0.0, 0.2)
    assert parse_colour("white") == (1.0, 1.0, 1.0)
    assert parse_range("-1,2.5") == (-1.0, 2.5)
    with pytest.raises(RequestError, match="levels are from 0 to 255"):
        parse_colour("1,2,300")


def test_strip_keeps_the_profile_and_drops_places():
    sample = Path(__file__).parents[2] / "sample_data" / "cat.jpg"
    with Image.open(sample) as image:
        exif = image.getexif()
        exif.get_ifd(0x8825)[1] = "N"
        exif[0x010E] = "my garden"
        image.save("in.jpg", exif=exif, icc_profile=image.info["icc_profile"], comment=b"my cat")
    run("in.jpg", "--scale", 2, "-o", "kept.jpg")
    run("in.jpg", "--scale", 2, "-o", "bare.jpg", "--strip")
    assert b"my garden" in Path("kept.jpg").read_bytes()
    data = Path("bare.jpg").read_bytes()
    assert not any(text in data for text in (b"my garden", b"my cat", b"upsample", b"Exif"))
    with Image.open("bare.jpg") as image:
        assert image.info["icc_profile"]
