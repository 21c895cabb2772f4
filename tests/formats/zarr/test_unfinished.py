"""Outputs appear complete or not at all, whatever happens, and a run goes on where an earlier one was killed."""

from __future__ import annotations

import errno
import filecmp
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upsample_cli.errors import OutputError
from upsample_cli.runtime.atomic_directory import AtomicDirectory

zarr = pytest.importorskip("zarr")

from tests.formats.zarr.stores import samples  # noqa: E402
from tests.pipeline_helpers import planned, upsampled  # noqa: E402
from upsample_cli.formats.zarr import array as array_module  # noqa: E402
from upsample_cli.pipeline import regions  # noqa: E402

REGION_BYTES = 60_000
SLOW = f"""
import sys, time
from upsample_cli import upsample_files
from upsample_cli.pipeline import region_run, regions
regions._REGION_BYTES = {REGION_BYTES}
make = region_run.RegionWork.run
def slowly(self, region):
    print("begun", flush=True)
    time.sleep(0.02)
    make(self, region)
region_run.RegionWork.run = slowly
[result] = upsample_files(sys.argv[1], sys.argv[2], scale=3)
assert result.status == "done", result.error
"""


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A volume whose output has about a hundred regions."""
    monkeypatch.setattr(regions, "_REGION_BYTES", REGION_BYTES)
    path = tmp_path / "in.zarr"
    data = np.random.default_rng(0).integers(0, 4000, (48, 48, 48)).astype("u2")
    zarr.create_array(str(path), shape=data.shape, chunks=(24,) * 3, dtype="u2")[...] = data
    return path


def partials(folder: Path) -> list[Path]:
    return list(folder.glob(".upsample-*.partial"))


def assert_same_files(one: Path, other: Path) -> None:
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_second_process_is_refused_and_a_killed_run_goes_on_where_it_was(volume: Path) -> None:
    """`python -m tests.kill_zarr` kills at random moments."""
    out = volume.with_name("out.zarr")
    with subprocess.Popen([sys.executable, "-c", SLOW, str(volume), str(out)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(9):
            process.stdout.readline()
        with pytest.raises(OutputError, match="is being written by another process"):
            upsampled(volume, out, scale=3)
        process.kill()
    assert not out.exists()
    [partial] = partials(volume.parent)
    assert any(partial.glob("c/*/*/*"))
    upsampled(volume, out, scale=3)
    upsampled(volume, volume.with_name("expected.zarr"), scale=3)
    assert_same_files(out, volume.with_name("expected.zarr"))
    assert not partials(volume.parent)


def test_finished_regions_are_not_made_again(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    write_box = array_module.StoredArray.write_box

    def failing(self: Any, box: Any, values: np.ndarray) -> None:
        if len(written) == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(tuple(box))
        write_box(self, box, values)

    monkeypatch.setattr(array_module.StoredArray, "write_box", failing)
    out = volume.with_name("out.zarr")
    with pytest.raises(OutputError, match="No space left"):
        upsampled(volume, out, scale=3, threads=1)
    assert not out.exists()
    assert len(partials(volume.parent)) == 1
    first = list(written)
    written[:] = [None] * 100

    upsampled(volume, out, scale=3, threads=1)
    again = written[100:]
    assert not set(again) & set(first)
    assert len(again) + len(first) == len(planned(volume, out, scale=3).regions[0])
    monkeypatch.undo()
    upsampled(volume, volume.with_name("expected.zarr"), scale=3)
    assert_same_files(out, volume.with_name("expected.zarr"))


@pytest.mark.parametrize("change", ["options", "input"])
def test_other_work_does_not_continue(volume: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    count = [0]
    write_box = array_module.StoredArray.write_box

    def failing(self: Any, box: Any, values: np.ndarray) -> None:
        count[0] += 1
        if count[0] == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_box(self, box, values)

    monkeypatch.setattr(array_module.StoredArray, "write_box", failing)
    out, expected = volume.with_name("out.zarr"), volume.with_name("expected.npy")
    with pytest.raises(OutputError):
        upsampled(volume, out, scale=3)
    if change == "input":
        zarr.open_array(str(volume), mode="r+")[:5] = 9
    mode = "cubic" if change == "options" else "linear"
    options: dict[str, Any] = {"size": "100,100,100"} if change == "options" else {"scale": 3}
    mode = "area" if change == "options" else mode
    upsampled(volume, out, mode=mode, **options)
    upsampled(volume, expected, mode=mode, **options)
    np.testing.assert_array_equal(samples(out), np.load(expected))
    assert not partials(volume.parent)


def test_an_output_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "out.zarr"
    for text, overwrite in (("one", False), ("two", True)):
        with AtomicDirectory(target, "0" * 16) as directory:
            (directory.path / "zarr.json").write_text(json.dumps(text))
            directory.publish(overwrite)
        assert json.loads((target / "zarr.json").read_text()) == text
    with AtomicDirectory(target, "0" * 16) as directory, pytest.raises(FileExistsError):
        directory.publish(overwrite=False)
    assert json.loads((target / "zarr.json").read_text()) == "two"


def test_absent_chunks_are_neither_read_nor_written(tmp_path: Path) -> None:
    path = tmp_path / "in.zarr"
    array = zarr.create_array(str(path), shape=(60_000,) * 3, chunks=(64,) * 3, dtype="u2")
    array[30_000:30_010, 500:520, 9:30] = 7
    plan = upsampled(path, tmp_path / "out.zarr", scale=0.5)
    assert len(plan.regions[0]) > 10**7
    chunks = [p for p in (tmp_path / "out.zarr").rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert 0 < len(chunks) < 30
    part = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")[14_990:15_015, 240:270, 0:30]
    source = array[29_980:30_030, 480:540, 0:60].astype(float)
    means = source.reshape(25, 2, 30, 2, 30, 2).mean((1, 3, 5))
    np.testing.assert_array_equal(part, np.rint(means).astype("u2"))
