"""Options for many files, through Click's runner: trees, re-runs, lists of failures, defaults, colours."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.cli_helpers import listing, refuse, run
from tests.samples import SAMPLES
from upsample_cli.batch.lists import read_list
from upsample_cli.cli.command import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory, and an environment without defaults."""
    monkeypatch.chdir(tmp_path)
    for name in tuple(os.environ):
        is_default = name.startswith("UPSAMPLE_") and name != "UPSAMPLE_KERNEL"  # which is the same for every test
        if is_default or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def tree(folder):
    """A directory with two good files, one of another kind, and a place for outputs."""
    for name, content in {
        "d/a.npy": (SAMPLES / "signal.npy").read_bytes(),
        "d/sub/b.png": (SAMPLES / "icon.png").read_bytes(),
        "d/notes.txt": b"notes",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "out").mkdir()
    return folder


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- trees ---


def test_a_tree_is_mirrored(tree):
    result = run("-r", "d", "--scale", 2, "-o", "out")
    assert files(tree / "out") == ["a.npy", "sub/b.png"]
    assert result.stderr.splitlines()[0] == "skipped 1 file of unknown type: 1 .txt"
    assert result.stderr.splitlines()[-1] == "2 done, 0 skipped, 0 failed"


def test_a_dry_run_makes_no_directories(tree):
    before = listing(tree)
    run("-r", "d", "--scale", 2, "-o", "out", "--dry-run", "-q")
    assert listing(tree) == before


def test_templates_know_where_a_file_was_found(tree):
    run("-r", "d", "--scale", 2, "-o", "out/{subdir}/{stem}_{scale}{ext}", "-q")
    assert files(tree / "out") == ["a_2.npy", "sub/b_2.png"]


def test_a_directory_that_cannot_be_made_costs_its_files(tree):
    (tree / "out" / "sub").write_bytes(b"in the way")
    result = run("-r", "d", "--scale", 2, "-o", "out", code=5)
    assert "Error: out/sub/b.png: cannot be written: Not a directory" in result.stderr.splitlines()
    assert files(tree / "out") == ["a.npy", "sub"]


def test_a_directory_that_may_not_be_made_costs_its_files(tree, monkeypatch):
    def refused(path, **settings):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refused)
    result = run("-r", "d/sub", "--scale", 2, "-o", "new/{subdir}/{stem}{ext}", code=4)
    assert result.stderr == "Error: new/b.png: its directory new cannot be created: Permission denied\n"


@pytest.mark.parametrize("arguments", [("-r", "d"), ("d/a.npy",)], ids=" ".join)
def test_an_output_directory_is_made_where_there_is_a_place_for_it(tree, arguments):
    run(*arguments, "--scale", 2, "-o", "new/", "-q")
    assert "a.npy" in files(tree / "new")
    run(*arguments, "--scale", 2, "-o", "one/level/more/", "-q")
    assert "a.npy" in files(tree / "one" / "level" / "more")
    run(*arguments, "--scale", 2, "-o", "plan/", "--dry-run")
    assert not (tree / "plan").exists()


def test_a_directory_is_not_searched_unless_it_is_said(tree):
    refuse("d", "--scale", 2, code=3, says=("d: is a directory", "-r"))


def test_nothing_to_do_is_no_failure(folder):
    (folder / "empty").mkdir()
    (folder / "list").touch()
    assert run("-r", "empty", "--scale", 2).stderr == "Nothing to do: no matching files\n"
    assert run("--files-from", "list", "--scale", 2, "-q").output == ""


def test_without_inputs_it_is_a_usage_error(folder):
    refuse("--scale", 2, code=2, says="Missing argument")


# --- run again ---


@pytest.mark.parametrize("output", [["-o", "out"], ["-o", "d/out"], []], ids=["beside", "within", "among them"])
@pytest.mark.parametrize("option", ["--skip-existing", "--newer"])
def test_the_same_command_again_does_what_is_missing(tree, output, option):
    (tree / "d" / "out").mkdir()
    arguments = ["-r", "d", "--scale", 2, *output, option]
    run(*arguments)
    complete = listing(tree)
    victim = next(path for path in tree.rglob("b*.png") if path != tree / "d" / "sub" / "b.png")
    victim.unlink()
    result = run(*arguments)
    assert result.stderr.splitlines()[-1] == "1 done, 1 skipped, 0 failed"
    assert listing(tree) == complete


def test_a_quoted_pattern_again_does_what_is_missing(tree):
    run("d/*", "d/sub/*.png", "--exclude", "*.txt", "--exclude", "sub", "--scale", 2, "--skip-existing")
    complete = listing(tree)
    (tree / "d" / "a_upsampled.npy").unlink()
    run("d/*", "d/sub/*.png", "--exclude", "*.txt", "--exclude", "sub", "--scale", 2, "--skip-existing")
    assert listing(tree) == complete


def test_without_that_an_input_that_is_an_output_is_refused(tree):
    run("-r", "d", "--scale", 2, "-q")
    says = ("d/a_upsampled.npy", "same file as the input", "to leave out earlier outputs, add --skip-existing")
    refuse("-r", "d", "--scale", 2, code=2, says=says)
    refuse("-r", "d", "--scale", 2, "--overwrite", code=2, says=says)


