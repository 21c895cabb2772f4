"""Lists and reports whose names are those of pipes, devices, links, inputs or outputs: none of these is replaced."""

import os
import stat
import threading
from pathlib import Path

import pytest

from tests import cli_helpers
from tests.cli_helpers import ROOT, refuse, run
from upsample_cli.batch import lists
from upsample_cli.runtime import destination

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

OPTIONS = ["--failed-to", "--report"]


@pytest.fixture
def batch(folder):
    """The arguments of a batch of one file, which fails."""
    (folder / "broken.png").write_text("a letter")
    return ["broken.png", "--scale", 2, "-o", "out.png", "-q"]


@pytest.fixture
def reader(folder):
    """A pipe and what a thread has read from it when it ends."""
    os.mkfifo(folder / "pipe")
    found = []
    thread = threading.Thread(target=lambda: found.append((folder / "pipe").read_bytes()), daemon=True)
    threading.Timer(0.2, thread.start).start()  # later than the writer, as the other side of a shell's pipe can be

    def content():
        thread.join(10)
        return found[0]

    return content


@pytest.fixture(autouse=True)
def without_contents(monkeypatch):
    """`refuse` compares names only, since reading a pipe would wait for its writer."""
    monkeypatch.setattr(cli_helpers, "listing", lambda folder: sorted(map(str, folder.rglob("*"))))


def expected(option):
    return b"broken.png\n" if option == "--failed-to" else b"<!doctype html>"


@pytest.mark.parametrize("option", OPTIONS)
def test_a_pipe_is_written_into(folder, batch, reader, option):
    run(*batch, option, "pipe", code=3)
    assert reader().startswith(expected(option))
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_pipe_that_nobody_reads_is_refused(folder, batch, option, monkeypatch):
    monkeypatch.setattr(destination, "_READER_SECONDS", 0.1)
    os.mkfifo(folder / "pipe")
    refuse(*batch, option, "pipe", code=4, says=("pipe: ", "no process reads from it"))


@pytest.mark.parametrize("option", OPTIONS)
def test_an_open_file_is_written_into(batch, option):
    """As in ``--failed-to >(sort)``: the shell gives the name of an open pipe."""
    reader, writer = os.pipe()
    try:
        run(*batch, option, f"/dev/fd/{writer}", code=3)
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert file.read().startswith(expected(option))


@pytest.fixture
def null(folder):
    """A device that swallows what is written; root makes one of its own, since root could replace the real one."""
    if not ROOT:
        return Path("/dev/null")
    try:
        os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("devices cannot be made here")
    return folder / "null"


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("by_link", [False, True])
def test_a_device_is_written_into(folder, batch, null, option, by_link):
    if by_link:
        (folder / "link.html").symlink_to(null)
    run(*batch, option, "link.html" if by_link else null, code=3)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert (folder / "link.html").is_symlink() == by_link


def test_a_device_is_no_output(folder, sample, null):
    (folder / "out.png").symlink_to(null)
    refuse(sample("icon.png"), "--scale", 2, "-o", "out.png", "--overwrite", code=4, says="not a regular file")
    refuse("icon.png", "--scale", 2, "-o", null, code=4, says=("not a regular file", "-o -"))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    ("target", "says"), [("broken.png", "would overwrite an input"), ("out.png", "would overwrite an output")]
)
def test_a_link_to_an_input_or_an_output(folder, batch, option, target, says):
    (folder / "out.png").write_text("of an earlier run")
    (folder / "link.html").symlink_to(target)
    refuse(*batch, "--overwrite", option, "link.html", code=2, says=(option, says))


def test_a_reference_is_not_replaced(folder, sample):
    (folder / "link.html").symlink_to(sample("icon.png", "reference.png"))
    arguments = [sample("icon.png"), "--like", "reference.png", "-o", "out.png"]
    refuse(*arguments, "--report", "link.html", "--overwrite", code=2, says="would overwrite the reference")


def test_one_name_for_two_files(folder, batch):
    (folder / "link.html").symlink_to("a.html")
    refuse(*batch, "--report", "a.html", "--failed-to", "a.html", code=2, says="name the same file")
    refuse(*batch, "--report", "link.html", "--failed-to", "a.html", code=2, says="name the same file")


def test_a_report_does_not_replace_the_list_of_inputs(folder, batch):
    (folder / "list.html").write_text("broken.png\n")
    arguments = ["--files-from", "list.html", *batch[1:], "--overwrite", "--report", "list.html"]
    refuse(*arguments, code=2, says="would overwrite the list of --files-from")


@pytest.mark.parametrize("content", ["broken.png\nand more\n", "broken.png,1\n", "elsewhere.png\n"])
def test_a_file_that_is_no_list_of_these_inputs(folder, batch, content):
    """Also if its first line is the name of a file."""
    (folder / "notes").write_text(content)
    refuse(*batch, "--failed-to", "notes", code=4, says="is not a list of these inputs")


# --- lists that are read ---


def test_a_list_in_a_pipe(folder, sample):
    os.mkfifo(folder / "pipe")
    thread = threading.Thread(target=(folder / "pipe").write_text, args=(sample("icon.png"),))
    thread.start()
    run("--files-from", "pipe", "--scale", 2, "-o", "out.png")
    thread.join()
    assert (folder / "out.png").exists()


def test_a_list_in_a_pipe_without_a_writer(folder, monkeypatch):
    monkeypatch.setattr(lists, "_WRITER_SECONDS", 0.02)
    os.mkfifo(folder / "pipe")
    refuse("--files-from", "pipe", "--scale", 2, code=3, says="no process writes to it")


@pytest.mark.parametrize("content", [b"icon.png\n", b""])
def test_a_list_in_an_open_pipe(sample, content):
    """As in ``--files-from <(ls)``."""
    sample("icon.png")
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    try:
        run("--files-from", f"/dev/fd/{reader}", "--scale", 2, "-o", "out/")
    finally:
        os.close(reader)
    assert Path("out/icon.png").exists() == bool(content)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs an endless device")
def test_an_endless_list(folder, monkeypatch):
    monkeypatch.setattr(lists, "_LONGEST_LIST", 1000)
    refuse("--files-from", "/dev/zero", "--scale", 2, code=3, says="is longer than 1.0 kB")


# --- directories ---


def test_a_working_directory_that_has_been_removed(folder, sample, monkeypatch):
    """Absolute names are still good; all others are refused, and it is no bug."""
    path = folder / sample("icon.png")
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    run(path, "--scale", 2, "-o", folder / "out.png")
    for arguments in (["icon.png"], [path, "-o", "out.png"], [path, "--failed-to", "list", "-o", folder / "b.png"]):
        result = run(*arguments, "--scale", 2, code=2)
        assert result.stderr == "Error: the working directory has been removed; change to another one\n"
