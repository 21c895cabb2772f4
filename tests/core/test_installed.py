"""The package that is tested is the one that was installed, and a kernel that was built is the one in use."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

from upsample_cli.core import instructions

NAMES = ["avx512", "avx2", "neon", "baseline", "numpy"]


def _was_built():
    try:
        files = importlib.metadata.files("upsample") or []
    except importlib.metadata.PackageNotFoundError:
        return False
    return any(file.name.startswith("_compiled") and file.suffix in (".so", ".pyd") for file in files)


@pytest.mark.skipif(not _was_built(), reason="the package was installed without a compiler")
def test_a_kernel_that_was_built_is_the_one_in_use():
    if os.environ.get("UPSAMPLE_KERNEL") == "numpy":
        assert instructions.instruction_set() is None
    else:
        assert instructions.instruction_set() in NAMES[:-1]
        assert instructions.describe() == f"compiled, {instructions.instruction_set()}"


def _run(wanted):
    program = "from upsample_cli.core import instructions; print(instructions.describe())"
    environment = {**os.environ, "UPSAMPLE_KERNEL": wanted}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_variable_forces_a_kernel_or_says_which_there_are(name):
    answer = _run(name)
    if answer.returncode == 0:
        assert answer.stdout == ("NumPy\n" if name == "numpy" else f"compiled, {name}\n")
    else:
        assert name != "numpy"
        assert f"UPSAMPLE_KERNEL={name}: not available here; choose from " in answer.stderr


def test_nonsense_is_refused():
    assert "UPSAMPLE_KERNEL=mmx: not available here; choose from " in _run("mmx").stderr
