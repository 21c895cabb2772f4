"""`upsample_files`: the command's batches for Python programs and notebooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..batch.existing import Existing
from ..batch.inputs import Selection
from ..batch.job import ExecutionOptions
from ..batch.make import make_batch
from ..batch.naming import Template
from ..batch.result import Result
from ..batch.run import run_jobs
from .options import make_request

Name: TypeAlias = str | os.PathLike[str]
ExistingName: TypeAlias = Literal["refuse", "overwrite", "skip", "newer"]


def upsample_files(
    inputs: Name | Iterable[Name],
    output: Name | None = None,
    *,
    recursive: bool = False,
    existing: ExistingName = "refuse",
    jobs: int | None = None,
    dry_run: bool = False,
    progress: Callable[[Path, float], None] | None = None,
    cluster: Any = None,
    **options: Any,
) -> Generator[Result]:
    """Resize files in parallel as the command does, and yield the result of each as it ends.

    This function checks names, conflicts and options before it returns. Files are resized while the generator is
    consumed. A file that fails yields a result too; see its `Result.status` and `Result.error`. Closing the generator
    stops all jobs that are running.

    Args:
        inputs: files, patterns, and directories if `recursive`.
        output: a file, a directory, a template such as ``out/{stem}_{size}.png``, or None for names beside the inputs.
        recursive: whether to search directories, at any depth.
        existing: how existing outputs are treated: ``refuse``, ``overwrite``, ``skip``, or ``newer`` to replace those
            that are older than their input.
        jobs: number of files processed in parallel, or None for one per core.
        dry_run: whether to plan only.
        progress: is called with an input and the fraction of it that is done.
        cluster: a `distributed.Client` whose workers resize the files, or None for processes of this machine.
        options: the command's options for resizing: one of ``scale``, ``size``, ``width`` and ``height``, ``spacing``,
            ``isotropic``, ``fit``, ``cover`` and ``like``, and ``mode``, ``align_corners``, ``antialias``, ``axes``,
            ``max_memory`` in bytes and so on; see `Request`. Options with a number per axis take one number for all
            axes, a sequence in the order x, y, z (width first), or a mapping from axis names.

    Raises:
        UpsampleError: the options are invalid, two inputs have the same output, or an output exists.

    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("a", "b"):
    ...         np.save(f"{folder}/{name}.npy", np.zeros((4, 6)))
    ...     results = list(upsample_files(f"{folder}/*.npy", f"{folder}/large/", scale=2, jobs=1))
    >>> sorted((result.output.name, result.status, result.after.grid.shape) for result in results)
    [('a.npy', 'done', (8, 12)), ('b.npy', 'done', (8, 12))]
    """
    request, policy = make_request(options), Existing(existing)
    names = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    selection = Selection([os.fspath(name) for name in names], recursive=recursive)
    template = Template(None if output is None else os.fspath(output), several=selection.several)
    batch = make_batch(selection, template, [request], existing=policy)
    execution = ExecutionOptions(
        processes=jobs,
        max_memory=request.max_memory,
        existing=policy,
        dry_run=dry_run,
        progress=None if progress is None else lambda job, fraction: progress(job.input, fraction),
    )
    if cluster is None:
        return run_jobs(batch.jobs, execution)
    from ..runtime.cluster import DaskWorkers

    return run_jobs(batch.jobs, execution, DaskWorkers(cluster))


def resize_file(
    input: Name,
    output: Name | None = None,
    *,
    existing: ExistingName = "refuse",
    dry_run: bool = False,
    **options: Any,
) -> Result:
    """Resize one file as the command does.

    Args:
        input: the file.
        output: a file, a directory, a template such as ``{stem}_{size}{ext}``, or None for a name beside the input.
        existing: how an existing output is treated, as in `upsample_files`.
        dry_run: whether to plan only.
        options: as in `upsample_files`.

    Returns:
        The result: the file that was written, sizes before and after, and warnings.

    Raises:
        UpsampleError: the options are invalid, the input cannot be read, or the output cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/scan.npy", np.zeros((4, 6)))
    ...     result = resize_file(f"{folder}/scan.npy", f"{folder}/large.npy", scale=2)
    >>> result.before.grid.shape, result.after.grid.shape
    ((4, 6), (8, 12))
    """
    (result,) = upsample_files(input, output, existing=existing, dry_run=dry_run, **options)
    if result.error is not None:
        raise result.error
    return result
