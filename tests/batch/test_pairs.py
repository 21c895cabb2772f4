"""Images and what belongs to them: found by names, resized onto one grid, each in its own mode."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli_helpers import refuse, run
from tests.samples import SAMPLES
from upsample_cli.batch.inputs import Input
from upsample_cli.batch.pairs import Pair, with_pairs
from upsample_cli.errors import RequestError
from upsample_cli.pipeline.request import PerAxis, Request

TWICE = Request(scale=PerAxis.parse("2", "--scale"), mode="cubic", antialias=True)
BIDS = "*_T1w.nii.gz=*_dseg.nii.gz:label"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(names, *rules):
    """Each file with its mode, and its image if it has one."""
    files = with_pairs([Input(Path(name)) for name in names], [Pair.parse(rule) for rule in rules], TWICE)
    return [
        (str(file.path), wanted.mode, wanted.paired_image and str(wanted.paired_image.path)) for file, wanted in files
    ]


# --- rules ---


@pytest.mark.parametrize(
    ("rule", "image", "other"),
    [
        (BIDS, "sub-1_T1w.nii.gz", "sub-1_dseg.nii.gz"),
        (BIDS, "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_dseg.nii.gz"),
        (BIDS, "/data/sub-1_T1w.nii.gz", "/data/sub-1_dseg.nii.gz"),
        ("images/*.jpg=masks/*.png:label", "d/images/x.jpg", "d/masks/x.png"),
        ("imagesTr/*_0000.nii.gz=labelsTr/*.nii.gz:label", "imagesTr/la_3_0000.nii.gz", "labelsTr/la_3.nii.gz"),
        ("s-*/*_T1w.nii=../seg/s-*/*_seg.nii:label", "d/s-1/a_T1w.nii", "d/../seg/s-1/a_seg.nii"),
        ("*.tif=/seg/*.tif:label", "d/x.tif", "/seg/x.tif"),
        ("*.png=*_m.png:label", "new\nline.png", "new\nline_m.png"),
        ("*.(a)+.png=*.b.png:label", "x.(a)+.png", "x.b.png"),
        ("image.nii=labels.nii:label", "d/image.nii", "d/labels.nii"),
    ],
)
def test_what_belongs_to_an_image_is_found_by_its_name(rule, image, other):
    assert found([image], rule) == [(image, "cubic", None), (other, "label", image)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # a directory that is only entered
@given(st.text(st.characters(exclude_characters="/\0"), max_size=9), st.sampled_from(["", "d/", "/d/e/"]))
def test_there_and_back_is_the_same_name(stem, parent):
    name = f"{parent}x{stem}_T1w.nii.gz"
    (_, (other, _, image)) = found([name], BIDS)
    assert (image, found([other], BIDS)) == (name, [(other, "label", name)])


@pytest.mark.parametrize("name", ["sub-1_T2w.nii.gz", "sub-1_T1w.nii", "_T1w.nii.gz/x.png", "sub-1_T1w.nii.gz.bak"])
def test_other_names_have_no_pair(name):
    assert found([name], BIDS) == [(name, "cubic", None)]


@pytest.mark.parametrize("names", [["a_T1w.nii.gz", "a_dseg.nii.gz"], ["a_dseg.nii.gz", "a_T1w.nii.gz"]])
def test_what_belongs_to_an_image_does_so_if_it_is_an_input_itself(names):
    """As where both are found in a directory, or where the one is in a list of failures: never a picture by itself."""
    image, other = ("a_T1w.nii.gz", "cubic", None), ("a_dseg.nii.gz", "label", "a_T1w.nii.gz")
    assert sorted(found(names, BIDS)) == sorted([image, other])
    assert found(["a_dseg.nii.gz"], BIDS) == [other]


def test_several_rules():
    rules = (BIDS, "*_T1w.nii.gz=*_probseg.nii.gz:linear")
    assert [file[:2] for file in found(["a_T1w.nii.gz"], *rules)] == [
        ("a_T1w.nii.gz", "cubic"),
        ("a_dseg.nii.gz", "label"),
        ("a_probseg.nii.gz", "linear"),
    ]


def test_each_is_taken_once_however_it_is_spelt(folder):
    names = ["a_T1w.nii.gz", str(folder / "a_dseg.nii.gz")]
    assert len(found(names, BIDS)) == 2


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "write IMAGE=OTHER:MODE"),
        ("*.png", "write IMAGE=OTHER:MODE"),
        ("*.png=*_m.png", "write IMAGE=OTHER:MODE"),
        ("=*.png:label", "write IMAGE=OTHER:MODE"),
        ("*.png=:label", "write IMAGE=OTHER:MODE"),
        ("*.png=*.png:label", "write IMAGE=OTHER:MODE"),
        ("a=b=c:label", "write IMAGE=OTHER:MODE"),
        ("*.png=*.tif:lable", "unknown mode 'lable'; choose from linear"),
        ("*.png=a.png:label", "both sides need the same number of"),
    ],
)
def test_rules_that_are_none(rule, says):
    with pytest.raises(RequestError, match=says) as refusal:
        Pair.parse(rule)
    assert str(refusal.value).startswith("--pair")


@pytest.mark.parametrize(("mode", "antialias"), [("nearest", False), ("label", True), ("linear", True)])
def test_what_is_copied_is_not_antialiased(mode, antialias):
    _, (_, wanted) = with_pairs([Input(Path("a.png"))], [Pair("*.png", "*.tif", mode)], TWICE)
    assert wanted.antialias is antialias


# --- grids ---


def save(name, shape, affine, dtype="int16"):
    rng = np.random.default_rng(3)
    nib.save(nib.Nifti1Image(rng.integers(0, 9, shape).astype(dtype), affine), name)


def turned(spacing, origin=(1.0, -2.0, 3.0)):
    """An affine that is neither upright nor of equal spacing."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


