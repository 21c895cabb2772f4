"""Planning one array: from a request and a header to the plan for the array and for its pyramid levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import formats
from .._version import __version__
from ..core.axis_plan import AxisPlan, AxisTarget, max_taps, plan_axes, weight_bytes
from ..core.dtypes import SampleCodec, label_codec, nodata_codec, numeric_codec, premultiplied_codec
from ..core.modes import MODES, Mode, check_ndim
from ..errors import InputError, RequestError
from ..formats.base import AdaptableMetadata, Header, Source, reads_boxes
from ..geometry import Grid
from ..runtime.resources import check_output_size
from .array_plan import ArrayPlan
from .conversion import (
    SampleConversion,
    converted_codec,
    converted_header,
    make_conversion,
    measure,
    needs_measuring,
)
from .mode import choose_mode, read_options
from .real_values import check_in_range, nearest_stored, stored_value
from .reference_grid import inside_of, matching_target
from .request import Request

if TYPE_CHECKING:
    from ..core.linear_light import Curve

_LABEL_COLOURS = (None, "PALETTE", "MINISWHITE")  # colour spaces of pixels that are a single number


def plan_array(
    request: Request,
    source: Source,
    targets: Mapping[str, AxisTarget],
    limit: float,
    path: Path,
    number: int = 0,
    keeps_scaling: bool = True,
) -> ArrayPlan:
    """Plan what is done to one array.

    Args:
        request: the options.
        source: the array, of which only the header is used.
        targets: what is requested of each axis.
        limit: bytes that the weights may use.
        path: the input file, for messages.
        number: which array of the input file this is.
        keeps_scaling: whether the output can state a slope and an intercept.

    Raises:
        RequestError: the request does not fit the array.
        InputError: the samples cannot be resized.
    """
    before = source.header
    mode = choose_mode(request, before.labels)
    axes = _plan_axes(request, mode, targets, before, limit, path, reads_boxes(source))
    grid = before.grid.resampled({name: axis.map for name, axis in axes.items() if axis.matrix is not None})
    grid = _with_requested_spacings(grid, targets)
    history = _history(mode, axes, request) if request.provenance else None
    cropped = any(axis.uncropped is not None for axis in axes.values())
    levels = () if cropped else _level_shapes(before, grid.shape)
    after = before._replace(grid=grid, levels=levels, history=history)
    all_axes = tuple(axes.get(axis.name) or AxisPlan.unchanged(axis.size) for axis in before.grid.axes)
    conversion = _conversion(request, source, mode, all_axes, path, keeps_scaling)
    codec = _codec(before, mode, all_axes, request, path, conversion)
    if request.strip:
        after = _stripped(after)
    if conversion is not None:
        after = converted_header(after, conversion)
    inside = tuple(inside_of(axis.size, targets.get(axis.name)) for axis in before.grid.axes)
    outside = _outside_value(request, before, conversion, path)
    return ArrayPlan(
        before, after, mode, all_axes, codec, number, source.streams, inside, outside, conversion=conversion
    )


def _with_requested_spacings(grid: Grid, targets: Mapping[str, AxisTarget]) -> Grid:
    """The same grid, where spacings that differ from the requested ones by the rounding of float64 alone are those."""
    axes = []
    for axis in grid.axes:
        wanted = targets[axis.name].spacing if axis.name in targets else None
        is_met = wanted is not None and axis.spacing is not None and math.isclose(wanted, axis.spacing, rel_tol=1e-13)
        axes.append(axis._replace(spacing=wanted) if is_met else axis)
    return Grid(tuple(axes), grid.affines)


def _conversion(
    request: Request, source: Source, mode: Mode, axes: Sequence[AxisPlan], path: Path, keeps_scaling: bool
) -> SampleConversion | None:
    if isinstance(request.nodata, float):
        check_in_range(request.nodata, source.header, "--nodata", path)
    missing, measured = nodata_of(request, source.header), None
    if needs_measuring(request, source.header):
        with formats.open_source(path, read_options(request)) as again:  # sources can be read only once
            measured = measure(again, missing)
    try:
        return make_conversion(request, source.header, missing, measured, _copies(mode, axes), keeps_scaling)
    except RequestError as error:
        raise RequestError(str(error), path) from error


def _copies(mode: Mode, axes: Sequence[AxisPlan]) -> bool:
    """Whether every output value is an input value, so that values need no wider dtype."""
    return mode.preserves_values or all(axis.matrix is None or axis.matrix.copies_samples for axis in axes)


def _stripped(header: Header) -> Header:
    metadata = header.metadata
    kept = metadata.stripped() if isinstance(metadata, AdaptableMetadata) else None
    return header._replace(metadata=kept, history=None, foreign_items=())


def plan_levels(image: ArrayPlan, request: Request, path: Path) -> list[ArrayPlan]:
    """Plan the smaller pyramid levels of the output.

    Each is computed from the input itself, antialiased, and covers the extent of the output.
    """
    mode = image.mode.antialiased() if image.mode.antialias_kernel is not None else image.mode
    levels = []
    for shape in image.after.levels:
        axes: list[AxisPlan] = []
        for out_axis, size, axis in zip(image.after.grid.axes, shape, image.axes, strict=True):
            if size == out_axis.size:
                axes.append(axis)
                continue
            a, b = (axis.map.pitch, axis.map.b) if axis.matrix is not None else (1.0, 0.0)
            pitch = a * out_axis.size / size  # of the level, in input samples
            shift = b - (a - 1) / 2  # keeps the outer edge in place
            target = AxisTarget(size, 1 / pitch, exact=True, shift=shift or None)
            axes += plan_axes([axis.map.in_size], [target], mode, False, image.before.dtype)
        after = image.after._replace(grid=image.after.grid.resized(shape), levels=())
        codec = _codec(image.before, mode, axes, request, path, image.conversion)
        inside = tuple(
            range(round(part.start * size / full.size), round(part.stop * size / full.size))
            for part, size, full in zip(image.inside, shape, image.after.grid.axes, strict=True)
        )
        levels.append(
            image._replace(after=after, mode=mode, axes=tuple(axes), codec=codec, inside=inside, slab_bytes=None)
        )
    return levels


def plan_pyramid(
    image: ArrayPlan, shapes: Sequence[tuple[int, ...]], first: int, request: Request, path: Path
) -> list[ArrayPlan]:
    """Plan the smaller levels of an image so that each is made from the level before it, antialiased.

    Args:
        image: the plan for the largest level.
        shapes: of the smaller levels, largest first.
        first: the number of the largest level among the arrays of the output.
        request: the options.
        path: the input file, for messages.
    """
    mode = image.mode.antialiased() if image.mode.antialias_kernel is not None else image.mode
    levels = []
    before = image.after
    for number, shape in enumerate(shapes):
        axes = [
            plan_axes([old], [AxisTarget(size)], mode, False, before.dtype)[0]
            if size != old
            else AxisPlan.unchanged(size)
            for old, size in zip(before.grid.shape, shape, strict=True)
        ]
        after = before._replace(grid=before.grid.resized(shape), levels=())
        codec = _codec(before, mode, axes, request, path, None)
        inside = tuple(map(range, shape))
        level = ArrayPlan(before, after, mode, tuple(axes), codec, image.source_number, True, inside)
        levels.append(level._replace(reads_output=first + number))
        before = after
    return levels


def labels_request(request: Request) -> Request:
    """The request for the label images of a file: mode ``label``, unless the mode keeps values anyway."""
    if request.mode is not None and MODES[request.mode].preserves_values:
        return request
    return replace(request, mode="label", antialias=False, draft=False, linear_light=False)


def labels_targets(image: ArrayPlan, wanted: Mapping[str, AxisTarget], grid: Grid) -> dict[str, AxisTarget]:
    """Targets that place a label image on the output grid of its image.

    Args:
        image: the plan for the image.
        wanted: the targets of the image.
        grid: of the label image.
    """
    plans = dict(zip(image.before.grid.names, image.axes, strict=True))
    return {
        name: matching_target(plans[name], target, grid[name].size)
        for name, target in wanted.items()
        if name in grid.names
    }


def transfer_curves_of(header: Header) -> Sequence[Curve]:
    """The transfer curve of each colour channel: from the ICC profile, or else that of sRGB.

    Raises:
        ValueError: the samples are not grey or RGB colours.
    """
    from ..core.linear_light import srgb
    from ..formats.icc import transfer_curves

    channels = header.grid["s"].size if header.grid.names[-1] == "s" else 1
    known = channels in (1, 3) or (channels in (2, 4) and header.alpha)
    if not known or header.colours not in (None, "LA", "RGB", "RGBA") or header.scaling or header.labels:
        raise ValueError("--linear-light is for grey and RGB images only")
    count = 3 if channels >= 3 else 1
    curves: Sequence[Curve] = transfer_curves(header.icc) if header.icc else [srgb] * count
    if len(curves) != count:
        raise ValueError(f"its ICC profile has {len(curves)} colour channels, but its pixels have {count}")
    return curves


def _plan_axes(
    request: Request,
    mode: Mode,
    targets: Mapping[str, AxisTarget],
    header: Header,
    limit: float,
    path: Path,
    sparse: bool,
) -> dict[str, AxisPlan]:
    """The plans of the axes that have a target, by name."""
    resized = [axis for axis in header.grid.axes if axis.name in targets]
    if not resized:
        raise RequestError(f"has no axis to resize among {', '.join(header.grid.names)}", path)
    if min(header.grid.shape) < 1:
        raise InputError(f"has an empty axis: {'×'.join(map(str, header.grid.shape))}", path)
    sizes = [targets[axis.name].size if axis.name in targets else axis.size for axis in header.grid.axes]
    weights = sum(weight_bytes(mode, axis.size, targets[axis.name].size) for axis in resized)
    check_output_size(math.prod(sizes) * header.dtype.itemsize, weights, limit, path, sparse)
    in_order = [targets[axis.name] for axis in resized]
    try:
        plans = plan_axes([axis.size for axis in resized], in_order, mode, request.align_corners, header.dtype)
        changed = sum(plan.matrix is not None for plan in plans)
        check_ndim(mode, len(resized), changed)
    except ValueError as error:
        raise RequestError(str(error), path) from error
    return {axis.name: plan for axis, plan in zip(resized, plans, strict=True)}


def nodata_of(request: Request, header: Header) -> float | None:
    """The stored number of missing samples: the requested value, or that of the file; None if there is none."""
    if request.nodata == "none":
        return None
    return header.nodata if request.nodata is None else nearest_stored(request.nodata, header)


def _outside_value(request: Request, header: Header, conversion: SampleConversion | None, path: Path) -> float | None:
    """The stored number of samples outside the input, not rounded if the output is not; None for the border."""
    if request.outside == "edge":
        return None
    missing = nodata_of(request, header)
    if request.outside is None and missing is not None:
        value = missing
    elif conversion is not None and conversion.dtype.kind == "f" and conversion.values_dtype.kind == "f":
        return stored_value(request.outside or 0.0, header)
    else:
        if request.outside is not None:
            check_in_range(request.outside, header, "--outside", path)
        value = nearest_stored(request.outside or 0.0, header)
    _check_value(value, header, "--outside", path)
    return value


def _check_value(value: float, header: Header, option: str, path: Path) -> None:
    """Refuse a value that the samples cannot have."""
    if header.dtype.kind in "iu":
        limits = np.iinfo(header.dtype)
        if not (limits.min <= value <= limits.max and value == int(value)):
            raise RequestError(f"{option} {value:g}: samples of type {header.dtype} cannot have this value", path)


def _codec(
    header: Header,
    mode: Mode,
    axes: Sequence[AxisPlan],
    request: Request,
    path: Path,
    conversion: SampleConversion | None,
) -> SampleCodec:
    try:
        if mode.is_label_mode and header.colours not in _LABEL_COLOURS:
            raise InputError(f"has {header.colours} colours, not labels; use --mode nearest to keep its values", path)
        if mode.preserves_values:
            return (label_codec if mode.is_label_mode else numeric_codec)(header.dtype, max_taps(axes))
        codec = numeric_codec(header.dtype, max_taps(axes))
        if conversion is not None and not _copies(mode, axes):
            codec = converted_codec(codec)
        if request.linear_light:
            from ..core.linear_light import linear_light_codec

            has_channels = header.grid.names[-1] == "s"
            codec = linear_light_codec(codec, header.dtype, transfer_curves_of(header), has_channels)
        if header.alpha and request.premultiply:
            return premultiplied_codec(codec)
        missing = nodata_of(request, header)
        return codec if missing is None else nodata_codec(codec, missing)
    except (TypeError, ValueError) as error:
        raise InputError(str(error), path) from error


def _level_shapes(before: Header, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The shapes of as many pyramid levels as the input has, each with the same ratio to the largest level."""
    return tuple(
        tuple(_level_size(*sizes) for sizes in zip(before.grid.shape, level, shape, strict=True))
        for level in before.levels
    )


def _level_size(old: int, part: int, new: int) -> int:
    """The size of a level of an axis of `new` samples, where the input has a level of `part` for `old` samples.

    A level that is smaller by a whole number is rounded as in the input, since readers recognise levels by this.
    """
    divisor = max(1, round(old / part))
    if -(-old // divisor) == part:
        return -(-new // divisor)
    return max(1, new // divisor if old // divisor == part else round(new * part / old))


def _history(mode: Mode, axes: Mapping[str, AxisPlan], request: Request) -> str:
    """Version, mode, convention and factors, in ASCII, short enough for NIfTI's field of 80 characters."""
    words = ["upsample", __version__, mode.name]
    words += ["antialiased"] if request.antialias else []
    words += ["align-corners" if request.align_corners and mode.honours_align_corners else "half-pixel"]
    words += [f"{name}={1 / axis.map.pitch:.6g}" for name, axis in axes.items() if axis.matrix is not None]
    return " ".join(words)
