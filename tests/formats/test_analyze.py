"""Analyze pairs and what SPM adds to them; expectations from nibabel, and from the bytes of the header."""

import struct

import nibabel as nib
import numpy as np
import pytest

from tests.pipeline_helpers import planned, upsampled
from upsample_cli import __version__
from upsample_cli.errors import InputError, OutputError

CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "c8": 32, "f8": 64, "i1": 130, "u2": 132, "u4": 136}  # the last of SPM99
KINDS = {"75": nib.AnalyzeImage, "99": nib.Spm99AnalyzeImage, "2": nib.Spm2AnalyzeImage}


def made(path, origin=(0, 0, 0), shape=(6, 5, 4), dtype="i2", endianness="<", **fields):
    """An Analyze pair of small numbers, by its header alone; gives its samples."""
    header = nib.Spm99AnalyzeHeader(endianness=endianness)
    stored = np.dtype(dtype).newbyteorder(endianness)
    header["datatype"], header["bitpix"] = CODES[dtype], 8 * stored.itemsize
    header.set_data_shape(shape)
    header.set_zooms((2.0, 3.0, 4.0, 1.5)[: len(shape)])
    header["origin"][:3] = origin
    for name, value in fields.items():
        header[name] = value
    values = np.random.default_rng(0).integers(0, 100, shape).astype(stored)
    path.with_suffix(".hdr").write_bytes(header.binaryblock)
    path.with_suffix(".img").write_bytes(values.tobytes("F"))
    return values


@pytest.mark.parametrize("endianness", ["<", ">"])
def test_every_field_but_those_of_geometry_stays_to_the_byte(tmp_path, endianness):
    fields = {"data_type": b"dsr", "db_name": b"study", "extents": 16384, "regular": b"r", "vox_units": b"mm"}
    fields |= {"cal_units": b"SUV", "scl_slope": 0.5, "cal_max": 90, "cal_min": 3, "glmax": 99, "glmin": -9}
    fields |= {"descrip": b"a scan", "aux_file": b"none", "orient": b"\1", "scannum": b"12", "patient_id": b"P7"}
    fields |= {"generated": b"now", "exp_date": b"today", "exp_time": b"noon", "views": 4, "smax": 8, "omin": -2}
    made(tmp_path / "in.img", (3, 2, 1), endianness=endianness, **fields)
    with (tmp_path / "in.hdr").open("ab") as file:
        file.write(b"of a program of its own")
    upsampled(tmp_path / "in.hdr", tmp_path / "out.hdr", scale="3")
    old, new = (tmp_path / "in.hdr").read_bytes(), (tmp_path / "out.hdr").read_bytes()
    geometry = {*range(40, 56), *range(76, 108), *range(253, 259)}  # dim, pixdim, origin
    assert len(new) == len(old)
    assert {number for number in range(len(old)) if old[number] != new[number]} <= geometry
    assert struct.unpack_from(f"{endianness}5h", new, 40) == (3, 18, 15, 12, 1)
    np.testing.assert_allclose(struct.unpack_from(f"{endianness}3f", new, 80), (2 / 3, 1, 4 / 3), rtol=1e-6)
    assert struct.unpack_from(f"{endianness}3h", new, 253) == (8, 5, 2)  # (3 − 1 + ½)·3 − ½ + 1, and so on


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("origin", [(0, 0, 0), (3, 2, 1), (30_000, 1, 1)], ids=["centre", "given", "nonsense"])
@pytest.mark.parametrize(("scale", "corners"), [("3", False), ("1", False), ("2", False), ("0.5,1,1.5", False)])
def test_the_world_is_where_spm_has_it_or_as_far_off_as_is_said(tmp_path, kind, origin, scale, corners):
    made(tmp_path / "in.img", origin)
    plan = upsampled(tmp_path / "in.img", tmp_path / "out.img", scale=scale, align_corners=corners)
    old, new = (nib.Spm2AnalyzeImage.from_filename(tmp_path / name) for name in ("in.img", "out.img"))
    step = np.array(old.header.get_zooms()) / 1  # new zooms over old
    step = np.array(new.header.get_zooms()) / step
    where = old.affine @ [*((step - 1) / 2), 1]  # the first sample of the output, half a pixel from the edge
    off = np.abs(new.affine[:3, 3] - where[:3]) / new.header.get_zooms()
    said = [warning for warning in plan.warnings if "whole voxels" in warning]
    assert (off.max() > 1e-3) == bool(said)
    assert off.max() <= 0.5 + 1e-6
    if said:
        numbers = said[0].split("off by ")[1].split(" of")[0]
        np.testing.assert_allclose([float(n) for n in numbers.split(",")], off, atol=1e-3)


