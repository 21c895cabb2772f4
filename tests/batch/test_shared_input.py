"""Several results of one input: it is decoded once if it fits in memory, and the results are those of single runs."""

import os
import signal
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import run
from upsample_cli.batch import pool, pool_worker, shared_input
from upsample_cli.formats.picture.source import PictureSource
from upsample_cli.formats.tiff import source as tiff_source
from upsample_cli.formats.volume import block

FACTORS = ("0.5", "2", "3")
PIXELS = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
VOLUME = PIXELS.reshape(10, 12, 15).astype(np.int16)
INPUTS = {
    "a.png": lambda path: Image.fromarray(PIXELS).save(path),
    "a.jpg": lambda path: Image.fromarray(PIXELS).save(path),
    "a.tif": lambda path: tifffile.imwrite(path, VOLUME, compression="deflate", photometric="minisblack"),
    "a.nii.gz": lambda path: nib.save(nib.Nifti1Image(VOLUME, np.eye(4)), path),
    "a.npy": lambda path: np.save(path, VOLUME),
}
DECODERS = {  # what runs once for each decoding of an input, and how often that is for the whole of one
    "a.png": (PictureSource, "_load", 1),
    "a.jpg": (PictureSource, "_load", 1),
    "a.tif": (tiff_source, "ChunkedPage", 10),
    "a.nii.gz": (block._Stream, "_rewind", 1),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pool, "_can_fork", lambda: sys.platform == "linux")
    for name, make in INPUTS.items():
        make(tmp_path / name)
    return tmp_path


@pytest.fixture
def decodings(monkeypatch):
    """A function that counts the decodings of an input from now on."""

    def count(name):
        owner, attribute, _ = DECODERS[name]
        made, original = [], getattr(owner, attribute)
        monkeypatch.setattr(owner, attribute, lambda *args, **kwargs: made.append(1) or original(*args, **kwargs))
        return made

    return count


def several(*names, **options):
    scales = [part for factor in FACTORS for part in ("--scale", factor)]
    more = [part for name, value in options.items() for part in (f"--{name}", value)]
    run(*names, *scales, "--no-provenance", *more, "-o", "out/{stem}_{scale}{ext}")


def single(name, factor):
    path = Path(name)
    run(name, "--scale", factor, "--no-provenance", "-o", f"alone/{factor}/{path.name}", "--overwrite")
    return Path(f"alone/{factor}/{path.name}").read_bytes()


def result(name, factor):
    stem, suffix = name.split(".", 1)
    return Path(f"out/{stem}_{factor}.{suffix}").read_bytes()


@pytest.mark.parametrize("name", INPUTS)
def test_results_are_those_of_single_runs(name):
    several(name)
    assert [result(name, factor) for factor in FACTORS] == [single(name, factor) for factor in FACTORS]


@pytest.mark.parametrize("name", DECODERS)
def test_it_is_decoded_once(name, decodings):
    made = decodings(name)
    several(name)
    assert len(made) == DECODERS[name][2]


def test_it_is_decoded_again_where_it_does_not_fit_in_memory(decodings, monkeypatch):
    monkeypatch.setattr(shared_input, "_LARGEST_PART", 0.0)
    made = decodings("a.tif")
    several("a.tif")
    assert len(made) == len(FACTORS) * DECODERS["a.tif"][2]
    assert [result("a.tif", factor) for factor in FACTORS] == [single("a.tif", factor) for factor in FACTORS]


def test_a_result_that_needs_the_memory_itself_is_planned_without_what_is_kept(monkeypatch):
    plan = shared_input.make_plan

    def short_of_memory(request, source, *paths):
        if isinstance(source, shared_input._Held) and request.scale.text == "2":
            raise shared_input.RequestError("this needs more memory")
        return plan(request, source, *paths)

    monkeypatch.setattr(shared_input, "make_plan", short_of_memory)
    several("a.nii.gz")
    assert [result("a.nii.gz", factor) for factor in FACTORS] == [single("a.nii.gz", factor) for factor in FACTORS]


def test_a_result_that_fails_does_not_spoil_the_next(monkeypatch):
    Path("out").mkdir()
    Path("out/a_2.png").mkdir()
    scales = [part for factor in FACTORS for part in ("--scale", factor)]
    run("a.png", *scales, "--no-provenance", "-o", "out/{stem}_{scale}{ext}", code=5)
    assert result("a.png", "3") == single("a.png", "3")


def test_a_batch_decodes_every_input_in_one_worker():
    several("a.png", "a.jpg", "a.nii.gz", jobs=2)
    for name in ("a.png", "a.jpg", "a.nii.gz"):
        assert [result(name, factor) for factor in FACTORS] == [single(name, factor) for factor in FACTORS]


@pytest.mark.skipif(sys.platform != "linux", reason="workers that are not forked are not monkeypatched")
def test_a_killed_worker_costs_one_result(monkeypatch):
    original = pool_worker.run_job

    def die(number, job, *rest, **settings):
        if job.output.name == "a_0.5.png":
            os.kill(os.getpid(), signal.SIGKILL)
        return original(number, job, *rest, **settings)

    monkeypatch.setattr(pool_worker, "run_job", die)
    scales = [part for factor in FACTORS for part in ("--scale", factor)]
    ended = run("a.png", "a.jpg", *scales, "-o", "out/{stem}_{scale}{ext}", "-j", 2, code=5)
    assert "5 done, 0 skipped, 1 failed" in ended.stderr
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(
        f"a_{factor}.{suffix}" for factor in FACTORS for suffix in ("png", "jpg") if (factor, suffix) != ("0.5", "png")
    )
