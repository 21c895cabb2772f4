"""NumPy's own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.formats.examples.record import Example, samples
from upsample_cli.formats.base import ReadOptions

SHAPE = (2, 3, 5, 6, 7)
DTYPES = ("bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64", "complex128")


def stored(ndim: int, dtype: str = "float32", order: Any = "C") -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        array = samples(SHAPE[-ndim:], dtype)
        np.save(path, np.asarray(array, order=order))
        return array.astype(array.dtype.newbyteorder("="))

    return make


def named(axes: str, order: Any = "C") -> Example:
    return Example(
        f"npy-axes-{axes}-{order}", ".npy", stored(len(axes), order=order), axes, options=ReadOptions(axes=axes)
    )


EXAMPLES = (
    *(Example(f"npy-{ndim}-D", ".npy", stored(ndim), "tczyx"[-ndim:]) for ndim in range(1, 6)),
    *(Example(f"npy-fortran-{ndim}-D", ".npy", stored(ndim, order="F"), "tczyx"[-ndim:]) for ndim in range(2, 6)),
    *(Example(f"npy-{dtype}", ".npy", stored(2, dtype), "yx") for dtype in DTYPES),
    *(Example(f"npy-big-endian-{dtype}", ".npy", stored(3, dtype), "zyx") for dtype in (">u2", ">f4", ">f8", ">c16")),
    Example("npy-big-endian-fortran", ".npy", stored(3, ">i4", order="F"), "zyx"),
    *(named(axes) for axes in ("t", "yxs", "tzyx", "cyx", "zcyx", "xyz")),
    named("xyz", "F"),
)
