"""A geometry oracle that knows nothing of our formulas: samples that hold their own positions in the world.

Linear interpolation of positions gives positions. So after any resize, every sample must hold the position that the new
header gives it, moved to the outermost old samples where it lies beyond them.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pipeline_helpers import upsampled

Options = dict[str, object]


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """The product of turns about the three axes, in radians."""
    turns = []
    for angle, (i, j) in zip((x, y, z), ((1, 2), (0, 2), (0, 1)), strict=True):
        turn = np.eye(3)
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turns.append(turn)
    return turns[0] @ turns[1] @ turns[2]


def affine(matrix: np.ndarray, *translation: float) -> np.ndarray:
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = matrix, translation
    return result


SHAPE = (7, 9, 6)
SHEAR = np.array([[2, 0.5, 0], [0, 1.5, 0.25], [0, 0, 3]])
AFFINES = {
    "axis-aligned": affine(np.diag([1.0, 2.0, 3.0]), -90, 126.5, -72),
    "flipped": affine(np.diag([-1.5, 0.75, -4.0]), 60, -40, 20),
    "oblique": affine(rotation(0.2, -0.4, 1.1) @ np.diag([1.0, 1.25, 5.5]), 12.5, -80, 33),
    "left-handed": affine(rotation(-0.7, 0.3, 0.1) @ np.diag([-0.5, 0.5, 0.9]), 1, 2, 3),
    "permuted": affine(np.array([[0, 0, 2.5], [-1, 0, 0], [0, 1.5, 0]]), -5, 10, 15),
}
TARGETS: tuple[Options, ...] = (
    {"scale": "2"},
    {"scale": "1.7"},
    {"scale": "0.6"},
    {"scale": "1.7", "recompute_scale_factor": True},
    {"scale": "3,1,0.5"},
    {"scale": "z=2.5"},
    {"scale": "y=0.7,x=1.3"},
    {"size": "21x10x13"},
    {"size": "z=11"},
    {"spacing": "0.8"},
    {"spacing": "0.7,1.3,2.1"},
    {"fit": "20x20x20"},
)
CORNERS = (False, True)


def names(options: Options) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())


def indices(shape: Sequence[int]) -> np.ndarray:
    """The index of every sample, in homogeneous coordinates, shape (*shape, 4)."""
    return np.concatenate([np.moveaxis(np.indices(shape), 0, -1), np.ones((*shape, 1))], -1)


def positions(affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Where every sample lies, shape (*shape, 3)."""
    return (indices(shape) @ affine.T)[..., :3]


def assert_in_place(
    values: np.ndarray, new: np.ndarray, old: np.ndarray, old_shape: Sequence[int], tolerance: float
) -> None:
    """Every sample holds the position that the affine `new` gives it, where that lies within the old samples.

    Args:
        values: of shape (x, y, z, 3).
        new, old: the affines.
        old_shape: of the volume that was filled with positions.
        tolerance: in the unit of the world.
    """
    shape = values.shape[:3]
    index = indices(shape) @ (np.linalg.inv(old) @ new).T[:, :3]
    clamped = np.clip(index, 0, np.array(old_shape) - 1)
    inside = np.isclose(index, clamped, rtol=0, atol=1e-6)
    assert inside.mean() > 0.6, "nearly everything lies outside"
    np.testing.assert_allclose(values, clamped @ old[:3, :3].T + old[:3, 3], rtol=0, atol=tolerance)


def test_the_oracle_sees_an_eighth_of_a_voxel() -> None:
    old = AFFINES["oblique"]
    values = positions(old, SHAPE)
    assert_in_place(values, old, old, SHAPE, 1e-9)
    for number in range(3):
        shifted = old.copy()
        shifted[:3, 3] += old[:3, number] / 8
        with pytest.raises(AssertionError):
            assert_in_place(values, shifted, old, SHAPE, 1e-2)
    stretched = old @ np.diag([1.02, 1, 1, 1])
    with pytest.raises(AssertionError):
        assert_in_place(values, stretched, old, SHAPE, 1e-2)
    values[3, 4, 2, 1] += 2e-2
    with pytest.raises(AssertionError):
        assert_in_place(values, old, old, SHAPE, 1e-2)


def save(
    path: Path, world: np.ndarray, *, sform: int, qform: int, kind: type = nib.Nifti1Image, **other: object
) -> None:
    """A volume that holds its positions in the frame `world`, with three time points for x, y and z."""
    image = kind(positions(world, SHAPE), None)
    image.header.set_zooms((*np.linalg.norm(world[:3, :3], axis=0), 2.0))
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(other.get("sform_affine", world), sform)
    image.set_qform(other.get("qform_affine", world), qform)
    nib.save(image, path)


