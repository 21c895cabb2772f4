"""What every family of files offers to the pipeline: a `Source` to read from and a `Sink` to write to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..geometry import Grid

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a file without its samples.

    Attributes:
        grid: the axes of the array, slowest first, and where they lie in the world.
        dtype: of the samples as they are stored, byte order included.
        alpha: whether the last of the samples of a pixel is straight (not premultiplied) alpha.
        colours: the colour space of a pixel with several samples, such as ``RGB`` or ``CMYK``, where it is known.
        scaling: slope and intercept by which the stored numbers mean something, where a file says so.
        metadata: what only the same family of files understands, None where the header is of another.
    """

    grid: Grid
    dtype: np.dtype[Any]
    alpha: bool = False
    colours: str | None = None
    scaling: tuple[float, float] | None = None
    metadata: object = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is to be understood.

    Attributes:
        axes: names of the axes of a file that does not name them, slowest first, or None.
        keep_indices: whether palette indices and bits stay as they are, since no values in between are asked for.
    """

    axes: str | None = None
    keep_indices: bool = False


class Source(Protocol):
    """A file that is open for reading, as an array in C order.

    Attributes:
        header: made from the file's header alone.
        warnings: what of the file will not be carried over.
        copies: how many copies of all samples are held at a time; 0 where they are read in parts.
    """

    header: Header
    warnings: list[str]
    copies: float

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop`` of the array whose axes up to and including `axis` are merged into one.

        The ranges asked for in turn never go back, but may overlap.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Sink(Protocol):
    """A file that is going to be written; that it can hold the result has been made sure of.

    Attributes:
        warnings: what of the input the file cannot hold.
        copies: how many copies of all samples are held at a time; 0 where the slabs are written one by one.
        compresses: whether the file may be much smaller than its samples.
    """

    warnings: list[str]
    copies: float
    compresses: bool

    def write(self, paths: Sequence[Path], slabs: Iterable[Array]) -> None:
        """Write an array that comes in `slabs`, in C order, to `paths`, which stand for the `parts` of the output."""
        ...


class InMemory:
    """A source that holds its whole array once it has been asked for a part."""

    copies = 2.4  # the array and what the decoder made it from

    def __init__(self) -> None:
        self._array: Array | None = None

    def load(self) -> Array:
        """The whole array."""
        raise NotImplementedError

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        if self._array is None:
            self._array = self.load()
        return merged(self._array, axis)[start:stop]


def lost_scaling(header: Header) -> list[str]:
    """The warning of a sink that has no place for slope and intercept."""
    if header.scaling is None:
        return []
    slope, intercept = header.scaling
    return [f"the stored numbers mean {slope:g} times themselves plus {intercept:g}, which is not carried over"]


def merged(array: Array, axis: int) -> Array:
    """The array with its axes up to and including `axis` merged into one."""
    return array.reshape(-1, *array.shape[axis + 1 :])
