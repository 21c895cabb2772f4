"""Volumes as SimpleITK and MRtrix read them: where every voxel lies, and what it holds."""

import itertools
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
import tifffile

from tests.external_readers.cases import TARGETS, new_sizes, pitches, resampled, shifts
from tests.external_readers.programs import exiftool, needs, said
from tests.pipeline_helpers import upsampled

SIZES = {"x": 9, "y": 8, "z": 7}
AXES = {"x": 0, "y": 1, "z": 2}
SPACING = (1.0, 1.25, 2.5)
LPS = np.diag([-1.0, -1, 1, 1])  # ITK's world is left, posterior, superior


def placed(turn, flips):
    """An affine of voxels of SPACING, turned about all axes and flipped."""
    sine, cosine = np.sin(turn), np.cos(turn)
    about_z = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(flips) * SPACING
    affine[:3, 3] = 12.5, -80, 33
    return affine


AFFINES = {
    "straight": placed(0, (1, 1, 1)),
    "flipped": placed(0, (-1, 1, 1)),
    "oblique": placed(0.4, (1, 1, 1)),
    "oblique-flipped": placed(-0.7, (1, -1, 1)),
    "turned": placed(2.0, (1, 1, -1)),
}
# By the name of a file: what its samples are, and what MRtrix and ITK call them.
KINDS = {
    "int16.nii": ("<i2", "Int16LE", "16-bit signed integer"),
    "uint8.nii.gz": ("u1", "UInt8", "8-bit unsigned integer"),
    "float32.img": ("<f4", "Float32LE", "32-bit float"),
    "big.nii": (">i2", "Int16BE", "16-bit signed integer"),
    "big.img": (">f4", "Float32BE", "32-bit float"),
    "float64.nii": ("<f8", "Float64LE", "64-bit float"),
    "uint16.nii": ("<u2", "UInt16LE", "16-bit unsigned integer"),
    "int32.nii": ("<i4", "Int32LE", "32-bit signed integer"),
    "complex.nii": ("<c8", "CFloat32LE", "complex of 32-bit float"),
    "scaled.nii": ("<i2", "Int16LE", "32-bit float"),  # ITK gives what the stored numbers mean
    "second.nii": ("<f4", "Float32LE", None),  # NIfTI-2, which this ITK does not know, nor MGH
    "freesurfer.mgh": (">i2", "Int16BE", None),
    "freesurfer.mgz": (">f4", "Float32BE", None),
}
SCALING = (0.5, 10.0)
READ_BY_ITK = [name for name, (_, _, called) in KINDS.items() if called]


def voxels(dtype):
    levels = np.random.default_rng(0).uniform(0, 200, tuple(SIZES.values()))
    return (levels + 1j * levels[::-1] if dtype[1] == "c" else levels).astype(dtype)


def save(path, affine, array, kind=nib.Nifti1Image, scaling=None):
    """A volume that says twice, and alike, where it lies."""
    if path.suffix in (".mgh", ".mgz"):
        nib.save(nib.MGHImage(array, affine), path)
        return
    if path.suffix == ".img":
        kind = nib.Nifti1Pair
    header = kind.header_class(endianness=array.dtype.newbyteorder("=").byteorder.replace("=", "<"))
    if array.dtype.byteorder == ">":
        header = kind.header_class(endianness=">")
    header.set_data_dtype(array.dtype)
    header.set_xyzt_units("mm", "sec")
    image = kind(array, affine, header)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    if scaling:
        image.header.set_slope_inter(*scaling)
    nib.save(image, path)


@pytest.fixture(scope="module", params=AFFINES.values(), ids=AFFINES)
def volumes(request, tmp_path_factory):
    """An affine, and a folder of volumes of every kind that lie by it."""
    folder = tmp_path_factory.mktemp("volumes")
    for name, (dtype, *_) in KINDS.items():
        kind = nib.Nifti2Image if name == "second.nii" else nib.Nifti1Image
        save(folder / name, request.param, voxels(dtype), kind, SCALING if name == "scaled.nii" else None)
    return request.param, folder


@pytest.fixture(scope="module", params=TARGETS.values(), ids=TARGETS)
def resized(request, volumes, tmp_path_factory):
    """What was asked, the folders of inputs and outputs, and the affine that outputs must have."""
    options, (affine, folder) = request.param, volumes
    target = tmp_path_factory.mktemp("resized")
    for name in KINDS:
        upsampled(folder / name, target / name, **options)
    return options, folder, target, moved(affine, options)


