from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.oracles import cases, reference
from tests.oracles.compare import assert_close, assert_rounded, assert_same_bits
from upsample_cli import interpolate
from upsample_cli.core import kernel, numpy_kernel
from upsample_cli.core import resample as resample_module
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.bounded_cache import BoundedCache
from upsample_cli.core.dtypes import numeric_codec
from upsample_cli.core.modes import find_mode
from upsample_cli.core.resample import resample
from upsample_cli.core.weights import BandedMatrix

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
LAW = settings(deadline=None, derandomize=True, max_examples=60)


def _find_mode(name):
    name, _, antialias = name.partition(" ")
    return find_mode(name).antialiased() if antialias else find_mode(name)


def _bands(shape, sizes, mode="linear", dtype="float64", align_corners=False):
    """One matrix per axis, None for the axes where `sizes` has None."""
    resized = [axis for axis, size in enumerate(sizes) if size is not None]
    recipe = plan_axes(
        [shape[axis] for axis in resized],
        [AxisTarget(sizes[axis]) for axis in resized],
        _find_mode(mode),
        align_corners,
        np.dtype(dtype),
    )
    bands: list[BandedMatrix | None] = [None] * len(shape)
    for axis, step in zip(resized, recipe, strict=True):
        bands[axis] = step.matrix
    return bands


def _resample(x, bands, out=None, threads=None):
    if out is None:
        shape = [n if matrix is None else matrix.out_size for n, matrix in zip(x.shape, bands, strict=True)]
        out = np.empty(shape, x.dtype.newbyteorder("="))
    taps = max((matrix.max_taps for matrix in bands if matrix is not None), default=1)
    resample(x, bands, out, numeric_codec(x.dtype, taps), threads)
    return out


def _resize(x, sizes, threads=None, **options):
    return _resample(x, _bands(x.shape, sizes, dtype=x.dtype, **options), threads=threads)


def _integers(shape, dtype, seed=0):
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype, endpoint=True)


# Literal answers


@pytest.mark.parametrize(
    ("dtype", "x", "m", "expected"),
    [
        ("float64", [0, 4], 4, [0, 1, 3, 4]),
        ("float32", [0, 4, 8], 2, [1, 7]),
        ("uint8", [0, 1], 4, [0, 0, 1, 1]),
        ("uint8", [0, 2], 4, [0, 0, 2, 2]),  # 0.5 and 1.5 go to even
        ("uint8", [0, 6], 4, [0, 2, 4, 6]),  # 1.5 and 4.5 go to even
        ("int16", [0, -2], 4, [0, 0, -2, -2]),
        ("int32", [-3, -2, 5, 6], 2, [-2, 6]),  # −2.5 and 5.5
        ("uint8", [255, 0, 255], 6, [255, 191, 64, 64, 191, 255]),
        ("int8", [-128, 127], 4, [-128, -64, 63, 127]),  # −64.25, 63.25
        ("bool", [False, True], 4, [False, False, True, True]),
        ("complex128", [0, 4j], 4, [0, 1j, 3j, 4j]),
        ("float16", [0, 1], 4, [0, 0.25, 0.75, 1]),
    ],
)
def test_answers_by_hand(dtype, x, m, expected):
    actual = _resize(np.array(x, dtype), [m])
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, np.array(expected, dtype))


def test_a_picture_by_hand():
    actual = _resize(np.array([[0.0, 4.0], [8.0, 12.0]]), [4, 4])
    np.testing.assert_array_equal(actual, [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]])


