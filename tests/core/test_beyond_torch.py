"""The kernels spelt out weight by weight, in one, two and three dimensions, and the laws that they obey."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import cases, reference
from tests.oracles.compare import assert_close, assert_same_bits
from upsample_cli import interpolate

LAW = settings(deadline=None, derandomize=True, max_examples=150)
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_SHARP, _SMOOTH = partial(reference.keys, a=-0.75), partial(reference.keys, a=-0.5)
_STRETCHED = {"linear": reference.tent, "cubic": _SMOOTH, "lanczos": reference.windowed_sinc}
WAYS = [
    *((mode, antialias) for mode in ("linear", "cubic", "lanczos") for antialias in (False, True)),
    ("area", False),
]


def _matrix(mode, antialias, n, m, align_corners):
    """The definition of each mode in words: its kernel, where it lies, and what is beyond the border."""
    if n == m:  # samples in their places stay as they are
        return np.eye(n)
    if mode == "area":
        return reference.area(n, m)
    aligned = bool(align_corners) and n > 1
    step = ((n - 1) / (m - 1) if m > 1 else 0.0) if aligned else n / m
    dst = np.arange(m)
    if antialias:  # corners change the scale of a stretched kernel, and move it nowhere
        return reference.matrix(_STRETCHED[mode], (dst + 0.5) * step - 0.5, n, max(step, 1.0))
    source = dst * step if aligned else (dst + 0.5) * step - 0.5
    if mode == "lanczos":
        return reference.matrix(reference.windowed_sinc, source, n)
    return reference.matrix({"linear": reference.tent, "cubic": _SHARP}[mode], source, n, repeats=True)


def _spelt_out(x, size, mode, antialias, align_corners):
    for axis, m in enumerate(size, start=2):
        weights = _matrix(mode, antialias, x.shape[axis], m, align_corners)
        x = np.moveaxis(np.tensordot(weights, x, (1, axis)), 0, axis)
    return x


def _name(mode, ndim):
    return _LINEAR[ndim] if mode == "linear" else mode


@pytest.mark.parametrize(("mode", "antialias"), WAYS)
@pytest.mark.parametrize("align_corners", [None, True])
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        *(((n,), (m,)) for n, m in ((1, 5), (5, 1), (2, 7), (7, 16), (16, 7), (9, 18), (40, 3), (8, 9), (6, 6))),
        ((7, 11), (13, 5)),
        ((6, 4), (6, 9)),
        ((3, 4, 5), (6, 8, 10)),
        ((9, 8, 7), (4, 5, 3)),
        ((5, 2, 6), (7, 1, 6)),
    ],
)
def test_every_kernel_is_its_definition(shape, size, mode, antialias, align_corners):
    if mode == "area" and align_corners:
        pytest.skip("area aligns no corners")
    x = cases.noise((1, 2, *shape), "float64")
    actual = interpolate(x, size=size, mode=_name(mode, len(shape)), antialias=antialias, align_corners=align_corners)
    assert_close(actual, _spelt_out(x, size, mode, antialias, align_corners), scale=1.0)


def test_the_definitions_by_hand():
    np.testing.assert_allclose(reference.area(3, 2), [[0.5, 0.5, 0], [0, 0.5, 0.5]])
    np.testing.assert_allclose(reference.matrix(reference.tent, np.array([0.25]), 2), [[0.75, 0.25]])
    np.testing.assert_allclose(reference.matrix(_SHARP, np.array([1.5]), 4), [[-0.09375, 0.59375, 0.59375, -0.09375]])
    assert reference.windowed_sinc(0.5) == pytest.approx(3 * 0.5 / (np.pi * 0.5) ** 2)


_SIZES = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 40)), min_size=1, max_size=3)


@LAW
@given(_SIZES, st.sampled_from(WAYS))
def test_axes_are_resized_one_after_the_other_in_any_order(sizes, way):
    mode, antialias = way
    shape, size = zip(*sizes, strict=True)
    x = cases.noise((1, 1, *shape), "float64")
    options = {"mode": _name(mode, len(shape)), "antialias": antialias}
    expected = interpolate(x, size=size, **options)
    for order in (range(len(shape)), reversed(range(len(shape)))):
        y = x
        for axis in order:
            y = interpolate(y, size=[*y.shape[2 : 2 + axis], size[axis], *y.shape[3 + axis :]], **options)
        assert_close(y, expected, scale=1.0)


@LAW
@given(_SIZES, st.sampled_from(WAYS), st.sampled_from([None, True]), st.floats(-1e6, 1e6, allow_subnormal=False))
def test_constants_stay_constant(sizes, way, align_corners, value):
    mode, antialias = way
    shape, size = zip(*sizes, strict=True)
    corners = None if mode == "area" else align_corners
    options = {"mode": _name(mode, len(shape)), "antialias": antialias, "align_corners": corners}
    y = interpolate(np.full((1, 1, *shape), value), size=size, **options)
    np.testing.assert_allclose(y, value, rtol=1e-14, atol=0)


@LAW
@given(_SIZES, st.sampled_from(WAYS))
def test_mirrored_input_gives_mirrored_output(sizes, way):
    mode, antialias = way
    shape, size = zip(*sizes, strict=True)
    x = cases.noise((1, 1, *shape), "float64")
    options = {"size": size, "mode": _name(mode, len(shape)), "antialias": antialias}
    mirror = (slice(None), slice(None), *(slice(None, None, -1) for _ in shape))
    assert_close(interpolate(x[mirror], **options), interpolate(x, **options)[mirror], scale=1.0)


@LAW
@given(_SIZES, st.sampled_from(["linear", "lanczos"]))
def test_antialiasing_changes_nothing_where_nothing_shrinks(sizes, mode):
    shape = tuple(min(pair) for pair in sizes)
    size = tuple(max(pair) for pair in sizes)
    x = cases.noise((1, 1, *shape), "float64")
    options = {"size": size, "mode": _name(mode, len(shape))}
    assert_close(interpolate(x, antialias=True, **options), interpolate(x, **options), scale=1.0)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_area_averages_blocks_and_repeats_samples(ndim, factor):
    x = cases.noise((2, 3, *(12,) * ndim), "float64")
    pairs = [part for _ in range(ndim) for part in (12 // factor, factor)]
    means = x.reshape(2, 3, *pairs).mean(axis=tuple(range(3, 3 + 2 * ndim, 2)))
    assert_close(interpolate(x, size=12 // factor, mode="area"), means)
    grown = interpolate(x, scale_factor=factor, mode="area")
    np.testing.assert_allclose(grown, interpolate(x, scale_factor=factor, mode="nearest"), rtol=1e-15)


@pytest.mark.parametrize(
    ("mode", "antialias", "degree"),
    [("linear", False, 1), ("linear", True, 1), ("cubic", True, 2), ("cubic", False, 0)],
)
@pytest.mark.parametrize("m", [29, 44, 100])
def test_polynomials_are_kept_away_from_the_border(mode, antialias, degree, m):
    n = 22
    source = (np.arange(m) + 0.5) * n / m - 0.5
    inside = (source > 3) & (source < n - 4)
    for power in range(degree + 1):
        x = (np.arange(n) ** float(power))[None, None]
        y = interpolate(x, size=m, mode=mode, antialias=antialias)[0, 0]
        np.testing.assert_allclose(y[inside], source[inside] ** power, rtol=1e-13)


@pytest.mark.parametrize(("mode", "antialias"), WAYS)
def test_the_same_size_is_the_identity(mode, antialias):
    for shape in ((7,), (5, 6), (3, 4, 5)):
        x = cases.noise((1, 2, *shape), "float32")
        assert_same_bits(interpolate(x, size=shape, mode=_name(mode, len(shape)), antialias=antialias), x)
