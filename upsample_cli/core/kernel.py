"""Resampling by the compiled kernel: the array layouts that it accepts.

The kernel sees banded matrices, never a mode's name. `core.numpy_kernel` replaces it if it was not built, or if
the environment variable ``UPSAMPLE_KERNEL`` is ``numpy``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .arrays import Array, FloatArray, IndexArray
from .instructions import compiled as _compiled
from .instructions import instruction_set as instruction_set
from .long_axis import LongMatrix, Matrix
from .weights import BandedMatrix

_LONG_RUN_SAMPLES = 256  # from this many contiguous unresampled samples on, blending whole rows beats permuting samples
_LONGEST_VECTOR_PIXEL = 4096  # samples of a pixel that fills whole vectors, up to which a row of pixels is resampled
_VECTOR_SAMPLES = 32  # a multiple of the lanes of each instruction set
_MAX_BATCH_AXES = 32
_MAX_FIXED_POINT_AXES = 3  # each adds an error of up to 2⁻⁷ of a level
_MIN_FIXED_POINT_SCALE = 0.5  # along the last resampled axis; float32 is faster if it shrinks more
_ARITHMETIC_BY_DTYPE = {"f4": "float32", "c8": "float32", "f8": "float64", "c16": "float64"}  # by the compute dtype
_SAMPLE_TYPES = {
    "float32": ("u1", "i1", "u2", "i2", "f2", "bf2", "f4"),
    "float64": ("u2", "i2", "i4", "u4", "i8", "f4", "f8"),
}
_CACHED_PLANS, _MAX_CACHED_TAPS = 8, 1 << 16  # for the next image of the same size; a few megabytes at most
_LONGEST_FORMULA_AXIS = 1 << 40  # samples
_MOST_FORMULA_CHANNELS = 8  # samples of a pixel up to which weights are computed from a formula
_LEAST_FORMULA_SCALE = 1 / 8
_LONGEST_GATHER = 1 << 15  # samples of a row that is gathered by index
_MOST_SPREAD = 4  # largest ratio of the span of a row's samples in memory to their number
LARGE_PAGES_FROM = 4 << 20  # bytes, the limit of NumPy
_COPY_DTYPES = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}  # by size in bytes


class CompiledResample:
    """A resampling by the compiled kernel, of arrays of one dtype, shape and memory layout.

    Attributes:
        rows: number of output rows, which may be computed in any ranges and in any order.
    """

    def __init__(self, plan: Any, view: Callable[[Array], Array], layout: _Layout, out_shape: Sequence[int]) -> None:
        """Take a plan, the function that views an array as the plan's samples, and the order of its axes."""
        self._plan, self._view, self._layout = plan, view, layout
        self.rows = math.prod(out_shape[axis] for axis in (*layout.batch, *layout.slow))

    def run(self, x: Array, out: Array, start: int, stop: int) -> None:
        """Compute output rows ``start:stop`` of arrays like those passed to `prepare`."""
        view, ordered = self._view, self._layout.ordered
        self._plan.run(ordered(view(x)), ordered(view(out)), start, stop)

    def bind(self, x: Array, out: Array) -> Callable[[int, int], None]:
        """The whole work as a function of the addresses of two arrays with the shapes and strides of these two."""
        view, ordered = self._view, self._layout.ordered
        return self._plan.bind(ordered(view(x)), ordered(view(out))).run_at  # type: ignore[no-any-return]


def prepare(
    x: Array,
    matrices: Sequence[Matrix | None],
    out: Array,
    compute_dtype: np.dtype[Any],
    sample: str = "",
) -> CompiledResample | None:
    """Prepare the resampling of arrays like `x` to `out` by the compiled kernel; None if it does not support it.

    Axes are resampled in ascending order. Memory layout affects speed, never the result. A `LongMatrix` is supported if
    it has a formula and is the only one.

    Args:
        x: the input; only its dtype, shape, strides and alignment matter.
        matrices: for each axis its matrix, or None if it is not resampled; at least one is not None.
        out: the output, of the dtype of `x`.
        compute_dtype: the dtype of the arithmetic.
        sample: the kernel's name of the sample type, if it differs from the dtype's.
    """
    chosen = instruction_set()
    by_axis = {axis: matrix for axis, matrix in enumerate(matrices) if matrix is not None}
    arithmetic = _arithmetic(x.dtype, sample, compute_dtype, list(by_axis.values()))
    usable = x.dtype == out.dtype and x.dtype.isnative and x.flags.aligned and out.flags.aligned
    if chosen is None or arithmetic is None or not usable:
        return None
    view = _view_of_samples(arithmetic, x.dtype)
    x, out = view(x), view(out)
    layout = _layout(x, out, list(by_axis))
    if layout is None:
        return None
    slow = tuple(matrix for axis in layout.slow if not isinstance(matrix := by_axis[axis], LongMatrix))
    fast = by_axis[layout.fast[0]] if layout.fast else None
    tables = [matrix for matrix in matrices if not isinstance(matrix, LongMatrix)]
    is_cached = len(tables) == len(matrices) and total_taps(tables) <= _MAX_CACHED_TAPS
    if len(tables) < len(matrices) and not (fast and not layout.slow and computes_weights(fast, layout.channels)):
        return None
    make = _cached_plan if is_cached else _make_plan
    plan = make(chosen, arithmetic, sample or _short_name(x.dtype), x.itemsize, slow, fast, layout.channels)
    return CompiledResample(plan, view, layout, out.shape)


