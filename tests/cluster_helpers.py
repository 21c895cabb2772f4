"""A Dask cluster whose scheduler and workers are processes of their own, as they would be on other machines."""

from __future__ import annotations

import filecmp
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import distributed


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as p:
        try:
            yield p
        finally:
            p.kill()


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.file = folder / "scheduler.json"
        self._scratch, self._stack = folder / "scratch", stack
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--scheduler-file", str(self.file)]
        stack.enter_context(process("distributed.cli.dask_scheduler", *options))
        self.address = f"tcp://127.0.0.1:{port}"
        self.workers = [self.add() for _ in range(2)]
        self.client = stack.enter_context(distributed.Client(self.address, timeout=60))
        self.client.wait_for_workers(2, timeout=60)

    def add(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        options = ["--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(self._scratch)]
        return self._stack.enter_context(process("distributed.cli.dask_worker", self.address, *options))


def assert_same_files(one: Path, other: Path) -> None:
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names
