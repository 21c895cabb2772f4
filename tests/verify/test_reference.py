"""The formulas behind ``--verify``: they give the rows of the matrices, which they do not share a line with."""

import numpy as np
import pytest

from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.modes import MODES
from upsample_cli.verify.reference import reference_row

SIZES = [(5, 10), (5, 8), (10, 5), (7, 3), (9, 13), (1, 4), (4, 1), (40, 7), (100, 177)]


def dense(bands):
    matrix = np.zeros((bands.out_size, bands.in_size))
    for tap in range(bands.max_taps):
        used = tap < bands.tap_count
        np.add.at(matrix, (np.flatnonzero(used), bands.columns(tap)[used]), bands.taps[used, tap])
    return matrix


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("how", ["size", "factor", "corners", "antialias"])
@pytest.mark.parametrize("name", MODES)
def test_every_row_is_that_of_the_matrix(name, how, n, m):
    mode = MODES[name]
    if (how == "corners" and not mode.allows_align_corners) or (how == "antialias" and mode.antialias_kernel is None):
        pytest.skip("has no meaning")
    if how == "antialias" and not mode.is_label_mode:
        mode = mode.antialiased()
    target = AxisTarget(m, (m + 0.4) / n if how == "factor" else None)
    (step,) = plan_axes([n], [target], mode, how == "corners", np.dtype(np.float32))
    matrix = dense(step.matrix)
    for dst in range(m):
        found = reference_row(mode, step.map, dst)
        if mode.copies_samples:
            assert int(matrix[dst].argmax()) in found.samples
            assert len(found.samples) <= 2
            continue
        expected = np.zeros(n)
        np.add.at(expected, list(found.samples), found.weights)
        np.testing.assert_allclose(matrix[dst], expected, atol=2e-6)
