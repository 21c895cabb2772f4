"""Parts of pictures and flipped pictures: the layout of outputs, copies by the kernel, and values."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles.compare import assert_same_bits
from upsample_cli import interpolate
from upsample_cli.core import kernel
from upsample_cli.core.arrays import are_channels_last
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.dtypes import numeric_codec
from upsample_cli.core.modes import find_mode
from upsample_cli.core.resample import resample

_PARTS = {
    "whole": np.s_[:, :],
    "cropped": np.s_[3:-4, 5:-2],
    "upside down": np.s_[::-1, :],
    "mirrored": np.s_[:, ::-1],
    "with its channels reversed": np.s_[:, :, ::-1],
    "turned": np.s_[::-1, ::-1],
    "every second pixel": np.s_[::2, ::2],
    "every third pixel, mirrored": np.s_[1::3, ::-3],
    "without a channel": np.s_[:, :, :2],
    "every second channel": np.s_[:, :, ::2],
    "one row": np.s_[7:8, ::-1],
    "one pixel": np.s_[7:8, 5:6, ::-1],
}


@pytest.mark.parametrize("part", _PARTS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "complex64", "bool"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_part_gives_what_its_copy_gives(part, dtype, channels):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 200, (40, 53, channels)).astype(dtype)
    view = picture[_PARTS[part]]
    before = picture.copy()
    for mode in ("bilinear", "bicubic", "nearest"):
        y = interpolate(np.moveaxis(view, -1, 0)[None], size=(61, 47), mode=mode)
        copied = interpolate(np.moveaxis(view, -1, 0)[None].copy(), size=(61, 47), mode=mode)
        assert_same_bits(np.ascontiguousarray(y), copied)
        if view.shape[:2] != (1, 1) and part != "every second channel":  # whose channels reach beyond a pixel
            assert y[0].strides[0] == y.itemsize
    assert_same_bits(picture, before)


@pytest.mark.parametrize("part", _PARTS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "complex128"])
def test_copies_are_exact(part, dtype):
    rng = np.random.default_rng(2)
    for channels, height, width in ((1, 16, 40), (3, 17, 61), (4, 8, 9), (7, 9, 5)):
        picture = rng.integers(0, 250, (height, width, channels)).astype(dtype)
        view = picture[_PARTS[part]]
        copy = kernel.contiguous(view)
        assert copy.flags.c_contiguous
        assert_same_bits(copy, np.array(view, order="C"))


def test_copies_of_other_layouts_are_exact():
    x = np.arange(2 * 3 * 50 * 4, dtype=np.uint8).reshape(2, 3, 50, 4)
    views = [
        x[..., 0],
        x.transpose(3, 2, 1, 0),
        np.broadcast_to(x[:, :, :1], x.shape),
        x[:, :, :0],
        x[1, 1, 1],
        x[:, 1],
    ]
    fields = np.zeros(30, [("a", "u1"), ("b", "<f4")])["b"].reshape(5, 6)  # at odd addresses
    for view in [*views, fields]:
        assert_same_bits(kernel.contiguous(view), np.array(view, order="C"))


@pytest.mark.parametrize(
    ("shape", "order", "last"),
    [
        ((2, 3, 5, 6), (0, 2, 3, 1), True),
        ((2, 3, 5, 6), (0, 1, 2, 3), False),
        ((2, 3, 5, 6), (2, 0, 3, 1), False),
        ((1, 3, 5, 6), (0, 2, 3, 1), True),
        ((2, 1, 5, 6), (0, 2, 3, 1), False),  # of one channel, both orders are the same
        ((2, 3, 1, 1), (0, 2, 3, 1), False),
        ((2, 3, 5, 6, 7), (0, 2, 3, 4, 1), True),
        ((2, 3, 5), (0, 2, 1), True),
    ],
)
def test_the_order_of_axes_in_memory_is_recognised(shape, order, last):
    x = np.zeros([shape[axis] * 2 for axis in order]).transpose(np.argsort(order))
    whole = np.zeros([shape[axis] for axis in order]).transpose(np.argsort(order))
    part = x[tuple(slice(0, n) for n in shape)]
    for view in (whole, part, np.flip(part, -1)):
        assert are_channels_last(view.shape, view.strides) == last


def test_one_sample_that_is_repeated_has_channels_first():
    x = np.broadcast_to(np.zeros((1, 1, 1, 1)), (2, 3, 5, 6))
    assert not are_channels_last(x.shape, x.strides)


@pytest.mark.parametrize("offset", [0, 1])
def test_outputs_that_are_stored_past_the_cache_have_the_same_bits(offset):
    x = np.random.default_rng(4).random((1, 128, 128, 64), np.float32)
    plans = plan_axes((128, 128), [AxisTarget(256, 2.0)] * 2, find_mode("bilinear"), False, x.dtype)
    memory = np.zeros(4 * x.size + 32, np.float32)  # 16 MiB and what aligns them
    start = -memory.ctypes.data % 64 // 4 + offset
    out = memory[start : start + 4 * x.size].reshape(1, 256, 256, 64)
    matrices = [None, *(plan.matrix for plan in plans), None]
    resample(x, matrices, out, numeric_codec(x.dtype))
    small = np.zeros((1, 256, 256, 32), np.float32)
    resample(np.ascontiguousarray(x[..., 32:]), matrices, small, numeric_codec(x.dtype))
    assert_same_bits(np.ascontiguousarray(out[..., 32:]), small)
    assert not memory[:start].any()
    assert not memory[start + out.size :].any()


@pytest.mark.parametrize("pixel", ["u1", "u2", "u1,u1,u1", "f4"])
def test_nearest_samples_of_every_width_and_factor(pixel):
    """Each output width ends in another part of a block of bytes that the kernel copies at once."""
    channels = 3 if "," in pixel else 1
    rng = np.random.default_rng(3)
    for width in (5, 16, 37, 100):
        x = rng.integers(0, 255, (1, channels, 2, width)).astype(pixel.split(",")[0])
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        for size in range(1, 3 * width, 1 + width // 12):
            y = interpolate(x, size=(2, size), mode="nearest-exact")
            index = np.floor((np.arange(size) + 0.5) * width / size).astype(int)
            exact = (2 * np.arange(size) + 1) * width % (
                2 * size
            ) != 0  # ties of float32 positions are tested elsewhere
            np.testing.assert_array_equal(y[..., exact], x[..., index][..., exact])
