"""``--report``: what became of a batch as one page that needs nothing but itself and a browser."""

from __future__ import annotations

import hashlib
import tempfile
import time
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from types import TracebackType
from typing import IO, Self

from .._version import __version__
from ..batch.result import Report, Result
from ..errors import OutputError, RequestError
from ..runtime.atomic import AtomicOutput, remove_stale, resolve_link
from ..text import format_bytes, format_duration
from .entry import counted, fields_of, unbroken

_TEMPLATES = Path(__file__).with_name("templates")
_MARK = b'<meta name="generator" content="upsample '  # of pages that may be replaced: they are reports themselves
_HEAD_BYTES = 1000
_SUFFIXES = (".html", ".htm")
_PICTURED = 4000  # files, of which a page has pictures: with more it would be too large for a browser
_COMMAND = 600  # letters of it that are shown


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
            self._target = resolve_link(self._path)
            self._replaces |= _is_report(self._target)
            if self._target.is_dir():
                raise OutputError("is a directory; --report wants the name of a file", self._path)
            if self._target.exists() and not self._replaces:
                raise OutputError("exists and is no report; --overwrite replaces it", self._path)
            remove_stale(self._target.parent)
            with ExitStack() as stack:
                self._unfinished = stack.enter_context(AtomicOutput([self._target]))
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
        if result.number >= _PICTURED:
            result = result._replace(thumbnails=None)
        text = _encoded(self._entry.substitute(fields_of(result, self._target.parent)))
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
            "title": escape(f"upsample: {heading}"),
            "heading": heading,
            "summary": self._summary(),
            "command": escape(_shortened(self._command)),
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
        done, total = self._totals.done, counted(self._totals.total, "file")
        files = total if done == self._totals.total else f"{done:,} of {total}"
        return f"{files} {'planned' if self._is_dry else 'resized'}"

    def _summary(self) -> str:
        totals = self._totals
        parts = [f"{totals.done} {'planned' if self._is_dry else 'done'}", f"{totals.skipped} skipped"]
        parts += [
            f"{totals.failed} failed",
            format_bytes(totals.bytes),
            format_duration(time.perf_counter() - self._began),
        ]
        parts += [f"pictures of the first {_PICTURED:,}"] if totals.total > _PICTURED else []
        return " · ".join(map(unbroken, parts))

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(f"the report cannot be written: {error.strerror or error}", self._path)


def _encoded(text: str) -> bytes:
    """The text in UTF-8, and what of names has no place in it by its number."""
    return text.encode("utf-8", "backslashreplace")


def _shortened(command: str) -> str:
    """A command without most of the files that a shell has put into it."""
    if len(command) <= _COMMAND:
        return command
    return f"{command[: _COMMAND // 2]} … {command[-_COMMAND // 2 :]}"


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
