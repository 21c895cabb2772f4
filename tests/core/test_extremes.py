"""Shrinking so strong that one output reads more than a tile, and axes so long that float32 cannot number them."""

import numpy as np
import pytest

from tests.oracles.compare import assert_same_bits
from upsample_cli import interpolate, upsample_vjp
from upsample_cli.core import numpy_kernel
from upsample_cli.core.axis_plan import AxisTarget, max_taps, plan_axes
from upsample_cli.core.dtypes import numeric_codec, premultiplied_codec
from upsample_cli.core.modes import MODES, find_mode
from upsample_cli.core.resample import resample


def pooled(x, axes, size, mode="area", antialias=False, rules=numeric_codec):
    """`x` with each of `axes` resized to `size`."""
    chosen = find_mode(mode).antialiased() if antialias else find_mode(mode)
    recipe = plan_axes([x.shape[axis] for axis in axes], [AxisTarget(size)] * len(axes), chosen, False, x.dtype)
    bands, shape = [None] * x.ndim, list(x.shape)
    for axis, step in zip(axes, recipe, strict=True):
        bands[axis], shape[axis] = step.matrix, size
    out = np.empty(shape, x.dtype)
    resample(x, bands, out, rules(x.dtype, max_taps(recipe)))
    return out


def weighted_by_alpha(dtype, taps=2):
    return premultiplied_codec(numeric_codec(dtype, taps))


@pytest.mark.parametrize("shape", [(1, 1, 700_001), (1, 2, 800, 900), (1, 1, 90, 100, 110)])
@pytest.mark.parametrize(
    ("mode", "antialias"),
    [(name, False) for name in MODES] + [(name, True) for name in MODES if MODES[name].antialias_kernel],
)
def test_everything_becomes_one_sample(shape, mode, antialias):
    ndim = len(shape) - 2
    if MODES[mode].ndim not in (None, ndim) or (mode == "linear" and ndim > 1):
        pytest.skip("the mode is for another number of axes")
    x = np.full(shape, 7, np.int64) if mode == "label" else np.full(shape, 7.25, np.float32)
    y = interpolate(x, size=1, mode=mode, antialias=antialias)
    np.testing.assert_allclose(y, x.flat[0], rtol=1e-6)


def test_a_mean_of_many_is_the_mean():
    x = np.random.default_rng(0).random((1, 1, 300_000)).astype(np.float32)
    np.testing.assert_allclose(interpolate(x, size=1, mode="area")[0, 0, 0], x.astype(float).mean(), rtol=2e-7)


@pytest.mark.parametrize("size", [1, 2, 4, 33])
def test_opaque_colours_are_resized_as_colours_without_alpha(size):
    rgba = np.full((1100, 900, 4), 255, np.uint8)
    rgba[..., :3] = np.random.default_rng(1).integers(0, 256, (1100, 900, 3))
    for mode, antialias in (("area", False), ("linear", True)):
        plain = pooled(rgba[..., :3], (0, 1), size, mode, antialias)
        weighted = pooled(
            rgba,
            (0, 1),
            size,
            mode,
            antialias,
            rules=lambda dtype, taps: premultiplied_codec(numeric_codec(dtype, taps)),
        )
        assert (weighted[..., 3] == 255).all()
        assert np.abs(weighted[..., :3].astype(int) - plain).max() <= 1


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("shape", [(5_000,), (3, 4_000), (700, 3), (20, 600, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "complex64"])
def test_rows_of_many_weights_have_the_same_bits_tap_by_tap_and_row_by_row(monkeypatch, shape, dtype):
    x = (np.random.default_rng(2).random(shape) * 1000 - (0 if dtype == "uint16" else 500)).astype(dtype)
    axis = int(np.argmax(shape))
    answers, rows = [], []
    taken = numpy_kernel._apply_row_by_row
    monkeypatch.setattr(numpy_kernel, "_apply_row_by_row", lambda *arguments: (rows.append(1), taken(*arguments)))
    for few in (0, 10**9):
        monkeypatch.setattr(numpy_kernel, "_ROW_LOOP_MAX_ELEMENTS", few)
        answers.append([pooled(x, (axis,), 7, mode, antialias=True) for mode in ("linear", "cubic", "lanczos")])
        answers[-1].append(pooled(x, (axis,), 7, "area"))
        assert bool(rows) == bool(few)
    for tap_by_tap, row_by_row in zip(*answers, strict=True):
        assert_same_bits(row_by_row, tap_by_tap)


def test_sixteen_bits_are_right_where_float32_would_not_be():
    """400 roundings of float32 in one direction add up to more than half a level."""
    rng, wrong = np.random.default_rng(3), []
    for level in range(30_000, 65_000, 331):
        x = (level + (rng.random((1, 1, 400)) < 0.35)).astype(np.uint16)
        mean = x.astype(np.float64).mean()
        if abs(mean % 1 - 0.5) > 1 / 32 and interpolate(x, size=1, mode="area")[0, 0, 0] != np.rint(mean):
            wrong.append(level)
    assert wrong == []


def test_an_axis_longer_than_float32_can_number_is_no_staircase():
    x = np.arange(2**24 + 1001, dtype=np.float64)[None, None]
    y = interpolate(x, size=1000, align_corners=True)[0, 0]
    np.testing.assert_allclose(y, np.linspace(0, 2**24 + 1000, 1000), rtol=1e-12)


def test_the_gradient_of_strong_enlargement():
    x = np.random.default_rng(4).random((1, 1, 3, 2))
    output, pullback = upsample_vjp(x, size=(4001, 501))
    y = np.random.default_rng(5).random(output.shape)
    np.testing.assert_allclose(np.vdot(output, y), np.vdot(x, pullback(y)), rtol=1e-12)
