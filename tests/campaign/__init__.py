"""A campaign of damaged files, bombs and kills against the command: `python -m tests.campaign`. No part of the suite.

Everything is made from a seed, so that what a run finds can be found again. The commands run in child processes, which
are bounded in memory and in time. What fails is kept in a folder, with the arguments to repeat it.
"""
