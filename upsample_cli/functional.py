"""Upsampling of arrays as PyTorch users know it: `interpolate`, `upsample` and `Upsample` on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .core.modes import MODES, Mode, check_ndim, find_mode
from .core.recipe import AxisTarget, make_recipe
from .core.resample import resample
from .core.samples import samples
from .core.sampling import scaled_size

Array = NDArray[Any]
Size = int | Sequence[int]
Factor = float | Sequence[float]

_INFERRED = {1: "linear", 2: "bilinear", 3: "trilinear"}


def interpolate(
    input: ArrayLike,
    size: Size | None = None,
    scale_factor: Factor | None = None,
    mode: str | None = None,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """Resize an array of shape (N, C, spatial…), with the meaning of ``torch.nn.functional.interpolate``.

    Args:
        input: shape (N, C, L), (N, C, H, W) or (N, C, D, H, W), of any numeric dtype and memory layout. It is
            never written to.
        size: output size of every spatial axis, or one for all, in array order (D, H, W).
        scale_factor: factor of every spatial axis, or one for all; the output size is ``floor(n · scale_factor)``.
            Either this or `size` is given.
        mode: ``linear`` (3-D input), ``bilinear`` (4-D), ``trilinear`` (5-D), ``nearest`` or ``nearest-exact``.
            None takes the linear one that fits.
        align_corners: whether the centres of the corner samples coincide, rather than their outer edges. Only for
            the linear modes.
        recompute_scale_factor: sample at the ratio of the sizes in place of the given factor. Only with
            `scale_factor`.
        antialias: not available yet.

    Returns:
        A new C-contiguous array of shape (N, C, new sizes…) and of the input's dtype in native byte order.
        Integers are rounded half to even and saturated.

    Raises:
        ValueError: the arguments contradict each other or the input's shape.
        TypeError: the samples are not numbers.

    >>> import numpy as np
    >>> interpolate(np.array([[[0.0, 4.0]]]), scale_factor=2)
    array([[[0., 1., 3., 4.]]])
    >>> interpolate(np.array([[[0.0, 3.0]]]), size=4, align_corners=True)
    array([[[0., 1., 2., 3.]]])
    >>> encoder, decoder = np.ones((1, 8, 13, 17)), np.ones((1, 16, 6, 8))
    >>> interpolate(decoder, size=encoder.shape[2:]).shape
    (1, 16, 13, 17)
    """
    x = np.asarray(input)
    if not 3 <= x.ndim <= 5:
        raise ValueError(f"the input must have the shape (N, C, spatial…) with 1 to 3 spatial axes, got {x.shape}")
    spatial = x.shape[2:]
    chosen = _choose_mode(mode, len(spatial))
    if antialias:
        raise ValueError("antialias=True is not available yet")
    if align_corners is not None and not chosen.align_corners:
        raise ValueError(f"align_corners has no meaning for mode {chosen.name!r}; leave it out")
    targets = _targets(spatial, size, scale_factor, bool(recompute_scale_factor))
    recipe = make_recipe(spatial, targets, chosen, bool(align_corners), x.dtype)
    rules = samples(x.dtype)
    out = np.empty((*x.shape[:2], *(axis.map.out_size for axis in recipe)), x.dtype.newbyteorder("="))
    resample(x, [None, None, *(axis.bands for axis in recipe)], out, rules)
    return out


upsample = interpolate


@dataclass(frozen=True)
class Upsample:
    """`interpolate` with its options held ready, as ``torch.nn.Upsample``.

    Attributes:
        size, scale_factor, mode, align_corners, recompute_scale_factor: as of `interpolate`.

    >>> import numpy as np
    >>> Upsample(scale_factor=2, mode="nearest")(np.array([[[1, 2]]]))
    array([[[1, 1, 2, 2]]])
    """

    size: Size | None = None
    scale_factor: Factor | None = None
    mode: str | None = None
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    def __call__(self, input: ArrayLike) -> Array:
        """Resize `input`; see `interpolate`."""
        return interpolate(
            input,
            size=self.size,
            scale_factor=self.scale_factor,
            mode=self.mode,
            align_corners=self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )


def _choose_mode(name: str | None, ndim: int) -> Mode:
    mode = find_mode(_INFERRED[ndim] if name is None else name)
    if mode.name == "linear" and ndim != 1:  # among PyTorch's names this one stands for a single axis
        raise ValueError(f"mode 'linear' resizes 1 axis, but here are {ndim}; use {_INFERRED[ndim]!r}")
    check_ndim(mode, ndim)
    return MODES[mode.name]


def _targets(
    spatial: Sequence[int], size: Size | None, scale_factor: Factor | None, recompute: bool
) -> list[AxisTarget]:
    if (size is None) == (scale_factor is None):
        given = "neither" if size is None else "both"
        raise ValueError(f"either size or scale_factor must be given, got {given}")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor has no meaning with an explicit size; leave it out")
        sizes = _one_per_axis("size", size, len(spatial))
        if not all(isinstance(n, int | np.integer) for n in sizes):
            raise TypeError(f"sizes must be integers, got {size!r}")
        return [AxisTarget(int(n)) for n in sizes]
    factors = [float(factor) for factor in _one_per_axis("scale_factor", scale_factor, len(spatial))]
    return [
        AxisTarget(scaled_size(n, factor), None if recompute else factor)
        for n, factor in zip(spatial, factors, strict=True)
    ]


def _one_per_axis(name: str, value: Any, count: int) -> list[Any]:
    values = [value] * count if np.ndim(value) == 0 else list(value)
    if len(values) != count:
        raise ValueError(f"{name} must be one number or one for each of the {count} spatial axes, got {value!r}")
    return values
