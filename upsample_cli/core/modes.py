"""The table of interpolation modes. Kernels see only weights, never a mode.

This module does not import NumPy, so that the command can check a mode's name before it loads anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

LABEL_KERNELS = ("linear", "cubic", "box")  # modes that can interpolate the indicators of labels in mode "label"
_SMALL_2D_SIZE = 128  # PyTorch has separate kernels for 2-D outputs whose height plus width is at most this


class Sampling(Enum):
    """How the weights of an axis follow from its sampling map; see `core.weights`."""

    NEAREST = auto()  # the sample at floor(dst·a)
    NEAREST_EXACT = auto()  # the sample at floor((dst + ½)·a)
    AREA = auto()  # the mean of all samples that the output sample touches
    BOX = auto()  # the mean over the interval that the output sample covers
    INTERPOLATE = auto()  # a kernel of fixed width; beyond the border, the border's sample repeats
    WINDOW = auto()  # a kernel of fixed width; beyond the border nothing counts, and the weights are normalised
    ANTIALIAS = auto()  # as WINDOW, with the kernel stretched by the factor by which the axis shrinks


class ScalePolicy(Enum):
    """Which scale sets the sampling positions: the given ``scale_factor``, or the ratio of input to output size.

    PyTorch's kernels differ in this if a factor is given. See ``compute_scales_value`` and ``area_pixel_compute_scale``
    in ATen/native/UpSample.h, and ``nearest_idx`` there for small 2-D outputs.
    """

    GIVEN = auto()
    RATIO_IF_UNCHANGED = auto()  # the ratio if the axis keeps its size
    RATIO_IF_UNCHANGED_BYTES = auto()  # the same, but only in PyTorch's kernel for bytes in 2-D
    RATIO_IF_SMALL_2D = auto()  # the ratio if PyTorch's small 2-D kernel runs and the axis keeps or doubles its size
    RATIO = auto()

    def uses_ratio(self, in_size: int, out_size: int, context: TorchContext, exact: bool) -> bool:
        """Whether a given factor is ignored for an axis of these sizes.

        Args:
            in_size, out_size: number of samples.
            context: PyTorch's code path.
            exact: keep the factor where only some sizes make PyTorch ignore it.
        """
        if exact or self is ScalePolicy.RATIO:
            return self is ScalePolicy.RATIO
        if self is ScalePolicy.RATIO_IF_UNCHANGED or (
            self is ScalePolicy.RATIO_IF_UNCHANGED_BYTES and context.uses_2d_byte_kernel
        ):
            return in_size == out_size
        return (
            self is ScalePolicy.RATIO_IF_SMALL_2D
            and context.uses_small_2d_kernel
            and out_size in (in_size, 2 * in_size)
        )


class TorchContext(NamedTuple):
    """Everything but the sizes of an axis that selects PyTorch's CPU code path.

    Attributes:
        uses_small_2d_kernel: whether two axes are resized, to a small output.
        position_dtype: the precision in which nearest modes compute positions: ``float64`` or ``float32``.
        rounds_positions: whether positions are rounded to float32 before the sample to their left is found: for
            floating-point samples. Integers are the rounded value of the exact formula.
        uses_2d_byte_kernel: whether two axes of unsigned bytes are resized.
    """

    uses_small_2d_kernel: bool
    position_dtype: str
    rounds_positions: bool
    uses_2d_byte_kernel: bool = False

    @classmethod
    def of(cls, dtype: np.dtype[Any], out_sizes: Sequence[int]) -> TorchContext:
        """The context in which an array of `dtype` is resized to `out_sizes`."""
        small_2d = len(out_sizes) == 2 and sum(out_sizes) <= _SMALL_2D_SIZE
        double = dtype.kind == "f" and dtype.itemsize >= 8 and not small_2d
        is_2d_bytes = len(out_sizes) == 2 and dtype == "uint8"
        return cls(small_2d, "float64" if double else "float32", dtype.kind in "fc", is_2d_bytes)


@dataclass(frozen=True, slots=True)
class Mode:
    """An interpolation mode.

    Attributes:
        name: the name by which users choose it.
        sampling: how weights are computed.
        kernel: the kernel, by its name in `core.weights.KERNELS`; None if the sampling needs none.
        antialias_kernel: the kernel for antialiasing, or None if the mode cannot be antialiased.
        scale_policy: which scale sets the sampling positions.
        ndim: the number of resized axes that the name requires; None for any.
        is_label_mode: whether samples are labels: each label's indicator is interpolated, and the largest value wins.
    """

    name: str
    sampling: Sampling
    kernel: str | None = None
    antialias_kernel: str | None = None
    scale_policy: ScalePolicy = ScalePolicy.GIVEN
    ndim: int | None = None
    is_label_mode: bool = False

    @property
    def copies_samples(self) -> bool:
        """Whether every output sample is a copy of one input sample."""
        return self.sampling in (Sampling.NEAREST, Sampling.NEAREST_EXACT)

    @property
    def preserves_values(self) -> bool:
        """Whether every output value occurs in the input."""
        return self.copies_samples or self.is_label_mode

    @property
    def allows_align_corners(self) -> bool:
        """Whether `align_corners` may be set."""
        return self.sampling in (Sampling.INTERPOLATE, Sampling.WINDOW, Sampling.ANTIALIAS)

    @property
    def honours_align_corners(self) -> bool:
        """Whether `align_corners` aligns the corners.

        PyTorch's antialiased kernels use only the align_corners scale and keep the half-pixel offset.
        """
        return self.sampling is not Sampling.ANTIALIAS

    @property
    def can_alias(self) -> bool:
        """Whether shrinking an axis can alias."""
        return self.sampling in (Sampling.INTERPOLATE, Sampling.WINDOW)

    def antialiased(self) -> Mode:
        """The same mode with its kernel stretched where an axis shrinks.

        Raises:
            ValueError: the mode cannot be antialiased.
        """
        if self.antialias_kernel is None:
            able = ", ".join(mode.name for mode in MODES.values() if mode.antialias_kernel and not mode.is_label_mode)
            raise ValueError(f"mode {self.name!r} has no antialiasing; use one of {able}")
        return replace(
            self,
            sampling=Sampling.ANTIALIAS,
            kernel=self.antialias_kernel,
            scale_policy=ScalePolicy.RATIO_IF_UNCHANGED,
        )

    def torch_name(self, ndim: int) -> str:
        """PyTorch's name of this mode for `ndim` resized axes, such as ``bilinear`` for linear along two axes."""
        if self.ndim is not None:
            return self.name
        return next((mode.name for mode in _same_family(self) if mode.ndim == ndim), self.name)


