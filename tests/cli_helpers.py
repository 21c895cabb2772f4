"""Run the command through Click's runner, and inspect what it printed and wrote."""

import contextlib
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from upsample_cli.cli.command import main

NOBODY = 65_534  # the usual number of the user without rights
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
BYTES = re.compile(r"\d+(\.\d+)? (bytes|[kMGTPE]B)")
ONE_OF_EACH_FAMILY = ("icon.png", "stack_plain.tif", "stack_ome.ome.tif", "labels.nii.gz", "fmri.nii", "signal.npy")


def listing(folder):
    """Contents of a folder at any depth, hidden files included: the bytes of each file, the target of each link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


@contextlib.contextmanager
def not_as_root():
    """Drop root's rights for a while, so that permissions apply."""
    if not ROOT:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("root's rights cannot be dropped")
    try:
        yield
    finally:
        os.seteuid(0)


def invoke(*arguments):
    """Run the command in this process; the result has its exit code and output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    result.exception = result.exc_info = None  # their frames would keep files open until a later test
    return result


def run(*arguments, code=0):
    """Run the command, which must exit with `code`."""
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    return result


def refuse(*arguments, code, says=()):
    """Run a command that must fail: exit code `code`, one error line that contains `says`, and no change on disk."""
    before = listing(Path.cwd())
    result = run(*arguments, code=code)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.output
    assert "bug" not in result.output
    assert result.stdout == ""
    assert listing(Path.cwd()) == before
    for words in [says] if isinstance(says, str) else says:
        assert words in errors[0]
    return errors[0]


def size_of(path):
    """The size by an independent reader: width first for pictures and volumes, the array's shape for other files."""
    name = str(path).lower()
    if name.endswith((".nii", ".nii.gz", ".hdr", ".img")):
        return nib.load(path).shape
    if name.endswith((".tif", ".tiff")):
        return tifffile.imread(path).shape
    if name.endswith(".npy"):
        return np.load(path).shape
    with Image.open(path) as image:
        return image.size


def ramp(*shape, dtype="float32"):
    """An array of consecutive numbers."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def ignore_unclosed_files(test):
    """Decorate a test to ignore files that a refusal leaves open; another test checks that none is."""
    test = pytest.mark.usefixtures("collected")(test)
    test = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")(test)
    return pytest.mark.filterwarnings("ignore::ResourceWarning")(test)
