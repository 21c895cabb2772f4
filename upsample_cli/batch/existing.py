"""How existing outputs are treated."""

from __future__ import annotations

from enum import Enum


class Existing(Enum):
    """How existing outputs are treated. The values are those of the Python API.

    Attributes:
        replaces: whether existing outputs may be replaced.
    """

    REFUSE = "refuse"  # an error
    OVERWRITE = "overwrite"  # replace it
    SKIP = "skip"  # keep it, and skip the input
    NEWER = "newer"  # replace it if it is older than its input, as make does; else skip the input

    @property
    def replaces(self) -> bool:
        return self in (Existing.OVERWRITE, Existing.NEWER)