@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("options", TARGETS, ids=names)
@pytest.mark.parametrize("world", AFFINES.values(), ids=AFFINES)
def test_nifti(tmp_path: Path, world: np.ndarray, options: Options, corners: bool) -> None:
    source, out = tmp_path / "world.nii", tmp_path / "out.nii"
    save(source, world, sform=1, qform=2)
    upsampled(source, out, **options, align_corners=corners)
    image = nib.load(out)
    values = np.asarray(image.dataobj)
    assert values.dtype == np.float64
    for new, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        assert_in_place(values, new, world, SHAPE, 1e-4)
        assert code in (1, 2)
    np.testing.assert_allclose(image.header.get_zooms()[:3], nib.affines.voxel_sizes(image.affine), rtol=1e-6)
    assert image.header.get_zooms()[3] == 2
    assert image.header.get_xyzt_units() == ("mm", "sec")


@pytest.mark.parametrize("suffix", [".mgz", ".nii.gz"])
@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("options", TARGETS, ids=names)
@pytest.mark.parametrize("world", [*AFFINES.values(), affine(SHEAR, 1, 2, 3)], ids=[*AFFINES, "sheared"])
def test_freesurfer(tmp_path: Path, world: np.ndarray, options: Options, corners: bool, suffix: str) -> None:
    source, out = tmp_path / "world.mgh", tmp_path / f"out{suffix}"
    source.write_bytes(nib.MGHImage(positions(world, SHAPE).astype(np.float32), world).to_bytes())
    upsampled(source, out, **options, align_corners=corners)
    image = (nib.Nifti1Image if suffix == ".nii.gz" else nib.MGHImage).from_bytes(gzip.decompress(out.read_bytes()))
    assert_in_place(np.asarray(image.dataobj), image.affine, world, SHAPE, 1e-4)
    if suffix == ".nii.gz" and int(image.header["qform_code"]):
        assert_in_place(np.asarray(image.dataobj), image.get_qform(), world, SHAPE, 1e-3)


@pytest.mark.parametrize("origin", [(0, 0, 0), (3, 5, 2)], ids=["centred", "given"])
@pytest.mark.parametrize("suffix", [".img", ".nii"])
@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("options", TARGETS, ids=names)
def test_analyze(tmp_path: Path, options: Options, corners: bool, suffix: str, origin: tuple[int, ...]) -> None:
    """In a pair to the whole voxel that SPM's origin is given in, as is said; in NIfTI to the last digit."""
    source, out = tmp_path / "world.img", tmp_path / f"out{suffix}"
    header = nib.Spm99AnalyzeHeader()
    header.set_data_dtype(np.float64)
    header.set_data_shape((*SHAPE, 3))
    header.set_zooms((1, 1.25, 5.5, 1))
    header["origin"][:3] = origin
    source.with_suffix(".hdr").write_bytes(header.binaryblock)
    source.write_bytes(bytes(8 * 3 * np.prod(SHAPE)))
    world = nib.load(source).affine
    source.write_bytes(positions(world, SHAPE).tobytes("F"))
    plan = upsampled(source, out, **options, align_corners=corners)
    image = nib.load(out)
    new, values = image.affine, np.asarray(image.dataobj)
    said = [warning for warning in plan.warnings if "whole voxels" in warning]
    if not said:
        assert_in_place(values, new, world, SHAPE, 1e-4)
        return
    assert suffix == ".img"
    off = np.array([float(n) for n in said[0].split("off by ")[1].split(" of")[0].split(",")])
    assert 1e-3 < off.max() <= 0.5
    moved = [new @ affine(np.eye(3), *(off * signs)) for signs in itertools.product((-1, 1), repeat=3)]
    assert any(is_in_place(values, candidate, world) for candidate in moved)


def is_in_place(values: np.ndarray, new: np.ndarray, old: np.ndarray) -> bool:
    try:
        assert_in_place(values, new, old, SHAPE, 0.02)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("options", TARGETS, ids=names)
