"""``--compare``: one detail in several modes on a sheet, so that people choose by looking.

Each panel is a part of the very output that the mode would give: the same weights, cut to the rows and columns that are
shown, and of the input only what they read.
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
from ..geometry import Grid
from ..preview.appearance import Appearance
from ..preview.planes import sample_aspect
from ..resize.array_plan import ArrayPlan, array_bytes
from ..resize.mode import read_options
from ..resize.mode_names import known_mode
from ..resize.planning import plan_array
from ..resize.request import Request
from ..resize.targets import find_targets
from ..runtime.atomic import AtomicOutput, remove_stale, resolve_link
from ..runtime.resources import baseline_bytes, check_memory, default_memory_limit
from ..text import printable, shorten
from .contact_sheet import Panel, contact_sheet
from .crop import Crop, Window, choose_window, crops
from .region import Region

if TYPE_CHECKING:
    from ..batch.job import Job

DEFAULT_NAME = "{stem}_comparison.png"
_PANEL = 320  # pixels, to which the width of smaller details is enlarged, each sample to a square
_NAME_WIDTH = 63  # characters of the file name
_LARGEST_PANEL = 50_000_000  # samples of the output


@dataclass(frozen=True)
class Variant:
    """A mode, with what changes it.

    Attributes:
        text: how the user wrote it.
        mode: its name.
        antialias, align_corners: whether it is to be so, whatever is asked for all.
    """

    text: str
    mode: str
    antialias: bool = False
    align_corners: bool = False

    def request(self, request: Request) -> Request:
        """The same `request` in this mode; what it asks of all modes counts for those that know it."""
        mode = find_mode(self.mode)
        return replace(
            request,
            mode=self.mode,
            antialias=self.antialias or (request.antialias and mode.antialias_kernel is not None),
            align_corners=self.align_corners or (request.align_corners and mode.allows_align_corners),
        )


def parse_variants(text: str) -> tuple[Variant, ...]:
    """Read ``nearest,linear,linear+antialias,cubic+align-corners``.

    Raises:
        RequestError: a mode is unknown, or there is none.
    """
    variants = []
    for part in text.split(","):
        name, *changes = (word.strip() for word in part.split("+"))
        mode = known_mode(name)
        if mode is None or not {"antialias", "align-corners"}.issuperset(changes):
            raise RequestError(
                f"--compare {text}: {part.strip()!r} is unknown; name some of {', '.join(MODES)}, each with "
                "+antialias or +align-corners if wanted"
            )
        variants.append(Variant("+".join([mode, *changes]), mode, "antialias" in changes, "align-corners" in changes))
    return tuple(variants)


def compare_jobs(
    jobs: Sequence[Job], variants: Sequence[Variant], region: Region | None = None, *, overwrite: bool = False
) -> Generator[Result]:
    """Make the sheet of every job, and give each one's result as it ends. A bad file never stops the others."""
    for folder in {job.output.parent for job in jobs if job.error is None}:
        remove_stale(folder)
    for number, job in enumerate(jobs):
        began = time.perf_counter()
        result = Result(job.input, job.output, "skipped", number=number, reason=job.skip)
        if job.skip is None:
            error = job.error
            try:
                if error is None:
                    result = compare(job, variants, region, overwrite=overwrite)
            except Exception as failure:
                error = as_failure(failure, job.input, "ask for a smaller --region")
            if error is not None:
                result = result._replace(status="failed", reason=None, error=error)
        yield result._replace(number=number, seconds=time.perf_counter() - began)


def compare(job: Job, variants: Sequence[Variant], region: Region | None = None, *, overwrite: bool = False) -> Result:
    """Write the sheet of one file.

    Args:
        job: the file, the sheet, and what is asked for in each mode.
        variants: the modes.
        region: what to show; None for the most detailed part.
        overwrite: whether the sheet may replace what exists.

    Raises:
        RequestError: the request, a mode or the region does not fit the file.
        InputError: the file cannot be read, or is no picture.
        OutputError: the sheet cannot be written.
    """
    requests = [variant.request(job.request) for variant in variants]
    options = [read_options(request) for request in requests]
    reading = options[0]._replace(keep_indices=all(option.keep_indices for option in options))
    with formats.open_source(job.input, reading) as source:
        array_plans = [_array_plan(request, source, job.input) for request in requests]
        window = choose_window(source, array_plans[0], region, job.input)
        _refuse_too_large(array_plans[0], window, job.input)
        found = crops(source, array_plans, window)
        arrays, warnings = 1 + len(source.others), tuple(source.warnings)
    look = Appearance.of(
        array_plans[0].before, [found[0].input], any(array_plan.mode.is_label_mode for array_plan in array_plans)
    )
    sheet = _sheet(job.input, variants, array_plans, found, window, look)
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
    whole = baseline_bytes() + source.memory_factor * array_bytes(source.header)  # of formats that know no parts
    check_memory(int(whole), limit, path)
    return plan_array(request, source, find_targets(request, source.header.grid, path), limit, path)


