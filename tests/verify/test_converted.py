"""``--verify`` checks converted samples, and withholds those that were converted in another way."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import refuse, run
from upsample_cli.pipeline.conversion import SampleConversion

RANDOM = np.random.default_rng(1)
ARRAYS = {
    "uint16": RANDOM.integers(0, 65535, (9, 11)).astype(np.uint16),
    "int16": RANDOM.integers(-3000, 3000, (9, 11)).astype(np.int16),
    "float32": RANDOM.normal(0, 50, (9, 11)).astype(np.float32),
    "float64": np.where(RANDOM.random((9, 11)) < 0.1, np.nan, RANDOM.normal(0, 50, (9, 11))),
}
RGBA = RANDOM.integers(0, 256, (9, 11, 4)).astype(np.uint8)
RGBA[:4, :4, 3] = 0

ON_ARRAYS = [
    ["--dtype", "uint8"],
    ["--dtype", "int32", "--rescale"],
    ["--dtype", "uint8", "--rescale=-100,1000", "--mode", "cubic"],
    ["--dtype", "float32", "--rescale", "--mode", "nearest"],
    ["--dtype", "uint16", "--rescale", "--mode", "lanczos", "--antialias"],
    ["--dtype", "uint8", "--rescale", "--nodata", "7"],
]
ON_COLOURS = [
    ["--background", "#ff8000"],
    ["--background", "white", "--mode", "lanczos"],
    ["--background", "white", "--mode", "nearest"],
    ["--background", "black", "--no-premultiply"],
    ["--background", "#ff8000", "--linear-light"],
    ["--background", "#ff8000", "--linear-light", "--no-premultiply"],
    ["--linear-light", "--rescale", "20,200"],
    ["--rescale=20,200"],
    ["--background", "white", "--dtype", "uint16", "--rescale"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("options", ON_ARRAYS, ids=" ".join)
@pytest.mark.parametrize("dtype", ARRAYS)
def test_right_samples_pass(dtype, options):
    np.save("in.npy", ARRAYS[dtype])
    run("in.npy", "--scale", 1.7, *options, "--verify", "-o", "out.npy")


@pytest.mark.parametrize("options", ON_COLOURS, ids=" ".join)
def test_right_colours_pass(options):
    Image.fromarray(RGBA).save("in.png")
    run("in.png", "--scale", 1.7, *options, "--verify", "-o", "out.png")


def test_right_samples_that_are_not_resized_pass():
    np.save("in.npy", ARRAYS["float64"])
    Image.fromarray(RGBA).save("in.png")
    for name, options in (("in.npy", ON_ARRAYS[1]), ("in.png", ON_COLOURS[0]), ("in.png", ON_COLOURS[-1])):
        run(name, "--scale", 1, *options, "--verify", "-o", f"out{name[2:]}", "--overwrite")


def test_right_missing_samples_pass():
    array = np.where(RANDOM.random((9, 11)) < 0.3, -9999, ARRAYS["float32"])
    np.save("in.npy", array)
    for number, options in enumerate((["--dtype", "uint8", "--rescale"], ["--dtype", "int16"], ["--mode", "nearest"])):
        run("in.npy", "--scale", 2, "--nodata", -9999, *options, "--rescale", "--verify", "-o", f"{number}.npy")


def test_lossy_pictures_pass():
    Image.fromarray(RGBA).save("in.png")
    run("in.png", "--scale", 3, "--background", "white", "--verify", "-o", "out.jpg")


@pytest.mark.parametrize(
    ("name", "options"),
    [("in.npy", ["--dtype", "uint8", "--rescale"]), ("in.png", ["--background", "red"])],
    ids=["rescaled", "flattened"],
)
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_samples_that_are_converted_in_another_way_are_withheld(monkeypatch, name, options, mode):
    np.save("in.npy", ARRAYS["uint16"])
    Image.fromarray(RGBA).save("in.png")
    apply = SampleConversion.apply
    monkeypatch.setattr(SampleConversion, "apply", lambda self, values: apply(self, values) ^ 3)
    refuse(name, "--scale", 1.5, "--mode", mode, *options, "--verify", "-o", f"out{name[2:]}", code=4, says="--verify")


def test_missing_samples_keep_their_value_where_the_dtype_holds_it():
    array = np.array([[-9999, 0, 60, 100]], np.float32)
    tifffile.imwrite("in.tif", array, extratags=[(42113, 2, 0, "-9999", False)])
    run("in.tif", "--scale", 1, "--dtype", "int16", "--rescale", "-o", "out.tif", "--verify")
    with tifffile.TiffFile("out.tif") as out:
        assert out.asarray().tolist() == [[-9999, -32768, 6553, 32767]]
        assert float(out.pages[0].tags[42113].value) == -9999
    run("in.tif", "--scale", 1, "--dtype", "uint8", "-o", "small.tif", "--verify")
    with tifffile.TiffFile("small.tif") as out:
        assert out.asarray().tolist() == [[0, 0, 60, 100]]
        assert float(out.pages[0].tags[42113].value) == 0
