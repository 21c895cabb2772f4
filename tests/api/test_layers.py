"""Pixel shuffle, the weights of a learnable upsampler and pyramids."""

from __future__ import annotations

import inspect
from itertools import pairwise

import numpy as np
import pytest

from tests.oracles import cases
from tests.oracles.compare import assert_close, assert_same_bits
from upsample_cli import interpolate
from upsample_cli.api.layers import conv_transpose_weight, pixel_shuffle, pixel_unshuffle, pyramid

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed; definitions and laws were tested")

SHUFFLES = [
    ((2, 8, 3, 4), 2, 2),
    ((2, 9, 3, 4), 3, 2),
    ((8, 3, 4), 2, 2),
    ((3, 2, 4, 5, 1), 2, 2),
    ((2, 6, 5), 3, 1),
    ((4, 7), 2, 1),
    ((2, 16, 2, 3, 4), 2, 3),
    ((27, 1, 2, 3), 3, 3),
    ((1, 5, 3, 4), 1, 2),
    ((0, 8, 3, 4), 2, 2),
]


def _spelt_out(x, factor, ndim):
    """The definition of a shuffle, one sample after the other: the channel's remainder says where in the cell."""
    split = x.ndim - ndim
    lead, channels, spatial = x.shape[: split - 1], x.shape[split - 1], x.shape[split:]
    out = np.empty((*lead, channels // factor**ndim, *(n * factor for n in spatial)), x.dtype)
    for place in np.ndindex(out.shape[split - 1 :]):
        channel, *position = place
        offset = 0
        for p in position:
            offset = offset * factor + p % factor
        source = (channel * factor**ndim + offset, *(p // factor for p in position))
        out[..., *place] = x[..., *source]
    return out


@pytest.mark.parametrize(("shape", "factor", "ndim"), SHUFFLES)
def test_shuffling_moves_each_sample_to_its_place_and_back(shape, factor, ndim):
    x = cases.noise(shape, "float32")
    y = pixel_shuffle(x, factor, ndim)
    assert_same_bits(y, _spelt_out(x, factor, ndim))
    assert_same_bits(pixel_unshuffle(y, factor, ndim), x)
    assert_same_bits(pixel_shuffle(pixel_unshuffle(y, factor, ndim), factor, ndim), y)


def test_two_dimensions_are_the_default_and_a_shuffle_by_hand():
    x = np.arange(8).reshape(1, 4, 1, 2)
    np.testing.assert_array_equal(pixel_shuffle(x, 2), [[[[0, 2, 1, 3], [4, 6, 5, 7]]]])
    np.testing.assert_array_equal(pixel_shuffle(np.arange(6).reshape(2, 3), 2, ndim=1), [[0, 3, 1, 4, 2, 5]])


@needs_torch
@pytest.mark.parametrize(("shape", "factor", "ndim"), [case for case in SHUFFLES if case[2] == 2 and case[0][0]])
def test_shuffles_are_those_of_live_torch(shape, factor, ndim):
    x = cases.noise(shape, "float64")
    expected = torch.nn.functional.pixel_shuffle(torch.from_numpy(x), factor)
    assert_same_bits(pixel_shuffle(x, factor, ndim), expected.numpy())
    assert_same_bits(
        pixel_unshuffle(expected.numpy(), factor, ndim), torch.nn.functional.pixel_unshuffle(expected, factor).numpy()
    )


@pytest.mark.parametrize(
    ("function", "shape", "factor", "ndim", "message"),
    [
        (pixel_shuffle, (1, 6, 2, 2), 2, 2, r"number of channels, 6, is not a multiple of 2\^2"),
        (pixel_shuffle, (1, 4, 2, 2), 2, 3, r"number of channels, 1, is not a multiple of 2\^3"),
        (pixel_unshuffle, (1, 1, 4, 3), 2, 2, r"\(4, 3\) are not multiples of 2"),
        (pixel_shuffle, (1, 4, 2, 2), 0, 2, "positive factor .* got 0"),
        (pixel_shuffle, (1, 4, 2, 2), -2, 2, "positive factor .* got -2"),
        (pixel_shuffle, (1, 4, 2, 2), 2, 4, "4 spatial axes"),
        (pixel_unshuffle, (4, 2), 2, 2, r"2 spatial axes.* got 2 and \(4, 2\)"),
        (pixel_unshuffle, (4, 2), 0, 1, "positive factor"),
    ],
)
def test_impossible_shuffles_are_refused(function, shape, factor, ndim, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros(shape), factor, ndim)


@pytest.mark.parametrize("function", [pixel_shuffle, pixel_unshuffle])
@pytest.mark.parametrize("factor", [1.5, 2.0, "2"])
def test_factors_that_are_no_whole_numbers_are_refused(function, factor):
    with pytest.raises((TypeError, ValueError)):
        function(np.zeros((1, 4, 4, 4)), factor)


# The transposed convolution


def _conv_transpose(x, weight, stride, padding):
    """A grouped transposed convolution from its definition: every sample adds its multiple of the kernel."""
    ndim, size = x.ndim - 2, weight.shape[-1]
    full = np.zeros((*x.shape[:2], *((n - 1) * stride + size for n in x.shape[2:])))
    for place in np.ndindex(x.shape[2:]):
        window = tuple(slice(p * stride, p * stride + size) for p in place)
        sample = x[:, :, *place].reshape(*x.shape[:2], *(1,) * ndim)
        full[:, :, *window] += sample * weight[None, :, 0]
    return full[:, :, *(slice(padding, n - padding) for n in full.shape[2:])]


def _inside(y, factor):
    border = (factor + 1) // 2
    return y[:, :, *(slice(border, n - border) for n in y.shape[2:])]


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_transposed_convolution_is_linear_upsampling_inside_the_border(factor, ndim):
    x = cases.noise((2, 3, *(7, 5, 4)[:ndim]), "float64")
    weight, padding = conv_transpose_weight(3, factor, ndim)
    assert weight.shape == (3, 1, *(weight.shape[-1],) * ndim)
    assert weight.dtype == np.float64
    assert weight.flags.writeable
    expected = interpolate(x, scale_factor=factor)
    answers = [_conv_transpose(x, weight, factor, padding)]
    if torch is not None:
        function = getattr(torch.nn.functional, f"conv_transpose{ndim}d")
        tensors = torch.from_numpy(x), torch.from_numpy(weight)
        answers.append(function(*tensors, stride=factor, padding=padding, groups=3).numpy())
    for actual in answers:
        assert actual.shape == expected.shape
        assert_close(_inside(actual, factor), _inside(expected, factor))
        if factor > 1:  # outside it, the convolution takes what lies beyond the border to be zero
            assert np.abs(actual - expected).max() > 1e-3


@pytest.mark.parametrize(
    ("factor", "line", "padding"),
    [
        (1, [1], 0),
        (2, [0.25, 0.75, 0.75, 0.25], 1),
        (3, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3], 1),
        (4, [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125], 2),
    ],
)
def test_weights_by_hand(factor, line, padding):
    weights = conv_transpose_weight(2, factor, 2)
    assert weights.padding == padding
    for channel in range(2):
        np.testing.assert_allclose(weights.weight[channel, 0], np.outer(line, line), rtol=0, atol=1e-15)


@pytest.mark.parametrize("arguments", [(1, 0, 2), (1, -2, 2), (1, 2, 0), (1, 2, 4), (1, 1.5, 2)])
def test_impossible_weights_are_refused(arguments):
    with pytest.raises((ValueError, TypeError)):
        conv_transpose_weight(*arguments)


# Pyramids


@pytest.mark.parametrize(
    ("factor", "levels", "sizes"),
    [
        (0.5, 4, [(20, 12), (10, 6), (5, 3), (2, 1)]),
        (0.5, 9, [(20, 12), (10, 6), (5, 3), (2, 1)]),
        (2, 3, [(20, 12), (40, 24), (80, 48)]),
        ((0.5, 1.0), 3, [(20, 12), (10, 12), (5, 12)]),
        (0.5, 1, [(20, 12)]),
        (0.5, 0, []),
    ],
)
def test_levels_have_the_sizes_of_the_factor(factor, levels, sizes):
    x = cases.noise((1, 2, 20, 12), "float32")
    arrays = list(pyramid(x, levels, factor))
    assert [level.shape for level in arrays] == [(1, 2, *size) for size in sizes]
    for level, smaller in pairwise(arrays):
        shrinks = np.min(factor) < 1
        assert_same_bits(smaller, interpolate(level, scale_factor=factor, antialias=bool(shrinks)))


@pytest.mark.parametrize("mode", ["area", "nearest", "nearest-exact"])
def test_modes_that_cannot_be_antialiased_are_not(mode):
    x = cases.noise((1, 1, 16), "float64")
    _, level = pyramid(x, 2, mode=mode)
    assert_same_bits(level, interpolate(x, scale_factor=0.5, mode=mode))


def test_options_are_those_of_interpolate():
    x = cases.noise((1, 1, 16), "float64")
    _, level = pyramid(x, 2, mode="cubic", antialias=False, align_corners=True)
    assert_same_bits(level, interpolate(x, scale_factor=0.5, mode="cubic", align_corners=True))
    with pytest.raises(TypeError, match="no_such_option"):
        list(pyramid(x, 2, no_such_option=1))


def test_levels_are_made_when_they_are_asked_for():
    levels = pyramid(np.zeros((1, 1, 16)), 1000, 2)
    assert inspect.isgenerator(levels)
    assert [next(levels).shape[2] for _ in range(3)] == [16, 32, 64]
