"""Putting files on the grid of a reference: exact positions, any permutation and flip, and values outside the input."""

import json

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from upsample_cli.cli.command import main


def _volume(path, shape, affine, data=None, qform=True, dtype=np.float32):
    if data is None:
        data = np.random.default_rng(0).standard_normal(shape)
    image = nib.Nifti1Image(data.astype(dtype), affine)
    image.set_sform(affine, 1)
    if qform:
        image.set_qform(affine, 1)
    nib.save(image, path)
    return path


def _run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def _coordinate_volume(path, shape, affine, axis):
    """A volume that holds its own world coordinate `axis`."""
    voxels = np.stack([*np.meshgrid(*map(np.arange, shape), indexing="ij"), np.ones(shape)])
    return _volume(path, shape, affine, np.tensordot(affine[axis], voxels, 1), dtype=np.float64)


def _affine(spacing, origin, order=(0, 1, 2), flips=(1, 1, 1)):
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for column, row in enumerate(order):
        affine[row, column] = spacing[column] * flips[column]
    affine[:3, 3] = origin
    return affine


GRIDS = {
    "other spacing": _affine((0.9, 1.1, 2.1), (-3, 2, 5)),
    "flipped": _affine((1.0, 1.5, 0.8), (14, 2, 3), flips=(-1, 1, 1)),
    "permuted": _affine((0.7, 1.0, 1.3), (1, 1, 2), order=(2, 0, 1)),
    "permuted and flipped": _affine((0.7, 1.0, 1.3), (1, 14, 12), order=(2, 0, 1), flips=(1, -1, -1)),
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_samples_keep_their_world_coordinate(tmp_path, grid, axis):
    source = _coordinate_volume(tmp_path / "in.nii", (16, 18, 14), _affine((1.25, 1.0, 1.5), (-2, -1, 0.5)), axis)
    reference = _volume(tmp_path / "ref.nii", (9, 10, 11), GRIDS[grid])
    done = _run(source, "--like", reference, "--outside", "nan", "--verify", "-o", tmp_path / "out.nii")
    assert done.exit_code == 0, done.output
    out = nib.load(tmp_path / "out.nii")
    assert out.shape == (9, 10, 11)
    np.testing.assert_allclose(out.affine, GRIDS[grid], atol=1e-5)
    np.testing.assert_allclose(out.header.get_zooms(), nib.load(reference).header.get_zooms(), rtol=1e-6)
    np.testing.assert_allclose(out.get_qform(), GRIDS[grid], atol=1e-4)
    data = out.get_fdata()
    voxels = np.stack([*np.meshgrid(*map(np.arange, out.shape), indexing="ij"), np.ones(out.shape)])
    world = np.tensordot(out.affine, voxels, 1)
    into = np.tensordot(np.linalg.inv(nib.load(source).affine), world, 1)[:3]
    last = np.array([15, 17, 13])[:, None, None, None]
    deep = ((into >= 2) & (into <= last - 2)).all(axis=0)
    assert deep.sum() > 50
    np.testing.assert_allclose(data[deep], world[axis][deep], atol=1e-4)
    outside = ((into < -0.51) | (into > last + 0.51)).any(axis=0)
    assert np.isnan(data[outside]).all()
    inside = ((into > -0.49) & (into < last + 0.49)).all(axis=0)
    assert not np.isnan(data[inside]).any()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("mode", ["linear", "nearest-exact"])
def test_values_are_those_of_itk(tmp_path, grid, mode):
    sitk = pytest.importorskip("SimpleITK")
    source = _volume(tmp_path / "in.nii", (16, 18, 14), _affine((1.25, 1.0, 1.5), (-2, -1, 0.5)))
    reference = _volume(tmp_path / "ref.nii", (9, 10, 11), GRIDS[grid])
    assert _run(source, "--like", reference, "--mode", mode, "-o", tmp_path / "out.nii").exit_code == 0
    how = sitk.sitkLinear if mode == "linear" else sitk.sitkNearestNeighbor
    images = [sitk.ReadImage(str(path)) for path in (source, reference)]
    expected = sitk.GetArrayFromImage(sitk.Resample(*images, sitk.Transform(), how, 0.0))
    actual = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out.nii")))
    differ = np.abs(actual - expected) > 1e-4
    assert differ.mean() < 0.01  # samples on the border of the field of view, or half way between two samples


def test_a_segmentation_gets_the_grid_of_its_image(tmp_path):
    """T1 to 1 mm, then its segmentation on the grid of the result: spacing and positions are the same."""
    affine = _affine((0.9375, 0.9375, 1.2), (-80, -100, -60))
    image = _volume(tmp_path / "t1.nii.gz", (37, 41, 23), affine)
    labels = np.random.default_rng(1).integers(0, 4, (37, 41, 23))
    _volume(tmp_path / "dseg.nii.gz", None, affine, labels, dtype=np.uint8)
    assert _run(image, "--spacing", 1, "-o", tmp_path / "t1_1mm.nii.gz").exit_code == 0
    done = _run(
        tmp_path / "dseg.nii.gz",
        "--like",
        tmp_path / "t1_1mm.nii.gz",
        "--mode",
        "label",
        "-o",
        tmp_path / "dseg_1mm.nii.gz",
    )
    assert done.exit_code == 0, done.output
    first, second = nib.load(tmp_path / "t1_1mm.nii.gz"), nib.load(tmp_path / "dseg_1mm.nii.gz")
    assert first.shape == second.shape
    np.testing.assert_allclose(first.affine, second.affine, atol=1e-6)
    assert second.header.get_zooms() == (1, 1, 1)


def test_a_series_takes_the_spatial_grid_alone(tmp_path):
    series = _volume(tmp_path / "bold.nii", (8, 9, 7, 5), _affine((3, 3, 3), (0, 0, 0)))
    reference = _volume(tmp_path / "ref.nii", (11, 12, 10), _affine((2, 2, 2), (1, 1, 1)))
    assert _run(series, "--like", reference, "-o", tmp_path / "out.nii").exit_code == 0
    assert nib.load(tmp_path / "out.nii").shape == (11, 12, 10, 5)


def test_the_part_outside_is_told_and_set(tmp_path):
    source = _volume(tmp_path / "in.nii", (8, 8, 8), np.eye(4), np.ones((8, 8, 8)))
    reference = _volume(tmp_path / "ref.nii", (8, 8, 8), _affine((1, 1, 1), (4, 0, 0)))
    done = _run(source, "--like", reference, "-o", tmp_path / "out.nii")
    assert "50.0% of the output lies outside the input; it is set to 0 there" in done.stderr
    data = nib.load(tmp_path / "out.nii").get_fdata()
    assert (data[:4] == 1).all()
    assert (data[4:] == 0).all()
    for value, expected in (("7", 7), ("edge", 1), ("-1.5", -1.5)):
        assert (
            _run(source, "--like", reference, "--outside", value, "-o", tmp_path / "out.nii", "--overwrite").exit_code
            == 0
        )
        assert (nib.load(tmp_path / "out.nii").get_fdata()[4:] == expected).all()


@pytest.mark.parametrize(
    ("affine", "says"),
    [
        (_affine((1, 1, 1), (100, 0, 0)), "does not overlap with"),
        (
            np.array([[0.97, -0.2425, 0, 0], [0.2425, 0.97, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
            "rotated or sheared by 14",
        ),
    ],
)
def test_what_cannot_be_placed_is_refused(tmp_path, affine, says):
    source = _volume(tmp_path / "in.nii", (8, 8, 8), np.eye(4))
    reference = _volume(tmp_path / "ref.nii", (8, 8, 8), affine)
    done = _run(source, "--like", reference, "-o", tmp_path / "out.nii")
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (tmp_path / "out.nii").exists()


def test_an_equal_grid_gives_equal_bits(tmp_path):
    affine = _affine((0.7, 0.9, 1.1), (3, 4, 5))
    source = _volume(tmp_path / "in.nii", (8, 9, 10), affine)
    reference = _volume(tmp_path / "ref.nii", (8, 9, 10), affine)
    assert _run(source, "--like", reference, "-o", tmp_path / "out.nii").exit_code == 0
    np.testing.assert_array_equal(nib.load(source).get_fdata(), nib.load(tmp_path / "out.nii").get_fdata())


def test_disagreeing_affines_are_told(tmp_path):
    source = tmp_path / "in.nii"
    image = nib.Nifti1Image(np.zeros((8, 8, 8), np.float32), np.eye(4))
    image.set_sform(_affine((1, 1, 1), (0, 0, 0)), 1)
    image.set_qform(_affine((1, 1, 1), (0, 2, 0)), 1)
    nib.save(image, source)
    reference = _volume(tmp_path / "ref.nii", (8, 8, 8), np.eye(4))
    done = _run(source, "--like", reference, "-o", tmp_path / "out.nii")
    assert "sform and qform differ by up to 2 voxels; the position by sform is used" in done.stderr


def test_pictures_take_the_size_whatever_their_resolution(tmp_path):
    from PIL import Image

    Image.new("L", (40, 30)).save(tmp_path / "in.png", dpi=(72, 72))
    Image.new("L", (20, 15)).save(tmp_path / "ref.png", dpi=(300, 300))
    assert _run(tmp_path / "in.png", "--like", tmp_path / "ref.png", "-o", tmp_path / "out.png").exit_code == 0
    with Image.open(tmp_path / "out.png") as out:
        assert out.size == (20, 15)


def test_the_result_line_has_the_new_shape(tmp_path):
    source = _volume(tmp_path / "in.nii", (8, 9, 10), np.eye(4))
    reference = _volume(tmp_path / "ref.nii", (5, 6, 7), _affine((1, 1, 1), (1, 1, 1), order=(2, 0, 1)))
    done = _run(source, "--like", reference, "-o", tmp_path / "out.nii", "--json", "--verify")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["after"]["shape"] == [7, 6, 5]


@pytest.mark.filterwarnings("ignore")  # of nilearn and what it imports
@pytest.mark.parametrize("grid", GRIDS)
def test_values_are_those_of_nilearn(tmp_path, grid):
    image_of = pytest.importorskip("nilearn.image")
    source = _volume(tmp_path / "in.nii", (16, 18, 14), _affine((1.25, 1.0, 1.5), (-2, -1, 0.5)))
    reference = _volume(tmp_path / "ref.nii", (9, 10, 11), GRIDS[grid])
    assert _run(source, "--like", reference, "-o", tmp_path / "out.nii").exit_code == 0
    options = {"interpolation": "linear", "copy_header": True, "force_resample": True}
    expected = image_of.resample_to_img(source, reference, **options).get_fdata()
    out = nib.load(tmp_path / "out.nii")
    voxels = np.stack([*np.meshgrid(*map(np.arange, out.shape), indexing="ij"), np.ones(out.shape)])
    into = np.tensordot(np.linalg.inv(nib.load(source).affine) @ out.affine, voxels, 1)[:3]
    inside = ((into > 0) & (into < np.array([15, 17, 13])[:, None, None, None])).all(axis=0)  # nilearn fades beyond
    assert inside.sum() > 50
    np.testing.assert_allclose(out.get_fdata()[inside], expected[inside], atol=1e-5)
