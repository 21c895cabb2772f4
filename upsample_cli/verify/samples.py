"""Checks single samples against the formula of the mode, evaluated in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.labels import TIE
from ..core.linear_light import Curve
from ..formats.base import Array
from ..pipeline.array_plan import ArrayPlan
from ..pipeline.planning import nodata_of, transfer_curves_of
from ..pipeline.request import Request
from .reference import Row

_HALF = 0.5 - 1e-5  # less than one half, because sums of weights are rounded
_ROUNDING_MARGIN = 1 / 32  # tolerated deviation from exact rounding, in integer levels
_WEIGHT_ERROR = 2.0**-52  # per sample of an axis: at the edge of a kernel, weights may be rounded to 0 or not


class SampleChecker:
    """Measures how far samples deviate from the values that the mode's formula allows."""

    def __init__(self, request: Request, array_plan: ArrayPlan) -> None:
        before, mode = array_plan.before, array_plan.mode
        self._mode, self._dtype, self._out_dtype = mode, before.dtype, array_plan.after.dtype
        self._highest = float(np.iinfo(self._dtype).max) if self._dtype.kind in "iu" else 1.0
        self._has_channels = before.grid.names[-1] == "s"
        matrices = [axis_plan.matrix for axis_plan in array_plan.axes if axis_plan.matrix is not None]
        self._blends = blends = not (mode.preserves_values or all(matrix.copies_samples for matrix in matrices))
        self._alpha = before.alpha and request.premultiply and blends
        self._curves = transfer_curves_of(before) if request.linear_light and blends else ()
        self._longest_axis = max(before.grid.shape)
        self._weight_error = _WEIGHT_ERROR * self._longest_axis
        self._nodata = nodata_of(request, before) if blends and not self._alpha else None
        self._inside, self._outside = array_plan.inside, array_plan.outside

    def error(self, index: Sequence[int], window: Array, rows: Sequence[Row], found: Any) -> float:
        """The distance of `found` from the allowed values, as a fraction of the range of its dtype; 0 if allowed.

        Args:
            index: position of the sample in the output.
            window: the input samples that contribute.
            rows: their weights along each axis.
            found: the sample.
        """
        is_outside = any(number not in part for number, part in zip(index, self._inside, strict=True))
        if is_outside and self._outside is not None:
            return self._distance_to_any(np.array(self._outside), found)
        pixels = window if self._has_channels else window[..., None]
        rows = rows[:-1] if self._has_channels else rows
        channel = index[-1] if self._has_channels else 0
        if self._mode.copies_samples:
            return self._distance_to_any(pixels[..., channel], found)
        weights = np.ones(())
        for row in rows:
            weights = np.multiply.outer(weights, np.asarray(row.weights))
        if self._mode.is_label_mode:
            return self._vote_error(pixels[..., channel], weights, found)
        return self._blend_error(pixels, weights, channel, found)

    def contrast(self, window: Array) -> float:
        """The range of the samples of `window`, as a fraction of the range of their dtype."""
        return float(np.ptp(window.astype(np.float64)) / self._highest)

    def _vote_error(self, labels: Array, weights: Array, found: Any) -> float:
        votes = {label: weights[labels == label].sum() for label in np.unique(labels)}
        winners = [label for label, vote in votes.items() if vote >= max(votes.values()) - 2 * TIE]
        return self._distance_to_any(np.array(winners), found)

    def _distance_to_any(self, allowed: Array, found: Any) -> float:
        if (allowed == found).any() or (found != found and np.isnan(allowed).any()):
            return 0.0
        return float(np.abs(allowed.astype(np.complex128) - complex(found)).min()) / self._highest

    def _blend_error(self, pixels: Array, weights: Array, channel: int, found: Any) -> float:
        samples: Any = pixels[..., channel].astype(np.complex128 if self._dtype.kind == "c" else np.float64)
        is_colour = not (self._alpha and channel == pixels.shape[-1] - 1)
        curve = self._curves[channel] if channel < len(self._curves) and is_colour else None
        if curve is not None:
            samples = curve(samples / self._highest)
        if self._alpha and is_colour:
            alpha = pixels[..., -1].astype(np.float64)
            weights = weights * alpha
            total = weights.sum()
            if total <= self._weight_error * alpha.sum():  # visible pixels have no weight beyond rounding errors
                return 0.0 if found == 0 or alpha.any() else 1.0
            weights = weights / total
        if self._nodata is not None:
            absent = np.isnan(samples) if np.isnan(self._nodata) else samples == self._nodata
            total = weights[~absent].sum()
            is_nodata = found == self._nodata or (np.isnan(found) and np.isnan(self._nodata))
            if is_nodata and total < 1 - _HALF:
                return 0.0
            if total < _HALF:
                return 1.0
            weights = np.where(absent, 0, weights) / total
            samples = np.where(absent, 0, samples)
        return self._sum_error(samples, weights, curve, found)

    def _sum_error(self, samples: Array, weights: Array, curve: Curve | None, found: Any) -> float:
        """The error of a weighted sum of samples, which are in linear light if there is a curve."""
        position_error = 2.0**-23 * self._longest_axis  # PyTorch rounds positions to float32
        # If a weight may be a rounding error, the effect of NaN or infinity is not defined.
        used = np.abs(weights) > np.where(np.isfinite(samples), 0, position_error)
        with np.errstate(invalid="ignore"):
            value = (weights * samples)[used].sum()
        if not np.isfinite(found):  # implementations may or may not multiply infinities by a weight of zero
            return 0.0 if not np.isfinite(samples).all() else 1.0
        if not np.isfinite(value):
            return 1.0
        if curve is not None:
            return self._linear_light_error(curve, value, found)
        left_out = float(np.abs(weights[~used]).sum()) * abs(value)
        largest_sum = np.abs(samples[np.isfinite(samples)]).sum()
        samples, weights = samples[used], weights[used]
        spread = float(np.abs(weights * samples).sum())
        tolerance = position_error * float(np.abs(samples - value).max()) + self._weight_error * float(largest_sum)
        return self._excess(value, found, spread, tolerance + left_out)

    def _linear_light_error(self, curve: Curve, value: float, found: Any) -> float:
        """The distance of `value` from the interval of linear light that rounds to `found`."""
        margin = (0.5 + _ROUNDING_MARGIN) / self._highest
        level = found / self._highest
        low, high = curve(np.clip(np.array([level - margin, level + margin]), 0, 1))
        return 0.0 if low - 1e-6 <= np.clip(value, 0, 1) <= high + 1e-6 else float(abs(value - (low + high) / 2))

    def _excess(self, value: Any, found: Any, spread: float, tolerance: float) -> float:
        """The distance of `found` from `value` if it exceeds `tolerance` and the allowed rounding, else 0.

        Args:
            value: the exact result.
            found: the sample.
            spread: sum of the absolute products, to which rounding errors are proportional.
            tolerance: additional tolerated distance.
        """
        if self._out_dtype.kind in "biu":
            is_bool = self._out_dtype.kind == "b"
            low, high = (0, 1) if is_bool else (np.iinfo(self._out_dtype).min, np.iinfo(self._out_dtype).max)
            value = min(max(value, float(low)), float(high))
            allowed, range_ = 0.5 + _ROUNDING_MARGIN + 2.0**-48 * spread, float(high) - float(low)
        else:
            limits = np.finfo(self._out_dtype)
            epsilon = max(float(limits.eps), float(np.finfo(np.float64).eps))
            allowed, range_ = 64 * epsilon * spread + float(limits.tiny), max(spread, 1e-300)
        distance = abs(complex(found) - complex(value))
        return 0.0 if distance <= allowed + tolerance else float(distance / range_)
