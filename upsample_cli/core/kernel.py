"""The compiled kernel: which instruction set it uses, and what of a resampling it can do in one go.

It sees the tables of `weights` and never a mode's name, as the reference in `core._numpy` does. Where it was not built,
or the variable ``UPSAMPLE_KERNEL`` says ``numpy``, the reference does all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from .arrays import Array, FloatArray, IndexArray
from .weights import BandedMatrix

try:
    from . import _compiled
except ImportError:  # it was built for another Python, or never
    _compiled = None  # type: ignore[assignment]

_VARIABLE = "UPSAMPLE_KERNEL"
_LONG_RUN = 256  # samples that stay together: from here on whole runs are blended, in place of permuted samples
_MOST_BATCH_AXES = 32
_MOST_BLENDS = 3  # in fixed point: each may be off by 2⁻⁷ of a level
_LEAST_GROWTH_IN_FIXED_POINT = 0.5  # along the fastest axis; stronger shrinking is faster in float32
_ARITHMETIC = {"f4": "float32", "c8": "float32", "f8": "float64", "c16": "float64"}  # by the dtype in which to compute
_SAMPLES = {
    "float32": ("u1", "i1", "u2", "i2", "f4"),
    "float64": ("u2", "i2", "i4", "f4", "f8"),
}
_PLANS_KEPT, _MOST_TAPS_KEPT = 8, 1 << 16  # for the next picture of the same size; a few megabytes at most
_COPIED_AS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}  # by size


@cache
def instruction_set() -> str | None:
    """The instruction set in use, or None where NumPy does the work.

    Raises:
        ValueError: `UPSAMPLE_KERNEL` asks for one that is not there.
    """
    available = [*(_compiled.sets() if _compiled is not None else ()), "numpy"]
    wanted = os.environ.get(_VARIABLE) or available[0]
    if wanted not in available:
        raise ValueError(f"{_VARIABLE}={wanted}: this machine and installation have {', '.join(available)}")
    return None if wanted == "numpy" else wanted


def describe() -> str:
    """The kernel and its instruction set, for people."""
    chosen = instruction_set()
    return "NumPy" if chosen is None else f"compiled, {chosen}"


class Work:
    """A resampling that the compiled kernel does in one go.

    Attributes:
        rows: of output; they can be made in any parts and in any order.
    """

    def __init__(self, plan: Any, x: Array, out: Array, inner_axes: int) -> None:
        """Take arrays whose axes are in the plan's order, of which the last `inner_axes` are a row."""
        self._plan, self._x, self._out = plan, x, out
        self.rows = math.prod(out.shape[: out.ndim - inner_axes])

    def run(self, start: int, stop: int) -> None:
        """Make output rows ``start:stop``."""
        self._plan.run(self._x, self._out, start, stop)


def work(x: Array, bands: Sequence[BandedMatrix | None], out: Array, working: np.dtype[Any]) -> Work | None:
    """The work of the compiled kernel that resamples `x` to `out`, or None where it does not know how.

    Axes are resampled in their order. What the memory looks like decides how it is done, but not the result.

    Args:
        x: the input.
        bands: for each axis its matrix or None, not all of them None.
        out: the output, of the dtype of `x`.
        working: the dtype in which to compute.
    """
    chosen = instruction_set()
    matrices = {axis: matrix for axis, matrix in enumerate(bands) if matrix is not None}
    arithmetic = _arithmetic(x.dtype, working, list(matrices.values()))
    usable = x.dtype == out.dtype and x.dtype.isnative and x.flags.aligned and out.flags.aligned
    if chosen is None or arithmetic is None or not usable:
        return None
    if arithmetic == "copy":
        x, out = (array.view(_COPIED_AS[array.itemsize]) for array in (x, out))
    elif x.dtype.kind == "c":
        x, out = _parts_of_complex(x), _parts_of_complex(out)
    layout = _layout(x, out, list(matrices))
    if layout is None:
        return None
    slow = tuple(matrices[axis] for axis in layout.slow)
    fast = matrices[layout.fast[0]] if layout.fast else None
    small = sum(matrix.taps.size for matrix in matrices.values()) <= _MOST_TAPS_KEPT
    make = _kept_plan if small else _make_plan
    plan = make(chosen, arithmetic, _short_name(x.dtype), x.itemsize, slow, fast, layout.run)
    return Work(plan, layout.view(x), layout.view(out), len(layout.fast) + 1)


