"""Format the man page from the same texts as ``--help``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from .._version import __version__
from .help import ENVIRONMENT, EXAMPLES, EXIT_CODES, TEMPLATE_FIELDS, in_groups

_SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
_NAME = "resize images, TIFF stacks, NIfTI volumes and arrays by PyTorch's sampling rules"
_VARIABLES = (
    f"The variable {ENVIRONMENT}_ followed by an option's name in capitals, with _ for -, sets the option's default: "
    f"{ENVIRONMENT}_MODE, {ENVIRONMENT}_MAX_MEMORY, {ENVIRONMENT}_OVERWRITE=1. The command line takes precedence.",
    "NO_COLOR: if set, output has no colours.",
    "TMPDIR: directory of the temporary files that hold standard input and output.",
)


def man_page(context: click.Context) -> str:
    """The man page of the command of `context`, in roff with the macros of man(7)."""
    return "\n".join(_lines(context))


def _lines(context: click.Context) -> Iterator[str]:
    command = context.command
    yield f'.TH UPSAMPLE 1 "" "upsample {__version__}" "User Commands"'
    yield ".SH NAME"
    yield f"upsample \\- {_escaped(_NAME)}"
    yield ".SH SYNOPSIS"
    yield ".B upsample"
    yield _escaped(" ".join(command.collect_usage_pieces(context)))
    yield ".SH DESCRIPTION"
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    yield "\n.PP\n".join(_escaped(" ".join(paragraph.split())) for paragraph in paragraphs)
    yield ".SH OPTIONS"
    for group, parameters in in_groups(command, context).items():
        yield f".SS {_escaped(group)}"
        for parameter in parameters:
            yield from _definition(*(parameter.get_help_record(context) or ("", "")))
    yield ".SS Templates for \\-o"
    for field, meaning in TEMPLATE_FIELDS.items():
        yield from _definition(field, meaning)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from _definition(str(code), meaning)
    yield ".SH ENVIRONMENT"
    yield "\n.PP\n".join(map(_escaped, _VARIABLES))
    yield ".SH EXAMPLES"
    yield ".nf"
    yield from map(_escaped, EXAMPLES)
    yield ".fi"


def _definition(term: str, text: str) -> list[str]:
    return [".TP", f".B {_escaped(term)}", _escaped(text)]


def _escaped(text: str) -> str:
    """The text in ASCII, with all characters escaped that have a meaning in roff."""
    plain = "".join(_SPECIAL.get(c) or (c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text)
    return re.sub(r"(?m)^\.", r"\\&.", plain)
