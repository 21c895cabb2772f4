"""Long axes: exact positions, and no table of weights that grows with the axis."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from upsample_cli import interpolate
from upsample_cli.core import axis_plan, long_axis
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.long_axis import LongMatrix
from upsample_cli.core.modes import MODES, find_mode

N = 100_000  # more than the longest table


def _exact_linear(x, m, a):
    """Linear interpolation at the exact positions, in exact arithmetic up to the weights."""
    n = len(x)
    double = 2 * a.denominator  # a position is a whole number of parts, of which `double` make a sample
    position = np.maximum((2 * np.arange(m) + 1) * a.numerator - a.denominator, 0)
    first = np.minimum(position // double, n - 1)
    weight = np.minimum(position - first * double, double) / double
    x = x.astype(np.float64)
    return x[first] * (1 - weight) + x[np.minimum(first + 1, n - 1)] * weight


@pytest.mark.parametrize(("m", "factor"), [(2 * N, 2.0), (170_000, 1.7), (N + 1, None), (37_000, 0.37)])
def test_integers_are_the_rounded_value_of_the_formula(m, factor):
    x = np.random.default_rng(0).integers(-20_000, 20_000, N).astype(np.int16)
    a = Fraction(N, m) if factor is None else 1 / Fraction(str(factor))
    target = {"size": m} if factor is None else {"scale_factor": factor}
    ours = interpolate(x[None, None], mode="linear", **target)[0, 0]
    assert ours.dtype == np.int16
    exact = _exact_linear(x, m, a)
    certain = np.abs(exact % 1 - 0.5) > 1 / 32  # the arithmetic is in float32
    np.testing.assert_array_equal(ours[certain], np.rint(exact)[certain])


@pytest.mark.parametrize("n", [4097, 46_341, N])
def test_floats_beyond_4096_samples_follow_the_formula(n):
    x = np.random.default_rng(0).standard_normal(n)
    m = 2 * n + 3
    ours = interpolate(x[None, None], size=m, mode="linear")[0, 0]
    np.testing.assert_allclose(ours, _exact_linear(x, m, Fraction(n, m)), rtol=0, atol=1e-10)


def test_integers_follow_the_formula_on_short_axes_too():
    x = np.random.default_rng(0).integers(0, 65536, 3000).astype(np.uint16)
    exact = _exact_linear(x, 7001, Fraction(3000, 7001))
    certain = np.abs(exact % 1 - 0.5) > 1 / 32  # the arithmetic is in float32
    ours = interpolate(x[None, None], size=7001, mode="linear")[0, 0]
    np.testing.assert_array_equal(ours[certain], np.rint(exact)[certain])


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_is_exact_beyond_a_million_samples(mode):
    n, m = 2**20 + 1, 3_000_001
    x = np.arange(n, dtype=np.int32)
    rows = np.arange(m)
    expected = rows * n // m if mode == "nearest" else (2 * rows + 1) * n // (2 * m)
    np.testing.assert_array_equal(interpolate(x[None, None], size=m, mode=mode)[0, 0], expected)


@pytest.mark.parametrize("name", [name for name, mode in MODES.items() if mode.ndim is None and not mode.is_label_mode])
@pytest.mark.parametrize("target", [2.0, 1.7, 0.37, 1.234567, N + 12_345])
def test_blocks_and_parts_have_the_weights_of_the_whole(name, target):
    factor, size = (target, int(N * target)) if isinstance(target, float) else (None, target)
    plan = plan_axes([N], [AxisTarget(size, factor)], find_mode(name), False, np.dtype(np.float32))[0]
    matrix = plan.matrix
    assert isinstance(matrix, LongMatrix)
    whole = matrix.make_rows(np.arange(size))
    random = np.random.default_rng(0)
    step = matrix.block_rows(1 << 13)
    starts = [0, step, size - 5, *random.integers(0, size - step, 3).tolist()]
    for start in starts:
        stop = min(start + step, size)
        _assert_same_rows(matrix, whole, start, stop)
        part = matrix.row_slice(start, size)
        if isinstance(part, LongMatrix):
            low = matrix.input_range(start, size)[0]
            _assert_same_rows(part, whole, 7, 500, start, low)


def _assert_same_rows(matrix, whole, start, stop, first_row=0, first_sample=0):
    block, low = matrix.row_slice(start, stop), matrix.input_range(start, stop)[0] + first_sample
    rows = slice(start + first_row, stop + first_row)
    np.testing.assert_array_equal(block.first + low, whole.first[rows])
    np.testing.assert_array_equal(block.tap_count, whole.tap_count[rows])
    np.testing.assert_array_equal(block.taps, whole.taps[rows])


@pytest.mark.parametrize("shape", [(5000, 2), (3, 5000), (5000,)])
@pytest.mark.parametrize("mode", ["label", "cubic", "box", "nearest-exact"])
def test_the_place_of_the_long_axis_does_not_matter(shape, mode, monkeypatch):
    monkeypatch.setattr(axis_plan, "LONGEST_TABLE", 1000)
    monkeypatch.setattr(long_axis, "_TABLE_TAPS", 4000)
    x = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    axis = shape.index(5000)
    lines = np.moveaxis(x, axis, -1).reshape(1, -1, 5000)
    expected = interpolate(lines, scale_factor=1.5, mode=mode)[0]
    array = x.reshape(1, 1, *x.shape)
    factor = [1.5 if size == 5000 else 1.0 for size in shape]
    ours = interpolate(array, scale_factor=factor, mode=mode)[0, 0]
    np.testing.assert_array_equal(np.moveaxis(ours, axis, -1).reshape(expected.shape), expected)


def test_gradients_of_long_axes_are_the_transposed_operator():
    from upsample_cli import upsample_vjp

    random = np.random.default_rng(0)
    x = random.standard_normal((1, 1, N))
    y, pullback = upsample_vjp(x, size=N + 7, mode="linear")
    g = random.standard_normal(y.shape)
    assert np.vdot(y, g) == pytest.approx(np.vdot(x, pullback(g)), rel=1e-9)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_a_long_signal_streams_in_little_memory(tmp_path):
    n = 20_000_000
    signal = np.lib.format.open_memmap(tmp_path / "long.npy", "w+", np.int16, (n,))
    signal[:] = np.arange(n) % 1000
    del signal
    code = f"""
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "upsample_cli", {str(tmp_path / "long.npy")!r}, "--scale", "2", "-q",
                       "--axes", "x", "-o", {str(tmp_path / "out.npy")!r}])
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert output[0] == "0"
    assert int(output[1]) < 300_000
    result = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert result.shape == (2 * n,)
    np.testing.assert_array_equal(result[20_000_001:20_000_007], [0, 1, 1, 2, 2, 3])