@pytest.mark.parametrize("option", ["--skip-existing", "--newer"])
def test_inputs_that_are_their_own_outputs_are_refused_even_then(tree, option):
    refuse("-r", "d", "--scale", 2, "-o", "d", option, code=2, says=("d/a.npy", "same file as its input"))


def test_a_named_input_that_is_an_output_is_refused_even_then(tree):
    run("d/a.npy", "--scale", 2)
    says = (
        "same file as the input",
        "to leave out earlier outputs, give a quoted pattern or a directory with -r, and add",
    )
    refuse("d/a.npy", "d/a_upsampled.npy", "--scale", 2, "--skip-existing", code=2, says=says)


@pytest.mark.parametrize(
    ("of_input", "of_output", "done"), [(100, 99, True), (100, 100, False), (100, 101, False), (101, 100, True)]
)
def test_newer_is_the_rule_of_make(folder, of_input, of_output, done):
    np.save("a.npy", np.zeros(3))
    (folder / "a_upsampled.npy").write_bytes(b"old")
    os.utime("a.npy", (of_input, of_input))
    os.utime("a_upsampled.npy", (of_output, of_output))
    result = run("a.npy", "--scale", 2, "--newer")
    assert ((folder / "a_upsampled.npy").read_bytes() != b"old") == done
    assert done or result.stderr == "a_upsampled.npy is newer than its input: skipped\n"


def test_what_belongs_to_a_newer_image_is_made_again(folder):
    for name, time in {"a.npy": 100, "a_m.npy": 1, "a_upsampled.npy": 200, "a_m_upsampled.npy": 50}.items():
        np.save(name, np.zeros(3, np.uint8))
        os.utime(name, (time, time))
    result = run("a.npy", "--scale", 2, "--newer", "--pair", "*.npy=*_m.npy:nearest")
    assert result.stderr.splitlines()[-1] == "1 done, 1 skipped, 0 failed"
    assert np.load("a_m_upsampled.npy").shape == (6,)


@pytest.mark.parametrize("half", ["hdr", "img"])
def test_half_a_pair_of_files_is_not_up_to_date(folder, half):
    (folder / "f.nii").write_bytes((SAMPLES / "fmri.nii").read_bytes())
    run("f.nii", "--scale", 2, "-o", "out.img", "-q")
    whole = listing(folder)
    (folder / f"out.{half}").unlink()
    run("f.nii", "--scale", 2, "-o", "out.img", "--newer", "-q")
    assert listing(folder) == whole


@pytest.mark.parametrize("options", [["--newer", "--overwrite"], ["--newer", "--skip-existing"]], ids=" ".join)
def test_only_one_rule_for_what_exists(tree, options):
    refuse("d/a.npy", "--scale", 2, *options, code=2, says="contradict each other")


# --- lists ---


def test_files_from_a_list_or_the_standard_input(tree):
    (tree / "list").write_bytes(b"d/a.npy\0d/sub/b.png\0")
    run("--files-from", "list", "--scale", 2, "-o", "out", "-q")
    assert files(tree / "out") == ["a.npy", "sub/b.png"]
    result = CliRunner().invoke(main, ["--files-from", "-", "--scale", "3"], input=b"d/a.npy\n")
    assert result.exit_code == 0
    assert np.load("d/a_upsampled.npy").shape == (600,)


def test_what_failed_can_be_done_again(tree):
    (tree / "d" / "new\nline.png").write_bytes(b"broken")
    (tree / "d" / "-x.png").write_bytes(b"broken")
    run("-r", "d", "--scale", 2, "-o", "out", "--failed-to", "failed", code=5)
    assert read_list("failed") == ["d/./-x.png", "d/./new\nline.png"]
    for name in ("-x.png", "new\nline.png"):
        (tree / "d" / name).write_bytes((SAMPLES / "icon.png").read_bytes())
    run("--files-from", "failed", "--scale", 2, "-o", "out", "--failed-to", "failed", "-q")
    assert files(tree / "out") == ["-x.png", "a.npy", "new\nline.png", "sub/b.png"]
    assert (tree / "failed").read_bytes() == b""
    run("--files-from", "failed", "--scale", 2)


@pytest.mark.parametrize("name", ["none/failed", "out"])
def test_a_list_without_a_place_is_refused_beforehand(tree, name):
    refuse("d/a.npy", "--scale", 2, "--failed-to", name, code=4, says=("--failed-to", name))


def test_a_list_does_not_replace_a_picture(tree):
    """As from ``--failed-to *.png``."""
    refuse("d/a.npy", "--scale", 2, "--failed-to", "d/sub/b.png", code=4, says=("--failed-to", "d/sub/b.png"))


# --- what is told ---


