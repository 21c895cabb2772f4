"""The README tells the truth: its examples run, and it names every option, mode and exit code."""

import doctest
import re
from pathlib import Path

import click
import pytest

from tests.option_table import BEGIN, END, current
from upsample_cli import errors
from upsample_cli.cli.command import main
from upsample_cli.core.modes import MODES

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_examples_give_what_they_show():
    parser = doctest.DocTestParser()
    test = parser.get_doctest(README, {}, "README", "README.md", 0)
    results = doctest.DocTestRunner(verbose=False).run(test)
    assert results.attempted > 20
    assert results.failed == 0


def test_the_table_of_options_is_current():
    assert current(README) == README, "run `python -m tests.option_table`"


@pytest.mark.parametrize("option", [p for p in main.params if isinstance(p, click.Option)], ids=lambda p: p.name)
def test_every_option_has_a_row(option):
    table = README.split(BEGIN)[1].split(END)[0]
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
    section = README.split("\n## Modes\n")[1].split("\n## ")[0]
    assert f"`{mode}`" in section


def test_every_exit_code_is_explained():
    table = README.split("### Exit codes")[1].split("\n#")[0]
    explained = {int(number) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.M) for number in cell.split(", ")}
    kinds = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert explained == kinds | {0, 1, 5, 129, 130, 143}


def test_the_quick_start_has_two_lines_that_need_nothing_else():
    section = README.split("\n## Quick start\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)
    assert len(blocks) == 2
    assert all(block.count("\n") == 1 and block.startswith("python3 -m venv ") for block in blocks)


def test_every_picture_is_there():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert len(pictures) >= 3
    assert all((Path(__file__).parent.parent / picture).is_file() for picture in pictures)