# Dtypes


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("mode", ["linear", "nearest", "nearest-exact"])
@pytest.mark.parametrize("size", [(17, 23, 9), (14, 10, 12), (3, 2, 4)])
def test_constant_integers_stay_constant(dtype, mode, size):
    limits = np.iinfo(dtype)
    values = {limits.min, limits.max, limits.min + 1, 0, 1, limits.max // 3}
    if limits.bits < 64:
        values |= {limits.max - 1}
    for value in values:
        exact_in_float64 = int(float(value)) == value or value == limits.max
        if mode == "linear" and not exact_in_float64:
            continue
        np.testing.assert_array_equal(_resize(np.full((7, 5, 6), value, dtype), size, mode=mode), value)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_nearest_modes_never_leave_64_bit_integers(dtype):
    x = _integers((9,), dtype)
    x[:2] = np.iinfo(dtype).max, np.iinfo(dtype).max - 1
    np.testing.assert_array_equal(_resize(x, [18], mode="nearest"), np.repeat(x, 2))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((301,), (512,)),
        ((40, 50), (68, 85)),
        ((40, 50), (80, 150)),
        ((12, 14, 10), (20, 23, 17)),
        ((9, 8, 7), (4, 5, 3)),
    ],
)
def test_integers_are_the_rounded_truth(dtype, shape, size):
    x = _integers(shape, dtype, seed=sum(shape))
    assert_rounded(_resize(x, size), reference.linear(x, dict(enumerate(size))))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_64_bit_integers_are_right_to_the_precision_of_float64(dtype):
    x = _integers((40, 30), dtype)
    actual, exact = _resize(x, (68, 60)), reference.linear(x, {0: 68, 1: 60})
    assert actual.dtype == dtype
    np.testing.assert_allclose(
        actual.astype(np.float64), exact, rtol=0, atol=64 * np.spacing(float(np.abs(exact).max()))
    )


def test_float16_is_computed_in_float32_and_rounded_once():
    x = cases.noise((9, 11), "float16")
    expected = _resize(x.astype("float32"), (15, 22)).astype("float16")
    assert_same_bits(_resize(x, (15, 22)), expected)


def test_bool_is_zero_and_one():
    x = cases.noise((9, 11), "float32") > 0
    exact = reference.linear(x, {0: 15, 1: 25})
    clear = np.abs(exact - 0.5) > 1e-6
    actual = _resize(x, (15, 25))
    assert actual.dtype == bool
    np.testing.assert_array_equal(actual[clear], exact[clear] > 0.5)
    np.testing.assert_array_equal(_resize(x, (18, 22), mode="nearest"), x.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_is_its_real_and_its_imaginary_part(dtype):
    x = (cases.noise((9, 11), "float64") + 1j * cases.noise((11, 9), "float64").T).astype(dtype)
    actual = _resize(x, (15, 22))
    assert actual.dtype == dtype
    assert_close(actual.real, reference.linear(x.real, {0: 15, 1: 22}))
    assert_close(actual.imag, reference.linear(x.imag, {0: 15, 1: 22}))


def test_longdouble_is_at_least_as_good_as_float64():
    x = cases.noise((9, 11), "float64").astype("longdouble")
    actual = _resize(x, (15, 22))
    assert actual.dtype == np.longdouble
    assert_close(actual.astype("float64"), reference.linear(x, {0: 15, 1: 22}))


@pytest.mark.parametrize("dtype", ["i2", "u2", "i4", "f2", "f4", "f8", "c8"])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_byte_order_means_nothing(dtype, mode):
    x = (cases.noise((9, 11), "float64") * 50 + 60).astype(dtype)
    actual = _resize(x.astype(x.dtype.newbyteorder(">")), (15, 22), mode=mode)
    assert actual.dtype.isnative
    assert_same_bits(actual, _resize(x, (15, 22), mode=mode))


@pytest.mark.parametrize("dtype", ["O", "U3", "M8[s]"])
@pytest.mark.parametrize("mode", [None, "nearest"])
def test_what_is_no_number_is_refused(dtype, mode):
    with pytest.raises(TypeError, match="cannot be interpolated"):
        interpolate(np.zeros((1, 1, 3), dtype), size=5, mode=mode)


# Memory layouts

VIEWS = {
    "Fortran-ordered": np.asfortranarray,
    "reversed": lambda x: np.ascontiguousarray(x[::-1, :, ::-1])[::-1, :, ::-1],
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 2)[::2, :, ::3],
    "transposed": lambda x: np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0),
    "unaligned": lambda x: _unaligned(x),
    "read-only": lambda x: _read_only(x),
}


