"""Messages of a run: summary, plan, warnings, errors, totals of a batch."""

import re

import nibabel as nib
import pytest

from tests.cli_helpers import BYTES, ONE_OF_EACH_FAMILY, listing, refuse, run

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


def test_the_summary_is_one_line_on_stderr(sample):
    result = run(sample("icon.png"), "--scale", 2)
    assert result.stdout == ""
    line = r"icon\.png → icon_upsampled\.png: 64×64 RGBA → 128×128 RGBA, uint8, bilinear, \d+\.\d\d s\n"
    assert re.fullmatch(line, result.stderr)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("labels.nii.gz", ["--scale", 2], "48×56×32 → 96×112×64, uint8, nearest-exact,"),
        ("fmri.nii", ["--scale", 2], "20×24×14 t6 → 40×48×28 t6, int16, trilinear,"),
        ("stack_imagej.tif", ["--scale", "z=2"], "64×48×6 t2 c2 → 64×48×12 t2 c2, uint16, linear,"),
        ("signal.npy", ["--size", 300, "--align-corners"], "200 → 300, float64, linear"),
        ("depth16.png", ["--scale", 2, "--mode", "nearest-exact"], "128×96 → 256×192, uint16, nearest-exact,"),
    ],
)
def test_the_summary_says_what_was_done(sample, name, options, says):
    assert says in run(sample(name), *options).stderr


def test_quiet_says_nothing(sample):
    for name in ("icon.png", "palette.png"):  # the latter has something to warn of
        assert run(sample(name), "--scale", 2, "-q").output == ""
    assert run(sample("icon.png"), "--scale", 2, "--quiet", "--overwrite").output == ""


def test_quiet_keeps_errors_and_plans(sample):
    refuse("none.png", "--scale", 2, "-q", code=3)
    result = run(sample("icon.png"), "--scale", 2, "-q", "--dry-run")
    assert "64 → 128" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_verbose_adds_the_plan_on_stderr(sample, option):
    result = run(sample("icon.png"), "--scale", 2, option)
    assert result.stdout == ""
    for words in ("64 → 128", "computed in float32", "memory", "output"):
        assert words in result.stderr


def test_a_warning_says_what_is_lost_and_of_which_file(sample):
    lines = run(sample("palette.png"), "--scale", 2).stderr.splitlines()
    assert [line for line in lines if line.startswith("Warning: palette.png: ")]


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_dry_run_prints_the_plan_on_stdout_and_touches_nothing(folder, sample, name):
    sample(name)
    before, times = listing(folder), [path.stat().st_mtime_ns for path in (folder, folder / name)]
    result = run(name, "--scale", 2, "--dry-run")
    assert result.stdout.startswith(f"{name} → ")
    for words in ("samples", "mode", "output", "memory"):
        assert f"\n  {words} " in result.stdout
    assert BYTES.search(result.stdout)
    assert listing(folder) == before
    assert [path.stat().st_mtime_ns for path in (folder, folder / name)] == times


def test_dry_run_tells_the_sizes_and_spacing_that_come_out(sample):
    plan = run(sample("brain.nii.gz"), "--spacing", "2", "--dry-run").stdout
    run("brain.nii.gz", "--spacing", "2")
    image = nib.load("brain_upsampled.nii.gz")
    for name, size, spacing in zip("xyz", image.shape, image.header.get_zooms(), strict=True):
        assert re.search(rf"axis {name} +\d+ → {size}, spacing [\d.]+ → {spacing:.6g} mm\n", plan)


def test_dry_run_refuses_what_a_run_refuses(sample):
    refuse(sample("icon.png"), "--scale", 2, "-o", "icon.jpg", "--dry-run", code=4)
    refuse("icon.png", "--scale", 2, "--mode", "trilinear", "--dry-run", code=2)
    refuse("icon.png", "--scale", 2, "-o", "icon.png", "--dry-run", code=2)


def test_several_files_are_counted(sample):
    sample("icon.png")
    result = run("icon.png", sample("signal.npy"), "--scale", 2)
    assert result.stderr.splitlines()[-1] == "2 done, 0 skipped, 0 failed"
    result = run("icon.png", "signal.npy", "--scale", 2, "--skip-existing")
    assert result.stderr.splitlines()[-1] == "0 done, 2 skipped, 0 failed"
    result = run("icon.png", "signal.npy", "--scale", 2, "--overwrite", "--dry-run")
    assert result.stderr.splitlines()[-1] == "2 planned, 0 skipped, 0 failed"


def test_one_bad_file_never_stops_the_others(folder, sample):
    (folder / "broken.png").write_bytes(b"broken")
    inputs = [sample("icon.png"), "broken.png", "none.npy", sample("signal.npy"), sample("labels.nii.gz")]
    result = run(*inputs, "--scale", 2, code=5)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert sorted(line.split(":")[1].strip() for line in errors) == ["broken.png", "none.npy"]
    assert result.stderr.splitlines()[-1] == "3 done, 0 skipped, 2 failed"
    written = {"icon_upsampled.png", "signal_upsampled.npy", "labels_upsampled.nii.gz"}
    assert set(listing(folder)) - {*inputs} == written


def test_a_bad_file_does_not_stop_the_others_where_a_template_asks_for_sizes(folder, sample):
    (folder / "broken.png").write_bytes(b"broken")
    run("broken.png", sample("icon.png"), "--scale", 2, "-o", "{stem}_{size}.png", code=5)
    assert (folder / "icon_128x128.png").exists()


def test_skipped_and_failed_is_failed(folder, sample):
    run(sample("icon.png"), "--scale", 2)
    result = run("none.png", "icon.png", "--scale", 2, "--skip-existing", code=5)
    assert result.stderr.splitlines()[-1] == "0 done, 1 skipped, 1 failed"


def test_a_bug_is_said_to_be_one_and_shows_its_traceback_if_asked(folder, sample, monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("upsample_cli.batch.shared_input.make_plan", stumble)
    before = listing(folder)
    result = run(sample("icon.png"), "--scale", 2, code=1)
    assert "This is a bug: ZeroDivisionError: of all things" in result.stderr
    assert "Traceback" not in result.output
    result = run("icon.png", "--scale", 2, "-v", code=1)
    assert "Traceback" in result.stderr
    assert set(listing(folder)) - set(before) == {"icon.png"}
