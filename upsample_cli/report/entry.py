"""What a report says of one file."""

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
from ..text import format_bytes, format_duration, printable

if TYPE_CHECKING:
    from ..preview.views import View

_COARSE = 2  # times the size that it has, at which a picture is shown in squares


def fields_of(result: Result, folder: Path) -> dict[str, object]:
    """What the template of an entry asks for.

    Args:
        result: what became of a file.
        folder: of the page, from which links lead to the files.
    """
    views = result.thumbnails
    samples = [math.prod(summary.grid.shape) if summary else 0 for summary in (result.before, result.after)]
    warnings = len(result.warnings)
    badge = result.status + (f", {counted(warnings, 'warning')}" if warnings else "")
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
        "input_link": _link(result.input, folder),
        "output": escape(printable(result.output)) if result.output is not None else "",
        "output_link": _link(result.output, folder) if result.output and result.status in ("done", "skipped") else "",
        "error": escape(_reason(result)),
        "warnings": "".join(f"<li>{escape(warning)}</li>" for warning in result.warnings),
        "before": _pictures("Input", views.before if views else ()),
        "after": _pictures("Output", views.after if views else ()),
        "before_size": escape(_sizes(result.before.grid)) if result.before else "",
        "after_size": escape(_sizes(result.after.grid)) if result.after else "",
        "facts": "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in _facts(result)),
    }


def _reason(result: Result) -> str:
    """Why a file failed or was left out."""
    if result.error is not None:
        return str(result.error)
    return "" if result.reason is None else f"the output {result.reason}"


def _facts(result: Result) -> Iterable[tuple[str, str]]:
    before, after = result.before, result.after
    if before is None or after is None:
        return
    if result.thumbnails is None or not result.thumbnails.after:  # which have their sizes below them
        yield "Size", _change(_sizes(before.grid), _sizes(after.grid))
    if any(axis.spacing is not None for axis in before.grid.axes):
        yield "Spacing", _change(_spacings(before.grid), _spacings(after.grid))
    yield "Samples", _samples(before, after, result.compute_dtype)
    if after.arrays > 1:
        yield "Images", str(after.arrays)
    yield "Mode", result.mode
    if result.status == "done":
        yield "Time", _seconds(result.seconds)
        yield "Written", format_bytes(result.bytes)
    if result.status == "planned":
        yield "Output", f"{format_bytes(result.bytes)} before compression"
        yield "Memory", f"about {format_bytes(result.memory)}"


def _samples(before: Summary, after: Summary, working: str) -> str:
    computed = f", computed in {working}" if working not in ("", after.dtype) else ""
    count = "".join(f"{axis.size} × " for axis in after.grid.axes if axis.name == "s")
    return count + _change(before.dtype, after.dtype) + computed


def _change(before: str, after: str) -> str:
    """Both, or one where they are the same, between which alone a line may break."""
    return " → ".join(unbroken(part) for part in dict.fromkeys((before, after)))


def _sizes(grid: Grid) -> str:
    """Sizes in the order x × y × z, then the other axes by name but for the samples of a pixel."""
    spatial = " × ".join(str(grid[name].size) for name in grid.spatial)
    others = [f"{axis.name} {axis.size}" for axis in grid.axes if axis.name not in (*SPATIAL, "s")]
    return ", ".join([spatial, *others] if spatial else others)


def _spacings(grid: Grid) -> str:
    """Spacings in the same order, with their unit once where they share it."""
    axes = [grid[name] for name in grid.spatial] + [axis for axis in grid.axes if axis.name not in SPATIAL]
    by_unit: dict[str, list[str]] = {}
    for axis in axes:
        if axis.spacing is not None:
            by_unit.setdefault(axis.unit or "", []).append(f"{axis.spacing:.4g}")
    return ", ".join(f"{' × '.join(spacings)} {unit}".rstrip() for unit, spacings in by_unit.items())


def _pictures(of: str, views: Iterable[View]) -> str:
    return "".join(
        f'<img class="{_kind(view)}" width="{view.width}" height="{view.height}" loading="lazy" decoding="async" '
        f'alt="{of}{view.name and ", "}{view.name}" title="{view.name}" '
        f'src="data:image/webp;base64,{b64encode(view.webp).decode()}">'
        for view in views
    )


def _kind(view: View) -> str:
    return "coarse" if view.width >= _COARSE * view.pixels else "fine"


def _link(path: Path, folder: Path) -> str:
    """An attribute with the address of a file as it is seen from the page, whatever bytes its name has."""
    try:
        address = quote(os.fsencode(os.path.relpath(path, folder).replace(os.sep, "/")))
    except ValueError:  # another drive of Windows
        address = path.absolute().as_uri()
    return f' href="{address}"'


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def unbroken(text: str) -> str:
    """The text on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else format_duration(seconds)
