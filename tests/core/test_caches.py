"""Repeated calls reuse cached plans: a cached plan gives the same result as a new one."""

import itertools
import random

import numpy as np
import pytest

from upsample_cli import interpolate
from upsample_cli.api import functional
from upsample_cli.core import axis_plan, kernel, resample

DTYPES = ("u1", "i2", "i4", "f4", "f8")
WAYS = [
    *itertools.product(("nearest", "nearest-exact", "area"), (None,), (False,), DTYPES),
    *itertools.product(("bilinear", "bicubic"), (None, False, True), (False,), DTYPES),
    *itertools.product(("bilinear", "bicubic"), (None, True), (True,), DTYPES),
]
SIZES = [{"size": (20, 33)}, {"size": (50, 64)}, {"size": (64, 50)}, {"scale_factor": (0.4, 0.66)}, {"scale_factor": 2}]


def clear_caches():
    functional._cache.clear()
    resample._row_cache.clear()
    axis_plan._cached_table.cache_clear()
    kernel._cached_plan.cache_clear()


def test_results_from_the_cache_are_those_of_new_plans():
    rng = np.random.default_rng(5)
    cases = list(itertools.product(WAYS, SIZES, [(50, 50), (50, 50, 3)]))
    arrays = {}
    for dtype, shape in itertools.product(DTYPES, [(50, 50), (50, 50, 3)]):
        x = rng.integers(0, 127, shape).astype(dtype).reshape(*shape[:2], -1)
        arrays[dtype, shape] = np.moveaxis(x, -1, 0)[None]  # of three channels, with the channels last in memory

    def result(case):
        (mode, align_corners, antialias, dtype), size, shape = case
        return interpolate(arrays[dtype, shape], **size, mode=mode, align_corners=align_corners, antialias=antialias)

    expected = []
    for case in cases:
        clear_caches()
        expected.append(result(case))
    clear_caches()
    order = [*range(len(cases)), *range(len(cases))]
    random.Random(1).shuffle(order)
    for number in order:
        np.testing.assert_array_equal(result(cases[number]), expected[number])
        np.testing.assert_array_equal(result(cases[number]), expected[number])  # now from the cache


@pytest.mark.parametrize("size", [(9, True), (9, 4.0), np.True_, 4.0, "4", (9, 4, 4)])
def test_sizes_equal_to_a_cached_one_are_still_checked(size):
    x = np.zeros((1, 1, 3, 3), np.float32)
    for valid in ((9, 1), (9, 4), 1, 4):
        interpolate(x, size=valid, mode="bilinear")
    with pytest.raises((TypeError, ValueError)):
        interpolate(x, size=size, mode="bilinear")


def test_arrays_of_one_shape_and_any_layout_share_the_cache():
    rng = np.random.default_rng(6)
    memory = rng.random((2, 6, 40, 40)).astype(np.float32)
    x = memory[:, ::2, ::2, ::2]
    unaligned = np.zeros(x.size * 4 + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    unaligned[...] = x
    layouts = [x, x.copy(), x[:, :, ::-1], x[..., ::-1], np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1), unaligned]
    expected = {array.tobytes(): interpolate(np.array(array.tolist()), size=(31, 33)) for array in layouts}
    for array in [*layouts, *layouts]:
        y = interpolate(array, size=(31, 33))
        np.testing.assert_allclose(y, expected[array.tobytes()], atol=1e-6)
        np.testing.assert_array_equal(y, interpolate(array.copy(), size=(31, 33)))


def test_only_the_last_calls_are_cached():
    clear_caches()
    for size in range(1, 200):
        interpolate(np.zeros((1, 1, 8), np.float32), size=size)
    assert len(functional._cache) == functional._CACHED_RESAMPLINGS
    assert len(resample._row_cache) <= resample._CACHED_ROWS


@pytest.mark.parametrize("length", [1 << 14, (1 << 14) + 1])
def test_the_tables_of_long_axes_are_not_cached(length):
    clear_caches()
    interpolate(np.zeros((1, 1, 4, length), np.float32), size=(8, 9), mode="bilinear")
    kept = axis_plan._cached_table.cache_info()
    assert kept.currsize == 2 - (length > 1 << 14)


def test_large_plans_are_not_cached():
    if kernel.instruction_set() is None:
        pytest.skip("NumPy makes no plans")
    for size, number in ((1000, 1), (20_000, 0)):
        clear_caches()
        interpolate(np.zeros((1, 1, 1000, 4), np.uint8), size=(size, 8), mode="bicubic")
        assert kernel._cached_plan.cache_info().currsize == number


def test_blocks_of_long_axes_are_not_cached():
    clear_caches()
    interpolate(np.zeros((1, 1, 100_000), np.float32), size=100_007, mode="linear")  # no two blocks are alike
    assert len(resample._row_cache) <= 1  # the last block may be small


@pytest.mark.skipif(kernel._compiled is None, reason="the compiled kernel is not there")
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_the_plan_of_a_long_signal_is_kept(mode, monkeypatch):
    x = np.random.default_rng(7).random((2, 1, 20_000), np.float32)
    clear_caches()
    first = interpolate(x, size=21_777, mode=mode)
    monkeypatch.setattr(kernel, "prepare", None)
    np.testing.assert_array_equal(interpolate(x, size=21_777, mode=mode), first)