def test_a_batch_is_its_singles(folder):
    for number, name in enumerate(names := ["a.npy", "b.npy", "c.npy"]):
        np.save(name, np.random.default_rng(number).integers(0, 255, (4 + number, 5)).astype(np.uint8))
    for ext in (".npy", ".tif", ".nii.gz", ".png"):
        for way in ("batch", "single"):
            (folder / way).mkdir(exist_ok=True)
        run(*names, "--scale", 2, "-q", "-o", f"batch/{{stem}}{ext}")
        for name in names:
            run(name, "--scale", 2, "-q", "-o", f"single/{{stem}}{ext}")
    assert listing(folder / "batch") == listing(folder / "single")
    assert len(listing(folder / "batch")) == 12


def test_a_comparison_goes_beside_its_input_or_into_a_directory(tree):
    run("d/sub/b.png", "--scale", 2, "--compare", "nearest,linear", "-q")
    run("-r", "d", "--include", "*.png", "--scale", 2, "--compare", "nearest", "--region", "0,0,9,9", "-o", "out", "-q")
    assert {"d/sub/b_comparison.png", "out/sub/b_comparison.png"} < set(files(tree))
    refuse("d/sub/b.png", "--scale", 2, "--compare", "nearest", code=4, says="exists")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--region", "0,0,9,9"], "--region has no effect without --compare"),
        (["--compare", "nearest", "--mode", "cubic"], "--mode: has no effect with --compare"),
        (["--compare", "nearest", "--dry-run"], "--dry-run: has no effect with --compare"),
        (["--compare", "nearest", "--format", "tif"], "--format: has no effect with --compare"),
        (["--compare", "nearer"], "unknown mode 'nearer'"),
    ],
)
def test_comparisons_that_make_no_sense(tree, options, says):
    refuse("d/sub/b.png", "--scale", 2, *options, code=2, says=says)


# --- defaults ---


def with_defaults(*arguments, code=0, **variables):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], env=variables)
    assert result.exit_code == code, result.output
    return result


def test_options_have_defaults_in_the_environment(tree):
    defaults = {"UPSAMPLE_SCALE": "3", "UPSAMPLE_MODE": "nearest", "UPSAMPLE_OUTPUT": "out", "UPSAMPLE_THREADS": "1"}
    result = with_defaults("d/a.npy", **defaults)
    assert "200 → 600, float64, nearest" in result.stderr
    with_defaults("d/a.npy", UPSAMPLE_OVERWRITE="1", UPSAMPLE_QUIET="1", **defaults)
    with_defaults("-r", "d", UPSAMPLE_EXCLUDE="*.png *.txt", UPSAMPLE_OVERWRITE="1", **defaults)
    assert files(tree / "out") == ["a.npy"]


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--size", "400"], {"UPSAMPLE_SCALE": "3"}),
        (["--scale", "2"], {"UPSAMPLE_SCALE": "3", "UPSAMPLE_FIT": "3"}),
        (["--scale", "2", "--overwrite"], {"UPSAMPLE_SKIP_EXISTING": "1"}),
        (["--scale", "2", "--mode", "linear"], {"UPSAMPLE_MODE": "nonsense"}),
        (["--scale", "2", "--no-align-corners"], {"UPSAMPLE_ALIGN_CORNERS": "1"}),
    ],
    ids=str,
)
def test_the_command_line_counts_more(tree, options, variables):
    result = with_defaults("d/a.npy", *options, **variables)
    assert "200 → 400, float64, linear," in result.stderr


def test_a_mode_among_the_defaults_does_not_disturb_comparisons(tree):
    with_defaults("d/sub/b.png", "--scale", 2, "--compare", "nearest", UPSAMPLE_MODE="linear")


@pytest.mark.parametrize("name", ["VERSION", "HELP", "MAN", "KERNEL", "INPUTS"])
def test_variables_that_are_no_defaults(tree, name):
    result = with_defaults("d/a.npy", "--scale", 2, **{f"UPSAMPLE_{name}": "numpy"})
    assert "200 → 400" in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("MODE", "nonsense"), ("THREADS", "many"), ("REGION", "1,2,3,4"), ("OVERWRITE", "perhaps"), ("FIT", "9")],
)
def test_a_senseless_default_is_said_to_be_one(tree, name, value):
    variables = {f"UPSAMPLE_{name}": value} | ({"UPSAMPLE_SCALE": "2"} if name == "FIT" else {})
    result = with_defaults("d/a.npy", *([] if name == "FIT" else ["--scale", 2]), code=2, **variables)
    assert f"(set in the environment: {', '.join(sorted(variables, reverse=True))})" in result.stderr


def test_what_the_command_line_says_is_not_blamed_on_the_environment(tree):
    assert "environment" not in with_defaults("d/a.npy", "--scale", 2, "--mode", "nonsense", code=2).stderr


# --- colours ---


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)], ids=str
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, variables, coloured):
    runner = CliRunner()
    for arguments in (["none.png", "--scale", "2"], ["none.png", "--scale", "two"]):
        text = runner.invoke(main, arguments, env=variables, color=True).stderr
        assert ("\x1b[31m" in text) == coloured
        assert "\x1b" not in runner.invoke(main, arguments, env=variables, color=False).stderr