def _unaligned(x):
    buffer = np.empty(x.nbytes + 1, np.uint8)
    y = buffer[1:].view(x.dtype).reshape(x.shape)
    y[...] = x
    return y


def _read_only(x):
    y = x.copy()
    y.flags.writeable = False
    return y


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", ["float32", "uint16"])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_memory_layout_means_nothing_and_the_input_is_never_written(view, dtype, mode):
    x = (cases.noise((7, 6, 40), "float64") * 100 + 100).astype(dtype)
    y = VIEWS[view](x)
    np.testing.assert_array_equal(x, y)
    sizes = (14, 9, 55)
    assert_same_bits(_resize(y, sizes, mode=mode), _resize(x, sizes, mode=mode))
    np.testing.assert_array_equal(x, y)


def test_outputs_may_have_any_strides():
    x = cases.noise((7, 6, 40), "float32")
    for dtype in ("float32", "int16"):
        data = (x * 1000).astype(dtype)
        bands = _bands(x.shape, (14, 9, 55), dtype=dtype)
        expected = _resample(data, bands)
        buffer = np.full((14, 18, 110), -7, dtype)
        np.testing.assert_array_equal(_resample(data, bands, buffer[::-1, ::2, 1::2]), expected)
        assert (buffer[:, 1::2] == -7).all()
        np.testing.assert_array_equal(_resample(data, bands, np.empty((14, 9, 55), dtype, order="F")), expected)


def test_memory_maps_are_read_and_written(tmp_path):
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(7, 6, 40))
    x[...] = cases.noise(x.shape, "float32")
    x.flush()
    x = np.memmap(tmp_path / "x", np.float32, "r", shape=x.shape)
    out = np.memmap(tmp_path / "out", np.float32, "w+", shape=(14, 9, 55))
    bands = _bands(x.shape, out.shape, dtype="float32")
    assert_same_bits(np.array(_resample(x, bands, out)), _resample(np.array(x), bands))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 4), (0, 0, 4)])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_nothing_is_resized_to_nothing(shape, dtype):
    bands = _bands((*shape[:-1], 4), (*(None for _ in shape[:-1]), 9), dtype=dtype)
    assert _resample(np.zeros(shape, dtype), bands).shape == (*shape[:-1], 9)


def test_no_axis_at_all_is_a_copy():
    x = cases.noise((3, 4), "float32")
    y = _resample(x, [None, None])
    assert_same_bits(y, x)
    assert not np.shares_memory(x, y)


# NaN and infinity


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("n", "m"), [(8, 16), (9, 16), (16, 9), (12, 4), (8, 24)])
@pytest.mark.parametrize("trailing", [(), (3,), (40,)])
def test_special_values_reach_the_outputs_whose_taps_read_them_and_no_others(special, n, m, trailing):
    bands = _bands((n,), (m,))
    for place in range(n):
        x = cases.noise((n, *trailing), "float64")
        plain = _resample(x, [*bands, *(None for _ in trailing)])
        x[place] = special
        with np.errstate(invalid="ignore"):
            y = _resample(x, [*bands, *(None for _ in trailing)])
        reading = np.zeros(m, bool)
        weighing = np.zeros(m, bool)
        for tap in range(bands[0].max_taps):
            here = bands[0].columns(tap) == place
            reading |= here
            weighing |= here & (bands[0].taps[:, tap] != 0)
        assert not np.isfinite(y[weighing]).any()
        assert_same_bits(y[~reading], plain[~reading])
        assert np.isnan(y[reading & ~weighing]).all()  # 0 · ∞ and 0 · NaN are NaN, as in PyTorch
        assert (np.isnan(y[weighing]) | (y[weighing] == special)).all()


