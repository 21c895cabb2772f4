"""Takes the last name as the output, as `cp` does, if the meaning is clear; otherwise explains what to type."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable

from ..batch.inputs import SUFFIXES, is_pattern
from ..errors import RequestError
from .settings import Settings
from .terminal import print_message


def with_implied_output(settings: Settings) -> Settings:
    """The settings, where the second of two names is the output if it does not exist and has the suffix of a format.

    Raises:
        RequestError: the last of several names is probably meant as the output, or a name is probably a number.
    """
    _refuse_numbers(settings.inputs)
    *inputs, last = settings.inputs or ("",)
    if settings.output is not None or settings.files_from is not None or not inputs or is_pattern(last):
        return settings
    if any(not os.path.lexists(name) and not is_pattern(name) and name != "-" for name in inputs):
        return settings  # the inputs are missing as well, which their jobs report
    single = len(inputs) == 1 and not settings.recursive and not is_pattern(inputs[0])
    if os.path.isdir(last):  # noqa: PTH112 pathlib raises if a name is too long
        if settings.recursive or any(os.path.isdir(name) for name in inputs):  # noqa: PTH112
            return settings
        raise RequestError(f"{last} is a directory; to write into it: -o {_quoted(last)}; to resize its files: -r")
    if os.path.lexists(last) or last == "-":
        if single and last != "-" and not settings.quiet:
            print_message(f"{last} exists, so it is an input too; to write to it: -o {shlex.quote(last)} --overwrite")
        return settings
    if single and last.lower().endswith(SUFFIXES) and "{" not in last:
        return settings._replace(inputs=tuple(inputs), output=last)
    if last.endswith("/") or "." not in os.path.basename(last):  # noqa: PTH119
        raise RequestError(f"{last} does not exist; to write into this directory: -o {_quoted(last)}")
    if last.lower().endswith((*SUFFIXES, "{ext}")):
        raise RequestError(f"{last} does not exist; to write to {last}: -o {shlex.quote(last)}")
    return settings


def _refuse_numbers(names: Iterable[str]) -> None:
    """Refuse ``--size 640 480``, where the second number would be taken for a file."""
    for name in names:
        if re.fullmatch(r"\d+(\.\d+)?%?", name) and not os.path.lexists(name):
            raise RequestError(f"{name}: does not exist; write numbers for several axes together: 640x480 or 2,2,1")


def _quoted(folder: str) -> str:
    return shlex.quote(f"{folder.rstrip('/')}/")