def computes_weights(matrix: Matrix, channels: int) -> bool:
    """Whether the weights of the only resampled axis are computed in the kernel, for pixels of `channels` samples."""
    if not isinstance(matrix, LongMatrix) or matrix.formula is None or instruction_set() is None:
        return False
    axis, ratio = matrix.axis, matrix.axis.exact_ratio
    is_short = max(axis.in_size, axis.out_size, *(ratio or ())) <= _LONGEST_FORMULA_AXIS
    fits = is_short and ratio == axis.ratio and abs(axis.shift) <= axis.in_size
    enlarges = _LEAST_FORMULA_SCALE * axis.a <= 1 and matrix.scale >= _LEAST_FORMULA_SCALE
    return bool(fits and enlarges and channels <= _MOST_FORMULA_CHANNELS)


def total_taps(matrices: Iterable[BandedMatrix | None]) -> int:
    """The number of weights in the tables of these matrices."""
    return sum(matrix.taps.size for matrix in matrices if matrix is not None)


def _view_of_samples(arithmetic: str, dtype: np.dtype[Any]) -> Callable[[Array], Array]:
    """A function that returns a view of an array of `dtype` as the samples that the kernel processes."""
    if arithmetic == "copy":
        copied = np.dtype(_COPY_DTYPES[dtype.itemsize])
        return lambda x: x.view(copied)
    return _complex_as_real if dtype.kind == "c" else lambda x: x


def contiguous(x: Array) -> Array:
    """A C-contiguous copy of `x`.

    For pictures that are flipped, subsampled or lack a channel, the kernel is several times as fast as NumPy.
    """
    pixels = x if x.ndim > 1 and math.prod(x.shape[-2:]) <= _LONGEST_GATHER else x[..., None]
    copy = _gathered(pixels) if x.size and instruction_set() is not None else None
    return np.array(x, order="C") if copy is None else copy.reshape(x.shape)


