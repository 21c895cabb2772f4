"""Runs the command on damaged files and bombs, and kills it: `python -m tests.campaign`. Not part of the suite.

All cases are generated from a seed, so that a failure can be reproduced. The commands run in child processes with
limited memory and time. Failing cases are saved in a folder, with the arguments to repeat them.
"""

import sys
from pathlib import Path

_root = Path(__file__).resolve().parents[2]
sys.path.sort(key=lambda entry: Path(entry).resolve() == _root)  # the installed package comes first, as in the tests