def moved(affine, options):
    step = np.diag([*pitches(options, SIZES).values(), 1.0])
    step[:3, 3] = list(shifts(options, SIZES).values())
    return affine @ step


def corners(shape):
    return [tuple(corner) for corner in itertools.product(*((0, size - 1) for size in shape[:3]))]


def mrinfo(paths):
    """By the name of each file: size, spacing, datatype, scaling, and where the voxels at its corners lie."""
    options = ("-quiet", "-size", "-spacing", "-datatype", "-strides", "-offset", "-multiplier", "-transform")
    lines = said("mrinfo", *options, *paths).splitlines()
    assert len(lines) == 10 * len(paths)
    return {path.name: _facts(lines[10 * number : 10 * number + 10]) for number, path in enumerate(paths)}


def _facts(lines):
    """MRtrix turns axes until they run from left to right, and so on; strides tell how the file has them."""
    size, spacing, strides = ([float(n) for n in lines[number].split()] for number in (0, 1, 3))
    transform = np.array([[float(n) for n in line.split()] for line in lines[6:]])
    order = [int(abs(stride)) - 1 for stride in strides[:3]]
    shape, spacing_in_file = [0] * 3, [0.0] * 3
    for axis, place in enumerate(order):
        shape[place], spacing_in_file[place] = int(size[axis]), spacing[axis]
    places = {}
    for corner in corners(shape):
        index = [
            corner[place] if strides[axis] > 0 else shape[place] - 1 - corner[place] for axis, place in enumerate(order)
        ]
        places[corner] = transform[:3, :3] @ (np.array(index) * spacing[:3]) + transform[:3, 3]
    return shape, spacing_in_file, lines[2], (float(lines[5]), float(lines[4])), places


@needs("mrinfo")
def test_mrtrix_finds_every_corner_in_its_place(resized):
    options, _, target, affine = resized
    found = mrinfo([target / name for name in KINDS])
    wanted_spacing = [length * pitch for length, pitch in zip(SPACING, pitches(options, SIZES).values(), strict=True)]
    for name, (_, datatype, _) in KINDS.items():
        shape, spacing, told, scaling, places = found[name]
        assert shape == list(new_sizes(options, SIZES).values())
        assert spacing == pytest.approx(wanted_spacing, rel=1e-6)
        assert told == datatype
        assert scaling == (SCALING if name == "scaled.nii" else (1, 0))
        for corner, place in places.items():
            np.testing.assert_allclose(place, affine[:3] @ [*corner, 1], rtol=0, atol=2e-5)


@pytest.fixture(scope="module")
def itk():
    sitk = pytest.importorskip("SimpleITK")
    sitk.ProcessObject.GlobalWarningDisplayOff()
    return sitk


@pytest.mark.parametrize("name", READ_BY_ITK)
def test_itk_finds_every_corner_in_its_place(name, resized, itk):
    options, _, target, affine = resized
    affine = LPS @ affine
    image = itk.ReadImage(str(target / name))
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    assert image.GetSize() == tuple(new_sizes(options, SIZES).values())
    assert image.GetPixelIDTypeAsString() == KINDS[name][2]
    np.testing.assert_allclose(image.GetSpacing(), lengths, rtol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), affine[:3, 3], rtol=0, atol=2e-5)
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), affine[:3, :3] / lengths, atol=1e-6)
    for corner in corners(image.GetSize()):
        place = image.TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose(place, affine[:3] @ [*corner, 1], rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", READ_BY_ITK)
def test_itk_finds_the_same_values_at_the_same_places(name, resized, itk):
    """ITK reads input and output, and interpolates the input where it takes the voxels of the output to lie."""
    options, folder, target, _ = resized
    after = itk.ReadImage(str(target / name))
    slope = SCALING[0] if name == "scaled.nii" else 1
    tolerance = slope * (1 / 2 + 1 / 32) if np.dtype(KINDS[name][0]).kind in "iu" else 1e-3
    before = itk.ReadImage(str(folder / name))
    parts = [(before, after)]
    if name == "complex.nii":
        parts = [(part(before), part(after)) for part in (itk.ComplexToReal, itk.ComplexToImaginary)]
    for old, new in parts:
        assert_alike(itk, old, new, options, tolerance)


def assert_alike(itk, before, after, options, tolerance):
    before = itk.Cast(before, itk.sitkFloat64)
    found = itk.GetArrayFromImage(after).transpose()
    if options.get("antialias"):  # no interpolation at a place
        wanted = resampled(itk.GetArrayFromImage(before).transpose(), options, AXES)
    else:
        nearest = options.get("mode") == "nearest"
        how = itk.sitkNearestNeighbor if nearest else itk.sitkLinear
        wanted = itk.Resample(before, after, itk.Transform(), how, -1e6, itk.sitkFloat64)
        wanted = itk.GetArrayFromImage(wanted).transpose()
        tolerance = 0 if nearest else tolerance
    assert np.ptp(found) > 20
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


def test_the_oracle_sees_a_sixteenth_of_a_voxel(itk, tmp_path):
    save(tmp_path / "in.nii", AFFINES["oblique"], voxels("<f4"))
    upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="2")
    before, after = (itk.ReadImage(str(tmp_path / name)) for name in ("in.nii", "out.nii"))
    assert_alike(itk, before, after, {"scale": "2"}, 1e-3)
    origin = np.array(after.GetOrigin())
    after.SetOrigin((origin + np.array(after.GetSpacing()) / 8).tolist())
    with pytest.raises(AssertionError):
        assert_alike(itk, before, after, {"scale": "2"}, 1)


