"""The kernel that is in use, driven through the door that all code uses, where a compiled one could go wrong.

`test_compiled_sets` runs these tests with every instruction set of the machine.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.guard_pages import guarded
from tests.core.tables import KINDS, applied, random_bands
from tests.oracles.compare import assert_rounded, assert_same_bits
from upsample_cli.core import instructions, kernel, numpy_kernel
from upsample_cli.core.axis_plan import AxisTarget, max_taps, plan_axes
from upsample_cli.core.dtypes import bfloat16_codec, numeric_codec
from upsample_cli.core.modes import find_mode
from upsample_cli.core.resample import resample
from upsample_cli.core.weights import BandedMatrix

NATIVE = ("float32", "float64", "uint8", "int8", "uint16", "int16")  # what a compiled kernel computes by itself
WIDER = ("float16", "int32", "uint32", "int64")  # the same, by the vectors of another type
DTYPES = (*NATIVE, *WIDER, "bool", "complex64", "complex128", ">f4", ">f8", ">u2", ">i2")
ULPS = 8  # of what the sum of the magnitudes may be
MODES = [("linear", False), ("cubic", False), ("linear", True), ("lanczos", True), ("area", False), ("nearest", False)]


def noise(rng, shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype if dtype.itemsize < 8 else np.int32)  # whose sums float64 holds exactly enough
        return rng.integers(limits.min, limits.max, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.kind == "c" else x).astype(dtype)


def taps_of(bands):
    return max((matrix.max_taps for matrix in bands if matrix is not None), default=1)


def out_shape(x, bands):
    return [n if matrix is None else matrix.out_size for n, matrix in zip(x.shape, bands, strict=True)]


def test_the_kernel_that_was_asked_for_is_the_one_that_computes(monkeypatch):
    wanted = os.environ.get("UPSAMPLE_KERNEL")
    used = kernel.instruction_set() or "numpy"
    assert wanted in (None, "", used)
    assert used in instructions.describe().lower()
    calls = []
    monkeypatch.setattr(numpy_kernel, "apply", lambda x, bands, axis, out, scratch: calls.append(x.dtype.name))
    for dtype in (*NATIVE, *WIDER):
        x = np.ones((6, 20), dtype)
        resampled(x, bands_of("linear", False, x, {0: 12, 1: 40}))
    assert bool(calls) == (used == "numpy")


def resampled(x, bands, out=None, threads=1):
    if out is None:
        out = np.empty(out_shape(x, bands), x.dtype.newbyteorder("="))
    resample(x, bands, out, numeric_codec(x.dtype, taps_of(bands)), threads)
    return out


def bands_of(mode, antialias, x, sizes):
    """The matrices of a mode, for the axes that `sizes` names."""
    chosen = find_mode(mode).antialiased() if antialias else find_mode(mode)
    recipe = plan_axes([x.shape[axis] for axis in sizes], [*map(AxisTarget, sizes.values())], chosen, False, x.dtype)
    bands = [None] * x.ndim
    for axis, step in zip(sizes, recipe, strict=True):
        bands[axis] = step.matrix
    assert max_taps(recipe) == taps_of(bands)
    return bands


def assert_right(actual, x, bands):
    """The answer is that of float64 arithmetic, to the precision of its type."""
    exact = applied(x, bands)
    if x.dtype.kind == "b":
        clear = np.abs(exact - 0.5) > 1 / 32
        np.testing.assert_array_equal(actual[clear], exact[clear] > 0.5)
    elif x.dtype.kind in "iu":
        assert_rounded(actual, exact)
    else:
        largest = max(1e-30, float(np.abs(x).max(initial=0)))
        unit = {2: 2.0**-11, 4: 2.0**-23, 8: 2.0**-52}[actual.real.dtype.itemsize]
        np.testing.assert_allclose(actual.astype(exact.dtype), exact, rtol=0, atol=ULPS * unit * largest)


@st.composite
def problems(draw):
    """A shape, what becomes of it, and a layout, as the arguments of `assemble`."""
    ndim = draw(st.integers(1, 5))
    shape = [draw(st.integers(1, 70 if axis == ndim - 1 else 6)) for axis in range(ndim)]
    channels = draw(st.sampled_from([0, 1, 2, 3, 4, 5])) if ndim > 1 else 0
    if channels:
        shape[-1], shape[-2] = channels, draw(st.integers(1, 70))
    resized = draw(st.lists(st.integers(0, ndim - 1 - bool(channels)), min_size=1, max_size=ndim, unique=True))
    sizes = {axis: draw(st.integers(1, 70 if shape[axis] > 6 else 9)) for axis in resized}
    widths = {axis: draw(st.sampled_from([1, 2, 2, 2, 3, 4, 6, 7, 13, 33])) for axis in resized}
    return {
        "shape": tuple(shape),
        "sizes": sizes,
        "widths": widths,
        "kind": draw(st.sampled_from(KINDS)),
        "dtype": draw(st.sampled_from(DTYPES)),
        "order": draw(st.permutations(range(ndim))),
        "steps": [draw(st.sampled_from([1, 1, 1, 2, -1, -3, 0])) for _ in range(ndim)],
        "out_steps": [draw(st.sampled_from([1, 1, 1, 2, -1])) for _ in range(ndim)],
        "threads": draw(st.sampled_from([1, 1, 2, 3])),
        "at_end": draw(st.booleans()),
        "part": (draw(st.integers(0, ndim - 1)), draw(st.floats(0, 1)), draw(st.floats(0, 1))),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def strided(shape, dtype, order, steps, at_end):
    """A view whose axes lie in memory in the order and at the steps, a step of 0 repeating one sample; and its memory.

    Either end of the memory is that of a page behind which there is none.
    """
    extents = [1 if steps[axis] == 0 else shape[axis] * abs(steps[axis]) for axis in order]
    memory = guarded(extents, np.dtype(dtype), at_end).transpose(np.argsort(order))
    window = tuple(slice(None, None, step or None) for step in steps)
    return np.broadcast_to(memory[window], shape) if 0 in steps else memory[window], memory


@settings(max_examples=250, deadline=None, derandomize=True)
@given(problems())
def test_any_table_on_any_layout(problem):
    rng = np.random.default_rng(problem["seed"])
    shape, order, at_end = problem["shape"], problem["order"], problem["at_end"]
    x, memory = strided(shape, problem["dtype"], order, problem["steps"], at_end)
    memory[...] = noise(rng, memory.shape, problem["dtype"])
    bands = [None] * x.ndim
    for axis, size in problem["sizes"].items():
        bands[axis] = random_bands(rng, shape[axis], size, problem["widths"][axis], problem["kind"])
    native = x.dtype.newbyteorder("=")
    out, around = strided(out_shape(x, bands), native, order, problem["out_steps"], at_end)
    around[...] = 77
    before = memory.copy()
    resampled(x, bands, out, problem["threads"])
    assert_right(out, x, bands)
    assert_same_bits(memory, before)
    assert_part_has_the_same_bits(out, x, bands, *problem["part"])
    out[...] = 77
    assert (around == np.array(77, native)).all()


def assert_part_has_the_same_bits(whole, x, bands, axis, begin, end):
    """Outputs `begin` to `end` of an axis, as fractions of it, computed from what they read."""
    size = whole.shape[axis]
    start = min(int(begin * size), size - 1)
    stop = start + 1 + int(end * (size - 1 - start))
    lead, part = (slice(None),) * axis, [*bands]
    read = slice(start, stop)
    if bands[axis] is not None:
        read, part[axis] = slice(*bands[axis].input_range(start, stop)), bands[axis].row_slice(start, stop)
    slab = x[(*lead, read)]
    out = np.empty(out_shape(slab, part), whole.dtype)
    resample(slab, part, out, numeric_codec(x.dtype, taps_of(bands)))
    assert_same_bits(out, np.ascontiguousarray(whole[(*lead, slice(start, stop))]))


def test_every_number_of_16_bits_is_read_and_rounded_as_numpy_does():
    """Subnormal numbers, infinities and NaN among them; weighted sums reach every kind of rounding."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    x = bits.reshape(256, 256)
    bands = bands_of("linear", False, x.view(np.float16), {0: 511, 1: 300})
    with np.errstate(over="ignore", invalid="ignore"):
        expected = resampled(x.view(np.float16).astype(np.float32), bands)
        assert_same_number(resampled(x.view(np.float16), bands), expected.astype(np.float16))
    codec = bfloat16_codec(2)
    single, back = codec.load(x), np.empty_like(x)
    codec.store(single, back)
    assert (np.isnan(single) | (back == x)).all()
    out, expected = np.empty((511, 300), np.uint16), np.empty((511, 300), np.uint16)
    resample(x, bands, out, codec)
    codec.store(resampled(single, bands), expected)
    assert_same_number(codec.load(out), codec.load(expected))


