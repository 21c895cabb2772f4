"""The plan for one file: everything that is going to be done to it, made from headers alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .. import formats
from ..core.axis_plan import AxisTarget, nearest_shift
from ..core.modes import Sampling
from ..core.threads import available_cores
from ..errors import OutputError, RequestError
from ..formats.base import BoxSink, Sink, Source, SparseArray, WriteOptions, drafts, reads_boxes, writes_boxes
from ..geometry import SPATIAL
from ..runtime.resources import baseline_bytes, check_disk_space, check_memory, default_memory_limit
from .array_plan import ArrayPlan, array_bytes
from .conversion import full_range
from .draft import draft_factor, drafted
from .planning import labels_request, labels_targets, nodata_of, plan_array, plan_levels, plan_pyramid
from .real_values import is_stored, real_value
from .reference_grid import frame_warnings
from .regions import RegionGrid
from .request import Request
from .targets import assumed_unit, find_targets, implied_unit, reference_warnings

_LABEL_NAME = re.compile(
    r"(^|[^a-z])(a?seg|dseg|mask|labels?|(a|wm)?parc|segmentation|atlas|ribbon|roi)$", re.IGNORECASE
)
_PILLOW_FACTOR = 1.4  # memory of the Pillow image that checks the input, in units of the size of its samples
_READ_BACK_FACTOR = 1.7  # memory of an array that is read back and its file, in units of the array's size
_MAX_PARTS = 1 << 22  # chunks of an input, or regions of an output, along an axis
_WORKING_BYTES = 5 << 20  # memory of threads and of code that is loaded after the plan is made
_CHECK_BYTES = 6 << 20  # memory of libraries that only the check needs
_ONE_STACK = ("npy", "volume")  # families that hold a stack, but not several images
_VISIBLE_SHIFT = 0.02  # samples; smaller shifts get no warning


class Plan(NamedTuple):
    """What is done to one file.

    Attributes:
        source_path, output_path: the files.
        request: the options.
        arrays: the plan for each array of the output in its order: each image, followed by its pyramid levels.
        images: the plan for each image alone, one for each array of the input.
        sink: writes the output.
        threads: number of threads that compute; one more reads, and one more writes.
        resident_bytes: memory of the process, and of inputs that are held whole.
        decoding_bytes: additional memory until those inputs are decoded.
        check_bytes: additional memory for ``--verify`` after the output is written.
        warnings: what the output will not contain, and other warnings.
        regions: for each array, how it is cut into boxes; empty for a file that is written row by row.
        draft: the factor by which the decoder shrinks the picture, see `pipeline.draft`; `arrays` do the rest.
    """

    source_path: Path
    output_path: Path
    request: Request
    arrays: tuple[ArrayPlan, ...]
    images: tuple[ArrayPlan, ...]
    sink: Sink
    threads: int
    resident_bytes: int
    decoding_bytes: int
    check_bytes: int
    warnings: tuple[str, ...]
    regions: tuple[RegionGrid, ...] = ()
    draft: int = 1

    @property
    def first(self) -> ArrayPlan:
        """The plan for the first array, which is the only one of most files."""
        return self.arrays[0]

    @property
    def mode_name(self) -> str:
        """The mode for people, such as ``trilinear align-corners``."""
        words = [self.first.mode.torch_name(len(self.first.changed_axes))]
        words += ["antialiased"] if self.request.antialias else []
        words += [f"from a draft of 1/{self.draft}"] if self.draft > 1 else []
        words += ["align-corners"] if self.request.align_corners else []
        return " ".join(words)

    @property
    def distorts(self) -> bool:
        """Whether a picture gets other proportions, which only options that set sizes or factors can do."""
        sides = dict(zip(self.first.before.grid.names, self.first.axes, strict=True))
        if self.first.before.grid.spatial != ("x", "y") or not (self.request.scale or self.request.size):
            return False
        x, y = sides["x"].map, sides["y"].map
        return abs(1 / x.pitch - 1 / y.pitch) * min(x.in_size, y.in_size) > 1

    @property
    def output_bytes(self) -> int:
        """The size of the output's samples before compression, in bytes."""
        return sum(array_bytes(array.after) for array in self.arrays)

    @property
    def memory(self) -> int:
        """The predicted peak of the working memory, in bytes."""
        return self._memory(self.sink.memory_factor)

    @property
    def worst_memory(self) -> int:
        """The peak of the working memory for samples that are most expensive to encode, in bytes."""
        return self._memory(getattr(self.sink, "worst_memory_factor", self.sink.memory_factor))

    def _memory(self, sink_factor: float) -> int:
        if self.regions:
            return self.resident_bytes + max(self.check_bytes, *(grid.memory(self.threads) for grid in self.regions))
        resampling = self._resampling_bytes
        largest = max(array_bytes(image.after) for image in self.images)
        working = max(_buffered_bytes(self.sink, self.arrays) + resampling, sink_factor * largest)
        if self.sink.streams:  # the C library keeps the freed slabs, but not the buffers, while the output is checked
            working = max(working, resampling + self.check_bytes)
        return self.resident_bytes + math.ceil(max(working, self.decoding_bytes, self.check_bytes))

    @property
    def _resampling_bytes(self) -> int:
        """The peak memory of resampling.

        Arrays are resampled one after another, but the C library keeps the freed slabs of one while the next is
        resampled. Therefore the second largest counts as well, if it comes in several slabs.
        """
        peaks = [(array.memory(self.threads), not array.is_one_slab) for array in self.arrays]
        (largest, _), *others = sorted(peaks, reverse=True)
        return largest + (others[0][0] if others and others[0][1] else 0)


