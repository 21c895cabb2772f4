"""``--compare``: a sheet that shows one region of a file in several modes.

Each panel is a crop of the output that the mode would write. Only the input samples that it depends on are read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from .. import formats
from ..batch.result import Result, Summary
from ..core.modes import MODES, find_mode
from ..errors import OutputError, RequestError, as_failure
from ..formats.base import Source
from ..formats.watch import InputWatch
from ..geometry import Grid
from ..pipeline.array_plan import ArrayPlan, array_bytes
from ..pipeline.mode import read_options
from ..pipeline.mode_names import known_mode
from ..pipeline.planning import plan_array
from ..pipeline.request import Request
from ..pipeline.targets import find_targets
from ..preview.appearance import Appearance
from ..preview.planes import sample_aspect
from ..runtime.atomic import AtomicOutput, remove_stale, resolve_link
from ..runtime.resources import baseline_bytes, check_memory, default_memory_limit
from ..runtime.signals import bounded_delay
from ..text import format_sizes, printable, shorten
from .contact_sheet import Panel, contact_sheet
from .crop import Crop, Window, choose_window, crops
from .region import Region

if TYPE_CHECKING:
    from ..batch.job import Job

DEFAULT_NAME = "{stem}_comparison.png"
_TIMES = " x "
_PANEL_WIDTH = 320  # pixels; smaller crops are enlarged to about this width, by whole pixels
_NAME_WIDTH = 63  # characters of the file name
_MAX_PANEL_PIXELS = 50_000_000  # larger panels are refused


@dataclass(frozen=True)
class Variant:
    """A mode and its options.

    Attributes:
        text: the variant as the user wrote it.
        mode: the name of the mode.
        antialias, align_corners: options that apply to this mode, besides those of the request.
    """

    text: str
    mode: str
    antialias: bool = False
    align_corners: bool = False

    def request(self, request: Request) -> Request:
        """The `request` in this mode. Its own options apply only if the mode supports them."""
        mode = find_mode(self.mode)
        return replace(
            request,
            mode=self.mode,
            antialias=self.antialias or (request.antialias and mode.antialias_kernel is not None),
            draft=False,
            align_corners=self.align_corners or (request.align_corners and mode.allows_align_corners),
        )


def parse_variants(text: str) -> tuple[Variant, ...]:
    """Parse ``nearest,linear,linear+antialias,cubic+align-corners``.

    Raises:
        RequestError: a mode or an option is unknown.
    """
    variants = []
    for part in text.split(","):
        name, *changes = (word.strip() for word in part.split("+"))
        mode = known_mode(name)
        if mode is None or not {"antialias", "align-corners"}.issuperset(changes):
            raise RequestError(
                f"--compare {text}: unknown mode {part.strip()!r}; choose from {', '.join(MODES)}, each optionally "
                "with +antialias or +align-corners"
            )
        variants.append(Variant("+".join([mode, *changes]), mode, "antialias" in changes, "align-corners" in changes))
    return tuple(variants)


def compare_jobs(
    jobs: Sequence[Job], variants: Sequence[Variant], region: Region | None = None, *, overwrite: bool = False
) -> Generator[Result]:
    """Write the sheet of each job and yield its result. A bad file never stops the others."""
    for folder in {job.output.parent for job in jobs if job.error is None}:
        remove_stale(folder)
    for number, job in enumerate(jobs):
        began = time.perf_counter()
        result = Result(job.input, job.output, "skipped", number=number, reason=job.skip)
        if job.skip is None:
            error = job.error
            try:
                if error is None:
                    with bounded_delay():
                        result = compare(job, variants, region, overwrite=overwrite)
            except Exception as failure:
                error = as_failure(failure, job.input, "choose a smaller --region")
            if error is not None:
                result = result._replace(status="failed", reason=None, error=error)
        yield result._replace(number=number, seconds=time.perf_counter() - began)


def compare(job: Job, variants: Sequence[Variant], region: Region | None = None, *, overwrite: bool = False) -> Result:
    """Write the sheet of one file.

    Args:
        job: the input, the sheet and the request.
        variants: the modes to show.
        region: the part to show; None for the part with the most detail.
        overwrite: whether the sheet may replace an existing file.

    Raises:
        RequestError: the request, a mode or the region does not fit the file.
        InputError: the file cannot be read, or has fewer than two axes to show.
        OutputError: the sheet cannot be written.
    """
    requests = [variant.request(job.request) for variant in variants]
    options = [read_options(request) for request in requests]
    reading = options[0]._replace(keep_indices=all(option.keep_indices for option in options))
    with InputWatch(job.input) as watch, formats.open_source(job.input, reading) as source:
        array_plans = [_array_plan(request, source, job.input) for request in requests]
        window = choose_window(source, array_plans[0], region, job.input)
        _check_panel_size(array_plans[0], window, job.input)
        found = crops(source, array_plans, window)
        arrays, warnings = 1 + len(source.others), tuple(source.warnings)
        watch.check()
    appearance = Appearance.of(array_plans[0].before, [found[0].input], labels=False)
    sheet = _sheet(job.input, variants, array_plans, found, window, appearance)
    written = _save(sheet, job.output, overwrite)
    first = array_plans[0]
    return Result(
        job.input,
        job.output,
        "done",
        before=Summary.of(first.before, arrays),
        after=Summary.of(first.after, arrays),
        mode=", ".join(variant.text for variant in variants),
        compute_dtype=first.codec.compute_dtype.name,
        warnings=warnings,
        bytes=written,
    )


def _array_plan(request: Request, source: Source, path: Path) -> ArrayPlan:
    limit = request.max_memory or default_memory_limit()
    resident = baseline_bytes() + source.memory_factor * array_bytes(source.header)
    check_memory(int(resident), limit, path)
    return plan_array(request, source, find_targets(request, source.header.grid, path), limit, path)


def _check_panel_size(array_plan: ArrayPlan, window: Window, path: Path) -> None:
    before, after = array_plan.before.grid, array_plan.after.grid
    sides = [
        len(window.ranges[before.names.index(name)]) * after[name].size // before[name].size
        for name in (window.plane.columns, window.plane.rows)
        if name is not None
    ]
    _check_pixels(sides, path)


def _check_pixels(sides: Sequence[int], path: Path) -> None:
    if math.prod(sides) > _MAX_PANEL_PIXELS:
        size = " x ".join(map(str, sides))
        raise RequestError(f"--region: it would fill {size} pixels; choose a smaller one", path)


def _sheet(
    path: Path,
    variants: Sequence[Variant],
    array_plans: Sequence[ArrayPlan],
    found: Sequence[Crop],
    window: Window,
    appearance: Appearance,
) -> Image.Image:
    appearances = [  # those of modes for labels show labels, even if the file is not marked as labels
        Appearance.of(array_plan.before, [found[0].input], labels=True) if array_plan.mode.is_label_mode else appearance
        for array_plan in array_plans
    ]
    images = [shown.image(crop.output) for shown, crop in zip(appearances, found, strict=True)]
    assert window.plane.rows is not None
    aspect = sample_aspect(array_plans[0].after.grid, window.plane.columns, window.plane.rows)
    zoom = max(1, round(_PANEL_WIDTH / max(images[0].width, images[0].height * aspect)))
    _check_pixels([images[0].width * zoom, round(images[0].height * zoom * aspect)], path)
    panels = [
        Panel(variant.text, _size_change(array_plan), _enlarge(image, zoom, zoom * aspect))
        for variant, array_plan, image in zip(variants, array_plans, images, strict=True)
    ]
    return contact_sheet(
        shorten(printable(path.name), _NAME_WIDTH, "..."), _window_text(window, array_plans[0].before.grid), panels
    )


def _enlarge(image: Image.Image, across: int, down: float) -> Image.Image:
    """The image with each sample enlarged to a rectangle."""
    return image.resize((image.width * across, max(1, round(image.height * down))), Image.Resampling.NEAREST)


def _save(sheet: Image.Image, path: Path, overwrite: bool) -> int:
    """Write a sheet, complete or not at all, and return its size in bytes."""
    try:
        with AtomicOutput([resolve_link(path)], create_folders=True) as file:
            sheet.save(file.paths[0], "PNG")
            size = file.paths[0].stat().st_size
            file.publish(overwrite)
            return size
    except FileExistsError as error:
        raise OutputError("exists; --overwrite replaces it", path) from error
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", path) from error


def _size_change(array_plan: ArrayPlan) -> str:
    """Text such as ``2 times: 451 x 300 to 902 x 600``, in ASCII for the font of the sheet."""
    grids = array_plan.before.grid, array_plan.after.grid
    spatial = grids[0].spatial
    axis_plans = [array_plan.axes[grids[0].names.index(name)] for name in spatial]
    factors = [f"{1 / axis_plan.map.pitch:.4g}" for axis_plan in axis_plans]
    factors = factors[:1] if len(set(factors)) == 1 else factors
    sizes = [format_sizes({name: grid[name].size for name in spatial}, _TIMES) for grid in grids]
    return f"{_TIMES.join(factors)} times: {' to '.join(sizes)}"


def _window_text(window: Window, grid: Grid) -> str:
    """Text with the input samples that are shown."""
    parts = []
    for axis, samples in reversed(list(zip(grid.axes, window.ranges, strict=True))):
        if axis.name in (window.plane.columns, window.plane.rows):
            parts.append(f"{axis.name} {samples.start} to {samples.stop - 1}")
        elif axis.name != "s" and axis.size > 1:
            parts.append(f"{axis.name} {samples.start}")
    return f"samples {', '.join(parts)} of the input"
