"""Standard input and output as temporary files, because formats need to seek and pipes cannot."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError, OutputError, RequestError, UpsampleError
from ..runtime.atomic import temporary_folder

if TYPE_CHECKING:
    from .result import Result

STREAM = "-"  # file name that means standard input or output


class StandardStreams(NamedTuple):
    """File names in place of the standard streams.

    Attributes:
        inputs: names of the inputs.
        stdout: name, without a suffix, of the file that is copied to standard output; None if that is not the output.
        finish: writes the output of a result to standard output if it goes there, and returns the result with ``-`` in
            place of temporary names.
    """

    inputs: Sequence[str]
    stdout: str | None = None
    finish: Callable[[Result], Result] = lambda result: result


@contextmanager
def standard_streams(
    inputs: Sequence[str], output: str | None, suffix: str | None = None, dry_run: bool = False
) -> Iterator[StandardStreams]:
    """Replace each ``-`` among the `inputs`, or as `output`, by the name of a temporary file.

    Args:
        inputs: names of the inputs.
        output: the value of ``--output``.
        suffix: suffix for standard input if its content does not identify the format.
        dry_run: whether nothing is written.

    Raises:
        RequestError: a stream is a terminal or closed.
        InputError: standard input cannot be read.
    """
    if STREAM not in inputs and output != STREAM:
        yield StandardStreams(inputs)
        return
    if STREAM in inputs and (output is None or "{parent}" in output):
        raise RequestError("-: standard input has no directory; name the output with --output")
    if output == STREAM and not dry_run and (sys.stdout is None or sys.stdout.isatty()):
        raise RequestError("--output -: standard output is a terminal or closed; redirect it to a file or a program")
    with temporary_folder() as folder:
        if STREAM in inputs:
            spooled = _spool_stdin(folder, suffix)
            inputs = [spooled if name == STREAM else name for name in inputs]
        stdout = f"{folder}/stdout" if output == STREAM else None
        yield StandardStreams(inputs, stdout, lambda result: _finish(result, folder))


def _spool_stdin(folder: Path, suffix: str | None) -> str:
    """Copy standard input to a file in `folder` whose suffix matches its format, and return its name."""
    from shutil import copyfileobj

    from ..formats.detect import suffix_for

    if sys.stdin is None or sys.stdin.isatty():
        raise RequestError("-: standard input is a terminal or closed; redirect a file into it")
    path = folder / "stdin"
    try:
        with path.open("wb") as file:
            copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise InputError(f"-: standard input cannot be stored in {folder.parent}: {error.strerror}") from error
    return str(path.rename(folder / f"stdin{suffix_for(path) or suffix or ''}"))


def _finish(result: Result, folder: Path) -> Result:
    stream = Path(STREAM)
    if result.output is not None and result.output.parent == folder:
        if result.status == "done":
            _write_stdout(result.output)
        result = result._replace(output=stream)
    if result.input.parent == folder:
        result = result._replace(input=stream)
    return result if result.error is None else result._replace(error=_without_folder(result.error, folder))


def _without_folder(error: UpsampleError, folder: Path) -> UpsampleError:
    """A copy of the error whose text does not mention the temporary `folder`."""
    from copy import copy  # rarely needed

    renamed = copy(error)
    renamed.args = (str(error).replace(f"{folder}/", ""),)
    return renamed


def _write_stdout(path: Path) -> None:
    """Copy the file at `path` to standard output.

    Raises:
        OutputError: standard output cannot be written, for example because its reader has ended.
    """
    from shutil import copyfileobj

    try:
        with path.open("rb") as file:
            copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that flushing the rest at exit succeeds
        raise OutputError(f"the standard output cannot be written: {error.strerror}") from error
