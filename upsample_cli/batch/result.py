"""What became of the files of a batch: plain records, which cross the borders of processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from ..errors import UpsampleError

if TYPE_CHECKING:
    from ..geometry import Grid
    from ..preview.tap import Thumbnails

Status: TypeAlias = Literal["planned", "done", "skipped", "failed"]

SOME_FAILED = 5  # what the command exits with after several files of which some failed


class Summary(NamedTuple):
    """What a file holds.

    Attributes:
        grid: the axes of its first array.
        dtype: the name of the type of its samples.
        arrays: how many arrays it holds; all but the first are resized in the same way.
    """

    grid: Grid
    dtype: str
    arrays: int = 1


class Result(NamedTuple):
    """What became of one input.

    Attributes:
        input, output: the files; no output where its name could not be made.
        status: what became of it; ``planned`` in a dry run.
        number: its place among the inputs; results come as they end.
        error: why it failed, or None.
        reason: why it was skipped, or None.
        before, after: what the input holds and the output shall hold; None where it did not come to a plan.
        mode: how it is resized, for people, such as ``trilinear align-corners``.
        compute_dtype: the dtype in which it is computed.
        warnings: what is not carried over.
        seconds: how long it took.
        bytes: the size of what was written, or of its samples before compression in a dry run.
        memory: the predicted peak of the working memory in bytes.
        thumbnails: small pictures for the report, or None where none are wanted.
    """

    input: Path
    output: Path | None
    status: Status
    number: int = 0
    error: UpsampleError | None = None
    reason: str | None = None
    before: Summary | None = None
    after: Summary | None = None
    mode: str = ""
    compute_dtype: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    bytes: int = 0
    memory: int = 0
    thumbnails: Thumbnails | None = None


@dataclass
class Report:
    """Counts what became of the files of a batch.

    Attributes:
        done, skipped, failed: numbers of files; those that are planned count as done.
        bytes: the size of what was written.
        failures: the results of the files that failed.
    """

    done: int = 0
    skipped: int = 0
    failures: list[Result] = field(default_factory=list)
    bytes: int = 0

    def add(self, result: Result) -> None:
        """Count `result`."""
        if result.status == "failed":
            self.failures.append(result)
        elif result.status == "skipped":
            self.skipped += 1
        else:
            self.done += 1
        self.bytes += result.bytes

    @property
    def failed(self) -> int:
        """The number of files that failed."""
        return len(self.failures)

    @property
    def total(self) -> int:
        """The number of files that have ended."""
        return self.done + self.skipped + self.failed

    @property
    def exit_code(self) -> int:
        """0, the error's own code for a single file, or 5 for several of which some failed."""
        if not self.failures:
            return 0
        error = self.failures[-1].error
        return error.exit_code if self.total == 1 and error is not None else SOME_FAILED
