"""All printing: lines on standard output and messages on standard error.

Names and contents of files may contain control characters, which must not reach the terminal, so everything printed
here is escaped.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from ..errors import OutputError
from ..text import printable


def write_out(text: str, bold: bool = False, colour: str | None = None) -> None:
    """Write lines to standard output.

    Raises:
        OutputError: it is closed, its reader has exited, or the disk is full.
    """
    if sys.stdout is None:
        raise OutputError("the standard output is closed")
    try:
        click.echo(_styled(text, bold=bold, fg=colour))
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that flushing the rest at exit succeeds
        raise OutputError(f"the standard output cannot be written: {error.strerror}") from error


def print_message(text: str, colour: str | None = None) -> None:
    """Write lines to standard error, in a colour if it is a terminal."""
    with suppress(OSError):  # a closed stderr does not stop the batch
        click.echo(_styled(text, fg=colour), err=True)


def _styled(text: str, **style: Any) -> str:
    """The escaped lines with a style, which `click.echo` removes if the output is not a terminal."""
    escaped = "\n".join(map(printable, text.split("\n")))
    return escaped if os.environ.get("NO_COLOR") or not any(style.values()) else click.style(escaped, **style)
