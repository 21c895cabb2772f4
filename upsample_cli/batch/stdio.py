"""The standard input and output as files: formats need to go back and forth in them, and pipes cannot."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError, OutputError, RequestError

if TYPE_CHECKING:
    from .result import Result

STREAM = "-"  # what stands for them among names of files


class Streams(NamedTuple):
    """Names of files, some of which stand for streams.

    Attributes:
        inputs: names of the inputs.
        stdout: the name, without a suffix, of what becomes the standard output, or None where that is not the output.
        deliver: hands on the output of a result to the stream that it is meant for, and gives the result as the user
            shall see it.
    """

    inputs: Sequence[str]
    stdout: str | None = None
    deliver: Callable[[Result], Result] = lambda result: result


@contextmanager
def standard_streams(
    inputs: Sequence[str], output: str | None, suffix: str | None = None, dry_run: bool = False
) -> Iterator[Streams]:
    """Names of temporary files in place of the ``-`` among the `inputs`, or as `output`.

    Args:
        inputs: names of the inputs.
        output: what the user wants the outputs to be called.
        suffix: of the standard input, where its content does not tell.
        dry_run: whether nothing is going to be written.

    Raises:
        RequestError: a stream is a terminal.
        InputError: the standard input cannot be read.
    """
    if STREAM not in inputs and output != STREAM:
        yield Streams(inputs)
        return
    if STREAM in inputs and (output is None or "{parent}" in output):
        raise RequestError("-: the standard input lies in no directory; say by --output where its output goes")
    if output == STREAM and not dry_run and (sys.stdout is None or sys.stdout.isatty()):
        raise RequestError(
            "--output -: the standard output is a terminal or closed; redirect it to a file or a program"
        )
    from tempfile import TemporaryDirectory  # which few need

    with TemporaryDirectory(prefix="upsample-") as folder:
        if STREAM in inputs:
            received = _receive(Path(folder), suffix)
            inputs = [received if name == STREAM else name for name in inputs]
        stdout = f"{folder}/stdout" if output == STREAM else None
        yield Streams(inputs, stdout, lambda result: _deliver(result, Path(folder)))


def _receive(folder: Path, suffix: str | None) -> str:
    """Store the standard input in `folder`, under a name that tells its format."""
    from shutil import copyfileobj

    from ..formats.detect import suffix_for

    if sys.stdin is None or sys.stdin.isatty():
        raise RequestError("-: the standard input is a terminal or closed; redirect a file into it")
    path = folder / "stdin"
    try:
        with path.open("wb") as file:
            copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise InputError(f"-: the standard input cannot be stored in {folder.parent}: {error.strerror}") from error
    return str(path.rename(folder / f"stdin{suffix_for(path) or suffix or ''}"))


def _deliver(result: Result, folder: Path) -> Result:
    """Write what is done to the standard output, if it is meant for it."""
    stream = Path(STREAM)
    if result.output is not None and result.output.parent == folder:
        if result.status == "done":
            _send(result.output)
        result = result._replace(output=stream)
    if result.error is not None:
        result.error.args = tuple(str(part).replace(f"{folder}/", "") for part in result.error.args)
    return result._replace(input=stream) if result.input.parent == folder else result


def _send(path: Path) -> None:
    """Write the file at `path` to the standard output.

    Raises:
        OutputError: nobody takes it.
    """
    from shutil import copyfileobj

    try:
        with path.open("rb") as file:
            copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush has nowhere to go
        raise OutputError(f"the standard output cannot be written: {error.strerror}") from error
