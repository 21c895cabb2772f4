"""What the kernel costs beside its peers and the memory: ``python tests/benchmarks/bench_kernel.py [--only WORD]``.

Every answer is checked against float64 arithmetic first. Then all peers run in turn, round after round, in this one
process, with one thread and with two. The tables show ns per output element (of a gradient, per element of what is
read) and, in brackets, how many times as long as ours a peer takes. "allocate + fill" writes as many bytes as the
output has to fresh memory, "copy" copies as many between memory at hand. Last stands what the kernel is asked to reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from peers import PEERS, set_threads
from timing import Measurement, machine, prepare, verify
from work import Work

_LIMIT = "allocate + fill"
_MEMORY_BOUND = 1.5  # times as long as to allocate and fill the output
_SPEEDUP = 1.8  # asked of two threads
_VOLUME, _PICTURE = (128,) * 3, (1024,) * 2


def _pictures() -> Iterator[Work]:
    for factor in (2.0, 1.5):
        for channels, name in ((1, "grey"), (3, "RGB"), (4, "RGBA")):
            asked = {"OpenCV": 1.8 if channels == 1 and factor == 2 else 1.5, "torch": 4.0, "Pillow": 8.0}
            shape = _PICTURE if channels == 1 else (*_PICTURE, channels)
            size = tuple(int(n * factor) for n in _PICTURE)
            yield Work(f"uint8 {name} bilinear {factor:g}×, 1024²", shape, size, "uint8", asked=asked)


_SHRINKING = {"torch": 1.3, "Pillow": 4.0}
WORKS = (
    Work(
        "float32 trilinear 2×, 128³",
        _VOLUME,
        (256,) * 3,
        "float32",
        asked={"torch": 6, "SimpleITK": 15, "scipy": 40, _LIMIT: 1.3},
    ),
    *(
        Work(f"{dtype} trilinear 2×, 128³", _VOLUME, (256,) * 3, dtype, asked={"torch via float32": 8})
        for dtype in ("int16", "uint8", "int32", "uint32")
    ),
    Work("float32 bilinear 2×, 1024²", _PICTURE, (2048,) * 2, "float32", asked={"OpenCV": 1, "torch": 3}),
    Work("float32 RGB bilinear 2×, 1024²", (*_PICTURE, 3), (2048,) * 2, "float32", asked={"OpenCV": 1, "torch": 3}),
    *_pictures(),
    Work("uint8 RGB antialiased 2048² → 512²", (2048, 2048, 3), (512,) * 2, "uint8", antialias=True, asked=_SHRINKING),
    Work("uint8 RGB antialiased 2048² → 700²", (2048, 2048, 3), (700,) * 2, "uint8", antialias=True, asked=_SHRINKING),
    Work(
        "uint8 RGB bicubic 2×, 1024²", (*_PICTURE, 3), (2048,) * 2, "uint8", "cubic", asked={"OpenCV": 1.3, "torch": 3}
    ),
    Work(
        "uint8 RGB nearest 2×, 1024²",
        (*_PICTURE, 3),
        (2048,) * 2,
        "uint8",
        "nearest",
        asked={"OpenCV": 1.2, "torch": 1.2},
    ),
    Work("float32 nearest 2×, 128³", _VOLUME, (256,) * 3, "float32", "nearest", asked={"torch": 1.2, _LIMIT: 1.15}),
    Work("gradient of float32 trilinear 2×, 128³", _VOLUME, (256,) * 3, "float32", gradient=True, asked={"torch": 5}),
)


def judged(work: Work, times: Mapping[str, float]) -> str:
    """What is asked of the work, and what was reached; of torch's layouts the faster counts."""
    parts = []
    for name, ratio in work.asked.items():
        rivals = [seconds for peer, seconds in times.items() if peer in (name, f"{name}, planar")]
        if not rivals:
            continue
        if name == _LIMIT:
            reached = times["upsample"] / min(rivals)
            parts.append(f"{name} ≤ {ratio:g}: {reached:.2f}{_mark(reached <= ratio)}")
        else:
            reached = min(rivals) / times["upsample"]
            parts.append(f"{name} ≥ {ratio:g}: {reached:.2f}{_mark(reached >= ratio)}")
    return "; ".join(parts)


def gained(one: Mapping[str, float], two: Mapping[str, float]) -> str:
    """How much faster two threads are."""
    speedup = one["upsample"] / two["upsample"]
    if two["upsample"] <= _MEMORY_BOUND * two[_LIMIT]:
        return f"{speedup:.2f} (memory-bound)"
    return f"≥ {_SPEEDUP}: {speedup:.2f}{_mark(speedup >= _SPEEDUP)}"


def _mark(reached: bool) -> str:
    return " ✓" if reached else " ✗"


def table(times: Mapping[str, Mapping[str, float]], last: Mapping[str, str]) -> str:
    """A table in Markdown; peers that did none of the works have no column."""
    columns = [peer for peer in PEERS if any(peer in row for row in times.values())]
    lines = ["| work | " + " | ".join(columns) + " | asked: reached |", "|---" * (len(columns) + 2) + "|"]
    elements = {work.name: work.elements for work in WORKS}
    for name, row in times.items():
        cells = []
        for peer in columns:
            if peer not in row:
                cells.append("")
                continue
            ratio = "" if peer == "upsample" else f" ({row[peer] / row['upsample']:.2f})"
            cells.append(f"{row[peer] / elements[name] * 1e9:.3f}{ratio}")
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {last[name]} |")
    return "\n".join(lines)


def measure(work: Work, arguments: argparse.Namespace) -> tuple[dict[int, dict[str, float]], list[str]]:
    """The times of all peers by the number of threads, and remarks about their answers."""
    x = work.input()
    runners = prepare(work, x, ["upsample", *arguments.peers, _LIMIT])
    set_threads(1)
    remarks = verify(work, x, runners)
    return Measurement.of(arguments).in_turn(runners, (1, 2) if arguments.clock == "wall" else (1,)), remarks


def main() -> None:
    parser = argparse.ArgumentParser(description="What the kernel costs beside its peers and the memory.")
    Measurement.add_options(parser)
    parser.add_argument("--only", default="", help="only works whose name contains this")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="only these beside upsample")
    arguments = parser.parse_args()
    print(machine(), flush=True)
    times: dict[int, dict[str, dict[str, float]]] = {1: {}, 2: {}}
    remarks = []
    for work in WORKS:
        if arguments.only not in work.name:
            continue
        measured, said = measure(work, arguments)
        remarks += said
        for threads, row in measured.items():
            times[threads][work.name] = row
    works = {work.name: work for work in WORKS}
    print("\nOne thread, ns per output element (times as long as upsample):\n")
    print(table(times[1], {name: judged(works[name], row) for name, row in times[1].items()}))
    if times[2]:
        print("\nTwo threads; last, how much faster they are than one:\n")
        print(table(times[2], {name: gained(times[1][name], row) for name, row in times[2].items()}))
    print("", *remarks, sep="\n")


if __name__ == "__main__":
    main()
