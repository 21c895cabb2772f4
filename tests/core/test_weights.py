import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles.reference import positions
from upsample_cli.core.sampling import axis_map
from upsample_cli.core.weights import BandedMatrix, linear_matrix, nearest_exact_matrix, nearest_matrix


def _linear(n, m, factor=None, align_corners=False):
    return linear_matrix(axis_map(n, m, factor, align_corners), np.arange(m), rounded=True)


def _dense(bands: BandedMatrix) -> np.ndarray:
    matrix = np.zeros((bands.out_size, bands.in_size))
    for row in range(bands.out_size):
        for tap in range(bands.max_taps):
            matrix[row, min(bands.first[row] + tap, bands.in_size - 1)] += bands.taps[row, tap]
    return matrix


@pytest.mark.parametrize(
    ("bands", "first", "taps"),
    [
        (_linear(2, 4), [0, 0, 0, 1], [[1, 0], [0.75, 0.25], [0.25, 0.75], [0.75, 0.25]]),
        (_linear(3, 6), [0, 0, 0, 1, 1, 2], [[1, 0], [0.75, 0.25], [0.25, 0.75], [0.75, 0.25], [0.25, 0.75],
                                             [0.75, 0.25]]),
        (_linear(4, 2), [0, 2], [[0.5, 0.5], [0.5, 0.5]]),
        (_linear(6, 2), [1, 4], [[1, 0], [1, 0]]),
        (_linear(2, 3, 1.6), [0, 0, 1], [[1, 0], [0.5625, 0.4375], [0.9375, 0.0625]]),
        (_linear(3, 5, align_corners=True), [0, 0, 1, 1, 2], [[1, 0], [0.5, 0.5], [1, 0], [0.5, 0.5], [1, 0]]),
        (_linear(5, 3, align_corners=True), [0, 2, 4], [[1, 0], [1, 0], [1, 0]]),
        (_linear(1, 3), [0, 0, 0], [[1, 0], [0.8333333333333333, 0.16666666666666666], [0.5, 0.5]]),
        (_linear(5, 1, align_corners=True), [0], [[1, 0]]),
        (_linear(4, 1), [1], [[0.5, 0.5]]),
    ],
)  # fmt: skip
def test_linear_weights_by_hand(bands, first, taps):
    # Where two taps fall on the same sample, only the sum of their weights has a meaning.
    expected = _dense(BandedMatrix.make(bands.in_size, np.array(first), np.array(taps, float)))
    np.testing.assert_allclose(_dense(bands), expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(bands.first, first)


@pytest.mark.parametrize(
    ("n", "m", "factor", "nearest", "nearest_exact"),
    [
        (2, 4, None, [0, 0, 1, 1], [0, 0, 1, 1]),
        (4, 2, None, [0, 2], [1, 3]),
        (3, 5, None, [0, 0, 1, 1, 2], [0, 0, 1, 2, 2]),
        (5, 3, None, [0, 1, 3], [0, 2, 4]),
        (1, 3, None, [0, 0, 0], [0, 0, 0]),
        (3, 1, None, [0], [1]),
        (3, 3, 1.3, [0, 0, 1], [0, 1, 1]),
        (3, 6, 2.1, [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]),
    ],
)
def test_nearest_samples_by_hand(n, m, factor, nearest, nearest_exact):
    axis = axis_map(n, m, factor)
    for precision in (np.float32, np.float64):
        for bands, expected in (
            (nearest_matrix(axis, np.arange(axis.out_size), precision), nearest),
            (nearest_exact_matrix(axis, np.arange(axis.out_size), precision), nearest_exact),
            (nearest_exact_matrix(axis, np.arange(axis.out_size), precision, via_centre=False), nearest_exact),
        ):
            np.testing.assert_array_equal(bands.first, expected)
            assert bands.copies_samples
            assert bands.taps.shape == (m, 1)


@pytest.mark.parametrize(
    ("n", "m", "differing"),
    [
        (2, 218, {109: 0}),
        (4, 82, {41: 1}),
        (16, 328, {41: 1, 82: 3, 164: 7, 287: 13}),
        (3, 9, {}),
    ],
)
def test_float32_arithmetic_decides_what_is_nearest(n, m, differing):
    axis = axis_map(n, m)
    exact = np.arange(m) * n // m
    np.testing.assert_array_equal(nearest_matrix(axis, np.arange(axis.out_size), np.float64).first, exact)
    single = nearest_matrix(axis, np.arange(axis.out_size), np.float32).first
    assert {int(o): int(single[o]) for o in np.flatnonzero(single != exact)} == differing


def test_the_detour_via_the_centre_decides_what_is_nearest():
    axis = axis_map(4, 82)  # the 21st output lies at 20.5 · 4/82 = 1, but at less with the float32 below 4/82
    assert nearest_exact_matrix(axis, np.arange(axis.out_size), np.float64).first[20] == 1
    assert nearest_exact_matrix(axis, np.arange(axis.out_size), np.float32).first[20] == 1
    assert nearest_exact_matrix(axis, np.arange(axis.out_size), np.float32, via_centre=False).first[20] == 0


def test_only_rows_of_a_single_one_pick():
    first = np.array([0, 1])
    assert BandedMatrix.make(2, first, np.ones((2, 1))).copies_samples
    assert not BandedMatrix.make(2, first, np.array([[1.0], [0.5]])).copies_samples
    assert not BandedMatrix.make(2, first, np.array([[1.0, 0.0], [1.0, 0.0]])).copies_samples


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.integers(1, 60), st.integers(1, 120), st.booleans())
def test_linear_weights_average_neighbours_at_the_right_place(n, m, align_corners):
    bands = _linear(n, m, align_corners=align_corners)
    matrix = _dense(bands)
    assert (np.diff(bands.first) >= 0).all()
    assert 0 <= bands.first.min() <= bands.first.max() < n
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=0, atol=3e-16)
    np.testing.assert_allclose(matrix @ np.arange(n), positions(n, m, align_corners=align_corners), rtol=0, atol=1e-12)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.integers(1, 40), st.integers(1, 90), st.booleans(), st.data())
