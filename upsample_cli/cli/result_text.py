"""Format results for people: lines, plans, tables and summaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from ..batch.result import Report, Result, Summary
from ..text import format_bytes, format_duration, format_sizes, format_spacings, printable, shorten

if TYPE_CHECKING:
    from ..geometry import Axis

_HEADINGS = ("INPUT", "OUTPUT", "SIZE", "SPACING", "TYPE", "MODE", "BYTES", "MEMORY")
_NAME_COLUMNS = 2  # the first columns hold file names
_RIGHT_ALIGNED = ("BYTES", "MEMORY")
_GAP = "  "
_MOST_SUFFIXES = 6  # of unknown files that are named


def one_line(result: Result) -> str:
    """The result of one file, on one line."""
    if result.status == "failed":
        return f"Error: {result.error}"
    if result.status == "skipped":
        return printable(f"{_output(result)} {result.reason}: skipped")
    spacing = _spacing(result.after)
    parts = [_sizes_of(result), _type(result), result.mode, *([f"spacing {spacing}"] if spacing else [])]
    return printable(f"{_names(result)}: {', '.join(parts)}, {result.seconds:.2f} s")


def whole_plan(result: Result) -> str:
    """The plan of one file, on several lines."""
    lines = [_names(result)]
    if result.before is not None and result.after is not None:
        pairs = list(zip(result.before.grid.axes, result.after.grid.axes, strict=True))
        lines += [f"  axis {before.name}    {_axis_change(before, after)}" for before, after in reversed(pairs)]
    lines.append(f"  samples   {_type(result)}, computed in {result.compute_dtype}")
    lines.append(f"  mode      {result.mode}")
    if result.status == "planned":
        lines.append(f"  output    {format_bytes(result.bytes)} before compression")
    else:
        lines.append(f"  output    {format_bytes(result.bytes)}")
    lines.append(f"  memory    about {format_bytes(result.memory)}")
    return "\n".join(map(printable, lines))


def table(results: Iterable[Result], width: int | None = None) -> list[str]:
    """The plans of many files: a heading, and a line for each file.

    Args:
        results: results of a dry run.
        width: columns of the terminal, to which long names are shortened; None for no limit.
    """
    rows = [_HEADINGS, *([*map(printable, _row(result))] for result in results)]
    columns = range(len(_HEADINGS))
    widths = [max(len(row[n]) for row in rows if len(row) == len(columns) or n < _NAME_COLUMNS) for n in columns]
    if width is None:
        return [_line(row, widths) for row in rows]
    _narrow(widths, width)
    return [shorten(_line(row, widths), width) for row in rows]


def summary(report: Report, seconds: float, *, dry_run: bool = False, total: int = 0) -> list[str]:
    """The summary of a batch, whose last line has the numbers of files.

    Args:
        report: the counts.
        seconds: duration of the batch.
        dry_run: whether it was a dry run.
        total: number of files, if not all were reached.
    """
    counts = f"{report.done} {'planned' if dry_run else 'done'}, {report.skipped} skipped, {report.failed} failed"
    if report.total < total:
        counts += f", {total - report.total} not reached"
    if not report.done:
        return [counts]
    if dry_run:
        return [f"{format_bytes(report.bytes)} before compression", counts]
    rate = f"{report.done / max(seconds, 1e-9):.3g} files/s"
    return [f"{format_bytes(report.bytes)} written in {format_duration(seconds)}, {rate}", counts]


def other_files(names: Sequence[str], fate: str, by_name: bool = False) -> str:
    """What happens to files of other types, and their number by suffix; with `by_name`, also their names."""
    files = "file" if len(names) == 1 else "files"
    suffixes = Counter(PurePath(name).suffix.lower() or "no suffix" for name in names)
    most = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SUFFIXES]
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in most)
    more = ", …" if len(suffixes) > _MOST_SUFFIXES else ""
    lines = [f"{fate} {len(names)} {files} of unknown type: {kinds}{more}"]
    return "\n".join([*lines, *(f"  {printable(name)}" for name in sorted(names) if by_name)])


def _names(result: Result) -> str:
    return f"{result.input} → {_output(result)}"


def _output(result: Result) -> str:
    return "?" if result.output is None else str(result.output)


def _type(result: Result) -> str:
    return "" if result.after is None else result.after.dtype


def _sizes_of(result: Result) -> str:
    if result.before is None or result.after is None:
        return ""
    distorted = " (other proportions)" if result.distorts else ""
    several = f"{result.before.arrays} images, the first " if result.before.arrays > 1 else ""
    return f"{several}{_sizes(result.before)} → {_sizes(result.after)}{distorted}"


def _sizes(contents: Summary) -> str:
    sizes = format_sizes({axis.name: axis.size for axis in contents.grid.axes})
    return f"{sizes} {contents.colours}".rstrip()


def _axis_change(before: Axis, after: Axis) -> str:
    sizes = f"{before.size}" if before == after else f"{before.size} → {after.size}"
    if before.spacing is None or after.spacing is None:
        return sizes
    unit = f" {after.unit}" if after.unit else ""
    if before == after:
        return f"{sizes}, spacing {before.spacing:.6g}{unit}"
    return f"{sizes}, spacing {before.spacing:.6g} → {after.spacing:.6g}{unit}"


def _row(result: Result) -> Sequence[str]:
    """The cells of a row. A file that was not planned has one cell after its names, which spans the other columns."""
    names = (str(result.input), _output(result))
    if result.status != "planned":
        return (*names, str(result.error) if result.status == "failed" else f"skipped: {result.reason}")
    cells = (_sizes_of(result), _spacing(result.after), _type(result), result.mode)
    return (*names, *cells, format_bytes(result.bytes), format_bytes(result.memory))


def _spacing(after: Summary | None) -> str:
    """Sample spacing of the output along its spatial axes."""
    axes = [] if after is None else [after.grid[name] for name in after.grid.spatial]
    return format_spacings((axis.spacing, axis.unit) for axis in axes)


def _narrow(widths: list[int], width: int) -> None:
    """Narrow the widest column, which holds names or reasons, until a line fits."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for _ in range(max(0, excess)):
        widest = widths.index(max(widths))
        widths[widest] = max(1, widths[widest] - 1)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    aligned = len(row) if len(row) == len(widths) else _NAME_COLUMNS
    cells = [
        shorten(cell, width).rjust(width) if heading in _RIGHT_ALIGNED else shorten(cell, width).ljust(width)
        for heading, cell, width in zip(_HEADINGS, row[:aligned], widths, strict=False)
    ]
    return _GAP.join([*cells, *row[aligned:]]).rstrip()
