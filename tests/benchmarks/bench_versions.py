"""The kernel of two versions: ``python tests/benchmarks/bench_versions.py BEFORE AFTER [--only WORD]``.

BEFORE and AFTER are Python interpreters of virtual environments, each with one version of upsample installed. Every
work of `bench_kernel` runs in both in turn, on one thread, round after round; each round starts new processes, because
where arrays lie in memory changes the time. The answers of the first round are checked against float64. The table
shows the fastest run of each version in milliseconds, and the first version's time divided by the second's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_RUNS = 3  # of a work in a round, at least
_SECONDS = 0.1  # of a work in a round, at least


def serve(only: str, checks: bool) -> None:
    """For each line of standard input do the next work, and print its name and the seconds of its fastest run."""
    from bench_kernel import WORKS
    from peers import PEERS, set_threads
    from work import check

    set_threads(1)
    for _, work in zip(sys.stdin, (work for work in WORKS if only in work.name), strict=False):
        x = work.input()
        run = PEERS["upsample"](work, x)
        if checks:
            check(run(), work.truth(x))
        times: list[float] = []
        while len(times) < _RUNS or sum(times) < _SECONDS:
            start = time.process_time()
            answer = run()
            times.append(time.process_time() - start)
            del answer  # before the next run, which can then use its memory
        print(json.dumps([work.name, min(times)]), flush=True)
    print("null", flush=True)


@contextmanager
def server(python: str, options: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process of the interpreter that runs `serve`."""
    command = [python, str(Path(__file__).resolve()), "--serve", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def one_round(pythons: list[str], options: list[str]) -> Iterator[tuple[str, list[float]]]:
    """The name of each work, and its time in seconds for each interpreter."""
    with ExitStack() as stack:
        servers = [stack.enter_context(server(python, options)) for python in pythons]
        while answers := list(filter(None, map(_ask, servers))):  # one works while the other waits
            yield answers[0][0], [seconds for _, seconds in answers]


def _ask(server: subprocess.Popen[str]) -> tuple[str, float] | None:
    """The answer to one line; None if there are no more works."""
    assert server.stdin is not None, "it is a pipe"
    assert server.stdout is not None, "it is a pipe"
    server.stdin.write("\n")
    server.stdin.flush()
    name_and_seconds: tuple[str, float] | None = json.loads(server.stdout.readline())
    return name_and_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="The kernel of two versions.")
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="the interpreters: before, after")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only works whose name contains this")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.only, arguments.check)
        return
    if len(arguments.pythons) != 2:
        parser.error("give two interpreters: before, after")
    best: dict[str, list[float]] = {}
    for number in range(arguments.rounds):
        order = arguments.pythons if number % 2 == 0 else arguments.pythons[::-1]
        options = ["--only", arguments.only, *(["--check"] if number == 0 else [])]
        for name, seconds in one_round(order, options):
            in_order = seconds if number % 2 == 0 else seconds[::-1]
            best[name] = [min(pair) for pair in zip(best.get(name, in_order), in_order, strict=True)]
    print("| work | before, ms | after, ms | before / after |\n|---|---|---|---|")
    for name, (before, after) in best.items():
        print(f"| {name} | {before * 1e3:.2f} | {after * 1e3:.2f} | {before / after:.2f} |")


if __name__ == "__main__":
    main()
