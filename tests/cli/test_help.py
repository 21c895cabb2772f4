"""Output of ``--help`` and ``--version``."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import upsample_cli
from tests.cli_helpers import refuse, run
from upsample_cli.cli.command import main
from upsample_cli.cli.help import EXAMPLES
from upsample_cli.core.instructions import describe

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


def test_version():
    assert run("--version").stdout == f"upsample, version {upsample_cli.__version__}\nkernel: {describe()}\n"


def test_a_kernel_that_is_not_there(folder):
    """It is asked for by the environment, which a process reads once."""
    env = {"UPSAMPLE_KERNEL": "abacus", "PYTHONPATH": str(Path(upsample_cli.__file__).parents[1])}
    for arguments, code in ((["x.npy", "--scale", "2"], 2), (["--version"], 0)):
        command = [sys.executable, "-m", "upsample_cli", *arguments]
        result = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False, cwd=folder)
        assert (result.returncode, result.stdout.count("\n")) == (code, 0 if code else 2)
        assert "UPSAMPLE_KERNEL=abacus: not available here; choose from " in result.stdout + result.stderr


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_has_its_options_under_headings(option):
    text = run(option).stdout
    headings = [
        "Size (one; repeat it for several results):",
        "Sampling:",
        "Inputs:",
        "Outputs:",
        "Running:",
        "Comparing:",
        "Messages:",
    ]
    headings += ["Examples:", "Exit codes:"]
    assert all(heading in text for heading in headings)
    order = [text.index(heading) for heading in headings]
    assert order == sorted(order)
    size, sampling = order[0], order[1]
    for target in ("--scale", "--size", "--spacing", "--fit", "--like"):
        assert size < text.index(f"  {target} ") < sampling
    assert max(map(len, text.splitlines())) <= 100


def test_help_explains_every_option():
    with click.Context(main) as context:
        for parameter in main.get_params(context):
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name
                assert parameter.opts[0] in run("--help").stdout


def test_every_example_of_the_help_is_a_valid_command(folder):
    for name in ("small", "out"):
        (folder / name).mkdir()
    lines = [line.strip() for line in run("--help").stdout.splitlines() if line.startswith("    upsample ")]
    assert len(lines) == len(EXAMPLES)
    for line in lines:
        refuse(*shlex.split(line.partition(" <")[0])[1:], code=3)  # nothing is wrong but that the files are not here
