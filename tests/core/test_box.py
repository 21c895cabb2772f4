"""Mode box: each input sample weighs by the part of it that the output sample covers."""

import math

import numpy as np
import pytest

from upsample_cli import interpolate
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.modes import find_mode
from upsample_cli.verify.reference import reference_row


def _covering(n, m, factor=None):
    """The dense matrix: output sample o covers the interval from o·a to (o + 1)·a of the input."""
    a = 1 / factor if factor else n / m
    edges = np.clip(np.arange(m + 1) * a, 0, n)
    cover = np.minimum(edges[1:, None], np.arange(n) + 1) - np.maximum(edges[:-1, None], np.arange(n))
    cover = cover.clip(0)
    return cover / cover.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "m"), [(100, 99), (7, 3), (3, 7), (12, 4), (4, 12), (5, 5), (9, 1), (1, 6), (1000, 37)])
def test_a_sample_is_the_mean_over_what_it_covers(n, m):
    x = np.random.default_rng(0).standard_normal((1, 1, n))
    np.testing.assert_allclose(interpolate(x, size=m, mode="box")[0, 0], _covering(n, m) @ x[0, 0], atol=1e-12)


@pytest.mark.parametrize("factor", [0.37, 1.7, 0.5, 2.0, 0.99])
def test_a_factor_is_kept_where_sizes_are_rounded(factor):
    n = 50
    x = np.random.default_rng(0).standard_normal((1, 1, n))
    expected = _covering(n, math.floor(n * factor), factor) @ x[0, 0]
    np.testing.assert_allclose(interpolate(x, scale_factor=factor, mode="box")[0, 0], expected, atol=1e-12)


def test_whole_factors_average_blocks_along_three_axes():
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 6, 4))
    expected = x.reshape(2, 3, 4, 2, 3, 2, 2, 2).mean(axis=(3, 5, 7))
    np.testing.assert_allclose(interpolate(x, scale_factor=0.5, mode="box"), expected, atol=1e-12)


def test_the_centre_of_mass_stays_in_place():
    """A ramp keeps its values at the positions that the geometry names, which PyTorch's area does not (100 → 99)."""
    ramp = np.arange(100.0)[None, None]
    position = (np.arange(99) + 0.5) * 100 / 99 - 0.5
    assert np.abs(interpolate(ramp, size=99, mode="box")[0, 0] - position)[1:-1].max() < 0.01
    assert np.abs(interpolate(ramp, size=99, mode="area")[0, 0] - position).max() > 0.48


def test_nan_does_not_reach_samples_that_do_not_cover_it():
    x = np.zeros((1, 1, 12))
    x[..., 4] = np.nan
    assert np.flatnonzero(np.isnan(interpolate(x, size=4, mode="box")[0, 0])).tolist() == [1]


@pytest.mark.parametrize("shift", [0.0, 0.3, -2.5])
@pytest.mark.parametrize(("n", "m"), [(10, 7), (7, 10), (64, 5)])
def test_the_reference_of_verify_agrees(n, m, shift):
    mode = find_mode("box")
    plan = plan_axes([n], [AxisTarget(m, m / n, exact=True, shift=shift)], mode, False, np.dtype(np.float64))[0]
    x = np.random.default_rng(0).standard_normal(n)
    for o in range(m):
        row = reference_row(mode, plan.map, o)
        first, count = plan.matrix.first[o], plan.matrix.tap_count[o]
        ours = plan.matrix.taps[o, :count] @ x[np.clip(np.arange(first, first + count), 0, n - 1)]
        assert ours == pytest.approx(np.dot(row.weights, x[list(row.samples)]), abs=1e-9)