@pytest.mark.parametrize("world", AFFINES.values(), ids=AFFINES)
def test_nifti_as_simpleitk_reads_it(tmp_path: Path, world: np.ndarray, options: Options, corners: bool) -> None:
    sitk = pytest.importorskip("SimpleITK")
    source, out = tmp_path / "world.nii.gz", tmp_path / "out.nii.gz"
    save(source, world, sform=1, qform=1)
    upsampled(source, out, **options, align_corners=corners)
    image = sitk.ReadImage(str(out))
    new = np.eye(4)
    corner = (0, 0, 0, 0)
    new[:3, 3] = image.TransformIndexToPhysicalPoint(corner)[:3]
    for number in range(3):
        step = tuple(int(number == other) for other in range(4))
        new[:3, number] = np.array(image.TransformIndexToPhysicalPoint(step))[:3] - new[:3, 3]
    new[:2] *= -1  # ITK's world is left, posterior, superior
    assert_in_place(sitk.GetArrayFromImage(image).transpose(3, 2, 1, 0), new, world, SHAPE, 1e-4)


@pytest.mark.parametrize("options", TARGETS, ids=names)
def test_nifti_2_to_double_precision(tmp_path: Path, options: Options) -> None:
    source, out = tmp_path / "world.nii", tmp_path / "out.nii"
    save(source, AFFINES["oblique"], sform=3, qform=0, kind=nib.Nifti2Image)
    upsampled(source, out, **options)
    image = nib.load(out)
    assert isinstance(image, nib.Nifti2Image)
    assert_in_place(np.asarray(image.dataobj), image.get_sform(), AFFINES["oblique"], SHAPE, 1e-9)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img"])
@pytest.mark.parametrize(("sform", "qform"), list(itertools.product((0, 1, 4), (0, 1, 3))))
def test_codes_stay_and_every_coded_frame_moves(tmp_path: Path, sform: int, qform: int, suffix: str) -> None:
    source, out = tmp_path / f"world{suffix}", tmp_path / f"out{suffix}"
    pair = nib.Nifti1Pair if suffix == ".img" else nib.Nifti1Image
    save(source, AFFINES["left-handed"], sform=sform, qform=qform, kind=pair)
    upsampled(source, out, scale="2,1.5,3")
    image = nib.load(out)
    assert int(image.header["sform_code"]) == sform
    assert int(image.header["qform_code"]) == qform
    for new, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        if code:
            assert_in_place(np.asarray(image.dataobj), new, AFFINES["left-handed"], SHAPE, 1e-4)
    np.testing.assert_allclose(image.header.get_zooms()[:3], (0.25, 1 / 3, 0.3), rtol=1e-6)


@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("frame", ["sform", "qform"])
def test_frames_that_differ_each_move_on_their_own(tmp_path: Path, frame: str, corners: bool) -> None:
    source, out = tmp_path / "world.nii", tmp_path / "out.nii"
    frames = {"sform": AFFINES["flipped"], "qform": AFFINES["flipped"].copy()}
    frames["qform"] = affine(rotation(0.1, 0.2, 0.3) @ np.diag([-1.5, 0.75, -4.0]), 5, 6, 7)
    other = {f"{name}_affine": matrix for name, matrix in frames.items()}
    save(source, frames[frame], sform=2, qform=1, **other)
    upsampled(source, out, scale="1.7", align_corners=corners)
    image = nib.load(out)
    new = image.get_sform() if frame == "sform" else image.get_qform()
    assert_in_place(np.asarray(image.dataobj), new, frames[frame], SHAPE, 1e-4)


def test_a_sheared_sform_stays_sheared(tmp_path: Path) -> None:
    source, out = tmp_path / "world.nii", tmp_path / "out.nii"
    world = affine(SHEAR, 1, 2, 3)
    save(source, world, sform=4, qform=0)
    upsampled(source, out, scale="2,3,1.2")
    image = nib.load(out)
    assert_in_place(np.asarray(image.dataobj), image.get_sform(), world, SHAPE, 1e-4)


def test_without_codes_the_middle_stays_in_the_middle(tmp_path: Path) -> None:
    """Method 1 of the NIfTI standard: pixdim alone, which nibabel centres on the volume."""
    source, out = tmp_path / "world.nii", tmp_path / "out.nii"
    world = affine(np.diag([-1.0, 2, 3]), 3, -8, -7.5)  # as nibabel, which flips x, has it
    save(source, world, sform=0, qform=0)
    np.testing.assert_array_equal(nib.load(source).affine, world)
    upsampled(source, out, scale="2,3,0.5")
    image = nib.load(out)
    assert_in_place(np.asarray(image.dataobj), image.affine, world, SHAPE, 1e-4)


