"""What people and programs are told while files are resized: people read stderr, programs stdout."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import click

from ..batch.result import Report, Result
from ..errors import InternalError, OutputError
from ..text import printable
from .result_text import one_line, summary, table, whole_plan

if TYPE_CHECKING:
    from ..batch.job import Job
    from .progress import Display

_SCREEN = 20  # files whose lines are seen at a glance, so that failures among them need not be repeated
_SAME_WARNINGS = 3  # that are said; of more of the same there is a count


class Console:
    """Tells what becomes of each file as it ends, and of all at the end.

    Attributes:
        report: the counts so far.
    """

    def __init__(
        self,
        total: int,
        *,
        quiet: bool = False,
        verbose: bool = False,
        json: bool = False,
        dry_run: bool = False,
        progress: bool | None = None,
    ) -> None:
        """Prepare to tell of `total` files.

        Args:
            total: how many there are.
            quiet: whether people hear of errors only.
            verbose: whether they see the plan of each file, and the traceback of a bug.
            json: whether programs read a line of JSON for each file.
            dry_run: whether the plans are the result.
            progress: whether to show how far it is; None for where stderr is a terminal.
        """
        self.report = Report()
        self._total = total
        self._quiet = quiet
        self._verbose = verbose
        self._json = json
        self._dry_run = dry_run
        self._began = time.perf_counter()
        self._warnings: Counter[str] = Counter()
        self._planned: list[Result] = []
        self._display = _make_display(total) if _wants_display(progress, quiet) else None

    def __enter__(self) -> Self:
        """Begin to count the time."""
        self._began = time.perf_counter()
        return self

    def progress(self, job: Job, part: float) -> None:
        """Show that a part of a job is done; what `ExecutionOptions` wants to have."""
        if self._display is not None:
            self._display.advance(job.input, part)

    def show(self, result: Result) -> None:
        """Tell what became of a file."""
        self.report.add(result)
        if self._display is not None:
            self._display.clear()
        if result.status == "failed":
            self._show_failure(result)
        elif not self._quiet:
            self._show_success(result)
        if self._json:
            from .json_lines import json_line  # which few ask for

            write_out(json_line(result))
        elif self._dry_run:
            self._show_plan(result)
        if self._display is not None:
            (self._display.leave_out if result.status == "skipped" else self._display.end)(result.input)

    def _show_failure(self, result: Result) -> None:
        _say(one_line(result), "red")
        if self._verbose and isinstance(result.error, InternalError):
            _say(result.error.traceback)

    def _show_success(self, result: Result) -> None:
        if not self._dry_run or result.status == "skipped":
            _say(one_line(result))
        if self._verbose and result.status == "done":
            _say(whole_plan(result))
        for warning in result.warnings:
            self._warnings[warning] += 1
            if self._warnings[warning] <= _SAME_WARNINGS:
                _say(f"Warning: {printable(result.input)}: {warning}", "yellow")

    def _show_plan(self, result: Result) -> None:
        if self._total > 1 and not self._verbose:
            self._planned.append(result)  # for the table, whose columns are as wide as their widest
        elif result.status == "planned":
            write_out(whole_plan(result))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Tell what became of all, however it ended."""
        if self._display is not None:
            self._display.clear()
        if kind is None and self._planned:
            results = sorted(self._planned, key=lambda result: result.number)
            heading, *lines = table(results, _width(sys.stdout))
            write_out(_styled(heading, bold=True))
            for line, result in zip(lines, results, strict=True):
                write_out(_styled(line, fg="red") if result.status == "failed" else line)
        if self._total > 1 and not self._quiet and kind is not OutputError:
            self._show_summary()

    def _show_summary(self) -> None:
        for warning, count in self._warnings.items():
            if count > _SAME_WARNINGS:
                _say(f"Warning: {count - _SAME_WARNINGS} more files: {warning}", "yellow")
        if self.report.failures and self._total > _SCREEN:
            _say("Failed:")
            for result in sorted(self.report.failures, key=lambda result: result.number):
                _say(f"  {result.error}", "red")
        seconds = time.perf_counter() - self._began
        for line in summary(self.report, seconds, dry_run=self._dry_run, total=self._total):
            _say(line)


def write_out(text: str) -> None:
    """Write a line to the standard output.

    Raises:
        OutputError: nobody reads it, or the disk is full.
    """
    try:
        click.echo(text)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush has nowhere to go
        raise OutputError(f"the standard output cannot be written: {error.strerror}") from error


def _say(text: str, colour: str | None = None) -> None:
    with suppress(OSError):  # nobody listens any more, which is no reason to stop
        click.echo(text if colour is None else _styled(text, fg=colour), err=True)


def _styled(text: str, **style: Any) -> str:
    """The text in colours, which `click.echo` leaves out where there is no terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def _wants_display(progress: bool | None, quiet: bool) -> bool:
    if progress is not None or quiet or sys.stderr is None:
        return bool(progress) and sys.stderr is not None
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _make_display(total: int) -> Display:
    from .progress import Display  # which pipes have no need of

    return Display(total, sys.stderr)


def _width(stream: TextIO | None) -> int | None:
    """Of the terminal, or None where there is none."""
    try:
        return None if stream is None else os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return None
