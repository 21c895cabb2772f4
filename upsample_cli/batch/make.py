"""Making a batch: from inputs and options to jobs, before the first file is touched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import OutputError, RequestError, UpsampleError
from ..resize.request import Request
from ..runtime.urls import is_url
from .conflicts import resolve_conflicts
from .existing import Existing
from .inputs import Input, Selection, find_inputs
from .job import Job
from .naming import DEFAULT_NAME, Template

if TYPE_CHECKING:
    from .pairs import Pair


class Batch(NamedTuple):
    """The jobs of a batch.

    Attributes:
        jobs: in the order of the inputs.
        ignored: number of files in searched directories whose type is unknown.
    """

    jobs: list[Job]
    ignored: int


def make_batch(
    selection: Selection,
    template: Template,
    request: Request,
    *,
    pairs: Sequence[Pair] = (),
    existing: Existing = Existing.REFUSE,
    create_folders: bool = True,
) -> Batch:
    """Find the inputs and name every output, before the first file is touched.

    A file whose output cannot be named or created becomes a failed job, and does not stop the others.

    Args:
        selection: which inputs.
        template: how outputs are named.
        request: how each input is resized.
        pairs: rules that find the companions of images, which are resized onto the same grid.
        existing: how existing outputs are treated.
        create_folders: whether to create the output directories if the template says that they are created.

    Raises:
        RequestError: two inputs have the same output, an output is an input, or the request is contradictory.
        OutputError: an output exists and must not be replaced, or its directory does not exist.
    """
    inputs = find_inputs(selection, template.folder)
    files = _with_requests(inputs.files, pairs, request)
    if len(files) > 1 and template.is_single:
        raise RequestError(
            f"--output {template.output}: {len(files)} inputs cannot be written to one file; give a directory that "
            f"exists, or a template such as 'out/{DEFAULT_NAME}'"
        )
    named = [(_named_job(file, wanted, template), file.found) for file, wanted in files]
    if template.output is not None:
        _refuse_missing_folders(template, [job for job, _ in named if job.error is None])
    jobs = resolve_conflicts(named, existing)
    for distinct in ({request.mode: request} | {wanted.mode: wanted for _, wanted in files}).values():
        _check_request(distinct)  # once for each mode, not for each file
    if create_folders and template.makes_folders:
        jobs = list(_with_folders(jobs))
    return Batch(jobs, inputs.ignored)


def _with_folders(jobs: Iterable[Job]) -> Iterator[Job]:
    """Create the directories of the outputs; jobs whose directory cannot be created fail."""
    errors: dict[str, OutputError | None] = {}
    for job in jobs:
        folder = os.path.dirname(job.output)  # noqa: PTH120 much faster than pathlib in large batches
        if job.skip is None and job.error is None and folder not in errors and not is_url(folder):
            errors[folder] = _create_folder(Path(folder))
        yield job._replace(error=job.error or errors.get(folder))


def _create_folder(folder: Path) -> OutputError | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return OutputError(f"the directory cannot be created: {error.strerror}", folder)
    return None


def _with_requests(files: Sequence[Input], pairs: Sequence[Pair], request: Request) -> list[tuple[Input, Request]]:
    if not pairs:
        return [(file, request) for file in files]
    from .pairs import with_pairs  # rarely needed

    return list(with_pairs(files, pairs, request))


def _check_request(request: Request) -> None:
    """Refuse a request that fits no file at all."""
    from ..core.kernel import instruction_set  # imports NumPy
    from ..resize.mode import choose_mode

    choose_mode(request)
    try:
        instruction_set()
    except ValueError as error:
        raise RequestError(str(error)) from error


def _named_job(file: Input, request: Request, template: Template) -> Job:
    error: UpsampleError | None = file.error
    if error is None:
        try:
            return Job(file.path, template.name(file, request), request)
        except UpsampleError as failure:
            error = failure
    return Job(file.path, file.path, request, error=error)


def _refuse_missing_folders(template: Template, jobs: Iterable[Job]) -> None:
    """Refuse directories that do not exist, since they may be misspelt; only the output directory itself is created.

    Raises:
        OutputError: a directory does not exist.
    """
    folders: Iterable[str] = {os.path.dirname(job.output): None for job in jobs}  # noqa: PTH120 as above
    if template.makes_folders:
        folders = [os.path.dirname((template.folder or "").rstrip("/"))]  # noqa: PTH120 the parent of a new directory
    for folder in folders:
        if not is_url(str(folder)) and not os.path.isdir(folder or "."):  # noqa: PTH112 pathlib raises if a name is too long
            raise OutputError("the directory does not exist; create it first", Path(folder))
