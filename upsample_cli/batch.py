"""From inputs to jobs, and from jobs to a report."""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter

from . import formats
from .errors import InternalError, OutputError, RequestError, UpsampleError, shown
from .pipeline import run
from .plan import Plan, choose_mode, make_plan, read_options
from .request import Request
from .targets import find_targets
from .unfinished import sweep

DEFAULT_NAME = "{stem}_upsampled{ext}"
_FIELDS = ("stem", "ext", "parent", "size", "scale", "mode")


@dataclass(frozen=True, slots=True)
class Job:
    """One input and the name of its output.

    Attributes:
        input, output: the files.
        request: what is to be done to it.
        skip: why it is left out, or None.
        error: why it has failed before it began, in which case `output` means nothing.
    """

    input: Path
    output: Path
    request: Request
    skip: str | None = None
    error: UpsampleError | None = None


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
        elif result.job.skip is not None:
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

    A file whose name cannot be made, since its size is asked for and cannot be read, is a job that has failed.
    """
    read_options(request)  # what is wrong with the request itself is wrong once, not for every file
    paths = list(_expand(inputs))
    template = _template(output, len(paths))
    jobs = []
    for path in paths:
        try:
            jobs.append(Job(path, _fill(template, path, request), request))
        except UpsampleError as error:
            if error.path is None:  # the template itself is at fault
                raise
            jobs.append(Job(path, path, request, error=error))
    sound = [job for job in jobs if job.error is None]
    _refuse_collisions(sound)
    for job in sound:
        if output is not None and not os.path.isdir(job.output.parent):  # noqa: PTH112 likewise
            raise OutputError(f"the directory {shown(job.output.parent)} does not exist; make it first", job.output)
    existing = {job.output: part for job in sound for part in formats.parts(job.output) if _exists(part)}
    if existing and not (overwrite or skip_existing):
        raise OutputError("exists; --overwrite replaces it, --skip-existing leaves it", next(iter(existing.values())))
    return [replace(job, skip="exists") if skip_existing and job.output in existing else job for job in jobs]


def run_jobs(jobs: Sequence[Job], *, overwrite: bool = False, dry_run: bool = False) -> Iterator[Result]:
    """Do the jobs one after the other, and give each one's result as it ends. A bad file never stops the others."""
    if not dry_run:
        for folder in {job.output.parent for job in jobs}:
            sweep(folder)
    for job in jobs:
        if job.skip is not None or job.error is not None:
            yield Result(job, None, error=job.error)
            continue
        began = time.perf_counter()
        plan: Plan | None = None
        error: UpsampleError | None = None
        try:
            with formats.open_source(job.input, read_options(job.request)) as source:
                plan = make_plan(job.request, source, job.input, job.output)
                if not dry_run:
                    run(plan, overwrite=overwrite)
        except UpsampleError as failure:
            error = failure
        except MemoryError:
            error = RequestError("there is not enough memory for this; ask for less", job.input)
        except Exception as failure:
            error = InternalError.of(failure, job.input)
        yield Result(job, plan, time.perf_counter() - began, error)


def _expand(inputs: Sequence[str]) -> Iterator[Path]:
    """The inputs, each once, in their order; patterns that no shell has expanded in that of their names."""
    seen = set()
    for text in inputs:
        if text == "-":
            raise RequestError("reading from the standard input (-) is not supported; name a file")
        paths = [Path(text)]
        if glob.has_magic(text) and not os.path.lexists(text):
            found = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 patterns may be absolute
            paths = [Path(name) for name in found] or paths
        for path in paths:
            file = formats.parts(path)[-1]
            if file not in seen:
                seen.add(file)
                yield path


def _template(output: str | None, count: int) -> str:
    if output is None:
        return "{parent}/" + DEFAULT_NAME
    if output in ("", "-"):
        what = "writing to the standard output (-) is not supported" if output else "the name is empty"
        raise RequestError(f"--output: {what}; name a file, a directory or a template")
    literal = output.replace("{", "{{").replace("}", "}}")
    if os.path.isdir(output) or (output.endswith("/") and "{" not in output):  # noqa: PTH112 a name may be too long
        return f"{literal.rstrip('/') or '/'}/{{stem}}{{ext}}"
    if "{" in output:
        return output
    if count > 1:
        raise RequestError(
            f"--output {output}: {count} inputs cannot become one file; give a directory, or a template such as "
            f"'out/{DEFAULT_NAME}'"
        )
    return literal


def _fill(template: str, path: Path, request: Request) -> Path:
    stem, ext = formats.split_name(path)
    fields = {"stem": stem, "ext": ext, "parent": str(path.parent), "mode": choose_mode(request).name}
    try:
        used = [(name, width or "") for _, name, width, _ in Formatter().parse(template) if name is not None]
        if any("{" in width for _, width in used):
            raise ValueError("a field within a field is not possible")
        wanted = {name for name, _ in used}
        if not wanted <= set(_FIELDS):
            raise ValueError(f"{', '.join(sorted(wanted - set(_FIELDS)))!r} is unknown")
        if wanted & {"size", "scale"} or ("mode" in wanted and request.mode is None and path.is_file()):
            fields |= _measures(path, request)
        return Path(template.format(**fields))
    except ValueError as error:
        allowed = " ".join(f"{{{name}}}" for name in _FIELDS)
        raise RequestError(f"--output {template}: {error}; the fields are {allowed}") from None


def _measures(path: Path, request: Request) -> dict[str, str]:
    """The fields of a template that depend on the input."""
    with formats.open_source(path, read_options(request)) as source:
        grid, mode = source.header.grid, choose_mode(request, source.header.labels)
    targets = find_targets(request, grid, path)
    sizes = [targets[name].size if name in targets else grid[name].size for name in grid.spatial]
    factors = [f"{size / grid[name].size:g}" for name, size in zip(grid.spatial, sizes, strict=True)]
    factor = factors[0] if len(set(factors)) == 1 else "x".join(factors)
    if request.scale is not None:
        factor = request.scale.text.replace(",", "x")
    return {"size": "x".join(map(str, sizes)), "scale": factor, "mode": mode.name}


def _exists(path: Path) -> bool:
    """Whether there is a file, which could be replaced.

    Raises:
        OutputError: something else is there, or no file can have this name.
    """
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"no file can have this name: {error.strerror}", path) from error
    if stat.S_ISDIR(kind):
        raise OutputError("is a directory; end it with / to write into it", path)
    if not stat.S_ISREG(kind):
        raise OutputError("is not a regular file, and is left alone", path)
    return True


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    inputs = {_identity(part): job for job in jobs for part in formats.parts(job.input)}
    outputs: dict[object, Job] = {}
    for job in jobs:
        for part in formats.parts(job.output):
            identity = _identity(part)
            if identity in inputs:
                own = formats.parts(inputs[identity].input) == formats.parts(job.input)
                what = "its input" if own else f"the input {shown(inputs[identity].input)}"
                raise RequestError(
                    f"the output of {shown(job.input)} is the same file as {what}; choose another --output", part
                )
            if outputs.setdefault(identity, job) is not job:
                both = f"{shown(outputs[identity].input)} and {shown(job.input)}"
                raise RequestError(f"would be written from both {both}; choose another --output", part)


def _identity(path: Path) -> object:
    """What two names of one file have in common: its number on its device, or before it exists its real path."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino
