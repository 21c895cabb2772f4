"""The standard input and output as files: content, formats, terminals, closed pipes."""

import gzip
import io
import os
import pty
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from tests.cli_helpers import listing
from tests.process_helpers import command, environment
from tests.samples import SAMPLES
from upsample_cli.cli.command import main
from upsample_cli.formats.detect import suffix_for

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors and terminals are those of POSIX")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path / "here"
    signal.signal(signal.SIGTERM, before)
    assert list((tmp_path / "temporary").iterdir()) == []  # nothing is left, whatever became of it


def stream(*arguments, data=b"", code=0):
    """Run with `data` as the standard input; the standard output as bytes, and what people read."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=data)
    assert result.exit_code == code, result.stderr
    assert code == 0 or result.stdout_bytes == b""  # not even a part of a file
    return result.stdout_bytes, result.stderr


def process(folder, *arguments, data=b"", code=0, **settings):
    """The same in a process of its own, whose streams are what `settings` say."""
    settings = ({} if "stdin" in settings else {"input": data}) | {"stderr": subprocess.PIPE} | settings
    env = environment(TMPDIR=str(folder.parent / "temporary"))
    result = subprocess.run(command(*arguments), cwd=folder, env=env, check=False, timeout=60, **settings)
    assert b"Traceback" not in result.stderr
    assert b"bug" not in result.stderr
    assert result.returncode == code, result.stderr
    return result


def sample(name):
    return (SAMPLES / name).read_bytes()


FAMILIES = ["icon.png", "cat.jpg", "stack_plain.tif", "stack_imagej.tif", "labels.nii.gz", "fmri.nii", "signal.npy"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_stream_becomes_what_a_file_becomes(folder, name):
    """To the byte, so that metadata are kept, and no line end is translated."""
    out, err = stream("-", "-o", "-", "--scale", 2, data=sample(name))
    stream(SAMPLES / name, "-o", "out{ext}", "--scale", 2)
    (written,) = folder.iterdir()
    assert out == written.read_bytes()
    assert err.startswith("- → -: ")


def test_the_output_of_a_stream_is_a_stream_unless_it_is_said(folder):
    out, _ = stream("-", "--scale", 2, data=sample("icon.png"))
    assert Image.open(io.BytesIO(out)).size == (128, 128)
    out, err = stream("-", "--scale", 2, "-o", "out.tif", data=sample("icon.png"))
    assert (out, err.split(":")[0]) == (b"", "- → out.tif")
    assert tifffile.imread(folder / "out.tif").shape == (128, 128, 4)


@pytest.mark.parametrize(
    ("name", "suffix", "read"),
    [
        ("depth16.png", "tif", lambda data: tifffile.imread(io.BytesIO(data))),
        ("depth16.png", ".npy", lambda data: np.load(io.BytesIO(data))),
        ("brain.nii.gz", "nii", lambda data: nib.Nifti1Image.from_bytes(data).dataobj.get_unscaled().T),
    ],
)
def test_the_format_may_be_another(folder, name, suffix, read):
    out, _ = stream("-", "--scale", 2, "--format", suffix, data=sample(name))
    same, _ = stream(SAMPLES / name, "--scale", 2, "--format", suffix, "-o", "-")
    assert out == same
    stream(SAMPLES / name, "--scale", 2, "-o", "out.npy", "-q")
    assert np.array_equal(read(out), np.load(folder / "out.npy"))


def test_a_pipeline(folder):
    half, _ = stream("-", "--scale", 0.5, "--mode", "nearest", data=sample("labels.nii.gz"))
    again, _ = stream("-", "--scale", 2, "--mode", "nearest", data=half)
    assert nib.Nifti1Image.from_bytes(gzip.decompress(again)).shape == (48, 56, 32)


def test_a_stream_among_files(folder):
    (folder / "out").mkdir()
    stream("-", SAMPLES / "signal.npy", "--scale", 2, "-o", "out", data=sample("icon.png"))
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["signal.npy", "stdin.png"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "Error: stdin: is empty"),
        (b"no picture", "Error: stdin: is not a picture"),
        (b"\x89PNG\r\n\x1a\n", "Error: stdin.png: "),
        (b"\x1f\x8b garbage", "Error: stdin: is not a picture"),
    ],
)
def test_what_is_no_file_leaves_the_output_empty(folder, data, says):
    _, err = stream("-", "--scale", 2, data=data, code=3)
    assert err.startswith(says)
    assert err.count("\n") == 1


def test_what_content_does_not_tell_the_option_does():
    _, err = stream("-", "--scale", 2, "--format", "npy", data=b"text", code=3)
    assert err.startswith("Error: stdin.npy: ")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["-", "--scale", "2", "--json"], 2, "standard output cannot hold both"),
        (["-", "--files-from", "-", "--scale", "2"], 2, "standard input cannot be both"),
        (["-", "{icon}", "--scale", "2"], 2, "-: standard input has no directory"),
        (["-", "-o", "{{parent}}/a.png", "--scale", "2"], 2, "-: standard input has no directory"),
        (["{icon}", "{signal}", "-o", "-", "--scale", "2"], 2, "--output -: 2 inputs cannot be written to one file"),
        (["-", "--scale", "2", "--format", "xyz"], 4, "stdout.xyz: cannot write files with the suffix '.xyz'"),
        (
            ["-", "-o", "x.png", "--scale", "2", "--format", "png"],
            2,
            "--format png: has no effect with --output x.png",
        ),
    ],
)
def test_refusals(folder, arguments, code, says):
    names = {"icon": SAMPLES / "icon.png", "signal": SAMPLES / "signal.npy"}
    arguments = [argument.format(**names) for argument in arguments]
    assert says in stream(*arguments, data=sample("icon.png"), code=code)[1]
    assert listing(folder) == {}


def test_a_dry_run_prints_the_plan_of_a_stream(folder):
    out, _ = stream("-", "--scale", 2, "--dry-run", data=sample("icon.png"))
    assert out.startswith("- → -\n".encode())
    assert b"64 \xe2\x86\x92 128" in out


def test_real_streams(folder):
    """As of a shell: nothing but the file is on the standard output, and no line end is translated."""
    expected, _ = stream("-", "--scale", 2, data=sample("icon.png"))
    with (SAMPLES / "icon.png").open("rb") as file, (folder / "out.png").open("wb") as out:
        process(folder, "-", "--scale", 2, stdin=file, stdout=out)
    assert (folder / "out.png").read_bytes() == expected


def test_no_terminal_is_written_to_or_read_from(folder):
    ours, theirs = pty.openpty()
    try:
        written = process(folder, SAMPLES / "icon.png", "-o", "-", "--scale", 2, stdout=theirs, code=2)
        read = process(folder, "-", "-o", "out.png", "--scale", 2, stdin=theirs, stdout=subprocess.PIPE, code=2)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"standard output is a terminal or closed; redirect" in written.stderr
    assert b"standard input is a terminal or closed; redirect" in read.stderr


def test_a_closed_pipe_is_an_output_that_cannot_be_written(folder):
    reader, writer = os.pipe()
    os.close(reader)
    result = process(folder, "-", "--scale", 8, data=sample("icon.png"), stdout=writer, code=4)
    os.close(writer)
    assert result.stderr == b"Error: the standard output cannot be written: Broken pipe\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_an_interrupted_stream_leaves_nothing(folder, number, code):
    temporary = folder.parent / "temporary"
    waiting = subprocess.Popen(
        command("-", "--scale", 2),
        cwd=folder,
        env=environment(TMPDIR=str(temporary)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not list(temporary.rglob("stdin")) and time.monotonic() < deadline:
        time.sleep(0.01)
    waiting.send_signal(number)
    stdout, stderr = waiting.communicate(timeout=30)
    assert (waiting.returncode, stdout) == (code, b"")
    assert b"Traceback" not in stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(folder):
    with Path("/dev/full").open("wb") as full:
        result = process(folder, "-", "--scale", 8, data=sample("icon.png"), stdout=full, code=4)
    assert result.stderr.startswith(b"Error: the standard output cannot be written: No space left")


@pytest.mark.parametrize(
    ("closed", "inputs", "code", "says"),
    [
        (0, ["-"], 2, b"standard input is a terminal or closed"),
        (1, [SAMPLES / "icon.png"], 2, b"standard output is a terminal or closed"),
    ],
)
def test_a_stream_that_is_closed(folder, closed, inputs, code, says):
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    settings = {"preexec_fn": lambda: os.close(closed)} | streams
    result = process(folder, *inputs, "-o", "-", "--scale", 2, code=code, **settings)
    assert says in result.stderr


# --- what is in a stream ---


def picture(kind):
    data = io.BytesIO()
    Image.new("RGB", (5, 4)).save(data, kind)
    return data.getvalue()


def volume(kind):
    return kind(np.zeros((3, 4, 5), np.float32), np.eye(4)).to_bytes()


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        *[(sample(name), Path(name).suffix) for name in FAMILIES if not name.endswith(".gz")],
        (sample("labels.nii.gz"), ".nii.gz"),
        (volume(nib.Nifti1Image), ".nii"),
        (volume(nib.Nifti2Image), ".nii"),
        (volume(nib.MGHImage), ".mgh"),
        (gzip.compress(volume(nib.MGHImage)), ".mgz"),
        (gzip.compress(volume(nib.Nifti2Image)), ".nii.gz"),
        *[(picture(kind), f".{kind.lower()}") for kind in ("BMP", "GIF", "WEBP", "ICO", "TGA")],
        (picture("PPM"), ".pnm"),
        (picture("JPEG2000"), ".jp2"),
        (b"", ""),
        (b"\x1f\x8b", ""),
        (gzip.compress(b"text"), ""),
        (b"text", ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_suffix_that_suits_the_content(tmp_path, data, suffix):
    (tmp_path / "stdin").write_bytes(data)
    assert suffix_for(tmp_path / "stdin") == suffix
