"""--spacing means one length, whatever the units of the axes."""

import nibabel as nib
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from tests.pipeline_helpers import planned, upsampled
from upsample_cli.cli.command import main
from upsample_cli.errors import RequestError


@pytest.fixture
def stack(tmp_path):
    """A stack with x and y in nanometres and z in micrometres: 100 nm, 100 nm and 0.5 µm."""
    metadata = {"axes": "ZYX", "PhysicalSizeX": 100.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 100.0,
                "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.5, "PhysicalSizeZUnit": "µm"}  # fmt: skip
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((4, 10, 12), np.uint16), metadata=metadata)
    return tmp_path / "in.ome.tif"


@pytest.mark.parametrize(
    ("spacing", "shape", "is_told"),
    [
        ("250", (8, 4, 5), True),
        ("250nm", (8, 4, 5), False),
        ("0.25um", (8, 4, 5), False),
        ("0.00025mm", (8, 4, 5), False),
        ("50,50,1000", (2, 20, 24), True),
    ],
)
def test_a_length_is_in_its_unit_or_that_of_x(stack, tmp_path, spacing, shape, is_told):
    done = CliRunner().invoke(main, [str(stack), "--spacing", spacing, "-o", str(tmp_path / "out.ome.tif")])
    assert done.exit_code == 0, done.output
    assert tifffile.imread(tmp_path / "out.ome.tif").shape == shape
    assert ("--spacing is taken in nm, the unit of x" in done.stderr) == is_told


def _ome(path, spacings, units=("µm", "µm", "µm")):
    keys = dict(zip("XYZ", zip(spacings, units, strict=True), strict=True))
    metadata = {"axes": "ZYX"} | {f"PhysicalSize{key}": spacing for key, (spacing, _) in keys.items()}
    metadata |= {f"PhysicalSize{key}Unit": unit for key, (_, unit) in keys.items()}
    tifffile.imwrite(path, np.zeros((4, 10, 12), np.uint16), metadata=metadata)
    return path


def _written(plan):
    return {axis.name: axis.spacing for axis in plan.first.after.grid.axes}


def test_an_axis_that_has_the_spacing_up_to_float32_is_left_alone(tmp_path):
    image = nib.Nifti1Image(np.zeros((5, 6, 3), np.float32), np.diag([0.7, 0.7, 2.1, 1]))
    nib.save(image, tmp_path / "in.nii")
    for options in ({"spacing": "0.7"}, {"spacing": "0.7", "align_corners": True}, {"isotropic": "finest"}):
        plan = planned(tmp_path / "in.nii", **options)
        assert plan.first.changed_axes == ("z",)
        assert not any("shrinking" in warning for warning in plan.warnings)
    assert planned(tmp_path / "in.nii", spacing="0.700007").first.changed_axes == ("z", "y", "x")


@pytest.mark.parametrize("asked", [{"isotropic": "finest"}, {"spacing": "0.2"}, {"spacing": "0.2um"}])
def test_equal_axes_of_ome_are_left_alone_and_the_rest_is_exact(tmp_path, asked):
    for spacings in ((0.2, 0.2, 0.7), (0.2, float(np.float32(0.2)), 0.35), (0.2, 0.2, 0.30000000000000004)):
        plan = planned(_ome(tmp_path / "in.ome.tif", spacings), **asked)
        assert plan.first.changed_axes == ("z",)
        assert _written(plan) == {"x": spacings[0], "y": spacings[1], "z": 0.2}


@pytest.mark.parametrize("wanted", ["0.1", "0.3", "0.7", "1.1", "0.07"])
@pytest.mark.parametrize("spacings", [(0.2, 0.2, 0.5), (0.65, 0.65, 3.0)])
def test_the_written_spacing_is_the_requested_one(tmp_path, wanted, spacings):
    source = _ome(tmp_path / "in.ome.tif", spacings)
    assert set(_written(planned(source, spacing=wanted)).values()) == {float(wanted)}
    with tifffile.TiffFile(upsampled(source, tmp_path / "out.ome.tif", spacing=wanted).output_path) as file:
        assert f'PhysicalSizeX="{float(wanted)}"' in file.ome_metadata


def test_other_units_are_exact_too(tmp_path):
    source = _ome(tmp_path / "in.ome.tif", (200.0, 200.0, 0.7), ("nm", "nm", "µm"))
    assert _written(planned(source, isotropic="finest")) == {"x": 200.0, "y": 200.0, "z": 0.2}
    assert _written(planned(source, spacing="0.1um")) == {"x": 100.0, "y": 100.0, "z": 0.1}


@pytest.mark.parametrize(("wanted", "spacing"), [("1mm", 1.0), ("500um", 0.5), ("x=1mm", 1.0), ("1", 1.0)])
def test_a_volume_without_a_unit_is_taken_to_be_in_mm(tmp_path, wanted, spacing):
    nib.save(nib.Nifti1Image(np.zeros((5, 6, 3), np.float32), np.diag([2.0, 2, 2, 1])), tmp_path / "in.nii")
    plan = planned(tmp_path / "in.nii", spacing=wanted)
    x = plan.first.after.grid["x"]
    assert (x.spacing, x.unit) == (spacing, None), "no unit is written that the file does not state"
    assert any("states no unit" in warning for warning in plan.warnings) == (wanted != "1")


def test_a_stack_without_calibration_has_no_spacing_to_start_from(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 6), np.uint8))
    with pytest.raises(RequestError, match=r"no spacing for axis x; .* or write its present spacing"):
        planned(tmp_path / "plain.tif", spacing="x=0.1um")
