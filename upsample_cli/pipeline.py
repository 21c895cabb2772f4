"""Runs one plan: source → slabs → core → sink, into temporary files that take their final names when complete."""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from . import formats
from .ahead import ahead
from .errors import OutputError
from .plan import Plan
from .verify import verify


def run(plan: Plan, *, overwrite: bool = False) -> None:
    """Do what `plan` says, while its source is open.

    The output appears under its final name complete or not at all; what goes wrong leaves no file behind.

    Args:
        plan: the plan.
        overwrite: whether the output may replace what exists by the time that it is complete.

    Raises:
        InputError: the source cannot be read to its end.
        OutputError: the output cannot be written.
    """
    targets = formats.parts(_beyond_links(plan.output_path))
    token = secrets.token_hex(6)
    temporary = [target.with_name(f".upsample-{token}.tmp{formats.split_name(target)[1]}") for target in targets]
    published: list[Path] = []
    try:
        plan.sink.write(temporary, (ahead(resizing.results(plan.threads)) for resizing in plan.resizings))
        if plan.request.verify:
            verify(plan, temporary[0])
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


def _beyond_links(path: Path) -> Path:
    """The file that a symbolic link stands for, so that the link survives."""
    return path.resolve() if path.is_symlink() else path
