"""``--like`` where only one of two files, or none, has an orientation."""

import nibabel as nib
import numpy as np
import pytest
import tifffile

from tests.pipeline_helpers import planned


def _volume(path, size, oriented, unit="mm"):
    image = nib.Nifti1Image(np.zeros((size, 4, 4), np.uint8), np.diag([2.0, 2, 2, 1]))
    image.set_sform(image.affine, int(oriented))
    image.set_qform(image.affine, int(oriented))
    image.header.set_xyzt_units(unit)
    nib.save(image, path)
    return path


def _stack(path, unit):
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": unit}
    tifffile.imwrite(path, np.zeros((4, 4, 4), np.uint8), imagej=True, resolution=(0.5, 0.5), metadata=metadata)
    return path


@pytest.mark.parametrize("unit", ["mm", None])
def test_one_volume_without_orientation(tmp_path, unit):
    source = _volume(tmp_path / "in.nii", 4, oriented=False, unit=unit)
    plan = planned(source, like=str(_volume(tmp_path / "ref.nii.gz", 6, oriented=True)))
    spacing = plan.first.after.grid["x"].spacing
    why = f"because of {source} without orientation"
    if unit is None:
        assert spacing == pytest.approx(2 * 4 / 6)
        assert f"--like: only the sizes are taken, {why} and spacings without a common unit" in plan.warnings
    else:
        assert spacing == 2
        assert plan.first.inside[-1] == range(4), "beyond its four samples there is nothing"
        outer = "--like: placed by spacing, with the outer edges of the first samples together"
        assert f"{outer}, {why}" in plan.warnings


def test_a_stack_on_a_volume(tmp_path):
    reference = str(_volume(tmp_path / "ref.nii", 6, oriented=True))
    for unit, says in (("mm", "placed by spacing"), ("furlong", "only the sizes are taken")):
        warnings = planned(_stack(tmp_path / "in.tif", unit), like=reference).warnings
        assert any(warning.startswith(f"--like: {says}") for warning in warnings)


def test_an_unoriented_reference_is_named(tmp_path):
    source, reference = (_volume(tmp_path / f"{o}.nii", 4, oriented=o) for o in (True, False))
    assert any(f"because of {reference} without" in text for text in planned(source, like=str(reference)).warnings)


@pytest.mark.parametrize("oriented", [True, False])
def test_files_of_one_kind_need_no_warning(tmp_path, oriented):
    source, reference = (_volume(tmp_path / f"{n}.nii", n, oriented) for n in (4, 6))
    warnings = planned(source, like=str(reference)).warnings
    assert not any("--like" in warning for warning in warnings)
