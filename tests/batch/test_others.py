"""``--copy-others``: sidecars go where the outputs go, complete or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.cli_helpers import not_as_root, refuse, run


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bids" / "sub-01").mkdir(parents=True)
    np.save("bids/sub-01/T1w.npy", np.zeros((4, 4)))
    Path("bids/sub-01/T1w.json").write_text("{}")
    Path("bids/participants.tsv").write_text("id")
    return tmp_path


def test_they_are_mirrored_and_counted():
    os.utime("bids/participants.tsv", ns=(10**18, 10**18))
    done = run("-r", "bids", "--scale", 2, "-o", "out", "--copy-others")
    assert done.stderr.splitlines()[0] == "copying 2 files of unknown type: 1 .json, 1 .tsv"
    assert Path("out/sub-01/T1w.json").read_text() == "{}"
    assert Path("out/participants.tsv").stat().st_mtime_ns == 10**18
    assert np.load("out/sub-01/T1w.npy").shape == (8, 8)
    assert len([path for path in Path("out").rglob("*") if path.is_file()]) == 3


def test_without_the_option_or_in_a_dry_run_nothing_is_copied():
    run("-r", "bids", "--scale", 2, "-o", "out", "--copy-others", "--dry-run")
    assert not Path("out").exists()
    assert "skipped 2 files of unknown type" in run("-r", "bids", "--scale", 2, "-o", "out").stderr
    assert not Path("out/participants.tsv").exists()


def test_what_exists_is_left_alone_unless_asked():
    Path("out").mkdir()
    Path("out/participants.tsv").write_text("mine")
    refuse("-r", "bids", "--scale", 2, "-o", "out", "--copy-others", code=4, says="out/participants.tsv: exists")
    run("-r", "bids", "--scale", 2, "-o", "out", "--copy-others", "--skip-existing")
    assert Path("out/participants.tsv").read_text() == "mine"
    assert Path("out/sub-01/T1w.json").exists()
    run("-r", "bids", "--scale", 2, "-o", "out", "--copy-others", "--overwrite")
    assert Path("out/participants.tsv").read_text() == "id"
    Path("bids/participants.tsv").write_text("newer")
    os.utime("out/participants.tsv", ns=(10**18, 10**18))
    run("-r", "bids", "--scale", 2, "-o", "out", "--copy-others", "--newer")
    assert Path("out/participants.tsv").read_text() == "newer"


def test_one_that_cannot_be_read_does_not_stop_the_others(folder):
    folder.chmod(0o777)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    Path("bids/participants.tsv").chmod(0)
    with not_as_root():
        if os.access("bids/participants.tsv", os.R_OK, effective_ids=True):
            pytest.skip("everything can be read")
        done = run("-r", "bids", "--scale", 2, "-o", "out", "--copy-others", code=5)
    assert "Error: out/participants.tsv: bids/participants.tsv cannot be copied to it: Permission denied" in done.stderr
    assert Path("out/sub-01/T1w.json").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["bids"], "--copy-others has no effect without -r"), (["-r", "bids"], "--copy-others needs a directory")],
)
def test_it_needs_two_directories(arguments, says):
    refuse(*arguments, "--scale", 2, "--copy-others", code=2, says=says)
