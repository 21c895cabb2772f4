"""What is known of an example file before anything of ours has read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from upsample_cli.formats.base import ReadOptions


@dataclass(frozen=True, slots=True)
class Example:
    """A file and what it holds.

    Attributes:
        id: its name among the tests.
        suffix: of the file's name.
        make: writes the file, and gives the array that it holds, slowest axis first.
        axes: names of the axes of that array.
        spacing, unit: of the axes that have one.
        alpha: whether the last of the samples of a pixel is straight alpha.
        options: how the file is to be read.
        lossless: whether samples come back from the format as they went.
        frames: names of the affines.
    """

    id: str
    suffix: str
    make: Callable[[Path], np.ndarray]
    axes: str
    spacing: Mapping[str, float] = field(default_factory=dict)
    unit: Mapping[str, str] = field(default_factory=dict)
    alpha: bool = False
    options: ReadOptions = field(default_factory=ReadOptions)
    lossless: bool = True
    frames: frozenset[str] = frozenset()


def samples(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    """Noise over most of the range of an integer type, or between −1 and 1."""
    kind = np.dtype(dtype)
    random = np.random.default_rng(len(shape) * 100 + shape[-1])
    if kind.kind == "b":
        return random.random(shape) < 0.5
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, shape, kind.newbyteorder("="), endpoint=True).astype(kind)
    noise = random.uniform(-1, 1, shape)
    return (noise + 1j * noise[::-1] if kind.kind == "c" else noise).astype(kind)
