import contextlib
import gzip
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.examples import BY_ID, made, samples
from tests.pipeline_helpers import planned, upsampled
from tests.samples import SAMPLES
from upsample_cli import __version__, formats
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats.base import ReadOptions

GEOMETRY = ("dim", "pixdim", "srow_x", "srow_y", "srow_z", "qoffset_x", "qoffset_y", "qoffset_z")


@pytest.mark.parametrize(
    "name",
    [
        *("nifti-uint8", "nifti-int64", "nifti-complex128", "nifti-big-endian-int16", "nifti-4-D", "nifti-gz-5-D"),
        *("nifti-2", "nifti-2-big-endian", "nifti-2-pair", "nifti-pair-by-samples", "nifti-slope", "nifti-extensions"),
    ],
)
def test_all_but_the_geometry_of_the_header_stays(tmp_path, name):
    path, out = made(tmp_path, name), tmp_path / f"out{BY_ID[name].suffix}"
    upsampled(path, out, scale="2", provenance=False)
    before, after = nib.load(path), nib.load(out)
    assert type(after) is type(before)
    assert after.header.endianness == before.header.endianness
    assert after.get_data_dtype() == before.get_data_dtype()
    assert [extension.get_content() for extension in after.header.extensions] == [
        extension.get_content() for extension in before.header.extensions
    ]
    old, new = stored_header(before), stored_header(after)
    for field in old.structarr.dtype.names:
        if field not in GEOMETRY:
            np.testing.assert_array_equal(new[field], old[field], field)


def stored_header(image):
    """With slope and intercept, which nibabel's images forget."""
    with image.file_map.get("header", image.file_map["image"]).get_prepare_fileobj("rb") as file:
        return image.header_class.from_fileobj(file)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_slope_and_intercept_do_not_drift(tmp_path, mode):
    path, out = made(tmp_path, "nifti-slope"), tmp_path / "out.nii"
    for _ in range(3):
        upsampled(path, out, size="9x8x7", mode=mode)
        np.testing.assert_array_equal(nib.load(out).get_fdata(), nib.load(path).get_fdata())
        assert (nib.load(out).dataobj.slope, nib.load(out).dataobj.inter) == (0.25, -100)
        path, out = out, tmp_path / f"again_{out.name}"


def test_real_values_are_those_of_interpolated_real_values(tmp_path):
    """The mean of two scaled values is the scaled mean, within half a level."""
    out = tmp_path / "out.nii.gz"
    upsampled(SAMPLES / "brain.nii.gz", out, scale="z=2")
    before, after = nib.load(SAMPLES / "brain.nii.gz").get_fdata(), nib.load(out).get_fdata()
    expected = 0.75 * before[:, :, 5] + 0.25 * before[:, :, 6]
    np.testing.assert_allclose(after[:, :, 11], expected, rtol=0, atol=0.25 + 1e-6)  # the slope is 0.5


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_labels_stay_labels(tmp_path, mode):
    out = tmp_path / "labels.nii.gz"
    upsampled(SAMPLES / "labels.nii.gz", out, scale="1.7", mode=mode)
    before, after = nib.load(SAMPLES / "labels.nii.gz"), nib.load(out)
    assert set(np.unique(after.dataobj)) == set(np.unique(before.dataobj))
    assert after.header.get_intent() == before.header.get_intent()


def test_time_stays_unless_it_is_named(tmp_path):
    out = tmp_path / "fmri.nii"
    upsampled(SAMPLES / "fmri.nii", out, scale="2")
    before, after = nib.load(SAMPLES / "fmri.nii"), nib.load(out)
    assert after.shape == (40, 48, 28, 6)
    assert after.header.get_zooms() == (4, 4, 6, before.header.get_zooms()[3])
    upsampled(SAMPLES / "fmri.nii", out, scale="t=2")
    assert nib.load(out).shape == (20, 24, 14, 12)
    assert nib.load(out).header.get_zooms() == (8, 8, 12, 1)


