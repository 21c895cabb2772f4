"""From other families into volumes, and from volume to volume: nothing moves, and what is lost is said."""

import itertools
import struct

import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tests.formats.mgh_helpers import load_mgh
from tests.pipeline_helpers import planned, upsampled, write
from upsample_cli.errors import OutputError
from upsample_cli.formats import make_sink
from upsample_cli.formats.base import Header, WriteOptions
from upsample_cli.geometry import Axis, Grid

OBLIQUE = np.array([[-1.2, 0.4, 0.9, 40], [0.5, 1.5, -0.3, -60], [-0.3, 0.2, 2.6, 7], [0, 0, 0, 1]])
ROTATED = np.array([[0, 0, 2.5, -5], [-1, 0, 0, 10], [0, 1.5, 0, 15], [0, 0, 0, 1.0]])
SIZES = {"t": 2, "c": 3, "z": 4, "y": 5, "x": 6, "s": 2}


def numbered(axes, dtype="u2"):
    """An array whose samples are all different."""
    shape = [SIZES[name] for name in axes]
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def in_order(array, axes, order="xyztcs"):
    """The array with axes in the order of a volume, of one sample where there is none, the last of which vanish."""
    present = [name for name in order if name in axes]
    missing = [number for number, name in enumerate(order) if name not in axes]
    result = np.expand_dims(array.transpose([axes.index(name) for name in present]), missing)
    keep = max(order.index(name) for name in present) + 1
    return result.reshape(result.shape[:keep])


ORDERS = ["x", "yx", "zyx", "xyz", "tyx", "cyx", "tczyx", "tzcyx", "ctzyx", "xyzct", "zcyx", "yxs", "syx", "tcyxs"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img"])
@pytest.mark.parametrize("axes", ORDERS)
def test_axes_of_arrays_find_their_place(tmp_path, axes, suffix):
    array = numbered(axes)
    np.save(tmp_path / "in.npy", array)
    plan = upsampled(tmp_path / "in.npy", tmp_path / f"out{suffix}", scale="1", axes=axes, mode="nearest")
    image = nib.load(tmp_path / f"out{suffix}")
    order = "xyztcs" if "c" in axes else "xyzts"
    np.testing.assert_array_equal(image.dataobj, in_order(array, axes, order))
    assert image.get_data_dtype() == "u2"
    np.testing.assert_array_equal(image.affine, np.eye(4))
    assert plan.warnings == ()


@given(
    axes=st.permutations("tczyx").flatmap(lambda p: st.integers(1, 5).map(lambda n: "".join(p[:n]))),
    heights=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
)
@settings(max_examples=60, deadline=None)
def test_slabs_of_any_height_find_their_place(tmp_path_factory, axes, heights, suffix):
    if "x" not in axes:
        axes += "x"
    array = numbered(axes)
    path = tmp_path_factory.mktemp("slabs") / f"out{suffix}"
    for depth in range(array.ndim):
        rows = array.reshape(-1, *array.shape[depth + 1 :])
        many = itertools.accumulate(heights * len(rows))
        cuts = [at for at in many if at < len(rows)]
        header = Header(Grid(tuple(Axis(name, SIZES[name]) for name in axes)), array.dtype)
        write(path, header, [part[None] for part in np.split(rows, cuts)])
        np.testing.assert_array_equal(nib.load(path).dataobj, in_order(array, axes, "xyztc"))


@pytest.mark.parametrize(("suffix", "streams"), [(".nii", True), (".nii.gz", False), (".img", True)])
def test_only_a_compressed_volume_is_held_to_be_put_in_order(tmp_path, suffix, streams):
    np.save(tmp_path / "in.npy", numbered("tczyx"))
    plan = planned(tmp_path / "in.npy", tmp_path / f"out{suffix}", scale="2", axes="tczyx")
    assert plan.sink.streams == streams
    plan = planned(tmp_path / "in.npy", tmp_path / f"out{suffix}", scale="2", axes="ctzyx")
    assert plan.sink.streams


@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [*((name, name) for name in ("u1", "i1", ">u2", "i8", "u8", ">f4", "f8", "c8", "c16")), ("?", "u1"), ("f2", "f4")],
)
def test_types_that_nifti_lacks_become_the_next_wider(tmp_path, dtype, becomes):
    array = (numbered("zyx") % 2).astype(dtype)
    np.save(tmp_path / "in.npy", array)
    plan = upsampled(tmp_path / "in.npy", tmp_path / "out.nii", scale="1", mode="nearest")
    result = np.asarray(nib.load(tmp_path / "out.nii").dataobj)
    assert result.dtype == np.dtype(becomes).newbyteorder("=")
    np.testing.assert_array_equal(result, array.T)
    said = [f"samples of type {np.dtype(dtype).name} become {np.dtype(becomes).name}, which holds them all"]
    assert list(plan.warnings) == (said if dtype in ("?", "f2") else [])


