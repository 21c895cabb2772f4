"""Checks samples that are stored with another dtype or range, or without alpha."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.linear_light import Curve
from ..formats.base import Array
from ..pipeline.array_plan import ArrayPlan
from ..pipeline.conversion import SampleConversion, full_range
from ..pipeline.planning import nodata_of
from ..pipeline.request import Request
from .reference import Row
from .samples import SampleChecker

_FLOAT32_ROUNDING = 2.0**-21  # relative rounding error of a conversion
_LIGHT_ROUNDING = 1e-6
_MARK = 1.5e300  # replaces missing samples in a converted window


class ConvertedChecker(SampleChecker):
    """Applies the mode's formula to the converted input, because resampling commutes with a linear conversion.

    It does not commute in linear light, nor if colours without alpha weighting are composited on a background. In these
    cases the resampled pixel is converted.
    """

    def __init__(self, request: Request, array_plan: ArrayPlan, conversion: SampleConversion) -> None:
        super().__init__(request, array_plan)
        before = array_plan.before
        self._opaque = full_range(before.dtype)[1]
        self._background = conversion.background
        self._low, self._high = _mapped_range(request, array_plan, conversion)
        self._out_low, self._out_high = _output_range(request, array_plan)
        self._converts_pixel = bool(self._curves) or (
            self._background is not None and self._blends and not request.premultiply
        )
        self._premultiplied = self._alpha
        self._alpha = self._alpha and self._background is None
        self._missing = nodata_of(request, before)
        self._has_scaling = before.scaling is not None
        self._nodata = None if self._nodata is None else _MARK
        self._keeps_alpha = before.alpha and self._background is None
        channels = before.grid.shape[-1] if self._has_channels else 1
        if self._outside is not None:
            outside = float(self._converted(np.full(channels, self._outside))[0])
            self._outside = self._stored_missing if outside == _MARK else outside

    @property
    def _stored_missing(self) -> float:
        """The value of missing samples in the output: that of the input, or the nearest value of the output dtype."""
        missing = math.nan if self._missing is None else self._missing
        if self._has_scaling:
            missing = float(self._mapped(np.array(missing)))
        if self._out_dtype.kind not in "iu":
            return float(self._out_dtype.type(missing))
        limits = np.iinfo(self._out_dtype)
        return 0.0 if math.isnan(missing) else float(np.rint(min(max(missing, limits.min), limits.max)))

    def error(self, index: Sequence[int], window: Array, rows: Sequence[Row], found: Any) -> float:
        """See `SampleChecker.error`."""
        found = np.float64(found)  # _MARK, with which it is compared, is no float32
        expected = window if self._converts_pixel else self._converted(window)
        errors = [super().error(index, expected, rows, found)]
        is_missing = found == self._stored_missing or (found != found and self._stored_missing != self._stored_missing)
        if self._missing is not None and is_missing:
            errors.append(super().error(index, expected, rows, np.float64(_MARK)))
        return min(errors)

    def contrast(self, window: Array) -> float:
        """See `SampleChecker.contrast`."""
        range_ = float(np.ptp(full_range(self._out_dtype)))
        return float(np.ptp(self._converted(window))) / range_

    def _converted(self, pixels: Array) -> Array:
        """Composite pixels on the background and map them to the output range, in float64; missing ones are marked."""
        x = pixels.astype(np.float64)
        missing = self._is_missing(x)
        alpha = x[..., -1:] / self._opaque
        if self._background is not None:
            x = x[..., :-1] * alpha + np.array(self._background) * (1 - alpha)
        x = self._mapped(x)
        if self._keeps_alpha:
            x[..., -1:] = alpha * full_range(self._out_dtype)[1]
        return np.where(missing, _MARK, x) if missing.any() and self._background is None else x

    def _is_missing(self, x: Array) -> Array:
        if self._missing is None:
            return np.zeros(x.shape, bool)
        return np.isnan(x) if math.isnan(self._missing) else np.asarray(x == self._missing)

    def _mapped(self, x: Array) -> Array:
        """Map values to the range of the output."""
        ratio = (self._out_high - self._out_low) / (self._high - self._low)
        return np.asarray(self._out_low + (x - self._low) * ratio)

    def _distance_to_any(self, allowed: Array, found: Any) -> float:
        if (allowed == found).any() or (found != found and np.isnan(allowed).any()):
            return 0.0
        if not np.isfinite(found):
            return 1.0
        return min(self._excess(value, found, abs(value), 0.0) for value in np.nan_to_num(allowed.reshape(-1)))

    def _blend_error(self, pixels: Array, weights: Array, channel: int, found: Any) -> float:
        if self._converts_pixel:
            return self._pixel_error(pixels, weights, channel, found)
        samples = pixels[..., channel]
        if not self._blends:
            return self._distance_to_any(samples, found)
        if self._alpha and channel < pixels.shape[-1] - 1 and not (weights * pixels[..., -1]).sum():
            return self._distance_to_any(self._mapped(np.zeros(1)), found)  # the colour of a transparent pixel
        if self._out_dtype.kind in "iu" and not np.isfinite(samples).all():
            if np.isnan(samples).any() and found == 0:  # implementations may or may not multiply NaN by zero
                return 0.0
            value = np.nan_to_num((weights * samples)[weights != 0].sum())
            return self._excess(value, found, abs(value), 0.0)
        return super()._blend_error(pixels, weights, channel, found)

    def _pixel_error(self, pixels: Array, weights: Array, channel: int, found: Any) -> float:
        """The error of a sample if the conversion follows the resampling of its pixel."""
        x = pixels.astype(np.float64)
        alpha = x[..., -1]
        opacity = (weights * alpha).sum() / self._opaque
        shares = weights
        if self._premultiplied:
            shares = weights * alpha / (opacity * self._opaque) if opacity else np.zeros(alpha.shape)
        colour = x[..., channel]
        if channel < len(self._curves):
            curve = self._curves[channel]
            levels = _levels_of(curve, float((shares * curve(colour / self._highest)).sum()), self._highest)
        else:
            levels = np.array([(weights * colour).sum()])
        if self._background is None:
            is_alpha = self._keeps_alpha and channel == pixels.shape[-1] - 1
            converted = self._mapped(levels) if not is_alpha else levels * full_range(self._out_dtype)[1] / self._opaque
        else:
            background = self._background[channel]
            converted = self._mapped(levels * opacity + background * (1 - opacity))
        return self._distance_to_any(converted, found)

    def _excess(self, value: Any, found: Any, spread: float, tolerance: float) -> float:
        offset = abs(self._out_low) + abs(self._out_high)
        return super()._excess(value, found, spread, tolerance + _FLOAT32_ROUNDING * (spread + offset))


def _mapped_range(request: Request, array_plan: ArrayPlan, conversion: SampleConversion) -> tuple[float, float]:
    """The input values that map to the ends of the output range; 0 and 1 if values are not rescaled."""
    if request.rescale is None:
        return 0.0, 1.0
    slope, intercept = array_plan.before.scaling or (1.0, 0.0)
    if request.rescale != "full":
        low, high = ((value - intercept) / slope for value in request.rescale)
        return low, high
    if array_plan.before.dtype.kind != "f":
        low, high = full_range(array_plan.before.dtype)
        return (low, high) if slope > 0 else (high, low)
    low, high = full_range(conversion.dtype)  # for floats, the range of all samples, which the plan measured
    return (low - conversion.offset) / conversion.factor, (high - conversion.offset) / conversion.factor


def _output_range(request: Request, array_plan: ArrayPlan) -> tuple[float, float]:
    """The values in the output of the ends of `_mapped_range`."""
    if request.rescale is not None:
        return full_range(array_plan.after.dtype)
    if array_plan.after.scaling is None and array_plan.before.scaling is not None:  # the values that it means
        slope, intercept = array_plan.before.scaling
        return intercept, slope + intercept
    return 0.0, 1.0


def _levels_of(curve: Curve, light: float, highest: float) -> Array:
    """The levels to which an amount of light may be rounded."""
    levels = np.arange(highest + 1)
    low, high = (curve(np.clip((levels + half) / highest, 0, 1)) for half in (-0.5, 0.5))
    light = min(max(light, 0.0), 1.0)
    return levels[(low - _LIGHT_ROUNDING <= light) & (light <= high + _LIGHT_ROUNDING)]