@pytest.mark.parametrize(("scale", "kept"), [("2", False), ("x=2,y=2", True)])
def test_slice_times_go_when_the_slices_do(tmp_path, scale, kept):
    path = tmp_path / "in.nii"
    image = nib.Nifti1Image(np.zeros((4, 5, 6, 2), np.int16), np.eye(4))
    image.header.set_dim_info(slice=2)
    image.header["slice_code"], image.header["slice_end"], image.header["slice_duration"] = 1, 5, 0.1
    nib.save(image, path)
    plan = upsampled(path, tmp_path / "out.nii", scale=scale)
    header = nib.load(tmp_path / "out.nii").header
    assert int(header["slice_code"]) == (1 if kept else 0)
    assert any("slices" in warning for warning in plan.warnings) != kept


@pytest.mark.parametrize("output", ["out.hdr", "out.img", "out.nii", "out.nii.gz"])
@pytest.mark.parametrize("name", ["nifti-int16", "nifti-pair-by-header", "nifti-2-pair", "nifti-2", "nifti-gz-3-D"])
def test_single_files_and_pairs_become_each_other(tmp_path, name, output):
    path, out = made(tmp_path, name), tmp_path / output
    upsampled(path, out, size="9x8x7")
    before, after = nib.load(path), nib.load(out)
    np.testing.assert_array_equal(after.dataobj, before.dataobj)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert isinstance(after, (nib.Nifti2Pair, nib.Nifti2Image)) == isinstance(before, (nib.Nifti2Pair, nib.Nifti2Image))
    expected = {"out.hdr", "out.img"} if output in ("out.hdr", "out.img") else {output}
    assert {file.name for file in tmp_path.iterdir() if file.name.startswith("out")} == expected


def test_a_volume_too_long_for_nifti_1(tmp_path):
    path = tmp_path / "in.nii"
    nib.save(nib.Nifti1Image(np.zeros((20_000, 2, 2), np.uint8), np.eye(4)), path)
    with pytest.raises(OutputError, match=r"out\.nii: NIfTI-1 holds no more than 32,767 samples along an axis"):
        planned(path, tmp_path / "out.nii", scale="x=2")


def test_half_of_a_pair_is_refused(tmp_path):
    path = made(tmp_path, "nifti-pair-by-header")
    path.with_suffix(".img").unlink()
    with pytest.raises(InputError, match=r"in\.hdr: "):
        planned(path, scale="2")


def test_a_negative_pixdim_is_a_distance(tmp_path):
    """Old files have them; the affine says which way the axis runs."""
    path = tmp_path / "in.nii"
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.diag([-2.0, 2, 2, 1]))
    image.to_filename(path)
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(-2).tobytes()
    path.write_bytes(data)
    upsampled(path, tmp_path / "out.nii", spacing="1")
    assert nib.load(tmp_path / "out.nii").shape == (8, 8, 8)
    np.testing.assert_allclose(nib.load(tmp_path / "out.nii").affine[:3, :3], np.diag([-1.0, 1, 1]))


def test_a_pixdim_of_zero_in_a_qform_is_one(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), None)
    image.set_qform(np.diag([1.0, 2, 3, 1]), 1)
    image.to_filename(tmp_path / "in.nii")
    data = bytearray((tmp_path / "in.nii").read_bytes())
    data[80:84] = bytes(4)
    (tmp_path / "in.nii").write_bytes(data)
    plan = upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="2", verify=True)
    assert any("its pixdim is 0 along an axis of the qform; 1 is used" in warning for warning in plan.warnings)
    np.testing.assert_allclose(nib.load(tmp_path / "out.nii").affine[:3, :3], np.diag([0.5, 1, 1.5]))


