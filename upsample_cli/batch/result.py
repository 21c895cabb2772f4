"""Results of jobs: picklable records that workers send to the parent process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from ..errors import UpsampleError

if TYPE_CHECKING:
    from ..formats.base import Header
    from ..geometry import Grid
    from ..preview.tap import Thumbnails

Status: TypeAlias = Literal["planned", "done", "skipped", "failed"]

SOME_FAILED = 5  # exit code of a batch in which some files failed


class Summary(NamedTuple):
    """Contents of a file.

    Attributes:
        grid: the axes of its first array.
        dtype: name of the dtype of its samples.
        arrays: number of arrays in it; all are resized in the same way as the first.
        colours: what the samples of a pixel are, such as ``RGB``; empty if unknown or if there is only one.
    """

    grid: Grid
    dtype: str
    arrays: int = 1
    colours: str = ""

    @classmethod
    def of(cls, header: Header, arrays: int) -> Summary:
        """The contents of a file whose first of some arrays has this header."""
        return cls(header.grid, header.dtype.name, arrays, _colours(header))


def _colours(header: Header) -> str:
    if header.grid.names[-1:] != ("s",):
        return ""
    alpha = "A" if header.alpha else ""
    colours = header.colours or {1: "L", 3: "RGB"}.get(header.grid["s"].size - len(alpha), "")
    return colours if colours.endswith(alpha) or not colours else colours + alpha


class Result(NamedTuple):
    """Result of one job.

    Attributes:
        input, output: the files; no output if it could not be named.
        status: outcome of the job; ``planned`` in a dry run.
        number: position of the job in the batch; results arrive in the order in which jobs end.
        error: why it failed, or None.
        reason: why it was skipped, or None.
        before, after: contents of the input and of the output; None if the job failed before it was planned.
        distorts: whether the proportions of a picture change.
        mode: the mode as shown to users, such as ``trilinear align-corners``.
        compute_dtype: name of the dtype in which samples are computed.
        warnings: messages about what the output loses or changes.
        seconds: duration of the job.
        bytes: size of the written output; in a dry run, of its samples before compression.
        memory: predicted peak of the working memory, in bytes.
        thumbnails: small images for the report, or None.
    """

    input: Path
    output: Path | None
    status: Status
    number: int = 0
    error: UpsampleError | None = None
    reason: str | None = None
    before: Summary | None = None
    after: Summary | None = None
    distorts: bool = False
    mode: str = ""
    compute_dtype: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    bytes: int = 0
    memory: int = 0
    thumbnails: Thumbnails | None = None


@dataclass
class Report:
    """Counts of the results of a batch.

    Attributes:
        done, skipped, failed: numbers of files; planned files count as done.
        bytes: total size of the written outputs.
        failures: results of the files that failed.
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
