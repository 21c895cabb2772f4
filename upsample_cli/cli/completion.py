"""Fix Click's completion in fish for words and descriptions that contain commas."""

from __future__ import annotations

from click.shell_completion import FishComplete, add_completion_class


@add_completion_class
class _Fish(FishComplete):
    """Splits each completion at its first comma only."""

    source_template = FishComplete.source_template.replace("string split ", "string split --max 1 ")
