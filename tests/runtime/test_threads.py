"""Where the system allows no more threads, those that there are do the work, or a clear message says so."""

import threading

import nibabel as nib
import numpy as np
import pytest

from tests.cli_helpers import invoke, run
from upsample_cli.core import threads
from upsample_cli.pipeline import array_plan
from upsample_cli.runtime.prefetch import prefetch


@pytest.fixture
def no_threads(monkeypatch):
    """As under ``ulimit -u``, which root is not subject to."""

    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.usefixtures("no_threads")
def test_items_are_produced_by_the_same_thread():
    assert list(prefetch(number for number in range(3))) == [0, 1, 2]
    done = []
    threads.run_tasks([lambda number=number: done.append(number) for number in range(5)], 4)
    assert done == [0, 1, 2, 3, 4]


def test_a_file_is_resized_without_threads(tmp_path, monkeypatch, request):
    array = np.random.default_rng(0).random((20, 30, 40), np.float32)
    np.save(tmp_path / "in.npy", array)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(array_plan, "_SLAB_BYTES", 100_000)
    run("in.npy", "--scale", 2, "--threads", 2, "-o", "with.npy")
    request.getfixturevalue("no_threads")
    run("in.npy", "--scale", 2, "--threads", 2, "-o", "without.npy")
    assert (tmp_path / "with.npy").read_bytes() == (tmp_path / "without.npy").read_bytes()


@pytest.mark.usefixtures("no_threads")
def test_a_library_that_needs_threads_is_no_bug(tmp_path, monkeypatch):
    nib.save(nib.Nifti1Image(np.zeros((40, 50, 60), np.uint8), np.eye(4)), tmp_path / "in.nii.gz")
    monkeypatch.chdir(tmp_path)
    result = invoke("in.nii.gz", "--scale", 2)
    assert (result.exit_code, "threads" in result.stderr) in [(0, False), (2, True)]
    assert "bug" not in result.output


def test_the_message_when_a_thread_is_missing(tmp_path, monkeypatch):
    np.save(tmp_path / "in.npy", np.zeros((3, 4), np.uint8))
    monkeypatch.chdir(tmp_path)

    def fail(*arguments, **options):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("upsample_cli.batch.worker.run_plan", fail)
    result = run("in.npy", "--scale", 2, code=2)
    assert result.stderr == "Error: in.npy: the system allows no more threads; close other programs, or try again\n"
