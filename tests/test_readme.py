"""The README tells the truth: its examples run, and it names every option, mode and exit code."""

import doctest
import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", [name for parameter in main.params for name in parameter.opts if name.startswith("-")])
def test_every_option_is_explained(name):
    assert f"`{name}" in README


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
