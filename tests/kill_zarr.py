"""Disturbs runs that write Zarr at random moments, and counts: ``python -m tests.kill_zarr [--times N] [--only WORD]``.

- A client is killed, on threads and on a cluster: the same command goes on where it was.
- A worker of a cluster is killed: the run ends well.

These moments are spread over the progress of a run: a kill waits for a random share of the output's chunks. The table
tells what the journal held at the kills, and how many outputs hold chunks that an earlier run wrote.

- A disk is full (as root, who can mount a small one): the run ends with exit code 4, and goes on when there is space.
- Two clients have one output: one of them makes it, the other is refused or makes it anew.
- An object store fails: after errors that pass, the run ends well; after others it ends with an error, and goes on.

Whatever happens, an output is never there before it is complete, nothing unfinished stays beside it, and its files are
those of an undisturbed run. A run that breaks this ends the campaign.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import numpy as np
import zarr

from tests.cluster_helpers import Cluster, assert_same_files
from tests.formats.zarr.bucket import Bucket, StoreError, bucket_in_memory
from upsample_cli import upsample_files
from upsample_cli.runtime.urls import as_path

_OUTPUT_ERROR = 4
_SCALE = 3
_COMMAND = """
from upsample_cli.__main__ import run
from upsample_cli.pipeline import region_run, regions
region_run._TASK_BYTES = regions._REGION_BYTES = 1 << 20  # so that a small output has many regions and tasks
run()
"""
_STORE_ERRORS = (StoreError(503), StoreError(429), ConnectionResetError("reset by peer"), TimeoutError("no answer"))


class Campaign:
    """An input and its undisturbed output, and how long a run takes."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder, self.random, self.counts = folder, random, Counter[str]()
        self.seconds = 0.0
        self.chunks = 0
        self.killed_at = 0.0
        array = zarr.create_array(str(folder / "in.zarr"), shape=(96,) * 3, chunks=(32,) * 3, dtype="u2")
        array[...] = np.random.default_rng(0).integers(0, 4000, array.shape).astype("u2")
        assert self.start("expected.zarr").wait() == 0
        self.chunks = sum(1 for file in (folder / "expected.zarr" / "c").rglob("*") if file.is_file())

    def begin(self, options: Sequence[str]) -> None:
        """Measure an undisturbed run."""
        self.killed_at = 0.0
        started = time.monotonic()
        assert self.start("out.zarr", options).wait() == 0
        self.seconds = time.monotonic() - started
        assert self.is_done()
        self.counts.clear()

    def start(self, output: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a run."""
        arguments = ["in.zarr", "--scale", str(_SCALE), "-o", output, "-q", *options]
        command = [sys.executable, "-c", _COMMAND, *arguments]
        with (self.folder / "messages").open("wb") as messages:
            return subprocess.Popen(command, cwd=self.folder, stderr=messages)

    def wait_for_progress(self, job: subprocess.Popen[bytes]) -> bool:
        """Wait until a random share of the chunks has been written. False if the run ends before."""
        target = self.random.uniform(1, self.chunks)
        while job.poll() is None:
            if self._written() >= target:
                return True
            time.sleep(0.02)
        return False

    def _written(self) -> int:
        """The chunks of the unfinished output."""
        with contextlib.suppress(FileNotFoundError):  # it gets its final name
            for unfinished in self.folder.glob(".upsample-*.partial"):
                return sum(1 for file in (unfinished / "c").rglob("*") if file.is_file())
        return 0

    def _recorded(self) -> int:
        """The regions that the journal of the unfinished output calls complete."""
        for file in self.folder.glob(".upsample-*.partial/.upsample-progress.json"):
            record = json.loads(file.read_bytes())
            return sum(record["prefixes"].values()) + sum(map(len, record["behind"].values()))
        return 0

    def is_done(self, output: str = "out.zarr") -> bool:
        """Whether the output is there. It is compared, and removed."""
        path = self.folder / output
        if not path.exists():
            return False
        assert_same_files(path, self.folder / "expected.zarr")
        assert not list(path.parent.glob(".upsample-*"))
        if self.killed_at:
            times = [file.stat().st_mtime for file in (path / "c").rglob("*") if file.is_file()]
            self.counts["of them continued"] += min(times) < self.killed_at
        shutil.rmtree(path)
        self.counts["outputs complete"] += 1
        return True

    def client_killed(self, options: Sequence[str] = ()) -> None:
        """Kill a run, and let the next one go on."""
        job = self.start("out.zarr", options)
        if self.wait_for_progress(job):
            job.kill()
        self._assert_code(job, 0, -signal.SIGKILL)
        if not (self.folder / "out.zarr").exists():
            self.killed_at = time.time()
            self.counts["times"] += 1
            self.counts["times with complete regions in the journal"] += self._recorded() > 0
            self._assert_code(self.start("out.zarr", options), 0)
        assert self.is_done()
        self.killed_at = 0.0

    def _assert_code(self, job: subprocess.Popen[bytes], *expected: int) -> None:
        assert job.wait(120) in expected, (self.folder / "messages").read_text()

    def worker_killed(self, cluster: Cluster) -> None:
        """Kill a worker, which is replaced."""
        job = self.start("out.zarr", ["--cluster", str(cluster.file)])
        if self.wait_for_progress(job):
            self.counts["times with complete regions in the journal"] += self._recorded() > 0
            cluster.workers.pop(0).kill()
            cluster.workers.append(cluster.add())
            self.counts["times"] += 1
        self._assert_code(job, 0)
        assert self.is_done()

    def disk_full(self) -> None:
        """Write to a disk that is too small, and again when it has grown."""
        needed = sum(file.stat().st_size for file in (self.folder / "expected.zarr").rglob("*") if file.is_file())
        with small_disk(self.folder / "disk", int(self.random.uniform(0.1, 0.9) * needed)) as grow:
            assert self.start("disk/out.zarr").wait() == _OUTPUT_ERROR
            self.counts["times"] += 1
            assert not self.is_done("disk/out.zarr")
            grow(4 * needed)
            assert self.start("disk/out.zarr").wait() == 0
            assert self.is_done("disk/out.zarr")

    def two_clients(self) -> None:
        """Start a second client at a random moment."""
        first = self.start("out.zarr")
        time.sleep(self.random.uniform(0, 1) * self.seconds)
        second = self.start("out.zarr", ["--overwrite"])
        codes = first.wait(), second.wait()
        self.counts["times"] += 1
        self.counts["second client refused"] += codes[1] == _OUTPUT_ERROR
        assert set(codes) <= {0, _OUTPUT_ERROR}
        assert 0 in codes
        assert self.is_done()

    def store_fails(self, final: bool) -> None:
        """Let a store in memory fail at random requests, or for good from a random one on."""
        source, output = self.folder / "in.zarr", as_path("gs://bucket/out.zarr")
        left = self.random.randrange(1, 700)

        def busy(operation: str, path: str) -> None:
            if self.random.random() < 0.1:
                raise self.random.choice(_STORE_ERRORS)

        def refusing(operation: str, path: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise StoreError(403)

        with bucket_in_memory():
            with Bucket.failing(refusing if final else busy):
                [result] = upsample_files(source, output, scale=_SCALE)
            self.counts["times"] += 1
            if final and result.error is not None:
                self.counts["runs ended with an error"] += 1
                assert "zarr.json" not in {key.rpartition("/")[2] for key in Bucket.store if key.count("/") == 3}
                [result] = upsample_files(source, output, scale=_SCALE)
            assert result.error is None, result.error
            for key, file in Bucket.store.items():
                path = self.folder / "out.zarr" / key.removeprefix("/bucket/out.zarr/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.getvalue())
        assert self.is_done()


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[Callable[[int], None]]:
    """Mount a disk of `size` bytes in memory, and yield what changes its size."""

    def mount(option: str, size: int) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{option}size={size}", "none", path], check=True)

    path.mkdir(exist_ok=True)
    mount("", size)
    try:
        yield lambda size: mount("remount,", size)
    finally:
        subprocess.run(["umount", path], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name holds this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        campaign = Campaign(Path(name), Random(options.seed))
        kinds: dict[str, Callable[[], None]] = {
            "client killed": campaign.client_killed,
            "two clients": campaign.two_clients,
            "store fails for a while": lambda: campaign.store_fails(final=False),
            "store refuses": lambda: campaign.store_fails(final=True),
        }
        if os.geteuid() == 0:
            kinds["disk full"] = campaign.disk_full
        address: list[str] = []
        if options.only in "client of a cluster killed" or options.only in "worker killed":
            cluster = Cluster(Path(name), stack)
            address = ["--cluster", str(cluster.file)]
            kinds["client of a cluster killed"] = lambda: campaign.client_killed(address)
            kinds["worker killed"] = lambda: campaign.worker_killed(cluster)
        print("| what happened | counted |\n|---|---|")
        for kind, happen in kinds.items():
            if options.only in kind:
                campaign.begin(address if "cluster" in kind or "worker" in kind else [])
                while campaign.counts["times"] < options.times:
                    happen()
                counted = ", ".join(f"{count} {what}" for what, count in campaign.counts.items())
                print(f"| {kind} | {counted} |", flush=True)


if __name__ == "__main__":
    main()
