"""``--copy-others``: copies files of other types, such as BIDS sidecars, from searched directories to the outputs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import OutputError, RequestError, UpsampleError
from ..runtime.atomic import AtomicOutput
from .existing import Existing
from .naming import Template


class Copy(NamedTuple):
    """A file and the path it is copied to."""

    source: Path
    target: Path


def plan_copies(names: Sequence[str], roots: Sequence[str], template: Template, existing: Existing) -> list[Copy]:
    """The files to copy, each to the same relative path in the directory of the outputs.

    Args:
        names: the files; only regular ones are copied.
        roots: the directories that were searched.
        template: the names of the outputs.
        existing: what to do if the target exists.

    Raises:
        RequestError: no output directory is given.
        OutputError: a target exists and must not be replaced.
    """
    if template.folder is None:
        raise RequestError("--copy-others needs a directory for the outputs, such as -o out/")
    found = [Path(name) for name in names if Path(name).is_file()]
    copies = []
    for source in found:
        root = next(root for root in map(Path, roots) if source.is_relative_to(root))
        copies.append(Copy(source, Path(template.folder, source.relative_to(root))))
    return [copy for copy in copies if _is_wanted(copy, existing)]


def _is_wanted(copy: Copy, existing: Existing) -> bool:
    if not os.path.lexists(copy.target):
        return True
    if existing is Existing.REFUSE:
        raise OutputError("exists; --overwrite replaces it, --skip-existing keeps it", copy.target)
    is_older = copy.target.stat().st_mtime_ns < copy.source.stat().st_mtime_ns
    return existing is Existing.OVERWRITE or (existing is Existing.NEWER and is_older)


def copy_files(copies: Sequence[Copy], existing: Existing) -> Iterator[UpsampleError]:
    """Copy each file completely or not at all, and yield an error for each file that cannot be copied."""
    for source, target in copies:
        try:
            with AtomicOutput([target], create_folders=True) as output:
                shutil.copyfile(source, output.paths[0])
                shutil.copystat(source, output.paths[0])
                output.publish(existing.replaces)
        except OSError as error:
            yield OutputError(f"{source} cannot be copied to it: {error.strerror}", target)
        except UpsampleError as error:
            yield error
