"""Campaigns against the installed command: minutes long, seeded, and not part of the suite."""
