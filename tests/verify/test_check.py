"""``--verify`` withholds outputs that are not what was planned, of every family and in every respect."""

import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import EXAMPLES, samples
from tests.pipeline_helpers import asked, upsampled
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.formats import open_source
from upsample_cli.pipeline.mode import read_options
from upsample_cli.pipeline.plan import make_plan
from upsample_cli.pipeline.run import run_plan
from upsample_cli.verify.check import verify

WAYS = (
    {"scale": 1.7, "mode": "cubic"},
    {"scale": 2.3, "mode": "nearest"},
    {"scale": 1.5, "linear_light": True, "antialias": True},
)


def attempt(path, out, spoil=lambda paths: None, slabs=lambda slab: slab, **options):
    """Resize with --verify, where `spoil` meddles with the finished files, or `slabs` with what is written."""
    request = asked(verify=True, **options)
    with open_source(path, read_options(request)) as source:
        plan = make_plan(request, source, path, out)
        write = plan.sink.write

        def spoilt(paths, arrays):
            write(paths, ((slabs(slab) for slab in array) for array in arrays))
            spoil(paths)

        plan.sink.write = spoilt
        run_plan(plan, source, check=verify)
    return plan


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_what_is_right_passes(tmp_path, example):
    path = tmp_path / f"in{example.suffix}"
    example.make(path)
    done = 0
    for number, options in enumerate(WAYS):
        out = tmp_path / f"out{number}{example.suffix}"
        try:
            attempt(path, out, axes=example.options.axes, **options)
        except (InputError, RequestError):  # labels of floats, no axis to resize …
            continue
        assert out.exists()
        done += 1
    assert done >= 2 or not set(example.axes) & set("xyz")


def volume(path):
    image = nib.Nifti1Image(samples((6, 7, 8), "int16"), np.diag([2, 3, 4, 1.0]))
    image.header.set_sform(np.diag([2, 3, 4, 1.0]), 1)
    image.header.set_qform(np.diag([2, 3, 4, 1.0]), 1)
    nib.save(image, path)


def stack(path):
    tifffile.imwrite(
        path,
        samples((4, 9, 10), "uint16"),
        resolution=(10, 10),
        resolutionunit=3,
        photometric="minisblack",
        metadata=None,
    )


def picture(path):
    Image.fromarray(samples((9, 10, 3), "uint8")).save(path, dpi=(100, 100))


def array(path):
    np.save(path, samples((9, 10), "float32"))


MAKERS = {".nii": volume, ".nii.gz": volume, ".tif": stack, ".png": picture, ".npy": array}


@pytest.mark.parametrize("suffix", MAKERS)
def test_wrong_samples_are_withheld(tmp_path, suffix):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    MAKERS[suffix](path)
    with pytest.raises(OutputError, match="is not what the mode gives for the input") as caught:
        attempt(path, out, slabs=lambda slab: np.roll(slab, 1, axis=-2), scale=2)
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".nii", ".tif", ".png", ".npy"])
def test_even_a_level_more_is_too_much(tmp_path, suffix):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    MAKERS[suffix](path)
    shift = {"f": lambda slab: slab * 1.0001, "u": lambda slab: slab ^ 1, "i": lambda slab: slab ^ 1}
    with pytest.raises(OutputError, match="is not what the mode gives"):
        attempt(path, out, slabs=lambda slab: shift[slab.dtype.kind](slab).astype(slab.dtype), scale=2)


def change(offset, value):
    def spoil(paths):
        data = bytearray(paths[0].read_bytes())
        data[offset : offset + len(value)] = value
        paths[0].write_bytes(data)

    return spoil


def float32(value):
    return np.float32(value).tobytes()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (change(80, float32(1.01)), "the spacing of x is 1.00999"),
        (change(292, float32(0.25)), "a corner is 0.75 away from its planned position in sform"),  # srow_x[3]
        (change(276, float32(-0.2)), "away from its planned position in qform"),  # qoffset_z
        (change(42, b"\x0b\x00"), "its shape is"),
        (change(70, b"\x08\x00"), "the output cannot be read back|is not what the mode gives"),
        (lambda paths: paths[0].write_bytes(b""), "the output cannot be read back"),
    ],
    ids=["spacing", "sform", "qform", "shape", "dtype", "empty"],
)
def test_a_wrong_header_of_a_volume_is_withheld(tmp_path, spoil, says):
    volume(tmp_path / "in.nii")
    with pytest.raises(OutputError, match=says):
        attempt(tmp_path / "in.nii", tmp_path / "out.nii", spoil, scale=2)
    assert not (tmp_path / "out.nii").exists()