def make_plan(request: Request, source: Source, source_path: Path, output_path: Path) -> Plan:
    """Plan what `request` asks of `source`, for an output at `output_path`.

    Raises:
        RequestError: the request does not fit the file, or needs more than the machine has.
        InputError: the file's samples cannot be resized.
        OutputError: the output cannot hold the result.
    """
    sources = [source, *source.others]
    _check_pages(request, source, source_path, output_path)
    threads, limit = request.threads or available_cores(), request.max_memory or default_memory_limit()
    images, targets = _plan_images(request, sources, limit, source_path, formats.keeps_scaling(output_path))
    options = WriteOptions(request.quality, request.compress_level)
    sink = formats.make_sink(output_path, [image.after for image in images], options)
    images = [image if image.source_streams or sink.streams else image.unsliced() for image in images]
    if writes_boxes(sink):
        arrays, regions = _plan_regions(request, images, sources, sink, source_path)
    else:
        arrays, regions = [], ()
        for image in images:
            arrays += [image, *(plan_levels(image, request, source_path) if sink.pyramids else ())]
    held = sum(_held_factor(part) * array_bytes(part.header) for part in sources)
    resident = baseline_bytes() + _WORKING_BYTES + held
    decoding = max((part.memory_factor - _held_factor(part)) * array_bytes(part.header) for part in sources)
    available = limit - resident - _buffered_bytes(sink, images)
    plan = Plan(
        source_path=source_path,
        output_path=output_path,
        request=request,
        arrays=tuple(arrays if regions else (array.fit_memory(available, threads) for array in arrays)),
        images=tuple(images),
        sink=sink,
        threads=threads,
        resident_bytes=math.ceil(resident),
        decoding_bytes=math.ceil(decoding),
        check_bytes=math.ceil(_check_bytes(sources, images, sink)) if request.verify else 0,
        warnings=_warnings(request, sources, images, targets, sink, source_path),
        regions=regions,
    )
    if request.draft and not regions:
        plan = _with_draft(plan, source)
    if regions:
        plan = _with_fewer_threads(plan, limit)
    check_memory(plan.worst_memory, limit, source_path)
    if not (reads_boxes(source) and writes_boxes(sink)):  # otherwise, chunks without samples are not written
        check_disk_space(plan.output_bytes, sink.compresses, output_path)
    return plan


