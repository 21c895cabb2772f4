"""Parses ``--region``, the part of a file to compare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import RequestError
from ..geometry import Grid

_SYNTAX = "write X,Y,W,H in samples of the input, or x=10:60,y=0:50,z=12"


@dataclass(frozen=True)
class Region:
    """A box of samples of the input.

    Attributes:
        ranges: the samples along an axis by its name; axes that are not named are not restricted.
        text: the region as the user wrote it.
    """

    ranges: Mapping[str, range]
    text: str

    @classmethod
    def parse(cls, text: str) -> Region:
        """Parse ``X,Y,W,H``, or ranges and single samples by axis name.

        Raises:
            RequestError: the text has neither form, or the region is empty.
        """
        if re.fullmatch(r"\s*\d+(\s*,\s*\d+){3}\s*", text):
            x, y, width, height = (int(number) for number in text.split(","))
            ranges = {"x": range(x, x + width), "y": range(y, y + height)}
        else:
            ranges = {}
            for part in text.split(","):
                match = re.fullmatch(r"\s*([a-z])\s*=\s*(\d+)\s*(?::\s*(\d+)\s*)?", part)
                if match is None or match[1] in ranges:
                    raise RequestError(f"--region {text}: {part.strip()!r} is not a range along an axis; {_SYNTAX}")
                start = int(match[2])
                ranges[match[1]] = range(start, start + 1 if match[3] is None else int(match[3]))
        if not all(ranges.values()):
            raise RequestError(f"--region {text}: the region is empty; {_SYNTAX}")
        return cls(ranges, text)

    def check(self, grid: Grid, path: Path) -> None:
        """Check that the region is within the `grid` of the file at `path`.

        Raises:
            RequestError: an axis does not exist or is shorter than the region.
        """
        for name, samples in self.ranges.items():
            if name not in grid.names or name == "s":
                axes = ", ".join(grid.names)
                raise RequestError(f"--region {self.text}: no axis {name!r}; the axes are {axes}", path)
            if samples.stop > grid[name].size:
                raise RequestError(f"--region {self.text}: axis {name} has {grid[name].size} samples", path)