def _gathered(x: Array) -> Array | None:
    """A contiguous copy of `x`, whose last two axes form a row; None if its samples are too far apart in memory."""
    *lead, width, channels = x.shape
    if x.ndim < 2 or width * channels > _LONGEST_GATHER or any(stride % x.itemsize for stride in x.strides[-2:]):
        return None
    steps = [stride // x.itemsize for stride in x.strides[-2:]]
    matrix, pixel = _gather(width, channels, *steps)
    if matrix.in_size * pixel > _MOST_SPREAD * width * channels:
        return None
    lowest = tuple(slice(0, 1) if step >= 0 else slice(-1, None) for step in steps)
    strides = (*x.strides[:-2], pixel * x.itemsize, x.itemsize)
    rows = np.lib.stride_tricks.as_strided(x[..., *lowest], (*lead, matrix.in_size, pixel), strides)
    out = np.empty((*lead, width * channels // pixel, pixel), x.dtype)
    job = prepare(rows, [*(None for _ in lead), matrix, None], out, x.dtype)
    if job is None:
        return None
    job.run(rows, out, 0, job.rows)
    return out


@lru_cache(_CACHED_PLANS)
def _gather(width: int, channels: int, step: int, channel_step: int) -> tuple[BandedMatrix, int]:
    """The matrix that gathers a row from its span in memory, and the number of samples that each index copies.

    Args:
        width, channels: number of samples along the last two axes.
        step, channel_step: strides of these axes, in samples.
    """
    pixel = channels if channel_step == 1 and step % channels == 0 else 1
    places = np.arange(width)[:, None] * step + np.arange(0, channels, pixel) * channel_step
    index = (places - places.min()).ravel() // pixel
    return BandedMatrix.make(int(index.max()) + 1, index, np.ones((len(index), 1))), pixel


def advise_large_pages(out: Array) -> None:
    """Let the system use large pages for a new array of one axis, as NumPy does for its own."""
    if _compiled is not None:
        _compiled.advise_large_pages(out)


def _make_plan(
    chosen: str,
    arithmetic: str,
    sample: str,
    item_size: int,
    slow: tuple[BandedMatrix, ...],
    fast: Matrix | None,
    channels: int,
) -> Any:
    """A plan of the compiled kernel; threads may share it."""
    fast_table = None if fast is None else _formula(fast) if isinstance(fast, LongMatrix) else _table(fast)
    return _compiled.Plan(chosen, arithmetic, sample, item_size, [*map(_table, slow)], fast_table, channels)


_cached_plan = lru_cache(_CACHED_PLANS)(_make_plan)


def _arithmetic(
    dtype: np.dtype[Any], sample: str, compute_dtype: np.dtype[Any], matrices: Sequence[Matrix]
) -> str | None:
    """The kernel's arithmetic, or None if it has no suitable one; the same for a slice of an axis and for the whole."""
    if all(matrix.copies_samples for matrix in matrices):
        return "copy" if dtype.itemsize in _COPY_DTYPES else None
    is_two_tap_lerp = len(matrices) <= _MAX_FIXED_POINT_AXES and all(matrix.is_two_tap_lerp for matrix in matrices)
    if dtype == np.uint8 and is_two_tap_lerp and matrices[-1].scale >= _MIN_FIXED_POINT_SCALE:
        return "fixed"
    arithmetic = _ARITHMETIC_BY_DTYPE.get(_short_name(compute_dtype))
    if dtype.kind == "c":
        return arithmetic if dtype == compute_dtype else None
    return arithmetic if (sample or _short_name(dtype)) in _SAMPLE_TYPES.get(arithmetic or "", ()) else None


def _short_name(dtype: np.dtype[Any]) -> str:
    return f"{dtype.kind}{dtype.itemsize}"  # ten times faster than `dtype.name`


@dataclass(frozen=True)
class _Layout:
    """The order of axes for the kernel. Unresampled axes of size 1 are in none of the lists.

    Attributes:
        ndim: number of axes.
        batch: unresampled axes, over which the work repeats.
        slow: axes along which whole rows are blended.
        fast: the axis along which rows are resampled, if any.
        trailing: unresampled axes whose samples are contiguous in memory.
        channels: number of samples in `trailing`.
    """

    ndim: int
    batch: list[int]
    slow: list[int]
    fast: list[int]
    trailing: list[int]
    channels: int

    @cached_property
    def ordered(self) -> Callable[[Array], Array]:
        """A function that views an array with its axes in this order and the trailing ones merged into one."""
        order = [*self.batch, *self.slow, *self.fast]
        dropped = [axis for axis in range(self.ndim) if axis not in (*order, *self.trailing)]
        axes = (*dropped, *order, *self.trailing)
        first, count, channels = (0,) * len(dropped), len(order), self.channels

        def ordered(x: Array) -> Array:
            moved: Array = x.transpose(axes)[first]
            return moved.reshape(*moved.shape[:count], channels)

        return ordered


def _layout(x: Array, out: Array, resampled: Sequence[int]) -> _Layout | None:
    trailing, channels = _contiguous_axes(x, out, resampled)
    slow, fast = list(resampled), []
    fills_vectors = channels % _VECTOR_SAMPLES == 0 and channels <= _LONGEST_VECTOR_PIXEL
    if channels < _LONG_RUN_SAMPLES or len(resampled) > 2 or (fills_vectors and len(resampled) == 2):
        fast.append(slow.pop())
        if any(y.shape[fast[0]] > 1 and y.strides[fast[0]] != channels * y.itemsize for y in (x, out)):
            return None
    batch = [axis for axis in range(x.ndim) if axis not in (*resampled, *trailing) and x.shape[axis] > 1]
    if len(slow) > 2 or len(batch) > _MAX_BATCH_AXES:
        return None
    return _Layout(x.ndim, batch, slow, fast, trailing, channels)


def _contiguous_axes(x: Array, out: Array, resampled: Sequence[int]) -> tuple[list[int], int]:
    """The unresampled axes whose samples are contiguous in both arrays, and the number of these samples."""
    contiguous: list[int] = []
    samples = 1
    left = [axis for axis in range(x.ndim) if axis not in resampled and x.shape[axis] > 1]
    while found := [axis for axis in left if x.strides[axis] == out.strides[axis] == samples * x.itemsize]:
        contiguous.insert(0, found[0])
        left.remove(found[0])
        samples *= x.shape[found[0]]
    return contiguous, samples


def _complex_as_real(x: Array) -> Array:
    """A view of complex `x` with a new last axis of its real and imaginary parts."""
    real: Array = x.real
    strides = (*x.strides, real.itemsize)
    return np.lib.stride_tricks.as_strided(real, (*x.shape, 2), strides, writeable=x.flags.writeable)


def _table(matrix: BandedMatrix) -> tuple[int, IndexArray, IndexArray, FloatArray]:
    return (
        matrix.in_size,
        np.ascontiguousarray(matrix.first, np.int64),
        np.ascontiguousarray(matrix.tap_count, np.int64),
        np.ascontiguousarray(matrix.taps, np.float64),
    )


def _formula(matrix: LongMatrix) -> tuple[float, ...]:
    """The fields of the compiled kernel's `Formula`, after the sizes of this part of the axis."""
    axis, formula = matrix.axis, matrix.formula
    assert formula is not None
    sizes = (matrix.in_size, matrix.out_size)
    whole = (axis.in_size, matrix.first_row, matrix.first_sample)
    half = 0.0 if axis.align_corners else 0.5
    positions = (*(axis.exact_ratio or (0, 0)), axis.a, half, axis.shift)
    copies = (int(formula.copied), formula.precision == "float32")
    return (*sizes, formula.taps, formula.slope, *whole, *positions, formula.rounded, *copies)
