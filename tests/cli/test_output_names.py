"""Names, formats and templates of outputs; existing outputs."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import ONE_OF_EACH_FAMILY, ignore_unclosed_files, listing, refuse, run, size_of
from tests.samples import SAMPLES

pytestmark = pytest.mark.usefixtures("folder")  # an empty working directory


@pytest.mark.parametrize("name", [*ONE_OF_EACH_FAMILY, "cat.jpg"])
def test_the_default_name_keeps_the_whole_suffix(folder, sample, name):
    suffix = next(ext for ext in (".ome.tif", ".nii.gz", Path(name).suffix) if name.endswith(ext))
    (folder / "sub").mkdir()
    copy = sample(name, f"sub/{name}")
    assert copy == name
    run(f"sub/{name}", "--scale", 2)
    assert sorted(p.name for p in (folder / "sub").iterdir()) == sorted(
        [name, f"{name.removesuffix(suffix)}_upsampled{suffix}"]
    )


@pytest.mark.parametrize("name", ["SHOUT.PNG", "Mixed.Png"])
def test_suffixes_may_be_in_capitals(sample, name):
    run(sample("icon.png", name), "--scale", 2)
    assert size_of(f"{Path(name).stem}_upsampled{Path(name).suffix}") == (128, 128)


@pytest.mark.parametrize(("name", "to"), [("labels.nii.gz", "L.NII.GZ"), ("stack_plain.tif", "S.TIFF")])
def test_suffixes_of_volumes_may_be_in_capitals(folder, sample, name, to):
    run(sample(name, to), "--scale", 2)
    stem, ext = to.split(".", 1)
    written = folder / f"{stem}_upsampled.{ext}"
    readable = written.rename(folder / f"readable.{ext.lower()}")  # nibabel and tifffile go by the name
    assert size_of(readable)[0] == 2 * size_of(SAMPLES / name)[0]


@pytest.mark.parametrize("output", ["out", "out/", "./out/"])
def test_into_a_directory(folder, sample, output):
    (folder / "out").mkdir()
    run(sample("icon.png"), sample("labels.nii.gz"), "--scale", 2, "-o", output)
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["icon.png", "labels.nii.gz"]
    assert size_of(folder / "out" / "icon.png") == (128, 128)


def test_to_another_format(sample):
    run(sample("depth16.png"), "--scale", 2, "-o", "deep.tif")
    run("depth16.png", "--scale", 2, "-o", "deep.npy")
    run("deep.npy", "--scale", "1", "-o", "deep.png")
    run("deep.npy", "--scale", "1", "-o", "deep.nii")
    expected = np.load("deep.npy")
    assert expected.shape == (192, 256)
    assert expected.dtype == np.uint16
    assert np.array_equal(tifffile.imread("deep.tif"), expected)
    assert np.array_equal(np.asarray(Image.open("deep.png")), expected)
    assert np.array_equal(np.asarray(nib.load("deep.nii").dataobj).T, expected)


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{stem}-new{ext}", "brain-new.nii.gz"),
        ("{parent}/{stem}-new{ext}", "in/brain-new.nii.gz"),
        ("out/{stem}{ext}", "out/brain.nii.gz"),
        ("{size}.nii", "96x28x32.nii"),
        ("{scale}.nii", "2x0.5x1.nii"),
        ("{mode}.nii", "nearest.nii"),
        ("out/{parent}_{stem}_{size}_{scale}_{mode}{ext}", "out/in_brain_96x28x32_2x0.5x1_nearest.nii.gz"),
        ("{{{stem}}}.nii", "{brain}.nii"),
    ],
)
def test_templates(folder, sample, template, written):
    for name in ("in", "out"):
        (folder / name).mkdir()
    sample("brain.nii.gz", "in/brain.nii.gz")
    before = set(listing(folder))
    run("in/brain.nii.gz", "--scale", "2,0.5,1", "--mode", "nearest", "-o", template)
    assert set(listing(folder)) - before == {written}


def test_the_scale_of_a_template_is_one_number_where_all_factors_are_one(folder, sample):
    run(sample("icon.png"), "--size", "96x96", "-o", "{stem}@{scale}.png")
    assert size_of("icon@1.5.png") == (96, 96)


@pytest.mark.parametrize(
    "template",
    [
        "{nonsense}.png",
        "{stem:>99999999999}.png",
        "{stem",
        "{}.png",
        "{0}.png",
        "{stem:d}.png",
        "{stem!z}.png",
        "stem}{.png",
    ],
)
def test_a_template_with_bad_fields_says_which_are_good(sample, template):
    refuse(sample("icon.png"), "--scale", 2, "-o", template, code=2, says=("--output", "{stem}", "{mode}"))


@pytest.mark.parametrize("template", ["{stem.nonsense}.png", "{stem[nonsense]}.png"])
def test_a_template_that_looks_into_a_field_is_refused(sample, template):
    refuse(sample("icon.png"), "--scale", 2, "-o", template, code=2, says="--output")


def test_quoted_patterns_are_expanded(folder, sample):
    (folder / "sub").mkdir()
    for name in ("b.npy", "a.npy", "sub/c.npy"):
        sample("signal.npy", name)
    run("*.npy", "--scale", 2)
    assert {"a_upsampled.npy", "b_upsampled.npy"} < set(listing(folder))
    assert "sub/c_upsampled.npy" not in listing(folder)
    run("**/c.npy", "--scale", 2)
    assert "sub/c_upsampled.npy" in listing(folder)


def test_a_name_with_magic_characters_is_a_name_first(folder, sample):
    run(sample("signal.npy", "[ab]*.npy"), sample("signal.npy", "a.npy"), "--scale", 2)
    assert "[ab]*_upsampled.npy" in listing(folder)


def test_a_link_as_input_or_output_survives(folder, sample):
    sample("icon.png")
    (folder / "link.png").symlink_to("icon.png")
    run("link.png", "--scale", 2)
    assert (folder / "link.png").is_symlink()
    assert size_of("link_upsampled.png") == (128, 128)
    (folder / "other.png").symlink_to("link_upsampled.png")
    run("icon.png", "--scale", 3, "-o", "other.png", "--overwrite")
    assert (folder / "other.png").is_symlink()
    assert size_of("link_upsampled.png") == (192, 192)


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_an_existing_output_is_refused_replaced_or_skipped(folder, sample, name):
    run(sample(name), "--scale", 2, "-o", "out{ext}")
    (out,) = folder.glob("out*")
    right = out.read_bytes()
    out.write_bytes(b"precious")
    refuse(name, "--scale", 2, "-o", out.name, code=4, says=(out.name, "exists", "--overwrite", "--skip-existing"))
    result = run(name, "--scale", 2, "-o", out.name, "--skip-existing")
    assert result.stderr == f"{out.name} exists: skipped\n"
    assert out.read_bytes() == b"precious"
    run(name, "--scale", 2, "-o", out.name, "--overwrite", "--dry-run")
    assert out.read_bytes() == b"precious"
    run(name, "--scale", 2, "-o", out.name, "--overwrite")
    assert out.read_bytes() == right
    run(name, "--scale", 2, "-o", out.name, "--overwrite")
    assert out.read_bytes() == right


@ignore_unclosed_files
def test_a_failed_overwrite_keeps_the_old_file(folder, sample):
    (folder / "cut.png").write_bytes((SAMPLES / "icon.png").read_bytes()[:1000])
    (folder / "out.png").write_bytes(b"precious")
    refuse("cut.png", "--scale", 2, "-o", "out.png", "--overwrite", code=3, says="cut.png")
