"""How time grows: ``python tests/benchmarks/bench_scaling.py [--tables sizes threads factors]``.

sizes: from a thousand output elements to a thousand million, as far as the memory goes. threads: from one to twice the
number of cores. factors: from 0.1 to 16, antialiased where they shrink. A few hundred elements of every answer, the
corners among them, are checked against the definition of the mode first; then the peers run in turn. The tables show ns
per element of the larger grid.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
from collections.abc import Iterator

import numpy as np
from peers import as_array, set_threads
from timing import Measurement, machine, prepare
from work import Work

from upsample_cli.core.modes import find_mode
from upsample_cli.core.sampling import axis_map
from upsample_cli.verify.reference import reference_row

_TABLES = ("sizes", "threads", "factors")
_SAMPLED = 200  # output pixels
_PEERS = ("upsample", "torch", "torch via float32", "OpenCV", "allocate + fill")
_MEMORY_PER_BYTE = 3  # of input and output: a peer's answer may be a second array
_FACTORS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.1, 1.5, 2, 3, 4, 8, 16)
_LARGEST_GRID = {2: 2048, 3: 240}


def _enlarged(dtype: str, out_elements: int, ndim: int, channels: int = 1) -> Work:
    """A work of 2× with about so many output elements."""
    n = max(1, round((out_elements / channels) ** (1 / ndim) / 2))
    return _resized(dtype, (n,) * ndim, (2 * n,) * ndim, channels)


def _resized(dtype: str, shape: tuple[int, ...], size: tuple[int, ...], channels: int = 1) -> Work:
    power, factor = {2: "²", 3: "³"}[len(size)], size[0] / shape[0]
    name = f"{dtype}{' RGB' if channels == 3 else ''} {shape[0]}{power} → {size[0]}{power} ({factor:.2g}×)"
    return Work(name, shape if channels == 1 else (*shape, channels), size, dtype, antialias=size < shape)


def _of_all_sizes() -> Iterator[Work]:
    for dtype, ndim, channels in (("uint8", 2, 3), ("float32", 2, 1), ("float32", 3, 1)):
        for exponent in range(3, 10):
            yield _enlarged(dtype, 10**exponent, ndim, channels)


def _of_all_factors() -> Iterator[Work]:
    for dtype, ndim, channels in (("uint8", 2, 3), ("float32", 3, 1)):
        for factor in _FACTORS:
            n = int(_LARGEST_GRID[ndim] / max(factor, 1))
            if not (ndim == 3 and factor < 1):  # peers have no antialiasing of volumes
                yield _resized(dtype, (n,) * ndim, (int(n * factor),) * ndim, channels)


def _for_threads() -> Iterator[Work]:
    yield _enlarged("uint8", 12_000_000, 2, 3)
    yield _enlarged("float32", 16_777_216, 3)
    yield _resized("uint8", (2048, 2048), (512, 512), 3)


def _available() -> int:
    """Bytes of memory."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def verify(work: Work, x: np.ndarray, answer: np.ndarray) -> None:
    """Hold a few pixels against the definition of the mode.

    Raises:
        AssertionError: one of them is wrong.
    """
    mode = find_mode(work.mode).antialiased() if work.antialias else find_mode(work.mode)
    maps = [axis_map(n, m) for n, m in zip(work.shape, work.size, strict=False)]
    corners = itertools.product(*((0, m - 1) for m in work.size))
    for pixel in [*corners, *np.random.default_rng(1).integers(0, work.size, (_SAMPLED, len(work.size)))]:
        rows = [reference_row(mode, axis, int(dst)) for axis, dst in zip(maps, pixel, strict=True)]
        window = x[np.ix_(*(r.samples for r in rows))].astype(np.float64)
        for r in rows:
            window = np.tensordot(np.array(r.weights), window, (0, 0))
        off = np.abs(answer[tuple(pixel)] - window).max()
        assert off <= (0.5 + 1 / 32 if x.dtype.kind in "iu" else 1e-6), f"{work.name} is off by {off} at {pixel}"


def measure(work: Work, thread_counts: list[int], arguments: argparse.Namespace) -> dict[int, dict[str, float]]:
    x = work.input()
    runners = prepare(work, x, _PEERS)
    for count in thread_counts:
        set_threads(count)
        verify(work, x, as_array(runners["upsample"]()))
    return Measurement.of(arguments).in_turn(runners, thread_counts)


def _table(works: Iterator[Work], counts: list[int], arguments: argparse.Namespace) -> None:
    print("\n| work | threads | " + " | ".join(_PEERS) + " |", "|---" * (len(_PEERS) + 2) + "|", sep="\n")
    for work in works:
        if _MEMORY_PER_BYTE * work.bytes > _available():
            print(f"| {work.name} | | needs {_MEMORY_PER_BYTE * work.bytes / 1e9:.0f} GB of memory |")
            continue
        larger = max(work.elements, math.prod(work.shape))
        for threads, times in measure(work, counts, arguments).items():
            cells = [f"{times[peer] / larger * 1e9:.3f}" if peer in times else "" for peer in _PEERS]
            print(f"| {work.name} | {threads} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="How time grows with the size, the threads and the factor.")
    parser.add_argument("--tables", nargs="+", choices=_TABLES, default=_TABLES, help="only these")
    Measurement.add_options(parser)
    arguments = parser.parse_args()
    print(machine())
    cores = os.cpu_count() or 1
    if "sizes" in arguments.tables:
        _table(_of_all_sizes(), [1], arguments)
    if "threads" in arguments.tables:
        _table(_for_threads(), [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= 2 * cores], arguments)
    if "factors" in arguments.tables:
        _table(_of_all_factors(), [1], arguments)


if __name__ == "__main__":
    main()