@pytest.mark.parametrize(
    ("scale", "expected"), [("2", (0.5, 1.0, 1.5)), ("0.5,1,2", (2.0, 2.0, 1.5)), ("x=4,z=3", (0.25, 2.0, 1.0))]
)
def test_the_extent_stays_at_exact_ratios(tmp_path: Path, scale: str, expected: tuple[float, ...]) -> None:
    source, out = tmp_path / "even.nii", tmp_path / "out.nii"
    nib.save(nib.Nifti1Image(np.zeros((8, 6, 4), np.int16), AFFINES["axis-aligned"]), source)
    upsampled(source, out, scale=scale)
    image = nib.load(out)
    assert image.header.get_zooms() == expected
    np.testing.assert_array_equal(np.array(image.shape) * expected, (8, 12, 12))


@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize(
    "wanted",
    [
        (1, 1, 1.2),
        (1.9, 0.4, 5.5),
        pytest.param((0.7, 1.3, 2.1), id="same-size"),  # y: 9 × 1.25 mm holds 8.7 samples, which rounds to 9
    ],
)
def test_spacing_is_the_one_asked_for(tmp_path: Path, wanted: tuple[float, ...], corners: bool) -> None:
    source, out = tmp_path / "world.nii", tmp_path / "out.nii"
    save(source, AFFINES["oblique"], sform=1, qform=1)
    upsampled(source, out, spacing=",".join(map(str, wanted)), align_corners=corners)
    zooms = nib.affines.voxel_sizes(nib.load(out).affine)
    if corners:  # the outermost centres stay, so the spacing is the nearest that divides the distance between them
        distance = (np.array(SHAPE) - 1) * nib.affines.voxel_sizes(AFFINES["oblique"])
        np.testing.assert_allclose(zooms, distance / np.maximum(1, np.round(distance / wanted)), rtol=1e-6)
    else:
        np.testing.assert_allclose(zooms, wanted, rtol=1e-6)


def test_time_that_is_resized_moves_tr_and_onset(tmp_path: Path) -> None:
    source, out = tmp_path / "times.nii", tmp_path / "out.nii"
    times = 10.0 + 2.5 * np.arange(8)
    image = nib.Nifti1Image(np.broadcast_to(times, (2, 3, 4, 8)).copy(), AFFINES["oblique"])
    image.header.set_zooms((1, 1.25, 5.5, 2.5))
    image.header.set_xyzt_units("mm", "sec")
    image.header["toffset"] = 10
    nib.save(image, source)
    upsampled(source, out, scale="t=2")
    result = nib.load(out)
    new = float(result.header["toffset"]) + result.header.get_zooms()[3] * np.arange(16)
    values = np.asarray(result.dataobj)
    assert result.header.get_zooms()[3] == 1.25
    np.testing.assert_allclose(values[:, :, :, 1:-1], np.broadcast_to(new[1:-1], (2, 3, 4, 14)), rtol=1e-6)
    np.testing.assert_allclose(result.affine, image.affine, rtol=1e-6)


def ome_spacing(path: Path) -> np.ndarray:
    """Of z, y, x as the XML says, in the order x, y, z."""
    pixels = ElementTree.fromstring(tifffile.tiffcomment(path)).find("./{*}Image/{*}Pixels")
    assert pixels is not None
    assert {pixels.get(f"PhysicalSize{axis}Unit") for axis in "XYZ"} == {"µm"}
    return np.array([float(pixels.get(f"PhysicalSize{axis}", "nan")) for axis in "XYZ"])


def imagej_spacing(path: Path) -> np.ndarray:
    """As another reader than tifffile sees it."""
    with Image.open(path) as image:
        description, per_x, per_y = (image.tag_v2[tag] for tag in (270, 282, 283))
    lines = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
    assert lines["unit"] in ("um", "micron", "\\u00B5m")
    return np.array([1 / float(per_x), 1 / float(per_y), float(lines["spacing"])])


SPACING = np.array([0.2, 0.25, 1.5])  # of x, y, z


def frame(spacing: np.ndarray, corners: bool) -> np.ndarray:
    """Positions from the first sample's centre with aligned corners, else from its outer edge: what stays in place."""
    return affine(np.diag(spacing), *(np.zeros(3) if corners else spacing / 2))


