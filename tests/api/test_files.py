"""Batches from programs: the same as the command's, by a function that yields what becomes of each file."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.process_helpers import command, environment
from upsample_cli import get_num_threads, resize, set_num_threads, upsample_files
from upsample_cli.errors import OutputError, RequestError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    rng = np.random.default_rng(2)
    for number in range(4):
        np.save(f"in/{number}.npy", rng.integers(0, 255, (4, 5 + number), np.uint8))
    np.save("in/deep/4.npy", np.zeros((3, 4, 5), np.float32))
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.npy")}


def test_files_are_those_of_the_command(folder):
    for name in ("ours", "theirs"):
        (folder / name).mkdir()
    results = list(upsample_files("in", "ours/", recursive=True, scale=2, mode="cubic"))
    arguments = command("-r", "in", "-o", "theirs/", "--scale", "2", "--mode", "cubic", "-q")
    subprocess.run(arguments, cwd=folder, env=environment(), check=True, timeout=60)
    assert contents("ours") == contents("theirs")
    assert len(results) == len(contents("ours")) == 5
    assert {result.status for result in results} == {"done"}
    assert sorted(result.number for result in results) == [0, 1, 2, 3, 4]


def test_the_memory_that_the_caller_holds_is_not_counted(folder):
    code = (
        "import numpy; held = numpy.ones(400 << 20, numpy.uint8)\n"
        "from upsample_cli import resize_file\n"
        "resize_file('in/0.npy', 'out.npy', scale=2, max_memory=400e6)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), check=True, timeout=60)
    assert np.load("out.npy").shape == (8, 10)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"scale": 2}, (8, 10)),
        ({"scale": (3, 2)}, (8, 15)),
        ({"scale": {"y": 2}}, (8, 5)),
        ({"scale": "2,1"}, (4, 10)),
        ({"size": [7, 9]}, (9, 7)),
        ({"size": np.array([7, 9])}, (9, 7)),
        ({"size": "7x9"}, (9, 7)),
        ({"fit": 8}, (6, 8)),
        ({"like": Path("in/3.npy"), "mode": None}, (4, 8)),
    ],
    ids=str,
)
def test_numbers_are_in_the_order_x_y_z_or_named(options, shape):
    (result,) = upsample_files(Path("in/0.npy"), "{stem}_out.npy", dry_run=True, **options)
    assert result.status == "planned"
    assert result.after.grid.shape == shape
    assert not Path("0_out.npy").exists()


def test_what_is_wrong_is_said_at_once():
    with pytest.raises(RequestError, match="give exactly one of"):
        upsample_files("in/0.npy")
    with pytest.raises(RequestError, match="scale"):
        upsample_files("in/0.npy", scale="two")
    Path("in/0_upsampled.npy").touch()
    with pytest.raises(OutputError, match="exists"):
        upsample_files("in/0.npy", scale=2)
    with pytest.raises(TypeError, match="unknown"):
        upsample_files("in/0.npy", scale=2, unknown=3)


@pytest.mark.parametrize(("existing", "status"), [("skip", "skipped"), ("overwrite", "done"), ("newer", "done")])
def test_what_exists(existing, status):
    Path("in/0_upsampled.npy").touch()
    os.utime("in/0_upsampled.npy", (0, 0))
    (result,) = upsample_files("in/0.npy", existing=existing, scale=2)
    assert result.status == status


def test_failures_are_results_and_progress_is_told():
    Path("in/1.npy").write_bytes(b"broken")
    told = []
    results = upsample_files("in/[01].npy", jobs=1, scale=2, progress=lambda path, part: told.append((path.name, part)))
    assert sorted((result.input.name, result.status) for result in results) == [("0.npy", "done"), ("1.npy", "failed")]
    assert {name for name, part in told if part == 0} == {"0.npy", "1.npy"}


def test_it_runs_in_a_program_with_threads(folder):
    """Where workers cannot be copies of the process, as in notebooks. They do not run the program again."""
    (folder / "program.py").write_text("""
import threading
from upsample_cli import upsample_files
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(*sorted(result.status for result in upsample_files("in/*.npy", jobs=2, scale=2)))
""")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("done done done done\n", "")


def test_the_threads_of_earlier_calls_end_before_workers_start(folder):
    """Workers are copies of a process without threads, which starts them faster."""

    def helpers():
        return [thread for thread in threading.enumerate() if thread.name.startswith("upsample")]

    before = get_num_threads()
    set_num_threads(2)
    resize(np.zeros((2000, 1000), np.uint8), 2)
    set_num_threads(before)
    assert helpers()
    assert [result.status for result in upsample_files("in/*.npy", jobs=2, scale=2)] == ["done"] * 4
    assert not helpers()
