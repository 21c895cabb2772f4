"""Temporary files and what they replace: nothing is published that is not ours, and owners stay."""

import os
import stat

import pytest

from tests.cli_helpers import ROOT
from upsample_cli.runtime.atomic import AtomicOutput
from upsample_cli.runtime.atomic_directory import AtomicDirectory

SOMEBODY = (12_345, 23_456)  # a user and a group
as_root = pytest.mark.skipif(not ROOT, reason="only root may give files away")


def owner(path):
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_temporary_file_that_was_swapped_is_not_published(tmp_path, overwrite, kind):
    target, other = tmp_path / "out.npy", tmp_path / "other"
    other.write_text("precious")
    with AtomicOutput([target]) as out:
        out.paths[0].unlink()
        if kind == "link":
            out.paths[0].symlink_to(other)
        else:
            other.rename(out.paths[0])
        with pytest.raises(OSError, match="another process has replaced its temporary file"):
            out.publish(overwrite)
    assert not target.exists()
    assert [path.read_text() for path in tmp_path.iterdir() if not path.is_symlink()] == ["precious"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere"), lambda path: path.mkdir()])
def test_what_is_no_regular_file_is_not_replaced(tmp_path, make):
    """It may have taken the place of one while the output was made."""
    target = tmp_path / "out.npy"
    with AtomicOutput([target]) as out:
        make(target)
        before = target.lstat()
        with pytest.raises(OSError, match="not a regular file"):
            out.publish(overwrite=True)
    assert os.path.samestat(target.lstat(), before)
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out.npy"
    with AtomicOutput([target]) as out:
        target.write_text("precious")
        with pytest.raises(FileExistsError):
            out.publish(overwrite=False)
    assert target.read_text() == "precious"


@as_root
def test_a_file_keeps_its_owner_and_its_mode(tmp_path):
    target = tmp_path / "out.npy"
    target.write_text("before")
    os.chown(target, *SOMEBODY)
    target.chmod(0o640)
    with AtomicOutput([target]) as out:
        out.paths[0].write_text("after")
        out.publish(overwrite=True)
    assert target.read_text() == "after"
    assert owner(target) == (*SOMEBODY, 0o640)


def zarr_like(folder):
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "chunk").write_text("chunk")


@as_root
def test_a_directory_keeps_its_owner(tmp_path):
    target = tmp_path / "out.zarr"
    zarr_like(target)
    os.chown(target, *SOMEBODY)
    target.chmod(0o750)
    with AtomicDirectory(target, "0" * 16) as directory:
        zarr_like(directory.path)
        directory.publish(overwrite=True)
    assert owner(target) == (*SOMEBODY, 0o750)
    assert owner(target / "0" / "chunk")[:2] == SOMEBODY


def test_a_directory_that_was_swapped_is_not_published(tmp_path):
    target, other = tmp_path / "out.zarr", tmp_path / "other"
    other.mkdir()
    with AtomicDirectory(target, "0" * 16) as directory:
        directory.path.rmdir()
        directory.path.symlink_to(other)
        with pytest.raises(OSError, match="another process has replaced its temporary directory"):
            directory.publish(overwrite=True)
    assert not target.exists()


def test_a_link_in_place_of_a_temporary_directory_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    output = AtomicDirectory(tmp_path / "out.zarr", "0" * 16)
    output.path.symlink_to(other)
    with pytest.raises(OSError, match=output.path.name), output:
        pass


def test_a_directory_that_appears_meanwhile_is_kept(tmp_path):
    """Even by ``--overwrite``, since it is not what the user has seen."""
    target = tmp_path / "out.zarr"
    with AtomicDirectory(target, "0" * 16) as directory:
        zarr_like(target)
        with pytest.raises(OSError, match="it is kept"):
            directory.publish(overwrite=True)
    assert (target / "0" / "chunk").read_text() == "chunk"