def test_a_quaternion_that_is_too_long_is_scaled(tmp_path):
    """niftilib takes it for a rotation by 180 degrees; nibabel refuses it."""
    for name, part in (("long.nii", 1.0), ("unit.nii", np.sqrt(0.5))):
        image = nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), None)
        image.set_qform(np.diag([1.0, 2, 3, 1]), 1)
        image.header["quatern_b"] = image.header["quatern_c"] = part
        (tmp_path / name).write_bytes(image.header.binaryblock + bytes(4 + 120))
    plan = upsampled(tmp_path / "long.nii", tmp_path / "long_2x.nii", scale="2", verify=True)
    assert any("its quaternion has a length of 1.41; it is scaled to 1" in warning for warning in plan.warnings)
    upsampled(tmp_path / "unit.nii", tmp_path / "unit_2x.nii", scale="2")
    affines = [nib.load(tmp_path / name).affine for name in ("long_2x.nii", "unit_2x.nii")]
    np.testing.assert_allclose(*affines, atol=1e-6)


def sparse(folder, slices):
    """The header of a volume, and a hole in place of its samples."""
    path = folder / "huge.nii"
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((10_000, 10_000, slices))
    with path.open("wb") as file:
        header["vox_offset"] = 352
        header.write_to(file)
        file.truncate(352 + slices * 100_000_000)
    return path


@pytest.mark.parametrize("slices", [20, 10_000])  # 2 GB, and more than memory
def test_parts_of_large_files_are_read_without_the_whole(tmp_path, slices):
    with formats.open_source(sparse(tmp_path, slices), ReadOptions()) as source:
        assert source.header.grid.shape == (slices, 10_000, 10_000)
        assert not source.read(0, slices - 1, slices)[0, :10].any()


def test_opening_reads_the_header_alone(tmp_path):
    """A gzip stream that ends after the header."""
    cut = tmp_path / "cut.nii.gz"
    nib.save(nib.Nifti1Image(samples((20, 20, 20), "int16"), np.eye(4)), cut)
    cut.write_bytes(cut.read_bytes()[:5_000])
    with formats.open_source(cut, ReadOptions()) as source:
        assert source.header.grid.shape == (20, 20, 20)
        with pytest.raises(InputError, match=r"cannot be read to its end"):
            source.read(0, 0, 20)


FIELDS_1 = {  # of NIfTI-1, by offset and format: what a resize leaves as it is
    *((4, "10s"), (14, "18s"), (32, "i"), (36, "h"), (38, "c"), (39, "B"), (56, "3f"), (68, "h"), (70, "h"), (72, "h")),
    *((74, "h"), (112, "2f"), (120, "h"), (122, "B"), (123, "B"), (124, "3f"), (140, "2i"), (148, "80s"), (228, "24s")),
    *((252, "2h"), (256, "3f"), (328, "16s")),
}


@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img"])
def test_every_other_field_stays_to_the_byte(tmp_path, suffix, endianness):
    """A header full of numbers, of which only those of geometry may change."""
    pair = suffix == ".img"
    kind = nib.Nifti1Pair if pair else nib.Nifti1Image
    header = kind.header_class(endianness=endianness)
    header.set_data_dtype(np.int16)
    header.set_data_shape((4, 5, 6, 3))
    header["pixdim"][1:5] = 2, 3, 4, 1.5
    header["quatern_b"], header["quatern_c"], header["quatern_d"] = 0.1, 0.2, 0.3
    header.set_dim_info(1, 0, 2)
    values = {"data_type": b"abc", "db_name": b"study 7", "extents": 16384, "session_error": 3, "regular": b"r"}
    values |= {"intent_p1": 1.5, "intent_p2": 2.5, "intent_p3": 3.5, "intent_code": 4, "intent_name": b"chi"}
    values |= {"descrip": b"of a subject", "aux_file": b"other.file", "cal_min": 5, "cal_max": 500, "glmin": -3}
    values |= {"scl_slope": 0.5, "scl_inter": 7, "qform_code": 1, "sform_code": 4, "xyzt_units": 10, "glmax": 99}
    for name, value in values.items():
        header[name] = value
    header["vox_offset"] = 0 if pair else 352
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    samples_ = np.zeros(360, np.int16).tobytes()
    if pair:
        path.with_suffix(".hdr").write_bytes(header.binaryblock)
        path.write_bytes(samples_)
    else:
        data = header.binaryblock + bytes(4) + samples_
        path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    upsampled(path, out, scale="x=2,t=2", provenance=False)
    old, new = header.binaryblock, bytes_of(out.with_suffix(".hdr") if pair else out)
    for offset, form in FIELDS_1:
        form = endianness + form
        assert struct.unpack_from(form, new, offset) == struct.unpack_from(form, old, offset), (offset, form)
    assert struct.unpack_from(f"{endianness}8h", new, 40) == (4, 8, 5, 6, 6, 1, 1, 1)
    assert struct.unpack_from(f"{endianness}5f", new, 76) == (1, 1, 3, 4, 0.75)
    assert struct.unpack_from(f"{endianness}f", new, 136) == (-0.375,)  # of the first volume, in time