def _check_pages(request: Request, source: Source, source_path: Path, output_path: Path) -> None:
    """Name ``--axes`` where separate pages are addressed as a stack, or written to a file that holds one image."""
    axes = getattr(source, "page_axes", "")
    targets = (request.scale, request.size, request.spacing, request.fit, request.cover)
    named = [name for target in targets if target is not None for name in target.named if name in "tzc"]
    pages = f"its {len(source.others) + 1} pages are separate images"
    if axes and named:
        raise RequestError(f"has no axis {named[0]}: {pages}; --axes {named[0]}{axes} makes them one", source_path)
    if axes and formats.family_of(output_path) in _ONE_STACK:
        remedy = f"make them a stack with --axes z{axes}, choose one with --series 0, or write .tif"
        raise OutputError(f"holds one image, not {len(source.others) + 1}: {pages}; {remedy}", output_path)


def _with_draft(plan: Plan, source: Source) -> Plan:
    """The same plan, with the picture shrunk by the decoder first, as far as allowed."""
    image, *levels = plan.arrays
    factor = draft_factor(image, source)
    if factor == 1 or levels or not drafts(source):
        return plan
    reduced = drafted(image, source, factor)
    saved, held = array_bytes(image.before) - array_bytes(reduced.before), _held_factor(source)
    return plan._replace(
        arrays=(reduced,),
        draft=factor,
        resident_bytes=plan.resident_bytes - int(held * saved),
        decoding_bytes=plan.decoding_bytes - int((source.memory_factor - held) * saved),
    )


def _plan_images(
    request: Request, sources: Sequence[Source], limit: float, path: Path, keeps_scaling: bool
) -> tuple[list[ArrayPlan], list[Mapping[str, AxisTarget]]]:
    """The plan and the targets of each image. A label image is placed on the output grid of the image it belongs to."""
    images: list[ArrayPlan] = []
    targets: list[Mapping[str, AxisTarget]] = []
    for number, part in enumerate(sources):
        image = part.header.labels_of
        if image is None:
            targets.append(find_targets(request, part.header.grid, path))
            images.append(plan_array(request, part, targets[-1], limit, path, number, keeps_scaling))
        else:
            targets.append(labels_targets(images[image], targets[image], part.header.grid))
            images.append(plan_array(labels_request(request), part, targets[-1], limit, path, number))
    return images, targets


