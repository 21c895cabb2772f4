"""Making a batch: from inputs and options to jobs, before the first file is touched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .. import formats
from ..errors import InputError, RequestError, UpsampleError
from ..pipeline.request import Request
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
        ignored: files in searched directories whose type is unknown.
    """

    jobs: list[Job]
    ignored: list[str]


def make_batch(
    selection: Selection,
    template: Template,
    requests: Sequence[Request],
    *,
    pairs: Sequence[Pair] = (),
    existing: Existing = Existing.REFUSE,
) -> Batch:
    """Find the inputs and name every output, before the first file is touched.

    A file whose output cannot be named becomes a failed job, and does not stop the others.

    Args:
        selection: which inputs.
        template: how outputs are named.
        requests: how each input is resized, once for each request.
        pairs: rules that find the companions of images, which are resized onto the same grid.
        existing: how existing outputs are treated.

    Raises:
        RequestError: two results have the same output, an output is an input, a request is contradictory, or a pattern
            or a rule matches no input.
        OutputError: an output exists and must not be replaced.
    """
    inputs = find_inputs(selection, template.folder)
    if inputs.not_included is not None and not inputs.files:
        raise RequestError(_unmatched_patterns(selection.include, inputs.not_included))
    files = _with_requests(inputs.files, pairs, requests)
    count = len(files) // len(requests)
    if count > 1 and template.is_single:
        raise RequestError(
            f"--output {template.output}: {count} inputs cannot be written to one file; give a directory, such as "
            f"out/, or a template, such as 'out/{DEFAULT_NAME}'"
        )
    named = [(_named_job(file, wanted, template), file.found) for file, wanted in files]
    jobs = resolve_conflicts(named, existing)
    for distinct in ({request.mode: request for request in requests} | {r.mode: r for _, r in files}).values():
        _check_request(distinct)  # once for each mode, not for each file
    return Batch(jobs, inputs.ignored)


def _unmatched_patterns(patterns: Sequence[str], example: str) -> str:
    suffix = formats.split_name(Path(example))[1]
    shown = ", ".join(repr(pattern) for pattern in patterns)
    return f"--include: no input matches {shown}; '*{suffix}' would match {example}"


def _with_requests(
    files: Sequence[Input], pairs: Sequence[Pair], requests: Sequence[Request]
) -> list[tuple[Input, Request]]:
    """Each file with each of the requests in turn, and after every image its companions by any of `pairs`."""
    if not pairs:
        return [(file, request) for file in files for request in requests]
    from .pairs import refuse_unmatched, with_pairs  # rarely needed

    refuse_unmatched(files, pairs)
    paired = zip(*(with_pairs(files, pairs, request) for request in requests), strict=True)
    return [one for results_of_file in paired for one in results_of_file]


def _check_request(request: Request) -> None:
    """Refuse a request that fits no file at all."""
    from ..core.instructions import instruction_set  # loads the compiled kernel
    from ..pipeline.mode import choose_mode

    choose_mode(request)
    try:
        instruction_set()
    except ValueError as error:
        raise RequestError(str(error)) from error


def _named_job(file: Input, request: Request, template: Template) -> Job:
    error: UpsampleError | None = file.error
    image = request.paired_image
    if image is not None and not os.path.lexists(file.path):
        error = InputError(f"does not exist; --pair expects it as the companion of {image.path}", file.path)
    if error is None:
        try:
            return Job(file.path, template.name(file, request), request, subdir=file.subdir)
        except UpsampleError as failure:
            error = failure
    return Job(file.path, file.path, request, error=error, subdir=file.subdir)
