"""The contract with PyTorch: its stored answers always, the same calls and many more against a live one if there is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import cases, truth
from tests.oracles.compare import assert_close, assert_same_bits
from upsample_cli import interpolate

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed; its stored answers were compared")

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@pytest.fixture(scope="module")
def stored():
    return cases.load()


def _live(x: np.ndarray, **options) -> np.ndarray:
    return torch.nn.functional.interpolate(torch.from_numpy(x), **options).numpy()


@pytest.mark.parametrize("case", cases.LINEAR_CASES, ids=lambda case: case.id)
def test_linear_agrees_with_the_stored_answer(case, stored):
    actual = interpolate(case.input(), **case.options)
    assert actual.dtype == case.dtype
    assert_close(actual, stored[case.id])


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
@pytest.mark.parametrize("chosen", ["LINEAR_CASES", "SPECIAL_CASES", "NEAREST_CASES"])
def test_a_live_torch_answers_what_is_stored(chosen, stored):
    from tests.oracles.store_torch import torch_answer

    for case in getattr(cases, chosen):
        answer = torch_answer(case)
        if case.mode.startswith("nearest"):
            assert_same_bits(answer.astype(np.int16), stored[case.id])
        else:
            assert_close(answer, stored[case.id])


@needs_torch
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("align_corners", [None, False, True])
def test_linear_agrees_with_live_torch_at_random_sizes_and_factors(ndim, align_corners):
    rng = np.random.default_rng(10 * ndim + bool(align_corners))
    longest = {1: 1000, 2: 90, 3: 20}[ndim]
    for turn in range(60):
        spatial = rng.integers(1, longest, ndim).tolist()
        x = cases.noise((2, 1, *spatial), "float32" if turn % 3 == 0 else "float64")
        options = {"mode": _LINEAR[ndim], "align_corners": align_corners}
        if turn % 2:
            options["size"] = rng.integers(1, 2 * longest, ndim).tolist()
        else:
            options["scale_factor"] = np.maximum(rng.uniform(0.3, 3, ndim), 1.001 / np.array(spatial)).tolist()
            options["recompute_scale_factor"] = [None, False, True][turn % 3]
        actual = interpolate(x, **options)
        assert actual.dtype == x.dtype
        assert_close(actual, _live(x.astype("f8"), **options))


@needs_torch
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("n", "m"), [(8, 16), (9, 16), (16, 9), (12, 4), (8, 24)])
def test_special_values_reach_the_outputs_of_live_torch(n, m, special, align_corners):
    for place in range(n):
        x = cases.noise((1, 1, n), "float64")
        x[..., place] = special
        with np.errstate(invalid="ignore"):
            actual = interpolate(x, size=m, align_corners=align_corners)
        assert_close(actual, _live(x, size=m, mode="linear", align_corners=align_corners))


@pytest.mark.parametrize(("n", "m", "places"), [(2743, 4962, [3953]), (2216, 5057, [5012]), (1009, 1523, [])])
def test_linear_rounds_positions_on_long_axes_as_torch_does(n, m, places):
    # `floorf` in guard_index_and_lambda: a position less than half an ulp of float32 below a sample counts as that
    # sample, even in float64. The places were found with torch 2.13.
    x = cases.noise((1, 1, n), "float64")
    actual = interpolate(x, size=m)
    off = np.abs(actual - truth.linear(x, {2: m}))[0, 0]
    assert np.flatnonzero(off > 1e-9).tolist() == places
    assert off.max() < 2.0**-24 * n * np.ptp(x)
    if torch is not None:
        assert_close(actual, _live(x, size=m, mode="linear"))


@needs_torch
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_nearest_picks_torchs_samples_for_every_small_pair(mode, dtype):
    mistakes = []
    for n in range(1, 65):
        x = cases.index_channels((n,), dtype)
        tensor = torch.from_numpy(x)
        for m in range(1, 161):
            for options in ({"size": m}, {"scale_factor": m / n}):
                if n * (m / n) < 1:
                    continue
                expected = torch.nn.functional.interpolate(tensor, mode=mode, **options).numpy()
                if not np.array_equal(interpolate(x, mode=mode, **options), expected):
                    mistakes.append((n, m, *options))
    assert mistakes == []


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