def assert_same_number(actual, expected):
    """The same bits, or both NaN, whose other bits mean nothing."""
    is_nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(actual), is_nan)
    assert_same_bits(np.where(is_nan, 0, actual), np.where(is_nan, 0, expected))


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64"])
def test_wide_integers_saturate_and_are_rounded_half_to_even(dtype):
    limits = np.iinfo(dtype)
    ends = np.array([limits.min, limits.max] * 8, dtype)
    for x in (ends, ends[::-1].copy()):
        y = resampled(x, bands_of("cubic", False, x, {0: 160}))
        assert y.min() == x.min()  # beyond which the cubic kernel overshoots
        assert y.max() == limits.max
    ramp = np.arange(16, dtype=dtype)
    halves = resampled(ramp, [BandedMatrix.make(16, np.arange(15), np.full((15, 2), 0.5))])
    assert halves.tolist() == [0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14]


def test_every_pair_of_bytes_is_blended_as_the_contract_says():
    """With weights of all kinds, along the fastest axis and along another one."""
    pairs = np.stack(np.meshgrid(np.arange(256), np.arange(256)), axis=-1).reshape(-1, 2).astype(np.uint8)
    for x, axis in ((pairs, 1), (np.ascontiguousarray(pairs.T), 0)):
        bands = bands_of("linear", False, x, {axis: 37})
        assert_right(resampled(x, bands), x, bands)