def _linear(name: str, ndim: int | None = None, is_label_mode: bool = False) -> Mode:
    policy = ScalePolicy.RATIO_IF_UNCHANGED
    return Mode(name, Sampling.INTERPOLATE, "triangle", "triangle", policy, ndim, is_label_mode)


def _cubic(name: str, ndim: int | None = None) -> Mode:
    policy = ScalePolicy.RATIO_IF_UNCHANGED_BYTES
    return Mode(name, Sampling.INTERPOLATE, "keys-0.75", "keys-0.5", policy, ndim)


MODES = {
    mode.name: mode
    for mode in (
        _linear("linear"),
        _linear("bilinear", ndim=2),
        _linear("trilinear", ndim=3),
        _cubic("cubic"),
        _cubic("bicubic", ndim=2),
        Mode("lanczos", Sampling.WINDOW, "lanczos3", "lanczos3"),
        Mode("area", Sampling.AREA, scale_policy=ScalePolicy.RATIO),
        Mode("box", Sampling.BOX),
        Mode("nearest", Sampling.NEAREST, scale_policy=ScalePolicy.RATIO_IF_SMALL_2D),
        Mode("nearest-exact", Sampling.NEAREST_EXACT),
        _linear("label", is_label_mode=True),
    )
}


def find_mode(name: str) -> Mode:
    """The mode called `name`.

    Raises:
        ValueError: there is no such mode.
    """
    try:
        return MODES[name]
    except KeyError:
        raise ValueError(f"unknown mode {name!r}; choose from {', '.join(MODES)}") from None


def check_ndim(mode: Mode, *counts: int) -> None:
    """Check that the mode's name fits at least one of the `counts` of resized axes.

    Raises:
        ValueError: the name requires another number of axes.
    """
    if mode.ndim is None or mode.ndim in counts:
        return
    fitting = next(other.name for ndim in (counts[0], None) for other in _same_family(mode) if other.ndim == ndim)
    raise ValueError(f"mode {mode.name!r} is for {mode.ndim} axes, not for {counts[0]}; use {fitting!r}")


def _same_family(mode: Mode) -> list[Mode]:
    """The modes that differ from `mode` in the number of axes alone."""
    kernel, is_label = mode.antialias_kernel, mode.is_label_mode
    return [other for other in MODES.values() if (other.antialias_kernel, other.is_label_mode) == (kernel, is_label)]
