"""The tables of the last sizes are kept: what is found again must be what would be made anew."""

import itertools
import random

import numpy as np
import pytest

from upsample_cli import interpolate
from upsample_cli.core import axis_plan, kernel

DTYPES = ("u1", "i2", "i4", "f4", "f8")
WAYS = [
    *itertools.product(("nearest", "nearest-exact", "area"), (None,), (False,), DTYPES),
    *itertools.product(("bilinear", "bicubic"), (None, False, True), (False,), DTYPES),
    *itertools.product(("bilinear", "bicubic"), (None, True), (True,), DTYPES),
]
SIZES = [{"size": (20, 33)}, {"size": (50, 64)}, {"size": (64, 50)}, {"scale_factor": (0.4, 0.66)}, {"scale_factor": 2}]


def forget():
    axis_plan._cached_table.cache_clear()
    kernel._cached_plan.cache_clear()


def test_what_is_found_again_is_what_was_asked_for():
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
        forget()
        expected.append(result(case))
    forget()
    order = [*range(len(cases)), *range(len(cases))]
    random.Random(1).shuffle(order)
    for number in order:
        np.testing.assert_array_equal(result(cases[number]), expected[number])
        np.testing.assert_array_equal(result(cases[number]), expected[number])  # which finds all of it


@pytest.mark.parametrize("length", [1 << 14, (1 << 14) + 1])
def test_the_tables_of_long_axes_are_not_kept(length):
    forget()
    interpolate(np.zeros((1, 1, 4, length), np.float32), size=(8, 9), mode="bilinear")
    kept = axis_plan._cached_table.cache_info()
    assert kept.currsize == 2 - (length > 1 << 14)


def test_large_plans_are_not_kept():
    if kernel.instruction_set() is None:
        pytest.skip("NumPy makes no plans")
    for size, number in ((1000, 1), (20_000, 0)):
        forget()
        interpolate(np.zeros((1, 1, 1000, 4), np.uint8), size=(size, 8), mode="bicubic")
        assert kernel._cached_plan.cache_info().currsize == number
