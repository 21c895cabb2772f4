"""How the benchmarks measure: all peers in turn, in one process, so that a busy machine is busy for all of them."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peers import LIMITS, MODULES, ONE_THREAD, PEERS, CannotError, Runner, as_array, set_threads
from work import Work, check, deviation

Statistic = Callable[[list[float]], float]
Clock = Callable[[], float]
STATISTICS: dict[str, Statistic] = {"median": statistics.median, "minimum": min}
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}  # the second stands still while others run
_ENOUGH_RUNS = 3


def prepare(work: Work, x: np.ndarray, names: Collection[str]) -> dict[str, Runner]:
    """The runners of those of the peers that are installed and can do the work."""
    runners = {}
    for name in names:
        try:
            runners[name] = PEERS[name](work, x)
        except (CannotError, ImportError):
            continue
    return runners


def verify(work: Work, x: np.ndarray, runners: Mapping[str, Runner]) -> list[str]:
    """Hold all answers against float64.

    Returns:
        What is to be said of peers that do something else.

    Raises:
        AssertionError: our own answer is not right.
    """
    exact = work.truth(x)
    check(as_array(runners["upsample"]()), exact)
    remarks = []
    for name, run in runners.items():
        if name != "upsample" and name not in LIMITS and (remark := deviation(as_array(run()), exact)):
            remarks.append(f"{work.name}: {name} is {remark}")
    return remarks


@dataclass(frozen=True, slots=True)
class Measurement:
    """How runners are timed.

    Attributes:
        rounds: how often each of them runs.
        seconds: that each may take in all, but for the first few runs.
        statistic: what is made of the times of one runner.
        clock: by which one thread is timed; several are timed by the one on the wall.
    """

    rounds: int
    seconds: float
    statistic: Statistic
    clock: Clock

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--rounds", type=int, default=51, help="runs of each peer at most")
        parser.add_argument("--seconds", type=float, default=1.0, help="time of each peer, after which it runs no more")
        parser.add_argument("--statistic", choices=STATISTICS, default="median", help="what is made of the times")
        parser.add_argument("--clock", choices=CLOCKS, default="wall", help="that of the processor for busy machines")

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Measurement:
        statistic, clock = STATISTICS[arguments.statistic], CLOCKS[arguments.clock]
        return cls(arguments.rounds, arguments.seconds, statistic, clock)

    def in_turn(
        self, runners: Mapping[str, Runner], thread_counts: Sequence[int] = (1,)
    ) -> dict[int, dict[str, float]]:
        """The time of each runner in seconds, by the number of threads and by their names.

        Peers that have one thread whatever one tells them run with one.
        """
        times: dict[int, dict[str, list[float]]] = {count: {} for count in thread_counts}
        for _ in range(self.rounds):
            for count in thread_counts:
                set_threads(count)
                clock = self.clock if count == 1 else time.perf_counter
                for name, run in runners.items():
                    if count > 1 and name in ONE_THREAD:
                        continue
                    own = times[count].setdefault(name, [])
                    if len(own) < _ENOUGH_RUNS or sum(own) < self.seconds:
                        own.append(_once(run, clock))
        return {
            count: {name: self.statistic(own) for name, own in of_count.items()} for count, of_count in times.items()
        }


def _once(run: Runner, clock: Clock) -> float:
    start = clock()
    answer = run()
    stop = clock()
    del answer  # to free its memory is nobody's work
    return stop - start


def machine() -> str:
    """The processor, the versions of all peers, and our kernel."""
    from upsample_cli.core import instructions

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = models[0] if models else cpu
    versions = [f"Python {platform.python_version()}", f"numpy {np.__version__}"]
    for module in MODULES:
        try:
            versions.append(f"{module} {importlib.import_module(module).__version__}")
        except ImportError:
            versions.append(f"{module} not installed")
    return f"{cpu}, {os.cpu_count()} CPUs; {', '.join(versions)}.\nupsample's kernel: {instructions.describe()}."
