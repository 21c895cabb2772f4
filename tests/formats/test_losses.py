"""What goes from one family to another, or is asked of a mode that cannot give it: carried, refused or said aloud."""

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pipeline_helpers import upsampled
from upsample_cli.core.modes import MODES
from upsample_cli.errors import OutputError


def ramp(path, size=20, spacing=1.0):
    """A volume whose samples are their own world coordinate along x."""
    x = np.arange(size, dtype=np.float64)[:, None, None] * spacing
    nib.save(nib.Nifti1Image(np.broadcast_to(x, (size, 3, 2)).copy(), np.diag([spacing, 1, 1, 1])), path)


# In samples of the input: kernels of cubic and Lanczos do not reproduce a ramp, and the nearest modes pick.
TOLERANCES = {
    "linear": 1e-6,
    "cubic": 0.05,
    "lanczos": 0.05,
    "area": 0.5,
    "box": 0.26,
    "nearest": 1.0,
    "nearest-exact": 0.5001,
}


@pytest.mark.parametrize("mode", [name for name in MODES if MODES[name].ndim is None and name != "label"])
@pytest.mark.parametrize("wanted", [0.5, 1.7])
def test_spacing_is_given_or_said_to_be_another_and_true_in_every_mode(tmp_path, mode, wanted):
    ramp(tmp_path / "in.nii")
    plan = upsampled(tmp_path / "in.nii", tmp_path / "out.nii", spacing=f"x={wanted}", mode=mode)
    image = nib.load(tmp_path / "out.nii")
    given = image.header.get_zooms()[0]
    said = any("spacing of x is" in warning for warning in plan.warnings)
    assert (given == pytest.approx(wanted, rel=1e-6)) != said
    world = (image.affine @ np.array([[i, 0, 0, 1.0] for i in range(image.shape[0])]).T)[0]
    values = np.asarray(image.dataobj)[:, 1, 1]
    inside = slice(3, -4)
    error = np.abs(values - world)[inside].max()
    assert error <= TOLERANCES[mode] * max(1, wanted)


def test_align_corners_says_which_spacing_it_gives(tmp_path):
    ramp(tmp_path / "in.nii")
    plan = upsampled(tmp_path / "in.nii", tmp_path / "out.nii", spacing="x=1.7", align_corners=True)
    assert any("the spacing of x is 1.72727" in warning for warning in plan.warnings)


def scaled(path):
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, path)


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_slope_and_intercept_are_not_lost_in_silence(tmp_path, suffix):
    path = tmp_path / "in.nii"
    scaled(path)
    header = nib.load(path).dataobj
    if (header.slope, header.inter) == (1, 0):  # nibabel has scaled the samples itself: store them by hand
        data = bytearray(path.read_bytes())
        data[112:120] = np.array([0.5, 10], "<f4").tobytes()
        path.write_bytes(data)
    plan = upsampled(path, tmp_path / f"out{suffix}", scale="2")
    assert any("slope 0.5, intercept 10" in warning for warning in plan.warnings)


def test_cmyk_of_a_tiff_stays_cmyk_in_a_picture(tmp_path):
    inks = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", inks, photometric="separated")
    upsampled(tmp_path / "in.tif", tmp_path / "out.jpg", scale="1")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.mode == "CMYK"
    plan = upsampled(tmp_path / "in.tif", tmp_path / "out.png", scale="1")
    assert any("its CMYK colours are converted to RGB" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"photometric": "miniswhite"}, 205),
        ({"photometric": "rgb", "extrasamples": ["assocalpha"]}, (255, 255, 255, 50)),
    ],
    ids=["white is zero", "premultiplied"],
)
def test_samples_that_a_picture_would_misread_are_converted(tmp_path, arguments, shown):
    shape = (8, 9, 4) if "extrasamples" in arguments else (8, 9)
    tifffile.imwrite(tmp_path / "in.tif", np.full(shape, 50, np.uint8), **arguments)
    upsampled(tmp_path / "in.tif", tmp_path / "out.png", scale="2")
    with Image.open(tmp_path / "out.png") as image:
        assert image.getpixel((3, 3)) == shown
    upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale="2")
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert tiff.pages[0].photometric.name.lower() == arguments["photometric"]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_the_resolution_of_exif_alone_is_not_left_stale(tmp_path, suffix):
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 300.0, 300.0, 2
    Image.new("RGB", (12, 8)).save(tmp_path / f"in{suffix}", exif=exif)
    upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale="2")
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert float(image.getexif()[282]) == pytest.approx(600, rel=1e-3)


@pytest.mark.parametrize("axes", ["x", "tx", "xyz", "syx", "yxc", "zyxs"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "bool"])
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".nii", ".png", ".npy"])
def test_any_axes_of_an_array_are_written_or_refused(tmp_path, axes, dtype, suffix):
    shape = tuple(2 if name == "s" else 5 + number for number, name in enumerate(axes))
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    np.save(tmp_path / "in.npy", array)
    try:
        upsampled(tmp_path / "in.npy", tmp_path / f"out{suffix}", scale="x=2", axes=axes)
    except OutputError:
        assert not (tmp_path / f"out{suffix}").exists()
        return
    reader = {".tif": tifffile.imread, ".ome.tif": tifffile.imread, ".npy": np.load}.get(suffix)
    if reader is not None:
        assert reader(tmp_path / f"out{suffix}").size == 2 * array.size
