"""Completion by shells beyond what Click has: in fish, of words with commas and of descriptions with commas."""

from __future__ import annotations

from click.shell_completion import FishComplete, add_completion_class


@add_completion_class
class _Fish(FishComplete):
    """Splits what is suggested from its kind at the first comma only."""

    source_template = FishComplete.source_template.replace("string split ", "string split --max 1 ")
