from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.formats.examples import EXAMPLES, samples
from tests.formats.through import planned, upsampled
from upsample_cli import formats
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats.base import ReadOptions

SAMPLES = Path(__file__).parents[2] / "sample_data"
BY_ID = {example.id: example for example in EXAMPLES}


def made(tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"in{BY_ID[name].suffix}"
    BY_ID[name].make(path)
    return path


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
