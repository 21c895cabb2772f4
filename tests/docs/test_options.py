"""The pages name every option, mode and exit code."""

import re

import click
import pytest

from tests.docs.pages import OPTIONS, SEMANTICS, section, text_of
from tests.option_table import BEGIN, END, current
from upsample_cli import errors
from upsample_cli.cli.command import main
from upsample_cli.cli.help import TEMPLATE_FIELDS
from upsample_cli.core.modes import MODES


def test_the_table_of_options_is_current():
    page = text_of(OPTIONS)
    assert current(page) == page, "run `python -m tests.option_table`"


@pytest.mark.parametrize("option", [p for p in main.params if isinstance(p, click.Option)], ids=lambda p: p.name)
def test_every_option_has_a_row(option):
    table = text_of(OPTIONS).split(BEGIN)[1].split(END)[0]
    names = [*option.opts, *option.secondary_opts]
    if option.metavar:
        names[-1] += f" {option.metavar}"
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{names[0]}`")]
    cells = row.removeprefix("| ").split(" | ")
    assert cells[0] == ", ".join(f"`{name}`" for name in names)
    meaning = cells[1].replace("`", "").replace("\\|", "|")
    assert meaning.startswith(option.help)
    if option.show_default:
        assert f"[default: {option.default}]" in meaning


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_explained(mode):
    assert f"`{mode}`" in section(text_of(SEMANTICS), "Modes")


def test_every_field_of_a_template_is_explained():
    table = section(text_of(OPTIONS), "Output names").replace("`", "")
    assert all(f"| {field} | {meaning} |" in table for field, meaning in TEMPLATE_FIELDS.items())


def test_every_exit_code_is_explained():
    table = section(text_of(OPTIONS), "Exit codes")
    explained = {int(number) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.M) for number in cell.split(", ")}
    kinds = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert explained == kinds | {0, 1, 5, 129, 130, 143}
