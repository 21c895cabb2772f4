"""The README is one page, and its quick start needs nothing else."""

import re

from tests.docs.pages import PAGES, README, blocks, commands, section, text_of

LONGEST_README = 12_000  # bytes


def test_it_is_one_page():
    assert README.stat().st_size < LONGEST_README


def test_the_quick_start_has_two_lines_that_need_nothing_else():
    found = blocks(section(text_of(README), "Quick start"), "sh")
    assert len(found) == 2
    assert all(block.count("\n") == 1 and block.startswith("python3 -m venv ") for block in found)


def test_it_shows_ten_commands_and_a_line_of_real_output():
    assert len(commands(section(text_of(README), "Ten commands"))) == 10
    assert any(printed for _, printed in commands(text_of(README)))


def test_it_links_to_every_page():
    linked = re.findall(r"\]\((docs/[^)#]+)", text_of(README))
    assert {f"docs/{page.name}" for page in PAGES if page.parent.name == "docs"} <= set(linked)
