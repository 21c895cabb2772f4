"""FreeSurfer's volumes; expectations from nibabel, and from the bytes of the file."""

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest

from tests.formats.mgh_helpers import decompressed, load_mgh
from tests.pipeline_helpers import planned, upsampled
from upsample_cli import __version__, formats
from upsample_cli.errors import InputError
from upsample_cli.formats.base import ReadOptions

AFFINE = np.array([[-1.0, 0, 0, 128], [0, 0, 1.5, -100], [0, -2, 0, 90], [0, 0, 0, 1]])
TAGS = struct.pack(">iq", 3, 11) + b"mri_convert" + struct.pack(">iq", 2, 4) + b"xfm\0"
FOOTER = (2300.0, 0.15, 2.9, 900.0, 256.0)


def made(path, shape=(6, 5, 4), dtype="i2", footer=FOOTER, tags=TAGS, head=()):
    """A volume with footer and tags, and fields of the header given as offset, format and values; gives its samples."""
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    data = bytearray(nib.MGHImage(values, AFFINE).to_bytes()[: 284 + values.nbytes])
    struct.pack_into(">i", data, 24, 7)  # degrees of freedom
    data[90:284] = bytes(range(90, 256)) + bytes(28)  # unused
    for offset, form, *content in head:
        struct.pack_into(f">{form}", data, offset, *content)
    data += (struct.pack(">5f", *footer) if footer else b"") + tags
    path.write_bytes(gzip.compress(data) if path.suffix == ".mgz" else data)
    return values


SUFFIXES = (".mgh", ".mgz")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("other", SUFFIXES)
def test_all_but_the_geometry_stays_to_the_byte(tmp_path, suffix, other):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{other}"
    made(path)
    plan = upsampled(path, out, scale="2", provenance=False)
    assert plan.warnings == ()
    old, new = decompressed(path), decompressed(out)
    geometry = {*range(4, 16), *range(30, 42), *range(78, 90)}  # dims, delta, centre
    assert all(old[number] == new[number] for number in range(284) if number not in geometry)
    assert struct.unpack_from(">4i", new, 4) == (12, 10, 8, 1)
    assert struct.unpack_from(">3f", new, 30) == (0.5, 1, 0.75)
    assert new[284 + 12 * 10 * 8 * 2 :] == struct.pack(">5f", *FOOTER) + TAGS
    np.testing.assert_allclose(load_mgh(out).affine[:3, 3], (AFFINE @ [-0.25, -0.25, -0.25, 1])[:3], rtol=1e-6)


def test_negative_sizes_of_voxels_turn_axes_round(tmp_path):
    made(tmp_path / "in.mgh")
    data = bytearray((tmp_path / "in.mgh").read_bytes())
    struct.pack_into(">f", data, 30, -1.0)
    (tmp_path / "in.mgh").write_bytes(data)
    upsampled(tmp_path / "in.mgh", tmp_path / "out.mgh", scale="2", verify=True)
    before, after = load_mgh(tmp_path / "in.mgh").affine, load_mgh(tmp_path / "out.mgh").affine
    np.testing.assert_allclose(after[:3, :3], before[:3, :3] / 2, rtol=1e-6)


def test_spacing_without_a_place_in_mgh_is_dropped_with_a_warning(tmp_path):
    image = nib.Nifti1Image(np.zeros((3, 4, 5, 6), np.uint8), np.diag([2.0, 2, 2, 1]))
    image.header["pixdim"][1:5] = 1, 2, 2, 3  # contradicts the affine along x
    image.header["xyzt_units"] = 2  # mm, and no unit of time
    image.to_filename(tmp_path / "in.nii")
    (warning,) = upsampled(tmp_path / "in.nii", tmp_path / "out.mgz", scale="2", verify=True).warnings
    assert "a spacing that differs from that of its affine" in warning
    assert "the spacing of t, which has no unit" in warning


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_time_between_volumes_follows_time(tmp_path, suffix):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    made(path, (3, 4, 5, 6))
    upsampled(path, out, scale="t=2", provenance=False)
    new = decompressed(out)
    assert struct.unpack_from(">4i", new, 4) == (3, 4, 5, 12)
    assert struct.unpack_from(">5f", new, 284 + 720 * 2) == (1150, *np.float32(FOOTER[1:]))
    upsampled(path, out, scale="2", provenance=False)
    assert struct.unpack_from(">f", decompressed(out), 284 + 480 * 6 * 2) == (2300,)


