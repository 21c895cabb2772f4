"""`upsample_files`: the command's batches for Python programs and notebooks."""

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

_WHOLE_NUMBERS = ("size", "fit")
_PER_AXIS = ("scale", "spacing", *_WHOLE_NUMBERS)


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
    """Resize files in parallel as the command does, and yield the result of each as it ends.

    This function checks names, conflicts and options before it returns. Files are resized while the generator is
    consumed. A file that fails yields a result too; see its `Result.status` and `Result.error`. Closing the generator
    stops all jobs that are running.

    Worker processes are spawned if this process has threads, as in notebooks, and on systems other than Linux. A script
    then needs ``if __name__ == "__main__":`` around its code, as with `multiprocessing`.

    Args:
        inputs: files, patterns, and directories if `recursive`.
        output: a file, a directory, a template such as ``out/{stem}_{size}.png``, or None for names beside the inputs.
        recursive: whether to search directories, at any depth.
        existing: how existing outputs are treated: ``refuse``, ``overwrite``, ``skip``, or ``newer`` to replace those
            that are older than their input.
        jobs: number of files processed in parallel, or None for one per core.
        dry_run: whether to plan only.
        progress: is called with an input and the fraction of it that is done.
        options: the command's options for resizing: one of ``scale``, ``size``, ``spacing``, ``fit`` and ``like``, and
            ``mode``, ``align_corners``, ``antialias``, ``axes``, ``max_memory`` in bytes and so on; see
            `upsample_cli.request.Request`. Options with a number per axis take one number for all axes, a
            sequence in the order x, y, z (width first), or a mapping from axis names.

    Raises:
        UpsampleError: the options are invalid, two inputs have the same output, or an output exists.

    Example:
        >>> results = upsample_files("scans/*.nii.gz", "out/", spacing=1, existing="skip")  # doctest: +SKIP
        >>> failed = [result.input for result in results if result.error]  # doctest: +SKIP
    """
    request = Request(**{name: _as_option(name, value) for name, value in options.items()})
    names = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    policy = Existing(existing)
    selection = Selection([os.fspath(name) for name in names], recursive=recursive)
    batch = make_batch(
        selection,
        Template(None if output is None else os.fspath(output), several=selection.several),
        [request],
        existing=policy,
    )
    execution = ExecutionOptions(
        processes=jobs,
        max_memory=request.max_memory,
        existing=policy,
        dry_run=dry_run,
        progress=None if progress is None else lambda job, fraction: progress(job.input, fraction),
    )
    return run_jobs(batch.jobs, execution)


def _as_option(name: str, value: Any) -> Any:
    """Convert the value to the type that `Request` expects."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or name not in _PER_AXIS:
        return value
    if isinstance(value, Mapping):
        value = ",".join(f"{axis}={number}" for axis, number in value.items())
    elif not isinstance(value, str) and isinstance(value, Iterable):
        value = ",".join(map(str, value))
    return PerAxis.parse(str(value), name, whole=name in _WHOLE_NUMBERS)
