"""Output sizes by ``--scale``, ``--size``, ``--spacing``, ``--fit``, ``--like`` and ``--axes``."""

import numpy as np
import pytest

from tests.cli_helpers import ramp, run, size_of
from tests.samples import SAMPLES

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory

PICTURE = [  # of 64×64, or where DPI are needed of 128×96 at 300 dpi
    ("icon.png", ["--scale", "2"], (128, 128)),
    ("icon.png", ["--scale", "2.5,0.5"], (160, 32)),
    ("icon.png", ["--scale", "x=2"], (128, 64)),
    ("icon.png", ["--scale", "y=3,x=2"], (128, 192)),
    ("icon.png", ["--scale=1.99"], (127, 127)),
    ("icon.png", ["--size", "100x50"], (100, 50)),
    ("icon.png", ["--size", "100,50"], (100, 50)),
    ("icon.png", ["--size", "100×50"], (100, 50)),
    ("icon.png", ["--size", "70"], (70, 70)),
    ("icon.png", ["--size", "y=7"], (64, 7)),
    ("icon.png", ["--fit", "200x100"], (100, 100)),
    ("icon.png", ["--fit", "y=32"], (32, 32)),
    ("icon.png", ["--like", "depth16.png"], (128, 96)),
    ("depth16.png", ["--fit", "1000"], (1000, 750)),
    ("depth16.png", ["--fit", "64x64"], (64, 48)),
    ("depth16.png", ["--spacing", "0.0423334"], (256, 192)),
    ("depth16.png", ["--spacing", "0.0423334,0.0846668"], (256, 96)),
    ("depth16.png", ["--spacing", "y=0.0423334"], (128, 192)),
]
STACK = [  # t z c y x = 2 6 2 48 64, spaced 0.5 µm along z and 0.2 µm along y and x
    ("stack_imagej.tif", ["--scale", "2"], (2, 12, 2, 96, 128)),
    ("stack_imagej.tif", ["--scale", "2,1,3"], (2, 18, 2, 48, 128)),
    ("stack_imagej.tif", ["--scale", "z=2,y=0.5"], (2, 12, 2, 24, 64)),
    ("stack_imagej.tif", ["--scale", "t=2"], (4, 6, 2, 48, 64)),
    ("stack_imagej.tif", ["--size", "32x24x3"], (2, 3, 2, 24, 32)),
    ("stack_imagej.tif", ["--size", "z=7"], (2, 7, 2, 48, 64)),
    ("stack_imagej.tif", ["--spacing", "0.1"], (2, 30, 2, 96, 128)),
    ("stack_imagej.tif", ["--spacing", "0.1,0.2,0.25"], (2, 12, 2, 48, 128)),
    ("stack_imagej.tif", ["--spacing", "z=0.2"], (2, 15, 2, 48, 64)),
    ("stack_imagej.tif", ["--fit", "128x128x12"], (2, 12, 2, 96, 128)),
    ("stack_imagej.tif", ["--like", "stack_ome.ome.tif"], (2, 8, 2, 40, 56)),
    ("stack_ome.ome.tif", ["--scale", "2"], (2, 16, 80, 112)),
    ("stack_ome.ome.tif", ["--spacing", "0.5"], (2, 16, 20, 28)),
    ("stack_plain.tif", ["--scale", "z=2"], (10, 40, 50)),
    ("stack_plain.tif", ["--size", "25x20x5"], (5, 20, 25)),
]
VOLUME = [  # x y z = 48 56 32, spaced 3.5 3.5 5.5 mm; the series x y z t = 20 24 14 6
    ("brain.nii.gz", ["--scale", "2"], (96, 112, 64)),
    ("brain.nii.gz", ["--scale", "1,2,0.5"], (48, 112, 16)),
    ("brain.nii.gz", ["--scale", "z=2"], (48, 56, 64)),
    ("brain.nii.gz", ["--size", "10x20x30"], (10, 20, 30)),
    ("brain.nii.gz", ["--size", "x=96"], (96, 56, 32)),
    ("brain.nii.gz", ["--spacing", "3.5"], (48, 56, 50)),
    ("brain.nii.gz", ["--spacing", "7,3.5,11"], (24, 56, 16)),
    ("brain.nii.gz", ["--spacing", "z=2.75"], (48, 56, 64)),
    ("brain.nii.gz", ["--fit", "96x96x96"], (82, 96, 55)),
    ("brain.nii.gz", ["--like", "fmri.nii"], (20, 24, 14)),
    ("fmri.nii", ["--scale", "2"], (40, 48, 28, 6)),
    ("fmri.nii", ["--scale", "t=2"], (20, 24, 14, 12)),
    ("fmri.nii", ["--like", "brain.nii.gz"], (48, 56, 32, 6)),
]
ARRAY = [
    ("signal.npy", ["--scale", "2"], (400,)),
    ("signal.npy", ["--size", "x=1000"], (1000,)),
    ("signal.npy", ["--size", "7"], (7,)),
    ("signal.npy", ["--fit", "50"], (50,)),
    ("signal.npy", ["--like", "stack_plain.tif"], (50,)),
]


@pytest.mark.parametrize(
    ("name", "options", "size"),
    PICTURE + STACK + VOLUME + ARRAY,
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_sizes(sample, name, options, size):
    sample(name)
    if options[0] == "--like":
        options = ["--like", SAMPLES / options[1]]
    ext = next(ext for ext in (".ome.tif", ".tif", ".nii.gz", ".nii", ".npy", ".png") if name.endswith(ext))
    run(name, *options, "-o", f"out{ext}")
    assert size_of(f"out{ext}") == size


def test_arrays_are_t_c_z_y_x_unless_they_are_named():
    np.save("four.npy", ramp(2, 3, 4, 5))
    for axes, shape in [
        (None, (2, 6, 8, 10)),
        ("tzyx", (2, 6, 8, 10)),
        ("zcyx", (4, 3, 8, 10)),
        ("zyxs", (4, 6, 8, 5)),
    ]:
        run("four.npy", "--scale", 2, *(["--axes", axes] if axes else []), "--overwrite")
        assert np.load("four_upsampled.npy").shape == shape
    np.save("five.npy", ramp(2, 2, 3, 4, 5))
    run("five.npy", "--scale", "c=2,t=3", "--axes", "tczyx")
    assert np.load("five_upsampled.npy").shape == (6, 4, 3, 4, 5)


def test_axes_name_the_pages_of_a_stack(sample):
    run(sample("stack_plain.tif"), "--scale", 2, "--axes", "tyx", "-o", "time.tif")
    assert size_of("time.tif") == (5, 80, 100)


def test_axes_of_a_file_that_names_its_own_are_ignored_with_a_warning(sample):
    assert "Warning: fmri.nii: --axes" in run(sample("fmri.nii"), "--scale", 2, "--axes", "tzyx").stderr
    assert size_of("fmri_upsampled.nii") == (40, 48, 28, 6)
