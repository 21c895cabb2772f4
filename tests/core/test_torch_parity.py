"""The contract with PyTorch: its stored answers always, the same calls and many more against a live one if there is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import cases, reference
from tests.oracles.compare import assert_close, assert_same_bits
from tests.oracles.store_torch import torch_answer, torch_gradient, torch_interpolate
from upsample_cli import interpolate

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed; its stored answers were compared")


@pytest.fixture(scope="module")
def stored():
    return cases.load()


def _live(x: np.ndarray, **options) -> np.ndarray:
    return torch.nn.functional.interpolate(torch.from_numpy(x), **options).numpy()


@pytest.mark.parametrize(
    "case", [*cases.LINEAR_CASES, *cases.KERNEL_CASES, *cases.BEYOND_CASES], ids=lambda case: case.id
)
def test_weighing_modes_agree_with_the_stored_answer(case, stored):
    x = case.input()
    actual = interpolate(x, **case.options)
    assert actual.dtype == case.dtype
    assert_close(actual, stored[case.id], scale=np.abs(x).max())


@pytest.mark.parametrize("case", cases.SPECIAL_CASES, ids=lambda case: case.id)
def test_nan_and_infinity_reach_the_outputs_of_the_stored_answer(case, stored):
    expected = stored[case.id]
    assert 0 < np.isfinite(expected).sum() < expected.size
    with np.errstate(invalid="ignore"):  # whether NumPy may warn is the question of test_resample
        assert_close(interpolate(case.input(), **case.options), expected)


@pytest.mark.parametrize("case", cases.NEAREST_CASES, ids=lambda case: case.id)
def test_nearest_picks_the_samples_of_the_stored_answer(case, stored):
    assert_same_bits(interpolate(case.input(), **case.options), stored[case.id].astype(case.dtype))


def test_stored_cases_lie_on_both_sides_of_the_small_picture_boundary(stored):
    sums = {
        sum(stored[case.id].shape[2:])
        for case in cases.NEAREST_CASES
        if len(case.spatial) == 2 and case.mode == "nearest"
    }
    assert {128, 129, 130} <= sums


@needs_torch
@pytest.mark.parametrize("chosen", [name for name in dir(cases) if name.endswith("_CASES") and name[0] != "_"])
def test_a_live_torch_answers_what_is_stored(chosen, stored):
    for case in getattr(cases, chosen):
        if chosen == "GRADIENT_CASES":
            assert_close(torch_gradient(case), stored[f"gradient of {case.id}"])
            continue
        answer = torch_answer(case)
        if case.mode.startswith("nearest"):
            assert_same_bits(answer.astype(np.int16), stored[case.id])
        elif case.dtype == "uint8":
            assert np.abs(answer.astype(int) - stored[case.id]).max() <= 1  # its kernels differ from CPU to CPU
        else:
            assert_close(answer, stored[case.id])


_EVERY_KERNEL = [
    ("bilinear", False),
    ("bilinear", True),
    ("bicubic", False),
    ("bicubic", True),
    ("lanczos", True),
    ("area", False),
    ("nearest", False),
    ("nearest-exact", False),
]


@needs_torch
@pytest.mark.parametrize("special", ["NaN", "infinity"])
@pytest.mark.parametrize(("mode", "antialias"), _EVERY_KERNEL)
@pytest.mark.parametrize("size", [(16, 6), (9, 4), (5, 2), (23, 7)], ids=str)
def test_special_values_reach_the_outputs_of_live_torch(size, mode, antialias, special):
    shape = (8, 3)
    for align_corners in (None, True) if cases.takes_corners(mode) else (None,):
        options = {"size": size, "mode": mode, "align_corners": align_corners, "antialias": antialias}
        for place in np.ndindex(shape):
            for value in (np.nan,) if special == "NaN" else (np.inf, -np.inf):
                x = cases.noise((1, 1, *shape), "float64")
                x[0, 0][place] = value
                assert_close(interpolate(x, **options), torch_interpolate(x, **options))


@needs_torch
@pytest.mark.parametrize(("mode", "antialias"), _EVERY_KERNEL)
def test_special_values_stay_in_their_row_except_in_torchs_bicubic(mode, antialias):
    x = cases.noise((1, 1, 6, 5), "float64")
    x[0, 0, 3, 2] = np.nan
    options = {"size": (6, 11), "mode": mode, "antialias": antialias}
    ours = np.isnan(interpolate(x, **options)).any(axis=3)[0, 0]
    torchs = np.isnan(torch_interpolate(x, **options)).any(axis=3)[0, 0]
    assert np.flatnonzero(ours).tolist() == [3]
    # Of all kernels that of bicubic multiplies the neighbours in an unchanged axis by 0.
    assert np.flatnonzero(torchs).tolist() == ([1, 2, 3, 4] if (mode, antialias) == ("bicubic", False) else [3])


@pytest.mark.parametrize(("n", "m", "places"), [(2743, 4962, [3953]), (2216, 5057, [5012]), (1009, 1523, [])])
def test_linear_rounds_positions_on_long_axes_as_torch_does(n, m, places):
    # `floorf` in guard_index_and_lambda: a position less than half an ulp of float32 below a sample counts as that
    # sample, even in float64. The places were found with torch 2.13.
    x = cases.noise((1, 1, n), "float64")
    actual = interpolate(x, size=m)
    off = np.abs(actual - reference.linear(x, {2: m}))[0, 0]
    assert np.flatnonzero(off > 1e-9).tolist() == places
    assert off.max() < 2.0**-24 * n * np.ptp(x)
    if torch is not None:
        assert_close(actual, _live(x, size=m, mode="linear"))


@needs_torch
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_nearest_picks_torchs_samples_on_long_axes(mode, dtype):
    rng = np.random.default_rng(7)
    for _ in range(60):
        n, m = (int(10 ** rng.uniform(0, 5)) for _ in range(2))
        x = (np.arange(n) % 256 if dtype == "uint8" else np.arange(n)).astype(dtype)[None, None]
        for options in ({"size": m}, {"scale_factor": m / n}, {"scale_factor": m / n, "recompute_scale_factor": True}):
            if "scale_factor" in options and n * (m / n) < 1:
                continue
            assert_same_bits(interpolate(x, mode=mode, **options), _live(x, mode=mode, **options))


@needs_torch
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize(("ndim", "longest"), [(2, 70), (2, 90), (3, 40)])
def test_nearest_picks_torchs_samples_in_pictures_and_volumes(mode, dtype, ndim, longest):
    rng = np.random.default_rng(longest)
    for _ in range(100):
        spatial = tuple(rng.integers(1, longest, ndim).tolist())
        size = rng.integers(1, longest, ndim)
        factors = size / spatial * rng.choice([1, 1, 1.07], ndim)
        x = cases.index_channels(spatial, dtype)
        choices = [{"size": size.tolist()}]
        if all(n * f >= 1 for n, f in zip(spatial, factors, strict=True)):
            choices.append({"scale_factor": factors.tolist()})
        for options in choices:
            assert_same_bits(interpolate(x, mode=mode, **options), _live(x, mode=mode, **options))


@needs_torch
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_torchs_antialiasing_is_wrong_in_outputs_one_wide_and_ours_is_not(mode):
    # In PyTorch 2.13 all rows of such an output are its first one unless channels come last in memory.
    x = cases.noise((1, 3, 5, 4), "float64")
    options = {"size": (3, 1), "mode": mode, "antialias": True}
    ours, wrong = interpolate(x, **options), _live(x, **options)
    np.testing.assert_array_equal(wrong, np.broadcast_to(wrong[:, :, :1], wrong.shape))
    assert np.abs(ours - wrong).max() > 0.01
    assert_close(ours, torch_interpolate(x, **options))
    turned = _live(x.swapaxes(2, 3).copy(), **(options | {"size": (1, 3)}))
    assert_close(ours, turned.swapaxes(2, 3))


@pytest.mark.parametrize(
    ("factors", "size"), [((1.03, 1.1), (9, 8)), ((2.0, 1.1), (18, 8)), ((1.05, 0.6), (9, 4))], ids=str
)
def test_bicubic_copies_axes_of_bytes_that_keep_their_size(factors, size):
    """So does PyTorch's kernel for bytes; for other samples it samples at the given factor."""
    x = cases.noise((1, 3, 9, 8), "float64")
    x = (60 + 120 * (x - x.min()) / np.ptp(x)).astype(np.uint8)  # within bounds, so that nothing saturates
    actual = interpolate(x, scale_factor=factors, mode="bicubic")
    kept = [number for number in (0, 1) if size[number] == x.shape[2 + number]]
    expected = x.astype(np.float64)
    for axis in {0, 1} - set(kept):
        one = [1.0, 1.0]
        one[axis] = factors[axis]
        expected = interpolate(expected, scale_factor=one, mode="bicubic")
    assert actual.shape[2:] == size
    assert np.abs(actual - expected).max() <= 0.5 + 1e-6
    if torch is not None:
        assert np.abs(_live(x, scale_factor=factors, mode="bicubic").astype(int) - actual).max() <= 1
    assert np.abs(interpolate(x.astype(np.float32), scale_factor=factors, mode="bicubic") - expected).max() > 1
