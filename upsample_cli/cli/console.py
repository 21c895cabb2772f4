"""Output of the command while it runs: messages on stderr, plans and JSON on stdout."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from ..batch.result import Report, Result
from ..errors import InternalError, OutputError
from ..text import printable
from .result_text import one_line, summary, table, whole_plan
from .terminal import print_message, write_out

if TYPE_CHECKING:
    from ..batch.job import Job
    from .progress import Display

_SCREEN_FILES = 20  # failures are repeated at the end only in larger batches, where they have scrolled away
_MAX_SAME_WARNINGS = 3  # times that the same warning is printed; further ones are counted


class Console:
    """Prints the result of each file as it ends, and a summary at the end.

    Attributes:
        report: counts so far.
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
        """Prepare to print the results of `total` files.

        Args:
            total: number of files.
            quiet: whether to print only errors.
            verbose: whether to also print the plan of each file, and the traceback of a bug.
            json: whether to print a line of JSON for each file to stdout.
            dry_run: whether to print plans to stdout.
            progress: whether to show a progress bar; None: if stderr is a terminal.
        """
        self.report = Report()
        self._total = total
        self._quiet = quiet
        self._verbose = verbose
        self._json = json
        self._dry_run = dry_run
        self._started = time.perf_counter()
        self._warnings: Counter[str] = Counter()
        self._planned: list[Result] = []
        self._announced: set[int] = set()  # numbers of the jobs whose plan has been printed
        self._display = _progress_display(total) if _wants_display(progress, quiet) else None

    def __enter__(self) -> Self:
        return self

    def progress(self, job: Job, fraction: float) -> None:
        """Show the progress of a job: a callback for `ExecutionOptions`."""
        if self._display is not None:
            self._display.advance(job.input, fraction)

    def plan(self, result: Result) -> None:
        """Print the plan of a file before it is carried out: a callback for `ExecutionOptions`."""
        if self._display is not None:
            self._display.clear()
        self._announced.add(result.number)
        print_message(whole_plan(result))

    def show(self, result: Result) -> None:
        """Print the result of one file."""
        self.report.add(result)
        if self._display is not None:
            self._display.clear()
        if result.status == "failed":
            self._show_failure(result)
        elif not self._quiet:
            self._show_success(result)
        if self._json:
            from .json_lines import json_line  # rarely needed

            write_out(json_line(result))
        elif self._dry_run:
            self._show_plan(result)
        if self._display is not None:
            (self._display.skip if result.status == "skipped" else self._display.finish)(result.input)

    def _show_failure(self, result: Result) -> None:
        print_message(one_line(result), "red")
        if self._verbose and isinstance(result.error, InternalError):
            print_message(result.error.traceback)

    def _show_success(self, result: Result) -> None:
        if not self._dry_run or result.status == "skipped":
            print_message(one_line(result))
        if self._verbose and result.status == "done" and result.number not in self._announced:
            print_message(whole_plan(result))
        for warning in result.warnings:
            self._warnings[warning] += 1
            if self._warnings[warning] <= _MAX_SAME_WARNINGS:
                print_message(printable(f"Warning: {result.input}: {warning}"), "yellow")

    def _show_plan(self, result: Result) -> None:
        if self._total > 1 and not self._verbose:
            self._planned.append(result)  # the width of the table's columns depends on all rows
        elif result.status == "planned":
            _write_plan(whole_plan(result))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Print the table of plans and the summary, also if the batch was interrupted."""
        if self._display is not None:
            self._display.clear()
        if kind is None and self._planned:
            results = sorted(self._planned, key=lambda result: result.number)
            heading, *lines = table(results, _width(sys.stdout))
            _write_plan(heading, bold=True)
            for line, result in zip(lines, results, strict=True):
                _write_plan(line, colour="red" if result.status == "failed" else None)
        if self._total > 1 and not self._quiet and kind is not OutputError:
            self._show_summary()

    def _show_summary(self) -> None:
        for warning, count in self._warnings.items():
            if count > _MAX_SAME_WARNINGS:
                print_message(printable(f"Warning: {count - _MAX_SAME_WARNINGS} more files: {warning}"), "yellow")
        if self.report.failures and self._total > _SCREEN_FILES:
            print_message("Failed:")
            for result in sorted(self.report.failures, key=lambda result: result.number):
                print_message(f"  {result.error}", "red")
        seconds = time.perf_counter() - self._started
        for line in summary(self.report, seconds, dry_run=self._dry_run, total=self._total):
            print_message(line)


def _write_plan(text: str, bold: bool = False, colour: str | None = None) -> None:
    """Write a line of a plan. It is not an error if the reader, such as ``head``, has closed the pipe."""
    try:
        write_out(text, bold, colour)
    except OutputError as error:
        if not isinstance(error.__cause__, BrokenPipeError):
            raise


def _wants_display(progress: bool | None, quiet: bool) -> bool:
    if sys.stderr is None:
        return False
    if progress is not None:
        return progress
    return not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _progress_display(total: int) -> Display:
    from .progress import Display  # needed on terminals only

    return Display(total, sys.stderr)


def _width(stream: TextIO | None) -> int | None:
    """Columns of the terminal, or None if the stream is not one."""
    try:
        return None if stream is None else os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return None
