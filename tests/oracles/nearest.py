"""Which samples the nearest modes pick, for every pair of sizes: digests of PyTorch's answers, and of ours.

An answer is one index per output sample. The answers of all outputs ``m`` of one input size ``n`` share one digest, so
that a few kilobytes tell whether 256 × 600 pairs agree in every index.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STORE = Path(__file__).with_name("nearest_2_13.npz")
LARGEST_IN, LARGEST_OUT = 256, 600
SMALL = 128  # the sum of height and width up to which PyTorch takes its kernel for small pictures


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the axis at hand lies among other axes, each of which has one sample.

    Attributes:
        name: of the layout.
        ndim: number of spatial axes.
        axis: which of them is the one at hand.
        large: whether the other axis grows so much that the picture is no small one.
        largest: the largest output size.
    """

    name: str
    ndim: int
    axis: int
    large: bool = False
    largest: int = LARGEST_OUT

    def others(self, out_size: int) -> int:
        """Output samples of every other axis. A size that comes from a factor may be one less than `out_size`."""
        return max(1, SMALL + 2 - out_size) if self.large else 1

    def spread(self, here: float, others: float) -> list[float]:
        """One number per spatial axis."""
        return [here if axis == self.axis else others for axis in range(self.ndim)]


LAYOUTS = (
    Layout("1-D", 1, 0),
    Layout("2-D small, height", 2, 0, largest=SMALL - 1),
    Layout("2-D small, width", 2, 1, largest=SMALL - 1),
    Layout("2-D large, height", 2, 0, large=True),
    Layout("2-D large, width", 2, 1, large=True),
    Layout("3-D, depth", 3, 0),
    Layout("3-D, height", 3, 1),
    Layout("3-D, width", 3, 2),
)
MODES = ("nearest", "nearest-exact")
DTYPES = ("float32", "float64")
KINDS = ("size", "scale_factor")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of all pairs: a mode, a layout, a dtype, and by what the output size is given."""

    mode: str
    layout: Layout
    dtype: str
    kind: str

    @property
    def id(self) -> str:
        return f"{self.mode}, {self.layout.name}, {self.dtype}, {self.kind}"

    def pairs(self, in_size: int) -> Iterator[tuple[int, float | None]]:
        """The output sizes and, if it is given by a factor, the factor: m/n, whatever size that leads to."""
        for out_size in range(1, self.layout.largest + 1):
            factor = out_size / in_size
            if self.kind == "size":
                yield out_size, None
            elif in_size * factor >= 1:
                yield int(in_size * factor), factor


QUESTIONS = tuple(
    Question(mode, layout, dtype, kind) for mode in MODES for layout in LAYOUTS for dtype in DTYPES for kind in KINDS
)


def long_pairs(count: int = 300, longest: int = 100_000) -> list[tuple[int, int]]:
    """Random pairs of sizes, as many short as long ones, that never change (a Weyl sequence)."""
    turns = np.arange(1, count + 1)[:, None] * np.array([0.618033988749894848, 0.754877666246692760])
    return [(int(n), max(2, int(m))) for n, m in longest ** (turns % 1)]


def digest(indices: list[np.ndarray]) -> int:
    """A number that tells apart lists of index arrays, also those that differ only in where one array ends."""
    lengths = np.array([len(index) for index in indices], np.int32)
    return zlib.crc32(np.concatenate([lengths, *indices]).astype("<i4").tobytes())


def save(answers: dict[str, np.ndarray], **notes: str) -> None:
    """Write the digests, those that are equal once."""
    rows: dict[bytes, int] = {}
    numbers = [rows.setdefault(answer.astype("<u4").tobytes(), len(rows)) for answer in answers.values()]
    records = {f"row {number}": np.frombuffer(row, "<u4") for row, number in rows.items()}
    texts = {name: np.array(text) for name, text in notes.items()}
    np.savez_compressed(STORE, ids=np.array([*answers]), numbers=np.array(numbers), **records, **texts)


def load() -> dict[str, np.ndarray]:
    """The digests by the ids of the questions, and by those with ", long" for the long axes."""
    with np.load(STORE) as records:
        return {
            str(name): records[f"row {number}"] for name, number in zip(records["ids"], records["numbers"], strict=True)
        }