def test_long_double_is_refused(tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((3, 4), np.longdouble))
    if np.dtype(np.longdouble) == np.float64:
        pytest.skip("no longer than double here")
    with pytest.raises(OutputError, match=r"NIfTI cannot hold samples of type \S+; write \.npy"):
        planned(tmp_path / "in.npy", tmp_path / "out.nii", scale="2")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("axes", "order"), [("TCZYX", "tczyx"), ("TZCYX", "tzcyx")])
def test_an_ome_stack(tmp_path, axes, order, suffix):
    path, out = tmp_path / "in.ome.tif", tmp_path / f"out{suffix}"
    array = numbered(order)
    metadata = {f"PhysicalSize{axis}": size for axis, size in zip("XYZ", (0.2, 0.25, 1.5), strict=True)}
    metadata |= {"PhysicalSizeZUnit": "µm", "TimeIncrement": 250.0, "TimeIncrementUnit": "ms"}
    metadata |= {"axes": axes, "Channel": {"Name": ["DAPI", "GFP", "RFP"]}}
    tifffile.imwrite(path, array, metadata=metadata, photometric="minisblack")
    plan = upsampled(path, out, scale="2", mode="nearest")
    image = nib.load(out)
    np.testing.assert_array_equal(np.asarray(image.dataobj)[::2, ::2, ::2], in_order(array, order, "xyztc"))
    np.testing.assert_allclose(image.header.get_zooms()[:4], (1e-4, 1.25e-4, 7.5e-4, 0.25), rtol=1e-6)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(np.diag(image.affine)[:3], (1e-4, 1.25e-4, 7.5e-4), rtol=1e-6)
    np.testing.assert_allclose(image.affine[:3, 3], (-5e-5, -6.25e-5, -3.75e-4), rtol=1e-6)  # a quarter of the old
    assert int(image.header["sform_code"]) == 2
    assert [w for w in plan.warnings if w.startswith("NIfTI cannot hold these")]


def test_an_imagej_stack(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.nii"
    array = numbered("tzcyx")
    metadata = {"axes": "TZCYX", "unit": "um", "spacing": 1.5, "finterval": 0.5}
    tifffile.imwrite(path, array, imagej=True, resolution=(5, 4), metadata=metadata)
    upsampled(path, out, scale="1", mode="nearest")
    image = nib.load(out)
    np.testing.assert_array_equal(image.dataobj, in_order(array, "tzcyx", "xyztc"))
    np.testing.assert_allclose(image.header.get_zooms()[:4], (2e-4, 2.5e-4, 1.5e-3, 0.5), rtol=1e-6)
    assert image.header.get_xyzt_units() == ("mm", "sec")


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(("channels", "code"), [(3, 128), (4, 2304)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_become_voxels(tmp_path, channels, code, suffix):
    path, out = tmp_path / f"in{suffix}", tmp_path / "out.nii"
    pixels = PIXELS[..., :channels]
    if suffix == ".png":
        Image.fromarray(pixels).save(path, dpi=(254, 127))
    else:
        alpha = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        tifffile.imwrite(path, pixels, photometric="rgb", resolution=(100, 50), resolutionunit=3, **alpha)
    upsampled(path, out, scale="1", mode="nearest")
    data = out.read_bytes()
    assert struct.unpack_from("<2h", data, 70) == (code, 8 * channels)
    assert struct.unpack_from("<3h", data, 40) == (2, 6, 5)
    np.testing.assert_allclose(struct.unpack_from("<2f", data, 80), (0.1, 0.2), rtol=1e-4)
    assert data[352:] == pixels.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_as_simpleitk_reads_them(tmp_path, mode):
    sitk = pytest.importorskip("SimpleITK")
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / "in.png", dpi=(254, 127))
    upsampled(tmp_path / "in.png", tmp_path / "out.nii.gz", scale="2", mode="nearest")
    image = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    assert image.GetNumberOfComponentsPerPixel() == len(mode)
    np.testing.assert_allclose(image.GetSpacing(), (0.05, 0.1), rtol=1e-3)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[::2, ::2], PIXELS[..., : len(mode)])


def test_a_stack_as_simpleitk_reads_it(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    array = numbered("zyx")
    metadata = {"axes": "ZYX", "PhysicalSizeX": 200, "PhysicalSizeY": 250, "PhysicalSizeZ": 1500}
    tifffile.imwrite(tmp_path / "in.ome.tif", array, metadata=metadata)
    upsampled(tmp_path / "in.ome.tif", tmp_path / "out.nii.gz", scale="2", mode="nearest")
    image = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    np.testing.assert_allclose(image.GetSpacing(), (0.1, 0.125, 0.75), rtol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), (0.05, 0.0625, -0.375), rtol=1e-6)  # left, posterior, superior
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[::2, ::2, ::2], array)


