"""No public function changes the state of other libraries or of the process."""

import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

import upsample_cli
from tests.samples import SAMPLES
from upsample_cli.runtime import library_messages

FILES = ["cat.jpg", "icon.png", "palette.png", "stack_ome.ome.tif", "stack_plain.tif", "brain.nii.gz", "signal.npy"]
X = np.arange(48, dtype=np.float32).reshape(1, 4, 3, 4)


def state():
    """All that a library call could change by accident, by its name."""
    loggers = [logging.getLogger(name) for name in ("tifffile", "nibabel", "nibabel.global", "PIL", "imagecodecs", "")]
    return {
        "MAX_IMAGE_PIXELS": Image.MAX_IMAGE_PIXELS,
        "MAXBLOCK": ImageFile.MAXBLOCK,
        "LOAD_TRUNCATED_IMAGES": ImageFile.LOAD_TRUNCATED_IMAGES,
        "loggers": [(log.level, log.propagate, list(log.handlers), list(log.filters), log.disabled) for log in loggers],
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "gc": gc.get_threshold(),
        "errstate": np.geterr(),
        "print options": np.get_printoptions(),
        "directory": Path.cwd(),
        "umask": os.umask(0o22),
        "libraries": (tifffile.__name__, nib.__name__),
    }


def resize_files(folder):
    names = [SAMPLES / name for name in FILES]
    results = list(upsample_cli.upsample_files(names, folder, scale=1.5, verify=True, jobs=1))
    assert {result.status for result in results} == {"done"}


def resize_one(name):
    def call(folder):
        (result,) = upsample_cli.upsample_files(SAMPLES / name, folder / f"out{name}", scale=1.5, verify=True)
        assert result.status == "done", result.error

    return call


CALLS = {
    "files": resize_files,
    **{name: resize_one(name) for name in FILES},
    "interpolate": lambda folder: upsample_cli.interpolate(X, scale_factor=2),
    "resize": lambda folder: upsample_cli.resize(X[0, 0], 2),
    "Upsample": lambda folder: upsample_cli.Upsample(size=5)(X),
    "upsample_vjp": lambda folder: upsample_cli.upsample_vjp(X, scale_factor=2)[1](np.ones((1, 4, 6, 8))),
    "pixel_shuffle": lambda folder: upsample_cli.pixel_shuffle(X, 2),
    "pixel_unshuffle": lambda folder: upsample_cli.pixel_unshuffle(X[..., :2, :], 2),
    "pyramid": lambda folder: list(upsample_cli.pyramid(X, 2)),
    "conv_transpose_weight": lambda folder: upsample_cli.conv_transpose_weight(1, 2, 2),
    "get_num_threads": lambda folder: upsample_cli.get_num_threads(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_leaves_everything_as_it_was(call, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)  # Pillow's guard, whatever other tests have done to it
    monkeypatch.setattr(library_messages, "_is_command", False)  # other tests have run the command in this process
    before = state()
    call(tmp_path)
    assert state() == before


def test_the_first_call_in_a_program_does_so_too():
    """Modules are loaded when they are first used, and may change something then."""
    root = str(SAMPLES.parent)  # last, so that the installed package has precedence
    code = f"import runpy, sys; sys.path.append({root!r}); runpy.run_module({__name__!r}, run_name='__main__')"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=120)


def test_all_public_names_are_covered():
    others = {"__version__", "UpsampleOptions", "set_num_threads", "upsample", "upsample_files"}
    others |= {"torch_interpolate", "jax_interpolate"}  # adapters around upsample_vjp
    others |= {"resize_file"}  # one file of upsample_files
    assert set(upsample_cli.__all__) == others | (CALLS.keys() & set(upsample_cli.__all__))


if __name__ == "__main__":
    start = state()
    with tempfile.TemporaryDirectory() as work:
        resize_files(Path(work))
    assert state() == start, {name: (value, start[name]) for name, value in state().items() if value != start[name]}
