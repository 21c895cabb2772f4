"""The man page says what ``--help`` says, and nothing that roff does not understand."""

import re
import shutil
import subprocess

import click
import pytest

from tests.cli_helpers import run
from upsample_cli.cli.command import main
from upsample_cli.cli.help import EXAMPLES, EXIT_CODES


@pytest.fixture(scope="module")
def page():
    return run("--man").stdout


def plain(page):
    """The text of the page, as a reader of roff without any program sees it."""
    text = re.sub(r"(?m)^\.(TP|B|SH|SS|PP|nf|fi|TH)( |$)", "", page)
    codes = {r"\-": "-", r"\e": "\\", r"\(aq": "'", r"\(ga": "`", r"\(ti": "~", r"\(ha": "^", r"\(dq": '"', r"\&": ""}
    text = re.sub(r"\\\[u([0-9A-F]{4})\]", lambda match: chr(int(match[1], 16)), text)
    return re.sub(r"\\\(..|\\.", lambda match: codes[match[0]], text)


def test_it_explains_what_the_help_explains(page):
    text = plain(page)
    with click.Context(main) as context:
        for parameter in main.get_params(context):
            record = parameter.get_help_record(context)
            assert record is None or "\n".join(record) in text, record
    for example in EXAMPLES:
        assert example in text
    for code, meaning in EXIT_CODES.items():
        assert f"{code}\n{meaning}" in text
    assert "UPSAMPLE_MODE" in text


def test_it_is_ascii_in_the_order_of_man_pages(page):
    assert page.isascii()
    headings = re.findall(r"(?m)^\.SH (.*)", page)
    order = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES"]
    assert headings == order


def test_no_line_of_text_is_taken_for_a_request(page):
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".nf", ".fi"}


@pytest.mark.parametrize(
    "program", [["groff", "-man", "-Tutf8", "-ww", "-z"], ["mandoc", "-T", "lint", "-W", "warning"]]
)
def test_roff_has_nothing_to_say(page, program):
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    result = subprocess.run(program, input=page, capture_output=True, text=True, check=False, timeout=60)
    complaints = [line for line in result.stdout.splitlines() if "missing date" not in line]  # a version has none
    assert (complaints, result.stderr) == ([], "")


def test_man_shows_it(page, tmp_path):
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    (tmp_path / "upsample.1").write_text(page)
    result = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", tmp_path / "upsample.1"],
        env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stderr == ""
    assert "--scale F" in result.stdout
    assert "UPSAMPLE(1)" in result.stdout
