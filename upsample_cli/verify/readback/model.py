"""Records that every reader of this package takes and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ...formats.base import Array, Header

LOSSY_ERROR = 0.04  # mean error of a lossy codec in flat regions, as a fraction of the sample range


class MismatchError(Exception):
    """An output differs from its plan; the message says in which respect."""


class Expected(NamedTuple):
    """Facts from the plan that a reader needs to interpret a file.

    Attributes:
        headers: the planned header of each image.
        pyramids: whether each image is followed by its smaller levels.
        keep_indices: see `ReadOptions`.
    """

    headers: Sequence[Header]
    pyramids: bool
    keep_indices: bool

    @property
    def array_counts(self) -> list[int]:
        """The number of arrays of each image: itself and its levels."""
        return [1 + (len(header.levels) if self.pyramids else 0) for header in self.headers]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """An array as a reader finds it in a file.

    Attributes:
        names: one letter per axis, slowest first; ``?`` where the file does not name the axis.
        shape: shape of the array.
        dtype: data type of its samples.
        sample: returns the sample at an index; None if the file stores other numbers that look the same.
            Indices of successive calls are in C order.
        spacing: by axis name, in millimetres or seconds, or without a unit; only of axes whose spacing is recorded.
        affines: voxel-to-world matrices by the name of their frame.
        precision: the relative precision with which the format stores spacings.
        lossy: tolerated mean error of the samples in flat regions, as a fraction of their range; 0 if they are exact.
    """

    names: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    sample: Callable[[tuple[int, ...]], Any] | None
    spacing: Mapping[str, float] = field(default_factory=dict)
    affines: Mapping[str, Array] = field(default_factory=dict)
    precision: float = 1e-5
    lossy: float = 0.0


def stored_sample(file: Any, dtype: np.dtype[Any], offset: int, shape: Sequence[int], index: Sequence[int]) -> Any:
    """Read one sample of a C-ordered array that begins at byte `offset` of an open file."""
    number = int(np.ravel_multi_index(tuple(index), tuple(shape)))
    file.seek(offset + number * dtype.itemsize)
    return np.frombuffer(file.read(dtype.itemsize), dtype)[0]
