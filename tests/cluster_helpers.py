"""A Dask cluster whose scheduler and workers are processes of their own, as they would be on other machines."""

from __future__ import annotations

import filecmp
import multiprocessing
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.process import BaseProcess
from pathlib import Path

import distributed
from distributed.cli import dask_scheduler, dask_worker

from upsample_cli.pipeline import region_run


class Cluster:
    """A scheduler and workers, each a process of its own. They are forked from one that has imported what they need."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.file = folder / "scheduler.json"
        self._scratch, self._stack = folder / "scratch", stack
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context = multiprocessing.get_context(method)
        self._context.set_forkserver_preload(
            [dask_scheduler.__name__, dask_worker.__name__, region_run.__name__, "zarr"]
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--scheduler-file", str(self.file)]
        self._start(_scheduler, options)
        self.address = f"tcp://127.0.0.1:{port}"
        self.workers = [self.add() for _ in range(2)]
        self.client = stack.enter_context(distributed.Client(self.address, timeout=60))
        self.client.wait_for_workers(2, timeout=60)

    def add(self) -> BaseProcess:
        """Start a worker."""
        options = ["--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(self._scratch)]
        return self._start(_worker, [self.address, *options])

    def _start(self, target: Callable[[list[str]], None], options: list[str]) -> BaseProcess:
        process = self._context.Process(target=target, args=(options,), daemon=True)
        process.start()
        self._stack.callback(_end, process)
        return process


def _scheduler(options: list[str]) -> None:
    _silence()
    dask_scheduler.main(options)


def _worker(options: list[str]) -> None:
    _silence()
    dask_worker.main(options)


def _silence() -> None:
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)


def _end(process: BaseProcess) -> None:
    process.kill()
    process.join()


def assert_same_files(one: Path, other: Path) -> None:
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names
