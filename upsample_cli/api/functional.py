"""Upsampling of arrays with PyTorch's interface: `interpolate`, `upsample`, `Upsample` and the gradient."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..core.arrays import Array, ArrayLike, are_channels_last
from ..core.axis_plan import LONGEST_CACHED_AXIS, AxisTarget, max_taps, plan_axes
from ..core.bounded_cache import BoundedCache
from ..core.dtypes import SampleCodec, bfloat16_codec, label_codec, numeric_codec
from ..core.long_axis import LongMatrix, Matrix
from ..core.modes import Mode, check_ndim, find_mode
from ..core.resample import resample
from ..core.sampling import scaled_size

_CACHED_RESAMPLINGS = 64

Size = int | Sequence[int]
Factor = float | Sequence[float]


@dataclass(frozen=True, slots=True)
class UpsampleOptions:
    """How arrays are resized. Exactly one of `size` and `scale_factor` is given.

    Attributes:
        size: output size of every spatial axis, or one for all, in array order (D, H, W).
        scale_factor: factor of every spatial axis, or one for all; the output size is ``floor(n · scale_factor)``.
        mode: ``linear``, ``bilinear`` or ``trilinear`` for one, two or three spatial axes (None chooses among them);
            ``bicubic`` for two, ``cubic`` for any number; ``lanczos``, ``area``, ``nearest``, ``nearest-exact``;
            ``label`` for integer labels of regions: boundaries become smooth, and no new label values occur.
        align_corners: whether the centres of the corner samples are aligned, rather than their outer edges. Only for
            the linear and cubic modes and Lanczos.
        recompute_scale_factor: sample at the ratio of the sizes instead of the given factor. Only with
            `scale_factor`.
        antialias: widen the kernel along axes that shrink. Only for the linear and cubic modes and Lanczos.

    >>> halve = UpsampleOptions(scale_factor=0.5, antialias=True)
    >>> interpolate(np.ones((1, 3, 8, 6)), halve).shape
    (1, 3, 4, 3)
    """

    size: Size | None = None
    scale_factor: Factor | None = None
    mode: str | None = None
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None
    antialias: bool = False

    def __post_init__(self) -> None:
        """Turn lists and arrays into tuples, so that options can be compared and hashed."""
        for name in ("size", "scale_factor"):
            value = getattr(self, name)
            if value is not None and np.ndim(value):
                object.__setattr__(self, name, tuple(value))


def interpolate(
    input: ArrayLike,
    size: Size | UpsampleOptions | None = None,
    scale_factor: Factor | None = None,
    mode: str | None = None,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """Resize an array of shape (N, C, spatial…) as ``torch.nn.functional.interpolate`` does.

    Unlike there, cubic, Lanczos and antialiasing work in one and three dimensions as well as in two.

    Args:
        input: array of shape (N, C, L), (N, C, H, W) or (N, C, D, H, W), of any numeric dtype and memory layout. It
            is not modified.
        size: as in `UpsampleOptions`; or an `UpsampleOptions` in place of all further arguments.
        scale_factor, mode, align_corners, recompute_scale_factor, antialias: as in `UpsampleOptions`.

    Returns:
        A new array of shape (N, C, new sizes…) and of the input's dtype in native byte order. It is C-contiguous,
        or channels-last in memory if the input is, as in PyTorch. Integers are rounded half to even and saturated.

    Raises:
        ValueError: the arguments contradict each other or the input's shape.
        TypeError: the samples are not numbers, or a size is not a whole number.

    >>> import numpy as np
    >>> interpolate(np.array([[[0.0, 4.0]]]), scale_factor=2)
    array([[[0., 1., 3., 4.]]])
    >>> interpolate(np.array([[[0.0, 3.0]]]), size=4, align_corners=True)
    array([[[0., 1., 2., 3.]]])

    Resize a decoder's output to the size of the encoder's feature map before they are concatenated:

    >>> encoder, decoder = np.ones((1, 8, 13, 17)), np.ones((1, 16, 6, 8))
    >>> interpolate(decoder, size=encoder.shape[2:]).shape
    (1, 16, 13, 17)

    Double the width and height of a video, and keep the number of frames:

    >>> video = np.zeros((1, 3, 8, 90, 160), np.uint8)
    >>> interpolate(video, scale_factor=(1, 2, 2)).shape
    (1, 3, 8, 180, 320)
    """
    x = input if type(input) is np.ndarray else _as_array(input)
    return _resampling(x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias).forward(x)


upsample = interpolate


class Upsample:
    """`interpolate` with fixed options, as ``torch.nn.Upsample``.

    Attributes:
        options: the options.

    >>> import numpy as np
    >>> Upsample(scale_factor=2, mode="nearest")(np.array([[[1, 2]]]))
    array([[[1, 1, 2, 2]]])
    """

    def __init__(
        self,
        size: Size | UpsampleOptions | None = None,
        scale_factor: Factor | None = None,
        mode: str | None = None,
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> None:
        """Set the options; see `interpolate` for the arguments."""
        self.options = collect_options(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)

    def __call__(self, input: ArrayLike) -> Array:
        """Resize `input`; see `interpolate`."""
        return interpolate(input, self.options)

    def __repr__(self) -> str:
        return f"Upsample({self.options})"


def upsample_vjp(
    input: ArrayLike,
    size: Size | UpsampleOptions | None = None,
    scale_factor: Factor | None = None,
    mode: str | None = None,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> tuple[Array, Callable[[ArrayLike], Array]]:
    """The result of `interpolate` and its vector-Jacobian product (pullback).

    Resizing is linear in the input, ``y = A x`` with a separable ``A``; the pullback applies its exact adjoint, the
    transposed matrix of each axis.

    Args:
        input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias: as for `interpolate`.

    Returns:
        The output and the pullback. The pullback takes the gradient of a scalar with respect to the output, of the
        output's shape, and returns its gradient with respect to the input, of the input's shape and dtype.

    Raises:
        ValueError: as for `interpolate`.
        TypeError: the samples are not floating-point or complex numbers, and so have no gradient.

    >>> import numpy as np
    >>> output, pullback = upsample_vjp(np.array([[[0.0, 4.0]]]), scale_factor=2)
    >>> pullback(np.ones_like(output))
    array([[[2., 2.]]])
    """
    x = _as_array(input)
    if x.dtype.kind not in "fc" and x.dtype.name != "bfloat16":
        raise TypeError(f"samples of dtype {x.dtype} have no gradient; convert them to a floating-point dtype")
    resampling = _resampling(x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    return resampling.forward(x), resampling.pullback


class Resampling:
    """A resampling of arrays of one shape and dtype: its matrices, applied forward or transposed.

    Attributes:
        in_shape, out_shape: shapes of the input and the output.
        matrices: the matrix of each axis, or None where it stays as it is.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], options: UpsampleOptions) -> None:
        if not 3 <= len(shape) <= 5:
            raise ValueError(f"the input must have the shape (N, C, spatial…) with 1 to 3 spatial axes, got {shape}")
        spatial = shape[2:]
        mode = _choose_mode(options, len(spatial))
        targets = _targets(spatial, options)
        self.out_shape = (*shape[:2], *(target.size for target in targets))
        if math.prod(self.out_shape) * dtype.itemsize > sys.maxsize:
            raise ValueError(f"an array of shape {self.out_shape} cannot be addressed")
        plans = plan_axes(spatial, targets, mode, bool(options.align_corners), dtype)
        self.in_shape, self._dtype = shape, dtype
        self.matrices: list[Matrix | None] = [None, None, *(plan.matrix for plan in plans)]
        self._is_bfloat16 = dtype.name == "bfloat16"  # of ml_dtypes; NumPy knows it as a void type
        if self._is_bfloat16:
            self._codec = bfloat16_codec(max_taps(plans))
        else:
            self._codec = (label_codec if mode.is_label_mode else numeric_codec)(dtype, max_taps(plans))

    @property
    def is_small(self) -> bool:
        """Whether its matrices are small enough to cache for the next array of this shape."""
        if max(self.in_shape[2:] + self.out_shape[2:]) <= LONGEST_CACHED_AXIS:
            return True
        return all(matrix is None or (isinstance(matrix, LongMatrix) and matrix.formula) for matrix in self.matrices)

    def forward(self, x: Array) -> Array:
        """The output for an input of the shape and dtype of this resampling."""
        samples = x.view(np.uint16) if self._is_bfloat16 else x
        result = self._apply(samples, self.matrices, self.out_shape, self._codec)
        return result.view(x.dtype) if self._is_bfloat16 else result

    def pullback(self, gradient: ArrayLike) -> Array:
        """The gradient with respect to the input, from that with respect to the output.

        Raises:
            TypeError: the gradient is complex, and the input is real.
            ValueError: the gradient does not have the output's shape.
        """
        g = np.asarray(gradient)
        if g.dtype.kind == "c" and self._dtype.kind != "c":
            raise TypeError("the gradient of a real input must be real; take its real part")
        if g.shape != self.out_shape:
            raise ValueError(f"the gradient must have the output's shape {self.out_shape}, got {g.shape}")
        transposed = [matrix and matrix.transposed() for matrix in self.matrices]
        taps = max((matrix.max_taps for matrix in transposed if matrix is not None), default=1)
        dtype = np.dtype(np.float32) if self._is_bfloat16 else self._dtype
        result = self._apply(g.astype(dtype, copy=False), transposed, self.in_shape, numeric_codec(dtype, taps))
        return result if dtype is self._dtype else result.astype(self._dtype)

    @staticmethod
    def _apply(x: Array, matrices: Sequence[Matrix | None], shape: tuple[int, ...], codec: SampleCodec) -> Array:
        dtype = x.dtype if x.dtype.isnative else x.dtype.newbyteorder("=")
        out = _empty(shape, dtype, not x.flags.c_contiguous and are_channels_last(x.shape, x.strides))
        resample(x, matrices, out, codec)
        return out