def test_freesurfer_in_nifti_as_simpleitk_reads_it(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    (tmp_path / "in.mgh").write_bytes(nib.MGHImage(numbered("zyx", "i2"), ROTATED).to_bytes())
    plan = upsampled(tmp_path / "in.mgh", tmp_path / "out.nii", scale="2")
    image = sitk.ReadImage(str(tmp_path / "out.nii"))
    for index in ((0, 0, 0), (7, 0, 0), (0, 9, 0), (3, 2, 11)):
        expected = (plan.first.after.grid.affines["ras"] @ [*index, 1])[:3] * (-1, -1, 1)
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("array", "arguments", "says"),
    [
        (PIXELS[..., :3].astype("u2"), {"photometric": "rgb"}, "that the samples are RGB"),
        (PIXELS, {"photometric": "separated"}, "that the samples are CMYK"),
        (PIXELS[..., :2], {"photometric": "minisblack", "extrasamples": ["unassalpha"]}, "is alpha"),
    ],
    ids=["16 bits", "CMYK", "grey and alpha"],
)
def test_other_pixels_become_the_fifth_dimension(tmp_path, array, arguments, says):
    tifffile.imwrite(tmp_path / "in.tif", array, **arguments)
    plan = upsampled(tmp_path / "in.tif", tmp_path / "out.nii", scale="1", mode="nearest")
    image = nib.load(tmp_path / "out.nii")
    assert image.shape == (6, 5, 1, 1, array.shape[-1])
    np.testing.assert_array_equal(np.asarray(image.dataobj)[:, :, 0, 0], array.transpose(1, 0, 2))
    assert any(says in warning for warning in plan.warnings)


@pytest.mark.parametrize("suffix", [".nii", ".mgz", ".npy"])
def test_a_profile_that_is_lost_is_said(tmp_path, suffix):
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "in.png", icc_profile=PROFILE)
    plan = upsampled(tmp_path / "in.png", tmp_path / f"out{suffix}", scale="2")
    assert sum("ICC profile" in warning for warning in plan.warnings) == 1


def test_labels_of_other_families_are_labels_in_nifti(tmp_path):
    regions = np.arange(20, dtype="u2").reshape(4, 5)
    header = Header(Grid((Axis("y", 4), Axis("x", 5))), regions.dtype, labels=True)
    write(tmp_path / "out.nii", header, [regions])
    assert struct.unpack_from("<h", (tmp_path / "out.nii").read_bytes(), 68) == (1002,)
    assert planned(tmp_path / "out.nii", scale="2").first.before.labels


@pytest.mark.parametrize("suffix", [".nii", ".mgh"])
def test_a_pyramid_that_is_lost_is_said(tmp_path, suffix):
    header = Header(Grid((Axis("y", 4), Axis("x", 5))), np.dtype("u1"), levels=((2, 2),))
    (warning,) = make_sink(tmp_path / f"out{suffix}", [header], WriteOptions()).warnings
    assert "the smaller levels of the pyramid" in warning


