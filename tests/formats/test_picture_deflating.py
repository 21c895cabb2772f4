"""The quick ways to compress a PNG: taken where they are quick and small, and the samples are the same."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.formats.through import upsampled
from upsample_cli import interpolate
from upsample_cli.formats.picture.deflating import encode, quick_strategy


def photograph(channels, side=96):
    """Smooth colours with the noise of a camera."""
    rng = np.random.default_rng(channels)
    coarse = rng.integers(0, 256, (1, channels, side // 12, side // 12)).astype(np.float64)
    smooth = interpolate(coarse, size=(side, side), mode="bicubic")[0].transpose(1, 2, 0)
    return (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).astype(np.uint8)


def drawing(channels):
    """Flat areas with sharp edges."""
    y, x = np.mgrid[:96, :96]
    disc = np.where(np.hypot(y - 48, x - 48) < 30, 200, 30) + (x // 24) * 5
    return np.stack([disc] * channels, -1).astype(np.uint8)


def deep(array):
    """In 16 bits, of which the lower ones are the noise of a camera."""
    return array.astype(np.uint16) * 256 + np.random.default_rng(0).integers(0, 256, array.shape, np.uint16)


def resized(array, factor, mode):
    return interpolate(array.transpose(2, 0, 1)[None], scale_factor=factor, mode=mode)[0].transpose(1, 2, 0)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("factor", [0.7, 1.5, 2, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("make", [photograph, drawing])
def test_files_are_hardly_larger_than_pillows_own(tmp_path, make, channels, factor, mode):
    array = make(channels).squeeze()
    Image.fromarray(array).save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale=factor, mode=mode, provenance=False)
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        by_pillow = io.BytesIO()
        image.save(by_pillow, "PNG")
    assert (tmp_path / "out.png").stat().st_size <= 1.05 * len(by_pillow.getvalue()) + 100


@pytest.mark.parametrize(
    ("frame", "quick"),
    [
        (resized(photograph(3), 2, "bilinear"), True),
        (resized(photograph(4), 2, "bilinear"), True),
        (resized(photograph(1), 2, "bilinear")[..., 0], True),
        (deep(photograph(3)), True),
        (resized(photograph(3), 2, "nearest"), False),
        (drawing(3), False),
        (np.indices((80, 80)).sum(0).astype(np.uint8) % 2 * 255, False),
        (np.tile(np.random.default_rng(0).permutation(16).astype(np.uint8).reshape(4, 4) * 15, (20, 20)), False),
        (np.tile(np.arange(640, dtype=np.uint16) * 100, (80, 1)), False),
        (np.zeros((40, 40, 3), np.uint8), False),
        (np.zeros((40, 1, 3), np.uint8), False),
        (np.zeros((40, 40), bool), False),
    ],
    ids=[
        "RGB",
        "RGBA",
        "L",
        "16 bits",
        "nearest",
        "drawing",
        "checkerboard",
        "dither",
        "ramp",
        "black",
        "one column",
        "bits",
    ],
)
def test_what_does_not_repeat_is_not_searched(frame, quick):
    assert (quick_strategy(frame) is not None) == quick


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "uint16"])
def test_the_samples_are_the_same(dtype):
    frame = photograph(3) if dtype == "uint8" else deep(photograph(3)).astype(dtype)
    np.testing.assert_array_equal(imagecodecs.png_decode(encode(frame, **quick_strategy(frame))), frame)
