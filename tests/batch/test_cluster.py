"""Batches and regions on a Dask cluster: the same as on one machine, whatever becomes of the workers."""

from __future__ import annotations

import filecmp
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from upsample_cli import __version__
from upsample_cli.errors import RequestError
from upsample_cli.runtime.cluster import DaskWorkers
from upsample_cli.runtime.cluster_probe import probe

pytest.importorskip("distributed")
zarr = pytest.importorskip("zarr")

COMMAND = [sys.executable, "-m", "upsample_cli"]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=240)


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as p:
        try:
            yield p
        finally:
            p.kill()


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]], Callable[[], None]]]:
    """A scheduler and workers, each a process of its own: the scheduler's file, the workers, and what adds one."""
    file = folder / "scheduler.json"
    with socket.socket() as free, ExitStack() as stack:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--scheduler-file", str(file)]
        stack.enter_context(process("distributed.cli.dask_scheduler", *options))
        running: list[subprocess.Popen[bytes]] = []

        def add() -> None:
            worker = ["distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-nanny", "--no-dashboard"]
            scratch = ["--nthreads", "1", "--local-directory", str(folder / "scratch")]
            running.append(stack.enter_context(process(*worker, *scratch)))

        while not file.exists():
            time.sleep(0.1)
        for _ in range(workers):
            add()
        yield str(file), running, add


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "in.zarr"
    data = np.random.default_rng(0).integers(0, 4000, (60, 70, 80)).astype("u2")
    zarr.create_array(str(path), shape=data.shape, chunks=(16,) * 3, shards=(32,) * 3, dtype="u2")[...] = data
    return path


def assert_same_files(one: Path, other: Path) -> None:
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


def test_regions_and_files_are_those_of_one_machine(volume: Path) -> None:
    folder = volume.parent
    (folder / "files").mkdir()
    for number in range(20):
        np.save(folder / f"files/{number}.npy", np.full((5, 6), number, "f4"))
    (folder / "files/bad.npy").write_bytes(b"no array")
    assert run(folder, "in.zarr", "--scale", "2.3", "-o", "expected.zarr").returncode == 0
    assert run(folder, "files", "-r", "--scale", "2", "-o", "expected/").returncode == 5
    with cluster(folder) as (scheduler, _, _):
        for number, address in enumerate((scheduler, "local")):
            made = run(folder, "in.zarr", "--scale", "2.3", "-o", f"out{number}.zarr", "--cluster", address)
            assert made.returncode == 0, made.stderr
            assert_same_files(folder / f"out{number}.zarr", folder / "expected.zarr")
        batch = run(
            folder,
            "files",
            "-r",
            "--scale",
            "2",
            "-o",
            "out/",
            "--json",
            "--failed-to",
            "failed",
            "--cluster",
            scheduler,
        )
        assert batch.returncode == 5
        statuses = sorted(json.loads(line)["status"] for line in batch.stdout.splitlines())
        assert statuses == ["done"] * 20 + ["failed"]
        assert (folder / "failed").read_text() == "files/./bad.npy\n"
        assert_same_files(folder / "out", folder / "expected")
        again = run(folder, "files", "-r", "--scale", "2", "-o", "out/", "--skip-existing", "--cluster", scheduler)
        assert "0 done, 20 skipped, 1 failed" in again.stderr