def test_several_images_are_refused_with_the_remedy(tmp_path):
    header = Header(Grid((Axis("y", 4), Axis("x", 5))), np.dtype("u1"))
    with pytest.raises(OutputError, match=r"out\.nii: holds one image, not 2; .*--series 0"):
        make_sink(tmp_path / "out.nii", [header, header], WriteOptions())


@pytest.mark.parametrize("output", ["out.nii", "out.img"])
def test_a_picture_too_wide_for_nifti_1_becomes_nifti_2(tmp_path, output):
    np.save(tmp_path / "in.npy", np.zeros((2, 40_000), "u1"))
    upsampled(tmp_path / "in.npy", tmp_path / output, scale="1", mode="nearest")
    image = nib.load(tmp_path / output)
    assert isinstance(image, (nib.Nifti2Image, nib.Nifti2Pair))
    assert image.shape == (40_000, 2)


def volume(path, affine, sform=1, qform=1, shape=(6, 5, 4), dtype="i2", units="mm", **fields):
    image = nib.Nifti1Image(np.random.default_rng(0).integers(0, 100, shape).astype(dtype), None, dtype=dtype)
    image.header.set_zooms((*np.linalg.norm(affine[:3, :3], axis=0), 2.0, 1.0)[: len(shape)])
    image.header.set_xyzt_units(units, "sec")
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return np.asarray(image.dataobj)


