"""The tests' own helpers: they pass what is right and fail on one perturbed value."""

import numpy as np
import pytest

from tests.oracles import cases, reference
from tests.oracles.compare import assert_close, assert_rounded, assert_same_bits


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_close_sees_one_value_off(dtype):
    exact = cases.noise((5, 7), "float64")
    exact[2, 3] = 1.5
    exact = exact.astype(dtype).astype("complex128" if dtype.startswith("c") else "float64")
    actual = exact.astype(dtype)
    assert_close(actual, exact)
    actual[4, 1] += 1e-5 if dtype in ("float32", "complex64") else 1e-11
    with pytest.raises(AssertionError, match="off by"):
        assert_close(actual, exact)


def test_close_measures_by_the_contracts_tolerances():
    exact = np.array([1.0, 0.25])
    assert_close(exact + np.array([0, 0.9e-12]), exact)
    with pytest.raises(AssertionError, match="off by"):
        assert_close(exact + np.array([0, 1.1e-12]), exact)
    ulp = np.spacing(np.float32(1))
    assert_close(exact.astype("f4") + np.array([0, 4 * ulp], "f4"), exact)
    with pytest.raises(AssertionError, match="off by"):
        assert_close(exact.astype("f4") + np.array([0, 5 * ulp], "f4"), exact)


def test_close_allows_for_what_cancels_only_as_far_as_it_is_told():
    ulp = np.spacing(np.float32(1))
    tiny = np.array([2.0**-20])
    with pytest.raises(AssertionError, match="off by"):
        assert_close((tiny + 3 * ulp).astype("f4"), tiny)
    assert_close((tiny + 3 * ulp).astype("f4"), tiny, scale=1.0)
    with pytest.raises(AssertionError, match="off by"):
        assert_close((tiny + 6 * ulp).astype("f4"), tiny, scale=1.0)


@pytest.mark.parametrize("wrong", [0.0, np.nan, -np.inf])
def test_close_sees_special_values_out_of_place(wrong):
    exact = np.array([1.0, np.inf, np.nan])
    assert_close(exact.copy(), exact)
    with pytest.raises(AssertionError, match="NaN"):
        assert_close(np.array([1.0, wrong, np.nan]), exact)


def test_close_sees_another_shape_and_refuses_unknown_dtypes():
    with pytest.raises(AssertionError, match="shape"):
        assert_close(np.zeros((1, 2)), np.zeros(2))
    with pytest.raises(AssertionError, match="no tolerance"):
        assert_close(np.zeros(2, int), np.zeros(2))


def test_same_bits_sees_the_last_bit_the_sign_of_zero_and_the_dtype():
    x = cases.noise((3, 4), "float32")
    x[0, 0], x[0, 1] = 0, np.nan
    assert_same_bits(x.copy(), x)
    for place, value in (((1, 2), np.nextafter(x[1, 2], np.float32(2))), ((0, 0), np.float32(-0.0))):
        y = x.copy()
        y[place] = value
        with pytest.raises(AssertionError, match="differ"):
            assert_same_bits(y, x)
    with pytest.raises(AssertionError, match="is not"):
        assert_same_bits(x.astype("f8"), x)


def test_rounded_forgives_ties_only():
    exact = np.array([2.5, 2.52, 2.6, 300.0])
    assert_rounded(np.array([2, 3, 3, 255], "u1"), exact)
    assert_rounded(np.array([3, 2, 3, 255], "u1"), exact)
    with pytest.raises(AssertionError, match="rounded wrongly"):
        assert_rounded(np.array([2, 3, 2, 255], "u1"), exact)
    with pytest.raises(AssertionError, match="off by"):
        assert_rounded(np.array([4, 3, 3, 255], "u1"), exact)
    with pytest.raises(AssertionError, match="not integers"):
        assert_rounded(exact, exact)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 4), (4, 1), (5, 12), (12, 5), (7, 7)])
def test_truth_is_numpys_own_interpolation(n, m, align_corners):
    x = cases.noise((n,), "float64")
    expected = np.interp(reference.positions(n, m, align_corners=align_corners), np.arange(n), x)
    np.testing.assert_allclose(reference.linear(x, {0: m}, align_corners=align_corners), expected, rtol=0, atol=1e-15)


def test_truth_by_hand():
    np.testing.assert_array_equal(reference.linear(np.array([0.0, 4.0]), {0: 4}), [0, 1, 3, 4])
    np.testing.assert_array_equal(reference.linear(np.array([0.0, 3.0]), {0: 4}, align_corners=True), [0, 1, 2, 3])
    np.testing.assert_array_equal(reference.linear(np.array([0.0, 4.0]), {0: 5}, {0: 2.0}), [0, 1, 3, 4, 4])


def test_the_stored_answers_are_those_of_the_table():
    tables = [getattr(cases, name) for name in dir(cases) if name.endswith("_CASES") and name != "GRADIENT_CASES"]
    names = [case.id for table in tables for case in table]
    names += [f"gradient of {case.id}" for case in cases.GRADIENT_CASES]
    assert len(set(names)) == len(names)
    assert set(cases.load()) == set(names)


def test_stored_answers_come_back_as_they_went(tmp_path):
    shared = np.arange(6.0).reshape(1, 2, 3)
    answers = {"a": shared, "b": shared + 1, "c": shared.copy(), "d": np.ones((1, 1, 1, 2), np.int16)}
    answers["e"] = np.arange(250, 256, dtype=np.uint8).reshape(1, 1, 6)
    cases.save(tmp_path / "answers.npz", answers)
    loaded = cases.load(tmp_path / "answers.npz")
    assert loaded.keys() == answers.keys()
    for name, answer in answers.items():
        assert_same_bits(loaded[name], answer)


def test_noise_is_what_it_was_when_the_answers_were_stored():
    # The first outputs of SplitMix64 with seed 0, in the public domain code of Vigna (2015).
    first = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    np.testing.assert_array_equal(cases.noise((3,), "float64"), [(z >> 11) * 2.0**-52 - 1 for z in first])