def _make_plan(
    chosen: str,
    arithmetic: str,
    sample: str,
    item_size: int,
    slow: tuple[BandedMatrix, ...],
    fast: BandedMatrix | None,
    run: int,
) -> Any:
    """The tables of the compiled kernel, which any threads may use at the same time."""
    tables = [_tables(matrix) for matrix in slow]
    return _compiled.Plan(chosen, arithmetic, sample, item_size, tables, None if fast is None else _tables(fast), run)


_kept_plan = lru_cache(_PLANS_KEPT)(_make_plan)


def _arithmetic(dtype: np.dtype[Any], working: np.dtype[Any], bands: Sequence[BandedMatrix]) -> str | None:
    """How the kernel computes, by what is the same for a part of an axis and all of it."""
    if all(matrix.copies_samples for matrix in bands):
        return "copy" if dtype.itemsize in _COPIED_AS else None
    is_two_tap_lerp = len(bands) <= _MOST_BLENDS and all(matrix.is_two_tap_lerp for matrix in bands)
    if dtype == np.uint8 and is_two_tap_lerp and bands[-1].scale >= _LEAST_GROWTH_IN_FIXED_POINT:
        return "fixed"
    arithmetic = _ARITHMETIC.get(_short_name(working))
    known = dtype == working if dtype.kind == "c" else _short_name(dtype) in _SAMPLES.get(arithmetic or "", ())
    return arithmetic if known else None


def _short_name(dtype: np.dtype[Any]) -> str:
    return f"{dtype.kind}{dtype.itemsize}"  # the dtype's own name takes ten times as long to make


class _Layout(NamedTuple):
    """The axes in the order of the kernel; those of one sample are in none of these lists.

    Attributes:
        batch: axes over which the work repeats.
        slow: axes along which whole rows are blended.
        fast: the axis along which rows are resampled, if any.
        trailing: axes that are not resampled and whose samples lie together.
        run: how many samples these are.
    """

    batch: list[int]
    slow: list[int]
    fast: list[int]
    trailing: list[int]
    run: int

    def view(self, x: Array) -> Array:
        """`x` with its axes in this order, the trailing ones as a single last one."""
        order = [*self.batch, *self.slow, *self.fast]
        dropped = [axis for axis in range(x.ndim) if axis not in (*order, *self.trailing)]
        moved: Array = x.transpose(*dropped, *order, *self.trailing)[(0,) * len(dropped)]
        return moved.reshape(*moved.shape[: len(order)], self.run)


def _layout(x: Array, out: Array, resampled: Sequence[int]) -> _Layout | None:
    trailing, run = _trailing(x, out, resampled)
    slow, fast = list(resampled), []
    if run < _LONG_RUN or len(resampled) > 2:
        fast.append(slow.pop())
        if any(y.shape[fast[0]] > 1 and y.strides[fast[0]] != run * y.itemsize for y in (x, out)):
            return None
    batch = [axis for axis in range(x.ndim) if axis not in (*resampled, *trailing) and x.shape[axis] > 1]
    if len(slow) > 2 or len(batch) > _MOST_BATCH_AXES:
        return None
    return _Layout(batch, slow, fast, trailing, run)


def _trailing(x: Array, out: Array, resampled: Sequence[int]) -> tuple[list[int], int]:
    """The axes that are not resampled and whose samples lie together in both arrays, and how many these are."""
    trailing: list[int] = []
    run = 1
    left = [axis for axis in range(x.ndim) if axis not in resampled and x.shape[axis] > 1]
    while found := [axis for axis in left if x.strides[axis] == out.strides[axis] == run * x.itemsize]:
        trailing.insert(0, found[0])
        left.remove(found[0])
        run *= x.shape[found[0]]
    return trailing, run


def _parts_of_complex(x: Array) -> Array:
    """The real and the imaginary part along a new last axis, over the same memory."""
    real: Array = x.real
    strides = (*x.strides, real.itemsize)
    return np.lib.stride_tricks.as_strided(real, (*x.shape, 2), strides, writeable=x.flags.writeable)


def _tables(matrix: BandedMatrix) -> tuple[int, IndexArray, IndexArray, FloatArray]:
    return (
        matrix.in_size,
        np.ascontiguousarray(matrix.first, np.int64),
        np.ascontiguousarray(matrix.tap_count, np.int64),
        np.ascontiguousarray(matrix.taps, np.float64),
    )
