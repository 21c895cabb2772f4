"""Option values that are invalid, contradictory or ask for too much are refused, and nothing on disk changes."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli_helpers import BYTES, ONE_OF_EACH_FAMILY, invoke, listing, ramp, refuse, run

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


@pytest.mark.parametrize("option", ["--scale", "--size", "--spacing", "--fit"])
@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-1",
        "-0.0",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "two",
        "",
        ",",
        "2,",
        "2;2",
        "0x2",
        "x=",
        "=2",
        "x=0",
        "x=nan",
        "xy=2",
        "x=2,3",
    ],
)
def test_numbers_that_are_none(sample, option, value):
    refuse(sample("icon.png"), f"{option}={value}", code=2, says=option)


@pytest.mark.parametrize("option", ["--scale", "--size"])
def test_an_axis_named_twice_in_different_case(sample, option):
    refuse(sample("icon.png"), option, "x=2,X=3", code=2, says=option)


@pytest.mark.parametrize("option", ["--size", "--fit"])
@pytest.mark.parametrize("value", ["1.5", "x=0.5", "100x50.5"])
def test_sizes_that_are_not_whole(sample, option, value):
    refuse(sample("icon.png"), option, value, code=2, says=(option, "whole"))


@pytest.mark.parametrize("option", ["--scale", "--size", "--fit"])
@pytest.mark.parametrize("value", ["2,2,2", "z=2", "t=2", "s=2", "q=2"])
def test_numbers_that_do_not_fit_the_axes(sample, option, value):
    refuse(sample("icon.png"), option, value, code=2, says=("icon.png", option))


def test_exactly_one_target(sample):
    sample("icon.png")
    targets = ("--scale", "--size", "--spacing", "--fit", "--like")
    error = refuse("icon.png", code=2, says="exactly one")
    assert all(target in error for target in targets)
    refuse("icon.png", "--scale", 2, "--size", 3, code=2, says="--scale and --size")
    refuse("icon.png", "--fit", 3, "--like", "icon.png", code=2, says="--fit and --like")


@pytest.mark.parametrize("mode", ["blinear", "LINEARLY", "", "nearest-inexact"])
def test_unknown_mode(sample, mode):
    error = refuse(sample("icon.png"), "--scale", 2, "--mode", mode, code=2, says=("mode", repr(mode)))
    assert all(name in error for name in ("linear", "bilinear", "trilinear", "nearest", "nearest-exact"))


def test_an_unknown_mode_is_said_once_for_several_files(sample):
    refuse(sample("icon.png"), sample("signal.npy"), "--scale", 2, "--mode", "blinear", code=2, says="mode")


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_align_corners_without_meaning(sample, mode):
    options = ["--scale", 2, "--mode", mode, "--align-corners"]
    refuse(sample("icon.png"), *options, code=2, says=("--align-corners", mode))


@pytest.mark.parametrize("target", [["--size", "9x9"], ["--fit", 9], ["--spacing", 1], ["--like", "depth16.png"]])
def test_recompute_scale_factor_without_meaning(sample, target):
    options = [*target, "--recompute-scale-factor"]
    refuse(sample("depth16.png"), *options, code=2, says=("--recompute-scale-factor", target[0]))


def test_spacing_of_a_file_without_spacing(sample):
    refuse(sample("icon.png"), "--spacing", 1, code=2, says=("icon.png", "--spacing", "--scale or --size"))
    refuse(sample("signal.npy"), "--spacing", "x=1", code=2, says=("signal.npy", "--spacing"))


@pytest.mark.parametrize("axes", ["", "zz", "yxq", "YY", "z,y,x"])
def test_axes_that_are_none(axes):
    np.save("in.npy", ramp(3, 4))
    refuse("in.npy", "--scale", 2, f"--axes={axes}", code=2, says="--axes")


@pytest.mark.parametrize("axes", ["x", "zyx"])
def test_axes_that_do_not_fit_the_array(axes):
    np.save("in.npy", ramp(3, 4))
    before = listing(Path.cwd())
    result = invoke("in.npy", "--scale", "2", "--axes", axes)
    assert result.exit_code in (2, 3)
    assert result.stderr.startswith("Error: in.npy: has 2 axes")
    assert listing(Path.cwd()) == before


def test_more_axes_than_have_names():
    np.save("in.npy", np.zeros((1,) * 6))
    refuse("in.npy", "--scale", 2, code=3, says=("in.npy", "6 axes", "--axes"))
    run("in.npy", "--scale", 2, "--axes", "tczyxs")


def test_like_a_file_that_is_not_there_or_lacks_an_axis(sample):
    refuse(sample("icon.png"), "--like", "none.png", code=3, says=("none.png", "does not exist"))
    refuse("icon.png", "--like", sample("signal.npy"), code=2, says=("signal.npy", "--like", "no axis y"))


@pytest.mark.parametrize("value", ["0.001", "1e-300"])
@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_a_factor_that_leaves_no_sample(sample, name, value):
    refuse(sample(name), "--scale", value, code=2, says=(name, "leaves no sample"))


@pytest.fixture
def little_memory():
    """At most 4 GB more than now, so that what is not refused fails at once."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + (4 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    "options",
    [
        ["--size", "1000000x1000000"],
        ["--size", "4294967296x1"],
        ["--size", "4294967297x1"],
        ["--size", "1e30x1e30"],
        ["--scale", "2e4"],
        ["--scale", "1e7"],
        ["--scale", "1e15"],
        ["--spacing", "1e-5"],
        ["--spacing", "1e-300"],
        ["--fit", "1e9"],
        ["--fit", "1e12"],
        ["--fit", "1e300"],
        ["--scale", "1e18"],
        ["--scale", "1e300"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
@pytest.mark.parametrize("output", ["out.png", "out.tif"])
@pytest.mark.usefixtures("little_memory")
def test_absurd_sizes_are_refused_with_their_bytes_or_the_limit_of_the_format(sample, options, dry, output):
    before = listing(Path.cwd())
    sample("depth16.png")
    result = invoke("depth16.png", *options, *dry, "-o", output)
    assert result.exit_code in (2, 4), result.output
    assert result.output.count("\n") == 1
    if "pixels per side" not in result.stderr:
        assert re.match(r"Error: (depth16\.png|out\.\w+): .*need", result.stderr)
        assert BYTES.search(result.stderr)
    assert set(listing(Path.cwd())) - set(before) == {"depth16.png"}


def test_overwrite_and_skip_existing_contradict_each_other(sample):
    refuse(sample("icon.png"), "--scale", 2, "--overwrite", "--skip-existing", code=2, says="--skip-existing")


@pytest.mark.parametrize("arguments", [[], ["--scale", "2"], ["in.png", "--scale"], ["in.png", "--zoom", "2"]])
def test_usage(arguments):
    refuse(*arguments, code=2)
