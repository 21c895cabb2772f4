"""``--report``: the results of a batch as one self-contained HTML page."""

from __future__ import annotations

import hashlib
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
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
from ..runtime.destination import Destination
from ..text import format_bytes, format_duration, shorten
from .entry import nonbreaking, pluralised, template_fields

_TEMPLATES = Path(__file__).with_name("templates")
_GENERATOR_TAG = b'<meta name="generator" content="upsample '  # marks reports, which may be replaced
_HEAD_BYTES = 1000  # searched for the tag
_SUFFIXES = (".html", ".htm")
_MAX_FILES_WITH_IMAGES = 4000  # browsers cannot show larger pages
_COMMAND_LENGTH = 600  # characters; shells expand patterns to many file names


@dataclass(frozen=True)
class _Entry:
    """The position of one file's part of the page in the temporary file, and its sort key: failures come first.

    Attributes:
        succeeded: whether the file did not fail.
        number: its number in the batch.
        start, size: range of bytes.
    """

    succeeded: bool
    number: int
    start: int
    size: int


class HtmlReport:
    """Collects results and writes the page at the end of the batch, complete or not at all.

    Entries are kept in a temporary file beside the page, so that memory does not grow with the batch.
    """

    def __init__(self, path: Path, command: str = "", overwrite: bool = False) -> None:
        """Prepare to write a page to `path`.

        Args:
            path: the page; an existing report is replaced.
            command: the command line, for people.
            overwrite: whether the page may also replace a file that is not a report.
        """
        self._path, self._command, self._overwrite = path, command, overwrite
        self._entry_template = Template(_read_template("report_entry.html"))
        self._entries: list[_Entry] = []
        self._totals = Report()
        self._warned = 0
        self._is_dry_run = self._is_interrupted = False
        self._start_time = time.perf_counter()

    def __enter__(self) -> Self:
        """Check that the page can be written, before the batch begins.

        Raises:
            RequestError: its name has no suffix of an HTML page.
            OutputError: it cannot be written.
        """
        try:
            self._destination = Destination(self._path)
            if not self._destination.is_stream:
                self._check_name(self._destination.path)
            folder = None if self._destination.is_stream else self._destination.path.parent
            with ExitStack() as stack:
                stack.enter_context(self._destination)
                self._spool: IO[bytes] = stack.enter_context(tempfile.TemporaryFile(dir=folder))
                self._resources = stack.pop_all()
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            raise self._write_error(error) from error
        self._folder = folder or Path()
        return self

    def _check_name(self, target: Path) -> None:
        if self._path.suffix.lower() not in _SUFFIXES:  # the user may have omitted the name
            raise RequestError("--report needs a file name ending in .html", self._path)
        if target.is_dir():
            raise OutputError("is a directory; --report needs a file name", self._path)
        if target.exists() and not (self._overwrite or _is_report(target)):
            raise OutputError("exists and is not a report; --overwrite replaces it", self._path)

    def add(self, result: Result) -> None:
        """Add an entry for `result`.

        Raises:
            OutputError: the disk is full.
        """
        self._totals.add(result)
        self._warned += bool(result.warnings)
        self._is_dry_run |= result.status == "planned"
        if result.number >= _MAX_FILES_WITH_IMAGES:
            result = result._replace(thumbnails=None)
        text = _encode(self._entry_template.substitute(template_fields(result, self._folder)))
        try:
            start = self._spool.tell()
            self._spool.write(text)
        except OSError as error:
            raise self._write_error(error) from error
        self._entries.append(_Entry(result.status != "failed", result.number, start, len(text)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the page; after an interruption, only if there are results, and not at all after another exception.

        Raises:
            OutputError: it cannot be written.
        """
        self._is_interrupted = kind is not None and issubclass(kind, (KeyboardInterrupt, SystemExit))  # by signals
        with self._resources:
            if kind is not None and not (self._is_interrupted and self._entries):
                return
            try:
                self._destination.write(self._pieces())
            except OSError as failure:
                raise self._write_error(failure) from failure

    def _pieces(self) -> Iterator[bytes]:
        style, script = _read_template("report.css"), _read_template("report.js")
        heading = self._heading()
        values = {
            "version": __version__,
            "title": escape(f"upsample: {heading}"),
            "heading": heading,
            "summary": self._summary(),
            "command": escape(shorten(self._command, _COMMAND_LENGTH, " … ")),
            "style": style,
            "style_hash": _csp_hash(style),
            "script": script,
            "script_hash": _csp_hash(script),
            "all": self._totals.total,
            "failed": self._totals.failed,
            "warned": self._warned,
            "skipped": self._totals.skipped,
            "done": self._totals.done,
            "good": "planned" if self._is_dry_run else "done",
            "good_name": "Planned" if self._is_dry_run else "Done",
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        }
        yield _encode(Template(_read_template("report.html")).substitute(values))
        for entry in sorted(self._entries, key=lambda entry: (entry.succeeded, entry.number)):
            self._spool.seek(entry.start)
            yield self._spool.read(entry.size)
        yield _encode(Template(_read_template("report_end.html")).substitute(values))

    def _heading(self) -> str:
        done, total = self._totals.done, pluralised(self._totals.total, "file")
        files = total if done == self._totals.total else f"{done:,} of {total}"
        return f"{files} {'planned' if self._is_dry_run else 'resized'}"

    def _summary(self) -> str:
        totals = self._totals
        parts = [f"{totals.done} {'planned' if self._is_dry_run else 'done'}", f"{totals.skipped} skipped"]
        parts += [
            f"{totals.failed} failed",
            format_bytes(totals.bytes),
            format_duration(time.perf_counter() - self._start_time),
        ]
        parts += ["interrupted"] if self._is_interrupted else []
        parts += [f"pictures of the first {_MAX_FILES_WITH_IMAGES:,}"] if totals.total > _MAX_FILES_WITH_IMAGES else []
        return " · ".join(map(nonbreaking, parts))

    def _write_error(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or error
        return OutputError(f"the report cannot be written: {reason}", self._path)


def _encode(text: str) -> bytes:
    """The text in UTF-8; surrogates, which stand for undecodable bytes of file names, become escape sequences."""
    return text.encode("utf-8", "backslashreplace")


def _csp_hash(text: str) -> str:
    """The hash by which the page's content security policy allows its own style and script, and no others."""
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read_template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _is_report(path: Path) -> bool:
    """Whether the file is the report of an earlier batch."""
    try:
        with path.open("rb") as file:
            return _GENERATOR_TAG in file.read(_HEAD_BYTES)
    except OSError:
        return False
