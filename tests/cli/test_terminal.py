"""What reaches the terminal: control characters of names and contents as escape sequences, and one line per error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.process_helpers import command, environment
from upsample_cli.batch.job import Job
from upsample_cli.batch.result import Result, Summary
from upsample_cli.cli import completion
from upsample_cli.cli.console import Console
from upsample_cli.cli.json_lines import json_line
from upsample_cli.cli.terminal import print_message, write_out
from upsample_cli.errors import InputError, InternalError, OutputError
from upsample_cli.geometry import Axis, Grid
from upsample_cli.pipeline.request import Request

EVIL = "a\x1b[31m\x9b2J\x07\u202eb\nError: c\r"
GRID = Grid((Axis("y" + EVIL, 3, 1.0, EVIL), Axis("x", 5, 1.0, "mm")))


def result(status, **fields):
    contents = Summary(GRID, EVIL, 1, EVIL)
    known = {"mode": EVIL, "before": contents, "after": contents, "warnings": (EVIL,)}
    return Result(Path(EVIL), Path(EVIL + ".png"), status, **known, **fields)


def error(kind, path):
    failure = kind(EVIL, path)
    if kind is InternalError:
        failure = InternalError.of(ValueError(EVIL), path)
    return failure


RESULTS = {
    "done": result("done"),
    "skipped": result("skipped", reason=EVIL),
    "planned": result("planned"),
    "failed": result("failed", error=error(InputError, Path(EVIL))),
    "bug": result("failed", error=error(InternalError, Path(EVIL))),
}


@pytest.mark.parametrize("options", [{}, {"verbose": True}, {"dry_run": True}, {"json": True}], ids=str)
@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("total", [1, 30])
def test_nothing_of_a_file_controls_the_terminal(capsys, kind, options, total):
    with Console(total, **options) as console:
        console.progress(Job(Path(EVIL), Path(EVIL), Request(scale=2)), 0.5)
        for number in range(total if kind in ("done", "failed") else 1):
            console.show(RESULTS[kind]._replace(number=number))
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert text
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    assert "\nError: c" not in text or (kind == "bug" and "verbose" in options)  # a traceback has lines


@pytest.mark.parametrize("kind", ["failed", "bug"])
def test_one_error_is_one_line(capsys, kind):
    with Console(1) as console:
        console.show(RESULTS[kind])
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_is_one_line_for_programs_too():
    assert str(InputError(EVIL, Path("a\nb"))).isprintable()
    assert str(InputError("größer als 5 µm → 3×4")) == "größer als 5 µm → 3×4"


def test_json_of_names_that_are_not_unicode():
    """The line is ASCII, and Python's own decoder gives the name back."""
    name = b"not \xff unicode.png"
    line = json_line(RESULTS["done"]._replace(input=Path(os.fsdecode(name))))
    assert line.isascii()
    assert os.fsencode(json.loads(line)["input"]) == name


def test_a_closed_stream(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    print_message("nobody hears it")
    with pytest.raises(OutputError, match="the standard output is closed"):
        write_out("somebody waits for it")


@pytest.mark.skipif(os.name != "posix", reason="files have numbers on POSIX")
def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    """Or else what is written to standard error would be written into the output."""
    np.save(tmp_path / "in.npy", np.zeros((3, 4), np.uint8))
    arguments = command("in.npy", "--scale", 2, "-o", "out.npy")
    closed = {"preexec_fn": lambda: os.closerange(0, 3)}
    assert subprocess.run(arguments, cwd=tmp_path, env=environment(), check=False, **closed).returncode == 0
    assert np.load(tmp_path / "out.npy").shape == (6, 8)
    assert (tmp_path / "out.npy").stat().st_size == 128 + 48


# --- variables of completion ---


@pytest.mark.parametrize(
    "variables",
    [
        {"_UPSAMPLE_COMPLETE": "garbage\x1b"},
        {"_UPSAMPLE_COMPLETE": "bash_garbage"},
        {"_UPSAMPLE_COMPLETE": "bash_complete"},
        {"_UPSAMPLE_COMPLETE": "zsh_complete", "COMP_WORDS": "upsample", "COMP_CWORD": "x"},
        {"_UPSAMPLE_COMPLETE": "fish_complete", "COMP_CWORD": "1"},
    ],
    ids=str,
)
def test_variables_that_make_no_sense(monkeypatch, capsys, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        completion.check_variables()
    assert end.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("Error: _UPSAMPLE_COMPLETE=")
    assert text.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    "variables",
    [
        {"_UPSAMPLE_COMPLETE": "zsh_source"},
        {"_UPSAMPLE_COMPLETE": "bash_complete", "COMP_WORDS": "upsample --s", "COMP_CWORD": "1"},
        {"_UPSAMPLE_COMPLETE": "fish_complete", "COMP_WORDS": "upsample --s", "COMP_CWORD": "--s"},
    ],
    ids=str,
)
def test_variables_of_shells(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    completion.check_variables()