@pytest.mark.parametrize("x", [[1, np.inf, 2, 3], [np.inf, -np.inf, 1, 2]], ids=str)
def test_infinity_is_no_reason_to_warn(x):
    y = interpolate(np.array([[x]]), size=8)
    assert np.isfinite(y[..., -1]).all()


def test_nan_is_no_reason_to_warn():
    assert np.isnan(interpolate(np.array([[[np.nan, 1, 2, 3]]]), size=8)).sum() == 3


# Tiles


@pytest.fixture
def tiles(monkeypatch, engine):
    """Set the bytes of a tile and the length of a row, and count what the kernel is asked to do."""
    count = [0]
    module, name = (kernel, "prepare") if engine == "compiled" else (numpy_kernel, "apply")
    original = getattr(module, name)

    def spy(*arguments):
        count[0] += 1
        return original(*arguments)

    monkeypatch.setattr(module, name, spy)

    def of(size, row_elements=512):
        monkeypatch.setattr(resample_module, "TILE_BYTES", size)
        monkeypatch.setattr(resample_module, "_MIN_ROW_ELEMENTS", row_elements)
        monkeypatch.setattr(resample_module, "_MAX_ROW_SAMPLES", row_elements)
        monkeypatch.setattr(resample_module, "_MAX_LINE_SAMPLES", row_elements)
        monkeypatch.setattr(resample_module, "_row_cache", BoundedCache(1))
        count[0] = 0
        return count

    return of


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "complex64", "float16", "int64"])
@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((30, 70), (60, 140)),
        ((30, 70), (51, 119)),
        ((60, 70), (30, 33)),
        ((10, 12, 36), (20, 24, 72)),
        ((10, 12, 36), (17, 20, 61)),
        ((3, 30, 40), (None, 60, 68)),
        ((30, 40, 3), (60, 68, None)),
        ((3000,), (6000,)),
    ],
)
def test_tiles_never_change_a_bit(shape, sizes, dtype, tiles):
    x = (cases.noise(shape, "float64") * 100 + 100).astype(dtype)
    count = tiles(1 << 30, 1 << 30)
    whole = _resize(x, sizes)
    calls = count[0]
    for size, row in ((1 << 15, 512), (700, 1)):
        count = tiles(size, row)
        assert_same_bits(_resize(x, sizes), whole)
        if size == 700:
            assert count[0] > 2 * calls


def test_tiles_never_change_a_nearest_sample(tiles):
    x = _integers((60, 70), "uint16")
    tiles(1 << 30, 1 << 30)
    whole = _resize(x, (101, 111), mode="nearest")
    tiles(1000, 1)
    assert_same_bits(_resize(x, (101, 111), mode="nearest"), whole)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
@pytest.mark.parametrize(("shape", "sizes"), [((60, 70, 40), (90, 119, 80)), ((300_000,), (500_000,))])
def test_threads_never_change_a_bit(shape, sizes, dtype, engine, monkeypatch):
    x = _data(shape, dtype)
    alone = _resize(x, sizes, threads=1)
    monkeypatch.setattr(resample_module, "_MIN_PRODUCTS_PER_THREAD", 1)
    monkeypatch.setattr(resample_module, "_row_cache", BoundedCache(1))
    for threads in (2, 3, 16):
        assert_same_bits(_resize(x, sizes, threads=threads), alone)


@pytest.mark.usefixtures("reference")
def test_the_periodic_path_is_taken_in_whole_resizes_and_gives_the_same_bits(monkeypatch):
    taken = []
    original = numpy_kernel._apply_periodic

    def spy(*arguments):
        taken.append(1)
        return original(*arguments)

    monkeypatch.setattr(numpy_kernel, "_apply_periodic", spy)
    x = cases.noise((24, 30, 64), "float32")
    for sizes in ((48, 60, 128), (72, 90, 192), (36, 45, 96), (12, 15, 32)):
        taken.clear()
        periodic = _resize(x, sizes)
        assert taken
        assert len(taken) % 3 == 0  # along every axis of every tile
        with monkeypatch.context() as patch:
            patch.setattr(BandedMatrix, "phases", None)
            taken.clear()
            assert_same_bits(_resize(x, sizes), periodic)
            assert taken == []


