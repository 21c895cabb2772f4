"""From inputs to jobs, and from jobs to a report."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import formats
from .errors import InputError, OutputError, RequestError, UpsampleError
from .pipeline import run
from .plan import Plan, find_targets, make_plan, read_options
from .request import Request

DEFAULT_NAME = "{stem}_upsampled{ext}"
_FIELDS = ("stem", "ext", "parent", "size", "scale", "mode")


@dataclass(frozen=True, slots=True)
class Job:
    """One input and the name of its output.

    Attributes:
        input, output: the files.
        skip: whether the output exists and is to be left alone.
    """

    input: Path
    output: Path
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job.

    Attributes:
        job: the job.
        plan: what was done, or in a dry run would be; None where it did not come to a plan.
        seconds: how long it took.
        error: why it failed, or None.
    """

    job: Job
    plan: Plan | None
    seconds: float = 0.0
    error: UpsampleError | None = None


@dataclass(slots=True)
class Report:
    """Counts what became of the jobs of a batch.

    Attributes:
        done, skipped, failed: numbers of jobs.
        last_error: the last failure.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0
    last_error: UpsampleError | None = None

    def add(self, result: Result) -> None:
        """Count `result`."""
        if result.error is not None:
            self.failed += 1
            self.last_error = result.error
        elif result.job.skip:
            self.skipped += 1
        else:
            self.done += 1

    @property
    def total(self) -> int:
        """The number of jobs that have ended."""
        return self.done + self.skipped + self.failed

    @property
    def exit_code(self) -> int:
        """0, the error's own code for a single file, or 5 for several of which some failed."""
        if self.last_error is None:
            return 0
        return self.last_error.exit_code if self.total == 1 else 5


def make_jobs(
    inputs: Sequence[str], output: str | None, request: Request, *, overwrite: bool = False, skip_existing: bool = False
) -> list[Job]:
    """Find a name for every output before the first file is touched.

    Args:
        inputs: paths, or patterns that the shell has not expanded.
        output: a file, a directory, a template, or None for `DEFAULT_NAME` beside the input.
        request: what templates can speak of.
        overwrite: whether outputs may replace what exists.
        skip_existing: whether inputs are skipped whose output exists.

    Raises:
        RequestError: two inputs have the same output, or an output is an input.
        OutputError: an output exists, or its directory does not.
        InputError: a template asks for the size of a file that cannot be read.
    """
    paths = list(_expand(inputs))
    template = _template(output, len(paths))
    jobs = []
    for path in paths:
        target = _fill(template, path, request)
        exists = target.exists() and not overwrite
        jobs.append(Job(path, target, skip=exists and skip_existing))
        if output is not None and not target.parent.is_dir():
            raise OutputError(f"the directory {target.parent} does not exist; make it first", target)
        if target.is_dir():
            raise OutputError("is a directory; end it with / to write into it", target)
    _refuse_collisions(jobs)
    for job in jobs:
        if job.output.exists() and not (overwrite or job.skip):
            raise OutputError("exists; --overwrite replaces it, --skip-existing leaves it", job.output)
    return jobs


def run_jobs(jobs: Sequence[Job], request: Request, *, dry_run: bool = False) -> Iterator[Result]:
    """Do the jobs one after the other, and give each one's result as it ends. A bad file never stops the others."""
    for job in jobs:
        if job.skip:
            yield Result(job, None)
            continue
        began = time.perf_counter()
        plan = None
        try:
            with formats.open_source(job.input, read_options(request)) as source:
                plan = make_plan(request, source, job.input, job.output)
                if not dry_run:
                    run(plan, source)
        except UpsampleError as error:
            yield Result(job, plan, time.perf_counter() - began, error)
        except MemoryError:
            failure = RequestError("there is not enough memory for this; ask for less", job.input)
            yield Result(job, plan, time.perf_counter() - began, failure)
        else:
            yield Result(job, plan, time.perf_counter() - began)


def _expand(inputs: Sequence[str]) -> Iterator[Path]:
    """The inputs, each once, in their order; patterns that no shell has expanded in that of their names."""
    seen = set()
    for text in inputs:
        paths = [Path(text)]
        if not paths[0].exists() and glob.has_magic(text):
            paths = [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 patterns may be absolute
            if not paths:
                raise InputError("no file matches this pattern", Path(text))
        for path in paths:
            if path not in seen:
                seen.add(path)
                yield path


def _template(output: str | None, count: int) -> str:
    if output is None:
        return "{parent}/" + DEFAULT_NAME
    if "{" in output:
        return output
    escaped = output.replace("}", "}}")
    if output.endswith("/") or Path(output).is_dir():
        return f"{escaped.rstrip('/') or '/'}/{{stem}}{{ext}}"
    if count > 1:
        raise RequestError(
            f"--output {output}: {count} inputs cannot become one file; give a directory, or a template such as "
            f"'out/{DEFAULT_NAME}'"
        )
    return escaped


def _fill(template: str, path: Path, request: Request) -> Path:
    stem, ext = formats.split_name(path)
    fields = {"stem": stem, "ext": ext, "parent": str(path.parent), "mode": request.mode}
    if "{size}" in template or "{scale}" in template:
        fields |= _measures(path, request)
    try:
        return Path(template.format(**fields))
    except (KeyError, IndexError, ValueError) as error:
        allowed = " ".join(f"{{{name}}}" for name in _FIELDS)
        raise RequestError(f"--output {template}: {error} is none of the fields {allowed}") from None


def _measures(path: Path, request: Request) -> dict[str, str]:
    """The fields of a template that depend on the size of the input."""
    with formats.open_source(path, read_options(request)) as source:
        grid = source.header.grid
    targets = find_targets(request, grid, path)
    sizes = [targets[name].size if name in targets else grid[name].size for name in grid.spatial]
    factors = [f"{size / grid[name].size:g}" for name, size in zip(grid.spatial, sizes, strict=True)]
    factor = factors[0] if len(set(factors)) == 1 else "x".join(factors)
    return {"size": "x".join(map(str, sizes)), "scale": factor}


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    inputs = {job.input.resolve(): job for job in jobs}
    outputs: dict[Path, Job] = {}
    for job in jobs:
        resolved = job.output.resolve()
        if resolved in inputs or _same_file(job.input, job.output):
            raise RequestError("input and output are the same file; choose another --output", job.output)
        if resolved in outputs:
            raise RequestError(
                f"would be written from both {outputs[resolved].input} and {job.input}; choose another --output",
                job.output,
            )
        outputs[resolved] = job


def _same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
