"""Runs the campaign and prints a table of cases and faults; the exit code is 1 if there are any faults."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.campaign import bombs, cases, kills

_ROOT = Path(__file__).resolve().parents[2]
_ADDRESS_SPACE = 6_000_000_000  # limit of a child, in bytes
_ANSWER_SECONDS = 120.0  # limit for a child's answer, long enough for a busy machine
_CASES_PER_CHILD = 400  # cases before a child is replaced, so that memory growth over many cases is not a fault
_SAVED_PER_FAULT = 5  # saved reproductions of each fault of each kind


class Tally:
    """Counts cases and faults by kind, and saves reproductions in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.tried: Counter[str] = Counter()
        self.failed: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, kind: str, faults: list[str], reproduce: Any = None, record: dict[str, Any] | None = None) -> None:
        """Count a case, and save it if it failed: `reproduce` makes its files in a folder."""
        with self._lock:
            self.tried[kind] += 1
            self.failed[kind].update(faults)
            number = sum(self.failed[kind].values())
            if faults and max(self.failed[kind][fault] for fault in faults) <= _SAVED_PER_FAULT:
                folder = self._folder / f"{kind.replace(' ', '_')}-{number}"
                folder.mkdir(parents=True, exist_ok=True)
                if reproduce is not None:
                    reproduce(folder)
                (folder / "record.json").write_text(json.dumps(record | {"faults": faults}, indent=1))

    def table(self) -> Iterator[str]:
        """The lines of the table."""
        yield f"{'kind':44} {'tried':>7} {'faults':>7}"
        for kind in sorted(self.tried):
            described = ", ".join(f"{count} {fault}" for fault, count in sorted(self.failed[kind].items()))
            yield f"{kind:44} {self.tried[kind]:7} {self.failed[kind].total():7}  {described}".rstrip()
        yield f"{'total':44} {self.tried.total():7} {sum(c.total() for c in self.failed.values()):7}"


class Child:
    """A process that runs cases, and is restarted when it ends."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._arguments = [sys.executable, "-m", "tests.campaign.child", str(seed), str(_ADDRESS_SPACE), str(folder)]
        self._process: subprocess.Popen[str] | None = None
        self._cases = 0

    def run(self, line: str) -> dict[str, Any]:
        """The answer of the process to a line, or a fault if it does not answer."""
        if self._process is None or self._cases >= _CASES_PER_CHILD:
            self.close()
            self._process = subprocess.Popen(
                self._arguments, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        process, self._cases = self._process, self._cases + 1
        process.stdin.write(line + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], _ANSWER_SECONDS)
        answer = process.stdout.readline() if ready else ""
        if answer:
            return json.loads(answer)
        process.kill()
        code = process.wait()
        self._process = None
        fault = "time" if not ready or code == -27 else f"ended by signal {-code}" if code < 0 else "the child exited"
        return {"faults": [fault]}

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
        self._process, self._cases = None, 0


def run_cases(kind: str, numbers: list[int], seed: int, jobs: int, tally: Tally) -> None:
    """Run numbered cases in `jobs` processes."""
    queue = iter(numbers)
    lock = threading.Lock()

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            child = Child(seed, Path(folder, "case"))
            while True:
                with lock:
                    number = next(queue, None)
                if number is None:
                    break
                record = child.run(f"{kind} {number}")
                case = getattr(cases, kind)(seed, number)
                record |= {"seed": seed, "number": number, "arguments": case.arguments, "how": case.how}
                tally.add(case.kind, record["faults"], case.make, record)
            child.close()

    workers = [threading.Thread(target=work) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main() -> int:
    """Run the cases that the options select."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="damaged files")
    parser.add_argument("--bombs", type=int, default=len(bombs.BOMBS), help="bombs")
    parser.add_argument("--stores", type=int, default=2000, help="damaged Zarr hierarchies")
    parser.add_argument("--tags", type=int, default=len(cases.TYPED_TAGS), help="TIFF tags with any type and count")
    parser.add_argument("--kills", type=int, default=200, help="runs that are killed")
    parser.add_argument("--memory", action="store_true", help="also print predicted and measured memory")
    parser.add_argument("--only", default="", help="regular expression for the names of the bombs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first damaged file and store")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="folder for reproductions; by default a temporary one")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="campaign-"))
    tally = Tally(folder)
    run_cases("damaged", list(range(given.first, given.first + given.files)), given.seed, given.jobs, tally)
    if importlib.util.find_spec("zarr") is not None:
        run_cases("store", list(range(given.first, given.first + given.stores)), given.seed, given.jobs, tally)
    numbers = sorted(Random(given.seed).sample(range(len(cases.TYPED_TAGS)), given.tags))
    run_cases("tag", numbers, given.seed, given.jobs, tally)
    chosen = [number for number, (name, *_) in enumerate(bombs.BOMBS[: given.bombs]) if re.search(given.only, name)]
    run_cases("bomb", chosen, given.seed, given.jobs, tally)
    kills.run(given.kills, given.seed, tally)
    print("\n".join(tally.table()))
    failed = any(tally.failed[kind].total() for kind in tally.tried)
    if failed:
        print(f"reproductions in {folder}")
    return max(int(failed), _memory_table() if given.memory else 0)


def _memory_table() -> int:
    """Print the table of memory if its module exists, and return its exit code."""
    if importlib.util.find_spec("tests.campaign.memory") is None:
        print("no table of memory")
        return 0
    return subprocess.run([sys.executable, "-m", "tests.campaign.memory"], cwd=_ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
