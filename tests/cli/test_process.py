"""The command as a real process, from another working directory: names, signals, full disks, closed pipes, imports."""

import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import invoke, listing
from tests.process_helpers import INTERRUPTED, TEMPORARY, command, environment, limit_file_size, sparse
from tests.samples import SAMPLES
from upsample_cli.cli import command as command_module

LIBRARIES = {"numpy", "PIL", "tifffile", "imagecodecs", "nibabel", "torch"}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, limits and names are those of POSIX")


def run(folder, *arguments, code=0, python=(), env=None, **settings):
    settings = {"capture_output": True, "timeout": 60} | settings
    result = subprocess.run(
        command(*arguments, python=python), cwd=folder, env=environment(**(env or {})), check=False, **settings
    )
    result.stdout, result.stderr = [(s or b"").decode("utf-8", "replace") for s in (result.stdout, result.stderr)]
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert not re.search(r"\w+Warning: ", result.stderr)  # Python's own words, which are not for users
    return result


@pytest.fixture
def folder(tmp_path):
    """A working directory that is neither the project's nor the files'."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# --- a run from another directory ---


def test_the_same_command_twice_gives_the_same_bytes(folder):
    """Also in processes of their own, at other times, where hashes of strings are others."""
    names = [
        "cat.jpg",
        "icon.png",
        "palette.png",
        "stack_imagej.tif",
        "stack_ome.ome.tif",
        "brain.nii.gz",
        "signal.npy",
    ]
    arguments = [*(SAMPLES / name for name in names), "--scale", 2, "-o", "{stem}{ext}", "--overwrite"]
    first_run = run(folder, *arguments, env={"PYTHONHASHSEED": "1"})
    assert first_run.stdout == ""
    assert first_run.stderr.splitlines()[-1] == "7 done, 0 skipped, 0 failed"
    first = listing(folder)
    assert set(first) == set(names)
    time.sleep(max(0, 1.01 - time.time() % 1))  # times in headers have a resolution of a second
    run(folder, *arguments, env={"PYTHONHASHSEED": "2"})
    assert listing(folder) == first


NAMES = [
    "with space",
    " leading and trailing ",
    "ünïcødé 图像 🐈",
    "-dash",
    "--scale",
    "quo'te\"d",
    "back\\slash",
    "new\nline",
    "tab\tand\x1bescape",
    "$HOME `date` ;&|",
    "[ab]*?",
    "{stem}{size}",
    "%s%%",
    "a=b,c",
    "dots...",
    b"not-\xff\xfe-unicode".decode("utf-8", "surrogateescape"),
]
WRITERS = {
    ".npy": lambda path: np.save(path, np.zeros((2, 3), np.uint8)),
    ".png": lambda path: Image.new("L", (3, 2)).save(path),
    ".tif": lambda path: tifffile.imwrite(path, np.zeros((2, 3), np.uint8)),
    ".nii.gz": lambda path: nib.save(nib.Nifti1Image(np.zeros((3, 2, 2), np.uint8), np.eye(4)), path),
}


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory):
    """A directory of files of every family under every odd name, two of them links, and their names."""
    folder = tmp_path_factory.mktemp("odd")
    for ext, write in WRITERS.items():
        write(folder / f"plain{ext}")
        for name in [*NAMES, "x" * (250 - len(ext))]:
            shutil.copyfile(folder / f"plain{ext}", os.fsencode(folder / f"{name}{ext}"))
        (folder / f"plain{ext}").rename(folder / f"target of a link{ext}")
        (folder / f"link{ext}").symlink_to(f"target of a link{ext}")
    return folder


def test_odd_names(oddly_named, folder):
    names = names_in(oddly_named)
    shutil.copytree(oddly_named, folder, symlinks=True, dirs_exist_ok=True)
    (folder / "out").mkdir()
    before = set(listing(folder))
    result = run(folder, "--scale", 2, "-o", "out/", "--", *names)
    assert names_in(folder / "out") == names
    assert set(listing(folder)) - before == {f"out/{name}" for name in names}
    assert result.stderr.splitlines()[-1] == f"{len(names)} done, 0 skipped, 0 failed"
    assert np.load(folder / "out" / "-dash.npy").shape == (4, 6)


def test_odd_names_in_trees_and_lists(oddly_named, folder):
    """Found in a directory, listed by ``find -print0``, failed and listed again: they are what they were."""
    names = [name for name in names_in(oddly_named) if name.endswith(".npy")]
    for way in ("in", "found", "listed"):
        (folder / way).mkdir()
    for name in names:
        shutil.copyfile(oddly_named / name, folder / "in" / name)
    (folder / "in" / "broken\n.npy").touch()
    run(folder, "-r", "in", "--scale", 2, "-o", "found", "--failed-to", "failed", "-q", code=5)
    assert names_in(folder / "found") == names
    assert (folder / "failed").read_bytes() == b"in/./broken\n.npy\0"
    listed = subprocess.run(["find", "in", "-type", "f", "-print0"], cwd=folder, capture_output=True, check=True).stdout
    run(folder, "--files-from", "-", "--scale", 2, "-o", "listed", "-q", code=5, input=listed)
    assert listing(folder / "listed") == listing(folder / "found")


def test_a_name_that_begins_with_a_tilde(folder):
    shutil.copyfile(SAMPLES / "labels.nii.gz", folder / "~.nii.gz")
    run(folder, "~.nii.gz", "--scale", 2)


def test_odd_names_in_plans(oddly_named, folder):
    """Programs read the plan on standard output, whatever the locale can spell."""
    result = run(folder, "--scale", 2, "-o", ".", "--dry-run", "--", oddly_named / "ünïcødé 图像 🐈.npy")
    assert "ünïcødé 图像 🐈.npy → " in result.stdout


@pytest.mark.parametrize("case", ["not unicode", "latin"])
def test_names_that_standard_output_cannot_spell(oddly_named, folder, case):
    name, env = ("ünïcødé 图像 🐈.npy", {"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"})
    if case == "not unicode":
        name, env = f"{NAMES[-1]}.npy", {"PYTHONIOENCODING": "utf-8"}
    run(folder, "--scale", 2, "-o", ".", "--dry-run", "--", oddly_named / name, env=env)


def test_a_message_is_one_line_whatever_the_name(folder):
    result = run(folder, "no\nsuch.png", "--scale", 2, code=3)
    assert result.stderr.count("\n") == 1


def test_no_library_talks_to_users(folder):
    header = bytearray((SAMPLES / "fmri.nii").read_bytes())
    header[80:84] = struct.pack("<f", -8.0)  # pixdim[1]
    (folder / "odd.nii").write_bytes(header)
    result = run(folder, "odd.nii", "--scale", 2)
    assert all(line.startswith(("odd.nii → ", "Warning: odd.nii: ")) for line in result.stderr.splitlines())


# --- what is imported ---


def imported(folder, *arguments, code=0):
    """The libraries that a process imports, and those modules of the package itself that it does."""
    before = {"PYTHONPROFILEIMPORTTIME": "1"}
    text = run(folder, *arguments, code=code, env=before).stderr
    modules = {line.split("|")[2].strip() for line in text.splitlines() if line.startswith("import time:")}
    assert "click" in modules  # or else nothing was measured
    return {module.split(".")[0] for module in modules} & LIBRARIES


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--nonsense"], 2),
        (["x.png"], 2),
        (["x.png", "--scale", "two"], 2),
        (["x.png", "--scale", "2", "--size", "3"], 2),
        (["x.png", "--scale", "2", "--mode", "nonsense"], 2),
        (["x.png", "--scale", "2", "--pair", "nonsense"], 2),
        (["x.png", "--scale", "2", "-o", "{nonsense}"], 2),
        (["x.png", "--scale", "2", "-o", "x.png"], 2),
        (["x.png", "y.png", "--scale", "2", "-o", "out.png"], 2),
        (["--man"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_help_and_usage_errors_import_nothing_heavy(folder, arguments, code):
    assert imported(folder, *arguments, code=code) == set()


@pytest.mark.parametrize(
    ("name", "libraries"),
    [
        ("icon.png", {"numpy", "PIL", "imagecodecs"}),
        ("labels.nii.gz", {"numpy", "nibabel"}),
        ("stack_plain.tif", {"numpy", "tifffile", "imagecodecs"}),
        ("signal.npy", {"numpy"}),
    ],
)
def test_a_job_imports_its_own_library_alone(folder, name, libraries):
    found = imported(folder, SAMPLES / name, "--scale", 2, "-o", ".", "-q")
    assert found <= libraries
    assert "numpy" in found


# --- signals ---


def interrupt(folder, output, number, keep=False):
    """Start a long job, send a signal as soon as it writes, and return the process's code and words."""
    sparse(folder / "long.npy", (600, 1500, 1500))
    process = subprocess.Popen(
        command("long.npy", "--scale", "1.5,1.5,0.5", "-o", output),
        cwd=folder,
        env=environment(PYTHONWARNINGS=INTERRUPTED),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 30
        while not any(TEMPORARY.fullmatch(name) for name in names_in(folder)):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert process.poll() is None
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert stdout == b""
    return process.returncode, stderr.decode()


@pytest.mark.parametrize(
    ("number", "code", "output"),
    [
        (signal.SIGINT, 130, "out.npy"),
        (signal.SIGINT, 130, "out.tif"),
        (signal.SIGTERM, 143, "out.nii.gz"),
        (signal.SIGTERM, 143, "out.hdr"),
        (signal.SIGHUP, 129, "out.tif"),  # as when a terminal is closed
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else str(value),
)
def test_an_interrupted_job_leaves_nothing(folder, number, code, output):
    returned, stderr = interrupt(folder, output, number)
    assert returned == code, stderr
    assert "Traceback" not in stderr
    assert stderr.count("\n") <= 1
    assert names_in(folder) == ["long.npy"]


BADLY_TIMED = """
import signal, sys, weakref
from upsample_cli import __main__
from upsample_cli.runtime import atomic

method = sys.argv.pop(1)
usual = getattr(atomic.AtomicOutput, method)

class Thing:
    pass

def badly_timed(self, *arguments):
    setattr(atomic.AtomicOutput, method, usual)
    if method == "__exit__":
        signal.raise_signal(signal.SIGTERM)
    else:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
        del thing  # Python discards what is raised here
    return usual(self, *arguments)

setattr(atomic.AtomicOutput, method, badly_timed)
__main__.run()
"""


@pytest.mark.parametrize(
    ("method", "left"),
    [("__enter__", ["in.npy"]), ("__exit__", ["in.npy", "out.npy"])],
    ids=["lost", "while-it-is-removed"],
)
def test_a_badly_timed_signal_is_heeded_all_the_same(folder, method, left):
    """One whose exception Python has lost, and one that keeps a complete output's other name from being removed."""
    np.save(folder / "in.npy", np.zeros((3, 4), np.uint8))
    arguments = [method, "in.npy", "--scale", "2", "-o", "out.npy", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", BADLY_TIMED, *arguments],
        cwd=folder,
        env=environment(PYTHONWARNINGS=INTERRUPTED),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert names_in(folder) == left
    assert "Exception ignored" not in done.stderr


def test_an_interruption_while_options_are_read(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_module, "with_bare_values", interrupt)
    result = invoke("in.png", "--scale", 2)
    assert (result.exit_code, result.stderr) == (130, "Interrupted: unfinished outputs are removed\n")


def test_an_interrupted_overwrite_keeps_the_old_file(folder):
    (folder / "out.tif").write_bytes(b"precious")
    sparse(folder / "long.npy", (2, 2))
    run(folder, "long.npy", "--scale", 2, "-o", "out.tif", code=4)
    assert (folder / "out.tif").read_bytes() == b"precious"


def test_a_killed_job_leaves_no_file_under_the_final_name(folder):
    returned, _ = interrupt(folder, "out.npy", signal.SIGKILL)
    assert returned == -signal.SIGKILL
    (left,) = set(names_in(folder)) - {"long.npy"}
    assert TEMPORARY.fullmatch(left)
    small = np.zeros((2, 3), np.uint8)
    np.save(folder / "long.npy", small)
    run(folder, "long.npy", "--scale", 2, "-o", "out.npy")  # what was left is in nobody's way
    assert np.load(folder / "out.npy").shape == (4, 6)


def test_what_a_killed_job_has_left_goes_with_the_next_run(folder):
    interrupt(folder, "out.npy", signal.SIGKILL)
    (left,) = set(names_in(folder)) - {"long.npy"}
    np.save(folder / "small.npy", np.zeros((2, 3), np.uint8))
    run(folder, "small.npy", "--scale", 2)
    assert left in names_in(folder), "it might just have been made"
    os.utime(folder / left, (0, time.time() - 60))
    with (folder / left).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run(folder, "small.npy", "--scale", 2, "--overwrite")
        assert left in names_in(folder), "somebody holds it"
    run(folder, "small.npy", "--scale", 2, "--overwrite")
    assert names_in(folder) == ["long.npy", "small.npy", "small_upsampled.npy"]


def test_kills_at_any_moment_leave_no_half_file(folder):
    """Each output with each signal: what has the final name is complete, and is what an undisturbed run writes."""
    rng = np.random.default_rng(0)
    np.save(folder / "in.npy", rng.integers(0, 255, (20, 150, 200), np.uint8))
    outputs = ["out.npy", "out.tif", "out.nii.gz", "out.nii"]
    complete, seconds = {}, {}
    for name in outputs:
        began = time.monotonic()
        run(folder, "in.npy", "--scale", 2, "-o", name)
        seconds[name], complete[name] = time.monotonic() - began, (folder / name).read_bytes()
    for number in range(12):
        name = outputs[number % len(outputs)]
        for path in folder.glob("*out*"):
            path.unlink()
        process = subprocess.Popen(command("in.npy", "--scale", 2, "-o", name, "-q"), cwd=folder, env=environment())
        time.sleep(rng.uniform(0.3, 1.1) * seconds[name])
        process.send_signal([signal.SIGKILL, signal.SIGTERM, signal.SIGINT][number % 3])
        process.wait(timeout=30)
        if (folder / name).exists():
            assert (folder / name).read_bytes() == complete[name]
        left = set(names_in(folder)) - {"in.npy", name}
        assert all(TEMPORARY.fullmatch(path) for path in left)
        assert not left or process.returncode == -signal.SIGKILL
        for path in left:
            (folder / path).unlink()


# --- outputs that fail ---


@pytest.mark.parametrize("output", ["out.npy", "out.tif", "out.nii", "out.nii.gz", "out.hdr", "out.png"])
def test_a_full_disk(folder, output):
    rng = np.random.default_rng(1)
    np.save(folder / "in.npy", rng.integers(0, 255, (1, 300, 300) if ".nii" in output else (300, 300), np.uint8))
    (folder / output).write_bytes(b"precious")
    before = listing(folder)
    arguments = ["in.npy", "--scale", "2,2,1" if ".nii" in output else 2, "-o", output, "--overwrite"]
    result = run(folder, *arguments, code=4, preexec_fn=limit_file_size(50_000))
    assert result.stderr.startswith(f"Error: {output}: cannot be written: ")
    assert result.stderr.count("\n") == 1
    assert listing(folder) == before


def test_a_full_disk_in_the_middle_of_a_batch(folder):
    for name in ("big", "small"):
        size = {"big": 300, "small": 3}[name]
        np.save(folder / f"{name}.npy", np.random.default_rng(1).integers(0, 255, (size, size), np.uint8))
    arguments = ["big.npy", "small.npy", "--scale", 2, "-o", "{stem}.tif"]
    result = run(folder, *arguments, code=5, preexec_fn=limit_file_size(100_000))
    assert "1 done, 0 skipped, 1 failed" in result.stderr
    assert names_in(folder) == ["big.npy", "small.npy", "small.tif"]


# --- pipes ---


def close(*descriptors):
    def closed():
        for descriptor in descriptors:
            os.close(descriptor)

    return closed


@pytest.mark.parametrize("descriptors", [(1,), (2,), (0, 1, 2)], ids=str)
def test_closed_streams(folder, descriptors):
    arguments = [SAMPLES / "signal.npy", "--scale", 2, "-o", "out.npy", "-v"]
    result = run(folder, *arguments, capture_output=False, stderr=subprocess.PIPE, preexec_fn=close(*descriptors))
    assert "bug" not in result.stderr
    assert np.load(folder / "out.npy").shape == (400,)
    assert names_in(folder) == ["out.npy"]


def test_a_plan_into_a_closed_stream(folder):
    arguments = [SAMPLES / "signal.npy", "--scale", 2, "-o", "out.npy", "--dry-run"]
    settings = {"capture_output": False, "stderr": subprocess.PIPE, "preexec_fn": close(1)}
    assert run(folder, *arguments, code=4, **settings).stderr == "Error: the standard output is closed\n"


def test_a_plan_into_a_broken_pipe(folder):
    """As in ``upsample … --dry-run | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        command(SAMPLES / "signal.npy", "--scale", 2, "-o", "out.npy", "--dry-run"),
        cwd=folder,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_plan_into_a_full_disk(folder):
    with Path("/dev/full").open("wb") as full:
        arguments = [SAMPLES / "signal.npy", "--scale", 2, "-o", "out.npy", "--dry-run"]
        run(folder, *arguments, code=4, capture_output=False, stdout=full, stderr=subprocess.PIPE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["--help", "--version", "--man"])
def test_what_is_only_told_onto_a_full_disk(folder, option):
    with Path("/dev/full").open("wb") as full:
        result = run(folder, option, code=4, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert result.stderr == "Error: the standard output cannot be written: No space left on device\n"


# --- two at a time ---


def test_two_processes_on_one_output(folder):
    """Whichever comes last wins; the file is the work of one of them, never a mixture, and nothing else is left."""
    rng = np.random.default_rng(3)
    expected = []
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", rng.integers(0, 255, (700, 700), np.uint8))
        run(folder, f"{name}.npy", "--scale", 3, "-o", "out.tif", "--overwrite")
        expected.append((folder / "out.tif").read_bytes())
    processes = [
        subprocess.Popen(
            command(f"{name}.npy", "--scale", 3, "-o", "out.tif", "--overwrite", "-q"), cwd=folder, env=environment()
        )
        for name in ("a", "b")
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (folder / "out.tif").read_bytes() in expected
    assert names_in(folder) == ["a.npy", "b.npy", "out.tif"]
