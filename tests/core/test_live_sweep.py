"""Thousands of random calls against a live PyTorch; `python -m tests.oracles.sweep` measures the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import sweep
from tests.oracles.compare import assert_close, assert_same_bits

pytest.importorskip("torch", reason="torch is not installed; its stored answers were compared")

_COUNT = 90


@pytest.mark.parametrize("dtype", sweep.DTYPES)
@pytest.mark.parametrize("kernel", sweep.KERNELS, ids=lambda kernel: kernel.id)
def test_random_calls_agree_with_torch(kernel, dtype):
    for case in sweep.random_cases(kernel, dtype, _COUNT):
        x, ours, theirs = sweep.answers(case)
        assert ours.dtype == dtype, case.id
        try:
            if kernel.picks:
                assert_same_bits(ours, theirs)
            else:
                assert_close(ours, theirs, scale=np.abs(x).max())
        except AssertionError as error:
            raise AssertionError(f"{case.id}: {error}") from error


def test_random_cases_reach_what_matters():
    chosen = [
        case for kernel in sweep.KERNELS for dtype in sweep.DTYPES for case in sweep.random_cases(kernel, dtype, _COUNT)
    ]
    assert len(chosen) > 4000
    for wanted in ("size", "scale_factor", "align_corners", "recompute_scale_factor"):
        assert sum(getattr(case, wanted) is not None for case in chosen) > 300
    assert sum(1 in case.spatial for case in chosen) > 100
    assert sum(case.size is not None and 1 in case.size for case in chosen) > 50
    unchanged = [
        case
        for case in chosen
        for n, factor in zip(case.spatial, case.scale_factor or (), strict=False)
        if factor != 1 and int(n * factor) == n
    ]
    assert len(unchanged) > 50
