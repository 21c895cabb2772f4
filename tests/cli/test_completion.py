"""Completion in real shells, set up as docs/options.md says: people type the beginning of a word and press Tab."""

import fcntl
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from upsample_cli.core.modes import MODES

PACKAGE = Path(__file__).parents[2]
PATIENCE = 20.0
COMMAND = f"""#!{sys.executable}
import sys
sys.argv[0] = "upsample"
from upsample_cli.__main__ import run
run()
"""
SETUP = {
    "bash": 'eval "$(_UPSAMPLE_COMPLETE=bash_source upsample)"',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(_UPSAMPLE_COMPLETE=zsh_source upsample)"',
}
SHELLS = {"bash": ["bash", "--noprofile", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}
COMPLETED = [  # what is typed, and what it becomes
    ("--skip", "--skip-existing"),
    ("--mode lanc", "--mode lanczos"),
    ("--compare nearest,lanc", "--compare nearest,lanczos"),
    ("--like only", "--like only_one.png"),
    ("-o fold", "-o folder/"),
    ("only", "only_one.png"),
]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="these are shells of POSIX")


@pytest.fixture
def shell_environment(tmp_path):
    """A directory of files, and the command on the path."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "upsample").write_text(COMMAND)
    (tmp_path / "bin" / "upsample").chmod(0o755)
    (tmp_path / "here" / "folder").mkdir(parents=True)
    (tmp_path / "here" / "only_one.png").touch()
    known = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(PACKAGE)}
    return os.environ | known | {"HOME": str(tmp_path), "TERM": "dumb", "PS1": "$ ", "HISTFILE": ""}


def need(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, shell, folder, environment):
        self._terminal, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self._process = subprocess.Popen(
            SHELLS[shell], cwd=folder, env=environment, start_new_session=True, preexec_fn=_take_terminal, **streams
        )
        os.close(theirs)

    def type(self, text, until):
        """Type `text`, and read until something is there."""
        os.write(self._terminal, text.encode())
        read, deadline = "", time.monotonic() + PATIENCE
        while until not in read.replace("\\r", ""):
            assert time.monotonic() < deadline, read
            if select.select([self._terminal], [], [], 0.1)[0]:
                read += os.read(self._terminal, 4096).decode(errors="replace")
        return read

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


def _take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("shell", SETUP)
def test_typing_into_a_shell(shell, shell_environment, tmp_path):
    need(shell)
    terminal = Terminal(shell, tmp_path / "here", shell_environment)
    try:
        terminal.type(f"{SETUP[shell]}; echo 'rea''dy'\n", until="ready")
        for typed, becomes in COMPLETED:
            terminal.type(f"upsample {typed}\t", until=f"upsample {becomes}")
            terminal.type("\x15", until="")  # which takes the line away
    finally:
        terminal.close()


def test_fish(shell_environment, tmp_path):
    need("fish")
    source = "_UPSAMPLE_COMPLETE=fish_source upsample | source"
    for typed, becomes in COMPLETED:
        found = subprocess.run(
            ["fish", "--no-config", "-c", f"{source}; complete -C 'upsample {typed}'"],
            cwd=tmp_path / "here",
            env=shell_environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        ).stdout
        assert found.split("\t")[0].strip() == becomes.split(" ")[-1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--mode ", MODES),
        ("--mode n", ("nearest", "nearest-exact")),
        ("--compare linear,c", ("linear,cubic",)),
        ("--ver", ("--verify", "--verbose", "--version")),
        ("--quality ", ()),
    ],
)
def test_what_is_suggested(shell_environment, words, expected):
    """As the scripts of all shells ask for it."""
    count = str(1 + words.count(" "))
    ask = {"_UPSAMPLE_COMPLETE": "bash_complete", "COMP_WORDS": f"upsample {words}", "COMP_CWORD": count}
    result = subprocess.run(["upsample"], env=shell_environment | ask, capture_output=True, text=True, check=True)
    assert tuple(line.split(",", 1)[1] for line in result.stdout.splitlines() if line) == tuple(expected)
