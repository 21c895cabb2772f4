"""Nothing is allocated by a number that a file claims: sparse files of gigabytes, and files of a few bytes."""

import struct
import time
import tracemalloc
import zlib
from contextlib import contextmanager

import nibabel as nib
import numpy as np
import pytest
import tifffile

from tests.pipeline_helpers import planned, upsampled
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.formats.picture import padding
from upsample_cli.formats.picture.png import decode
from upsample_cli.formats.tiff import encoding
from upsample_cli.formats.tiff.pages import bands
from upsample_cli.formats.volume import block, mgh, nifti

GIGABYTE = 1 << 30
BASE = {256: (3, 1, 4), 257: (3, 1, 4), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
STRIPS = {273: (4, 1, 200), 277: (3, 1, 1), 278: (3, 1, 4), 279: (4, 1, 16)}


@contextmanager
def allocating_at_most(megabytes):
    """Python's and NumPy's allocations stay below a limit."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


def sparse(path, head, size=4 * GIGABYTE):
    """A file that begins with `head` and continues with a hole."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def tiff(path, entries, size=None):
    """A TIFF file of one page with these entries: type, number and value by code."""
    packed = [struct.pack("<HHII", code, *entry) for code, entry in sorted(entries.items())]
    head = b"II*\0" + struct.pack("<IH", 8, len(packed)) + b"".join(packed) + bytes(4)
    return sparse(path, head, size or len(head) + 256)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def nifti_head(offset, magic=b"n+1\0"):
    header = nib.Nifti1Header()
    header.set_data_shape((4, 4, 4))
    header.set_data_dtype(np.uint8)
    header["vox_offset"] = offset
    return header.binaryblock[:344] + magic


@pytest.fixture
def _little_metadata(monkeypatch):
    for module in (block, nifti, mgh):
        monkeypatch.setattr(module, "MAX_REST_BYTES", 1 << 20)
    monkeypatch.setattr(padding, "_MAX_METADATA_BYTES", 1 << 20)


@pytest.mark.usefixtures("_little_metadata")
def test_what_lies_between_header_and_samples_is_read_up_to_a_limit(tmp_path):
    path = sparse(tmp_path / "in.nii", nifti_head(2 * GIGABYTE), 2 * GIGABYTE + 64)
    with allocating_at_most(8):
        plan = planned(path, tmp_path / "out.npy", scale=2)
    assert any("2,147,483,296 bytes between header and samples are dropped" in text for text in plan.warnings)


@pytest.mark.usefixtures("_little_metadata")
def test_a_header_file_is_read_up_to_a_limit(tmp_path):
    (tmp_path / "in.img").write_bytes(bytes(64))
    path = sparse(tmp_path / "in.hdr", nifti_head(0, b"ni1\0"))
    with allocating_at_most(8):
        assert any("are dropped" in text for text in planned(path, tmp_path / "out.npy", scale=2).warnings)


@pytest.mark.usefixtures("_little_metadata")
def test_tags_after_an_mgh_volume_are_read_up_to_a_limit(tmp_path):
    image = nib.MGHImage(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    nib.save(image, tmp_path / "in.mgh")
    path = sparse(tmp_path / "in.mgh", (tmp_path / "in.mgh").read_bytes(), 64 * GIGABYTE)
    with allocating_at_most(8):
        planned(path, tmp_path / "out.npy", scale=2)


@pytest.mark.usefixtures("_little_metadata")
@pytest.mark.parametrize(
    "head",
    [
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
        + struct.pack(">I", 2**31 - 1)
        + b"tEXt",
        b"RIFF\xf0\xff\xff\xffWEBPVP8X" + struct.pack("<I", 10) + bytes(10) + b"XMP " + struct.pack("<I", 2**32 - 99),
    ],
    ids=["png", "webp"],
)
def test_a_piece_of_metadata_of_gigabytes_is_refused(tmp_path, head):
    with allocating_at_most(8), pytest.raises(InputError, match=r"its metadata is larger than 1\.0 MB"):
        planned(sparse(tmp_path / "in", head), tmp_path / "out.npy", scale=2)


def test_a_header_of_numpy_of_gigabytes_is_refused(tmp_path):
    path = sparse(tmp_path / "in.npy", b"\x93NUMPY\2\0" + struct.pack("<I", 2**31))
    with allocating_at_most(8), pytest.raises(InputError):
        planned(path, tmp_path / "out.npy", scale=2)


@pytest.mark.parametrize("code", [34675, 700, 65001, 273, 324])
def test_a_tag_of_gigabytes_is_refused(tmp_path, code):
    entries = BASE | STRIPS | {code: (1 if code > 400 else 4, 2**29, 1000)}
    with allocating_at_most(8), pytest.raises(InputError, match=f"its tag {code} claims"):
        planned(tiff(tmp_path / "in.tif", entries, 4 * GIGABYTE - 10), tmp_path / "out.npy", scale=2)


@pytest.mark.parametrize("axis", "ZCT")
def test_planes_that_only_the_xml_knows_are_not_listed(tmp_path, axis):
    sizes = " ".join(f'Size{name}="{10**9 if name == axis else 1}"' for name in "ZCT")
    pixels = (
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="4" SizeY="4" {sizes}><TiffData/></Pixels>'
    )
    xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">{pixels}</Image></OME>'
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((4, 4), np.uint8), description=xml, metadata=None)
    with pytest.raises(InputError, match="describes 1,000,000,000 planes, but the file has only 1 pages"):
        planned(tmp_path / "in.ome.tif", tmp_path / "out.npy", scale=2)


def test_a_page_smaller_than_its_tile_is_written_in_smaller_tiles(tmp_path):
    tiles = {322: (4, 1, 60_000), 323: (4, 1, 60_000), 324: (4, 1, 250), 325: (4, 1, 16), 259: (3, 1, 8)}
    path = tiff(tmp_path / "in.tif", BASE | {277: (3, 1, 1)} | tiles)
    with allocating_at_most(8), pytest.raises(RequestError, match=r"this needs \d\.\d GB of memory"):
        planned(path, scale=2)  # a tile is decoded whole
    plan = planned(path, tmp_path / "out.tif", scale=2, max_memory=16 * 10**9)
    tile = plan.sink._parts[0][1].layout.tile
    assert tile == (16, 16)


def test_many_samples_in_a_pixel_are_tried_with_one_pixel(tmp_path):
    entries = BASE | STRIPS | {258: (3, 1, 8), 259: (3, 1, 32773), 277: (3, 1, 64_740)}
    start = time.perf_counter()
    planned(tiff(tmp_path / "in.tif", entries), tmp_path / "out.tif", scale=2)
    assert time.perf_counter() - start < 5  # it took 34 s


def test_packbits_of_wide_flat_rows_takes_linear_time():
    """The codec alone takes 0.4 s for a run of 256 kB, and four times as much for twice the length."""
    from upsample_cli.formats.tiff.metadata import Layout

    encode = encoding.strip_encoder(Layout(1, compression=32773), np.dtype("u1"))
    start = time.perf_counter()
    encoded = encode(np.zeros((1, 4_000_000), np.uint8))
    assert time.perf_counter() - start < 2
    assert tifffile.TIFF.DECOMPRESSORS[32773](encoded) == bytes(4_000_000)


def test_samples_behind_a_png_picture_are_not_expanded():
    parts = decode._first_bytes([b"a" * 100] * 5, 250)
    assert [len(part) for part in parts] == [100, 100, 50]


def test_bands_are_cut_from_slabs_of_any_size():
    random = np.random.default_rng(0)
    array = random.integers(0, 255, (3, 11, 7), np.uint8)
    for height in (1, 4, 11, 20):
        expected = [page[top : top + height] for page in array for top in range(0, 11, height)]
        for cuts in ([], [5], [7, 60, 61, 200]):
            found = list(bands(np.split(array.reshape(-1), cuts), (11, 7), height))
            assert [band.tolist() for band in found] == [band.tolist() for band in expected]


def test_a_page_of_one_strip_is_held_once(tmp_path):
    array = np.random.default_rng(0).integers(0, 4, (2048, 2048), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", array, compression="zlib", rowsperstrip=2048)
    with allocating_at_most(7):  # the page has 4 MB, its encoded data one
        upsampled(tmp_path / "in.tif", tmp_path / "out.npy", size=64, mode="nearest")
    assert np.load(tmp_path / "out.npy").shape == (64, 64)


@pytest.mark.parametrize("code", [256, 273, 279, 322])
def test_sizes_and_offsets_of_tiff_are_integers(tmp_path, code):
    entries = BASE | STRIPS | {code: (11, 1, 1)}  # a floating-point number
    with pytest.raises(InputError, match=f"its tag {code} is not an integer"):
        planned(tiff(tmp_path / "in.tif", entries, 1000), tmp_path / "out.npy", scale="2")


def test_a_side_that_no_picture_can_have_is_refused(tmp_path):
    (tmp_path / "in.pgm").write_bytes(b"P5 3 4294967295 255\n")
    with pytest.raises(OutputError, match=r"PPM allows at most 2,147,483,647 pixels per side"):
        planned(tmp_path / "in.pgm", tmp_path / "out.ppm", scale="2")
