"""What happens to an output that already exists."""

from __future__ import annotations

from enum import Enum


class Existing(Enum):
    """What happens to an output that already exists. The values are those of the Python API.

    Attributes:
        replaces: whether an existing output may be replaced.
    """

    REFUSE = "refuse"  # an error
    OVERWRITE = "overwrite"  # replace it
    SKIP = "skip"  # leave it, and leave out the input
    NEWER = "newer"  # replace it if it is older than its input, as make does; else leave it

    @property
    def replaces(self) -> bool:
        return self in (Existing.OVERWRITE, Existing.NEWER)
