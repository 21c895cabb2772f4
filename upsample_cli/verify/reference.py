"""An independent reference for every mode: the input samples and weights of one output sample, used by ``--verify``.

It evaluates the modes' formulas one output sample at a time, and shares no code with the matrices of `core.weights`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from ..core.modes import Mode, Sampling
from ..core.sampling import AxisMap
from ..core.weights import KERNELS

Formula: TypeAlias = Callable[[float], float]

_LONGEST_TORCH_NEAREST = 2**20  # input samples; beyond, positions are exact
_POSITION_TOLERANCE = 1e-4  # samples; PyTorch computes nearest positions in float32, which can cross a boundary


@dataclass(frozen=True, slots=True)
class Row:
    """The input samples of one output sample along one axis.

    Attributes:
        samples: their indices.
        weights: their weights; empty if the output may be a copy of any one of them.
    """

    samples: tuple[int, ...]
    weights: tuple[float, ...] = ()


def reference_row(mode: Mode, axis: AxisMap, dst: int) -> Row:
    """The input samples and weights of output sample `dst` along an axis that is resized in `mode`.

    Raises:
        ValueError: no formula is known for the mode.
    """
    src = axis.a * dst + axis.b
    if mode.sampling is Sampling.NEAREST and not axis.on_grid:
        return _nearest(axis, axis.a * dst)
    if mode.copies_samples:
        return _nearest(axis, src + 0.5)
    if mode.sampling is Sampling.AREA:
        return _area(axis, dst)
    if mode.sampling is Sampling.BOX:
        return _box(axis, src)
    formula, support = _formula(mode)
    if mode.sampling is Sampling.INTERPOLATE:
        return _repeat_border(axis.in_size, max(src, 0.0) if mode.kernel == "triangle" else src, formula, support)
    stretch = max(axis.a, 1.0) if mode.sampling is Sampling.ANTIALIAS else 1.0
    return _normalised(axis.in_size, src, formula, support, stretch)


def _formula(mode: Mode) -> tuple[Formula, int]:
    """The formula of a mode's kernel, and its support in samples."""
    if mode.kernel in _FORMULAS:
        return _FORMULAS[mode.kernel]
    if mode.kernel not in KERNELS:
        raise ValueError(f"mode {mode.name!r} has no kernel with a known formula")
    kernel = KERNELS[mode.kernel]
    return lambda x: float(kernel.weight(np.array([x]))[0]), math.ceil(kernel.support)


def _nearest(axis: AxisMap, exact: float) -> Row:
    last = axis.in_size - 1
    tolerance = _POSITION_TOLERANCE * max(1.0, min(exact, _LONGEST_TORCH_NEAREST) * 2e-3)
    candidates = {min(max(math.floor(exact + shift), 0), last) for shift in (-tolerance, 0, tolerance)}
    return Row(tuple(sorted(candidates)))


def _area(axis: AxisMap, dst: int) -> Row:
    begin, end = dst * axis.in_size // axis.out_size, -(-(dst + 1) * axis.in_size // axis.out_size)
    return Row(tuple(range(begin, end)), (1 / (end - begin),) * (end - begin))


def _box(axis: AxisMap, src: float) -> Row:
    """The samples that the interval of the output sample covers, each weighted by the part that it covers."""
    low, high = max(src + 0.5 - axis.a / 2, 0.0), min(src + 0.5 + axis.a / 2, axis.in_size)
    if high <= low:
        return Row((min(max(math.floor(src + 0.5), 0), axis.in_size - 1),), (1.0,))
    covered = range(math.floor(low), math.ceil(high))
    return Row(tuple(covered), tuple((min(n + 1, high) - max(n, low)) / (high - low) for n in covered))


def _repeat_border(size: int, src: float, formula: Formula, support: int) -> Row:
    """Samples beyond the border repeat the border's sample.

    Those that only a rounded position would reach are included, with a weight of about zero: NaN has an effect there.
    """
    first, last = (math.floor(src + shift) for shift in (-_POSITION_TOLERANCE, _POSITION_TOLERANCE))
    near = range(first - support + 1, last + support + 1)
    return Row(tuple(min(max(n, 0), size - 1) for n in near), tuple(formula(n - src) for n in near))


def _normalised(size: int, src: float, formula: Formula, support: int, stretch: float) -> Row:
    """Samples beyond the border are ignored, and the weights are divided by their sum."""
    reach = math.ceil(support * stretch)
    near = range(max(math.floor(src) - reach, 0), min(math.ceil(src) + reach + 1, size))
    weights = [formula((n - src) / stretch) for n in near]
    return Row(tuple(near), tuple(weight / math.fsum(weights) for weight in weights))


def _triangle(x: float) -> float:
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


_FORMULAS: dict[str | None, tuple[Formula, int]] = {
    "triangle": (_triangle, 1),
    "keys-0.75": (partial(_keys, a=-0.75), 2),
    "keys-0.5": (partial(_keys, a=-0.5), 2),
    "lanczos3": (_windowed_sinc, 3),
}