@pytest.mark.parametrize("endianness", ["<", ">"])
def test_every_other_field_of_nifti_2_stays(tmp_path, endianness):
    header = nib.Nifti2Header(endianness=endianness)
    for name in header.structarr.dtype.names:
        if header[name].dtype.kind == "S" and name not in ("magic", "eol_check"):
            header[name] = name.encode()
        elif name not in ("sizeof_hdr", "magic", "eol_check", "vox_offset", "datatype", "bitpix", "dim"):
            header[name] = 1
    header.set_data_dtype(np.int16)
    header.set_data_shape((4, 5, 6, 3))
    header["quatern_b"], header["quatern_c"], header["quatern_d"], header["vox_offset"] = 0.1, 0.2, 0.3, 544
    (tmp_path / "in.nii").write_bytes(header.binaryblock + bytes(4 + 720))
    upsampled(tmp_path / "in.nii", tmp_path / "out.nii", scale="x=2,y=2", provenance=False)
    new = nib.Nifti2Header((tmp_path / "out.nii").read_bytes()[:540], check=False)
    assert new.endianness == header.endianness
    changed = {name for name in header.structarr.dtype.names if not np.array_equal(new[name], header[name])}
    assert changed == {"dim", "pixdim", "srow_x", "srow_y", "srow_z", "qoffset_x", "qoffset_y", "qoffset_z"}


def bytes_of(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def extensions_of(path):
    """Codes and contents, parsed by hand."""
    data = bytes_of(path.with_suffix(".hdr") if path.suffix == ".img" else path)
    size = struct.unpack("<i", data[:4])[0]
    order = "<" if size in (348, 540) else ">"
    size = size if order == "<" else struct.unpack(">i", data[:4])[0]
    end = len(data)
    if path.suffix != ".img":
        (offset,) = struct.unpack_from(*((f"{order}f", data, 108) if size == 348 else (f"{order}q", data, 168)))
        end = int(offset)
        assert end % 16 == 0
    found, at = [], size + 4
    while data[size] and at < end:
        length, code = struct.unpack_from(f"{order}ii", data, at)
        assert length % 16 == 0
        assert at + length <= end
        found.append((code, data[at + 8 : at + length].rstrip(b"\0")))
        at += length
    assert at == end
    return found


@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("descrip", [b"", b"mine"], ids=["free", "taken"])
def test_what_has_been_done_is_said_where_there_is_room(tmp_path, kind, endianness, descrip):
    suffix = ".img" if kind in (nib.Nifti1Pair, nib.Nifti2Pair) else ".nii.gz"
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    image = kind(
        np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4), kind.header_class(endianness=endianness), dtype="i2"
    )
    image.header["descrip"] = descrip
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"a remark"))
    nib.save(image, path)
    upsampled(path, out, scale="2")
    said = b"upsample " + __version__.encode() + b" linear half-pixel z=2 y=2 x=2"
    after = nib.load(out)
    assert bytes(after.header["descrip"].item()) == (descrip or said)
    assert extensions_of(out) == [(6, b"a remark"), *([(6, said)] if descrip else [])]
    assert after.header.extensions[0].get_content() == b"a remark"
    np.testing.assert_array_equal(np.asarray(after.dataobj)[0, 0, :3], [0, 0, 1])
    upsampled(path, out, scale="2", provenance=False)
    assert bytes(nib.load(out).header["descrip"].item()) == descrip
    assert extensions_of(out) == [(6, b"a remark")]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".img"])
