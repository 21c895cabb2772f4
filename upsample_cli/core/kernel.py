"""The compiled kernel: which instruction set it uses, and what of a resampling it can do in one go.

It sees the tables of `weights` and never a mode's name, as the reference in `core._numpy` does. Where it was not built,
or the variable ``UPSAMPLE_KERNEL`` says ``numpy``, the reference does all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from .arrays import Array, FloatArray, IndexArray
from .weights import Bands

try:
    from . import _compiled
except ImportError:  # it was built for another Python, or never
    _compiled = None  # type: ignore[assignment]

_VARIABLE = "UPSAMPLE_KERNEL"
_LONG_RUN = 256  # samples that stay together: from here on whole runs are blended, in place of permuted samples
_MOST_BATCH_AXES = 32
_LEAST_GROWTH_IN_FIXED_POINT = 0.5  # along the fastest axis: below it, float32 rows are turned to be weighed
_SAMPLES = {
    "float32": ("uint8", "int8", "uint16", "int16", "float32"),
    "float64": ("uint16", "int16", "int32", "float32", "float64"),
}
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


def work(x: Array, bands: Sequence[Bands | None], out: Array, working: np.dtype[Any]) -> Work | None:
    """The work of the compiled kernel that resamples `x` to `out`, or None where it does not know how.

    Axes are resampled in their order. What the memory looks like decides how it is done, but not the result.

    Args:
        x: the input.
        bands: for each axis its matrix or None, not all of them None.
        out: the output, of the dtype of `x`.
        working: the dtype in which to compute.
    """
    chosen = instruction_set()
    resampled = [axis for axis, matrix in enumerate(bands) if matrix is not None]
    arithmetic = _arithmetic(x.dtype, working, [bands[axis] for axis in resampled])
    usable = x.dtype == out.dtype and x.dtype.isnative and x.flags.aligned and out.flags.aligned
    if chosen is None or arithmetic is None or not usable:
        return None
    if x.dtype.kind == "c" and arithmetic != "copy":
        x, out = _parts_of_complex(x), _parts_of_complex(out)
        bands = [*bands, None]
    trailing, run = _trailing(x, out, bands)
    fast = resampled[-1] if run < _LONG_RUN or len(resampled) > 2 else None
    slow = resampled[:-1] if fast is not None else resampled
    batch = [axis for axis in range(x.ndim) if axis not in (*resampled, *trailing) and x.shape[axis] > 1]
    if len(slow) > 2 or len(batch) > _MOST_BATCH_AXES or not _contiguous(fast, run, x, out):
        return None
    order = [*batch, *slow, *([fast] if fast is not None else [])]
    if arithmetic == "copy":
        x, out = (array.view(_COPIED_AS[array.itemsize]) for array in (x, out))
    plan = _compiled.Plan(
        chosen,
        arithmetic,
        x.dtype.name,
        x.itemsize,
        [_tables(bands[axis]) for axis in slow],
        None if fast is None else _tables(bands[fast]),
        run,
    )
    views = (_view(array, order, trailing, run) for array in (x, out))
    return Work(plan, *views, inner_axes=1 if fast is None else 2)


def _arithmetic(dtype: np.dtype[Any], working: np.dtype[Any], bands: Sequence[Bands]) -> str | None:
    """How the kernel computes, by what is the same for a part of an axis and all of it."""
    if all(matrix.picks for matrix in bands):
        return "copy" if dtype.itemsize in _COPIED_AS else None
    if dtype == np.uint8 and len(bands) <= 3 and all(matrix.blends for matrix in bands):
        if bands[-1].growth >= _LEAST_GROWTH_IN_FIXED_POINT:
            return "fixed"
    real = np.empty(0, working).real.dtype.name
    if dtype.kind == "c":
        return real if dtype == working and real in _SAMPLES else None
    return real if dtype.name in _SAMPLES.get(real, ()) else None


def _parts_of_complex(x: Array) -> Array:
    """The real and the imaginary part along a new last axis, over the same memory."""
    real = x.real.dtype
    strides = (*x.strides, real.itemsize)
    return np.lib.stride_tricks.as_strided(x.view().real, (*x.shape, 2), strides, writeable=x.flags.writeable)


def _trailing(x: Array, out: Array, bands: Sequence[Bands | None]) -> tuple[list[int], int]:
    """The axes that are not resampled and whose samples lie together in both arrays, and how many these are."""
    trailing: list[int] = []
    run = 1
    left = [axis for axis, matrix in enumerate(bands) if matrix is None and x.shape[axis] > 1]
    while found := [axis for axis in left if x.strides[axis] == out.strides[axis] == run * x.itemsize]:
        trailing.insert(0, found[0])
        left.remove(found[0])
        run *= x.shape[found[0]]
    return trailing, run


def _contiguous(fast: int | None, run: int, *arrays: Array) -> bool:
    return fast is None or all(
        array.shape[fast] == 1 or array.strides[fast] == run * array.itemsize for array in arrays
    )


def _view(x: Array, order: Sequence[int], trailing: Sequence[int], run: int) -> Array:
    """`x` with its axes in this order and the trailing ones as a single last one; those of one sample vanish."""
    dropped = tuple(axis for axis in range(x.ndim) if axis not in (*order, *trailing))
    moved = x.transpose(*dropped, *order, *trailing)[(0,) * len(dropped)]
    return moved.reshape(*moved.shape[: len(order)], run)


def _tables(matrix: Bands) -> tuple[int, IndexArray, IndexArray, FloatArray]:
    return (
        matrix.in_size,
        np.ascontiguousarray(matrix.first, np.int64),
        np.ascontiguousarray(matrix.count, np.int64),
        np.ascontiguousarray(matrix.taps, np.float64),
    )
