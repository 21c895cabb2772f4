"""Fault injection: batches in real processes with signals, killed workers, damaged files and full disks."""

import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.process_helpers import INTERRUPTED, TEMPORARY, command, environment, limit_file_size, sparse

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and /proc are those of Linux")

LONG = (400, 1500, 1500)  # of a sparse array whose resizing takes seconds
_MANY = 40  # arrays of which each takes a moment: all together take longer than a busy machine needs to look
_PR_CAPBSET_DROP, _READ_AND_WRITE_EVERYTHING = 24, (1, 2)  # of prctl; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_SOON = 5.0  # seconds within which everything stops; two, on a machine that has nothing else to do


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path


def start(folder, *arguments, **settings):
    """The command on all that is in ``in``, in a group of processes of its own."""
    known = {"cwd": folder, "env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    known |= {"start_new_session": True, "text": True}
    return subprocess.Popen(command("-r", "in", "-o", "out/", "--scale", "2", *arguments), **(known | settings))


def run(folder, *arguments, code=0, **settings):
    process = start(folder, *arguments, **settings)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def unfinished(folder):
    return [path for path in folder.iterdir() if TEMPORARY.fullmatch(path.name)]


def size(path):
    """In bytes; none where the file has gone meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def finished_names(folder):
    return [name for name in names(folder) if not TEMPORARY.fullmatch(name)]


def in_group(group):
    """The processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def as_anybody():
    """Give up root's right to read and write everything, for the program that is about to be executed."""
    if os.geteuid() == 0:
        for right in _READ_AND_WRITE_EVERYTHING:
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)


@contextmanager
def ended_afterwards(process):
    """Whatever a test finds, nothing that it has started goes on."""
    try:
        yield process
    finally:
        for number in in_group(process.pid):
            os.kill(number, signal.SIGKILL)
        process.communicate()


def save_arrays(folder, count, shape=(5, 6)):
    rng = np.random.default_rng(7)
    for number in range(count):
        np.save(folder / "in" / f"{number:03}.npy", rng.integers(0, 255, shape, np.uint8))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Arrays of which each takes a moment, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for name in ("in", "out"):
        (folder / name).mkdir()
    save_arrays(folder, _MANY, shape=(40, 120, 120))
    run(folder, "-j", "1")
    return folder


# --- broken files ---


def sound(folder, count):
    """As many files that can be read, most of them tiny arrays."""
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for number in range(count):
        name = folder / f"sound-{number:04}"
        match number % 50:
            case 1:
                Image.fromarray(picture).save(name.with_suffix(".png"))
            case 2:
                Image.fromarray(picture).save(name.with_suffix(".jpg"))
            case 3:
                tifffile.imwrite(name.with_suffix(".tif"), picture)
            case 4:
                nib.save(nib.Nifti1Image(picture[None], np.eye(4)), f"{name}.nii.gz")
            case _:
                np.save(name.with_suffix(".npy"), picture)


