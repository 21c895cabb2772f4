"""Labels: the mode of files that are marked as such, and warnings where labels are blended or moved."""

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from tests.pipeline_helpers import planned
from upsample_cli.cli.command import main

BLENDS = "mode {} blends them; use --mode label"


def _run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def _save(path, data, spacing=1.0, intent=None):
    image = nib.Nifti1Image(data, np.diag([spacing] * 3 + [1]))
    image.header.set_xyzt_units("mm")
    if intent:
        image.header.set_intent(intent)
    nib.save(image, path)
    return path


def _ball(dtype=np.uint8):
    return (np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0) < 12).astype(dtype)


def _centre(path):
    image = nib.load(path)
    inside = np.argwhere(image.get_fdata() > 0.5)
    return image.affine[:3, :3] @ inside.mean(axis=0) + image.affine[:3, 3]


@pytest.mark.parametrize("factor", [0.25, 0.7, 2, 1.5])
@pytest.mark.parametrize("options", [[], ["--mode", "label"], ["--mode", "nearest-exact"]])
def test_a_ball_of_labels_stays_in_place(tmp_path, factor, options):
    path = _save(tmp_path / "ball.nii", _ball(), intent="label")
    assert _run(path, "--scale", factor, *options, "-o", tmp_path / "out.nii").exit_code == 0
    off = np.abs(_centre(tmp_path / "out.nii") - _centre(path)).max()
    assert off < (0.1 if "label" in options else 0.7)  # half an input voxel where two are equally near, and the grid


@pytest.mark.parametrize(("factor", "shift"), [(0.25, "1.5 mm"), (0.7, "0.64"), (2, None), (4, None)])
def test_nearest_says_how_far_it_moves_the_content(tmp_path, factor, shift):
    path = _save(tmp_path / "ball.nii", _ball(np.float32))
    done = _run(path, "--scale", factor, "--mode", "nearest", "-o", tmp_path / "out.nii")
    told = "mode nearest moves the content against the positions that are written (" in done.stderr
    assert told == (shift is not None)
    if shift is not None:
        assert f" x {shift}" in done.stderr
        moved = np.linalg.norm(_centre(tmp_path / "out.nii") - _centre(path))
        assert moved > 0.5


@pytest.mark.parametrize(
    "name", ["sub-1_dseg.nii", "brain_mask.nii.gz", "x_label.nii", "a-seg.nii", "aparc+aseg.nii.gz", "mask.nii"]
)
def test_names_of_labels_are_noticed(tmp_path, name):
    path = _save(tmp_path / name, _ball())
    assert BLENDS.format("linear") in _run(path, "--scale", 2, "-o", tmp_path / "out.nii").stderr
    done = _run(path, "--scale", 2, "--mode", "label", "-o", tmp_path / "out.nii", "--overwrite")
    assert "blends" not in done.stderr


@pytest.mark.parametrize(
    ("name", "dtype"), [("brain.nii", np.uint8), ("prob_mask.nii", np.float32), ("masking.nii", np.uint8)]
)
def test_other_files_are_not_taken_for_labels(tmp_path, name, dtype):
    path = _save(tmp_path / name, _ball(dtype))
    assert "labels" not in _run(path, "--scale", 2, "-o", tmp_path / "out.nii").stderr


@pytest.mark.parametrize(("qfac", "warns"), [(0, False), (1, False), (-1, False), (3, True), (np.nan, True)])
def test_an_odd_qfac_counts_as_one(tmp_path, qfac, warns):
    image = nib.Nifti1Image(_ball(), np.diag([2.0, 2.0, 2.0, 1]))
    image.set_qform(np.diag([2.0, 2.0, 2.0, 1]), 1)
    image.set_sform(None, 0)
    raw = image.header
    raw["pixdim"][0] = qfac
    data = bytearray(raw.binaryblock + b"\0" * 4 + _ball().tobytes(order="F"))
    data[108:112] = np.float32(352).tobytes()
    (tmp_path / "in.nii").write_bytes(data)
    done = _run(tmp_path / "in.nii", "--scale", 2, "-o", tmp_path / "out.nii", "--verify")
    assert done.exit_code == 0, done.output
    assert ("; 1 is used instead" in done.stderr) == warns
    out = nib.load(tmp_path / "out.nii")
    sign = -1 if qfac == -1 else 1
    np.testing.assert_allclose(np.diag(out.affine)[:3], [1, 1, sign], atol=1e-6)


def test_blended_channels_are_noticed(tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((2, 8, 8)))
    for mode, expected in (("linear", True), ("nearest", False)):
        done = _run(
            tmp_path / "in.npy", "--axes", "cyx", "--scale", "c=2", "--mode", mode, "-o", tmp_path / f"{mode}.npy"
        )
        assert ("axis c holds channels" in done.stderr) == expected


@pytest.mark.parametrize(
    ("options", "warns"),
    [
        ({}, True),
        ({"mode": "nearest"}, False),
        ({"mode": "label"}, False),
        ({"dtype": "uint8", "rescale": "full"}, False),
    ],
)
def test_blended_bilevel_samples_are_warned_of(tmp_path, options, warns):
    np.save(tmp_path / "in.npy", np.eye(5, dtype=bool))
    warnings = planned(tmp_path / "in.npy", scale="2", **options).warnings
    assert any("--dtype uint8 --rescale keeps grey levels" in warning for warning in warnings) == warns