def test_a_worker_that_dies_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for number in range(60):
        np.save(tmp_path / f"files/{number}.npy", np.full((300, 400), number, "f4"))
    with cluster(tmp_path) as (scheduler, workers, add):
        batch = subprocess.Popen(
            [*COMMAND, "files", "-r", "--scale", "3", "-o", "out/", "--cluster", scheduler],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len(list((tmp_path / "out").glob("[0-9]*.npy")) if (tmp_path / "out").exists() else []) < 5:
            assert batch.poll() is None, batch.communicate()[1]
            time.sleep(0.01)
        workers[0].kill()
        add()
        _, messages = batch.communicate(timeout=120)
        assert batch.returncode == 0, messages
    assert len(list((tmp_path / "out").glob("[0-9]*.npy"))) == 60


def test_an_interrupt_leaves_complete_files(volume: Path) -> None:
    folder = volume.parent
    with cluster(folder) as (scheduler, _, _):
        command = [*COMMAND, "in.zarr", "--scale", "6", "-o", "out.zarr", "--cluster", scheduler]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as job:
            while not list(folder.glob(".upsample-*.partial/c/*")):
                assert job.poll() is None
                time.sleep(0.05)
            os.kill(job.pid, signal.SIGINT)
            job.communicate(timeout=60)
            assert job.returncode == 130
        assert not (folder / "out.zarr").exists()
        made = run(folder, "in.zarr", "--scale", "6", "-o", "out.zarr", "--cluster", scheduler)
        assert made.returncode == 0, made.stderr
    assert run(folder, "in.zarr", "--scale", "6", "-o", "expected.zarr").returncode == 0
    assert_same_files(folder / "out.zarr", folder / "expected.zarr")


def test_a_scheduler_that_goes_away_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for number in range(200):
        np.save(tmp_path / f"files/{number}.npy", np.full((300, 400), number, "f4"))
    with ExitStack() as stack:
        scheduler, _, _ = stack.enter_context(cluster(tmp_path))
        batch = subprocess.Popen(
            [*COMMAND, "files", "-r", "--scale", "3", "-o", "out/", "--cluster", scheduler],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while len(list((tmp_path / "out").glob("[0-9]*.npy")) if (tmp_path / "out").exists() else []) < 5:
            assert batch.poll() is None, batch.communicate()[1]
            time.sleep(0.01)
        stack.close()
        _, messages = batch.communicate(timeout=120)
    assert batch.returncode == 1
    assert "the scheduler has gone away" in messages
    for path in (tmp_path / "out").glob("[0-9]*.npy"):
        assert np.load(path).shape == (900, 1200)


@pytest.mark.parametrize(
    ("address", "text"), [("none.json", "is no scheduler file"), ("tcp://127.0.0.1:1", "no scheduler answers")]
)
def test_an_address_without_a_scheduler_is_told(volume: Path, address: str, text: str) -> None:
    refused = run(volume.parent, "in.zarr", "--scale", "2", "--cluster", address)
    assert refused.returncode == 2
    assert text in refused.stderr


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((None, []), "lacks upsample; install it there"),
        (("0.0.1", []), "has upsample 0.0.1, not"),
        ((__version__, ["/data/x.nii"]), "does not see /data/x.nii; use a file system"),
        (OSError("gone"), "does not answer"),
    ],
)
def test_workers_that_cannot_do_the_work_are_told_apart(tmp_path: Path, answer: object, text: str) -> None:
    class Client:
        status = "running"

        def wait_for_workers(self, number: int, timeout: float) -> None: ...

        def scheduler_info(self, n_workers: int) -> dict[str, object]:
            return {"workers": {"tcp://worker": {}}}

        def run(self, function: object, paths: list[str], workers: list[str], on_error: str) -> dict[str, object]:
            return dict.fromkeys(workers, answer)

    with pytest.raises(RequestError, match="tcp://worker") as error:
        DaskWorkers(Client()).check([], [tmp_path])
    assert text in str(error.value)
    assert not list(tmp_path.iterdir())


def test_the_probe_sees_versions_and_files(tmp_path: Path) -> None:
    assert probe([str(tmp_path), str(tmp_path / "none")]) == (__version__, [str(tmp_path / "none")])


def test_the_client_needs_little_for_many_tasks() -> None:
    """10⁵ regions, with workers that do nothing: what remains is the client's own time and memory."""

    class Future:
        status = "finished"

        def add_done_callback(self, callback: Callable[[object], None]) -> None:
            callback(self)

        def result(self) -> None: ...

        def release(self) -> None: ...

    class Client:
        status = "running"

        def scheduler_info(self, n_workers: int) -> dict[str, object]:
            return {"workers": dict.fromkeys(("a", "b"))}

        def run(self, function: object, paths: list[str], workers: list[str], on_error: str) -> dict[str, object]:
            return dict.fromkeys(workers, (__version__, []))

        def submit(self, *arguments: object, **options: object) -> Future:
            return Future()

        def cancel(self, futures: list[object], force: bool) -> None: ...

    tracemalloc.start()
    started = time.perf_counter()
    count = sum(1 for _ in DaskWorkers(Client()).run(print, range(100_000)))
    seconds, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 10 << 20
    assert seconds < 60
