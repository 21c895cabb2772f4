"""Sample types: the precision in which each is computed, and the way into and out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .arrays import Array

_MANY_TAPS = 32  # sums of so many float32 products are still right to a few units in the last place
_FLOAT32_LEVELS = 2 << 16  # taps × levels, with which 2⁻²⁴ of rounding at each tap stays below 1/32 of a level


@dataclass(frozen=True, slots=True)
class Samples:
    """How samples enter the arithmetic of the kernel and leave it again.

    Attributes:
        working: the dtype in which sums of weighted samples are computed.
        load: gives a new array of dtype `working` from stored samples.
        store: writes an array of dtype `working`, which it may overwrite, to an array of the output's dtype.
        pixel_axes: the number of last axes whose samples are computed together, and must not be parted.
        direct: whether results may be written to the output as they are computed, without `store`.
        votes: whether samples are labels, whose indicators are computed in place of their numbers.
        plain: whether `load` and `store` do nothing but convert, which kernels can do as they go.
    """

    working: np.dtype[Any]
    load: Callable[[Array], Array]
    store: Callable[[Array, Array], None]
    pixel_axes: int = 0
    direct: bool = False
    votes: bool = False
    plain: bool = False

    @property
    def weights(self) -> np.dtype[Any]:
        """The real dtype of the weights."""
        return np.empty(0, self.working).real.dtype


def samples(dtype: np.dtype[Any], taps: int = 2) -> Samples:
    """The rules for plain samples of `dtype`.

    bool and integers of up to 16 bits compute in float32 as long as so few are weighed that its roundings stay below
    1/32 of a level, and in float64 beyond; wider integers in float64; float16 in float32; everything else in its own
    precision, or in double where many samples are weighed. Integers are rounded once, half to even, and saturated;
    bool counts as 0 and 1.

    Args:
        dtype: of the stored samples.
        taps: the largest number of samples that are weighed along an axis.

    Raises:
        TypeError: the dtype does not hold numbers.
    """
    working = _working_dtype(dtype, taps)

    def load(x: Array) -> Array:
        return x.astype(working, order="C")

    store = {"b": _store_bool, "i": _store_integers, "u": _store_integers}.get(dtype.kind, _store_floats)
    return Samples(working, load, store, direct=working == dtype, plain=True)


def labels(dtype: np.dtype[Any], taps: int = 2) -> Samples:
    """The rules for names of regions, between which there is nothing: see `core.labels`.

    Raises:
        TypeError: the dtype is neither integer nor bool.
    """
    if dtype.kind not in "biu":
        raise TypeError(f"labels are integers, not samples of dtype {dtype}")
    return replace(samples(dtype), working=_working_dtype(np.dtype(np.float32), taps), votes=True, plain=False)


def premultiplied(plain: Samples) -> Samples:
    """The `plain` rules, for colours with straight alpha as their last channel: each weighs as much as it is opaque.

    Colours are multiplied by alpha on the way in and divided by it on the way out, so that the colour of a
    transparent sample, which nobody can see, never leaks into its neighbours. (Porter and Duff, 1984.)
    """

    def load(x: Array) -> Array:
        y = plain.load(x)
        y[..., :-1] *= y[..., -1:]
        return y

    def store(x: Array, out: Array) -> None:
        alpha = x[..., -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(x[..., :-1], alpha, out=x[..., :-1])
        np.copyto(x[..., :-1], 0, where=alpha == 0)
        plain.store(x, out)

    return replace(plain, load=load, store=store, pixel_axes=1, direct=False, plain=False)


def _working_dtype(dtype: np.dtype[Any], taps: int) -> np.dtype[Any]:
    if dtype.kind in "fc":
        at_least = np.float64 if taps > _MANY_TAPS else np.float32
        return np.result_type(dtype.newbyteorder("="), at_least)
    if dtype.kind in "biu":
        return np.dtype(np.float32 if taps << 8 * dtype.itemsize <= _FLOAT32_LEVELS else np.float64)
    raise TypeError(f"samples of dtype {dtype} cannot be interpolated; numbers and booleans can")


def _store_floats(x: Array, out: Array) -> None:
    with np.errstate(over="ignore"):  # beyond the range of float16 lies infinity
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
    above = x >= highest  # a 64-bit limit is no float64: `highest` is one past it
    np.clip(x, limits.min, np.nextafter(highest, 0, dtype=x.dtype), out=x)
    np.copyto(out, x, casting="unsafe")
    out[above] = limits.max