# Laws

DTYPES = st.sampled_from(["float32", "float64", "uint8", "int16", "int32", "float16", "complex64"])
WEIGHING = ["linear", "cubic", "lanczos", "linear antialias", "cubic antialias", "lanczos antialias", "area"]
MODES = st.sampled_from([*WEIGHING, "nearest", "nearest-exact"])
# long enough for short periods to count, on slow axes with long rows and on fast ones
SHAPES = st.sampled_from([(23,), (20, 5), (12, 40), (9, 3, 7), (6, 10, 33), (16, 2, 64)])
RATIOS = st.sampled_from([2.0, 3.0, 1.5, 0.5, 1.0, 1.7, 0.6, 1.1, 4.3])


def _data(shape, dtype):
    return (cases.noise(shape, "float64") * 100 + (100 if dtype == "uint8" else 0)).astype(dtype)


@st.composite
def resizes(draw):
    shape = draw(SHAPES)
    sizes = tuple(max(1, int(n * draw(RATIOS))) for n in shape)
    return shape, sizes


@settings(LAW, max_examples=150)
@example(((6, 10, 33), (12, 20, 66)), "float32", "linear", False, False, set(range(1, 12)))
@given(resizes(), DTYPES, MODES, st.booleans(), st.booleans(), st.sets(st.integers(1, 60), max_size=6))
def test_slabs_of_the_slow_axis_are_the_whole_bit_for_bit(resize, dtype, mode, align_corners, fortran, cuts):
    shape, sizes = resize
    x = _data(shape, dtype)
    bands = _bands(shape, sizes, mode, dtype, align_corners and _find_mode(mode).allows_align_corners)
    whole = _resample(x, bands)
    axis = len(shape) - 1 if fortran else 0
    slabs = []
    for start, stop in pairwise(sorted({0, *(cut for cut in cuts if cut < sizes[axis]), sizes[axis]})):
        matrix = bands[axis]
        low, high = (start, stop) if matrix is None else matrix.input_range(start, stop)
        part = None if matrix is None else matrix.row_slice(start, stop)
        slab = x[(slice(None),) * axis + (slice(low, high),)]
        slabs.append(_resample(slab, [*bands[:axis], part, *bands[axis + 1 :]]))
    assert_same_bits(np.concatenate(slabs, axis), whole)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_slabs_of_every_height_are_the_whole_bit_for_bit(dtype):
    x = _data((20, 6, 40), dtype)
    different = []
    for size in (40, 34, 60, 30, 10):
        bands = _bands(x.shape, (size, 9, 80), dtype=dtype)
        whole = _resample(x, bands)
        for height in range(1, size + 1):
            for start in range(0, size, height):
                stop = min(start + height, size)
                slab = _resample(
                    x[slice(*bands[0].input_range(start, stop))], [bands[0].row_slice(start, stop), *bands[1:]]
                )
                if not np.array_equal(slab, whole[start:stop]):
                    different.append((size, start, stop))
    assert different == []


def test_slabs_of_negative_zeros_are_the_whole_bit_for_bit():
    x = np.full((30, 40), -0.0)
    bands = _bands(x.shape, (40, None), "area")
    whole = _resample(x, bands)
    for start in range(40):
        part = bands[0].row_slice(start, start + 1)
        assert_same_bits(
            _resample(x[slice(*bands[0].input_range(start, start + 1))], [part, None]), whole[start : start + 1]
        )


@LAW
@given(resizes(), DTYPES, MODES)
def test_batches_are_singles_and_channels_are_independent(resize, dtype, mode):
    shape, sizes = resize
    x = _data((2, 3, *shape), dtype)
    name, _, antialias = mode.partition(" ")
    name = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}[len(shape)]}.get(name, name)
    options = {"size": sizes, "mode": name, "antialias": bool(antialias)}
    together = interpolate(x, **options)
    for n in range(2):
        for c in range(3):
            alone = interpolate(x[n : n + 1, c : c + 1], **options)
            assert_same_bits(alone, together[n : n + 1, c : c + 1])