def moved(affine, voxels):
    """The affine of a grid whose first voxel lies at `voxels` of another."""
    step = np.eye(4)
    step[:3, 3] = voxels
    return affine @ step


@pytest.mark.parametrize(
    "options",
    [
        ["--scale", "2"],
        ["--scale", "1.3"],
        ["--scale", "0.7", "--mode", "cubic"],
        ["--size", "9x11x13"],
        ["--spacing", "1.1"],
        ["--fit", "20"],
        ["--scale", "z=2"],
        ["--spacing", "0.9", "--mode", "area"],
        ["--scale", "1.1", "--antialias"],  # leaves sizes as they are, which modes take in their own ways
        ["--scale", "1.1", "--mode", "nearest-exact"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("fine", "mode"), [(1, "nearest"), (2, "label")], ids=["same grid", "half the spacing"])
def test_both_come_to_lie_on_one_grid(options, fine, mode):
    affine = turned((1.5, 2.0, 3.0))
    save("a_T1w.nii", (6, 5, 4), affine, "float32")
    finer = affine @ np.diag([1 / fine, 1 / fine, 1 / fine, 1])
    save("a_dseg.nii", (6 * fine, 5 * fine, 4 * fine), moved(finer, [(fine - 1) * -0.5] * 3))
    run("a_T1w.nii", *options, "--pair", f"*_T1w.nii=*_dseg.nii:{mode}", "-q")
    image, labels = nib.load("a_T1w_upsampled.nii"), nib.load("a_dseg_upsampled.nii")
    assert labels.shape == image.shape
    np.testing.assert_allclose(labels.affine, image.affine, rtol=0, atol=1e-5)
    assert set(np.unique(labels.dataobj)) <= set(range(9))


@pytest.mark.parametrize("options", [["--scale", "1.3"], ["--size", "9x11x7"], ["--spacing", "1.1"]], ids=" ".join)
def test_values_lie_where_the_image_has_them(options):
    """A volume of its own world coordinate, on a finer grid than its image's: each value must be its new place."""
    affine = turned((1.5, 2.0, 3.0))
    save("a.nii", (6, 5, 4), affine)
    finer = moved(affine @ np.diag([0.5, 0.25, 0.5, 1]), (-0.5, -1.5, -0.5))
    indices = np.indices((12, 20, 8)).reshape(3, -1)
    places = (finer[:3, :3] @ indices + finer[:3, 3:]).reshape(3, 12, 20, 8)
    nib.save(nib.Nifti1Image(places.sum(axis=0), finer), "a_world.nii")
    run("a.nii", *options, "--pair", "*.nii=*_world.nii:linear", "-q")
    image, world = nib.load("a_upsampled.nii"), nib.load("a_world_upsampled.nii")
    indices = np.indices(image.shape).reshape(3, -1)
    expected = (image.affine[:3, :3] @ indices + image.affine[:3, 3:]).sum(axis=0).reshape(image.shape)
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(world.get_fdata()[inner], expected[inner], rtol=0, atol=1e-5)


def test_with_aligned_corners_the_corners_must_coincide():
    affine = turned((1.5, 2.0, 3.0))
    save("a_T1w.nii", (6, 5, 4), affine, "float32")
    save("a_dseg.nii", (11, 9, 7), affine @ np.diag([0.5, 0.5, 0.5, 1]))
    run("a_T1w.nii", "--size", "9x11x13", "--align-corners", "--pair", "*_T1w.nii=*_dseg.nii:label", "-q")
    image, labels = nib.load("a_T1w_upsampled.nii"), nib.load("a_dseg_upsampled.nii")
    assert labels.shape == image.shape
    np.testing.assert_allclose(labels.affine, image.affine, rtol=0, atol=1e-5)


def test_the_same_as_two_commands_where_the_grid_is_the_same():
    Path("T1w.nii.gz").write_bytes((SAMPLES / "brain.nii.gz").read_bytes())
    save("seg.nii.gz", nib.load("T1w.nii.gz").shape, nib.load("T1w.nii.gz").affine)
    run("T1w.nii.gz", "--scale", 1.7, "--pair", "T1w.nii.gz=seg.nii.gz:label", "-q")
    run("seg.nii.gz", "--scale", 1.7, "--mode", "label", "-q", "-o", "alone.nii.gz")
    assert Path("seg_upsampled.nii.gz").read_bytes() == Path("alone.nii.gz").read_bytes()


@pytest.mark.parametrize(
    ("shape", "affine", "outside"),
    [
        ((6, 5, 4), moved(turned((1.5, 2.0, 3.0)), (0.5, 0, 0)), "8.3% of the output lies outside the input"),
        ((6, 5, 4), turned((1.5, 2.0, 3.1)), ""),
        ((12, 10, 8), turned((0.75, 1.0, 1.5)), ""),
        ((5, 5, 4), turned((1.5, 2.0, 3.0)), "16.7% of the output lies outside the input"),
    ],
    ids=["moved", "longer", "finer", "shorter"],
)
def test_a_companion_with_another_extent_gets_the_grid_of_its_image(shape, affine, outside):
    save("a_T1w.nii", (6, 5, 4), turned((1.5, 2.0, 3.0)))
    save("a_dseg.nii", shape, affine)
    result = run("a_T1w.nii", "--scale", 2, "--pair", "*_T1w.nii=*_dseg.nii:label")
    assert outside in result.stderr
    image, labels = nib.load("a_T1w_upsampled.nii"), nib.load("a_dseg_upsampled.nii")
    assert labels.shape == image.shape
    np.testing.assert_allclose(labels.affine, image.affine, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("affine", "says"),
    [
        (np.diag([1.5, 2.0, 3.0, 1]), "its grid is rotated or sheared"),
        (moved(turned((1.5, 2.0, 3.0)), (500, 0, 0)), "does not overlap with a_T1w.nii"),
    ],
    ids=["turned", "elsewhere"],
)
def test_a_companion_that_cannot_be_placed_is_refused_by_name(affine, says):
    save("a_T1w.nii", (6, 5, 4), turned((1.5, 2.0, 3.0)))
    save("a_dseg.nii", (6, 5, 4), affine)
    result = run("a_T1w.nii", "--scale", 2, "--pair", "*_T1w.nii=*_dseg.nii:label", code=5)
    assert f"a_dseg.nii: --pair: {says}" in result.stderr
    assert Path("a_T1w_upsampled.nii").exists()
    assert not Path("a_dseg_upsampled.nii").exists()


@pytest.mark.parametrize(("shape", "code"), [((4, 6), 0), ((4, 5), 5)])
def test_without_an_affine_sizes_must_be_alike(shape, code):
    np.save("a.npy", np.zeros((4, 6)))
    np.save("a_mask.npy", np.zeros(shape, np.uint8))
    result = run("a.npy", "--fit", 30, "--pair", "*.npy=*_mask.npy:nearest", code=code)
    assert ("its size 5×4 differs from 6×4 of its image a.npy" in result.stderr) == (code != 0)


def test_a_missing_half_is_a_failure_of_its_own():
    np.save("a.npy", np.zeros((4, 6)))
    result = run("a.npy", "--scale", 2, "--pair", "*.npy=*_mask.npy:nearest", code=5)
    assert "Error: a_mask.npy: does not exist" in result.stderr
    assert Path("a_upsampled.npy").exists()


def test_without_its_image_what_belongs_to_it_is_not_resized():
    np.save("a_mask.npy", np.zeros((4, 6), np.uint8))
    error = refuse("a_mask.npy", "--scale", 2, "--pair", "*.npy=*_mask.npy:nearest", code=3)
    assert error == "Error: a_mask.npy: --pair: cannot read the image it is paired with: a.npy: does not exist"


def test_pairs_in_trees_are_mirrored(folder):
    for name in ("d/images/x.npy", "d/masks/x.npy", "d/masks/y.npy", "d/images/y.npy"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(name, np.zeros((4, 6), np.uint8))
    (folder / "out").mkdir()
    for include in ([], ["--include", "images/*"]):
        run("-r", "d", "--scale", 2, "-o", "out", "--overwrite", "--pair", "images/*=masks/*:nearest", *include)
        assert sorted(str(p.relative_to("out")) for p in Path("out").rglob("*.npy")) == [
            "images/x.npy",
            "images/y.npy",
            "masks/x.npy",
            "masks/y.npy",
        ]


def test_the_output_of_a_pair_is_not_its_image(folder):
    np.save("a.npy", np.zeros((4, 6)))
    np.save("a_mask.npy", np.zeros((4, 6), np.uint8))
    options = ["--scale", 2, "--pair", "*.npy=*_mask.npy:nearest", "-o", "a.npy", "--overwrite"]
    refuse("a_mask.npy", *options, code=2, says=("a.npy", "same file"))


def test_a_senseless_mode_of_a_pair_is_said_once():
    options = ["--scale", 2, "--align-corners", "--pair", "*.npy=*_mask.npy:nearest"]
    refuse("a.npy", "b.npy", *options, code=2, says=("--align-corners", "nearest"))
