"""Reads ``.npy`` files back with the header as parsed by NumPy."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from .model import Expected, ReadBack, stored_sample


def read_arrays(path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]:
    """The array of the file."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    file = stack.enter_context(path.open("rb"))
    shape, dtype, offset = array.shape, array.dtype, array.offset
    order = np.argsort(array.strides)[::-1] if array.flags.f_contiguous and array.ndim > 1 else range(array.ndim)
    stored = tuple(shape[axis] for axis in order)
    del array  # reading a sample from the memory map would map megabytes
    return [
        ReadBack(
            "?" * len(shape),
            shape,
            dtype,
            lambda index: stored_sample(file, dtype, offset, stored, [index[axis] for axis in order]),
        )
    ]
