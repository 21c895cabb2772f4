"""Inputs that become shorter, change or are replaced while they are read: a clear message, and no output."""

import os
import shutil

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from upsample_cli import upsample_files
from upsample_cli.errors import InputError
from upsample_cli.formats.file_array import FileArray
from upsample_cli.pipeline import array_plan

ARRAY = np.random.default_rng(0).integers(0, 255, (16, 40, 50), np.uint8)


def volume(kind):
    return lambda path: nib.save(kind(ARRAY.T, np.eye(4)), path)


def planar(path):
    tifffile.imwrite(path, ARRAY[:3], photometric="rgb", planarconfig="separate")


UNCOMPRESSED = {
    "in.npy": lambda path: np.save(path, ARRAY),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(ARRAY)),
    "in.nii": volume(nib.Nifti1Image),
    "in.img": volume(nib.Nifti1Pair),
    "analyze.img": volume(nib.AnalyzeImage),
    "in.mgh": volume(nib.MGHImage),
    "in.tif": lambda path: tifffile.imwrite(path, ARRAY, photometric="minisblack"),
    "planar.tif": planar,
}


@pytest.fixture(autouse=True)
def small_slabs(monkeypatch):
    monkeypatch.setattr(array_plan, "_SLAB_BYTES", 5000)


def before_second_read(monkeypatch, action):
    """Let `action` happen between the first and the second access to the samples."""
    calls = []
    original = FileArray._read_into

    def reading(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            action()
        return original(self, *arguments)

    monkeypatch.setattr(FileArray, "_read_into", reading)
    return calls


def failure(path, **options):
    """The message of the only job, which leaves no output, except under a hidden name for the next run."""
    output = path.parent / "out"
    (result,) = upsample_files(path, output / f"out{path.suffix}", scale=2, **options)
    assert isinstance(result.error, InputError), result
    assert not output.exists() or all(left.name.endswith(".partial") for left in output.iterdir())
    return str(result.error)


@pytest.mark.parametrize("name", UNCOMPRESSED)
def test_a_file_that_becomes_shorter(tmp_path, monkeypatch, name):
    """With a memory map, the process would be ended by SIGBUS."""
    path = tmp_path / name
    UNCOMPRESSED[name](path)
    calls = before_second_read(monkeypatch, lambda: os.truncate(path, path.stat().st_size // 8))
    assert f"{name}: was truncated while it was read" in failure(path)
    assert len(calls) > 1


@pytest.mark.parametrize("name", ["in.npy", "in.nii", "in.tif"])
def test_what_is_read_in_parts_is_what_is_there(tmp_path, name):
    path = tmp_path / name
    UNCOMPRESSED[name](path)
    (result,) = upsample_files(path, tmp_path / "out.npy", scale=1)
    assert result.error is None
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), ARRAY)


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("block_bytes", [1, 60, 1 << 20])
@pytest.mark.parametrize(
    "box",
    [
        (range(2, 5), range(4), range(5), range(6)),
        (range(3), range(1, 3), range(2, 5), range(1, 2)),
        (range(2, 3), range(4), range(1, 4), range(6)),
        (range(1), range(1), range(1), range(1)),
    ],
)
def test_boxes(tmp_path, monkeypatch, fortran, block_bytes, box):
    monkeypatch.setattr("upsample_cli.formats.file_array._BLOCK_BYTES", block_bytes)
    array = np.arange(7 * 4 * 5 * 6, dtype=">i2").reshape(7, 4, 5, 6)
    (tmp_path / "samples").write_bytes(b"head" + array.tobytes("F" if fortran else "C"))
    file = FileArray(tmp_path / "samples", array.dtype, 4, array.shape, fortran)
    np.testing.assert_array_equal(file.box(box), array[np.ix_(*box)])
    file.close()


def appended(path):
    with path.open("ab") as file:
        file.write(b"more")


def rewritten(path):
    """The same size; the time is set, since the clock of files may not have moved on."""
    with path.open("r+b") as file:
        file.write(path.read_bytes())
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def replaced(path):
    shutil.copyfile(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


FILES = {**UNCOMPRESSED, "in.png": lambda path: Image.fromarray(ARRAY[0]).save(path)}


@pytest.mark.parametrize(
    ("change", "says"),
    [(appended, "was changed while"), (rewritten, "was changed while"), (replaced, "was replaced while")],
)
@pytest.mark.parametrize("name", ["in.npy", "in.img", "in.png"])
def test_a_file_that_changes(tmp_path, name, change, says):
    """Also the header of a pair."""
    path = tmp_path / name
    FILES[name](path)
    changing = path.with_suffix(".hdr") if name == "in.img" else path
    changes = iter([change])

    def progress(_, fraction):
        if fraction > 0:
            next(changes, lambda path: None)(changing)

    assert f"{changing.name}: {says} it was read, so its output is discarded" in failure(path, progress=progress)


def test_a_file_that_is_removed_has_been_read(tmp_path):
    path = tmp_path / "in.npy"
    np.save(path, ARRAY)

    def progress(_, fraction):
        if fraction > 0:
            path.unlink(missing_ok=True)

    (result,) = upsample_files(path, tmp_path / "out.npy", scale=2, progress=progress)
    assert result.error is None
    assert np.load(tmp_path / "out.npy").shape == (32, 80, 100)


def test_a_hierarchy_that_changes(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(tmp_path / "in.zarr", data=ARRAY[0], chunks=(8, 50), dimension_names=["y", "x"])
    chunk = tmp_path / "in.zarr" / "c" / "1" / "0"
    assert chunk.exists()

    def progress(_, fraction):
        if fraction > 0:
            os.utime(chunk, ns=(0, 1))

    assert "in.zarr: was changed while it was read" in failure(tmp_path / "in.zarr", progress=progress)


def test_a_comparison_sheet_of_a_file_that_changes(tmp_path, monkeypatch):
    from tests.cli_helpers import refuse
    from upsample_cli.compare import run as compare_run

    Image.fromarray(ARRAY[0]).save(tmp_path / "in.png")
    original = compare_run.crops

    def crops(*arguments):
        rewritten(tmp_path / "in.png")
        return original(*arguments)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare_run, "crops", crops)
    monkeypatch.setattr("tests.cli_helpers.listing", lambda folder: sorted(p.name for p in folder.iterdir()))
    refuse("in.png", "--compare", "nearest,linear", "--scale", 2, code=3, says="was changed while it was read")
