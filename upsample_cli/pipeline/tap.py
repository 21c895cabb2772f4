"""The interface of objects that see the samples while a file is resized."""

from __future__ import annotations

from typing import Protocol

from ..formats.base import Array


class SampleTap(Protocol):
    """Sees the samples of a file's first array while it is resized.

    Rows are those of the array whose axes up to and including `axis` are merged into one; `start` is the number of the
    first row.
    """

    def see_input(self, axis: int, start: int, rows: Array) -> None:
        """Called with everything that is read."""
        ...

    def see_output(self, axis: int, start: int, rows: Array) -> None:
        """Called with everything that is written."""
        ...