def test_the_same_again_gives_the_same_bytes(tmp_path, suffix):
    path = made(tmp_path, "nifti-extensions")
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    upsampled(path, first, scale="2")
    upsampled(path, second, scale="2")
    for one, other in zip(formats.parts(first), formats.parts(second), strict=True):
        assert one.read_bytes() == other.read_bytes()
        if suffix == ".nii.gz":
            assert one.read_bytes()[3:8] == bytes(5), "the gzip header has a name or a time"


@pytest.mark.parametrize("suffix", [".nii.gz", ".mgz", ".img.gz"])
def test_the_level_of_compression_is_the_one_asked_for(tmp_path, suffix):
    path = made(tmp_path, "nifti-int16")
    sizes = []
    for level in (0, 4, 9):
        out = tmp_path / f"out{level}{suffix}"
        upsampled(path, out, scale="4", compress_level=level)
        sizes.append(out.stat().st_size)
        assert nib.load(out).shape == (36, 32, 28)
    assert sizes[0] > 36 * 32 * 28 * 2 > sizes[1] > sizes[2]


def test_a_volume_of_labels_takes_nearest_and_says_so(tmp_path):
    path = tmp_path / "in.nii"
    image = nib.Nifti1Image(np.array([3, 7, 90], np.uint8).reshape(3, 1, 1), np.eye(4))
    image.header.set_intent("label", name="regions")
    nib.save(image, path)
    plan = upsampled(path, tmp_path / "out.nii", scale="x=2")
    assert any("labels" in warning for warning in plan.warnings)
    after = nib.load(tmp_path / "out.nii")
    assert np.asarray(after.dataobj).ravel().tolist() == [3, 3, 7, 7, 90, 90]
    assert after.header.get_intent() == ("label", (), "regions")
    plan = upsampled(path, tmp_path / "out.nii", scale="x=2", mode="linear")
    assert plan.warnings == ()
    assert 4 in np.asarray(nib.load(tmp_path / "out.nii").dataobj)


@given(
    dtype=st.sampled_from(["u1", "i1", "<i2", ">u2", "<i4", ">u4", "<i8", ">u8", "<f4", ">f8", "<c8"]),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    sizes=st.tuples(*[st.integers(1, 14)] * 3),
    mode=st.sampled_from(["nearest", "nearest-exact"]),
)
@settings(max_examples=40, deadline=None)
def test_nearest_makes_no_value_up(tmp_path_factory, dtype, shape, sizes, mode):
    folder = tmp_path_factory.mktemp("nearest")
    values = samples(shape, dtype)
    header = nib.Nifti1Header(endianness=">" if ">" in dtype else "<")
    nib.save(nib.Nifti1Image(values, np.eye(4), header, dtype=values.dtype), folder / "in.nii")
    upsampled(folder / "in.nii", folder / "out.nii", size="x".join(map(str, sizes)), mode=mode)
    result = np.asarray(nib.load(folder / "out.nii").dataobj)
    assert result.shape == sizes
    assert np.isin(result, values).all()
    assert result.dtype == values.dtype


@pytest.mark.parametrize(("channels", "code"), [("RGB", 128), ("RGBA", 2304)])
def test_colours_stay_colours(tmp_path, channels, code):
    path, out = tmp_path / "in.nii", tmp_path / "out.nii"
    pixels = np.zeros((2, 1, 1), [(name, "u1") for name in channels])
    pixels[0], pixels[1] = (200, 100, 0, 255)[: len(channels)], (0, 0, 40, 0)[: len(channels)]
    nib.save(nib.Nifti1Image(pixels, np.eye(4)), path)
    upsampled(path, out, scale="x=2")
    data = out.read_bytes()
    assert struct.unpack_from("<2h", data, 70) == (code, 8 * len(channels))
    expected = {
        "RGB": [200, 100, 0, 150, 75, 10, 50, 25, 30, 0, 0, 40],
        "RGBA": [200, 100, 0, 255, 200, 100, 0, 191, 200, 100, 0, 64, 0, 0, 0, 0],  # what is transparent has no colour
    }
    assert list(data[352:]) == expected[channels]


