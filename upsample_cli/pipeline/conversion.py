"""Output samples of another data type, range or without alpha: ``--dtype``, ``--rescale`` and ``--background``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.dtypes import SampleCodec, numeric_codec
from ..errors import RequestError
from ..formats.base import AdaptableMetadata, Header, Source
from ..geometry import Grid
from .conversion_options import Range
from .real_values import stored_value
from .request import Request

_BLOCK_SAMPLES = 1 << 17  # that are converted at a time, so that intermediate results stay small
_CHUNK_SAMPLES = 1 << 18  # that are read at a time to find the range of floating-point samples


@dataclass(frozen=True, slots=True)
class SampleConversion:
    """What is done to resampled values before they are stored: alpha is blended, then the range is mapped.

    If alpha is kept, the opacity stays the same.

    Attributes:
        values_dtype: of the resampled values.
        dtype: of the output.
        factor, offset: map a value to ``factor · value + offset``.
        background: the colour under transparent pixels, in the range of the values; None to keep alpha.
        opaque: the value of opaque alpha; None if the samples have no alpha.
        missing: the value of missing samples, kept as far as the dtype can represent it; None if there is none.
        maps_missing: whether the value of missing samples is mapped like all others.
    """

    values_dtype: np.dtype[Any]
    dtype: np.dtype[Any]
    factor: float = 1.0
    offset: float = 0.0
    background: tuple[float, ...] | None = None
    opaque: float | None = None
    missing: float | None = None
    maps_missing: bool = False

    @property
    def stored_missing(self) -> float | None:
        """The value of missing samples in the output: the input's, or the nearest that the dtype can represent."""
        missing = self.missing
        if missing is not None and self.maps_missing:
            missing = missing * self.factor + self.offset
        if missing is None or self.dtype.kind not in "iu":
            return missing
        limits = np.iinfo(self.dtype)
        return 0.0 if math.isnan(missing) else float(round(min(max(missing, limits.min), limits.max)))

    def values_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the values from which an output of this shape is made."""
        return shape if self.background is None else (*shape[:-1], shape[-1] + 1)

    def apply(self, values: Array) -> Array:
        """The output samples, rounded half to even and saturated if they are integers; NaN becomes 0 there."""
        shape = values.shape if self.background is None else (*values.shape[:-1], values.shape[-1] - 1)
        out: Array = np.empty(shape, self.dtype)
        rows, results = values.reshape(-1, values.shape[-1]), out.reshape(-1, shape[-1])
        step = max(1, _BLOCK_SAMPLES // max(1, values.shape[-1]))
        for start in range(0, len(rows), step):
            results[start : start + step] = self._converted(rows[start : start + step])
        return out

    def _converted(self, values: Array) -> Array:
        x = values.astype(
            np.result_type(values.dtype, np.float32, self.dtype if self.dtype.kind == "f" else np.float32)
        )
        opacity: Array = np.ones(()) if self.opaque is None else x[..., -1:] / self.opaque
        if self.background is not None:
            x = x[..., :-1] * opacity + np.asarray(self.background, x.dtype) * (1 - opacity)
        if (self.factor, self.offset) != (1.0, 0.0):
            x = x * self.factor + self.offset
        if self.opaque is not None and self.background is None:
            x[..., -1:] = opacity * full_range(self.dtype)[1]
        if self.dtype.kind in "iu":
            x = np.nan_to_num(x, nan=0.0, posinf=math.inf, neginf=-math.inf)
        out: Array = np.empty(x.shape, self.dtype)
        numeric_codec(self.dtype).store(x, out)
        if self.missing is not None and self.background is None:
            out[_is_missing(values, self.missing)] = self.stored_missing
        return out


def _is_missing(values: Array, missing: float) -> Array:
    return np.isnan(values) if math.isnan(missing) else np.asarray(values == values.dtype.type(missing))


def make_conversion(
    request: Request,
    header: Header,
    missing: float | None,
    measured: Range | None,
    copies: bool,
    keeps_scaling: bool = True,
) -> SampleConversion | None:
    """The conversion that a request asks for; None if samples are stored as they are.

    Floating-point samples get the values that slope and intercept give them if their dtype is asked for, or if the
    output has no slope.

    Args:
        request: the options.
        header: of the input.
        missing: the value of missing samples, or None.
        measured: smallest and largest sample, where `needs_measuring`.
        copies: whether every output sample is a copy of an input sample.
        keeps_scaling: whether the output can state a slope and an intercept.

    Raises:
        RequestError: the samples cannot be converted.
    """
    flattens = request.background is not None and header.alpha
    dtype = header.dtype if request.dtype is None else np.dtype(request.dtype)
    applies_scaling = header.scaling is not None and dtype.kind == "f" and request.rescale is None
    applies_scaling = applies_scaling and (request.dtype is not None or not keeps_scaling)
    if request.dtype is None and request.rescale is None and not flattens and not applies_scaling:
        return None
    if header.dtype.kind == "c":
        raise RequestError("--dtype, --rescale: complex samples cannot be converted")
    if dtype.itemsize > 1:
        dtype = dtype.newbyteorder(header.dtype.byteorder if header.dtype.byteorder in "<>" else "=")
    values_dtype = header.dtype if copies else numeric_codec(header.dtype).compute_dtype
    has_scaling = header.scaling is not None
    conversion = SampleConversion(values_dtype.newbyteorder("="), dtype, missing=missing, maps_missing=has_scaling)
    if applies_scaling and header.scaling is not None:
        conversion = replace(conversion, factor=header.scaling[0], offset=header.scaling[1])
    if request.rescale is not None:
        low, high = _stored_range(request, header, measured)
        out_low, out_high = full_range(dtype)
        factor = (out_high - out_low) / (high - low) if high != low else 1.0
        conversion = replace(conversion, factor=factor, offset=out_low - low * factor)
    if header.alpha:
        conversion = replace(conversion, opaque=full_range(header.dtype)[1])
    if request.background is not None and header.alpha:
        colour = [level * full_range(header.dtype)[1] for level in request.background]
        channels = header.grid["s"].size - 1
        grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
        conversion = replace(conversion, background=tuple(colour) if channels == 3 else (grey,))
    return conversion


def _stored_range(request: Request, header: Header, measured: Range | None) -> Range:
    """The stored numbers of the lowest and the highest value that ``--rescale`` maps."""
    if request.rescale is not None and request.rescale != "full":
        low, high = request.rescale
        return stored_value(low, header), stored_value(high, header)
    low, high = measured or full_range(header.dtype)
    return (high, low) if header.scaling is not None and header.scaling[0] < 0 else (low, high)


def full_range(dtype: np.dtype[Any]) -> Range:
    """The lowest and highest level of a dtype: 0 and 1 for bool and floating-point numbers."""
    if dtype.kind in "iu":
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    return 0.0, 1.0


def needs_measuring(request: Request, header: Header) -> bool:
    """Whether the range of the samples must be known, because they are floating-point numbers."""
    return request.rescale == "full" and header.dtype.kind == "f"


def measure(source: Source, missing: float | None) -> Range:
    """The smallest and the largest finite, non-missing sample of an array, in one pass."""
    shape = source.header.grid.shape
    step = max(1, _CHUNK_SAMPLES // max(1, math.prod(shape[1:])))
    low, high = math.inf, -math.inf
    for start in range(0, shape[0], step):
        rows = source.read(0, start, min(start + step, shape[0]))
        finite = rows[np.isfinite(rows)]
        if missing is not None:
            finite = finite[finite != finite.dtype.type(missing)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 1.0)


def converted_codec(codec: SampleCodec) -> SampleCodec:
    """The same codec with results in the dtype of the arithmetic, for a `SampleConversion`."""

    def store(x: Array, out: Array) -> None:
        np.copyto(out, x)

    return replace(codec, store=store, writes_in_place=False, converts_only=False)


def converted_header(header: Header, conversion: SampleConversion) -> Header:
    """The header of the output with this conversion.

    Physical values stay what they are: a slope and an intercept undo the mapping of the range. There are none if the
    samples are the physical values.
    """
    scaling = header.scaling
    if scaling is not None:
        slope = scaling[0] / conversion.factor
        scaling = (slope, scaling[1] - slope * conversion.offset)
        scaling = None if scaling == (1.0, 0.0) else scaling
    nodata = header.nodata if header.nodata is None else conversion.stored_missing
    header = header._replace(dtype=conversion.dtype, scaling=scaling, nodata=nodata)
    if conversion.background is not None:
        channels = len(conversion.background)
        axes = tuple(axis._replace(size=channels) if axis.name == "s" else axis for axis in header.grid.axes)
        colours = None if header.colours is None else {1: "L", 3: "RGB"}[channels]
        levels = tuple((*level[:-1], channels) for level in header.levels)
        grid = Grid(axes, header.grid.affines)
        header = header._replace(grid=grid, levels=levels, alpha=False, colours=colours)
    metadata = header.metadata
    adapted = metadata.for_samples(header) if isinstance(metadata, AdaptableMetadata) else None
    return header._replace(metadata=adapted)
