"""Write the table of options in docs/options.md from the command's help: ``python -m tests.option_table``."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from upsample_cli.cli.command import main
from upsample_cli.cli.help import in_groups

PAGE = Path(__file__).parents[1] / "docs" / "options.md"
BEGIN = "<!-- The table of options, written by `python -m tests.option_table` -->\n"
END = "<!-- End of the table of options -->\n"
_CODE = re.compile(
    r"""
    (?<![^\s(\[/])  # at the beginning of a word
    (?:
        upsample\ .*  # a command
        | '[^'\s]+'  # a quoted pattern
        | --?[a-z][a-z-]*  # an option
        | -(?=\s)  # a standard stream
        | [A-Z]+=[A-Z]+:[A-Z]+  # a rule
        | \w*\{\w+\}\S*?  # a field of a template
        | \d+(?:x\d+)+ | [xyz]=[\d.:]*\d(?:,[xyz]=[\d.:]*\d)* | \w+(?:,\w+)+ | \d+[MG]  # sizes, by axis too; lists
        | [tczyxs]{3,}  # names of axes
        | \d<=x<=\d+ | x>=\d  # a range of values
        | \*
    )
    (?=[.,;:)\]]*(?:\s|$))  # at the end of a word
    """,
    re.VERBOSE,
)


def option_table() -> str:
    """All options under their headings, with the texts of ``--help``, as a table in Markdown."""
    return "\n".join(["| option | meaning |", "|---|---|", *_rows(), ""])


def current(page: str) -> str:
    """`page` with a table that is up to date."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{option_table()}\n{END}{after}"


def _rows() -> Iterator[str]:
    with click.Context(main, **main.context_settings) as context:
        for heading, options in in_groups(main, context).items():
            yield f"| **{heading}** | |"
            for option in options:
                names, text = option.get_help_record(context)
                yield f"| {_names(names)} | {_text(text)} |"


def _names(names: str) -> str:
    """Each name in code: `-o`, `--output PATH`."""
    return ", ".join(f"`{name}`" for name in re.split(r", (?=-)| / ", names))


def _text(text: str) -> str:
    """The text with examples, options and patterns in code; a `|` must not end the cell."""
    return _CODE.sub(lambda match: f"`{match[0]}`", " ".join(text.split())).replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