@LAW
@given(resizes(), DTYPES, MODES, st.integers(1, 4))
def test_leading_axes_only_repeat_the_work(resize, dtype, mode, leading):
    shape, sizes = resize
    bands = _bands(shape, sizes, mode, dtype)
    x = _data((leading, *shape), dtype)
    together = _resample(x, [None, *bands])
    for index in range(leading):
        assert_same_bits(_resample(x[index], bands), together[index])


@LAW
@given(resizes(), DTYPES, MODES, st.integers(1, 40))
def test_trailing_axes_only_repeat_the_work_up_to_the_order_of_the_axes(resize, dtype, mode, trailing):
    shape, sizes = resize
    bands = _bands(shape, sizes, mode, dtype)
    x = _data((*shape, trailing), dtype)
    together = _resample(x, [*bands, None])
    for index in {0, trailing // 2, trailing - 1}:
        alone, here = _resample(x[..., index], bands), together[..., index]
        if mode.startswith("nearest"):
            np.testing.assert_array_equal(here, alone)
        elif np.dtype(dtype).kind in "iu":
            assert np.abs(here.astype(int) - alone).max() <= 1
        else:
            bound = 2 * float(np.spacing(np.abs(x).max()))
            np.testing.assert_allclose(here, alone, rtol=0, atol=max(bound, 4e-5 if dtype != "float64" else 0))


@LAW
@given(SHAPES, DTYPES, MODES, st.booleans())
def test_the_same_size_is_the_identity(shape, dtype, mode, align_corners):
    x = _data(shape, dtype)
    bands = _bands(shape, shape, mode, dtype, align_corners and _find_mode(mode).allows_align_corners)
    assert bands == [None] * len(shape)
    assert_same_bits(_resample(x, bands), x)


@LAW
@given(
    resizes(),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
)
def test_constants_stay_constant(resize, dtype, align_corners, value):
    shape, sizes = resize
    y = _resize(np.full(shape, value, dtype), sizes, align_corners=align_corners)
    np.testing.assert_allclose(y, np.full(sizes, value, dtype), rtol=2 * len(shape) * np.finfo(dtype).eps, atol=0)


@LAW
@given(resizes(), st.sampled_from(["int16", "uint16", "int32", "uint8"]), st.booleans(), st.data())
def test_integer_constants_stay_exactly_constant(resize, dtype, align_corners, data):
    shape, sizes = resize
    value = data.draw(st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max))
    np.testing.assert_array_equal(_resize(np.full(shape, value, dtype), sizes, align_corners=align_corners), value)


@LAW
@given(resizes(), st.booleans(), st.floats(-3, 3), st.floats(-3, 3))
def test_the_output_is_linear_in_the_input(resize, align_corners, p, q):
    shape, sizes = resize
    x, y = cases.noise((2, *shape), "float64")
    bands = _bands(shape, sizes, align_corners=align_corners)
    np.testing.assert_allclose(
        _resample(p * x + q * y, bands), p * _resample(x, bands) + q * _resample(y, bands), rtol=0, atol=1e-13
    )


@LAW
@given(resizes(), st.sampled_from(["float32", "float64"]), st.booleans())
def test_floats_are_close_to_the_truth(resize, dtype, align_corners):
    shape, sizes = resize
    x = _data(shape, dtype)
    expected = reference.linear(x, dict(enumerate(sizes)), align_corners=align_corners)
    assert_close(_resize(x, sizes, align_corners=align_corners), expected)


@LAW
@given(resizes())
def test_mirrored_input_gives_mirrored_output(resize):
    shape, sizes = resize
    x = cases.noise(shape, "float64")
    mirror = (slice(None, None, -1),) * len(shape)
    np.testing.assert_allclose(_resize(x[mirror], sizes), _resize(x, sizes)[mirror], rtol=0, atol=1e-12)