_cache: BoundedCache[Resampling] = BoundedCache(_CACHED_RESAMPLINGS)


def _resampling(x: Array, size: Any, scale_factor: Any, *others: Any) -> Resampling:
    """The resampling of `x` for the arguments of `interpolate`: the cached one of an earlier call, or a new one."""
    key = (x.shape, x.dtype, size, scale_factor, _number_types(size), _number_types(scale_factor), *others)
    try:
        found = _cache.get(key)
    except TypeError:  # a list or an array is not hashable
        return Resampling(x.shape, x.dtype, collect_options(size, scale_factor, *others))
    if found is None:
        found = Resampling(x.shape, x.dtype, collect_options(size, scale_factor, *others))
        if found.is_small:
            _cache.store(key, found)
    return found


def _number_types(value: Any) -> Any:
    """The types of the numbers in an argument: True and 1.0 equal 1, but are not valid sizes."""
    return tuple(map(type, value)) if type(value) is tuple else type(value)


def _as_array(input: ArrayLike) -> Array:
    """The input as an array over the same memory; some libraries offer it by DLPack only.

    Raises:
        TypeError: it is a masked array, or a PyTorch tensor, which may be on another device or require a gradient.
    """
    refuse_mask(input)
    if type(input).__module__.partition(".")[0] == "torch":
        raise TypeError("use upsample_cli.torch.interpolate for PyTorch tensors")
    if hasattr(input, "__dlpack__") and not hasattr(input, "__array__"):
        return np.from_dlpack(cast(Any, input))
    return np.asarray(input)


