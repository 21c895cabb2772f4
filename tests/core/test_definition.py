"""The formulas behind ``--verify``: they give the rows of the matrices, which they do not share a line with."""

import numpy as np
import pytest

from upsample_cli.core.definition import row
from upsample_cli.core.modes import MODES
from upsample_cli.core.recipe import AxisTarget, make_recipe

SIZES = [(5, 10), (5, 8), (10, 5), (7, 3), (9, 13), (1, 4), (4, 1), (40, 7), (100, 177)]


def dense(bands):
    matrix = np.zeros((bands.out_size, bands.in_size))
    for tap in range(bands.width):
        used = tap < bands.count
        np.add.at(matrix, (np.flatnonzero(used), bands.columns(tap)[used]), bands.taps[used, tap])
    return matrix


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("how", ["size", "factor", "corners", "antialias"])
@pytest.mark.parametrize("name", MODES)
def test_every_row_is_that_of_the_matrix(name, how, n, m):
    mode = MODES[name]
    if (how == "corners" and not mode.align_corners) or (how == "antialias" and mode.filter is None):
        pytest.skip("has no meaning")
    if how == "antialias" and not mode.votes:
        mode = mode.antialiased()
    target = AxisTarget(m, (m + 0.4) / n if how == "factor" else None)
    (step,) = make_recipe([n], [target], mode, how == "corners", np.dtype(np.float32))
    matrix = dense(step.bands)
    for dst in range(m):
        found = row(mode, step.map, dst)
        if mode.picks:
            assert int(matrix[dst].argmax()) in found.samples
            assert len(found.samples) <= 2
            continue
        expected = np.zeros(n)
        np.add.at(expected, list(found.samples), found.weights)
        np.testing.assert_allclose(matrix[dst], expected, atol=2e-6)
