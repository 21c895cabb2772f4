"""What a cluster costs its client: ``python tests/benchmarks/bench_cluster.py [--regions 1000000]``.

An array without stored chunks is enlarged by workers that do nothing, so that what remains is the client's own: finding
the regions, handing them out, and the journal. The fill value is not zero, since regions of zeros would not be made.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zarr

from upsample_cli import __version__, upsample_files

_CHUNK = (128, 128, 64)  # of float32: one of the output is a region


class Done:
    """The future of a task that has ended."""

    status = "finished"

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        callback(self)

    def result(self) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing is held."""


class Client:
    """A client of workers that do nothing."""

    status = "running"
    tasks = 0

    def wait_for_workers(self, number: int, timeout: float) -> None:
        """They are there."""

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": {f"tcp://{number}": {} for number in range(100)}}

    def run(self, function: object, paths: list[str], workers: list[str], on_error: str) -> dict[str, Any]:
        return dict.fromkeys(workers, (__version__, []))

    def submit(self, *arguments: Any, **options: Any) -> Done:
        self.tasks += 1
        return Done()

    def cancel(self, futures: list[object], force: bool) -> None:
        """There is nothing to cancel."""


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=1_000_000)
    options = parser.parse_args()
    count = round(options.regions ** (1 / 3))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "in.zarr"
        shape = [count * edge // 2 for edge in _CHUNK]
        zarr.create_array(str(path), shape=shape, chunks=_CHUNK, dtype="f4", fill_value=0.1)
        client = Client()
        before, started = peak_megabytes(), time.process_time()
        [result] = upsample_files(path, Path(name) / "out.zarr", scale=2, cluster=client)
        seconds = time.process_time() - started
        assert result.error is None, result.error
    print(f"{count**3} regions in {client.tasks} tasks: {1e6 * seconds / count**3:.0f} µs per region, ", end="")
    print(f"{1e3 * seconds / client.tasks:.2f} ms per task, {peak_megabytes():.0f} MB ({before:.0f} MB before)")


if __name__ == "__main__":
    main()
