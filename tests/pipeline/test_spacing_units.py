"""--spacing means one length, whatever the units of the axes."""

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from upsample_cli.cli.command import main


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
