"""Integers in every mode: the rounded float64 value; and the fixed-point results of PyTorch and Pillow beside it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tests.oracles import cases
from tests.oracles.compare import assert_rounded, assert_same_bits
from tests.oracles.saturation import assert_off_by_saturation_only
from upsample_cli import interpolate

try:
    import torch
except ImportError:
    torch = None

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_DTYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32"]
_WAYS = [
    *((mode, antialias) for mode in ("linear", "cubic", "lanczos") for antialias in (False, True)),
    ("area", False),
]
_SHAPES = [
    ((60,), (103,)),
    ((60,), (23,)),
    ((300,), (7,)),
    ((40, 50), (68, 85)),
    ((40, 50), (80, 25)),
    ((64, 64), (9, 9)),
    ((12, 14, 10), (20, 23, 17)),
    ((14, 12, 16), (5, 12, 33)),
]

# Samples that differ, samples in all, and the samples among them that differ by more than 1, which both peers saturated
# between the axes. Counted on noise of all levels, with torch 2.13 (AVX-512) and Pillow 13.0; the compiled kernel has a
# few more of the first than the reference, next to ties.
TORCH_DIFFERENCES = {  # by mode, antialias and align_corners
    ("bilinear", False, None): (2578, 12054, 0),
    ("bilinear", False, True): (1851, 12054, 0),
    ("bilinear", True, None): (2279, 12054, 0),
    ("bicubic", False, None): (2905, 12054, 333),
    ("bicubic", False, True): (2291, 12054, 233),
    ("bicubic", True, None): (2552, 12054, 112),
}
PILLOW_DIFFERENCES = {  # by mode, always antialiased
    "bilinear": (791, 4018, 0),
    "bicubic": (820, 4018, 34),
    "lanczos": (1051, 4018, 159),
}


def _noise(shape, dtype):
    """All levels, and runs of the lowest and of the highest one, where kernels overshoot most."""
    limits = np.iinfo(dtype)
    x = np.random.default_rng([*shape]).integers(limits.min, limits.max, (1, 2, *shape), dtype, endpoint=True)
    lowest, highest = np.array([limits.min, limits.max], dtype)
    x[:, 1] = np.where(x[:, 1] > (limits.min + limits.max) // 2, highest, lowest)
    return x


@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize(("mode", "antialias"), _WAYS)
@pytest.mark.parametrize(("shape", "size"), _SHAPES)
def test_integers_are_the_rounded_value_of_float64(shape, size, mode, antialias, dtype):
    x = _noise(shape, dtype)
    name = _LINEAR[len(shape)] if mode == "linear" else mode
    for align_corners in (None, True) if mode != "area" else (None,):
        options = {"size": size, "mode": name, "antialias": antialias, "align_corners": align_corners}
        assert_rounded(interpolate(x, **options), interpolate(x.astype(np.float64), **options))


@pytest.mark.parametrize("dtype", [*_DTYPES, "int64", "uint64"])
@pytest.mark.parametrize("mode", ["cubic", "lanczos"])
def test_overshoot_saturates_integers_and_floats_keep_it(mode, dtype):
    limits = np.iinfo(dtype)
    x = np.array([[[limits.min] * 5 + [limits.max] * 5]], dtype)
    y, z = interpolate(x, size=37, mode=mode), interpolate(x.astype(np.float64), size=37, mode=mode)
    assert z.min() < float(limits.min) - 1
    assert z.max() > float(limits.max) + 1
    rounding = 2.0**-50 * float(limits.max) if np.dtype(dtype).itemsize == 8 else 0.0
    np.testing.assert_array_equal(y[z < float(limits.min) - rounding], limits.min)
    np.testing.assert_array_equal(y[z > float(limits.max) + rounding], limits.max)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize(("mode", "antialias"), _WAYS)
def test_64_bit_integers_are_right_to_the_precision_of_float64(mode, antialias, dtype):
    limits = np.iinfo(dtype)
    middle = (limits.min + limits.max) // 2
    x = _noise((30, 40), dtype) // 4 + np.array(
        middle // 4 * 3, dtype
    )  # far from the limits, which float64 has not got
    options = {"size": (53, 17), "mode": "bilinear" if mode == "linear" else mode, "antialias": antialias}
    actual, exact = interpolate(x, **options), interpolate(x.astype(np.float64), **options)
    tolerance = 64 * np.spacing(np.abs(exact).max())  # positions of floats are rounded, as those of PyTorch
    assert np.abs(actual.astype(np.float64) - exact).max() <= tolerance


@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize("mode", ["linear", "cubic", "lanczos", "area"])
def test_constants_stay_constant_in_every_mode(mode, dtype):
    limits = np.iinfo(dtype)
    for value in (limits.min, limits.max, 0, 1, limits.max // 2 + 1):
        for size in (3, 13, 18):
            y = interpolate(np.full((1, 1, 9), value, dtype), size=size, mode=mode)
            np.testing.assert_array_equal(y, value)


@pytest.mark.parametrize(("mode", "antialias"), [*_WAYS, ("nearest", False), ("nearest-exact", False)])
def test_bool_is_what_rounds_to_one(mode, antialias):
    x = cases.noise((1, 1, 50), "float64") > 0
    options = {"size": 33, "mode": mode, "antialias": antialias}
    exact = interpolate(x.astype(np.float64), **options)
    clear = np.abs(exact - 0.5) > 1e-6
    np.testing.assert_array_equal(interpolate(x, **options)[clear], exact[clear] > 0.5)


@pytest.mark.parametrize(("mode", "antialias", "align_corners"), TORCH_DIFFERENCES)
@pytest.mark.parametrize("answers", ["stored", "live"])
def test_torchs_uint8_differs_by_one_at_most_unless_it_saturates_between_the_axes(
    mode, antialias, align_corners, answers
):
    if answers == "live" and torch is None:
        pytest.skip("torch is not installed; its stored answers were compared")
    stored = cases.load()
    counted = Counter()
    for case in cases.UINT8_CASES:
        if (case.mode, case.antialias, case.align_corners) != (mode, antialias, align_corners):
            continue
        x, options = case.input(), {"mode": mode, "antialias": antialias, "align_corners": align_corners}
        ours = interpolate(x, size=case.size, **options)
        theirs = stored[case.id]
        if answers == "live":
            theirs = torch.nn.functional.interpolate(torch.from_numpy(x), size=case.size, **options).numpy()
        counted["off"] += assert_off_by_saturation_only(ours, theirs, x, **options)
        counted["all"] += ours.size
        counted["far"] += np.count_nonzero(np.abs(ours.astype(int) - theirs) > 1)
    off, total, far = TORCH_DIFFERENCES[mode, antialias, align_corners]
    slack = 1.0 if answers == "stored" else 1.5  # PyTorch's kernels differ from CPU to CPU
    assert counted["all"] == total
    assert counted["off"] <= off * slack
    assert counted["far"] <= far * slack


@pytest.mark.parametrize("mode", PILLOW_DIFFERENCES)
def test_pillow_differs_by_one_at_most_unless_it_saturates_between_the_axes(mode):
    filters = {name: getattr(Image.Resampling, name.upper()) for name in PILLOW_DIFFERENCES}
    counted = Counter()
    for spatial, size in cases.UINT8_SIZES:
        x = cases.bytes_of_noise((1, 1, *spatial))
        ours = interpolate(x, size=size, mode=mode, antialias=True)
        theirs = np.asarray(Image.fromarray(x[0, 0]).resize(size[::-1], filters[mode]))[None, None]
        counted["off"] += assert_off_by_saturation_only(ours, theirs, x, mode=mode, antialias=True)
        counted["all"] += ours.size
        counted["far"] += np.count_nonzero(np.abs(ours.astype(int) - theirs) > 1)
    off, total, far = PILLOW_DIFFERENCES[mode]
    assert counted["all"] == total
    assert counted["off"] <= 1.5 * off  # Pillow's fixed point differs a little from version to version
    assert counted["far"] <= 1.5 * far


def test_the_comparison_sees_what_saturation_does_not_explain():
    x = cases.bytes_of_noise((1, 1, 17, 19))
    ours = interpolate(x, size=(29, 31))
    assert assert_off_by_saturation_only(ours, ours, x, mode="bilinear") == 0
    theirs = ours.copy()
    theirs[0, 0, 3, 4] ^= 4
    with pytest.raises(AssertionError, match="off by"):
        assert_off_by_saturation_only(ours, theirs, x, mode="bilinear")
    with pytest.raises(AssertionError, match="where nothing was saturated"):
        assert_off_by_saturation_only(theirs, ours, x, mode="bilinear")


@pytest.mark.parametrize("dtype", [*_DTYPES, "int64", "uint64"])
def test_nearest_modes_move_integers_and_touch_none(dtype):
    x = _noise((9,), dtype)
    for mode in ("nearest", "nearest-exact"):
        assert_same_bits(interpolate(x, scale_factor=3, mode=mode), np.repeat(x, 3, axis=2))
