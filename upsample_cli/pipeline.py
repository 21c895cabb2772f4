"""Runs one plan: source → slabs → core → sink, into temporary files that take their final names when complete."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from . import formats
from .core.resample import resample
from .errors import OutputError
from .formats.base import Array, Source
from .plan import Plan


def run(plan: Plan, source: Source, *, overwrite: bool = False) -> None:
    """Do what `plan` says with `source`.

    The output appears under its final name complete or not at all; what goes wrong leaves no file behind.

    Args:
        plan: the plan.
        source: the open input.
        overwrite: whether the output may replace what exists by the time that it is complete.

    Raises:
        InputError: the source cannot be read to its end.
        OutputError: the output cannot be written.
    """
    targets = formats.parts(_beyond_links(plan.output_path))
    temporary = [target.with_name(f".upsample-{secrets.token_hex(6)}.tmp") for target in targets]
    published: list[Path] = []
    try:
        plan.sink.write(temporary, _results(plan, source))
        for path, target in zip(temporary, targets, strict=True):
            if overwrite and target.exists():
                shutil.copymode(target, path)
        for path, target in zip(temporary, targets, strict=True):
            _publish(path, target, overwrite)
            published.append(target)
    except FileExistsError as error:
        raise OutputError("has come into being meanwhile; --overwrite replaces it", plan.output_path) from error
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", plan.output_path) from error
    finally:
        half = published if len(published) < len(targets) and not overwrite else []
        for path in (*temporary, *half):
            with suppress(OSError):
                path.unlink()


def _publish(path: Path, target: Path, overwrite: bool) -> None:
    """Give a complete file its final name, in one step that nobody can come between."""
    if not overwrite:
        try:
            target.hardlink_to(path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if target.exists():
                raise FileExistsError(target) from None
        else:
            return
    path.replace(target)


def _results(plan: Plan, source: Source) -> Iterator[Array]:
    """The output, slab by slab."""
    axis = plan.slab_axis
    shape_before, shape_after = plan.before.grid.shape, plan.after.grid.shape
    bands = [step.bands if step is not None else None for step in plan.recipe]
    along, within = bands[axis], bands[axis + 1 :]
    for slab in plan.slabs():
        first, last = slab.leads[0] * shape_before[axis], slab.leads[-1] * shape_before[axis]
        rows = source.read(axis, first + slab.reads.start, last + slab.reads.stop)
        rows = rows.reshape(len(slab.leads), len(slab.reads), *shape_before[axis + 1 :])
        out = np.empty((len(slab.leads), len(slab.rows), *shape_after[axis + 1 :]), plan.after.dtype)
        part = along.rows(slab.rows.start, slab.rows.stop) if along is not None else None
        resample(rows, [None, part, *within], out, plan.rules)
        yield out


def _beyond_links(path: Path) -> Path:
    """The file that a symbolic link stands for, so that the link survives."""
    return path.resolve() if path.is_symlink() else path
