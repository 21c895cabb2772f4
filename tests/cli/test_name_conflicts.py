"""An output never replaces an input, half of a pair or the output of another input."""

import nibabel as nib
import numpy as np
import pytest

from tests.cli_helpers import ONE_OF_EACH_FAMILY, invoke, ramp, refuse, run

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--skip-existing"]], ids=["plain", "overwrite", "skip"])
def test_the_input_is_never_the_output(folder, sample, name, options):
    sample(name)
    (folder / "sub").mkdir()
    (folder / f"soft-{name}").symlink_to(name)
    (folder / f"hard-{name}").hardlink_to(name)
    (folder / "sub" / "up").symlink_to("..")
    others = (f"./{name}", f"sub/../{name}", folder / name, f"soft-{name}", f"hard-{name}", f"sub/up/{name}", ".", "./")
    for output in (name, *others):
        refuse(name, "--scale", 2, "-o", output, *options, code=2, says=(name, "same file", "--output"))
    refuse(f"soft-{name}", "--scale", 2, "-o", name, *options, code=2, says="same file")


def test_the_output_of_one_input_is_not_another_input(sample):
    sample("icon.png", "a.png")
    sample("icon.png", "a_upsampled.png")
    refuse(
        "a.png",
        "a_upsampled.png",
        "--scale",
        2,
        "--overwrite",
        code=2,
        says=("a_upsampled.png", "--exclude", "-o out/"),
    )


@pytest.mark.parametrize(
    ("given", "output"),
    [("hdr", "img"), ("img", "hdr"), ("hdr", "hdr"), ("img", "img")],
)
@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["plain", "overwrite"])
def test_neither_half_of_a_pair_is_the_output(given, output, options):
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    refuse(f"pair.{given}", "--scale", 2, "-o", f"pair.{output}", *options, code=2, says=("pair.", "same file"))


@pytest.mark.parametrize(
    ("existing", "output"),
    [
        ("out.hdr", "out.hdr"),
        ("out.img", "out.img"),
        ("out.hdr", "out.img"),
        ("out.img", "out.hdr"),
    ],
)
def test_either_half_of_a_pair_is_an_existing_output(folder, sample, existing, output):
    (folder / existing).write_bytes(b"precious")
    refuse(sample("fmri.nii"), "--scale", 2, "-o", output, code=4, says=("out.", "exists", "--overwrite"))
    run("fmri.nii", "--scale", 2, "-o", output, "--skip-existing")
    assert (folder / existing).read_bytes() == b"precious"


def test_both_halves_of_a_pair_are_one_input_or_collide(folder):
    """As from a pattern that matches both: never two jobs that write the same two files."""
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    result = invoke("pair.*", "--scale", "2")
    assert result.exit_code in (0, 2)
    assert result.output.count("→ pair_upsampled") == (1 if result.exit_code == 0 else 0)


def test_two_inputs_never_share_an_output(folder, sample):
    for name in ("a", "b", "out"):
        (folder / name).mkdir()
    for name in ("a/x.png", "b/x.png"):
        sample("icon.png", name)
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "out", code=2, says=("out/x.png", "a/x.png", "b/x.png"))
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "out/{stem}.tif", code=2, says=("out/x.tif", "--output"))
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "one.png", code=2, says=("one.png", "2 inputs", "directory"))
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "out", "--overwrite", code=2, says="out/x.png")


def test_the_same_input_twice_is_one_input(sample):
    sample("icon.png")
    result = run("icon.png", "./icon.png", "ic*.png", "--scale", 2)
    assert result.stderr.count("\n") == 1
