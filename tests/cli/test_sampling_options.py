"""Sampling options, by values that can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli_helpers import ONE_OF_EACH_FAMILY, ramp, refuse, run, size_of

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scale", 2], [0, 1, 3, 4]),
        (["--scale", 2, "--no-align-corners"], [0, 1, 3, 4]),
        (["--size", 3, "--align-corners"], [0, 2, 4]),
        (["--size", 5, "--align-corners"], [0, 1, 2, 3, 4]),
        (["--scale", 2, "--mode", "linear"], [0, 1, 3, 4]),
        (["--scale", 2, "--mode", "nearest"], [0, 0, 4, 4]),
        (["--size", 3, "--mode", "nearest"], [0, 0, 4]),
        (["--size", 3, "--mode", "nearest-exact"], [0, 4, 4]),
    ],
)
def test_two_samples(options, expected):
    np.save("in.npy", np.array([0.0, 4.0]))
    run("in.npy", *options)
    np.testing.assert_allclose(np.load("in_upsampled.npy"), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("options", "a"), [([], 1 / 1.3), (["--recompute-scale-factor"], 4 / 5)], ids=["given", "recomputed"]
)
def test_recompute_scale_factor(options, a):
    np.save("in.npy", np.arange(4.0))
    run("in.npy", "--scale", 1.3, *options)
    positions = a * (np.arange(5) + 0.5) - 0.5
    np.testing.assert_allclose(np.load("in_upsampled.npy"), np.clip(positions, 0, 3), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("shape", "mode"), [((3, 4), "bilinear"), ((3, 4, 5), "trilinear")])
def test_modes_that_name_the_number_of_axes_are_linear(shape, mode):
    np.save("in.npy", ramp(*shape))
    run("in.npy", "--scale", 2, "-o", "linear.npy")
    run("in.npy", "--scale", 2, "--mode", mode, "-o", "named.npy")
    assert Path("named.npy").read_bytes() == Path("linear.npy").read_bytes()


def test_bilinear_fits_a_volume_of_which_two_axes_are_resized():
    np.save("in.npy", ramp(2, 3, 4))
    for number, scale in enumerate(("x=2,y=2", "2,2,1")):
        run("in.npy", "--scale", scale, "--mode", "bilinear", "-o", f"{number}.npy")
        assert np.load(f"{number}.npy").shape == (2, 6, 8)


@pytest.mark.parametrize(
    ("shape", "mode", "remedy"),
    [((4,), "bilinear", "linear"), ((4, 4), "trilinear", "bilinear"), ((4, 4, 4), "bilinear", "trilinear")],
)
def test_a_mode_that_does_not_fit_the_axes_says_which_would(shape, mode, remedy):
    np.save("in.npy", ramp(*shape))
    error = refuse("in.npy", "--scale", 2, "--mode", mode, code=2, says=("in.npy", repr(mode)))
    assert repr(remedy) in error.split("use ")[1]


def test_colours_are_weighted_by_alpha_unless_that_is_declined():
    Image.fromarray(np.array([[[255, 0, 0, 255], [0, 255, 0, 0]]], np.uint8)).save("in.png")
    run("in.png", "--scale", "4,1", "-o", "weighted.png")
    run("in.png", "--scale", "4,1", "--no-premultiply", "-o", "plain.png")
    weighted, plain = (np.asarray(Image.open(name))[0].astype(int) for name in ("weighted.png", "plain.png"))
    assert np.array_equal(weighted[:, 3], plain[:, 3])
    visible = weighted[:, 3] > 0
    assert visible.sum() > 4
    assert np.array_equal(weighted[visible, :3], np.broadcast_to([255, 0, 0], (visible.sum(), 3)))
    fractions = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    assert np.abs(plain[:, 1] - 255 * fractions).max() <= 0.5


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_every_mode_on_every_family(sample, name, mode):
    run(sample(name), "--scale", 2, "--mode", mode, "-o", "out{ext}")
    (out,) = Path().glob("out*")
    before, after = size_of(name), size_of(out)
    assert all(new in (old, 2 * old) for old, new in zip(before, after, strict=True))
    assert after != before
