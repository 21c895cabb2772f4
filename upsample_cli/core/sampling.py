"""The sampling map of one axis: output sizes, and the positions of output samples on the input."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .arrays import FloatArray, IndexArray

_INTEGER_LIMIT = 2**62  # numerators of exact positions stay below it
_ROUNDING = 2.0**-51  # relative error of a factor's reciprocal
_LARGEST_DENOMINATOR = 1000  # of scale factors that are taken for the fraction that they are nearest to


class AxisMap(NamedTuple):
    """The sampling map ``src = a·dst + b`` of one axis, in samples of that axis.

    The weights and the output geometry are both computed from it, so they always agree.

    Attributes:
        in_size: number of input samples.
        out_size: number of output samples.
        a: distance between output samples, in input samples; 0 for a single output sample with aligned corners.
        align_corners: whether the centres of the first input and output samples coincide (``b = 0``); otherwise their
            outer edges do (``b = (a − 1)/2``).
        shift: offset of the output grid, in input samples, added to every position.
        on_grid: whether the output samples lie on a given grid, where nearest modes take the nearest sample.
    """

    in_size: int
    out_size: int
    a: float = 1.0
    align_corners: bool = False
    shift: float = 0.0
    on_grid: bool = False

    @property
    def b(self) -> float:
        """Position of the first output sample, in input samples."""
        return (0.0 if self.align_corners else (self.a - 1) / 2) + self.shift

    @property
    def pitch(self) -> float:
        """The factor by which the spacing changes: `a`, or 1 if `a` is 0."""
        return self.a or 1.0

    @property
    def is_identity(self) -> bool:
        """Whether every output sample is the input sample of the same index."""
        return self.in_size == self.out_size and self.a == 1 and self.shift == 0

    @property
    def scale(self) -> float:
        """Output samples per input sample."""
        return self.out_size / self.in_size

    @property
    def ratio(self) -> tuple[int, int] | None:
        """Numerator and denominator of the fraction from which `a` was rounded, or None.

        It is the fraction of the sizes, or that of a factor such as 1.7.
        """
        if self.align_corners or self.shift:
            return None
        if self.a == self.in_size / self.out_size:
            common = math.gcd(self.in_size, self.out_size)
            return self.in_size // common, self.out_size // common
        from fractions import Fraction  # slow import; not needed for factors that give whole sizes

        near = Fraction(1 / self.a).limit_denominator(_LARGEST_DENOMINATOR) if 1 / self.a < math.inf else Fraction(0)
        if not near or not math.isclose(1 / near, self.a, rel_tol=_ROUNDING):
            return None
        return near.denominator, near.numerator

    @property
    def exact_ratio(self) -> tuple[int, int] | None:
        """`ratio`, if positions computed from it in integers cannot overflow."""
        ratio = self.ratio
        return ratio if ratio and ratio[0] * 2 * self.out_size < _INTEGER_LIMIT else None

    def split(self, dst: IndexArray) -> tuple[IndexArray, FloatArray]:
        """The index of the input sample at or before each output sample, and the fraction of a sample beyond it.

        Exact where `a` is an `exact_ratio`, so that the fractions repeat with its denominator; else rounded in float64.
        """
        if (ratio := self.exact_ratio) is None:
            source = self.source(dst.astype(np.float64))
            before = np.floor(source)
            return before.astype(np.intp), source - before
        numerator, denominator = ratio
        period = 2 * denominator
        before_index, rest = np.divmod((2 * dst + 1) * numerator - denominator, period)
        return before_index, rest / period

    def nearest(self, dst: IndexArray) -> IndexArray:
        """The index of the input sample nearest to each output sample: ``floor((dst + ½)·a)`` moved by `shift`."""
        before, fraction = self.split(dst)
        index: IndexArray = before + (fraction >= 0.5)
        return index

    def left(self, dst: IndexArray) -> IndexArray:
        """The index of the input sample at or before ``dst·a``, PyTorch's rule for ``nearest``."""
        if self.ratio is not None:
            numerator, denominator = self.ratio
            return dst * numerator // denominator
        index: IndexArray = np.floor(dst * self.a).astype(np.intp)
        return index

    def source(self, dst: FloatArray) -> FloatArray:
        """Positions of the output samples `dst` on the input, unclamped.

        The order of operations is that of ``area_pixel_compute_source_index`` in PyTorch, so that float64 results
        match even on long axes.
        """
        source = self.a * dst if self.align_corners else self.a * (dst + 0.5) - 0.5
        return source + self.shift if self.shift else source


def scaled_size(in_size: int, scale_factor: float) -> int:
    """Output size of an axis enlarged by `scale_factor`: ``floor(in_size · scale_factor)``, as in PyTorch.

    Raises:
        ValueError: the factor is not a positive finite number, or the output has no samples or too many.
    """
    if not (math.isfinite(scale_factor) and scale_factor > 0):
        raise ValueError(f"a scale factor must be a positive finite number, got {scale_factor}")
    size = float(in_size) * scale_factor
    if not 1 <= size < math.inf:
        problem = "leaves no sample" if size < 1 else "gives an impossible size"
        raise ValueError(f"a scale factor of {scale_factor:g} on an axis of {in_size} {problem}")
    return math.floor(size)


def axis_map(in_size: int, out_size: int, scale_factor: float | None = None, align_corners: bool = False) -> AxisMap:
    """The map from `in_size` to `out_size` samples, by `scale_factor` or, if that is None, by the ratio of the sizes.

    `align_corners` ignores the factor, as in PyTorch. It does not apply to a single input sample: all output samples
    equal it in any case, and the map keeps the extent of the axis.
    """
    if align_corners and in_size > 1:
        return AxisMap(in_size, out_size, (in_size - 1) / (out_size - 1) if out_size > 1 else 0.0, align_corners=True)
    a = in_size / out_size if scale_factor is None or align_corners else 1 / scale_factor
    return AxisMap(in_size, out_size, a)
