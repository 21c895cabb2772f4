"""ONNX's Resize: the node cases whose attributes say what a call of PyTorch's `interpolate` says."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import onnx_resize
from upsample_cli import interpolate

CASES = onnx_resize.load()
EXCLUDED = {  # the reason, and the names that ONNX gives, without test_resize_
    "PyTorch knows A = -0.5 only with a kernel that is stretched where an axis shrinks": [
        "downsample_scales_cubic_A_n0p5_exclude_outside",
    ],
    "the last corner is that of the size before it is rounded down, in PyTorch that of the output": [
        "downsample_scales_cubic_align_corners",
        "downsample_scales_linear_align_corners",
    ],
    "the stretched kernel repeats the sample at the border, which PyTorch's does not read again": [
        "downsample_scales_cubic_antialias",
        "downsample_scales_linear_antialias",
        "downsample_sizes_cubic_antialias",
        "downsample_sizes_linear_antialias",
    ],
    "PyTorch has no symmetric half pixels": [
        "downsample_scales_linear_half_pixel_symmetric",
        "upsample_scales_linear_half_pixel_symmetric",
    ],
    "puts a single output sample on the first input sample, which PyTorch does not": [
        "downsample_sizes_linear_pytorch_half_pixel",
    ],
    "positions between two samples go to the lower one, in PyTorch to the upper one": [
        "downsample_sizes_nearest",
        "upsample_sizes_nearest",
        "upsample_sizes_nearest_axes_2_3",
        "upsample_sizes_nearest_axes_3_2",
    ],
    "the sizes are not those of the output, but a box for it": [
        "downsample_sizes_nearest_not_larger",
        "downsample_sizes_nearest_not_smaller",
        "upsample_sizes_nearest_not_larger",
        "upsample_sizes_nearest_not_smaller",
    ],
    "PyTorch crops nothing": [
        "tf_crop_and_resize",
        "tf_crop_and_resize_axes_2_3",
        "tf_crop_and_resize_axes_3_2",
        "tf_crop_and_resize_extrapolation_value",
    ],
    "PyTorch takes asymmetric positions for nearest with the floor alone": [
        "upsample_scales_cubic_asymmetric",
        "upsample_sizes_nearest_round_prefer_ceil_asymmetric",
    ],
    "PyTorch's nearest-exact rounds half-pixel positions to the nearest sample": [
        "upsample_sizes_nearest_ceil_half_pixel",
    ],
    "PyTorch aligns no corners in nearest modes": [
        "upsample_sizes_nearest_floor_align_corners",
    ],
}


def assert_alike(actual, expected):
    """As close as positions in float32 allow, which is how ONNX computes them."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("case", [case for case in CASES if case.reason is None], ids=lambda case: case.name)
def test_cases_with_torchs_meaning_have_our_answer(case):
    assert_alike(interpolate(case.x, **case.options()), case.expected)


def test_the_excluded_cases_and_their_reasons_are_these():
    found: dict[str, list[str]] = {}
    for case in CASES:
        if case.reason is not None:
            found.setdefault(case.reason, []).append(case.name)
    assert found == EXCLUDED


def test_every_kernel_is_among_the_cases():
    chosen = [case.options() for case in CASES if case.reason is None]
    assert {options["mode"] for options in chosen} == {"nearest", "nearest-exact", "bilinear", "bicubic"}
    assert any("align_corners" in options for options in chosen)
    assert any("antialias" in options for options in chosen)


def test_one_wrong_value_is_seen():
    case = next(case for case in CASES if case.reason is None)
    wrong = case.expected.copy()
    wrong.flat[0] += 1e-3
    with pytest.raises(AssertionError):
        assert_alike(wrong, case.expected)