@pytest.mark.parametrize("footer", [FOOTER, ()], ids=["footer", "none"])
def test_what_has_been_done_is_one_more_tag(tmp_path, footer):
    path, out = tmp_path / "in.mgh", tmp_path / "out.mgz"
    made(path, footer=footer, tags=TAGS if footer else b"")
    upsampled(path, out, scale="2")
    said = f"upsample {__version__} linear half-pixel z=2 y=2 x=2\0".encode()
    tail = decompressed(out)[284 + 960 * 2 :]
    assert tail[20:] == (TAGS if footer else b"") + struct.pack(">iq", 3, len(said)) + said
    assert struct.unpack(">5f", tail[:20]) == tuple(np.float32(footer or (0,) * 5))
    again = tmp_path / "again.mgz"
    upsampled(path, again, scale="2")
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4"])
def test_types(tmp_path, dtype):
    values = made(tmp_path / "in.mgh", dtype=dtype)
    upsampled(tmp_path / "in.mgh", tmp_path / "out.mgh", scale="2", mode="nearest")
    image = load_mgh(tmp_path / "out.mgh")
    assert image.get_data_dtype() == np.dtype(dtype).newbyteorder(">")
    np.testing.assert_array_equal(np.asarray(image.dataobj)[::2, ::2, ::2], values)


def test_a_geometry_that_is_not_known_stays_unknown(tmp_path):
    path, out = tmp_path / "in.mgh", tmp_path / "out.mgh"
    made(path, head=[(28, "h", 0)])
    plan = upsampled(path, out, scale="2")
    assert plan.first.before.grid.affines == {}
    assert plan.first.before.grid["x"].spacing is None
    assert struct.unpack_from(">h", decompressed(out), 28) == (0,)
    assert decompressed(out)[30:90] == decompressed(path)[30:90]


def test_opening_a_plain_file_reads_no_samples(tmp_path):
    """A hole in place of 8 GB of them."""
    path = tmp_path / "huge.mgh"
    made(path, head=[(4, "3i", 2000, 2000, 1000)])
    with path.open("r+b") as file:
        file.truncate(284 + 2 * 4_000_000_000)
    with formats.open_source(path, ReadOptions()) as source:
        assert source.header.grid.shape == (1000, 2000, 2000)
        assert not source.read(0, 999, 1000).any()


IMPOSSIBLE = {
    "version": ((0, "i", 2), "not a readable MGH file"),
    "negative size": ((4, "i", -6), "impossible size -6×5×4"),
    "more than there is": ((4, "i", 600), "is truncated"),
    "more than any machine": ((4, "4i", *[2_000_000_000] * 4), "is truncated"),
    "no such type": ((20, "i", 6), "samples of MGH's type 6"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("change", "says"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_headers_are_refused_in_one_line(tmp_path, change, says, suffix):
    path = tmp_path / f"in{suffix}"
    made(path, tags=b"", head=[change])
    with pytest.raises(InputError, match=says) as caught:
        upsampled(path, tmp_path / f"out{suffix}", scale="2", mode="nearest")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 3, 40, 200, 300])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_short_is_refused(tmp_path, suffix, kept):
    path = tmp_path / f"in{suffix}"
    made(path, (20, 20, 20))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=rf"in\{suffix}: "):
        planned(path, scale="2")


def test_an_intent_of_freesurfer_is_refused(tmp_path):
    """It says that the samples are no plain volume, such as a warp."""
    made(tmp_path / "in.mgh", head=[(0, "i", 0x1001)])
    with pytest.raises(InputError, match="has MGH's intent 16"):
        planned(tmp_path / "in.mgh", tmp_path / "out.mgh", scale="2")
