"""Jobs: an input, its output and how it is resized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UpsampleError
from ..pipeline.request import Request
from .existing import Existing

if TYPE_CHECKING:
    from .result import Result


class Job(NamedTuple):
    """One input and its output.

    Attributes:
        input, output: the files.
        request: how the input is resized.
        skip: why the input is left out, or None.
        error: why the job has failed before it started, in which case `output` is meaningless; or None.
        subdir: the directory of the input, relative to the searched directory.
    """

    input: Path
    output: Path
    request: Request
    skip: str | None = None
    error: UpsampleError | None = None
    subdir: str = ""


@dataclass(frozen=True)
class ExecutionOptions:
    """How jobs are run, the same for all jobs of a batch.

    Attributes:
        processes: number of jobs that run at the same time; None for one per core.
        max_memory: bytes of working memory of all jobs together; None for a quarter of the machine's.
        existing: how outputs are treated that exist or that another process creates meanwhile.
        dry_run: whether to plan only.
        thumbnails: whether to make small images for the report.
        progress: is called with a job and the fraction of it that is done, first with 0; None for no calls.
        planned: is called with the plan of a job, as a result, before it is carried out; None for no calls.
    """

    processes: int | None = None
    max_memory: int | None = None
    existing: Existing = Existing.REFUSE
    dry_run: bool = False
    thumbnails: bool = False
    progress: Callable[[Job, float], None] | None = None
    planned: Callable[[Result], None] | None = None
