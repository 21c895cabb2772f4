"""The sample files, doubled by the command, as other programs read them."""

import re
import subprocess
import sys

import pytest

from tests.external_readers.programs import exiftool, identify, needs, said
from tests.samples import PICTURES, SAMPLES, STACKS, VOLUMES


@pytest.fixture(scope="module")
def doubled(tmp_path_factory):
    """The folder with all of them, as a process of its own has written it."""
    folder = tmp_path_factory.mktemp("doubled")
    files = [SAMPLES / name for name in (*PICTURES, *STACKS, *VOLUMES)]
    command = [sys.executable, "-m", "upsample_cli", *files, "--scale", "2", "-o", f"{folder}/{{stem}}{{ext}}"]
    subprocess.run(command, check=True, cwd=SAMPLES.parent, capture_output=True)
    return folder


def test_identify(doubled):
    found = identify([doubled / name for name in PICTURES], "%w %h")
    assert found == {name: [(str(2 * width), str(2 * height))] for name, ((width, height), _) in PICTURES.items()}


def test_exiftool(doubled):
    found = exiftool(doubled, "-ImageSize", "-Orientation", "-ProfileDescription", "-XResolution", "-PixelsPerUnitX")
    for name, ((width, height), _) in PICTURES.items():
        assert found[name]["Composite:ImageSize"] == f"{2 * width} {2 * height}"
        assert found[name].get("IFD0:Orientation", 1) == 1
    assert found["cat.jpg"]["ICC_Profile:ProfileDescription"] == "sRGB built-in"
    assert found["cat.jpg"]["JFIF:XResolution"] == 144
    assert found["depth16.png"]["PNG-pHYs:PixelsPerUnitX"] == 23622


@needs("tiffinfo")
@pytest.mark.parametrize("name", STACKS)
def test_tiffinfo(name, doubled):
    (width, height, depth), _ = STACKS[name]
    found = re.findall(r"Image Width: (\d+) Image Length: (\d+)", said("tiffinfo", doubled / name))
    assert set(found) == {(str(2 * width), str(2 * height))}
    assert len(found) % (2 * depth) == 0


@needs("mrinfo")
@pytest.mark.parametrize("name", VOLUMES)
def test_mrinfo(name, doubled):
    sizes, spacing = VOLUMES[name]
    found_sizes, found_spacing = said("mrinfo", "-quiet", "-size", "-spacing", doubled / name).splitlines()
    assert [int(n) for n in found_sizes.split()[:3]] == [2 * n for n in sizes]
    assert [float(n) for n in found_spacing.split()[:3]] == pytest.approx([s / 2 for s in spacing], rel=1e-6)


def test_itk_finds_the_spot_at_the_right_temple(doubled):
    """The sample's one bright spot lies near (67, 35, 9) mm, which is (-67, -35, 9) to ITK."""
    sitk = pytest.importorskip("SimpleITK")
    spot = sitk.LabelShapeStatisticsImageFilter()
    spot.Execute(sitk.ReadImage(str(doubled / "brain.nii.gz")) > 1500 * 0.5 + 10)
    assert spot.GetLabels() == (1,)
    assert spot.GetCentroid(1) == pytest.approx((-67, -35, 9), abs=3.5)
