"""Asks a worker what it has and sees. It may lack this package, so the code of this module is sent to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Answer(NamedTuple):
    """What a worker has.

    Attributes:
        version: of this package, or None without it.
        missing: those of the paths that the worker does not see.
    """

    version: str | None
    missing: list[str]


def probe(paths: Sequence[str]) -> tuple[str | None, list[str]]:
    """The fields of an `Answer`, as plain types because the worker may not know the class."""
    try:
        from upsample_cli._version import __version__ as version
    except ImportError:
        return None, []
    return version, [path for path in paths if not Path(path).exists()]
