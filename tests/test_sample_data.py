"""Every sample file through the command, and what came out read by programs that share no code with ours.

Sizes and spacing are read from the bytes (`struct`), or by a library that the handler does not use. Other programs
read them in `tests/external_readers`.
"""

import gzip
import re
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.samples import PICTURES, SAMPLES, STACKS, VOLUMES
from upsample_cli.cli.command import main

DOUBLE = ("--scale", "2")
NEAREST = ("--scale", "3", "--mode", "nearest")


def run(name, folder, *options):
    target = folder / name
    result = CliRunner().invoke(main, [str(SAMPLES / name), "-o", str(target), *options])
    assert result.exit_code == 0, result.output
    return target


def picture_facts(path):
    """Width, height and pixels per millimetre of a PNG or a JPEG, from its bytes."""
    data = path.read_bytes()
    if data.startswith(b"\x89PNG"):
        width, height = struct.unpack(">II", data[16:24])
        at = data.find(b"pHYs")
        return (width, height), None if at < 0 else struct.unpack(">I", data[at + 4 : at + 8])[0] / 1000
    frame = re.search(rb"\xff[\xc0-\xc2]..\x08(..)(..)", data, re.S)
    height, width = (struct.unpack(">H", group)[0] for group in frame.groups())
    unit, density = struct.unpack(">BH", data[13:16])
    return (width, height), density / 25.4 if unit == 1 else None


def first_voxel(data):
    """Where the samples of a NIfTI-1 file begin: behind the extensions, where there are any."""
    return int(struct.unpack("<f", data[108:112])[0])


def nifti_facts(path):
    """Sizes, spacing and the codes of qform and sform of a NIfTI-1 file, from its bytes."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dim, pixdim = struct.unpack("<8h", data[40:56]), struct.unpack("<8f", data[76:108])
    assert data[344:348] == b"n+1\0"
    assert (
        len(data)
        == first_voxel(data) + np.prod(dim[1 : 1 + dim[0]], dtype=int) * struct.unpack("<h", data[72:74])[0] // 8
    )
    return dim[1:4], pixdim[1:4], struct.unpack("<2h", data[252:256])


def tiff_facts(path):
    """Sizes and spacing of a TIFF stack, by Pillow and the descriptions of ImageJ and OME."""
    with Image.open(path) as image:
        (width, height), pages = image.size, image.n_frames
        description = image.tag_v2.get(270, "")
        densities = [float(image.tag_v2.get(tag, 1)) for tag in (282, 283)]
    if description.startswith("ImageJ="):
        facts = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
        assert pages == int(facts["images"])
        return (width, height, int(facts["slices"])), (*(1 / d for d in densities), float(facts["spacing"]))
    if "<OME" in description:
        pixels = ElementTree.fromstring(description).find("./{*}Image/{*}Pixels").attrib
        assert pages == int(pixels["SizeZ"]) * int(pixels["SizeC"])
        return (width, height, int(pixels["SizeZ"])), tuple(float(pixels[f"PhysicalSize{axis}"]) for axis in "XYZ")
    return (width, height, pages), None


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name, tmp_path):
    (width, height), spacing = PICTURES[name]
    cases = [(DOUBLE, (2 * width, 2 * height), 2), (NEAREST, (3 * width, 3 * height), 3)]
    cases.append((("--size", f"{3 * width}x{3 * height}"), (3 * width, 3 * height), 3))
    if spacing is not None:
        cases.append((("--spacing", str(spacing / 2)), (2 * width, 2 * height), 2))
    for options, sizes, factor in cases:
        path = run(name, tmp_path, *options, "--overwrite")
        found, density = picture_facts(path)
        assert found == sizes
        assert (density is None) == (spacing is None)
        if density is not None:
            assert density == pytest.approx(factor / spacing, rel=1e-3)
    with Image.open(SAMPLES / name) as before, Image.open(run(name, tmp_path, *NEAREST, "--overwrite")) as after:
        assert after.mode == before.mode
        assert bool(after.info.get("icc_profile")) == bool(before.info.get("icc_profile"))


@pytest.mark.parametrize("name", STACKS)
def test_stacks(name, tmp_path):
    sizes, spacing = STACKS[name]
    cases = [(DOUBLE, 2), (NEAREST, 3), (("--size", "x".join(str(4 * n) for n in sizes)), 4)]
    if spacing is not None:
        cases.append((("--spacing", ",".join(str(s / 2) for s in spacing)), 2))
    for options, factor in cases:
        found, found_spacing = tiff_facts(run(name, tmp_path, *options, "--overwrite"))
        assert found == tuple(factor * n for n in sizes)
        if spacing is not None:
            assert found_spacing == pytest.approx([s / factor for s in spacing], rel=1e-6)


@pytest.mark.parametrize("name", VOLUMES)
def test_volumes(name, tmp_path):
    sizes, spacing = VOLUMES[name]
    cases = [
        (DOUBLE, 2),
        (NEAREST, 3),
        (("--size", "x".join(str(2 * n) for n in sizes)), 2),
        (("--spacing", ",".join(str(s / 2) for s in spacing)), 2),
    ]
    for options, factor in cases:
        found, found_spacing, codes = nifti_facts(run(name, tmp_path, *options, "--overwrite"))
        assert found == tuple(factor * n for n in sizes)
        assert found_spacing == pytest.approx([s / factor for s in spacing], rel=1e-6)
        assert codes == nifti_facts(SAMPLES / name)[2]


def test_arrays(tmp_path):
    signal = np.load(SAMPLES / "signal.npy")
    doubled = np.load(run("signal.npy", tmp_path, *DOUBLE))
    assert doubled.shape == (400,)
    np.testing.assert_allclose(doubled[1:-1:2], 0.75 * signal[:-1] + 0.25 * signal[1:], rtol=1e-12)
    assert np.load(run("signal.npy", tmp_path, "--size", "777", "--overwrite")).shape == (777,)
    picked = np.load(run("signal.npy", tmp_path, *NEAREST, "--overwrite"))
    np.testing.assert_array_equal(picked, np.repeat(signal, 3))


def test_labels_stay_labels(tmp_path):
    path = run("labels.nii.gz", tmp_path, *NEAREST)
    files = [gzip.decompress(file.read_bytes()) for file in (path, SAMPLES / "labels.nii.gz")]
    voxels = [np.frombuffer(data[first_voxel(data) :], np.uint8) for data in files]
    assert set(np.unique(voxels[0])) == set(np.unique(voxels[1]))


def test_left_stays_left(tmp_path):
    """The sample's one bright spot lies near the right temple, (67, 35, 9) mm; so it must in the output's own frame."""
    data = gzip.decompress(run("brain.nii.gz", tmp_path, *DOUBLE).read_bytes())
    voxels = np.frombuffer(data[first_voxel(data) :], "<i2").reshape(64, 112, 96)
    srow = np.array(struct.unpack("<12f", data[280:328])).reshape(3, 4)
    bright = np.argwhere(voxels > 1500)[:, ::-1].mean(axis=0)
    np.testing.assert_allclose(srow[:, :3] @ bright + srow[:, 3], (67, 35, 9), atol=3.5)
