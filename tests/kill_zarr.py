"""Kills runs that write Zarr at random moments, and counts: ``python -m tests.kill_zarr [--kills 30] [--cluster]``.

A run is started again until it is done, as a user would do; its output must never be there before it is complete, and
must then be that of an undisturbed run. With ``--cluster``, every other victim is a worker, which must cost nothing but
time.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

import numpy as np
import zarr

from tests.cluster_helpers import Cluster, assert_same_files


def start(folder: Path, output: str, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a run."""
    command = [sys.executable, "-m", "upsample_cli", "in.zarr", "--scale", "3", "-o", output, "-q", *options]
    return subprocess.Popen(command, cwd=folder)


def campaign(folder: Path, kills: int, random: Random, cluster: Cluster | None) -> None:
    """Kill `kills` processes, and print how many of each kind, and how many runs were completed."""
    array = zarr.create_array(str(folder / "in.zarr"), shape=(96,) * 3, chunks=(32,) * 3, dtype="u2")
    array[...] = np.random.default_rng(0).integers(0, 4000, array.shape).astype("u2")
    options = [] if cluster is None else ["--cluster", str(cluster.file)]
    started = time.monotonic()
    assert start(folder, "expected.zarr", options).wait() == 0
    seconds = time.monotonic() - started
    counts: Counter[str] = Counter()
    while counts["runs killed"] + counts["workers killed"] < kills:
        job = start(folder, "out.zarr", options)
        try:
            job.wait(random.uniform(0.2, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            if cluster is not None and random.random() < 0.5:
                victim = cluster.workers.pop(0)
                victim.kill()
                cluster.workers.append(cluster.add())
                counts["workers killed"] += 1
                assert job.wait(120) == 0
            else:
                job.kill()
                job.wait()
                counts["runs killed"] += 1
        if (folder / "out.zarr").exists():
            assert_same_files(folder / "out.zarr", folder / "expected.zarr")
            assert not list(folder.glob(".upsample-*"))
            shutil.rmtree(folder / "out.zarr")
            counts["runs completed"] += 1
        print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cluster", action="store_true", help="work on a cluster, and kill workers as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        cluster = Cluster(Path(name), stack) if options.cluster else None
        campaign(Path(name), options.kills, Random(options.seed), cluster)


if __name__ == "__main__":
    main()
