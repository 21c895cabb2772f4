"""Missing samples get no weight, and an output that is mostly made of them is missing too."""

import numpy as np
import pytest
from click.testing import CliRunner

from upsample_cli.cli.command import main
from upsample_cli.pipeline import array_plan

NODATA = -9999.0


def _resize(tmp_path, array, *options):
    np.save(tmp_path / "in.npy", array)
    done = CliRunner().invoke(
        main, [str(tmp_path / "in.npy"), "--axes", "tzyx"[4 - array.ndim :], "-o", str(tmp_path / "out.npy"), *options]
    )
    assert done.exit_code == 0, done.output
    return np.load(tmp_path / "out.npy")


def _weighted(array, valid, *options, tmp_path):
    """The same by two resamplings: of values where they are present, and of the weight of what is present."""
    values = _resize(tmp_path, np.where(valid, array, 0).astype(np.float64), *options, "--overwrite")
    weights = _resize(tmp_path, valid.astype(np.float64), *options, "--overwrite")
    return values, weights


@pytest.mark.parametrize(
    "options",
    [
        ["--scale", "2"],
        ["--scale", "0.37", "--antialias"],
        ["--scale", "1.7", "--mode", "cubic"],
        ["--scale", "0.6", "--mode", "box"],
        ["--scale", "0.5", "--mode", "area"],
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.parametrize("missing", [NODATA, np.nan])
def test_missing_samples_get_no_weight(tmp_path, options, dtype, missing):
    if dtype == np.int16 and np.isnan(missing):
        pytest.skip("integers cannot be NaN")
    random = np.random.default_rng(0)
    valid = random.random((30, 40)) > 0.3
    array = np.where(valid, random.integers(0, 1000, (30, 40)), missing).astype(dtype)
    ours = _resize(tmp_path, array, *options, "--nodata", str(missing), "--verify")
    values, weights = _weighted(array, valid, *options, tmp_path=tmp_path)
    certain = np.abs(weights - 0.5) > 1e-4
    is_missing = np.isnan(ours) if np.isnan(missing) else ours == missing
    np.testing.assert_array_equal(is_missing[certain], (weights < 0.5)[certain])
    present = certain & (weights > 0.5)
    expected = (values / np.where(weights == 0, 1, weights))[present]
    np.testing.assert_allclose(ours[present], expected, rtol=1e-5, atol=0.52 if dtype == np.int16 else 1e-2)


def test_a_hole_beside_a_value_does_not_leak(tmp_path):
    array = np.array([[100.0, 100, NODATA, NODATA]])
    ours = _resize(tmp_path, array, "--size", "8x1", "--nodata", "-9999")
    np.testing.assert_array_equal(ours[0], [100, 100, 100, 100, NODATA, NODATA, NODATA, NODATA])


def test_without_the_option_the_value_is_a_number_like_any(tmp_path):
    array = np.array([[100.0, NODATA]])
    assert _resize(tmp_path, array, "--size", "4x1").min() < -7000


def test_slabs_do_not_matter(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    array = random.standard_normal((24, 100, 80)).astype(np.float32)
    array[random.random(array.shape) > 0.8] = np.nan
    whole = _resize(tmp_path, array, "--scale", "0.5", "--nodata", "nan", "--threads", "1")
    monkeypatch.setattr(array_plan, "_SLAB_BYTES", 1 << 16)
    parts = _resize(tmp_path, array, "--scale", "0.5", "--nodata", "nan", "--overwrite")
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("text", ["many", ""])
def test_a_word_that_is_no_number_is_refused(tmp_path, text):
    np.save(tmp_path / "in.npy", np.zeros((4, 4)))
    done = CliRunner().invoke(main, [str(tmp_path / "in.npy"), "--scale", "2", "--nodata", text])
    assert done.exit_code == 2
    assert "--nodata" in done.stderr
