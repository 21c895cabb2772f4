"""The definition of every mode, one output sample at a time: slow, plain, and apart from the matrices of `weights`.

What the kernel computes from tables is here computed from the formulas of the README, so that one can vouch for the
other: `upsample --verify` compares a few outputs of every file with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .modes import Mode
from .sampling import AxisMap
from .weights import CUBIC, LANCZOS, TRIANGLE, Filter

_BLUR = 1e-4  # PyTorch finds nearest samples in float32, where exact arithmetic may end up next to a boundary


@dataclass(frozen=True, slots=True)
class Row:
    """What one output sample reads along one axis.

    Attributes:
        samples: numbers of input samples.
        weights: of each; empty where the output is a copy of any one of them.
    """

    samples: tuple[int, ...]
    weights: tuple[float, ...] = ()


def row(mode: Mode, axis: AxisMap, dst: int) -> Row:
    """What output sample `dst` reads along an axis that is resampled by `mode`."""
    if mode.picks:
        return _nearest(axis, dst if mode.name == "nearest" else dst + 0.5)
    if mode.filter is None:
        return _area(axis, dst)
    src = axis.a * dst + axis.b
    antialiased = not mode.aliases
    if mode.filter is LANCZOS or antialiased:
        stretch = max(axis.a, 1.0) if antialiased else 1.0
        return _normalised(axis.in_size, src, _KERNELS[mode.filter], stretch)
    if mode.filter is TRIANGLE:
        return _repeating(axis.in_size, max(src, 0.0), _tent, 1)
    return _repeating(axis.in_size, src, lambda x: _keys(x, -0.75), 2)


def _nearest(axis: AxisMap, position: float) -> Row:
    last = axis.in_size - 1
    exact = position * axis.a
    blur = _BLUR * max(1.0, exact * 2e-3)
    return Row(tuple(sorted({min(max(math.floor(exact + shift), 0), last) for shift in (-blur, 0, blur)})))


def _area(axis: AxisMap, dst: int) -> Row:
    begin, end = dst * axis.in_size // axis.out_size, -(-(dst + 1) * axis.in_size // axis.out_size)
    return Row(tuple(range(begin, end)), (1 / (end - begin),) * (end - begin))


def _repeating(size: int, src: float, kernel: Callable[[float], float], reach: int) -> Row:
    """Beyond the border its sample repeats."""
    near = range(math.floor(src) - reach + 1, math.floor(src) + reach + 1)
    return Row(tuple(min(max(n, 0), size - 1) for n in near), tuple(kernel(n - src) for n in near))


def _normalised(size: int, src: float, kernel: Callable[[float], float], stretch: float) -> Row:
    """Beyond the border nothing counts."""
    reach = math.ceil(3 * stretch)
    near = range(max(math.floor(src) - reach, 0), min(math.ceil(src) + reach + 1, size))
    weights = [kernel((n - src) / stretch) for n in near]
    return Row(tuple(near), tuple(weight / math.fsum(weights) for weight in weights))


def _tent(x: float) -> float:
    return max(0.0, 1 - abs(x))


def _keys(x: float, a: float) -> float:
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def _windowed_sinc(x: float) -> float:
    if x == 0:
        return 1.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2 if abs(x) < 3 else 0.0


_KERNELS: dict[Filter, Callable[[float], float]] = {
    TRIANGLE: _tent,
    CUBIC: lambda x: _keys(x, -0.5),
    LANCZOS: _windowed_sinc,
}