def test_time(itk, tmp_path):
    series = np.random.default_rng(0).uniform(0, 200, (*SIZES.values(), 5)).astype(np.float32)
    save(tmp_path / "in.nii.gz", AFFINES["oblique"], series)
    image = nib.load(tmp_path / "in.nii.gz")
    image.header.set_zooms((*SPACING, 2.5))
    nib.save(image, tmp_path / "in.nii.gz")
    upsampled(tmp_path / "in.nii.gz", tmp_path / "space.nii.gz", scale="2")
    upsampled(tmp_path / "in.nii.gz", tmp_path / "time.nii.gz", scale="t=2")
    before, space, time = (itk.ReadImage(str(tmp_path / f"{name}.nii.gz")) for name in ("in", "space", "time"))
    assert (before.GetSpacing()[3], space.GetSpacing()[3], time.GetSpacing()[3]) == pytest.approx((2.5, 2.5, 1.25))
    assert (space.GetSize()[3], time.GetSize()[3]) == (5, 10)
    for number in range(5):
        assert_alike(itk, before[..., number], space[..., number], {"scale": "2"}, 1e-3)
    found = itk.GetArrayFromImage(time).transpose()
    np.testing.assert_allclose(found, resampled(series, {"scale": "t=2"}, {"t": 3}), rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", ["RGB", "RGBA"])
def test_colours(dtype, itk, tmp_path):
    fields = np.dtype([(letter, "u1") for letter in dtype])
    plain = np.random.default_rng(0).integers(0, 256, (*SIZES.values(), len(dtype)), np.uint8)
    plain[..., 3:] = 255
    nib.save(nib.Nifti1Image(plain.view(fields)[..., 0], AFFINES["oblique"]), tmp_path / "in.nii")
    upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="2")
    before, after = (itk.ReadImage(str(tmp_path / name)) for name in ("in.nii", "out.nii"))
    assert after.GetNumberOfComponentsPerPixel() == len(dtype)
    for number in range(len(dtype) if dtype == "RGB" else 3):
        old, new = (itk.VectorIndexSelectionCast(image, number) for image in (before, after))
        assert_alike(itk, old, new, {"scale": "2"}, 1 / 2 + 1 / 32)


def test_vectors(itk, tmp_path):
    plain = np.random.default_rng(0).uniform(0, 200, (*SIZES.values(), 1, 3)).astype(np.float32)
    image = nib.Nifti1Image(plain, AFFINES["oblique"])
    image.header.set_intent("vector")
    nib.save(image, tmp_path / "in.nii")
    upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="2")
    before, after = (itk.ReadImage(str(tmp_path / name)) for name in ("in.nii", "out.nii"))
    assert after.GetPixelIDTypeAsString() == "vector of 32-bit float"
    for number in range(3):
        old, new = (itk.VectorIndexSelectionCast(image, number) for image in (before, after))
        assert_alike(itk, old, new, {"scale": "2"}, 1e-3)


@pytest.mark.parametrize("mode", [None, "label"])
def test_labels(mode, itk, tmp_path):
    """ITK takes the nearest voxel; smooth labels may differ from that at borders, but are no others."""
    levels = np.kron(np.random.default_rng(0).integers(0, 40, (3, 4, 3)), np.ones((3, 2, 2), int))[..., :6]
    image = nib.Nifti1Image(levels.astype(np.int16), AFFINES["oblique"])
    image.header.set_intent("label")
    nib.save(image, tmp_path / "in.nii")
    upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="2", mode=mode)
    before, after = (itk.ReadImage(str(tmp_path / name)) for name in ("in.nii", "out.nii"))
    wanted = itk.GetArrayFromImage(itk.Resample(before, after, itk.Transform(), itk.sitkNearestNeighbor))
    found = itk.GetArrayFromImage(after)
    assert set(np.unique(found)) <= set(np.unique(levels))
    assert np.mean(found == wanted) > (0.7 if mode else 1 - 1e-9)