def test_corners_that_stay_move_an_unsaid_centre_not_at_all(tmp_path):
    made(tmp_path / "in.img")
    plan = upsampled(tmp_path / "in.img", tmp_path / "out.img", size="11x9x7", align_corners=True)
    old, new = nib.load(tmp_path / "in.img"), nib.load(tmp_path / "out.img")
    np.testing.assert_allclose(new.affine[:3, 3], old.affine[:3, 3], atol=1e-5)
    assert plan.warnings == ()


@pytest.mark.parametrize("dtype", CODES)
def test_types(tmp_path, dtype):
    values = made(tmp_path / "in.img", dtype=dtype)
    upsampled(tmp_path / "in.img", tmp_path / "out.img", scale="2", mode="nearest")
    assert struct.unpack_from("<2h", (tmp_path / "out.hdr").read_bytes(), 70) == (CODES[dtype], 8 * values.itemsize)
    result = np.fromfile(tmp_path / "out.img", dtype).reshape(12, 10, 8, order="F")
    np.testing.assert_array_equal(result[::2, ::2, ::2], values)


def test_what_has_been_done_is_said_in_a_free_description(tmp_path):
    made(tmp_path / "in.img")
    upsampled(tmp_path / "in.img", tmp_path / "out.img", scale="x=2")
    upsampled(tmp_path / "out.img", tmp_path / "again.img", scale="y=2")
    upsampled(tmp_path / "in.img", tmp_path / "bare.img", scale="x=2", provenance=False)
    said = f"upsample {__version__} linear half-pixel x=2".encode()
    texts = [(tmp_path / f"{name}.hdr").read_bytes()[148:228].rstrip(b"\0") for name in ("out", "again", "bare")]
    assert texts == [said, said, b""]


@pytest.mark.parametrize("name", ["in.img", "in.hdr"])
def test_a_matrix_beside_it_is_said_to_be_ignored(tmp_path, name):
    made(tmp_path / "in.img")
    assert planned(tmp_path / name, scale="2").warnings == ()
    (tmp_path / "in.mat").write_bytes(b"MATLAB")
    (warning,) = planned(tmp_path / name, scale="2").warnings
    assert "in.mat" in warning
    upsampled(tmp_path / name, tmp_path / "out.img", scale="2")
    assert not (tmp_path / "out.mat").exists()


IMPOSSIBLE = {
    "negative size": (42, "h", -4, "impossible size -4×5×4"),
    "too many samples": (42, "h", 7, "is truncated: 240 bytes where its header promises 280"),
    "colours": (70, "h", 128, "samples of Analyze's type 128"),
    "bits": (70, "h", 1, "samples of Analyze's type 1"),
    "samples nowhere": (108, "f", float("nan"), "begin at byte nan"),
    "dimensions": (40, "h", 0, "not a readable Analyze file"),
    "no header": (0, "i", 349, "not a readable NIfTI file"),
}


@pytest.mark.parametrize(("offset", "form", "value", "says"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_headers_are_refused_in_one_line(tmp_path, offset, form, value, says):
    made(tmp_path / "in.img")
    data = bytearray((tmp_path / "in.hdr").read_bytes())
    struct.pack_into(f"<{form}", data, offset, value)
    (tmp_path / "in.hdr").write_bytes(data)
    with pytest.raises(InputError, match=says) as caught:
        planned(tmp_path / "in.img", scale="2")
    assert "\n" not in str(caught.value)


def test_an_axis_too_long_is_refused(tmp_path):
    made(tmp_path / "in.img", shape=(20_000, 2, 2))
    with pytest.raises(OutputError, match=r"no more than 32,767 .* write \.nii"):
        planned(tmp_path / "in.img", scale="x=2")


def test_as_simpleitk_reads_it(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    made(tmp_path / "in.img", (3, 2, 1))
    upsampled(tmp_path / "in.img", tmp_path / "out.img", scale="3", provenance=False)
    image = sitk.ReadImage(str(tmp_path / "out.img"))
    assert image.GetSize() == (18, 15, 12)
    np.testing.assert_allclose(image.GetSpacing(), (2 / 3, 1, 4 / 3), rtol=1e-6)
    expected = np.asarray(nib.load(tmp_path / "out.img").dataobj)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, expected)
