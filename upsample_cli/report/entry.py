"""Fields of the report's template for one file."""

from __future__ import annotations

import math
import os
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..batch.result import Result, Summary
from ..geometry import SPATIAL, Grid
from ..text import format_bytes, format_duration, format_sizes, format_spacings, printable

if TYPE_CHECKING:
    from ..preview.views import View

_TIMES = " × "
_PIXELATED_RATIO = 2  # displayed width over its own width, from which a picture shows its pixels as squares


def template_fields(result: Result, folder: Path) -> dict[str, object]:
    """The values of the fields of ``report_entry.html``.

    Args:
        result: the result of a file.
        folder: the directory of the page, to which links are relative.
    """
    views = result.thumbnails
    samples = [math.prod(summary.grid.shape) if summary else 0 for summary in (result.before, result.after)]
    warnings = len(result.warnings)
    badge = result.status + (f", {pluralised(warnings, 'warning')}" if warnings else "")
    return {
        "kind": "warned" if warnings and result.status in ("done", "planned") else result.status,
        "status": result.status,
        "badge": badge,
        "warned": "yes" if warnings else "no",
        "name": escape(printable(result.input)),
        "seconds": f"{result.seconds:.4f}",
        "bytes": result.bytes,
        "samples": samples[1],
        "growth": f"{samples[1] / samples[0]:.6g}" if samples[0] else 0,
        "input": escape(printable(result.input)),
        "input_link": _href(result.input, folder),
        "output": escape(printable(result.output)) if result.output is not None else "",
        "output_link": _href(result.output, folder) if result.output and result.status in ("done", "skipped") else "",
        "error": escape(_reason(result)),
        "warnings": "".join(f"<li>{escape(printable(warning))}</li>" for warning in result.warnings),
        "before": _image_tags("Input", views.before if views else ()),
        "after": _image_tags("Output", views.after if views else ()),
        "before_size": escape(_sizes(result.before.grid)) if result.before else "",
        "after_size": escape(_sizes(result.after.grid)) if result.after else "",
        "facts": "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in _facts(result)),
    }


def _reason(result: Result) -> str:
    """Why a file failed or was skipped."""
    if result.error is not None:
        return str(result.error)
    return "" if result.reason is None else f"the output {result.reason}"


def _facts(result: Result) -> Iterable[tuple[str, str]]:
    before, after = result.before, result.after
    if before is None or after is None:
        return
    if result.thumbnails is None or not result.thumbnails.after:  # otherwise captions show the sizes
        yield "Size", _before_after(_sizes(before.grid), _sizes(after.grid))
    if any(axis.spacing is not None for axis in before.grid.axes):
        yield "Spacing", _before_after(_spacings(before.grid), _spacings(after.grid))
    yield "Samples", _sample_type(before, after, result.compute_dtype)
    if after.arrays > 1:
        yield "Images", str(after.arrays)
    yield "Mode", result.mode
    if result.status == "done":
        yield "Time", _seconds(result.seconds)
        yield "Written", format_bytes(result.bytes)
    if result.status == "planned":
        yield "Output", f"{format_bytes(result.bytes)} before compression"
        yield "Memory", f"about {format_bytes(result.memory)}"


def _sample_type(before: Summary, after: Summary, compute_dtype: str) -> str:
    computed = f", computed in {compute_dtype}" if compute_dtype not in ("", after.dtype) else ""
    channels = "".join(f"{axis.size}{_TIMES}" for axis in after.grid.axes if axis.name == "s")
    return channels + _before_after(before.dtype, after.dtype) + computed


def _before_after(before: str, after: str) -> str:
    """Both values, or one if they are equal. Lines can break only between them."""
    return " → ".join(nonbreaking(part) for part in dict.fromkeys((before, after)))


def _sizes(grid: Grid) -> str:
    return format_sizes({axis.name: axis.size for axis in grid.axes}, _TIMES)


def _spacings(grid: Grid) -> str:
    """The spacings of x, y and z, then those of the other axes."""
    axes = [grid[name] for name in grid.spatial] + [axis for axis in grid.axes if axis.name not in SPATIAL]
    return format_spacings(((axis.spacing, axis.unit) for axis in axes), _TIMES)


def _image_tags(label: str, views: Iterable[View]) -> str:
    return "".join(
        f'<img class="{_css_class(view)}" width="{view.width}" height="{view.height}" loading="lazy" decoding="async" '
        f'alt="{label}{view.name and ", "}{view.name}" title="{view.name}" '
        f'src="data:image/webp;base64,{b64encode(view.webp).decode()}">'
        for view in views
    )


def _css_class(view: View) -> str:
    return "coarse" if view.width >= _PIXELATED_RATIO * view.pixels else "fine"


def _href(path: Path, folder: Path) -> str:
    """A ``href`` attribute with the address of a file relative to the page; its name may have any bytes."""
    try:
        address = quote(os.fsencode(os.path.relpath(path, folder).replace(os.sep, "/")))
    except ValueError:  # on another drive of Windows
        address = path.absolute().as_uri()
    return f' href="{address}"'


def pluralised(number: int, noun: str) -> str:
    """A number with its noun, such as ``1 file`` or ``1,200 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def nonbreaking(text: str) -> str:
    """The text with spaces at which lines do not break."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else format_duration(seconds)