def refuse_mask(array: object) -> None:
    """Refuse a masked array, whose mask would be lost.

    Raises:
        TypeError: it is one.
    """
    if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray):
        raise TypeError("masked arrays are not supported; use array.filled(value), where NaN marks missing samples")


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any], channels_last: bool) -> Array:
    if not channels_last:
        return np.empty(shape, dtype)
    y = np.empty((shape[0], *shape[2:], shape[1]), dtype)
    return y.transpose(0, y.ndim - 1, *range(1, y.ndim - 1))


def collect_options(
    size: Size | UpsampleOptions | None,
    scale_factor: Factor | None,
    mode: str | None,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
    antialias: bool,
) -> UpsampleOptions:
    """The arguments of `interpolate` as one record.

    Raises:
        ValueError: `size` is an `UpsampleOptions`, and other arguments are given too.
    """
    if not isinstance(size, UpsampleOptions):
        return UpsampleOptions(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    if antialias or any(value is not None for value in (scale_factor, mode, align_corners, recompute_scale_factor)):
        raise ValueError("an UpsampleOptions takes the place of all other arguments; give one or the other")
    return size


def _choose_mode(options: UpsampleOptions, ndim: int) -> Mode:
    mode = find_mode(inferred_mode(ndim) if options.mode is None else options.mode)
    if mode.name == "linear" and ndim != 1:  # in PyTorch, 'linear' means one axis
        raise ValueError(f"mode 'linear' is for 1 axis, not for {ndim}; use {inferred_mode(ndim)!r}")
    check_ndim(mode, ndim)
    if options.align_corners is not None and not mode.allows_align_corners:
        raise ValueError(f"align_corners has no effect in mode {mode.name!r}; omit it")
    return mode.antialiased() if options.antialias else mode


def inferred_mode(ndim: int) -> str:
    """The default mode: linear, bilinear or trilinear, by the number of spatial axes."""
    return find_mode("linear").torch_name(ndim)


def _targets(spatial: Sequence[int], options: UpsampleOptions) -> list[AxisTarget]:
    size, scale_factor, recompute = options.size, options.scale_factor, options.recompute_scale_factor
    if (size is None) == (scale_factor is None):
        given = "neither" if size is None else "both"
        raise ValueError(f"either size or scale_factor must be given, got {given}")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor has no effect with an explicit size; omit it")
        sizes = _one_per_axis("size", size, len(spatial))
        if any(isinstance(n, bool | np.bool_) or not hasattr(n, "__index__") for n in sizes):
            raise TypeError(f"sizes must be integers, got {size!r}")
        return [AxisTarget(operator.index(n)) for n in sizes]
    factors = _one_per_axis("scale_factor", scale_factor, len(spatial))
    if not all(isinstance(factor, int | float | np.integer | np.floating) for factor in factors):
        raise TypeError(f"scale factors must be numbers, got {scale_factor!r}")
    return [
        AxisTarget(scaled_size(n, float(factor)), None if recompute else float(factor))
        for n, factor in zip(spatial, factors, strict=True)
    ]


def _one_per_axis(name: str, value: Any, count: int) -> list[Any]:
    values = [value] * count if np.ndim(value) == 0 else list(value)
    if len(values) != count:
        raise ValueError(
            f"{name} must be one number or one for each of the {count} spatial axes, got {value!r}; the first two axes "
            "are N and C; for arrays without them, such as (H, W, 3), use resize()"
        )
    return values