def test_no_frames_stay_no_frames(tmp_path):
    path, out = made(tmp_path, "nifti-no-frames"), tmp_path / "out.nii"
    upsampled(path, out, scale="2", provenance=False)
    old, new = path.read_bytes(), out.read_bytes()
    assert struct.unpack_from("<2h", new, 252) == (0, 0)
    assert new[256:328] == old[256:328]
    assert struct.unpack_from("<4f", new, 76) == (struct.unpack_from("<f", old, 76)[0], 0.75, 1, 1.5)


def with_extension(path, code, content, kind=nib.Nifti1Image):
    image = kind(np.zeros((3, 4, 5), np.int16), np.eye(4))
    size = -(-(8 + len(content)) // 16) * 16
    raw = image.header
    raw.set_data_dtype(np.int16)
    raw["vox_offset"] = raw.sizeof_hdr + 4 + size
    body = struct.pack("<ii", size, code) + content.ljust(size - 8, b"\0")
    path.write_bytes(raw.binaryblock + b"\1\0\0\0" + body + bytes(120))


@pytest.mark.parametrize(("code", "said"), [(2, "DICOM"), (4, "AFNI"), (6, None), (44, None)])
def test_extensions_are_kept_to_the_byte(tmp_path, code, said):
    path, out = tmp_path / "in.nii", tmp_path / "out.nii"
    content = bytes(range(1, 200))
    with_extension(path, code, content)
    plan = upsampled(path, out, scale="2", provenance=False)
    assert extensions_of(out) == [(code, content)]
    assert [said in warning for warning in plan.warnings] == ([True] if said else [])
    assert upsampled(path, out, scale="1", provenance=False).warnings == ()


def test_cifti_is_refused(tmp_path):
    path = tmp_path / "a.dconn.nii"
    with_extension(path, 32, b"<CIFTI/>", nib.Nifti2Image)
    with pytest.raises(InputError, match="is CIFTI"):
        planned(path, scale="2")


def test_slice_times_go_when_time_is_resampled(tmp_path):
    path = tmp_path / "in.nii"
    image = nib.Nifti1Image(np.zeros((4, 5, 6, 4), np.int16), np.eye(4))
    image.header["slice_duration"] = 0.1
    nib.save(image, path)
    plan = upsampled(path, tmp_path / "out.nii", scale="t=2")
    assert nib.load(tmp_path / "out.nii").header["slice_duration"] == 0
    assert any("slices" in warning for warning in plan.warnings)


def damaged(path, *changes, suffix=".nii", kind=nib.Nifti1Image):
    """A sound volume of 3 × 4 × 5 int16 but for some fields of its header, given as offset, format and values."""
    image = kind(np.zeros((3, 4, 5), np.int16), np.eye(4))
    nib.save(image, path.with_name("sound.nii"))
    data = bytearray(path.with_name("sound.nii").read_bytes())
    for offset, form, *values in changes:
        struct.pack_into(f"<{form}", data, offset, *values)
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    return path


IMPOSSIBLE = {
    "negative size": ([(42, "h", -4)], "impossible size -4×4×5"),
    "no samples": ([(44, "h", 0)], "impossible size 3×0×5"),
    "no dimensions": ([(40, "h", 0)], "not a readable NIfTI file"),
    "nine dimensions": ([(40, "h", 9)], "not a readable NIfTI file"),
    "more than there is": ([(42, "h", 4)], "is truncated: 472 bytes where its header promises 512"),
    "more than any machine": ([(40, "8h", 7, *[32767] * 7)], "is truncated"),
    "no magic": ([(344, "4s", b"abcd")], "not a readable NIfTI file"),
    "samples of one bit": ([(70, "h", 1)], "samples of type binary"),
    "float128": ([(70, "h", 1536)], "samples of type float128"),
    "no such type": ([(70, "h", 12345)], "samples of type 12345"),
    "half of a pair": ([(344, "4s", b"ni1\0"), (108, "f", 0)], "samples are in another file"),
    "samples nowhere": ([(108, "f", float("nan"))], "begin at byte nan"),
    "samples before the file": ([(108, "f", -352.0)], "begin at byte -352"),
    "samples beyond the file": ([(108, "f", 1e30)], "is truncated"),
    "samples after endless extensions": ([(108, "f", 2e9), (348, "B", 1)], "is truncated"),
    "no place": ([(280, "f", float("nan"))], "its affine (sform) has values that are too large or not finite"),
    "no distance": ([(80, "f", 3e38)], "the spacing of its axis x is 3e+38"),
    "no rotation": ([(252, "h", 1), (256, "3f", 5, 5, float("inf"))], "its quaternion is not finite"),
}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("changes", "says"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_headers_are_refused_in_one_line(tmp_path, changes, says, suffix):
    path = damaged(tmp_path / f"in{suffix}", *changes, suffix=suffix)
    with pytest.raises(InputError) as caught:
        upsampled(path, tmp_path / f"out{suffix}", scale="2")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert says in message or (suffix == ".nii.gz" and "is truncated" in says and "is truncated" in message)


@given(
    name=st.sampled_from(["nifti-gz-4-D", "nifti-2", "nifti-rgb", "mgh-4-D", "analyze-spm2-big-endian"]),
    suffix=st.sampled_from([".nii", ".mgh", ".npy"]),
    changes=st.lists(st.tuples(st.integers(0, 351), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_any_header_is_resized_or_refused(tmp_path_factory, name, suffix, changes):
    folder = tmp_path_factory.mktemp("any")
    path = made(folder, name)
    file = formats.parts(path)[-1]
    data = bytearray(bytes_of(file))
    for offset, content in changes:
        data[offset : offset + len(content)] = content
    file.write_bytes(data)
    with contextlib.suppress(InputError, OutputError):
        assert upsampled(path, folder / f"out{suffix}", scale="2", mode="nearest").first.after.grid.shape


@pytest.mark.parametrize("shape", [(8, 30_000, 30_000), (200, 200, 200), (20, 20, 20)])
def test_truncated_gzip_is_refused_before_memory_is_touched(tmp_path, shape):
    path = tmp_path / "in.nii.gz"
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header["datatype"], header["bitpix"], header["vox_offset"] = 2, 8, 352
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4) + samples((20, 20, 20)).tobytes())[:-9])
    tracemalloc.start()
    with pytest.raises(InputError, match=r"in\.nii\.gz: (is truncated|cannot be read to its end)"):
        upsampled(path, tmp_path / "out.nii.gz", scale="1", mode="nearest")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["in.NII", "in.NII.GZ", "in.IMG", "in.HDR", "in.MGH", "in.MGZ", "in.Nii.Gz"])
def test_suffixes_in_upper_case(tmp_path, name):
    path, out = tmp_path / name, tmp_path / name.replace("in", "out")
    upsampled(made(tmp_path, "nifti-uint8"), path, scale="1", mode="nearest")
    plan = upsampled(path, out, scale="2")
    assert plan.first.after.grid.shape == (14, 16, 18)
    assert {file.name for file in tmp_path.iterdir() if file.name.startswith("out")} == {
        part.name for part in formats.parts(out)
    }


@pytest.mark.parametrize(("name", "pack"), [("in.nii", gzip.compress), ("in.nii.gz", bytes)])
def test_compression_is_seen_in_the_file_not_in_its_name(tmp_path, name, pack):
    source = made(tmp_path, "nifti-int16")
    expected = np.asarray(nib.load(source).dataobj).copy()
    data = source.read_bytes()
    (tmp_path / name).write_bytes(pack(data))
    upsampled(tmp_path / name, tmp_path / "out.nii.gz", scale="1")
    np.testing.assert_array_equal(nib.load(tmp_path / "out.nii.gz").dataobj, expected)
