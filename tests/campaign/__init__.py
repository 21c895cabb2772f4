"""A campaign of damaged files, bombs and kills against the command: `python -m tests.campaign`. No part of the suite.

Everything is made from a seed, so that what a run finds can be found again. The commands run in child processes, which
are bounded in memory and in time. What fails is kept in a folder, with the arguments to repeat it.
"""

import sys
from pathlib import Path

_root = Path(__file__).resolve().parents[2]
sys.path.sort(key=lambda entry: Path(entry).resolve() == _root)  # the installed package comes first, as in the tests
