"""Inputs of other libraries: bfloat16, DLPack, integers of any type as sizes, channels-last in `pixel_shuffle`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import cases
from tests.oracles.compare import assert_same_bits
from upsample_cli import interpolate, pixel_shuffle, pixel_unshuffle, upsample_vjp


def test_bfloat16_is_computed_in_float32_and_rounded_once():
    bfloat16 = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed").bfloat16
    x = cases.noise((1, 2, 5, 6), "float64").astype(bfloat16)
    for mode in ("bilinear", "nearest"):
        output, pullback = upsample_vjp(x, size=(9, 4), mode=mode)
        expected, pullback_float32 = upsample_vjp(x.astype("f4"), size=(9, 4), mode=mode)
        assert_same_bits(output.view("u2"), expected.astype(bfloat16).view("u2"))
        gradient = pullback_float32(output.astype("f4")).astype(bfloat16)
        assert_same_bits(pullback(output).view("u2"), gradient.view("u2"))


def test_an_array_that_knows_only_dlpack_is_read():
    class Foreign:
        def __init__(self, array):
            self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__

    x = cases.noise((1, 2, 5), "float64")
    assert_same_bits(interpolate(Foreign(x), size=9), interpolate(x, size=9))


@pytest.mark.parametrize("size", [np.int64(9), np.uint8(9), np.array(9), [np.int32(9)]])
def test_integers_of_any_type_are_sizes(size):
    x = cases.noise((1, 2, 5), "float64")
    assert_same_bits(interpolate(x, size=size), interpolate(x, size=9))


@pytest.mark.parametrize("size", [True, np.True_, [True], 9.0, "9"])
def test_what_is_no_integer_is_no_size(size):
    with pytest.raises(TypeError, match="sizes must be integers"):
        interpolate(cases.noise((1, 2, 5), "float64"), size=size)


def test_pixel_shuffle_keeps_channels_last():
    x = cases.noise((2, 8, 3, 4), "float64")
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    shuffled = pixel_shuffle(last, 2)
    assert_same_bits(shuffled, pixel_shuffle(x, 2))
    assert shuffled.strides[1] == shuffled.itemsize
    assert pixel_unshuffle(shuffled, 2).strides[1] == shuffled.itemsize
    assert pixel_shuffle(x, 2).flags.c_contiguous