def _plan_regions(
    request: Request, images: Sequence[ArrayPlan], sources: Sequence[Source], sink: BoxSink, path: Path
) -> tuple[list[ArrayPlan], tuple[RegionGrid, ...]]:
    """The plans of all levels of all images, and how each is cut into regions."""
    arrays: list[ArrayPlan] = []
    regions: list[RegionGrid] = []
    for number, (image, source) in enumerate(zip(images, sources, strict=True)):
        request_of_image = request if image.before.labels_of is None else labels_request(request)
        if isinstance(source, SparseArray):
            sizes = zip(source.header.grid.shape, source.write_shape, strict=True)
            _check_counts([-(-size // step) for size, step in sizes], "has", path)
        levels = [image, *plan_pyramid(image, sink.level_shapes(number), len(arrays), request_of_image, path)]
        for level, shape in zip(levels, sink.write_shapes(number), strict=True):
            reads_rows = level.reads_output is None and not reads_boxes(source)
            regions.append(RegionGrid.of(level, shape, reads_rows))
            _check_counts(regions[-1].counts, "the output would have", path)
        arrays += levels
    return arrays, tuple(regions)


def _check_counts(counts: Sequence[int], has: str, path: Path) -> None:
    """Refuse more parts along an axis than a loop can visit in reasonable time."""
    if (count := max(counts)) > _MAX_PARTS:
        raise RequestError(
            f"{has} {count:,} chunks along an axis, more than the {_MAX_PARTS:,} that are supported", path
        )


def _with_fewer_threads(plan: Plan, limit: float) -> Plan:
    """The same plan with so few threads that its memory stays below the limit, if possible."""
    while plan.threads > 1 and plan.memory > limit:
        plan = plan._replace(threads=plan.threads - 1)
    return plan


def _held_factor(source: Source) -> float:
    """Memory that a source holds after decoding its array, in units of the size of the array's samples."""
    return float(getattr(source, "held_factor", source.memory_factor))


def _check_bytes(sources: Sequence[Source], images: Sequence[ArrayPlan], sink: Sink) -> float:
    """Bytes that ``--verify`` needs to decode whole inputs again and to read whole outputs back."""
    inputs = 0.0
    for part in sources:
        names, shape = part.header.grid.names, part.header.grid.shape
        compared = _PILLOW_FACTOR / (shape[0] if names[0] == "t" else 1)  # frame by frame
        factor = max(part.memory_factor, 0.0 if part.streams else _held_factor(part) + compared)
        inputs += (factor + getattr(part, "check_factor", 0.0)) * array_bytes(part.header)
    inputs += max(image.window_bytes if image.source_streams else 0 for image in images)
    outputs = 0.0 if sink.streams else _READ_BACK_FACTOR * max(array_bytes(image.after) for image in images)
    return inputs + outputs + _CHECK_BYTES


def _buffered_bytes(sink: Sink, arrays: Sequence[ArrayPlan]) -> float:
    """Bytes that the sink buffers before it can encode, for arrays that come in several slabs."""
    factor = min(sink.memory_factor, 1.0)
    return max(0.0 if array.is_one_slab else factor * array_bytes(array.after) for array in arrays)


def _warnings(
    request: Request,
    sources: Sequence[Source],
    images: Sequence[ArrayPlan],
    targets: Sequence[Mapping[str, AxisTarget]],
    sink: Sink,
    source_path: Path,
) -> tuple[str, ...]:
    warnings = [warning for source in sources for warning in source.warnings]
    warnings += [
        warning for image in images for warning in [*_nodata_warning(image, request), *_grid_warnings(image, request)]
    ]
    warnings += [text for image in images for text in reference_warnings(request, image.before.grid, source_path)]
    warnings += [warning for image in images for warning in _label_warnings(image, request, source_path)]
    warnings += sink.warnings
    if any(image.before.levels and not image.after.levels for image in images):
        warnings.append("the smaller levels of the pyramid are dropped, because the image is cropped")
    warnings += [warning for image in images for warning in _conversion_warning(image, request)]
    if request.spacing is not None and request.spacing.unit is None:
        units = {unit for image in images if (unit := implied_unit(image.before.grid)) is not None}
        warnings += [f"the axes have different units; --spacing is taken in {unit}, the unit of x" for unit in units]
    elif request.spacing is not None and any(assumed_unit(image.before.grid, source_path) for image in images):
        warnings.append("the file states no unit; its spacings are taken to be in mm, as in nearly all volumes")
    for image, wanted in zip(images, targets, strict=True):
        warnings += [
            *_bilevel_warning(image),
            *_channel_warning(image),
            *_aliasing_warning(image),
            *_spacing_warnings(image, wanted),
        ]
    return tuple(dict.fromkeys(warnings))


def _grid_warnings(image: ArrayPlan, request: Request) -> list[str]:
    """How much of the output lies outside the input, and by which of two affines the input was placed."""
    if not any(axis.map.on_grid for axis in image.axes):
        return []
    warnings = frame_warnings(image.before.grid)
    if image.covered < 1:
        warnings.append(f"{1 - image.covered:.1%} of the output lies outside the input; {_filling(image, request)}")
    return warnings


def _filling(image: ArrayPlan, request: Request) -> str:
    if image.outside is None:
        return "the border is repeated there"
    text = f"it is set to {real_value(image.outside, image.before):g} there"
    wanted = request.nodata if request.outside is None else request.outside
    wanted = wanted if isinstance(wanted, float) else 0.0
    is_wanted = image.before.scaling is None or is_stored(wanted, image.outside, image.before)
    return text if is_wanted else f"{text}, the value nearest to {wanted:g} that its samples can have"


def _nodata_warning(image: ArrayPlan, request: Request) -> list[str]:
    """A warning if samples with a slope cannot have exactly the value of ``--nodata``."""
    missing = nodata_of(request, image.before)
    if image.before.scaling is None or missing is None or not isinstance(request.nodata, float):
        return []
    if is_stored(request.nodata, missing, image.before) or image.before.dtype.kind not in "iu":
        return []
    nearest = real_value(missing, image.before)
    return [f"--nodata {request.nodata:g}: {nearest:.9g} is taken, the nearest value that its samples can have"]


def _label_warnings(image: ArrayPlan, request: Request, path: Path) -> list[str]:
    """Warnings about labels: an implied mode, a mode that blends them, and a mode that moves them."""
    if image.before.labels and request.mode is None:
        return [
            "the file is marked as containing labels, so mode nearest-exact is used; choose another one with --mode"
        ]
    is_named_as_labels = _LABEL_NAME.search(formats.split_name(path)[0]) is not None
    if is_named_as_labels and image.before.dtype.kind in "biu" and not image.mode.preserves_values:
        return [f"its name says that it contains labels, and mode {image.mode.name} blends them; use --mode label"]
    return _shift_warning(image)


def _shift_warning(image: ArrayPlan) -> list[str]:
    """A warning if PyTorch's nearest, which takes the sample to the left, visibly moves the content of a file."""
    shifts = []
    for axis, step in zip(image.before.grid.axes, image.axes, strict=True):
        if step.matrix is not None and axis.spacing is not None and axis.name in SPATIAL:
            shift = abs(nearest_shift(step.map)) * axis.spacing
            if (
                image.mode.sampling is Sampling.NEAREST
                and not step.map.on_grid
                and shift > _VISIBLE_SHIFT * axis.spacing
            ):
                shifts.append((axis.name, shift, axis.unit or ""))
    if not shifts:
        return []
    moves = ", ".join(f"{name} {shift:.3g} {unit}".rstrip() for name, shift, unit in shifts)
    return [f"mode nearest moves the content against the positions that are written ({moves}); nearest-exact does not"]


def _conversion_warning(image: ArrayPlan, request: Request) -> list[str]:
    """A warning if values of the input may lie outside the range of an integer dtype to which they are converted."""
    if image.conversion is None or request.rescale is not None or image.after.dtype.kind not in "iu":
        return []
    (low, high), (out_low, out_high) = full_range(image.before.dtype), full_range(image.after.dtype)
    if image.before.dtype.kind in "biu" and out_low <= low and high <= out_high:
        return []
    out_low, out_high = sorted(real_value(level, image.after) for level in (out_low, out_high))
    return [f"values below {out_low:g} or above {out_high:g} are saturated; --rescale maps the full range"]


def _bilevel_warning(image: ArrayPlan) -> list[str]:
    if image.after.dtype != bool or image.before.labels or image.mode.preserves_values or not image.changed_axes:
        return []
    return ["its samples are 0 or 1, so blended values are rounded to these; --dtype uint8 --rescale keeps grey levels"]


def _channel_warning(image: ArrayPlan) -> list[str]:
    if "c" not in image.changed_axes or image.mode.preserves_values:
        return []
    return ["axis c holds channels; resizing it blends neighbouring channels"]


def _aliasing_warning(image: ArrayPlan) -> list[str]:
    pairs = zip(image.before.grid.names, image.axes, strict=True)
    shrinking = [name for name, axis in pairs if axis.matrix is not None and axis.map.a > 1]
    if not (image.mode.can_alias and shrinking):
        return []
    return [f"shrinking ({', '.join(shrinking)}) without --antialias can leave jagged edges and moiré"]


def _spacing_warnings(image: ArrayPlan, targets: Mapping[str, AxisTarget]) -> list[str]:
    """A warning for each axis whose spacing is not exactly the requested one."""
    warnings = []
    for name, target in targets.items():
        old, new = image.before.grid[name].spacing, image.after.grid[name].spacing
        if target.exact and target.scale_factor and old and new and not math.isclose(old / target.scale_factor, new):
            warnings.append(f"the spacing of {name} is {new:.6g}, the nearest that its size and the mode allow")
    return warnings
