"""What the benchmarks resize, and what is right: every answer is held against float64 before anything is timed."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the oracles; an installed package has precedence

from tests.oracles import reference
from tests.oracles.compare import assert_close, assert_rounded

_PEER_TOLERANCE = 1e-3  # of the largest magnitude, or levels beyond one: peers compute positions in float32


@dataclass(frozen=True, slots=True)
class Work:
    """One resize.

    Attributes:
        name: what the table calls it.
        shape: of the input; the axes beyond those in `size` are channels, last in memory.
        size: of the resized axes, the first ones.
        dtype: of the samples.
        mode: linear, cubic or nearest.
        antialias: whether the kernel is stretched where the work shrinks.
        gradient: whether the adjoint is what is timed, which takes an output to an input.
        asked: by the name of a peer, how many times as long as ours it is asked to take.
    """

    name: str
    shape: tuple[int, ...]
    size: tuple[int, ...]
    dtype: str
    mode: str = "linear"
    antialias: bool = False
    gradient: bool = False
    asked: dict[str, float] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[int, ...]:
        return self.shape[len(self.size) :]

    @property
    def out_shape(self) -> tuple[int, ...]:
        return (*self.size, *self.channels)

    @property
    def elements(self) -> int:
        """Samples of the larger grid: of what is made or, of a gradient, of what is read."""
        return math.prod(self.out_shape)

    @property
    def bytes(self) -> int:
        """Of the arrays that are read and written."""
        return (self.elements + math.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def input(self) -> np.ndarray:
        return self._noise(self.out_shape if self.gradient else self.shape)

    def _noise(self, shape: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng(0)
        if np.dtype(self.dtype).kind == "f":
            return rng.random(shape, self.dtype)
        limits = np.iinfo(self.dtype)
        return rng.integers(limits.min, limits.max, shape, self.dtype, endpoint=True)

    def truth(self, x: np.ndarray) -> np.ndarray:
        """The answer in float64, by one dense matrix per axis; of the nearest mode the samples themselves."""
        for axis, size in enumerate(self.size):
            n = self.shape[axis]
            if self.mode == "nearest":
                x = np.take(x, np.arange(size) * n // size, axis)
            else:
                matrix = self._matrix(n, size)
                x = np.moveaxis(np.tensordot(matrix.T if self.gradient else matrix, x, (1, axis)), 0, axis)
        return x

    def _matrix(self, n: int, m: int) -> np.ndarray:
        slope = -0.5 if self.antialias else -0.75
        kernel = reference.tent if self.mode == "linear" else lambda x: reference.keys(x, slope)
        sources = (np.arange(m) + 0.5) * (n / m) - 0.5
        stretch = max(1.0, n / m) if self.antialias else 1.0
        return reference.matrix(kernel, sources, n, stretch, repeats=not self.antialias)


def check(answer: np.ndarray, exact: np.ndarray) -> None:
    """Our own answer must be right.

    Raises:
        AssertionError: it is not.
    """
    if exact.dtype == answer.dtype and answer.dtype.kind in "iu":  # nearest
        np.testing.assert_array_equal(answer, exact)
    elif answer.dtype.kind in "iu":
        assert_rounded(answer, exact)
    else:
        assert_close(answer, exact)


def deviation(answer: np.ndarray, exact: np.ndarray) -> str:
    """How far a peer is off: "" where it does the same work, and what is to be said of it where not."""
    if answer.shape != exact.shape:
        return f"of the shape {answer.shape}"
    if answer.dtype.kind in "iu":
        limits = np.iinfo(answer.dtype)
        exact = np.clip(exact, limits.min, limits.max)
    error = np.abs(answer.astype(np.float64) - exact).max()
    if answer.dtype.kind in "iu" and exact.dtype.kind == "f":
        tolerance = 1 + _PEER_TOLERANCE
    else:
        tolerance = _PEER_TOLERANCE * float(np.abs(exact).max())
    return "" if error <= tolerance else f"off by up to {error:.3g}"
