"""``--report``: what became of a batch as one page that needs nothing but itself and a browser."""

from __future__ import annotations

import hashlib
import html
import math
import os
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import quote

from . import __version__
from .errors import OutputError, RequestError, shown
from .geometry import SPATIAL, Grid
from .limits import in_words
from .results import Report, Result, Summary
from .unfinished import Unfinished, sweep

if TYPE_CHECKING:
    from .thumbnails import View

_TEMPLATES = Path(__file__).with_name("templates")
_MARK = b'<meta name="generator" content="upsample '  # of pages that may be replaced: they are reports themselves
_HEAD_BYTES = 1000
_SUFFIXES = (".html", ".htm")
_COMMAND = 600  # letters of it that are shown
_COARSE = 2  # times the size that it has, at which a picture is shown in squares


@dataclass(frozen=True)
class _Entry:
    """Where the part of the page that tells of one file waits, and where it belongs: failures come first."""

    is_fine: bool
    number: int
    start: int
    size: int


class HtmlReport:
    """A page that is written when all results are known, complete or not at all.

    What it says of each file waits in a temporary file beside it, so that memory does not grow with the batch.
    """

    def __init__(self, path: Path, command: str = "", overwrite: bool = False) -> None:
        """Prepare to write a page to `path`.

        Args:
            path: of the page; a report that is there already is replaced.
            command: how the batch was called, for people.
            overwrite: whether the page may also replace a file that is no report.
        """
        self._path, self._command, self._replaces = path, command, overwrite
        self._entry = Template(_template("report_entry.html"))
        self._entries: list[_Entry] = []
        self._totals = Report()
        self._warned = 0
        self._is_dry = False
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        """Make sure that the page can be written, before the first file of the batch is touched.

        Raises:
            RequestError: its name is not that of a page.
            OutputError: it cannot be written.
        """
        if self._path.suffix.lower() not in _SUFFIXES:  # but perhaps that of the next argument
            raise RequestError("--report wants a name that ends with .html", self._path)
        try:
            self._target = self._path.resolve() if self._path.is_symlink() else self._path
            self._replaces |= _is_report(self._target)
            if self._target.is_dir():
                raise OutputError("is a directory; --report wants the name of a file", self._path)
            if self._target.exists() and not self._replaces:
                raise OutputError("exists and is no report; --overwrite replaces it", self._path)
            sweep(self._target.parent)
            with ExitStack() as stack:
                self._unfinished = stack.enter_context(Unfinished([self._target]))
                self._waiting: IO[bytes] = stack.enter_context(tempfile.TemporaryFile(dir=self._target.parent))
                self._open = stack.pop_all()
        except OSError as error:
            raise self._refused(error) from error
        return self

    def add(self, result: Result) -> None:
        """Tell of `result`.

        Raises:
            OutputError: there is no room for it.
        """
        self._totals.add(result)
        self._warned += bool(result.warnings)
        self._is_dry |= result.status == "planned"
        text = _encoded(self._entry.substitute(_fields(result, self._target.parent)))
        try:
            start = self._waiting.tell()
            self._waiting.write(text)
        except OSError as error:
            raise self._refused(error) from error
        self._entries.append(_Entry(result.status != "failed", result.number, start, len(text)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the page, unless the batch has ended before its time.

        Raises:
            OutputError: it cannot be written.
        """
        with self._open:
            if kind is not None:
                return
            try:
                with self._unfinished.paths[0].open("wb") as page:
                    self._write(page)
                self._unfinished.publish(self._replaces)
            except OSError as failure:
                raise self._refused(failure) from failure

    def _write(self, page: IO[bytes]) -> None:
        style, script = _template("report.css"), _template("report.js")
        heading = self._heading()
        values = {
            "version": __version__,
            "title": html.escape(f"upsample: {heading}"),
            "heading": heading,
            "summary": self._summary(),
            "command": _text(_shortened(self._command)),
            "style": style,
            "style_hash": _hash(style),
            "script": script,
            "script_hash": _hash(script),
            "all": self._totals.total,
            "failed": self._totals.failed,
            "warned": self._warned,
            "skipped": self._totals.skipped,
            "done": self._totals.done,
            "good": "planned" if self._is_dry else "done",
            "good_name": "Planned" if self._is_dry else "Done",
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        }
        page.write(_encoded(Template(_template("report.html")).substitute(values)))
        for entry in sorted(self._entries, key=lambda entry: (entry.is_fine, entry.number)):
            self._waiting.seek(entry.start)
            page.write(self._waiting.read(entry.size))
        page.write(_encoded(Template(_template("report_end.html")).substitute(values)))

    def _heading(self) -> str:
        done, total = self._totals.done, _counted(self._totals.total, "file")
        files = total if done == self._totals.total else f"{done:,} of {total}"
        return f"{files} {'planned' if self._is_dry else 'resized'}"

    def _summary(self) -> str:
        totals = self._totals
        parts = [f"{totals.done} {'planned' if self._is_dry else 'done'}", f"{totals.skipped} skipped"]
        parts += [f"{totals.failed} failed", in_words(totals.bytes), _duration(time.perf_counter() - self._began)]
        return " · ".join(map(_unbroken, parts))

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(f"the report cannot be written: {error.strerror or error}", self._path)


def _fields(result: Result, folder: Path) -> dict[str, object]:
    """What the template of an entry asks for."""
    views = result.thumbnails
    samples = [math.prod(summary.grid.shape) if summary else 0 for summary in (result.before, result.after)]
    warnings = len(result.warnings)
    badge = result.status + (f", {_counted(warnings, 'warning')}" if warnings else "")
    return {
        "kind": "warned" if warnings and result.status in ("done", "planned") else result.status,
        "status": result.status,
        "badge": badge,
        "warned": "yes" if warnings else "no",
        "name": _text(shown(result.input)),
        "seconds": f"{result.seconds:.4f}",
        "bytes": result.bytes,
        "samples": samples[1],
        "growth": f"{samples[1] / samples[0]:.6g}" if samples[0] else 0,
        "input": _text(shown(result.input)),
        "input_link": _link(result.input, folder),
        "output": _text(shown(result.output)) if result.output is not None else "",
        "output_link": _link(result.output, folder) if result.output and result.status in ("done", "skipped") else "",
        "error": _text(_reason(result)),
        "warnings": "".join(f"<li>{_text(warning)}</li>" for warning in result.warnings),
        "before": _pictures("Input", views.before if views else ()),
        "after": _pictures("Output", views.after if views else ()),
        "before_size": _text(_sizes(result.before.grid)) if result.before else "",
        "after_size": _text(_sizes(result.after.grid)) if result.after else "",
        "facts": "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in _facts(result)),
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
    if result.thumbnails is None:  # which have their sizes below them
        yield "Size", _change(_sizes(before.grid), _sizes(after.grid))
    if any(axis.spacing is not None for axis in before.grid.axes):
        yield "Spacing", _change(_spacings(before.grid), _spacings(after.grid))
    yield "Samples", _samples(before, after, result.working)
    if after.arrays > 1:
        yield "Images", str(after.arrays)
    yield "Mode", result.mode
    if result.status == "done":
        yield "Time", _duration(result.seconds)
        yield "Written", in_words(result.bytes)
    if result.status == "planned":
        yield "Output", f"{in_words(result.bytes)} before compression"
        yield "Memory", f"about {in_words(result.memory)}"


def _samples(before: Summary, after: Summary, working: str) -> str:
    computed = f", computed in {working}" if working not in ("", after.dtype) else ""
    count = "".join(f"{axis.size} × " for axis in after.grid.axes if axis.name == "s")
    return count + _change(before.dtype, after.dtype) + computed


def _change(before: str, after: str) -> str:
    """Both, or one where they are the same, between which alone a line may break."""
    return " → ".join(_unbroken(part) for part in dict.fromkeys((before, after)))


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


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


def _text(text: str) -> str:
    return html.escape(text)


def _encoded(text: str) -> bytes:
    """The text in UTF-8, and what of names has no place in it by its number."""
    return text.encode("utf-8", "backslashreplace")


def _shortened(command: str) -> str:
    """A command without most of the files that a shell has put into it."""
    if len(command) <= _COMMAND:
        return command
    return f"{command[: _COMMAND // 2]} … {command[-_COMMAND // 2 :]}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    if seconds >= 60:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds:.2f} s"


def _hash(text: str) -> str:
    """What a page names its own style and script by, so that its policy allows no others."""
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _is_report(path: Path) -> bool:
    """Whether there is a page that an earlier batch has written."""
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_HEAD_BYTES)
    except OSError:
        return False
