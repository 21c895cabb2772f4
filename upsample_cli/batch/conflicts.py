"""Outputs that must not be written: those that are inputs, those that are one another, and those that exist."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from .. import formats
from ..errors import OutputError, RequestError
from ..text import printable
from .existing import Existing
from .inputs import CanonicalNames
from .job import Job

Identity: TypeAlias = tuple[int, int] | tuple[str, str]


class PathInfo(NamedTuple):
    """A name of a file, and what is there.

    Attributes:
        path: the name.
        identity: what all names of one file have in common: its number on its device, or else its real name.
        status: what is there, or None.
        error: why nothing can be there, or None.
    """

    path: Path
    identity: Identity
    status: os.stat_result | None = None
    error: OSError | None = None


class PathIndex:
    """Finds what is there for many names, most of which share their directories."""

    def __init__(self) -> None:
        self._spelling = CanonicalNames()
        self._ignores_case: dict[str, bool] = {}

    def of(self, path: Path) -> list[PathInfo]:
        """The places of the files that make up the one called `path`."""
        return [self._look(part) for part in formats.parts(path)]

    def _look(self, path: Path) -> PathInfo:
        try:
            status = os.stat(path)  # noqa: PTH116 twice as fast where they are many
        except FileNotFoundError:
            return PathInfo(path, self._real_name(path))
        except OSError as error:
            return PathInfo(path, self._real_name(path), error=error)
        return PathInfo(path, (status.st_dev, status.st_ino), status)

    def _real_name(self, path: Path) -> Identity:
        if os.path.islink(path):  # noqa: PTH114 likewise
            path = Path(os.path.realpath(path))
        folder, name = self._spelling.of(path)
        if folder not in self._ignores_case:
            self._ignores_case[folder] = _ignores_case(folder)
        return folder, name.casefold() if self._ignores_case[folder] else name


class _Located(NamedTuple):
    """A job, and what is where it reads and writes.

    Attributes:
        job: the job.
        found: whether its input was looked for, and not named.
        inputs, outputs: what is there; no outputs where the job has failed.
    """

    job: Job
    found: bool
    inputs: list[PathInfo]
    outputs: list[PathInfo]


def resolve_conflicts(jobs: Sequence[tuple[Job, bool]], existing: Existing) -> list[Job]:
    """Refuse jobs that would harm each other, and find out which are left out.

    Where outputs are expected to exist, files that were only looked for are no inputs if they are somebody's outputs:
    the same command can be run again.

    Args:
        jobs: each with whether its input was looked for, and not named.
        existing: what is done where an output exists.

    Raises:
        RequestError: two inputs have the same output, or an output is an input.
        OutputError: an output exists, and is neither to be replaced nor left.
    """
    places = PathIndex()
    located = [_locate(job, found, places) for job, found in jobs]
    if existing in (Existing.SKIP, Existing.NEWER):
        made = {place.identity for item in located for place in item.outputs}
        located = [item for item in located if not (item.found and _is_made_of_another(item, made))]
    _refuse_collisions(located)
    return [_settled(item, existing) for item in located]


def _locate(job: Job, found: bool, places: PathIndex) -> _Located:
    inputs = places.of(job.input)
    if job.request.paired_image is not None:
        inputs += places.of(job.request.paired_image.path)
    return _Located(job, found, inputs, [] if job.error is not None else places.of(job.output))


def _is_made_of_another(item: _Located, made: set[Identity]) -> bool:
    own = {place.identity for place in item.outputs}
    return any(place.identity in made and place.identity not in own for place in item.inputs)


def _refuse_collisions(located: Iterable[_Located]) -> None:
    inputs = {place.identity: place.path for item in located for place in item.inputs}
    outputs: dict[Identity, Job] = {}
    for item in located:
        for place in item.outputs:
            clash = inputs.get(place.identity)
            if clash is not None:
                own = place.identity in [source.identity for source in item.inputs]
                what = "its input" if own else f"the input {printable(clash)}"
                remedy = "choose another --output" + ("" if own else ", or --exclude that input")
                raise RequestError(
                    f"the output of {printable(item.job.input)} is the same file as {what}; {remedy}", place.path
                )
            if outputs.setdefault(place.identity, item.job) is not item.job:
                both = f"{printable(outputs[place.identity].input)} and {printable(item.job.input)}"
                raise RequestError(f"would be written from both {both}; choose another --output", place.path)


def _settled(item: _Located, existing: Existing) -> Job:
    """The job, which may have failed or be left out because of what is where its output shall be."""
    there = [place for place in item.outputs if place.status is not None]
    for place in item.outputs:
        if problem := _obstacle(place):
            return item.job._replace(error=OutputError(problem, place.path))
    if there and existing is Existing.REFUSE:
        raise OutputError(
            "exists; --overwrite replaces it, --skip-existing leaves it, --newer replaces what is older than its input",
            there[0].path,
        )
    if there and existing is Existing.SKIP:
        return item.job._replace(skip="exists")
    if there and existing is Existing.NEWER and _is_up_to_date(item):
        return item.job._replace(skip="is newer than its input")
    return item.job


def _obstacle(place: PathInfo) -> str | None:
    """Why no file can be written there, nor replaced."""
    if place.error is not None:
        return f"cannot be written: {place.error.strerror}"
    if place.status is None or stat.S_ISREG(place.status.st_mode):
        return None
    if stat.S_ISDIR(place.status.st_mode):
        return "is a directory; end it with / to write into it"
    return "is not a regular file, and is left alone"


def _is_up_to_date(item: _Located) -> bool:
    """Whether all outputs are there, and none is older than an input: the rule of make."""
    if any(place.status is None for place in (*item.outputs, *item.inputs)):
        return False
    newest = max(place.status.st_mtime_ns for place in item.inputs if place.status is not None)
    return all(place.status.st_mtime_ns >= newest for place in item.outputs if place.status is not None)


def _ignores_case(folder: str) -> bool:
    """Whether names that differ in case alone are one to the file system, as that of the real `folder` shows."""
    parent, name = os.path.split(folder)
    try:
        return name != name.swapcase() and os.path.samestat(os.lstat(folder), os.lstat(f"{parent}/{name.swapcase()}"))
    except OSError:
        return False