@pytest.mark.parametrize("scale", ["1", "2", "0.6"])
@pytest.mark.parametrize("affine", [OBLIQUE, ROTATED], ids=["sheared", "rotated"])
@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
def test_nifti_to_freesurfer_and_back(tmp_path, suffix, affine, scale):
    path, out, back = tmp_path / "in.nii.gz", tmp_path / f"out{suffix}", tmp_path / "back.nii.gz"
    values = volume(path, affine, qform=0, shape=(6, 5, 4, 3))
    plan = upsampled(path, out, scale=scale, mode="nearest")
    upsampled(out, back, scale="1", mode="nearest")
    image, again = load_mgh(out), nib.load(back)
    expected = plan.first.after.grid.affines["sform"]
    np.testing.assert_allclose(image.affine, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(again.get_sform(), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(image.header.get_zooms()[3], 2000)
    assert again.header.get_zooms()[3] == 2
    assert again.header.get_xyzt_units() == ("mm", "sec")
    qform = again.get_qform(coded=True)
    assert (int(again.header["sform_code"]), qform[1]) == (1, 0 if affine is OBLIQUE else 1)
    if affine is ROTATED:
        np.testing.assert_allclose(qform[0], expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(again.header.get_zooms()[:3], np.linalg.norm(expected[:3, :3], axis=0), rtol=1e-5)
    if scale == "1":
        np.testing.assert_array_equal(image.dataobj, values)
        np.testing.assert_array_equal(again.dataobj, values)


def test_micrometres_become_millimetres(tmp_path):
    volume(tmp_path / "in.nii", ROTATED, units="micron")
    upsampled(tmp_path / "in.nii", tmp_path / "out.mgh", scale="1")
    np.testing.assert_allclose(load_mgh(tmp_path / "out.mgh").affine, np.diag([1e-3] * 3 + [1]) @ ROTATED, atol=1e-7)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scl_slope": 0.5, "scl_inter": 10}, "slope 0.5, intercept 10"),
        ({"descrip": b"a scan"}, "the description (a scan)"),
        ({"aux_file": b"x.txt"}, "another file (x.txt)"),
        ({"intent_code": 1002}, "the intent (label)"),
        ({"cal_max": 9}, "the display range"),
        ({"slice_code": 1}, "timing of slices"),
        ({"toffset": 10}, "the time of the first volume"),
        ({"xyzt_units": 34}, "the unit of its fourth axis"),
        ({"qoffset_x": 33}, "another affine (qform)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
@pytest.mark.parametrize("suffix", [".mgz", ".npy"])
def test_what_nifti_says_and_others_cannot_is_said(tmp_path, fields, says, suffix):
    volume(tmp_path / "in.nii", ROTATED, shape=(6, 5, 4, 3))
    data = bytearray((tmp_path / "in.nii").read_bytes())
    header = nib.Nifti1Header(bytes(data[:348]))
    for name, value in fields.items():
        header[name] = value
    (tmp_path / "in.nii").write_bytes(header.binaryblock + data[348:])
    plan = upsampled(tmp_path / "in.nii", tmp_path / f"out{suffix}", scale="1", mode="nearest")
    (warning,) = plan.warnings
    in_mgz_alone = ("another affine (qform)", "the time of the first volume")
    assert (says in warning) == (suffix == ".mgz" or says not in in_mgz_alone)
    assert ("another affine" in warning) == ("another affine" in says and suffix == ".mgz")
    assert ("the positions of the samples (qform, sform)" in warning) == (suffix == ".npy")


def test_what_freesurfer_says_and_nifti_cannot_is_said(tmp_path):
    tail = struct.pack(">5f", 2000, 0.1, 3, 900, 256) + struct.pack(">iq", 3, 4) + b"cmd\0"
    data = nib.MGHImage(np.zeros((3, 4, 5), "i2"), ROTATED).to_bytes()[: 284 + 120] + tail
    (tmp_path / "in.mgh").write_bytes(data)
    (warning,) = planned(tmp_path / "in.mgh", tmp_path / "out.nii", scale="2").warnings
    assert "flip angle, echo time, inversion time, field of view" in warning
    assert "tags" in warning


@pytest.mark.parametrize(("dtype", "becomes"), [("u1", "u1"), ("i1", "i2"), ("u2", "u2"), ("?", "u1"), ("f2", "f4")])
def test_types_that_freesurfer_lacks_become_the_next_wider(tmp_path, dtype, becomes):
    array = (numbered("zyx") % 2).astype(dtype)
    np.save(tmp_path / "in.npy", array)
    plan = upsampled(tmp_path / "in.npy", tmp_path / "out.mgh", scale="1", mode="nearest")
    result = np.asarray(load_mgh(tmp_path / "out.mgh").dataobj)
    assert result.dtype == np.dtype(becomes).newbyteorder(">")
    np.testing.assert_array_equal(result, array.T)
    assert len(plan.warnings) == (dtype != becomes)


@pytest.mark.parametrize(
    ("array", "axes", "says"),
    [
        (numbered("zyx", "f8"), "zyx", "cannot hold samples of type float64"),
        (numbered("zyx", "u4"), "zyx", "cannot hold samples of type uint32"),
        (numbered("zyx", "c8"), "zyx", "cannot hold samples of type complex64"),
        (numbered("tczyx"), "tczyx", "has no place for the axes xyzct"),
    ],
)
def test_what_freesurfer_cannot_hold_is_refused_with_the_remedy(tmp_path, array, axes, says):
    np.save(tmp_path / "in.npy", array)
    with pytest.raises(OutputError, match=rf"out\.mgz: MGH {says}.*; write \.nii"):
        planned(tmp_path / "in.npy", tmp_path / "out.mgz", scale="2", axes=axes)


def test_an_analyze_pair_becomes_nifti_with_its_slope_and_origin(tmp_path):
    header = nib.Spm99AnalyzeHeader()
    header.set_data_dtype(np.int16)
    header.set_data_shape((6, 5, 4))
    header.set_zooms((2, 3, 4))
    header["origin"][:3], header["scl_slope"], header["descrip"] = (3, 2, 1), 0.25, b"a scan"
    (tmp_path / "in.hdr").write_bytes(header.binaryblock)
    (tmp_path / "in.img").write_bytes(np.arange(120, dtype="i2").tobytes())
    plan = upsampled(tmp_path / "in.img", tmp_path / "out.nii", scale="2", mode="nearest")
    data, image = (tmp_path / "out.nii").read_bytes(), nib.load(tmp_path / "out.nii")
    assert struct.unpack_from("<2f", data, 112) == (0.25, 0)
    half = np.diag([0.5, 0.5, 0.5, 1])
    half[:3, 3] = -0.25
    expected = nib.load(tmp_path / "in.img").affine @ half
    np.testing.assert_allclose(image.get_sform(), expected, rtol=1e-6)
    np.testing.assert_allclose(image.get_qform(), expected, rtol=1e-5)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (2, 2)
    (warning,) = plan.warnings
    assert "the description (a scan)" in warning
    assert "times themselves" not in warning
