"""Pages that tifffile cannot decode: YCbCr with subsampled chroma that is not JPEG, and JPEG as TIFF 6.0 had it."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.pipeline_helpers import planned, upsampled
from upsample_cli.errors import InputError

SHORT, LONG, RATIONAL = 3, 4, 5
FORMATS = {SHORT: "H", LONG: "I", RATIONAL: "I"}
STRIP_OFFSETS, JPEG_OFFSET = 273, 513
TAGS = {
    256: (LONG, (24,)),
    257: (LONG, (16,)),
    258: (SHORT, (8, 8, 8)),
    262: (SHORT, (6,)),
    STRIP_OFFSETS: (LONG, (0,)),
    277: (SHORT, (3,)),
    278: (LONG, (16,)),
    284: (SHORT, (1,)),
    530: (SHORT, (2, 2)),
}


def colours():
    y, x = np.mgrid[:16, :24]
    return np.stack([x * 10, y * 15, (x + y) * 5], -1).astype(np.uint8)


def write_page(path, tags, data):
    """Write a file of one strip, which begins where the tags of offsets point."""
    values = [(code, kind, struct.pack(f"<{len(v)}{FORMATS[kind]}", *v)) for code, (kind, v) in sorted(tags.items())]
    first = 10 + 12 * len(values) + 4
    long_values = b"".join(value for _, _, value in values if len(value) > 4)
    directory, position = struct.pack("<H", len(values)), first
    for code, kind, value in values:
        count = len(value) // {SHORT: 2, LONG: 4, RATIONAL: 8}[kind]
        if code in (STRIP_OFFSETS, JPEG_OFFSET):
            value = struct.pack("<I", first + len(long_values))
        field = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", position)
        position += len(value) if len(value) > 4 else 0
        directory += struct.pack("<HHI", code, kind, count) + field
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + long_values + data)


def subsampled():
    """Four samples of luminance beside one of each chroma, block by block."""
    pixels = np.asarray(Image.fromarray(colours()).convert("YCbCr"))
    blocks = pixels.reshape(8, 2, 12, 2, 3).transpose(0, 2, 1, 3, 4)
    chroma = blocks[..., 1:].mean((2, 3)).astype(np.uint8)
    return np.concatenate([blocks[..., 0].reshape(8, 12, 4), chroma], -1).tobytes()


def old_jpeg():
    stream = io.BytesIO()
    Image.fromarray(colours()).save(stream, "jpeg", quality=95, subsampling=2)
    return stream.getvalue()


def make(path, kind):
    data = {"plain": subsampled, "deflate": lambda: zlib.compress(subsampled()), "old-jpeg": old_jpeg}[kind]()
    tags = TAGS | {279: (LONG, (len(data),)), 259: (SHORT, ({"plain": 1, "deflate": 8, "old-jpeg": 6}[kind],))}
    if kind == "old-jpeg":
        tags |= {512: (SHORT, (1,)), JPEG_OFFSET: (LONG, (0,)), 514: (LONG, (len(data),))}
    else:
        tags |= {532: (RATIONAL, (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1))}
    write_page(path, tags, data)


@pytest.mark.parametrize("kind", ["plain", "deflate", "old-jpeg"])
def test_libtiff_decodes_what_tifffile_does_not(tmp_path, kind):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    make(path, kind)
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    expected = imagecodecs.tiff_decode(path.read_bytes(), asrgb=True)[..., :3]
    assert np.abs(expected.astype(int) - colours()).max() < 16
    with tifffile.TiffFile(out) as tiff:
        np.testing.assert_array_equal(tiff.asarray(), expected.repeat(2, 0).repeat(2, 1))
        assert tiff.pages[0].photometric == 2
        assert not {529, 530, 532} & {tag.code for tag in tiff.pages[0].tags}


def test_a_damaged_page_is_refused(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    make(path, "deflate")
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match="damaged"):
        upsampled(path, out, scale=2)
    assert not out.exists()


def next_rows():
    """NeXT's compression of 2-bit samples, in rows that are stored literally."""
    return 2, b"".join(b"\0" + bytes([0b00011011, 0b11100100]) for _ in range(4))


def pixar_log_rows():
    """Steps of logarithms; 1250 is white."""
    steps = np.zeros((4, 8), "<u2")
    steps[:, 0], steps[:, 1:] = (100, 600, 1000, 1250), 20
    return 8, zlib.compress(steps.tobytes())


@pytest.mark.parametrize(
    ("compression", "make_rows", "row"),
    [
        (32766, next_rows, [0, 85, 170, 255, 255, 170, 85, 0]),
        (32909, pixar_log_rows, [2, 2, 3, 3, 3, 4, 4, 4]),
    ],
    ids=["NeXT", "PixarLog"],
)
def test_compressions_of_other_times(tmp_path, compression, make_rows, row):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    bits, data = make_rows()
    tags = {code: TAGS[code] for code in (262, STRIP_OFFSETS, 284)}
    tags |= {256: (LONG, (8,)), 257: (LONG, (4,)), 258: (SHORT, (bits,)), 259: (SHORT, (compression,))}
    tags |= {262: (SHORT, (1,)), 277: (SHORT, (1,)), 278: (LONG, (4,)), 279: (LONG, (len(data),))}
    write_page(path, tags, data)
    (warning,) = upsampled(path, out, scale=2, mode="nearest", verify=True).warnings
    assert warning.endswith("compression cannot be written; Deflate is used instead")
    assert tifffile.imread(out)[0, ::2].tolist() == [[value] * 3 for value in row]


def test_bits_that_libtiff_does_not_read_are_told_of(tmp_path):
    _, data = pixar_log_rows()
    tags = {code: TAGS[code] for code in (STRIP_OFFSETS, 284)} | {258: (SHORT, (16,)), 259: (SHORT, (32909,))}
    tags |= {256: (LONG, (8,)), 257: (LONG, (4,)), 262: (SHORT, (1,)), 277: (SHORT, (1,)), 278: (LONG, (4,))}
    write_page(tmp_path / "in.tif", tags | {279: (LONG, (len(data),))}, data)
    assert planned(tmp_path / "in.tif", scale=2).warnings[0] == "its 16-bit samples are read with 8 bits"


def test_old_style_jpeg_in_grey(tmp_path):
    """A whole JPEG file, the start of which a tag gives wrongly, so that libtiff misses its tables."""
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    grey = colours()[..., 0]
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "jpeg", quality=95)
    data = stream.getvalue()
    tags = TAGS | {258: (SHORT, (8,)), 262: (SHORT, (1,)), 277: (SHORT, (1,)), 259: (SHORT, (6,))}
    tags |= {279: (LONG, (len(data),)), JPEG_OFFSET: (LONG, (0,)), 514: (LONG, (len(data),))}
    del tags[530]
    write_page(path, tags, data)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tag = tiff.pages[0].tags[JPEG_OFFSET]
        tag.overwrite(tag.value[0] + 6)
    with pytest.raises(imagecodecs.TiffError):
        imagecodecs.tiff_decode(path.read_bytes(), asrgb=True)
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    shown = tifffile.imread(out)[::2, ::2].astype(int)
    assert np.abs(shown - grey[..., None]).max() < 12