@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("options", TARGETS, ids=names)
def test_ome(tmp_path: Path, options: Options, corners: bool) -> None:
    source, out = tmp_path / "world.ome.tif", tmp_path / "out.ome.tif"
    sizes = {f"PhysicalSize{axis}": float(size) for axis, size in zip("XYZ", SPACING, strict=True)}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}
    world = positions(frame(SPACING, corners), SHAPE).transpose(3, 2, 1, 0)
    tifffile.imwrite(source, world, metadata={"axes": "CZYX"} | sizes | units, photometric="minisblack")
    upsampled(source, out, **options, align_corners=corners)
    new = frame(ome_spacing(out), corners)
    assert_in_place(tifffile.imread(out).transpose(3, 2, 1, 0), new, frame(SPACING, corners), SHAPE, 1e-9)


@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("options", TARGETS, ids=names)
def test_imagej(tmp_path: Path, options: Options, corners: bool) -> None:
    source, out = tmp_path / "world.tif", tmp_path / "out.tif"
    world = positions(frame(SPACING, corners), SHAPE).transpose(2, 3, 1, 0).astype(np.float32)
    metadata = {"axes": "ZCYX", "unit": "um", "spacing": SPACING[2]}
    tifffile.imwrite(source, world, imagej=True, resolution=1 / SPACING[:2], metadata=metadata)
    np.testing.assert_allclose(imagej_spacing(source), SPACING, rtol=1e-6)
    upsampled(source, out, **options, align_corners=corners)
    with tifffile.TiffFile(out) as tiff:
        assert tiff.is_imagej
        assert tiff.series[0].axes == "ZCYX"
        values = tiff.asarray().transpose(3, 2, 0, 1)
    assert_in_place(values, frame(imagej_spacing(out), corners), frame(SPACING, corners), SHAPE, 1e-5)


PICTURE_TARGETS: tuple[Options, ...] = (
    {"scale": "2"},
    {"scale": "1.7"},
    {"scale": "0.6"},
    {"scale": "x=3"},
    {"size": "75x40"},
    {"spacing": "0.05"},
    {"spacing": "x=0.1,y=0.3"},
)


def picture(path: Path, corners: bool) -> np.ndarray:
    """A 16-bit picture whose samples are proportional to their position along x and y; gives its affine.

    At 254 and 127 dpi samples are 0.1 and 0.2 mm apart, and a level stands for a micrometre.
    """
    world = frame(np.array([0.1, 0.2, 1.0]), corners)
    along = positions(world, (30, 20, 1))[:, :, 0, :2] @ [1000, 2000]
    image = Image.frombytes("I;16", (30, 20), along.T.round().astype("<u2").tobytes())
    if path.suffix == ".tif":
        tifffile.imwrite(path, np.asarray(image), resolution=(254, 127), resolutionunit="inch", metadata=None)
    else:
        image.save(path, dpi=(254, 127))
    return world


def dots_per_inch(path: Path) -> tuple[float, ...]:
    with Image.open(path) as image:
        if path.suffix == ".tif":
            assert image.tag_v2[296] == 2  # inches
            return tuple(float(image.tag_v2[tag]) for tag in (282, 283))
        return tuple(float(value) for value in image.info["dpi"])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("corners", CORNERS, ids=["half-pixel", "align-corners"])
@pytest.mark.parametrize("options", PICTURE_TARGETS, ids=names)
def test_resolution_of_pictures(tmp_path: Path, options: Options, corners: bool, suffix: str) -> None:
    source, out = tmp_path / f"world{suffix}", tmp_path / f"out{suffix}"
    old = picture(source, corners)
    upsampled(source, out, **options, align_corners=corners)
    new = frame(np.array([*(25.4 / value for value in dots_per_inch(out)), 1.0]), corners)
    values = np.asarray(Image.open(out) if suffix == ".png" else tifffile.imread(out)).T
    inside = indices((*values.shape, 1)) @ (np.linalg.inv(old) @ new).T[:, :3]
    clamped = np.clip(inside, 0, (29, 19, 0))
    expected = (clamped @ old[:3, :3].T + old[:3, 3])[:, :, 0, :2] @ [1000, 2000]
    np.testing.assert_allclose(values, expected, rtol=0, atol=2)  # the smallest step is 100 levels


@pytest.mark.parametrize(("scale", "expected"), [("2", (600, 300)), ("0.5", (150, 75)), ("x=3,y=1.5", (900, 225))])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_dpi_follow_the_samples(tmp_path: Path, suffix: str, scale: str, expected: tuple[float, ...]) -> None:
    source, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    Image.new("RGB", (40, 20), (200, 100, 50)).save(source, dpi=(300, 150))
    upsampled(source, out, scale=scale)
    assert dots_per_inch(out) == pytest.approx(expected, rel=1e-3)
