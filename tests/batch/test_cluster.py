"""Batches and regions on a Dask cluster: the same as on one machine, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upsample_cli import __version__, upsample_files
from upsample_cli.core.modes import MODES
from upsample_cli.errors import RequestError, UpsampleError
from upsample_cli.pipeline import region_run, regions
from upsample_cli.runtime import cluster as cluster_module
from upsample_cli.runtime.cluster import DaskWorkers
from upsample_cli.runtime.cluster_probe import probe

distributed = pytest.importorskip("distributed")
zarr = pytest.importorskip("zarr")

from tests.cli_helpers import invoke, run  # noqa: E402
from tests.cluster_helpers import Cluster, assert_same_files  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of asyncio and sockets, when a process dies


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path_factory.mktemp("cluster"), stack)


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "in.zarr"
    data = np.random.default_rng(0).integers(0, 4000, (60, 70, 80)).astype("u2")
    zarr.create_array(str(path), shape=data.shape, chunks=(16,) * 3, shards=(32,) * 3, dtype="u2")[...] = data
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 300 small arrays."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(300):
        np.save(folder / f"{number}.npy", np.arange(30, dtype="f4").reshape(5, 6) + number)
    return folder


def test_regions_are_those_of_one_machine(volume: Path, cluster: Cluster) -> None:
    requests: list[dict[str, Any]] = [
        {"scale": 2.3},
        {"scale": 0.4, "antialias": True},
        {"scale": 1.3, "mode": "lanczos"},
        {"size": (50, 90, 41), "mode": "nearest-exact"},
        {"scale": 1.4, "align_corners": True, "dtype": "float32"},
    ]
    for number, options in enumerate(requests):
        assert [r.status for r in upsample_files(volume, f"expected{number}.zarr", **options)] == ["done"]
        assert [r.status for r in upsample_files(volume, f"{number}.zarr", cluster=cluster.client, **options)] == [
            "done"
        ]
        assert_same_files(Path(f"{number}.zarr"), Path(f"expected{number}.zarr"))


def test_every_mode_gives_the_samples_of_npy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    """In 2 to 5 dimensions, whose edges lie within a chunk and a shard, and in several tasks of several regions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(regions, "_REGION_BYTES", 20_000)
    monkeypatch.setattr(region_run, "_TASK_BYTES", 80_000)
    shapes, dtypes = [(45, 57), (19, 23, 30), (2, 19, 23, 30), (2, 2, 9, 17, 20)], ["u1", "u2", "f4"]
    for number, mode in enumerate(MODES):
        shape = {"bilinear": shapes[0], "bicubic": shapes[0], "trilinear": shapes[1]}.get(mode, shapes[number % 4])
        dtype = "u1" if mode == "label" else dtypes[number % 3]
        data = (100 * np.random.default_rng(number).random(shape)).astype(dtype)
        np.save("in.npy", data)
        sizes = (
            {"chunks": (5,) * data.ndim, "shards": (10,) * data.ndim} if number % 2 else {"chunks": (7,) * data.ndim}
        )
        zarr.create_array("in.zarr", shape=shape, dtype=dtype, overwrite=True, **sizes)[...] = data
        options = {"scale": 1.7, "mode": mode, "axes": "tczyx"[-data.ndim :]}
        done = [*upsample_files("in.npy", f"{mode}.npy", **options)]
        done += upsample_files("in.zarr", f"{mode}.zarr", cluster=cluster.client, **options)
        assert [result.error for result in done] == [None, None], mode
        np.testing.assert_array_equal(zarr.open_array(f"{mode}.zarr")[...], np.load(f"{mode}.npy"), err_msg=mode)


def test_the_command_makes_a_cluster_of_its_own(volume: Path) -> None:
    assert [r.status for r in upsample_files(volume, "expected.zarr", scale=1.5)] == ["done"]
    run("in.zarr", "--scale", "1.5", "-o", "out.zarr", "--cluster", "local")
    assert_same_files(Path("out.zarr"), Path("expected.zarr"))


def test_a_batch_gives_the_files_of_one_machine(files: Path, cluster: Cluster) -> None:
    (files / "bad.npy").write_bytes(b"no array")
    run("files", "-r", "--scale", "2", "-o", "expected/", code=5)
    options = ["files", "-r", "--scale", "2", "-o", "out/", "--cluster", str(cluster.file)]
    batch = run(*options, "--json", "--failed-to", "failed", "--report", "report.html", code=5)
    statuses = sorted(json.loads(line)["status"] for line in batch.stdout.splitlines())
    assert statuses == ["done"] * 300 + ["failed"]
    assert Path("failed").read_text() == "files/./bad.npy\n"
    assert "bad.npy" in Path("report.html").read_text(encoding="utf-8")
    assert_same_files(Path("out"), Path("expected"))
    again = run(*options, "--skip-existing", code=5)
    assert "0 done, 300 skipped, 1 failed" in again.stderr