def truncated(suffix):
    def make(path):
        rng = np.random.default_rng(1)
        pixels = rng.integers(0, 255, (40, 50, 3), np.uint8)
        whole = path.with_name(f"whole{suffix}")
        if suffix == ".npy":
            np.save(whole, pixels)
        elif suffix == ".nii.gz":
            nib.save(nib.Nifti1Image(pixels, np.eye(4)), whole)
        elif suffix == ".tif":
            tifffile.imwrite(whole, pixels, photometric="rgb")
        else:
            Image.fromarray(pixels).save(whole)
        data = whole.read_bytes()
        whole.unlink()
        path.write_bytes(data[: len(data) // 2])

    return make


def unreadable(path):
    path.write_text("secret")
    path.chmod(0)


BROKEN = {
    "empty.png": Path.touch,
    "empty.nii.gz": Path.touch,
    "empty.npy": Path.touch,
    "text.png": lambda path: path.write_text("a letter"),
    "text.nii": lambda path: path.write_text("a letter"),
    "text.npy": lambda path: path.write_text("a letter"),
    "text.tif": lambda path: path.write_text("a letter"),
    "text.jpg": lambda path: path.write_text("a letter " * 1000),
    "page.png": lambda path: path.write_text("<html></html>"),
    "program.jpg": lambda path: path.write_bytes(b"\x7fELF" + bytes(1000)),
    "truncated.png": truncated(".png"),
    "truncated.jpg": truncated(".jpg"),
    "truncated.gif": truncated(".gif"),
    "truncated.tif": truncated(".tif"),
    "truncated.npy": truncated(".npy"),
    "truncated.nii.gz": truncated(".nii.gz"),
    "directory.png": Path.mkdir,
    "directory.nii.gz": Path.mkdir,
    "unreadable.png": unreadable,
    "lost.tif": lambda path: path.symlink_to("nowhere"),
    "loop.npy": lambda path: path.symlink_to(path.name),
    "device.png": lambda path: path.symlink_to("/dev/zero"),
    "device.npy": lambda path: path.symlink_to("/dev/full"),
    "queue.png": os.mkfifo,
    "queue.nii.gz": os.mkfifo,
}


def test_fifty_broken_files_among_a_thousand(folder):
    """950 results, 50 reasons, exit 5, and nothing hangs: files that are named, so that none is left out unseen."""
    jsonschema = pytest.importorskip("jsonschema")
    sound(folder / "in", 950)
    for copy in "ab":
        for name, make in BROKEN.items():
            make(folder / "in" / f"{copy}-{name}")
    files = sorted(path.relative_to(folder) for path in (folder / "in").iterdir())
    assert len(files) == 1000
    random.Random(3).shuffle(files)
    process = subprocess.Popen(
        command(*files, "-o", "out/", "--scale", "2", "--json", "--failed-to", "failed.txt"),
        **{"cwd": folder, "env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
        **{"start_new_session": True, "text": True, "preexec_fn": as_anybody},
    )
    with ended_afterwards(process):
        out, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert len(names(folder / "out")) == 950
    assert not unfinished(folder / "out")
    records = [json.loads(line) for line in out.splitlines()]
    schema = json.loads((Path(__file__).parents[2] / "upsample_cli" / "cli" / "results.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert all(validator.is_valid(record) for record in records)
    assert sorted(record["input"] for record in records) == sorted(map(str, files))
    failed = {record["input"]: record["error"] for record in records if record["status"] == "failed"}
    assert sorted(failed) == sorted(f"in/{copy}-{name}" for copy in "ab" for name in BROKEN)
    assert {error["exit_code"] for error in failed.values()} == {3}
    for name, error in failed.items():
        assert error["message"].startswith(f"{name}: ")
        assert f"Error: {error['message']}" in err.splitlines()
    assert "bug" not in err
    assert err.splitlines()[-1] == "950 done, 0 skipped, 50 failed"
    listed = (folder / "failed.txt").read_text().replace("/./", "/").splitlines()
    assert sorted(listed) == sorted(failed)


# --- signals ---


@pytest.mark.parametrize(
    ("number", "code", "to_all"),
    [
        (signal.SIGINT, 130, True),
        (signal.SIGINT, 130, False),
        (signal.SIGTERM, 143, True),
        (signal.SIGTERM, 143, False),
    ],
    ids=["ctrl-c", "interrupt-parent", "terminate-all", "terminate-parent"],
)
def test_an_interrupted_batch_stops_and_is_completed_by_the_next(undisturbed, folder, number, code, to_all):
    """Within two seconds, without workers left behind; what is finished stays, what is not leaves nothing."""
    shutil.copytree(undisturbed / "in", folder / "in", dirs_exist_ok=True)
    with ended_afterwards(start(folder, "-j", "3")) as process:
        wait_until(lambda: len(finished_names(folder / "out")) >= 3)
        began = time.monotonic()
        (os.killpg if to_all else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=30)
        seconds = time.monotonic() - began
        assert in_group(process.pid) == []
    assert seconds < _SOON
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert "Error" not in err
    finished = contents(folder / "out")
    assert 3 <= len(finished) < _MANY
    assert not unfinished(folder / "out")
    _, err = run(folder, "-j", "2", "--skip-existing")
    assert err.splitlines()[-1] == f"{_MANY - len(finished)} done, {len(finished)} skipped, 0 failed"
    completed = contents(folder / "out")
    assert completed.items() >= finished.items()
    assert completed == contents(undisturbed / "out")


def test_workers_in_the_middle_of_large_files_stop_too(folder):
    for number in range(2):
        sparse(folder / "in" / f"{number}.npy", LONG)
    with ended_afterwards(start(folder, "-j", "2")) as process:
        wait_until(lambda: len(unfinished(folder / "out")) == 2)
        time.sleep(0.3)
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
        assert time.monotonic() - began < _SOON
        assert in_group(process.pid) == []
    assert names(folder / "out") == []


def test_impatience_leaves_nothing_behind(folder):
    for number in range(2):
        sparse(folder / "in" / f"{number}.npy", LONG)
    with ended_afterwards(start(folder, "-j", "2", env=environment(PYTHONWARNINGS=INTERRUPTED))) as process:
        wait_until(lambda: len(unfinished(folder / "out")) == 2)
        while process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.01)
        _, err = process.communicate(timeout=30)
        assert in_group(process.pid) == []
    assert process.returncode == 130
    assert err.count("\n") == 2
    assert names(folder / "out") == []


def test_a_worker_that_is_killed_costs_its_file(folder):
    """As the kernel does where memory ends: the file is named, nothing of it is left, and the batch goes on."""
    sparse(folder / "in" / "a large.npy", LONG)
    save_arrays(folder, 6)
    with ended_afterwards(start(folder, "-j", "2")) as process:
        wait_until(lambda: len(finished_names(folder / "out")) == 6)
        wait_until(lambda: [size(path) > 1 << 20 for path in unfinished(folder / "out")] == [True])
        (left,) = unfinished(folder / "out")
        (worker,) = [number for number in in_group(process.pid) if holds(number, left)]
        os.kill(worker, signal.SIGKILL)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert "Error: in/a large.npy: its worker process was ended by SIGKILL" in err
    assert err.splitlines()[-1] == "6 done, 0 skipped, 1 failed"
    assert names(folder / "out") == [f"{number:03}.npy" for number in range(6)]


def holds(process, path):
    """Whether a process has a file open."""
    try:
        return any(link.samefile(path) for link in Path(f"/proc/{process}/fd").iterdir() if link.exists())
    except OSError:
        return False


def test_workers_end_when_their_parent_is_killed(folder):
    for number in range(2):
        sparse(folder / "in" / f"{number}.npy", LONG)
    with ended_afterwards(start(folder, "-j", "2")) as process:
        wait_until(lambda: len(unfinished(folder / "out")) == 2)
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: in_group(process.pid) == [], 10)
    assert names(folder / "out") == []


def test_idle_workers_end_when_their_parent_is_killed(folder):
    """One is idle while another is at a file for long."""
    sparse(folder / "in" / "a large.npy", LONG)
    save_arrays(folder, 2)
    with ended_afterwards(start(folder, "-j", "3")) as process:
        wait_until(lambda: len(names(folder / "out")) == 3 and len(in_group(process.pid)) == 4)
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: in_group(process.pid) == [], 10)


# --- others at the same time ---


def test_two_runs_at_once_share_the_work(undisturbed, folder):
    """With ``--skip-existing`` neither breaks what the other does, or takes it for a failure."""
    shutil.copytree(undisturbed / "in", folder / "in", dirs_exist_ok=True)
    runs = [start(folder, "-j", "2", "--skip-existing", "--json") for _ in range(2)]
    done = set()
    for process in runs:
        with ended_afterwards(process):
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        records = [json.loads(line) for line in out.splitlines()]
        assert {record["status"] for record in records} <= {"done", "skipped"}
        done |= {Path(record["input"]).name for record in records if record["status"] == "done"}
    assert sorted(done) == names(folder / "out")
    assert contents(folder / "out") == contents(undisturbed / "out")


def test_two_runs_at_once_that_overwrite(undisturbed, folder):
    shutil.copytree(undisturbed / "in", folder / "in", dirs_exist_ok=True)
    runs = [start(folder, "-j", "2", "--overwrite") for _ in range(2)]
    for process in runs:
        with ended_afterwards(process):
            assert process.communicate(timeout=60)[1].splitlines()[-1] == f"{_MANY} done, 0 skipped, 0 failed"
    assert contents(folder / "out") == contents(undisturbed / "out")


# --- disks ---


def test_a_disk_that_is_full_in_the_middle(folder):
    """Some files have room, others do not: each is whole or not there."""
    for number in range(12):
        shape = (40, 50) if number % 3 else (300, 400)
        np.save(folder / "in" / f"{number:02}.npy", np.random.default_rng(1).integers(0, 255, shape, np.uint8))
    _, err = run(folder, "-j", "2", code=5, preexec_fn=limit_file_size(100_000))
    large = [f"{number:02}.npy" for number in range(0, 12, 3)]
    assert names(folder / "out") == [f"{number:02}.npy" for number in range(12) if number % 3]
    for name in large:
        assert f"Error: out/{name}: cannot be written: File too large" in err
    assert err.splitlines()[-1] == "8 done, 0 skipped, 4 failed"
    run(folder, "-j", "2", "--skip-existing")
    assert len(names(folder / "out")) == 12


def test_a_directory_that_must_not_be_written(folder):
    save_arrays(folder, 3)
    (folder / "out").chmod(0o500)
    _, err = run(folder, code=5, preexec_fn=as_anybody)
    (folder / "out").chmod(0o700)
    assert names(folder / "out") == []
    assert err.splitlines()[-1] == "0 done, 0 skipped, 3 failed"
    assert err.count("Permission denied") == 3


# --- those who listen ---


def test_nobody_reads_what_people_are_told(folder):
    """As in ``upsample … 2>&1 | head -1``: the work goes on."""
    save_arrays(folder, 5)
    reader, writer = os.pipe()
    os.close(reader)
    process = start(folder, "--progress", stderr=writer)
    os.close(writer)
    with ended_afterwards(process):
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(names(folder / "out")) == 5


def test_nobody_reads_what_programs_are_told(folder):
    """As in ``upsample --json … | head -1``: then the work is for nothing, and stops."""
    save_arrays(folder, 40, shape=(20, 60, 60))
    reader, writer = os.pipe()
    os.close(reader)
    process = start(folder, "--json", "-j", "2", stdout=writer)
    os.close(writer)
    with ended_afterwards(process):
        _, err = process.communicate(timeout=60)
        assert in_group(process.pid) == []
    assert process.returncode == 4
    assert "Error: the standard output cannot be written: Broken pipe" in err
    assert len(names(folder / "out")) < 40
    assert not unfinished(folder / "out")


def test_a_terminal_sees_how_far_it_is_and_has_its_line_back(folder):
    pty = pytest.importorskip("pty")
    sparse(folder / "in" / "0.npy", LONG)
    save_arrays(folder, 2)
    leader, follower = pty.openpty()
    process = start(folder, "-j", "2", stderr=follower, env=environment(TERM="xterm", NO_COLOR=""))
    os.close(follower)
    seen, interrupted = b"", False
    with ended_afterwards(process):
        try:
            while data := os.read(leader, 65536):
                seen += data
                if seen.count(b" left ") >= 4 and not interrupted:
                    os.killpg(process.pid, signal.SIGINT)
                    interrupted = True
        except OSError:  # the other side is closed
            pass
        process.wait(timeout=30)
    os.close(leader)
    text = seen.decode()
    assert process.returncode == 130
    assert "2/3" in text
    assert "% in/0.npy" in text
    last = text.rstrip("\r\n").split("\n")[-1]
    assert last.split("\r\x1b[K")[-1].endswith("Interrupted: unfinished outputs are removed\x1b[0m")
