"""The table of modes. A mode is a row of it; the kernel hears of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .sampling import AxisMap
from .weights import (
    CUBIC,
    LANCZOS,
    TRIANGLE,
    Bands,
    Filter,
    area_bands,
    cubic_bands,
    filter_bands,
    linear_bands,
    nearest_bands,
    nearest_exact_bands,
)

_SMALL_2D = 128  # PyTorch has kernels of their own for pictures whose output height and width add up to no more


class Circumstances(NamedTuple):
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


class Factor(Enum):
    """Whether a given scale factor decides where samples are taken, or the ratio of the sizes does."""

    COUNTS = "always"
    YIELDS_IF_EQUAL = "but where the axis keeps its size"
    YIELDS_IF_SMALL_2D = "but where a small picture's axis keeps or doubles its size"  # `nearest_idx` in UpSample.h
    IS_IGNORED = "never"

    def yields(self, in_size: int, out_size: int, circumstances: Circumstances) -> bool:
        """Whether PyTorch's kernel takes the ratio of these sizes although a factor is given."""
        if self is Factor.YIELDS_IF_EQUAL:
            return in_size == out_size
        return self is Factor.YIELDS_IF_SMALL_2D and circumstances.small_2d and out_size in (in_size, 2 * in_size)


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to weigh input samples.

    Attributes:
        name: the name by which users ask for it.
        bands: makes the banded matrix of an axis.
        ndim: the number of resized axes that the name stands for, None for any.
        align_corners: whether `align_corners` has a meaning.
        picks: whether outputs are copies of input samples, so that no value is new.
        factor: whether a given scale factor counts.
        filter: the kernel with which it is antialiased, None where it cannot be.
        moves_to_corners: whether `align_corners` aligns the corners; an antialiased kernel takes only its scale from
            it in PyTorch, and lies as ever.
        aliases: whether detail that is too fine for the output turns into false patterns.
        votes: whether samples are labels: the indicator of each is weighed, and the greatest wins.
    """

    name: str
    bands: Callable[[AxisMap, Circumstances], Bands]
    ndim: int | None = None
    align_corners: bool = True
    picks: bool = False
    factor: Factor = Factor.COUNTS
    filter: Filter | None = None
    moves_to_corners: bool = True
    aliases: bool = True
    votes: bool = False

    @property
    def keeps_values(self) -> bool:
        """Whether every output value is the value of some input sample."""
        return self.picks or self.votes

    def antialiased(self) -> Mode:
        """The mode with its kernel stretched where an axis shrinks.

        Raises:
            ValueError: it has no kernel that could be.
        """
        kernel = self.filter
        if kernel is None:
            able = ", ".join(mode.name for mode in MODES.values() if mode.filter is not None and not mode.votes)
            raise ValueError(f"mode {self.name!r} has no antialiasing; {able} have")
        return replace(
            self,
            bands=_stretched(kernel),
            factor=Factor.YIELDS_IF_EQUAL,
            moves_to_corners=False,
            aliases=False,
        )


@cache
def _stretched(kernel: Filter) -> Callable[[AxisMap, Circumstances], Bands]:
    """The same function for the same kernel, so that what it has made is found again."""
    return lambda axis, circumstances: filter_bands(axis, kernel)


def _linear(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return linear_bands(axis)


def _cubic(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return cubic_bands(axis)


def _lanczos(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return filter_bands(axis, LANCZOS, stretches=False)


def _area(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return area_bands(axis)


def _nearest(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return nearest_bands(axis, circumstances.precision)


def _nearest_exact(axis: AxisMap, circumstances: Circumstances) -> Bands:
    return nearest_exact_bands(axis, circumstances.precision, via_centre=not circumstances.small_2d)


MODES = {
    mode.name: mode
    for mode in (
        Mode("linear", _linear, factor=Factor.YIELDS_IF_EQUAL, filter=TRIANGLE),
        Mode("bilinear", _linear, ndim=2, factor=Factor.YIELDS_IF_EQUAL, filter=TRIANGLE),
        Mode("trilinear", _linear, ndim=3, factor=Factor.YIELDS_IF_EQUAL, filter=TRIANGLE),
        Mode("cubic", _cubic, filter=CUBIC),
        Mode("bicubic", _cubic, ndim=2, filter=CUBIC),
        Mode("lanczos", _lanczos, filter=LANCZOS),
        Mode("area", _area, align_corners=False, factor=Factor.IS_IGNORED, aliases=False),
        Mode("nearest", _nearest, align_corners=False, picks=True, factor=Factor.YIELDS_IF_SMALL_2D, aliases=False),
        Mode("nearest-exact", _nearest_exact, align_corners=False, picks=True, aliases=False),
        Mode("label", _linear, factor=Factor.YIELDS_IF_EQUAL, filter=TRIANGLE, votes=True),
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
    if mode.ndim is None or mode.ndim in counts:
        return
    alike = [other for other in MODES.values() if other.filter == mode.filter and not other.votes]
    fitting = next(other.name for ndim in (counts[0], None) for other in alike if other.ndim == ndim)
    raise ValueError(f"mode {mode.name!r} is for {mode.ndim} axes, not for {counts[0]}; use {fitting!r}")
