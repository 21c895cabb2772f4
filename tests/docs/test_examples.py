"""The pages tell the truth: their Python examples and commands run, and their links lead somewhere."""

import doctest
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.docs.pages import PAGES, README, ROOT, blocks, commands, rows, section, text_of
from tests.process_helpers import environment

EXAMPLES = [page for page in PAGES if any(">>>" in block for block in blocks(text_of(page), "python"))]
CONSOLES = [page for page in PAGES if blocks(text_of(page), "console")]
SAMPLES = ROOT / "sample_data"
LIBRARY, WITH_TORCH = ROOT / "docs" / "library.md", "PyTorch tensors"
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def run(tmp_path):
    """Run a line of bash in a directory that has every file the pages name."""
    _make_inputs(tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "upsample"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m upsample_cli "$@"\n')
    program.chmod(0o755)
    env = environment(PATH=f"{programs}{os.pathsep}{os.environ['PATH']}", PYTHONWARNINGS="ignore")

    def run_line(line):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True
        )

    return run_line


def _make_inputs(folder):
    shutil.copytree(SAMPLES, folder / "sample_data", ignore=shutil.ignore_patterns("pictures", "*.py"))
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.jpg", "photos/drafts/c.jpg", "dataset/images/a.jpg"):
        _copy("cat_rotated.jpg", folder / name)
    for name in ("in.png", "scans/icon.png"):
        _copy("icon.png", folder / name)
    _copy("depth16.png", folder / "scans" / "second scan.png")
    _copy("stack_plain.tif", folder / "in.tif")
    for stem in ("sub-01/anat/sub-01", "bids/sub-01/anat/sub-01", "bids/sub-02/anat/sub-02"):
        _copy("brain.nii.gz", folder / f"{stem}_T1w.nii.gz")
        _copy("labels.nii.gz", folder / f"{stem}_dseg.nii.gz")
    for name, source in (("in", "brain"), ("ref", "brain"), ("seg", "labels")):
        _copy(f"{source}.nii.gz", folder / f"{name}.nii.gz")
    (folder / "dataset" / "masks").mkdir()
    Image.fromarray(np.eye(106, 160, dtype=np.uint8)).save(folder / "dataset" / "masks" / "a.png")
    np.save(folder / "rgb.npy", np.zeros((12, 16, 3), np.uint8))


def _copy(sample, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLES / sample, target)


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.name)
def test_python_examples_give_what_they_show(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = text_of(page)
    _run_examples(text.replace(section(text, WITH_TORCH), "") if page == LIBRARY else text, page)


def test_examples_with_torch_give_what_they_show():
    pytest.importorskip("torch")
    _run_examples(section(text_of(LIBRARY), WITH_TORCH), LIBRARY)


def _run_examples(text, page):
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    results = doctest.DocTestRunner(verbose=False).run(test)
    assert results.attempted >= 3
    assert results.failed == 0


@needs_bash
@pytest.mark.parametrize("page", CONSOLES, ids=lambda page: page.name)
def test_commands_run(page, run):
    for command, printed in commands(text_of(page)):
        done = run(command)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        for line in printed:
            assert _without_time(line) in map(_without_time, (done.stdout + done.stderr).splitlines())


def _without_time(line):
    return re.sub(r"[\d.]+ s$", "… s", line)


def _translations():
    typed = [row[2] for row in rows(section(text_of(README), "You know → you type"))]
    return [code for cell in typed for code in re.findall(r"^`(.*)`$", cell)]


@needs_bash
def test_commands_of_people_who_know_other_programs_run(run):
    lines = [line for line in _translations() if line.startswith("upsample ")]
    assert len(lines) >= 9
    for line in lines:
        done = run(line)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_calls_of_people_who_know_other_libraries_run():
    from upsample_cli import interpolate, resize

    by_scipy, by_torch = [line for line in _translations() if not line.startswith("upsample ")]
    x = np.array([[0.0, 4.0], [8.0, 4.0]])
    zoomed = eval(by_scipy, {"resize": resize, "x": x})
    assert zoomed[0].tolist() == [0, 1, 3, 4]  # of scipy.ndimage.zoom
    assert zoomed[:, 0].tolist() == [0, 2, 6, 8]
    assert eval(by_torch, {"interpolate": interpolate, "x": x[None, None]}).shape == (1, 1, 4, 4)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(page)):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(text_of(linked)), target


def _anchors(text):
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
