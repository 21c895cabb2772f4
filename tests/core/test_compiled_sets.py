"""The tests of `test_compiled`, which run with the best instruction set, with all others that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from upsample_cli.core import kernel

_AVAILABLE = kernel._compiled.sets() if kernel._compiled is not None else []
_OTHERS = [name for name in _AVAILABLE if name != kernel.instruction_set()]


@pytest.mark.parametrize("name", _OTHERS)
def test_other_instruction_sets_pass_them_too(name):
    tests = Path(__file__).with_name("test_compiled.py")
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", str(tests)]
    environment = {**os.environ, "UPSAMPLE_KERNEL": name}
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stdout + child.stderr
