"""What holds each work of `bench_kernel` back: ``python tests/benchmarks/bench_limits.py [--only WORD] [--count]``.

One thread's time per output element is parted into what the kernel takes on rows that lie in the cache (its
instructions), what it takes more on the whole arrays (the memory's bandwidth) and what the call takes more than the
kernel (fresh pages for the output, above all). ``--count`` adds the instructions per element, counted by valgrind,
which knows no AVX-512: they are those of AVX2.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_kernel import WORKS
from peers import PEERS
from timing import Measurement, machine
from work import Work

from upsample_cli.core import kernel
from upsample_cli.core.axis_plan import AxisTarget, max_taps, plan_axes
from upsample_cli.core.dtypes import numeric_codec
from upsample_cli.core.modes import find_mode

_IN_CACHE = 600_000  # bytes of input and output: they fit the second level of the processors of today
_REPEATS = 20  # so that the cache is filled by the first of them
_MIDDLE_ROWS = 16  # of a small volume
_COUNTER = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_ZERO_STATS; CALLGRIND_TOGGLE_COLLECT; }
void end(void) { CALLGRIND_TOGGLE_COLLECT; CALLGRIND_DUMP_STATS; }
"""


def small(work: Work) -> Work:
    """The same work on fewer rows of the same length, as many as fit the cache."""
    shape, size = list(work.shape), list(work.size)
    for axis in range(1, len(size) - 1):
        shape[axis], size[axis] = _MIDDLE_ROWS, _MIDDLE_ROWS * size[axis] // shape[axis]
    bytes_of_row = replace(work, shape=tuple(shape), size=tuple(size)).bytes / shape[0]
    rows = max(2, int(_IN_CACHE / bytes_of_row))
    return replace(work, shape=(rows, *shape[1:]), size=(rows * work.size[0] // work.shape[0], *size[1:]))


def kernel_runner(work: Work) -> Callable[[], None] | None:
    """The compiled kernel on arrays at hand; None where it does not do the work in one go."""
    mode = find_mode(work.mode).antialiased() if work.antialias else find_mode(work.mode)
    x = work.input()
    targets = [AxisTarget(size) for size in work.size]
    recipe = plan_axes(work.shape[: len(work.size)], targets, mode, False, x.dtype)
    bands = [*(step.matrix for step in recipe), *(None for _ in work.channels)]
    shape = work.out_shape
    if work.gradient:
        bands, shape = [matrix and matrix.transposed() for matrix in bands], work.shape
    out = np.ones(shape, x.dtype)
    done = kernel.prepare(x, bands, out, numeric_codec(x.dtype, max_taps(recipe)).compute_dtype)
    return done and (lambda: done.run(x, out, 0, done.rows))


def parts(work: Work, measurement: Measurement) -> tuple[float, float, float] | None:
    """Nanoseconds per element that the instructions, the bandwidth and the rest of the call take."""
    few = small(work)
    at_hand, cached = kernel_runner(work), kernel_runner(few)
    if at_hand is None or cached is None:
        return None
    runners = {
        "call": PEERS["upsample"](work, work.input()),
        "kernel": at_hand,
        "cached": lambda: [cached() for _ in range(_REPEATS)],
    }
    seconds = measurement.in_turn(runners)[1]
    call, whole = (seconds[name] / work.elements * 1e9 for name in ("call", "kernel"))
    instructions = seconds["cached"] / _REPEATS / few.elements * 1e9
    return instructions, max(0.0, whole - instructions), max(0.0, call - whole)


def count(works: list[Work]) -> dict[str, float]:
    """Instructions per element, from a process under valgrind."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "counter.c"), Path(folder, "counter.so")
        source.write_text(_COUNTER)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        valgrind = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={folder}/out"]
        child = [sys.executable, __file__, "--counted-by", str(library), "--names", *(work.name for work in works)]
        environment = {**os.environ, "UPSAMPLE_KERNEL": "avx2"}
        subprocess.run([*valgrind, *child], env=environment, check=True, capture_output=True)
        totals = [
            int(re.search(r"^totals: (\d+)", Path(folder, f"out.{n}").read_text(), re.MULTILINE)[1])
            for n in range(1, len(works) + 1)
        ]
    return {work.name: total / small(work).elements for work, total in zip(works, totals, strict=True)}


def run_counted(library: str, names: list[str]) -> None:
    """What `count` starts: each work once, between the calls that count."""
    counter = ctypes.CDLL(library)
    for work in WORKS:
        if work.name in names:
            run = kernel_runner(small(work))
            counter.begin()
            run()
            counter.end()


def main() -> None:
    parser = argparse.ArgumentParser(description="What holds the kernel back.")
    Measurement.add_options(parser)
    parser.add_argument("--only", default="", help="only works whose name contains this")
    parser.add_argument("--count", action="store_true", help="count instructions with valgrind")
    parser.add_argument("--counted-by", help=argparse.SUPPRESS)
    parser.add_argument("--names", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.counted_by:
        run_counted(arguments.counted_by, arguments.names)
        return
    print(machine(), end="\n\n")
    works = [work for work in WORKS if arguments.only in work.name]
    counts = count(works) if arguments.count else {}
    print("| work | instructions, ns | bandwidth, ns | fresh memory and call, ns | instructions per element (AVX2) |")
    print("|---" * 5 + "|")
    for work in works:
        shares = parts(work, Measurement.of(arguments))
        cells = [f"{share:.3f}" for share in shares] if shares else ["", "", ""]
        print(f"| {work.name} | " + " | ".join(cells) + f" | {counts.get(work.name, math.nan):.2f} |", flush=True)


if __name__ == "__main__":
    main()
