"""Shell completion: checks the shell's request, and fixes Click's script for fish."""

from __future__ import annotations

import os
import sys

from click.shell_completion import FishComplete, add_completion_class

from ..text import printable
from .terminal import print_message

VARIABLE = "_UPSAMPLE_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@add_completion_class
class _Fish(FishComplete):
    """Splits each completion at its first comma only: words and descriptions may contain commas."""

    source_template = FishComplete.source_template.replace("string split ", "string split --max 1 ")


def check_variables() -> None:
    """End the program with a message if the environment variables for completion are invalid."""
    shell, _, task = os.environ[VARIABLE].partition("_")
    if shell not in _SHELLS or task not in ("source", "complete"):
        _refuse(f"{VARIABLE}={os.environ[VARIABLE]}: choose from {', '.join(f'{name}_source' for name in _SHELLS)}")
    position = os.environ.get("COMP_CWORD", "")
    if task == "complete" and ("COMP_WORDS" not in os.environ or not (shell == "fish" or position.isdecimal())):
        _refuse(f"{VARIABLE}={shell}_complete: needs COMP_WORDS and COMP_CWORD, as set by the {shell}_source script")


def _refuse(message: str) -> None:
    print_message(printable(f"Error: {message}"))
    sys.exit(2)
