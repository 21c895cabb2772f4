"""Tests are for the installed package, with the kernel that was built for it, and not for the folder beside them."""

import importlib
import os
import signal
import sys
from pathlib import Path

import pytest

_root = Path(__file__).resolve().parents[1]
sys.path.sort(key=lambda entry: Path(entry).resolve() == _root)  # last, also for workers, which take the path over
importlib.import_module("upsample_cli")  # from here on every import of its modules finds this one
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script, which children would inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["PYTHONSAFEPATH"] = "1"  # so do the processes that tests start
pytest.register_assert_rewrite("tests.cli_helpers")  # so that its failed assertions show values
