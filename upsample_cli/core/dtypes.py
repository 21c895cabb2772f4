"""How each dtype is computed: the precision of the arithmetic, and the conversion into and out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from .arrays import Array

_WEIGHT_ROUNDING = 1e-6  # of sums of weights
_FLOAT32_TAPS = 32  # sums of this many float32 products are accurate to a few units in the last place
_KEPT_CODECS = 64
_FLOAT32_LEVELS = 2 << 16  # up to this many taps × levels, float32 rounding stays below 1/32 of a level


@dataclass(frozen=True, slots=True)
class SampleCodec:
    """Converts stored samples to the dtype of the arithmetic, and results back.

    Attributes:
        compute_dtype: the dtype in which weighted samples are summed.
        load: returns a new array of `compute_dtype` from stored samples.
        store: writes an array of `compute_dtype`, which it may overwrite, to an array of the output's dtype.
        pixel_axes: number of last axes that hold the channels of one pixel, which must be computed together.
        writes_in_place: whether results may be computed directly in the output, without `store`.
        is_label: whether samples are labels, so that indicators are interpolated in place of the numbers.
        planes: number of values that the arithmetic keeps for each stored sample, along a new last axis; 1 for none.
        converts_only: whether `load` and `store` only convert the dtype, which the kernels can do themselves.
        sample: the compiled kernel's name of the sample type, if it differs from the dtype's.
    """

    compute_dtype: np.dtype[Any]
    load: Callable[[Array], Array]
    store: Callable[[Array, Array], None]
    pixel_axes: int = 0
    writes_in_place: bool = False
    is_label: bool = False
    planes: int = 1
    converts_only: bool = False
    sample: str = ""

    def computed_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the array of `compute_dtype` for stored samples of this shape."""
        return shape if self.planes == 1 else (*shape, self.planes)


@lru_cache(_KEPT_CODECS)
def numeric_codec(dtype: np.dtype[Any], taps: int = 2) -> SampleCodec:
    """The codec for samples of `dtype` that are plain numbers.

    bool and integers of up to 16 bits are computed in float32 if there are few enough taps to keep its rounding below
    1/32 of a level, else in float64; wider integers in float64; float16 in float32; all others in their own precision,
    or in double precision if there are many taps. Integers are rounded once, half to even, and saturated; bool is 0 or
    1.

    Args:
        dtype: of the stored samples.
        taps: the largest number of taps along an axis.

    Raises:
        TypeError: the dtype is not numeric.
    """
    compute_dtype = _compute_dtype(dtype, taps)

    def load(x: Array) -> Array:
        return x.astype(compute_dtype, order="C")

    store = {"b": _store_bool, "i": _store_integers, "u": _store_integers}.get(dtype.kind, _store_floats)
    return SampleCodec(compute_dtype, load, store, writes_in_place=compute_dtype == dtype, converts_only=True)


@lru_cache(_KEPT_CODECS)
def bfloat16_codec(taps: int = 2) -> SampleCodec:
    """The codec for bfloat16, which NumPy lacks, stored as 16-bit integers. The arithmetic is that of float16."""
    codec = numeric_codec(np.dtype(np.float16), taps)

    def load(x: Array) -> Array:
        wide = x.view(np.uint16).astype(np.uint32, order="C")
        wide <<= 16
        return wide.view(np.float32).astype(codec.compute_dtype, copy=False)

    def store(x: Array, out: Array) -> None:
        bits = x.astype(np.float32, copy=False).view(np.uint32)
        rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16  # half to even
        np.copyto(out.view(np.uint16), np.where(np.isnan(x), (bits >> 16) | 0x40, rounded), casting="unsafe")

    return replace(codec, load=load, store=store, sample="bf2")


def label_codec(dtype: np.dtype[Any], taps: int = 2) -> SampleCodec:
    """The codec for labels, which must not be averaged: see `core.labels`.

    Raises:
        TypeError: the dtype is neither integer nor bool.
    """
    if dtype.kind not in "biu":
        raise TypeError(f"labels must be integers, not {dtype}")
    votes = _compute_dtype(np.dtype(np.float32), taps)
    return replace(numeric_codec(dtype), compute_dtype=votes, is_label=True, converts_only=False)


def premultiplied_codec(codec: SampleCodec) -> SampleCodec:
    """The same codec for colours with straight alpha as their last channel.

    Colours are multiplied by alpha when loaded and divided by it when stored, so that the invisible colour of a
    transparent pixel does not leak into its neighbours. (T. Porter and T. Duff, "Compositing digital images", 1984.)
    """

    def load(x: Array) -> Array:
        y = codec.load(x)
        y[..., :-1] *= y[..., -1:]
        return y

    def store(x: Array, out: Array) -> None:
        alpha = x[..., -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(x[..., :-1], alpha, out=x[..., :-1])
        np.copyto(x[..., :-1], 0, where=alpha == 0)
        codec.store(x, out)

    return replace(codec, load=load, store=store, pixel_axes=1, writes_in_place=False, converts_only=False)


def nodata_codec(codec: SampleCodec, missing: float) -> SampleCodec:
    """The same codec for samples of which those equal to `missing` are missing: they have no weight.

    The weight of the samples that are present is resampled beside their values. Where it is less than half of the
    whole, the output is missing too. NaN stands for itself.
    """

    def is_missing(x: Array) -> Array:
        return np.isnan(x) if np.isnan(missing) else np.asarray(x == missing)

    def load(x: Array) -> Array:
        absent = is_missing(x)
        y = np.empty((*x.shape, 2), codec.compute_dtype)
        y[..., 0] = codec.load(np.where(absent, np.zeros((), x.dtype), x))
        y[..., 0][absent] = 0
        y[..., 1] = ~absent
        return y

    def store(x: Array, out: Array) -> None:
        weight = x[..., 1]
        absent = weight < 0.5 - _WEIGHT_ROUNDING
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(absent, 0, x[..., 0] / weight)
        codec.store(values, out)
        out[absent] = missing

    return replace(codec, load=load, store=store, planes=2, writes_in_place=False, converts_only=False)


def _compute_dtype(dtype: np.dtype[Any], taps: int) -> np.dtype[Any]:
    if dtype.kind in "fc":
        at_least = np.float64 if taps > _FLOAT32_TAPS else np.float32
        return np.result_type(dtype.newbyteorder("="), at_least)
    if dtype.kind in "biu":
        return np.dtype(np.float32 if taps << 8 * dtype.itemsize <= _FLOAT32_LEVELS else np.float64)
    raise TypeError(f"samples of dtype {dtype} cannot be interpolated; only numbers and booleans can")


def _store_floats(x: Array, out: Array) -> None:
    with np.errstate(over="ignore"):  # values beyond the range of float16 become infinity
        np.copyto(out, x, casting="same_kind")


def _store_bool(x: Array, out: Array) -> None:
    np.copyto(out, np.rint(x, out=x), casting="unsafe")


def _store_integers(x: Array, out: Array) -> None:
    limits = np.iinfo(out.dtype)
    highest = x.dtype.type(limits.max)
    np.rint(x, out=x)
    if int(highest) == limits.max:
        np.copyto(out, np.clip(x, limits.min, highest, out=x), casting="unsafe")
        return
    above = x >= highest  # float64 cannot represent a 64-bit limit: `highest` is one past it
    np.clip(x, limits.min, np.nextafter(highest, 0, dtype=x.dtype), out=x)
    np.copyto(out, x, casting="unsafe")
    out[above] = limits.max
