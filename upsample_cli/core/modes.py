"""The table of modes. A mode is a row of it; the kernel hears of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .sampling import AxisMap
from .weights import Bands, linear_bands, nearest_bands, nearest_exact_bands

_SMALL_2D = 128  # PyTorch has kernels of their own for pictures whose output height and width add up to no more


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What PyTorch's CPU kernels let their arithmetic depend on, besides the sizes of the axis at hand.

    Attributes:
        small_2d: whether two axes are resized, to a small picture.
        precision: the dtype in which nearest modes find their samples: float64 for float64 data, else float32.
    """

    small_2d: bool
    precision: type[np.floating]

    @classmethod
    def of(cls, dtype: np.dtype[Any], out_sizes: Sequence[int]) -> Circumstances:
        """The circumstances in which samples of `dtype` are resized to `out_sizes`."""
        small_2d = len(out_sizes) == 2 and sum(out_sizes) <= _SMALL_2D
        wide = dtype.kind == "f" and dtype.itemsize >= 8 and not small_2d
        return cls(small_2d, np.float64 if wide else np.float32)


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to weigh input samples.

    Attributes:
        name: the name by which users ask for it.
        ndim: the number of resized axes that the name stands for, None for any.
        align_corners: whether `align_corners` has a meaning.
        picks: whether outputs are copies of input samples, so that no value is new.
        bands: makes the banded matrix of an axis.
        exact_ratios: the ratios of output to input size at which a given scale factor gives way to that very ratio:
            an axis that a linear mode's factor leaves as long as it was is not resampled.
    """

    name: str
    ndim: int | None
    align_corners: bool
    picks: bool
    bands: Callable[[AxisMap, Circumstances], Bands]
    exact_ratios: Callable[[Circumstances], tuple[int, ...]]


def _linear(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return linear_bands(axis)


def _nearest(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return nearest_bands(axis, circumstances.precision)


def _nearest_exact(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return nearest_exact_bands(axis, circumstances.precision, via_centre=not circumstances.small_2d)


def _equal_sizes(circumstances: Circumstances) -> tuple[int, ...]:
    return (1,)


def _small_2d_only(circumstances: Circumstances) -> tuple[int, ...]:
    return (1, 2) if circumstances.small_2d else ()  # `nearest_idx` in PyTorch's UpSample.h


def _never(circumstances: Circumstances) -> tuple[int, ...]:
    return ()


MODES = {
    mode.name: mode
    for mode in (
        Mode("linear", None, True, False, _linear, _equal_sizes),
        Mode("bilinear", 2, True, False, _linear, _equal_sizes),
        Mode("trilinear", 3, True, False, _linear, _equal_sizes),
        Mode("nearest", None, False, True, _nearest, _small_2d_only),
        Mode("nearest-exact", None, False, True, _nearest_exact, _never),
    )
}


def find_mode(name: str) -> Mode:
    """The mode called `name`.

    Raises:
        ValueError: there is none.
    """
    try:
        return MODES[name]
    except KeyError:
        raise ValueError(f"unknown mode {name!r}; one of {', '.join(MODES)} is possible") from None


def check_ndim(mode: Mode, *counts: int) -> None:
    """Make sure that the mode's name fits one of the `counts` of resized axes.

    Raises:
        ValueError: it stands for another number.
    """
    if mode.ndim is not None and mode.ndim not in counts:
        fitting = [
            other.name for other in MODES.values() if other.bands == mode.bands and other.ndim in (None, counts[0])
        ]
        raise ValueError(
            f"mode {mode.name!r} resizes {mode.ndim} axes, but here {'is' if counts[0] == 1 else 'are'} {counts[0]}; "
            f"use {' or '.join(map(repr, fitting))}"
        )
