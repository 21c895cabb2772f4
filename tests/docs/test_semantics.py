"""What docs/semantics.md says of sizes, spacings and positions, and of the agreement with PyTorch, is so."""

import math
import re

import numpy as np
import pytest

from tests.docs.pages import ROOT, SEMANTICS, rows, section, text_of
from upsample_cli import interpolate, upsample_files

SAMPLES = ROOT / "sample_data"
SIZE, SPACING = 48, 3.5  # of axis x of brain.nii.gz
TARGETS = {  # by the row of the table: the options, and the size and spacing that it gives
    "--scale F": ({"scale": "1.3"}, math.floor(SIZE * 1.3), SPACING / 1.3),
    "--scale F --recompute-scale-factor": (
        {"scale": "1.3", "recompute_scale_factor": True},
        math.floor(SIZE * 1.3),
        SPACING * SIZE / 62,
    ),
    "--size N`, `--width N`, `--height N": ({"size": "x=100"}, 100, SPACING * SIZE / 100),
    "--fit BOX": ({"fit": "60x65x65"}, 56, SPACING * SIZE / 56),  # 65/56 of y is the smallest factor
    "--cover BOX": ({"cover": "30x40"}, 30, SPACING * SIZE / 34),  # 40/56 of y is the largest factor; 34 is cropped
    "--spacing D": ({"spacing": "1.1"}, round(SIZE * SPACING / 1.1), 1.1),
    "--isotropic": ({"isotropic": "coarsest"}, round(SIZE * SPACING / 5.5), 5.5),
    "--like FILE": ({"like": SAMPLES / "fmri.nii"}, 20, 8.0),
}
STAYING = {"--scale F --recompute-scale-factor", "--size N`, `--width N`, `--height N", "--fit BOX"}


def _resized(name, **options):
    (result,) = upsample_files(SAMPLES / name, dry_run=True, **options)
    return result


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_decides_size_spacing_and_edges(target):
    options, size, spacing = TARGETS[target]
    result = _resized("brain.nii.gz", **options)
    assert result.error is None
    axis = result.after.grid["x"]
    assert axis.size == size
    assert axis.spacing == pytest.approx(spacing, rel=1e-6)
    first = result.after.grid.affines["sform"] @ [-0.5, -0.5, -0.5, 1]
    if target not in ("--like FILE", "--cover BOX"):
        assert first == pytest.approx(result.before.grid.affines["sform"] @ [-0.5, -0.5, -0.5, 1], abs=1e-4)
    off = axis.size * axis.spacing - SIZE * SPACING  # of the outer edge of the last sample
    if target in STAYING:
        assert off == pytest.approx(0, abs=1e-4)
    elif target == "--scale F":
        assert -axis.spacing < off <= 0
    elif target in ("--spacing D", "--isotropic"):
        assert abs(off) <= axis.spacing / 2


def test_every_target_is_in_the_table():
    table = rows(section(text_of(SEMANTICS), "Size, spacing and position"))
    named = {row[0].strip("`") for row in table}
    assert {*TARGETS, "--pair RULE"} <= named


@pytest.mark.parametrize("options", [{"scale": "2"}, {"size": "100x100x100"}, {"spacing": "1"}])
def test_aligned_corners_stay_and_set_the_spacing(options):
    axis = _resized("brain.nii.gz", align_corners=True, **options).after.grid["x"]
    assert axis.spacing == pytest.approx(SPACING * (SIZE - 1) / (axis.size - 1), rel=1e-6)


@pytest.mark.parametrize("name", ["signal.npy", "stack_plain.tif", "palette.png"])
def test_a_file_without_spacing_has_no_target_spacing(name):
    (result,) = upsample_files(SAMPLES / name, dry_run=True, spacing="1")
    assert "the file has no spacing" in str(result.error)


def test_arrays_and_pictures_take_the_size_of_a_reference_alone():
    assert _resized("signal.npy", like=SAMPLES / "cat.jpg").after.grid.shape == (451,)
    assert _resized("icon.png", like=SAMPLES / "cat.jpg").after.grid.shape == (300, 451, 4)


@pytest.mark.parametrize(
    "options", [{"scale_factor": 1.7, "mode": "bicubic"}, {"scale_factor": 1.7, "mode": "bilinear"}]
)
def test_float32_is_nearer_to_float64_of_torch_than_its_own_float32(options):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random((1, 3, 480, 640), np.float32)
    tensor = torch.from_numpy(x)
    truth = torch.nn.functional.interpolate(tensor.double(), **options).numpy()
    largest = np.abs(truth).max()
    ours = np.abs(interpolate(x, **options) - truth).max() / largest
    theirs = np.abs(torch.nn.functional.interpolate(tensor, **options).numpy() - truth).max() / largest
    low, high = map(
        float, re.findall(r"(\de-5) to\s+(\de-5)", section(text_of(SEMANTICS), "Agreement with PyTorch"))[0]
    )
    assert ours < 3e-7
    assert low / 2 < theirs < 2 * high
