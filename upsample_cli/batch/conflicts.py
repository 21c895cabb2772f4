"""Find conflicts between outputs: with inputs, with each other, and with existing files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from .. import formats
from ..errors import OutputError, RequestError
from ..runtime.urls import as_path, is_url
from .existing import Existing
from .inputs import CanonicalNames
from .job import Job

Identity: TypeAlias = tuple[int, int] | tuple[str, str]


class PathInfo(NamedTuple):
    """A path and the file that exists there.

    Attributes:
        path: the path.
        identity: (st_dev, st_ino), or (real directory, name) if no file exists; equal for all paths of one file.
        status: the file's status, or None if it does not exist.
        error: why the path cannot be examined, or None.
        remote: whether the path is a URL, of which only `exists` says whether there is something.
    """

    path: Path
    identity: Identity
    status: os.stat_result | None = None
    error: OSError | None = None
    remote: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return formats.exists(self.path) if self.remote else self.status is not None


class PathIndex:
    """Looks up many paths, and caches facts about their directories."""

    def __init__(self) -> None:
        self._names = CanonicalNames()
        self._ignores_case: dict[str, bool] = {}

    def of(self, path: Path) -> list[PathInfo]:
        """Look up all files that `path` consists of: two for an .hdr/.img pair."""
        return [self._look_up(part) for part in formats.parts(path)]

    def _look_up(self, path: Path) -> PathInfo:
        if is_url(str(path)):
            return PathInfo(path, ("", str(path)), remote=True)
        try:
            status = os.stat(path)  # noqa: PTH116 twice as fast as pathlib
        except FileNotFoundError:
            return PathInfo(path, self._real_name(path))
        except OSError as error:
            return PathInfo(path, self._real_name(path), error=error)
        return PathInfo(path, (status.st_dev, status.st_ino), status)

    def _real_name(self, path: Path) -> Identity:
        if os.path.islink(path):  # noqa: PTH114 as above
            path = Path(os.path.realpath(path))
        folder, name = self._names.of(path)
        if folder not in self._ignores_case:
            self._ignores_case[folder] = _ignores_case(folder)
        return folder, name.casefold() if self._ignores_case[folder] else name


class _JobPaths(NamedTuple):
    """A job and its files.

    Attributes:
        job: the job.
        found: whether its input was found by a pattern or in a directory, rather than named.
        inputs, outputs: its files; no outputs if the job has failed already.
    """

    job: Job
    found: bool
    inputs: list[PathInfo]
    outputs: list[PathInfo]


def resolve_conflicts(jobs: Sequence[tuple[Job, bool]], existing: Existing) -> list[Job]:
    """Refuse jobs that would overwrite each other's files, and mark those to skip or that cannot be written.

    With `Existing.SKIP` and `Existing.NEWER`, files that were found (not named) and are outputs of other jobs are not
    taken as inputs, so that the same command can be run again.

    Args:
        jobs: each with whether its input was found by a pattern or in a directory, rather than named.
        existing: how existing outputs are treated.

    Raises:
        RequestError: two inputs have the same output, or an output is an input.
        OutputError: an output exists and `existing` is `Existing.REFUSE`.
    """
    index = PathIndex()
    items = [_look_up_job(job, found, index) for job, found in jobs]
    if existing in (Existing.SKIP, Existing.NEWER):
        outputs = {file.identity for item in items for file in item.outputs}
        items = [item for item in items if not (item.found and _is_output_of_another(item, outputs))]
    _refuse_collisions(items)
    _refuse_nesting(items)
    return [_resolve_existing(item, existing) for item in items]


def refuse_shared_files(jobs: Iterable[Job], written: Mapping[str, Path]) -> None:
    """Refuse two options that name the same file, or an option that names an input or an output of a job.

    Args:
        jobs: the jobs of the batch.
        written: the files that are written in addition to the outputs, by option name.

    Raises:
        RequestError: names the option.
    """
    index = PathIndex()
    taken: dict[Identity, str] = {}
    for option, path in written.items():
        (file,) = index.of(path)
        if file.identity in taken:
            raise RequestError(f"{taken[file.identity]} and {option} name the same file; choose different names", path)
        taken[file.identity] = option
    folders = {parent: option for option, path in written.items() for parent in _real(path).parents}
    for job in jobs if written else ():
        item = _look_up_job(job, False, index)
        like = [] if job.request.like is None else index.of(as_path(job.request.like))
        for files, role in ((item.inputs, "an input"), (like, "the reference"), (item.outputs, "an output")):
            for file in files:
                clash = taken.get(file.identity)
                if clash is None and _is_directory(file):
                    clash = folders.get(_real(file.path))
                if clash is not None:
                    raise RequestError(f"{clash}: would overwrite {role}; choose another name", file.path)


def _look_up_job(job: Job, found: bool, index: PathIndex) -> _JobPaths:
    inputs = index.of(job.input)
    if job.request.paired_image is not None:
        inputs += index.of(job.request.paired_image.path)
    return _JobPaths(job, found, inputs, [] if job.error is not None else index.of(job.output))


def _is_output_of_another(item: _JobPaths, outputs: set[Identity]) -> bool:
    own = {file.identity for file in item.outputs}
    return any(file.identity in outputs and file.identity not in own for file in item.inputs)


def _refuse_nesting(items: Sequence[_JobPaths]) -> None:
    """Refuse outputs within a directory that is an input, and those that would replace a directory with an input."""
    if not any(map(_is_directory, (file for item in items for file in (*item.inputs, *item.outputs)))):
        return
    outputs = {_real(file.path): file.path for item in items for file in item.outputs}
    inputs = {_real(file.path): file.path for item in items for file in item.inputs}
    for outer, inner in ((inputs, outputs), (outputs, inputs)):
        for real, path in inner.items():
            for parent in real.parents:
                if parent in outer and (outer is outputs or formats.is_directory_file(parent)):
                    raise RequestError(f"lies within {outer[parent]}; choose another --output", path)


def _is_directory(file: PathInfo) -> bool:
    return formats.writes_directory(file.path) or (file.status is not None and stat.S_ISDIR(file.status.st_mode))


def _real(path: Path) -> Path:
    return path if is_url(str(path)) else Path(os.path.realpath(path))


def _refuse_collisions(items: Sequence[_JobPaths]) -> None:
    inputs = {file.identity: (file.path, item.found) for item in items for file in item.inputs}
    outputs: dict[Identity, Job] = {}
    for item in items:
        for file in item.outputs:
            clash = inputs.get(file.identity)
            if clash is not None:
                own = file.identity in [source.identity for source in item.inputs]
                other = "its input, which is never overwritten" if own else f"the input {clash[0]}"
                remedy = "choose another --output" if own else _without_earlier_outputs(found=clash[1])
                raise RequestError(f"the output of {item.job.input} is the same file as {other}; {remedy}", file.path)
            if (first := outputs.setdefault(file.identity, item.job)) is not item.job:
                raise RequestError(_shared_output(first, item.job), file.path)


def _without_earlier_outputs(found: bool) -> str:
    """How to leave out an input that is an earlier output."""
    how = "add" if found else "give a quoted pattern or a directory with -r, and add"
    return (
        f"to leave out earlier outputs, {how} --skip-existing or --newer; or --exclude that input, or write "
        "elsewhere: -o out/"
    )


def _shared_output(first: Job, second: Job) -> str:
    if first.input == second.input:
        return "would hold several results; tell them apart by size, such as -o '{stem}_{size}{ext}'"
    both = f"{first.input} and {second.input}"
    remedy = "choose another --output, such as 'out/{parent}/{stem}{ext}', or search their directory with -r"
    return f"would be written from both {both}; {remedy}"


def _resolve_existing(item: _JobPaths, existing: Existing) -> Job:
    """The job, marked as failed or skipped if a file at its output path requires it."""
    present = [file for file in item.outputs if file.exists]
    for file in item.outputs:
        if problem := _write_obstacle(file):
            return item.job._replace(error=OutputError(problem, file.path))
    if present and existing is Existing.REFUSE:
        raise OutputError(
            "exists; --overwrite replaces it, --skip-existing keeps it, --newer replaces it if older than its input",
            present[0].path,
        )
    if present and existing is Existing.SKIP:
        return item.job._replace(skip="exists")
    if present and existing is Existing.NEWER and _is_up_to_date(item):
        return item.job._replace(skip="is newer than its input")
    return item.job


def _write_obstacle(file: PathInfo) -> str | None:
    """Why the file can be neither written nor replaced, or None."""
    if file.error is not None:
        return f"cannot be written: {file.error.strerror}"
    if file.status is None:
        return None
    is_directory = stat.S_ISDIR(file.status.st_mode)
    if formats.writes_directory(file.path):
        if is_directory and formats.is_directory_file(file.path):
            return None
        kind = "a directory without Zarr metadata" if is_directory else "not a directory"
        return f"is {kind}, so it is not replaced; choose another name"
    if stat.S_ISREG(file.status.st_mode):
        return None
    if is_directory:
        return "is a directory; end it with / to write into it"
    return "is not a regular file, so it is not replaced"


def _is_up_to_date(item: _JobPaths) -> bool:
    """Whether all outputs exist and none is older than an input, as for make."""
    if any(file.status is None for file in (*item.outputs, *item.inputs)):
        return False
    newest = max(formats.last_change(file.path) for file in item.inputs)
    return all(formats.last_change(file.path) >= newest for file in item.outputs)


def _ignores_case(folder: str) -> bool:
    """Whether the file system that contains the real directory `folder` ignores the case of names."""
    parent, name = os.path.split(folder)
    try:
        return name != name.swapcase() and os.path.samestat(os.lstat(folder), os.lstat(f"{parent}/{name.swapcase()}"))
    except OSError:
        return False
