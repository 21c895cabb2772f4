"""Outputs that cannot be written, or cannot hold the result, are refused, and nothing on disk changes."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli_helpers import ONE_OF_EACH_FAMILY, invoke, listing, not_as_root, ramp, refuse, run, size_of
from tests.samples import SAMPLES

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


@pytest.mark.parametrize("output", ["icon.png/out.png", "icon.png/out/", "icon.png/{stem}{ext}"])
def test_an_output_directory_that_is_a_file(sample, output):
    refuse(sample("icon.png"), "--scale", 2, "-o", output, code=4, says=("icon.png", "Not a directory"))


def test_no_directory_is_left_behind_when_a_file_cannot_be_read(folder):
    (folder / "cut.png").write_bytes((SAMPLES / "icon.png").read_bytes()[:1000])
    refuse("cut.png", "--scale", 2, "-o", "new/deep/out.png", code=3)
    refuse("none.png", "--scale", 2, "-o", "new/", code=3)


def test_an_empty_output_is_refused(folder, sample):
    """As from ``-o "$UNSET"``: it must not become the root of the file system."""
    refuse(sample("icon.png"), "--scale", 2, "-o", "", "--dry-run", code=2, says="--output")


def test_an_output_that_is_a_directory_of_the_very_name(folder, sample):
    (folder / "icon_upsampled.png").mkdir()
    refuse(sample("icon.png"), "--scale", 2, code=4, says=("icon_upsampled.png", "is a directory"))
    refuse("icon.png", "--scale", 2, "--overwrite", code=4, says=("icon_upsampled.png", "is a directory"))


@pytest.mark.parametrize("name", ["out", "out.", "out.xyz", "out.txt", "out.nii.bz2", "out.nii.zst", ".png"])
def test_an_output_of_no_known_format(sample, name):
    error = refuse(sample("icon.png"), "--scale", 2, "-o", name, code=4)
    assert name in error
    assert "png" in error


@pytest.mark.parametrize(
    ("name", "output", "remedy"),
    [
        ("icon.png", "out.jpg", ".png"),  # alpha
        ("depth16.png", "out.jpg", ".png"),  # 16 bits
        ("depth16.png", "out.webp", ".png"),
        ("depth16.png", "out.gif", ".png"),
        ("depth16.png", "out.avif", ".png"),
        ("icon.png", "out.ppm", ".png"),
        ("depth16.png", "out.bmp", ".png"),
        ("brain.nii.gz", "out.png", ".tif"),  # three axes
        ("stack_imagej.tif", "out.png", ".tif"),
        ("signal.npy", "out.png", ".npy"),  # one axis
    ],
)
def test_an_output_that_cannot_hold_the_samples(sample, name, output, remedy):
    error = refuse(sample(name), "--scale", 2, "-o", output, code=4, says=(output, "write "))
    assert remedy in error.split("write ")[1]


@pytest.mark.parametrize(
    ("dtype", "output"),
    [
        ("float32", "out.png"),
        ("float64", "out.png"),
        ("float64", "out.jpg"),
        ("int64", "out.png"),
        ("int8", "out.png"),
        ("uint32", "out.png"),
        ("complex64", "out.png"),
        ("float16", "out.png"),
        ("float16", "out.ome.tif"),
        ("int64", "out.ome.tif"),
        ("float32", "out.webp"),
        ("float32", "out.gif"),
        ("int32", "out.webp"),
    ],
)
def test_an_output_that_cannot_hold_the_dtype(dtype, output):
    np.save("in.npy", ramp(3, 4, dtype=dtype))
    refuse("in.npy", "--scale", 2, "-o", output, code=4, says=(output, "write "))


@pytest.mark.skipif(np.dtype("longdouble").itemsize <= 8, reason="longdouble is float64 here")
@pytest.mark.parametrize("dtype", ["longdouble", "clongdouble"])
def test_wide_floats_do_not_become_a_tiff_that_nobody_reads(dtype):
    np.save("in.npy", ramp(3, 4, dtype=dtype))
    refuse("in.npy", "--scale", 2, "-o", "out.tif", code=4, says=("out.tif", "write .npy"))


def test_cmyk_stays_cmyk():
    Image.new("CMYK", (4, 4), (10, 200, 30, 40)).save("in.jpg")
    run("in.jpg", "--scale", 2, "-o", "out.tif")
    with Image.open("out.tif") as image:
        assert image.mode == "CMYK"


@pytest.mark.parametrize("channels", [2, 5])
def test_an_output_that_cannot_hold_the_channels(channels):
    np.save("in.npy", ramp(3, 4, channels, dtype="uint8"))
    refuse("in.npy", "--scale", 2, "--axes", "yxs", "-o", "out.jpg", code=4, says=("out.jpg", "write "))


@pytest.mark.parametrize(("output", "limit"), [("out.jpg", 65_500), ("out.webp", 16_383), ("out.gif", 65_535)])
def test_an_output_that_cannot_be_so_long(output, limit):
    np.save("in.npy", np.zeros((1, 2), np.uint8))
    refuse("in.npy", "--size", f"x={limit + 1}", "-o", output, code=4, says=(output, f"{limit:,}", "write "))


@pytest.mark.parametrize("ext", [".png", ".jpg", ".webp", ".bmp", ".gif", ".tif", ".ppm", ".tga"])
def test_a_picture_has_the_size_that_was_asked_for(sample, ext):
    run(sample("cat_rotated.jpg"), "--size", "100x70", "-o", f"out{ext}")
    with Image.open(f"out{ext}") as image:
        assert image.size == (100, 70)


def test_a_long_side_is_no_problem_for_a_png():
    np.save("in.npy", np.zeros((1, 2), np.uint8))
    run("in.npy", "--size", "x=70000", "-o", "out.png")
    assert size_of("out.png") == (70_000, 1)


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_a_read_only_directory(public, name):
    folder = public
    (folder / name).write_bytes((SAMPLES / name).read_bytes())
    (folder / "warm").mkdir()
    run(name, "--scale", 2, "-o", "warm/")
    (folder / "locked").mkdir(mode=0o555)
    before = listing(folder)
    with not_as_root():
        result = run(name, "--scale", 2, "-o", "locked/", code=4)
    assert result.stderr.startswith(f"Error: locked/{name}: cannot be written: Permission denied\n")
    assert listing(folder) == before


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_a_name_that_is_too_long(sample, name):
    ext = next(ext for ext in (".ome.tif", ".nii.gz", Path(name).suffix) if name.endswith(ext))
    long = "x" * (256 - len(ext)) + ext
    refuse(sample(name), "--scale", 2, "-o", long, code=4, says=long)


def test_a_default_name_that_is_too_long(sample):
    refuse(sample("icon.png", "x" * 250 + ".png"), "--scale", 2, code=4, says="x" * 250)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_output_that_is_no_regular_file_is_not_replaced(folder, sample):
    """As a link to a device: it must not become a regular file."""
    os.mkfifo(folder / "pipe.png")
    before = (folder / "pipe.png").stat().st_mode
    invoke(sample("icon.png"), "--scale", "2", "-o", "pipe.png", "--overwrite")
    assert (folder / "pipe.png").stat().st_mode == before
