"""Workers that are killed at the very end: an output that has its final name counts, half of a pair does not stay."""

import os
import signal
import sys

import nibabel as nib
import numpy as np
import pytest

from upsample_cli import upsample_files
from upsample_cli.batch import pool, pool_worker
from upsample_cli.runtime import atomic

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

PARENT = os.getpid()


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    """Workers inherit what a test changes."""
    monkeypatch.setattr(pool, "_can_fork", lambda: True)


def killed_in(monkeypatch, owner, name, call):
    """Let each worker be killed at the end of a call of a function."""
    original = getattr(owner, name)
    calls = []

    def killing(*arguments):
        original(*arguments)
        calls.append(1)
        if len(calls) == call and os.getpid() != PARENT:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(owner, name, killing)


def results(folder, suffix, **options):
    found = list(upsample_files(str(folder / f"*{suffix}"), folder / "out/", scale=2, jobs=2, **options))
    return sorted(found, key=lambda result: result.number)


@pytest.mark.parametrize("existing", ["refuse", "overwrite"])
def test_a_worker_that_is_killed_after_it_published(tmp_path, monkeypatch, existing):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.ones((3, 4), np.uint8))
    killed_in(monkeypatch, atomic.AtomicOutput, "publish", 1)
    for result in results(tmp_path, ".npy", existing=existing):
        assert (result.status, result.error) == ("done", None)
        assert result.bytes == result.output.stat().st_size
        assert result.after.grid.shape == (6, 8)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.npy", "b.npy"]


def test_a_worker_that_is_killed_before_it_published(tmp_path, monkeypatch):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.ones((3, 4), np.uint8))
    killed_in(monkeypatch, pool_worker._WorkerChannel, "before_publish", 1)
    assert [str(result.error) for result in results(tmp_path, ".npy")] == [
        f"{tmp_path / name}.npy: its worker process was ended by SIGKILL; if memory is short, use a smaller "
        "--max-memory or -j 1"
        for name in "ab"
    ]
    assert list((tmp_path / "out").iterdir()) == []


def test_half_of_a_pair_does_not_stay(tmp_path, monkeypatch):
    for name in "ab":
        nib.save(nib.Nifti1Pair(np.ones((3, 4, 5), np.uint8), np.eye(4)), tmp_path / f"{name}.img")
    killed_in(monkeypatch, atomic, "_rename", 1)
    assert [result.status for result in results(tmp_path, ".img")] == ["failed", "failed"]
    assert list((tmp_path / "out").iterdir()) == []


def test_a_directory_that_was_published(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    from upsample_cli.runtime.atomic_directory import AtomicDirectory

    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.ones((3, 4), np.uint8))
    killed_in(monkeypatch, AtomicDirectory, "publish", 1)
    found = list(upsample_files(str(tmp_path / "*.npy"), str(tmp_path / "{stem}.zarr"), scale=2, jobs=2))
    assert [result.status for result in found] == ["done", "done"]