@pytest.mark.parametrize("sizes", [(9, 13, 50), (17, 20, 31), (26, 26, 26), (5, 40, 41)])
def test_bytes_that_are_blended_along_three_axes(sizes):
    """Their roundings add up, and stay below what the contract allows."""
    x = np.random.default_rng(4).choice(np.array([0, 1, 254, 255], np.uint8), (13, 13, 13))
    bands = bands_of("linear", False, x, dict(enumerate(sizes)))
    assert_right(resampled(x, bands), x, bands)


@pytest.mark.parametrize("channels", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", NATIVE)
def test_tails_of_every_length(dtype, channels):
    """In arrays that lie at either end of what may be touched."""
    rng = np.random.default_rng(channels)
    for m in range(1, 71):
        others = [(m + 5, "linear"), (7, "cubic"), (m % 11 + 1, "nearest")]
        for n, mode in ((max(1, m // 2), "linear"), others[(m + channels) % 3]):
            pixel = (channels,) if channels else ()
            x, out = (guarded(shape, np.dtype(dtype), m % 2 == 0) for shape in ((3, n, *pixel), (5, m, *pixel)))
            x[...] = noise(rng, x.shape, dtype)
            bands = bands_of(mode, False, x, {0: 5, 1: m})
            assert_right(resampled(x, bands, out), x, bands)


@pytest.mark.parametrize("dtype", NATIVE)
@pytest.mark.parametrize(
    ("mode", "antialias"), [("linear", False), ("cubic", False), ("linear", True), ("nearest", False)]
)
def test_nothing_beyond_the_arrays_is_touched(mode, antialias, dtype):
    rng = np.random.default_rng(1)
    shapes = [((2, n), (3, m)) for n in (1, 17, 65) for m in (1, 2, 33)]
    shapes += [((2, 3, 17), (4, 5, 34)), ((1, 1, 1), (2, 2, 2)), ((3, 2, 40), (2, 4, 11))]
    for (shape, size), at_end in itertools.product(shapes, (False, True)):
        x, out = guarded(shape, np.dtype(dtype), at_end), guarded(size, np.dtype(dtype), at_end)
        x[...] = noise(rng, shape, dtype)
        bands = bands_of(mode, antialias, x, {axis: m for axis, m in enumerate(size) if m != shape[axis]})
        assert_right(resampled(x, bands, out), x, bands)


@pytest.mark.skipif(sys.platform == "win32", reason="pages are not protected there")
@pytest.mark.parametrize(("at_end", "beyond"), [(True, 1), (False, -1)])
def test_guarded_arrays_are_guarded(at_end, beyond):
    """In a process of its own, which reading the byte beside the array ends."""
    script = f"""if True:
        import numpy as np
        from tests.core.guard_pages import guarded
        x = guarded((3,), np.dtype("uint8"), {at_end})
        assert x.sum() == 0
        edge = x[-1:] if {at_end} else x[:1]
        np.lib.stride_tricks.as_strided(edge, (2,), ({beyond},)).sum()
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    child = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert child.returncode == -signal.SIGSEGV, child.stderr


@pytest.mark.parametrize("dtype", [*NATIVE, "float16", "int32", "complex64"])
@pytest.mark.parametrize(("mode", "antialias"), MODES)
def test_neither_threads_nor_slabs_change_a_bit(mode, antialias, dtype):
    rng = np.random.default_rng(2)
    for shape, size in (((23, 37), (41, 60)), ((40, 37, 3), (17, 75, 3)), ((9, 12, 20), (21, 24, 33))):
        x = noise(rng, shape, dtype)
        bands = bands_of(mode, antialias, x, {axis: m for axis, m in enumerate(size) if m != shape[axis]})
        whole = resampled(x, bands)
        for axis, m in enumerate(size):
            for start in range(0, m, 7):
                assert_part_has_the_same_bits(whole, x, bands, axis, start / m, min(1, 6 / (m - start)))


@pytest.mark.parametrize("dtype", NATIVE)
@pytest.mark.parametrize(("mode", "antialias"), MODES)
def test_the_number_of_threads_changes_no_bit(mode, antialias, dtype):
    """With as many outputs as are worth to be shared."""
    rng = np.random.default_rng(3)
    for shape, size in (((700, 300), (1000, 701)), ((50, 300, 3), (90, 1400, 3)), ((20, 60, 70), (40, 120, 141))):
        x = noise(rng, shape, dtype)
        bands = bands_of(mode, antialias, x, {axis: m for axis, m in enumerate(size) if m != shape[axis]})
        whole = resampled(x, bands)
        for threads in (2, 3):
            assert_same_bits(resampled(x, bands, threads=threads), whole)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("mode", "antialias"), [way for way in MODES if way[0] != "nearest"])
def test_nan_and_infinity_reach_what_reads_them_and_nothing_else(mode, antialias, special, dtype):
    for shape, size in (((9, 21), (18, 42)), ((9, 40), (4, 17)), ((5, 6, 3), (7, 11, 3)), ((4, 5, 18), (8, 10, 36))):
        for number in range(0, x_size := int(np.prod(shape)), 1 + x_size // 12):
            place = np.unravel_index(number, shape)
            x = np.ones(shape, dtype)
            x[place] = special
            bands = bands_of(mode, antialias, x, {axis: m for axis, m in enumerate(size) if m != shape[axis]})
            np.testing.assert_array_equal(~np.isfinite(resampled(x, bands)), _reached(x, bands))


def _reached(x, bands):
    """Which outputs read a sample that is not finite, be its weight zero."""
    reached = ~np.isfinite(x)
    for axis, matrix in enumerate(bands):
        if matrix is not None:
            reading = BandedMatrix.make(matrix.in_size, matrix.first, np.ones(matrix.taps.shape), matrix.tap_count)
            reached = applied(reached, [reading if other == axis else None for other in range(x.ndim)]) > 0
    return reached


def test_taps_beyond_the_count_are_never_read():
    x = np.array([1, 2, np.nan, 4], np.float32)
    bands = BandedMatrix.make(
        4, np.array([0, 0, 3]), np.array([[0.5, 0.5, 9], [1, 9, 9], [1, 9, 9]]), np.array([2, 1, 1])
    )
    assert resampled(x, [bands]).tolist() == [1.5, 1, 4]
    assert resampled(np.stack([x] * 3), [None, bands]).tolist() == [[1.5, 1, 4]] * 3
    assert resampled(np.stack([x] * 40, axis=1), [bands, None])[:, 39].tolist() == [1.5, 1, 4]


@pytest.mark.parametrize("dtype", NATIVE)
def test_axes_longer_than_any_block(dtype):
    """Right, and the same bits in one piece and in parts."""
    rng = np.random.default_rng(5)
    for shape, sizes in (
        ((2, 7000), {1: 40_001}),
        ((3000, 2), {0: 7001}),
        ((2, 9001), {0: 3, 1: 1300}),
        ((1, 5000, 3), {1: 333}),
    ):
        x = noise(rng, shape, dtype)
        bands = bands_of("linear", True, x, sizes)
        y = resampled(x, bands)
        assert_right(y, x, bands)
        for axis, begin in itertools.product(sizes, (0.0, 0.6)):
            assert_part_has_the_same_bits(y, x, bands, axis, begin, 0.4)


@pytest.mark.skipif(kernel._compiled is None, reason="the kernel was not built")
@pytest.mark.parametrize("taps", [[0.25, 0.5, 0.25], [0.5, np.nan, 0.5]])
def test_plans_of_empty_batches_and_of_weights_that_are_no_numbers(taps):
    """Neither divides by the size of the batch, nor sums integers beyond their range."""
    table = (3, np.zeros(1, np.int64), np.full(1, 3), np.array([taps]))
    plan = kernel._compiled.Plan(kernel._compiled.sets()[-1], "float32", "u1", 1, [table], None, 64)
    plan.run(np.zeros((0, 3, 64), np.uint8), np.zeros((0, 1, 64), np.uint8), 0, 0)
    out = np.zeros((2, 1, 64), np.uint8)
    plan.run(np.full((2, 3, 64), 7, np.uint8), out, 0, 2)
    if np.isfinite(taps).all():
        assert (out == 7).all()


@pytest.mark.parametrize("kind", ["positive", "lobed"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_many_rows_of_bytes_are_summed_for_several_outputs_at_once(kind, channels):
    rng = np.random.default_rng(channels)
    for height, width, taps in [(64, 5, 16), (97, 41, 29), (301, 13, 60), (40, 70, 90)]:
        x = noise(rng, (2, height, width, channels), "uint8")
        for rows in (1, 9, 23):
            bands = [None, random_bands(rng, height, rows, taps, kind), bands_of("linear", True, x, {2: 7})[2], None]
            whole = resampled(x, bands)
            assert_right(whole, x, bands)
            for begin in (0, 0.3, 0.7):
                assert_part_has_the_same_bits(whole, x, bands, 1, begin, 0.5)


@pytest.mark.parametrize("dtype", [*NATIVE, *WIDER])
@pytest.mark.parametrize("channels", [32, 64, 256])
def test_pixels_that_fill_vectors_have_the_bits_of_other_pixels(dtype, channels):
    rng = np.random.default_rng(channels)
    for sizes in ({1: 8, 2: 10}, {1: 6, 2: 7}, {1: 3, 2: 2}):
        more = noise(rng, (2, 4, 5, channels + 1), dtype)
        x = np.ascontiguousarray(more[..., :-1])
        for kind in ("linear", "positive", "lobed"):
            if kind == "linear":
                bands = bands_of("linear", False, x, sizes)
            else:
                bands = [None, *(random_bands(rng, x.shape[axis], size, 2, kind) for axis, size in sizes.items()), None]
            whole = resampled(x, bands)
            assert_right(whole, x, bands)
            assert_same_bits(whole, np.ascontiguousarray(resampled(more, bands)[..., :-1]))
            assert_part_has_the_same_bits(whole, x, bands, 2, 0.2, 0.8)