def test_rows_are_the_rows_of_the_whole(n, m, align_corners, data):
    bands = _linear(n, m, align_corners=align_corners)
    start = data.draw(st.integers(0, m - 1))
    stop = data.draw(st.integers(start + 1, m))
    low, high = bands.input_range(start, stop)
    part = bands.row_slice(start, stop)
    assert 0 <= low < high <= n
    assert (part.in_size, part.out_size) == (high - low, stop - start)
    whole = _dense(bands)[start:stop]
    np.testing.assert_array_equal(_dense(part), whole[:, low:high])
    assert not whole[:, :low].any()
    assert not whole[:, high:].any()
    np.testing.assert_array_equal(part.taps, bands.taps[start:stop])


def test_reads_by_hand():
    doubled = _linear(4, 8)  # first = 0 0 0 1 1 2 2 3
    assert [doubled.input_range(*rows) for rows in ((0, 1), (0, 8), (3, 5), (5, 8), (7, 8))] == [
        (0, 2), (0, 4), (1, 3), (2, 4), (3, 4)
    ]  # fmt: skip


def test_columns_hang_over_the_end():
    doubled = _linear(2, 4)
    assert doubled.columns(0).tolist() == [0, 0, 0, 1]
    assert doubled.columns(1).tolist() == [1, 1, 1, 1]


def test_astype_rounds_the_weights_alone():
    bands = _linear(7, 12)
    single = bands.astype(np.float32)
    assert single.taps.dtype == np.float32
    assert bands.taps.dtype == np.float64
    np.testing.assert_array_equal(single.first, bands.first)
    np.testing.assert_array_equal(single.taps, bands.taps.astype(np.float32))


@pytest.mark.parametrize(
    ("n", "m", "period", "step"),
    [(64, 128, 2, 1), (64, 192, 3, 1), (64, 96, 3, 2), (64, 32, 1, 2), (64, 256, 4, 1), (96, 32, 1, 3)],
)
def test_simple_ratios_have_phases(n, m, period, step):
    bands = _linear(n, m).astype(np.float32)
    phases = bands.phases
    assert phases is not None
    assert (phases.period, phases.step) == (period, step)
    assert phases.stop - phases.start > m * 0.8
    rows = np.arange(phases.start, phases.stop - period)
    np.testing.assert_array_equal(bands.first[rows + period], bands.first[rows] + step)
    np.testing.assert_array_equal(bands.taps[rows + period], bands.taps[rows])
    assert (bands.first[phases.start : phases.stop] + bands.max_taps <= n).all()


@pytest.mark.parametrize(("n", "m"), [(64, 109), (61, 103), (2, 4), (1, 9), (4, 1), (1, 1)])
def test_other_ratios_and_short_axes_have_none(n, m):
    assert _linear(n, m).phases is None