def test_analyze(itk, tmp_path):
    """Of Analyze, ITK and MRtrix have each its own idea of where it lies; on sizes and distances all agree."""
    header = nib.Spm99AnalyzeHeader()
    header.set_data_dtype(np.int16)
    image = nib.Spm99AnalyzeImage(voxels("<i2"), np.diag([*SPACING, 1]), header)
    nib.save(image, tmp_path / "in.img")
    upsampled(tmp_path / "in.img", tmp_path / "out.img", scale="2")
    after = itk.ReadImage(str(tmp_path / "out.img"))
    assert after.GetSize() == tuple(2 * size for size in SIZES.values())
    assert after.GetSpacing() == pytest.approx([length / 2 for length in SPACING])
    wanted = resampled(
        itk.GetArrayFromImage(itk.ReadImage(str(tmp_path / "in.img"))), {"scale": "2"}, {"z": 0, "y": 1, "x": 2}
    )
    np.testing.assert_allclose(itk.GetArrayFromImage(after), wanted, rtol=0, atol=1 / 2 + 1 / 32)


@pytest.fixture
def stack():
    return np.random.default_rng(0).integers(0, 60000, (SIZES["z"], SIZES["y"], SIZES["x"])).astype(np.uint16)


MICROMETRES = {"x": 0.25, "y": 0.2, "z": 1.5}


def microscope(path, stack):
    if path.name.endswith(".ome.tif"):
        sizes = {f"PhysicalSize{name.upper()}": length for name, length in MICROMETRES.items()}
        units = {f"PhysicalSize{name.upper()}Unit": "µm" for name in MICROMETRES}
        tifffile.imwrite(path, stack, metadata={"axes": "ZYX"} | sizes | units)
        return
    per_micrometre = (1 / MICROMETRES["x"], 1 / MICROMETRES["y"])
    metadata = {"axes": "ZYX", "unit": "um", "spacing": MICROMETRES["z"]}
    tifffile.imwrite(path, stack, imagej=True, resolution=per_micrometre, metadata=metadata)


@pytest.mark.parametrize("options", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("name", ["stack.ome.tif", "stack.tif"])
def test_from_a_microscope_to_a_volume(name, options, stack, itk, tmp_path):
    microscope(tmp_path / name, stack)
    upsampled(tmp_path / name, tmp_path / "out.nii.gz", **options)
    image = itk.ReadImage(str(tmp_path / "out.nii.gz"))
    pitch = pitches(options, SIZES)
    assert image.GetSize() == tuple(new_sizes(options, SIZES).values())
    assert image.GetSpacing() == pytest.approx([MICROMETRES[axis] * pitch[axis] / 1000 for axis in "xyz"], rel=1e-6)
    wanted = resampled(stack, options, {"z": 0, "y": 1, "x": 2})
    np.testing.assert_allclose(itk.GetArrayFromImage(image), wanted, rtol=0, atol=1 / 2 + 1 / 32)


@pytest.mark.parametrize("options", TARGETS.values(), ids=TARGETS)
def test_from_a_volume_to_a_microscope(options, itk, tmp_path):
    save(tmp_path / "in.nii.gz", AFFINES["straight"], voxels("<f4"))
    upsampled(tmp_path / "in.nii.gz", tmp_path / "out.ome.tif", **options)
    image = itk.ReadImage(str(tmp_path / "out.ome.tif"))
    assert image.GetSize() == tuple(new_sizes(options, SIZES).values())
    found = itk.GetArrayFromImage(image).transpose()
    np.testing.assert_allclose(found, resampled(voxels("<f4"), options, AXES), rtol=0, atol=1e-3)
    description = exiftool(tmp_path, "-ImageDescription", "-ext", "tif")["out.ome.tif"]["IFD0:ImageDescription"]
    pixels = ElementTree.fromstring(description).find("./{*}Image/{*}Pixels").attrib
    for axis, length in zip("xyz", SPACING, strict=True):
        told, unit = pixels[f"PhysicalSize{axis.upper()}"], pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm")
        micrometres = float(told) * {"µm": 1, "mm": 1000}[unit]
        assert micrometres == pytest.approx(1000 * length * pitches(options, SIZES)[axis], rel=1e-6)
