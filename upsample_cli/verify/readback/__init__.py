"""Reads a finished output back for ``--verify``: one module per family, each with a reader that is not our own.

A family without such a module is read back by its own `Source`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from .model import Expected, ReadBack

_INDEPENDENT_READERS = ("npy", "picture", "tiff", "volume", "zarr")  # families with a module of that name here


class _Reader(Protocol):
    """The interface of a module of this package."""

    def read_arrays(self, path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]: ...


@contextmanager
def read_back(path: Path, family: str, expected: Expected) -> Iterator[list[ReadBack | None]]:
    """Open the file at `path` and yield its arrays in the order in which they were written.

    An array that the reader cannot access is None.

    Args:
        path: the file.
        family: the name of the module that wrote it.
        expected: how many arrays there are, and how to interpret samples that a format stores in several ways.
    """
    module = family if family in _INDEPENDENT_READERS else "own_source"
    reader = cast(_Reader, import_module(f".{module}", __name__))  # slow imports, of which a batch needs few
    with ExitStack() as stack:
        yield reader.read_arrays(path, expected, stack)
