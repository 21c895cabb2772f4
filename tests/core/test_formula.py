"""Long axes whose weights the compiled kernel computes by itself: the same bits as by a table of weights."""

import numpy as np
import pytest

from upsample_cli.core import axis_plan, kernel
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.dtypes import numeric_codec
from upsample_cli.core.long_axis import LongMatrix
from upsample_cli.core.modes import find_mode
from upsample_cli.core.resample import resample

SETS = kernel._compiled.sets() if kernel._compiled is not None else []
TARGETS = {
    "whole factor": AxisTarget(6000, 2.0),
    "short period": AxisTarget(5100, 1.7),
    "no period": AxisTarget(5003),
    "a factor that is no fraction": AxisTarget(3703, 1.23456789),
    "one more": AxisTarget(3001),
    "smaller": AxisTarget(1013),
    "much smaller": AxisTarget(400),
    "much larger": AxisTarget(20_011),
    "a given grid": AxisTarget(5003, 1.66, exact=True, shift=-3.3),
    "beyond both ends": AxisTarget(5003, 1.5, exact=True, shift=-7.0),
}


@pytest.fixture(autouse=True)
def _axes_of_a_hundred_samples_are_long(monkeypatch):
    monkeypatch.setattr(axis_plan, "LONGEST_CACHED_AXIS", 100)
    monkeypatch.setattr(axis_plan, "LONGEST_TABLE", 100)


def _resampled(x, axis, matrix):
    shape = [matrix.out_size if number == axis else size for number, size in enumerate(x.shape)]
    out = np.zeros(shape, x.dtype)
    matrices = [matrix if number == axis else None for number in range(x.ndim)]
    resample(x, matrices, out, numeric_codec(x.dtype), threads=2)
    return out


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("mode", ["linear", "cubic", "nearest", "nearest-exact"])
def test_results_are_those_of_a_table(name, target, mode, monkeypatch):
    monkeypatch.setattr(kernel, "instruction_set", lambda: name)
    random = np.random.default_rng(0)
    for dtype in ("uint8", "int16", "float32", "float64"):
        for align_corners in (False, True):
            for n, shape, axis in ((3000, (3000,), 0), (3000, (2, 3000), 1), (3000, (3000, 2), 0)):
                x = (random.random(shape) * 250).astype(dtype)
                plan = plan_axes([n], [target], find_mode(mode), align_corners, x.dtype)[0]
                assert isinstance(plan.matrix, LongMatrix)
                table = _resampled(x, axis, plan.matrix.table())
                assert _resampled(x, axis, plan.matrix).tobytes() == table.tobytes()


@pytest.mark.skipif(not SETS, reason="the compiled kernel is not there")
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("n", [218, 99_991, 2**20 + 3])
def test_copies_are_those_of_a_table(mode, n):
    for dtype in ("uint8", "float32", "float64", "complex128") if n < 2**20 else ("uint8",):
        x = np.arange(n).astype(dtype)
        for target in (
            AxisTarget(n * 21 // 10 + 1),
            AxisTarget(int(n * 1.23456789), 1.23456789),
            AxisTarget(n * 2 // 3),
        ):
            matrix = plan_axes([n], [target], find_mode(mode), False, x.dtype)[0].matrix
            assert _resampled(x, 0, matrix).tobytes() == _resampled(x, 0, matrix.table()).tobytes()


@pytest.mark.skipif(not SETS, reason="the compiled kernel is not there")
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_floats_are_rounded_as_by_torch_up_to_4096_samples_and_not_beyond(mode):
    random = np.random.default_rng(0)
    for n in (468, 4096, 4097, 70_001):
        x = random.random(n, np.float32)
        matrix = plan_axes([n], [AxisTarget(n * 11 // 9)], find_mode(mode), False, x.dtype)[0].matrix
        assert matrix.formula.rounded == (n <= 4096)
        assert _resampled(x, 0, matrix).tobytes() == _resampled(x, 0, matrix.table()).tobytes()


@pytest.mark.skipif(not SETS, reason="the compiled kernel is not there")
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_parts_of_an_axis_have_the_bits_of_the_whole(target):
    x = np.random.default_rng(0).random((2, 3000), np.float32)
    matrix = plan_axes([3000], [target], find_mode("linear"), False, x.dtype)[0].matrix
    whole = _resampled(x, 1, matrix)
    for start, stop in ((0, 350), (77, 391), (123, matrix.out_size)):
        part = matrix.rows(start, stop)
        np.testing.assert_array_equal(_resampled(x, 1, part), whole[:, start:stop])
        low, high = matrix.input_range(start, stop)
        table = matrix.row_slice(start, stop)
        np.testing.assert_array_equal(_resampled(x[:, low:high], 1, table), whole[:, start:stop])


@pytest.mark.skipif(not SETS, reason="the compiled kernel is not there")
def test_the_kernel_refuses_positions_that_it_cannot_compute():
    def plan(**changed):
        fields = {"in": 10, "out": 20, "taps": 2, "slope": 0.0, "whole": 10, "row": 0, "sample": 0}
        fields |= {"numerator": 1, "denominator": 2, "step": 0.5, "half": 0.5, "shift": 0.0}
        fields |= {"rounded": False, "copied": 0, "single": False}
        return kernel._compiled.Plan(SETS[0], "float32", "f4", 4, [], tuple((fields | changed).values()), 1)

    plan()
    for wrong in (
        {"in": 0},
        {"taps": 1},
        {"taps": 3},
        {"copied": 5},
        {"row": -1},
        {"sample": 1 << 50},
        {"numerator": 17},
        {"numerator": 0},
        {"denominator": 0, "step": 9.0},
        {"denominator": 0, "step": float("nan")},
        {"shift": float("inf")},
        {"whole": 1 << 39, "out": 1 << 39, "numerator": 1 << 39, "denominator": 1 << 39},
    ):
        with pytest.raises(ValueError, match=r"positions|axis|taps|ratio|row|sample|rule"):
            plan(**wrong)