def test_a_worker_that_dies_costs_only_time(files: Path, cluster: Cluster) -> None:
    """Its task is a file whose reading ends the process, but only the first time."""
    marker = files.parent / "died"
    results = DaskWorkers(cluster.client).run(_dying_once(marker), range(20))
    assert sorted(results) == [(number, number) for number in range(20)]
    assert marker.exists()
    cluster.add()
    cluster.client.wait_for_workers(2, timeout=60)


def _dying_once(marker: Path) -> Callable[[int], int]:
    def task(number: int) -> int:  # sent by value, because it is no function of a module
        if number == 5 and not marker.exists():
            marker.touch()
            os._exit(1)
        return number

    return task


def test_a_task_that_ends_every_worker_fails_alone(cluster: Cluster) -> None:
    def task(number: int) -> int:
        if number == 3:
            os._exit(1)
        return number

    for _ in range(2):
        cluster.add()
    cluster.client.wait_for_workers(4, timeout=60)
    results = dict(DaskWorkers(cluster.client).run(task, range(10)))
    error = results.pop(3)
    assert isinstance(error, UpsampleError)
    assert "its worker died 3 times" in str(error)
    assert results == {number: number for number in range(10) if number != 3}
    cluster.add()
    cluster.client.wait_for_workers(2, timeout=60)


def test_an_interrupt_leaves_complete_files(volume: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsample_cli.pipeline.region_run._TASK_BYTES", 1 << 18)
    monkeypatch.setattr("upsample_cli.pipeline.regions._REGION_BYTES", 1 << 18)  # in the client, which cuts the output

    before, after, undisturbed = [], [], []  # a fraction for each region

    def interrupt(path: Path, fraction: float) -> None:
        before.append(fraction)
        if len(before) == 5:
            raise KeyboardInterrupt

    def resized(name: str, fractions: list[float], **options: Any) -> None:
        progress = lambda path, fraction: fractions.append(fraction)  # noqa: E731
        assert [r.status for r in upsample_files(volume, name, scale=2, progress=progress, **options)] == ["done"]

    with pytest.raises(KeyboardInterrupt):
        list(upsample_files(volume, "out.zarr", scale=2, cluster=cluster.client, progress=interrupt))
    assert not Path("out.zarr").exists()
    resized("out.zarr", after, cluster=cluster.client)
    resized("expected.zarr", undisturbed)
    regions = len(undisturbed) - 2  # which tells of the beginning and the end as well
    assert len(after) - 1 == regions - len(before)
    assert_same_files(Path("out.zarr"), Path("expected.zarr"))


def test_a_scheduler_that_goes_away_ends_the_batch(files: Path) -> None:
    told = False
    local = distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None)
    with suppress(Exception), distributed.Client(local) as client:  # it cannot close what has gone
        results = upsample_files(files, "out/", recursive=True, scale=3, cluster=client)
        assert next(results).status == "done"
        local.close()
        with closing(results), pytest.raises(UpsampleError, match="the scheduler has gone away"):
            list(results)
        told = True
    assert told
    for path in Path("out").glob("[0-9]*.npy"):
        assert np.load(path).shape == (15, 18)


@pytest.mark.parametrize(
    ("address", "text"), [("none.json", "is no scheduler file"), ("tcp://127.0.0.1:1", "no scheduler answers")]
)
def test_an_address_without_a_scheduler_is_told(
    files: Path, monkeypatch: pytest.MonkeyPatch, address: str, text: str
) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 0.3)
    refused = invoke("files", "-r", "--scale", "2", "-o", "out/", "--cluster", address)
    assert refused.exit_code == 2
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
    """With workers that do nothing: what remains is the client's own. `bench_cluster.py` measures a million regions."""

    class Future:
        status = "finished"

        def add_done_callback(self, callback: Callable[[object], None]) -> None:
            callback(self)

        def result(self, timeout: float) -> None:
            if next(fetched) == 5:
                raise TimeoutError  # its worker has died since it finished; the task is done again

        def release(self) -> None: ...

    fetched = count()

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
    done = sum(1 for _ in DaskWorkers(Client()).run(print, range(10_000)))
    seconds, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done == 10_000
    assert next(fetched) == 10_001
    assert peak < 1 << 20
    assert seconds < 10