def _refuse_too_large(array_plan: ArrayPlan, window: Window, path: Path) -> None:
    before, after = array_plan.before.grid, array_plan.after.grid
    sides = [
        len(window.ranges[before.names.index(name)]) * after[name].size // before[name].size
        for name in (window.plane.columns, window.plane.rows)
        if name is not None
    ]
    _refuse_large_panel(sides, path)


def _refuse_large_panel(sides: Sequence[int], path: Path) -> None:
    if math.prod(sides) > _LARGEST_PANEL:
        size = " x ".join(map(str, sides))
        raise RequestError(f"--region: it would be shown in {size} pixels; ask for a smaller one", path)


def _sheet(
    path: Path,
    variants: Sequence[Variant],
    array_plans: Sequence[ArrayPlan],
    found: Sequence[Crop],
    window: Window,
    look: Appearance,
) -> Image.Image:
    images = [look.image(excerpt.output) for excerpt in found]
    assert window.plane.rows is not None
    aspect = sample_aspect(array_plans[0].after.grid, window.plane.columns, window.plane.rows)
    times = max(1, round(_PANEL / max(images[0].width, images[0].height * aspect)))
    _refuse_large_panel([images[0].width * times, round(images[0].height * times * aspect)], path)
    panels = [
        Panel(variant.text, _change(array_plan), _enlarged(image, times, times * aspect))
        for variant, array_plan, image in zip(variants, array_plans, images, strict=True)
    ]
    return contact_sheet(
        shorten(printable(path.name), _NAME_WIDTH, "..."), _where(window, array_plans[0].before.grid), panels
    )


def _enlarged(image: Image.Image, across: int, down: float) -> Image.Image:
    """The picture with a rectangle for each sample."""
    return image.resize((image.width * across, max(1, round(image.height * down))), Image.Resampling.NEAREST)


def _save(sheet: Image.Image, path: Path, overwrite: bool) -> int:
    """Write a sheet, complete or not at all; gives its size in bytes."""
    try:
        with AtomicOutput([resolve_link(path)]) as file:
            sheet.save(file.paths[0], "PNG")
            size = file.paths[0].stat().st_size
            file.publish(overwrite)
            return size
    except FileExistsError as error:
        raise OutputError("exists; --overwrite replaces it", path) from error
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", path) from error


def _change(array_plan: ArrayPlan) -> str:
    """Such as ``2 times: 451 x 300 to 902 x 600``, in the letters that a sheet has."""
    names = array_plan.before.grid.names
    spatial = [names.index(name) for name in array_plan.before.grid.spatial]
    steps = [array_plan.axes[axis] for axis in spatial]
    factors = [f"{1 / step.map.pitch:.4g}" for step in steps]
    factors = factors[:1] if len(set(factors)) == 1 else factors
    sizes = [
        " x ".join(str(grid.shape[axis]) for axis in spatial)
        for grid in (array_plan.before.grid, array_plan.after.grid)
    ]
    return f"{' x '.join(factors)} times: {' to '.join(sizes)}"


def _where(window: Window, grid: Grid) -> str:
    """The samples of the input that are shown."""
    parts = []
    for axis, samples in reversed(list(zip(grid.axes, window.ranges, strict=True))):
        if axis.name in (window.plane.columns, window.plane.rows):
            parts.append(f"{axis.name} {samples.start} to {samples.stop - 1}")
        elif axis.name != "s" and axis.size > 1:
            parts.append(f"{axis.name} {samples.start}")
    return f"samples {', '.join(parts)} of the input"
