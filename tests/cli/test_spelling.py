"""Options whose value may be left out, options of other tools, and what is printed before the work."""

import re

import click
import numpy as np
import pytest

from tests.cli_helpers import refuse, run
from upsample_cli.cli.command import main
from upsample_cli.cli.options import Option
from upsample_cli.cli.spelling import _OPTION_FOR, with_bare_values

BARE = {name: p for p in main.params if isinstance(p, Option) and p.bare for name in p.opts}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--isotropic", "a.tif"], ["--isotropic=finest", "a.tif"]),
        (["--isotropic", "coarsest", "a.tif"], ["--isotropic=coarsest", "a.tif"]),
        (["--isotropic=coarsest", "a.tif"], ["--isotropic=coarsest", "a.tif"]),
        (["a.tif", "--isotropic"], ["a.tif", "--isotropic=finest"]),
        (["--rescale", "--isotropic", "-q"], ["--rescale=full", "--isotropic=finest", "-q"]),
        (["--rescale", "-5,2.5e3"], ["--rescale=-5,2.5e3"]),
        (["--rescale", "full", "a"], ["--rescale=full", "a"]),
        (["--rescale", "5,x.png"], ["--rescale=full", "5,x.png"]),
        (["--", "--isotropic", "coarsest"], ["--", "--isotropic", "coarsest"]),
        (["a.tif"], ["a.tif"]),
    ],
)
def test_values_that_may_be_left_out(arguments, expected):
    assert list(with_bare_values(arguments, BARE)) == expected


def test_suggestions_are_options_and_no_option_has_another_meaning():
    known = {name for p in main.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}
    assert {word for o in _OPTION_FOR.values() for word in re.findall(r"(?<!\w)--?\w[\w-]*", o)} <= known
    assert not {f"--{name}" for name in _OPTION_FOR if len(name) > 1} & known
    assert not {f"-{name}" for name in _OPTION_FOR if len(name) == 1} & known


def test_a_misspelt_option_is_still_suggested_by_its_spelling(folder):
    assert "--scale" in run("in.png", "--scaale", 2, code=2).stderr


@pytest.mark.parametrize("option", ["--megapixels", "--short-edge", "--tile-size"])
def test_no_option_of_another_meaning_is_suggested(folder, option):
    assert run("in.png", option, 2, code=2).stderr.splitlines()[-1] == f"Error: No such option {option!r}."


def test_verbose_prints_the_plan_before_the_result(sample):
    lines = run(sample("icon.png"), sample("signal.npy"), "--scale", 2, "-v").stderr.splitlines()
    for name in ("icon.png", "signal.npy"):
        of_file = [line for line in lines if line.startswith(f"{name} → ")]
        assert len(of_file) == 2
        assert not of_file[0].endswith(" s")
        assert of_file[1].endswith(" s")


def test_unknown_files_are_counted_by_suffix_and_named_if_asked(folder):
    (folder / "d").mkdir()
    np.save("d/a.npy", np.zeros((2, 2)))
    for name in ("a.json", "b.JSON", "c.txt", "README"):
        (folder / "d" / name).touch()
    first = "skipped 4 files of unknown type: 2 .json, "
    assert run("-r", "d", "--scale", 2).stderr.splitlines()[0].startswith(first)
    lines = run("-r", "d", "--scale", 2, "-v", "-o", "out").stderr.splitlines()
    assert lines[0].startswith(first)
    assert [line.strip() for line in lines[1:5]] == ["d/README", "d/a.json", "d/b.JSON", "d/c.txt"]


def test_an_environment_variable_sets_one_target(folder, monkeypatch):
    np.save("in.npy", np.zeros((2, 3, 4)))
    monkeypatch.setenv("UPSAMPLE_SCALE", "2, 1, 3")
    run("in.npy")
    assert np.load("in_upsampled.npy").shape == (6, 3, 8)
    run("in.npy", "--size", 5, "-o", "sized.npy")
    assert np.load("sized.npy").shape == (5, 5, 5)


def test_the_fields_of_templates_are_explained():
    text = run("--help").stdout
    for field in ("{stem}", "{ext}", "{parent}", "{subdir}", "{size}", "{scale}", "{mode}"):
        assert f"  {field}" in text
        assert field in run("--man").stdout


def test_several_results_have_lines_of_their_own(sample):
    result = run(sample("icon.png"), "--scale", 2, "--scale", "50%", "-o", "{stem}_{scale}{ext}", "--json")
    assert result.stdout.count('"status": "done"') == 2
    refuse("icon.png", "--scale", 2, "--scale", 3, code=2, says="tell them apart by size, such as -o")


def test_quality_without_meaning_says_so(sample):
    assert "--quality has no effect on PNG" in run(sample("icon.png"), "--scale", 2, "--quality", 80).stderr
