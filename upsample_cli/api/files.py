"""The command's batches for programs and notebooks: files in, results out as they end."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..batch.existing import Existing
from ..batch.inputs import Selection
from ..batch.job import ExecutionOptions
from ..batch.make import make_batch
from ..batch.naming import Template
from ..batch.result import Result
from ..batch.run import run_jobs
from ..resize.request import PerAxis, Request

Name: TypeAlias = str | os.PathLike[str]
ExistingName: TypeAlias = Literal["refuse", "overwrite", "skip", "newer"]

_WHOLE = ("size", "fit")
_PER_AXIS = ("scale", "spacing", *_WHOLE)


def upsample_files(
    inputs: Name | Iterable[Name],
    output: Name | None = None,
    *,
    recursive: bool = False,
    existing: ExistingName = "refuse",
    jobs: int | None = None,
    dry_run: bool = False,
    progress: Callable[[Path, float], None] | None = None,
    **options: Any,
) -> Generator[Result]:
    """Resize files as the command does, several at a time, and give what becomes of each as it ends.

    Names, collisions and options are looked at before the first file is touched, and before this function returns;
    files are worked on while the results are asked for. A file that fails is a result like any other: look at its
    `Result.status` and `Result.error`. Close the generator, and what is at work is stopped.

    Where this process has threads, as in notebooks, and on other systems than Linux, the workers are new processes of
    Python: a script then needs ``if __name__ == "__main__":`` around what it does, as with `multiprocessing`.

    Args:
        inputs: files, patterns, and directories where `recursive`.
        output: a file, a directory, a template such as ``out/{stem}_{size}.png``, or None for names beside the inputs.
        recursive: whether files are looked for in directories, and in those within.
        existing: what is done where an output exists: ``refuse``, ``overwrite``, ``skip``, or ``newer`` to replace what
            is older than its input.
        jobs: how many files are resized at a time, or None for one per core.
        dry_run: whether to plan only.
        progress: is told the input and which part of it is done, now and then.
        options: those of the command that say how files are resized: one of ``scale``, ``size``, ``spacing``, ``fit``
            and ``like``, and ``mode``, ``align_corners``, ``antialias``, ``axes``, ``max_memory`` in bytes and so on;
            see `upsample_cli.request.Request`. What has a number for each axis takes one for all, a sequence in the
            order x, y, z (width first), or a mapping of names.

    Raises:
        UpsampleError: the options make no sense, two inputs have the same output, or an output exists.

    Example:
        >>> results = upsample_files("scans/*.nii.gz", "out/", spacing=1, existing="skip")  # doctest: +SKIP
        >>> failed = [result.input for result in results if result.error]  # doctest: +SKIP
    """
    request = Request(**{name: _as_option(name, value) for name, value in options.items()})
    names = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    policy = Existing(existing)
    batch = make_batch(
        Selection([os.fspath(name) for name in names], recursive=recursive),
        Template(None if output is None else os.fspath(output)),
        request,
        existing=policy,
        create_folders=not dry_run,
    )
    execution = ExecutionOptions(
        processes=jobs,
        max_memory=request.max_memory,
        existing=policy,
        dry_run=dry_run,
        progress=None if progress is None else lambda job, part: progress(job.input, part),
    )
    return run_jobs(batch.jobs, execution)


def _as_option(name: str, value: Any) -> Any:
    """The value as it would come from the command line."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or name not in _PER_AXIS:
        return value
    if isinstance(value, Mapping):
        value = ",".join(f"{axis}={number}" for axis, number in value.items())
    elif not isinstance(value, str) and isinstance(value, Iterable):
        value = ",".join(map(str, value))
    return PerAxis.parse(str(value), name, whole=name in _WHOLE)