def test_a_wrong_resolution_of_a_stack_is_withheld(tmp_path):
    def spoil(paths):
        with tifffile.TiffFile(paths[0], mode="r+") as tiff:
            tiff.pages[0].tags[282].overwrite((21, 1))

    stack(tmp_path / "in.tif")
    with pytest.raises(OutputError, match=r"the spacing of x is 0\.47"):
        attempt(tmp_path / "in.tif", tmp_path / "out.tif", spoil, scale=2)


def test_a_wrong_resolution_of_a_picture_is_withheld(tmp_path):
    def spoil(paths):
        with Image.open(paths[0]) as image:
            image.load()
            image.save(paths[0], dpi=(100, 100))

    picture(tmp_path / "in.png")
    with pytest.raises(OutputError, match=r"the spacing of y is 0\.254"):
        attempt(tmp_path / "in.png", tmp_path / "out.png", spoil, scale=2)


def test_a_lossy_picture_may_be_a_little_off_and_not_another(tmp_path):
    ramp = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "in.jpg", quality=90)
    attempt(tmp_path / "in.jpg", tmp_path / "out.jpg", scale=2)
    with pytest.raises(OutputError, match="of their range on average"):
        attempt(tmp_path / "in.jpg", tmp_path / "other.jpg", slabs=lambda slab: 255 - slab, scale=2)


def test_a_lossy_picture_of_another_place_is_withheld(tmp_path):
    y, x = np.mgrid[:120, :160]
    Image.fromarray(((y // 12 + x // 16) % 2 * 120 + y).astype(np.uint8)).save(tmp_path / "in.jpg", quality=90)
    attempt(tmp_path / "in.jpg", tmp_path / "out.jpg", scale=2)
    with pytest.raises(OutputError, match="of their range on average"):
        attempt(tmp_path / "in.jpg", tmp_path / "other.jpg", slabs=lambda slab: np.roll(slab, 30, -1), scale=2)


def test_a_sample_that_is_copied_beside_nan_passes(tmp_path):
    """Sizes for which the weight of NaN is a rounding error in the formula, and zero in the kernel."""
    picture = np.full((3, 17), 5e21, np.float32)
    picture[:, 2] = np.nan
    np.save(tmp_path / "in.npy", picture)
    attempt(tmp_path / "in.npy", tmp_path / "out.npy", scale=3.0)
    result = np.load(tmp_path / "out.npy")
    assert np.isfinite(result[:, 10]).all()
    assert np.isnan(result[:, 6:9]).all()


def test_samples_beside_infinity_pass(tmp_path):
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(15, 10, 19))
    samples[rng.random(samples.shape) < 0.1] = np.inf
    np.save(tmp_path / "in.npy", samples)
    attempt(tmp_path / "in.npy", tmp_path / "out.npy", scale=7.0, mode="box")


def test_a_result_that_is_rounded_to_the_value_of_missing_samples_passes(tmp_path):
    np.save(tmp_path / "in.npy", np.array([[1, 1, 255, 255, 255, 1, 1]], np.uint8))
    upsampled(tmp_path / "in.npy", tmp_path / "out.npy", scale="x=4", mode="cubic", nodata=0.0, verify=True)
    assert (np.load(tmp_path / "out.npy") == 0).any(), "no undershoot is tested"


def test_the_colours_of_copied_transparent_pixels_pass(tmp_path):
    pixels = np.array([[[9, 80, 30, 0], [1, 2, 3, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", mode="area", verify=True)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), pixels.repeat(2, 0).repeat(2, 1))


def test_what_exists_stays_when_its_successor_is_wrong(tmp_path):
    array(tmp_path / "in.npy")
    (tmp_path / "out.npy").write_bytes(b"precious")
    request = asked(verify=True, scale=2)
    with open_source(tmp_path / "in.npy", read_options(request)) as source:
        plan = make_plan(request, source, tmp_path / "in.npy", tmp_path / "out.npy")
        plan = plan._replace(source_path=tmp_path / "other.npy")
        np.save(tmp_path / "other.npy", samples((9, 10), "float32")[::-1])
        with pytest.raises(OutputError, match="--verify"):
            run_plan(plan, source, overwrite=True, check=verify)
    assert (tmp_path / "out.npy").read_bytes() == b"precious"


def test_the_command_exits_with_4(tmp_path):
    array(tmp_path / "in.npy")
    code = (
        "import sys, numpy as np\n"
        "from upsample_cli.formats.npy import NpySink\n"
        "write = NpySink.write\n"
        "NpySink.write = lambda self, paths, arrays: write(self, paths, (map(np.negative, a) for a in arrays))\n"
        "from upsample_cli.cli.command import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, "in.npy", "--scale", "2"]
    done = subprocess.run([*command, "--verify"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "--verify: the sample at" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
