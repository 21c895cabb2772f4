import numpy as np
import pytest

from tests.oracles import cases, reference
from tests.oracles.compare import assert_close, assert_rounded
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.dtypes import numeric_codec, premultiplied_codec
from upsample_cli.core.modes import find_mode
from upsample_cli.core.resample import resample

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def weighted_by_alpha(dtype, taps=2):
    return premultiplied_codec(numeric_codec(dtype, taps))


@pytest.mark.parametrize(
    ("dtype", "working"),
    [
        ("bool", "float32"),
        ("int8", "float32"),
        ("uint8", "float32"),
        ("int16", "float32"),
        ("uint16", "float32"),
        ("int32", "float64"),
        ("uint32", "float64"),
        ("int64", "float64"),
        ("uint64", "float64"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("longdouble", "longdouble"),
        ("complex64", "complex64"),
        ("complex128", "complex128"),
        (">i2", "float32"),
        (">f4", "float32"),
        (">c16", "complex128"),
    ],
)
def test_the_precision_of_the_arithmetic(dtype, working):
    for rules in (numeric_codec(np.dtype(dtype)), weighted_by_alpha(np.dtype(dtype))):
        assert rules.compute_dtype == np.dtype(working)
        assert rules.compute_dtype.isnative


@pytest.mark.parametrize("dtype", ["O", "U3", "S3", "M8[s]", "m8[s]", "V4", [("x", "f4")]], ids=str)
@pytest.mark.parametrize("rules", [numeric_codec, weighted_by_alpha])
def test_what_is_no_number_is_refused(rules, dtype):
    with pytest.raises(TypeError, match="cannot be interpolated; only numbers and booleans can"):
        rules(np.dtype(dtype))


def _store(values, dtype):
    rules = numeric_codec(np.dtype(dtype))
    out = np.empty(len(values), dtype)
    rules.store(np.array(values, rules.compute_dtype), out)
    return out.tolist()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_ties_go_to_even(dtype):
    assert _store([0.5, 1.5, 2.5, 3.5, 4.4999, 4.5001, 5.5], dtype) == [0, 2, 2, 4, 4, 5, 6]
    if dtype.startswith("i"):
        assert _store([-0.5, -1.5, -2.5, -3.5, -0.4999, -0.5001], dtype) == [0, -2, -2, -4, 0, -1]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_what_is_out_of_range_saturates(dtype):
    limits = np.iinfo(dtype)
    far = 1e30
    assert _store([far, -far, np.inf, -np.inf], dtype) == [limits.max, limits.min, limits.max, limits.min]
    assert _store([float(limits.max), float(limits.min)], dtype) == [limits.max, limits.min]
    if limits.bits <= 32:
        assert _store([limits.max + 0.75, limits.min - 0.75, limits.max - 1], dtype) == [
            limits.max,
            limits.min,
            limits.max - 1,
        ]


@pytest.mark.parametrize(("dtype", "below"), [("int64", 2**63 - 1024), ("uint64", 2**64 - 2048)])
def test_the_largest_float64_below_a_64_bit_limit_stays_what_it_is(dtype, below):
    assert _store([float(below), float(below) + 4096], dtype) == [below, np.iinfo(dtype).max]


def test_float16_overflows_to_infinity_without_a_warning():
    assert _store([65519, 65520, -1e6, 1 / 3], "float16") == [65504, np.inf, -np.inf, float(np.float16(1 / 3))]


def test_bool_is_what_rounds_to_one():
    assert _store([0, 0.49, 0.5, 0.51, 1], "bool") == [False, False, False, True, True]


def test_load_is_a_new_array_of_the_working_dtype():
    for dtype in ("uint8", "float32", ">f8", "complex64"):
        rules = numeric_codec(np.dtype(dtype))
        x = np.arange(12).reshape(3, 4).astype(dtype).T
        y = rules.load(x)
        assert y.dtype == rules.compute_dtype
        assert y.flags.c_contiguous
        assert not np.shares_memory(x, y)
        np.testing.assert_array_equal(x, y)


def _with_alpha(x, size, rules):
    recipe = plan_axes(x.shape[:2], [AxisTarget(n) for n in size], find_mode("bilinear"), False, x.dtype)
    out = np.empty((*size, x.shape[2]), x.dtype)
    resample(x, [*(axis.matrix for axis in recipe), None], out, rules(x.dtype))
    return out


def _straight_from_premultiplied(x, size):
    x = x.astype(np.float64)
    weighted = np.concatenate([x[..., :-1] * x[..., -1:], x[..., -1:]], axis=-1)
    y = reference.linear(weighted, dict(enumerate(size)))
    colour = np.divide(y[..., :-1], y[..., -1:], out=np.zeros_like(y[..., :-1]), where=y[..., -1:] != 0)
    return np.concatenate([colour, y[..., -1:]], axis=-1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("size", [(13, 17), (22, 26), (6, 5)])
def test_colours_weigh_as_much_as_they_are_opaque(dtype, channels, size):
    x = cases.noise((11, 13, channels), "float64") / 2 + 0.5
    x[..., -1][x[..., -1] < 0.3] = 0
    x = np.round(x * np.iinfo(dtype).max).astype(dtype) if dtype.startswith("u") else x.astype(dtype)
    actual, exact = _with_alpha(x, size, weighted_by_alpha), _straight_from_premultiplied(x, size)
    seen = exact[..., -1] > (3 if dtype.startswith("u") else 0.05)  # a nearly transparent colour is nearly 0 / 0
    assert seen.sum() > 0.5 * seen.size
    if dtype.startswith("u"):
        assert_rounded(actual[seen], exact[seen])
    elif dtype == "float32":
        np.testing.assert_allclose(actual[seen], exact[seen], rtol=0, atol=1e-5)
    else:
        assert_close(actual[seen], exact[seen])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 4), (2, 3)])
def test_the_colour_of_transparent_pixels_never_leaks(dtype, size):
    full = np.iinfo(dtype).max if dtype.startswith("u") else 1.0
    x = np.zeros((4, 4, 4), dtype)
    x[..., 1] = full  # green that nobody can see
    x[1:, 2:] = [full, 0, 0, full]  # red that everybody can
    actual = _with_alpha(x, size, weighted_by_alpha)
    visible = actual[..., 3] > 0
    assert 0 < visible.sum() <= visible.size
    np.testing.assert_array_equal(actual[visible][:, 1:3], 0)
    np.testing.assert_allclose(actual[visible][:, 0], full, rtol=1e-6)
    np.testing.assert_array_equal(actual[~visible], 0)
    assert (_with_alpha(x, size, numeric_codec)[visible][:, 1] > 0).any()  # plain samples do leak


def test_opaque_pictures_are_resized_like_plain_ones():
    x = np.round(cases.noise((9, 7, 4), "float64") * 127 + 128).astype("uint8")
    x[..., 3] = 255
    actual, plain = _with_alpha(x, (15, 15), weighted_by_alpha), _with_alpha(x, (15, 15), numeric_codec)
    assert np.abs(actual.astype(int) - plain).max() <= 1
    np.testing.assert_array_equal(actual[..., 3], 255)


def test_nothing_is_written_to_the_input_of_premultiplied_colours():
    x = np.round(cases.noise((5, 5, 4), "float64") * 127 + 128)
    for dtype in ("uint8", "float32", "float64"):
        y = x.astype(dtype)
        y.flags.writeable = False
        before = y.copy()
        _with_alpha(y, (9, 8), weighted_by_alpha)
        np.testing.assert_array_equal(y, before)
