import numpy as np
import pytest

from upsample_cli.core.sampling import AxisMap, axis_map, scaled_size


@pytest.mark.parametrize(
    ("in_size", "out_size", "scale_factor", "align_corners", "a", "b"),
    [
        # the outer edges coincide: a = n/m, b = (a − 1)/2
        (4, 8, None, False, 0.5, -0.25),
        (8, 4, None, False, 2.0, 0.5),
        (4, 16, None, False, 0.25, -0.375),
        (2, 3, None, False, 2 / 3, -1 / 6),
        (5, 5, None, False, 1.0, 0.0),
        (1, 4, None, False, 0.25, -0.375),
        (4, 1, None, False, 4.0, 1.5),
        # a given factor has precedence over the ratio of the sizes
        (5, 8, 1.6, False, 0.625, -0.1875),
        (3, 4, 1.6, False, 0.625, -0.1875),
        (5, 5, 1.25, False, 0.8, -0.1),
        # the first and the last samples coincide: a = (n − 1)/(m − 1), b = 0
        (3, 5, None, True, 0.5, 0.0),
        (5, 3, None, True, 2.0, 0.0),
        (5, 5, None, True, 1.0, 0.0),
        (5, 9, 1.8, True, 0.5, 0.0),  # the factor has no influence
        # one sample on either side has no two corners: the extent stays, and the spacing is positive
        (5, 1, None, True, 0.0, 0.0),
        (1, 5, None, True, 0.2, -0.4),
        (1, 5, 5.5, True, 0.2, -0.4),
        (1, 1, None, True, 1.0, 0.0),
        (1, 1, None, False, 1.0, 0.0),
    ],
)
def test_the_map_of_an_axis(in_size, out_size, scale_factor, align_corners, a, b):
    axis = axis_map(in_size, out_size, scale_factor, align_corners)
    assert (axis.in_size, axis.out_size) == (in_size, out_size)
    assert axis.a == pytest.approx(a, rel=1e-15)
    assert axis.b == pytest.approx(b, rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("n", "m"), [(4, 8), (8, 4), (5, 1), (1, 5), (7, 13), (1009, 2003)])
def test_source_is_a_dst_plus_b(n, m, align_corners):
    axis = axis_map(n, m, align_corners=align_corners)
    dst = np.arange(m, dtype=np.float64)
    np.testing.assert_allclose(axis.source(dst), axis.a * dst + axis.b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(4, 8), (8, 3), (7, 13)])
def test_what_coincides(n, m):
    edges = np.array([-0.5, m - 0.5])
    np.testing.assert_allclose(axis_map(n, m).source(edges), [-0.5, n - 0.5], rtol=1e-14)
    corners = np.array([0.0, m - 1.0])
    np.testing.assert_allclose(axis_map(n, m, align_corners=True).source(corners), [0, n - 1], rtol=1e-14)


@pytest.mark.parametrize(
    ("axis", "identity"),
    [
        (AxisMap(5, 5), True),
        (axis_map(5, 5), True),
        (axis_map(5, 5, 1.0), True),
        (axis_map(5, 5, align_corners=True), True),
        (axis_map(1, 1, align_corners=True), True),
        (axis_map(5, 5, 1.1), False),
        (axis_map(5, 6, 1.0), False),
        (axis_map(5, 6), False),
    ],
)
def test_identity(axis, identity):
    assert axis.is_identity is identity


@pytest.mark.parametrize(
    ("n", "factor", "size"),
    [(4, 2, 8), (3, 1.3, 3), (10, 1.7, 17), (11, 0.6, 6), (3, 2.1, 6), (10, 0.1, 1), (1, 1, 1), (3, 1 / 3, 1),
     (100, 1.1, 110), (10, 1.1, 11), (197, 0.58, 114)],
)  # fmt: skip
def test_scaled_size(n, factor, size):
    assert scaled_size(n, factor) == size
    assert isinstance(scaled_size(n, factor), int)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (float("nan"), "positive finite number, got nan"),
        (float("inf"), "positive finite number, got inf"),
        (float("-inf"), "positive finite number, got -inf"),
        (0.0, "positive finite number, got 0"),
        (-0.5, "positive finite number, got -0.5"),
        (0.2, "a scale factor of 0.2 on an axis of 4 leaves no sample"),
        (1e308 * 1.7, "gives an impossible size"),
    ],
)
def test_impossible_factors(factor, message):
    with pytest.raises(ValueError, match=message):
        scaled_size(4, factor)
