"""The reference kernel: its two paths give the same bits, and those of the sums that they stand for."""

import numpy as np
import pytest

from tests.oracles import cases
from tests.oracles.compare import assert_same_bits
from upsample_cli.core import numpy_kernel
from upsample_cli.core.sampling import axis_map
from upsample_cli.core.weights import BandedMatrix, linear_matrix, nearest_matrix


def _apply(x, bands, axis):
    out = np.empty((*x.shape[:axis], bands.out_size, *x.shape[axis + 1 :]), x.dtype)
    numpy_kernel.apply(x, bands, axis, out, numpy_kernel.Scratch())
    return out


def _spelt_out(x, bands, axis):
    """``taps[0]·x[0] + taps[1]·x[1] + …``, one scalar after the other."""
    moved = np.moveaxis(x, axis, 0)
    rows = []
    for row in range(bands.out_size):
        total = moved[bands.columns(0)[row]] * bands.taps[row, 0]
        for tap in range(1, bands.max_taps):
            total = total + moved[bands.columns(tap)[row]] * bands.taps[row, tap]
        rows.append(total)
    return np.ascontiguousarray(np.moveaxis(np.stack(rows), 0, axis))


def _noting(name, function, names):
    def noting(*arguments):
        names.append(name)
        return function(*arguments)

    return noting


@pytest.fixture(autouse=True)
def _small_arrays_count_as_large(monkeypatch):
    monkeypatch.setattr(numpy_kernel, "_PERIODIC_MIN_ELEMENTS", 0)


@pytest.fixture
def paths(monkeypatch):
    """The names of the paths that were taken, in order."""
    taken = []
    for name in ("_apply_periodic", "_apply_gathered"):
        monkeypatch.setattr(numpy_kernel, name, _noting(name, getattr(numpy_kernel, name), taken))
    return taken


LAYOUTS = [((40,), 0), ((3, 40), 1), ((40, 5), 0), ((40, 33), 0), ((2, 40, 64), 1), ((64, 40, 3), 1), ((5, 6, 40), 2)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [80, 120, 60, 20, 160, 10, 40, 67, 31, 1, 2])
@pytest.mark.parametrize(("shape", "axis"), LAYOUTS)
def test_the_kernel_adds_the_products_in_order(shape, axis, m, dtype):
    x = cases.noise(shape, dtype)
    bands = linear_matrix(axis_map(40, m), np.arange(m), rounded=True).astype(dtype)
    assert_same_bits(_apply(x, bands, axis), _spelt_out(x, bands, axis))


@pytest.mark.parametrize(
    ("dtype", "m"),
    [
        *(("float32", m) for m in (80, 120, 60, 20)),  # 2×, 3×, 1.5×, 0.5×
        *(("complex64", m) for m in (80, 120, 60, 20)),
        *(("float64", m) for m in (80, 20)),  # thirds do not repeat to the last bit of float64
    ],
)
@pytest.mark.parametrize(("shape", "axis"), [((40,), 0), ((3, 40), 1), ((40, 33), 0), ((2, 40, 64), 1)])
def test_the_periodic_path_gives_the_bits_of_the_gathered_one(shape, axis, m, dtype, paths, monkeypatch):
    x = cases.noise(shape, "float64").astype(dtype)
    if dtype == "complex64":
        x = (x + 1j * cases.noise(shape, "float32")[::-1]).astype(dtype)
    bands = linear_matrix(axis_map(40, m), np.arange(m), rounded=True).astype(x.real.dtype)
    periodic = _apply(x, bands, axis)
    assert "_apply_periodic" in paths
    paths.clear()
    monkeypatch.setattr(BandedMatrix, "phases", None)
    gathered = _apply(x, linear_matrix(axis_map(40, m), np.arange(m), rounded=True).astype(x.real.dtype), axis)
    assert paths == ["_apply_gathered"]
    assert_same_bits(periodic, gathered)


def test_short_runs_and_odd_ratios_are_gathered(paths):
    for shape, m in (((40, 5), 80), ((40, 64), 67)):
        _apply(
            cases.noise(shape, "float32"),
            linear_matrix(axis_map(40, m), np.arange(m), rounded=True).astype("float32"),
            0,
        )
    assert paths == ["_apply_gathered"] * 2


def test_wide_bands_may_hang_over_the_end():
    rng = np.random.default_rng(3)
    first = np.minimum(np.arange(30) // 2, 14)
    bands = BandedMatrix.make(15, first, rng.dirichlet(np.ones(6), 30))
    for shape, axis in (((15,), 0), ((15, 40), 0), ((4, 15, 3), 1)):
        x = cases.noise(shape, "float64")
        assert_same_bits(_apply(x, bands, axis), _spelt_out(x, bands, axis))


def test_wide_bands_of_a_short_period_do_too(paths):
    taps = np.tile(np.random.default_rng(4).dirichlet(np.ones(5), 2), (20, 1))
    bands = BandedMatrix.make(20, np.repeat(np.arange(20), 2), taps)
    x = cases.noise((20, 40), "float64")
    assert_same_bits(_apply(x, bands, 0), _spelt_out(x, bands, 0))
    assert "_apply_periodic" in paths


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "bool", "complex128", "U2", "M8[s]"])
def test_picking_needs_no_arithmetic(dtype, paths):
    x = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    bands = nearest_matrix(axis_map(3, 7), np.arange(7), np.float64)
    np.testing.assert_array_equal(_apply(x, bands, 1), x[:, bands.first])
    assert paths == []


@pytest.mark.parametrize("m", [80, 67])
def test_the_output_may_have_any_strides(m):
    x = cases.noise((40, 64), "float32")
    bands = linear_matrix(axis_map(40, m), np.arange(m), rounded=True).astype("float32")
    expected = _apply(x, bands, 0)
    buffer = np.full((2 * m, 130), -77, np.float32)
    out = buffer[1::2, -2:-130:-2]
    numpy_kernel.apply(x, bands, 0, out, numpy_kernel.Scratch())
    np.testing.assert_array_equal(out, expected)
    assert (buffer[::2] == -77).all()
    assert (buffer[:, 1::2] == -77).all()


def test_scratch_hands_out_the_same_memory_again():
    scratch = numpy_kernel.Scratch()
    a = scratch.array("a", (4, 5), np.float64)
    assert (a.shape, a.dtype) == ((4, 5), np.float64)
    assert np.shares_memory(a, scratch.array("a", (3,), np.int16))
    assert not np.shares_memory(a, scratch.array("b", (4, 5), np.float64))
    assert scratch.array("a", (100,), np.float32).shape == (100,)
