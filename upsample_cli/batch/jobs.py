"""From inputs and options to jobs: all that is settled before the first file is touched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import OutputError, RequestError, UpsampleError
from ..request import Request
from .collisions import Existing, settle
from .inputs import Input, Selection, find_inputs
from .naming import DEFAULT_NAME, Template

if TYPE_CHECKING:
    from .pairs import Pair


class Job(NamedTuple):
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


class Batch(NamedTuple):
    """What is to be done.

    Attributes:
        jobs: in the order of the inputs.
        left_out: how many files in directories are of no known kind.
    """

    jobs: list[Job]
    left_out: int


def make_batch(
    selection: Selection,
    template: Template,
    request: Request,
    *,
    pairs: Sequence[Pair] = (),
    existing: Existing = "refuse",
) -> Batch:
    """Find the inputs, and a name for every output, before the first file is touched.

    A file whose output cannot be named or cannot be there is a job that has failed, and stops no other.

    Args:
        selection: what the user says of the inputs.
        template: how outputs are called.
        request: what is to be done to each input.
        pairs: how to find what belongs to an input, and is resized onto the same grid.
        existing: what is done where an output exists.

    Raises:
        RequestError: two inputs have the same output, or an output is an input, or the request makes no sense.
        OutputError: an output exists and shall be left, or its directory does not.
    """
    inputs = find_inputs(selection, template.folder)
    files = _with_requests(inputs.files, pairs, request)
    if len(files) > 1 and template.is_single:
        raise RequestError(
            f"--output {template.output}: {len(files)} inputs cannot become one file; give a directory that exists, "
            f"or a template such as 'out/{DEFAULT_NAME}'"
        )
    named = [(_named(file, wanted, template), file.found) for file, wanted in files]
    if template.output is not None:
        _refuse_missing_folders(template, [job for job, _ in named if job.error is None])
    jobs = settle(named, existing)
    for distinct in ({request.mode: request} | {wanted.mode: wanted for _, wanted in files}).values():
        _refuse_senseless(distinct)  # once, and not for every file
    return Batch(jobs, inputs.left_out)


def with_folders(jobs: Iterable[Job]) -> Iterator[Job]:
    """Make the directories of the outputs; jobs for which this is impossible have failed."""
    errors: dict[str, OutputError | None] = {}
    for job in jobs:
        folder = os.path.dirname(job.output)  # noqa: PTH120 paths are slow where they are many
        if job.skip is None and job.error is None and folder not in errors:
            errors[folder] = _make_folder(Path(folder))
        yield job._replace(error=job.error or errors.get(folder))


def _make_folder(folder: Path) -> OutputError | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return OutputError(f"the directory cannot be made: {error.strerror}", folder)
    return None


def _with_requests(files: Sequence[Input], pairs: Sequence[Pair], request: Request) -> list[tuple[Input, Request]]:
    if not pairs:
        return [(file, request) for file in files]
    from .pairs import with_pairs  # which few ask for

    return list(with_pairs(files, pairs, request))


def _refuse_senseless(request: Request) -> None:
    """Refuse what makes sense for no file."""
    from ..core.kernel import instruction_set  # which needs NumPy
    from ..plan import choose_mode

    choose_mode(request)
    try:
        instruction_set()
    except ValueError as error:
        raise RequestError(str(error)) from error


def _named(file: Input, request: Request, template: Template) -> Job:
    error: UpsampleError | None = file.error
    if error is None:
        try:
            return Job(file.path, template.name(file, request), request)
        except UpsampleError as failure:
            error = failure
    return Job(file.path, file.path, request, error=error)


def _refuse_missing_folders(template: Template, jobs: Iterable[Job]) -> None:
    """Refuse directories that do not exist, which may be misspelt; only the output directory itself is made.

    Raises:
        OutputError: one does not.
    """
    folders: Iterable[str] = {os.path.dirname(job.output): None for job in jobs}  # noqa: PTH120 likewise
    if template.makes_folders:
        folders = [os.path.dirname((template.folder or "").rstrip("/"))]  # noqa: PTH120 in which it is made
    for folder in folders:
        if not os.path.isdir(folder or "."):  # noqa: PTH112 a name may be too long
            raise OutputError("the directory does not exist; make it first", Path(folder))
