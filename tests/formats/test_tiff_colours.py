"""Colours and numbers of a TIFF file: interpolated as what they mean, and stored as they were."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from tifffile import COMPRESSION

from tests.formats.examples import samples
from tests.formats.examples.tiff import claim_subsampling
from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import InputError
from upsample_cli.formats import make_sink, open_source
from upsample_cli.formats.base import ReadOptions, WriteOptions

SHAPE = (8, 9)
JPEG_Y = 3688  # the sum of the luminance table at quality 50


def test_signed_colours_meet_at_grey(tmp_path):
    """Half way between a* = −1 and 1, stored as 255 and 1, lies 0 and not 128."""
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    lab = np.zeros((1, 2, 3), np.uint8)
    lab[..., 0], lab[0, :, 1], lab[0, :, 2] = 100, (255, 1), (3, 253)
    tifffile.imwrite(path, lab, photometric="cielab", metadata=None)
    upsampled(path, out, size="x=3,y=1", align_corners=True)
    assert tifffile.imread(out)[0].tolist() == [[100, 255, 3], [100, 0, 0], [100, 1, 253]]
    with tifffile.TiffFile(out) as tiff:
        assert tiff.pages[0].photometric.name == "CIELAB"
    with Image.open(out) as image:  # Pillow's a* and b* count from −128
        assert image.mode == "LAB"
        assert [image.getpixel((x, 0)) for x in range(3)] == [(100, 127, 131), (100, 128, 128), (100, 129, 125)]


@pytest.mark.parametrize("photometric", ["cielab", "icclab", "ycbcr", "separated", "miniswhite"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", [False, True])
def test_nearest_samples_are_those_of_the_input(tmp_path, photometric, dtype, planar):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    channels = {"separated": 4, "miniswhite": 1}.get(photometric, 3)
    array = samples((*SHAPE, channels) if channels > 1 else SHAPE, dtype)
    config = {"planarconfig": "separate" if planar else "contig"} if channels > 1 else {}
    stored = np.moveaxis(array, -1, 0) if planar and channels > 1 else array
    tifffile.imwrite(path, stored, photometric=photometric, metadata=None, **config)
    assert upsampled(path, out, scale="2", mode="nearest").warnings == ()
    expected = array.repeat(2, 0).repeat(2, 1)
    with tifffile.TiffFile(out) as tiff, tifffile.TiffFile(path) as before:
        page = tiff.pages[0]
        now = np.moveaxis(page.asarray(), 0, -1) if planar and channels > 1 else page.asarray()
        np.testing.assert_array_equal(now, expected)
        for name in ("photometric", "planarconfig", "subsampling", "samplesperpixel"):
            assert getattr(page, name) == getattr(before.pages[0], name)


def test_planes_of_colours_become_a_picture(tmp_path):
    path = tmp_path / "in.tif"
    array = samples((*SHAPE, 3))
    tifffile.imwrite(path, np.moveaxis(array, -1, 0), photometric="rgb", planarconfig="separate", metadata=None)
    upsampled(path, tmp_path / "out.png", scale="2", mode="nearest")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), array.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"compression": "lzw", "predictor": True}])
def test_pillow_reads_planes_of_colours(tmp_path, options):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((20, 35, 3))
    stored = np.moveaxis(array, -1, 0)
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig="separate", metadata=None, **options)
    upsampled(path, out, scale="2", mode="nearest")
    np.testing.assert_array_equal(np.asarray(Image.open(out)), array.repeat(2, 0).repeat(2, 1))


def test_a_stack_of_colours_with_fewer_samples_than_pixels_is_refused(tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, samples((2, 16, 16, 3)), photometric="ycbcr", metadata=None)
    claim_subsampling(path)
    with pytest.raises(InputError, match=r"in\.tif: holds YCbCr colours with subsampled chroma"):
        planned(path, scale="2", axes="zyx")


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_samples_get_whole_bytes_and_it_is_said(tmp_path, bits):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples(SHAPE, "uint16") >> (16 - bits)
    tifffile.imwrite(path, array, bitspersample=bits, photometric="minisblack", metadata=None)
    (warning,) = upsampled(path, out, scale="2", mode="nearest").warnings
    assert warning == f"its {bits}-bit samples are written with 16 bits each"
    np.testing.assert_array_equal(tifffile.imread(out), array.repeat(2, 0).repeat(2, 1))
    with tifffile.TiffFile(out) as tiff:
        assert tiff.pages[0].tags["MaxSampleValue"].value == (1 << bits) - 1


def float24(path):
    """A page of 24-bit floating-point numbers: a sign, 7 bits of exponent, 16 of fraction; gives them."""
    values = {1.0: 0x3F0000, -2.5: 0xC04000, 0.0: 0x000000, 1.5: 0x3F8000}
    words = b"".join(word.to_bytes(3, "little") for word in values.values())
    array = np.zeros((2, 2, 3), np.uint8)
    array[:] = np.frombuffer(words, np.uint8).reshape(2, 2, 3)
    tifffile.imwrite(path, np.zeros((2, 6), np.uint8), metadata=None, photometric="minisblack", software=False)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        start = page.dataoffsets[0]
        places = {code: page.tags[code].valueoffset for code in (256, 258, 277)}
    data[start : start + 12] = words
    data[places[256] : places[256] + 2] = (2).to_bytes(2, "little")
    data[places[258] : places[258] + 2] = (24).to_bytes(2, "little")
    # the tag of samples per pixel, which is 1 without it, becomes that of their format, which is floating point
    data[places[277] - 8 : places[277] + 2] = b"".join(n.to_bytes(2, "little") for n in (339, 3, 1, 0, 3))
    path.write_bytes(data)
    return np.array(list(values), np.float32).reshape(2, 2)


def test_float24(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = float24(path)
    np.testing.assert_array_equal(whole(path), array)
    (warning,) = upsampled(path, out, scale="2", mode="nearest").warnings
    assert warning == "its 24-bit samples are written with 32 bits each"
    np.testing.assert_array_equal(tifffile.imread(out), array.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_small_palette_is_kept(tmp_path, bits):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    picture = Image.fromarray(samples(SHAPE) >> (8 - bits), "P")
    picture.putpalette(samples((1 << bits, 3)).tobytes())
    picture.save(path, bits=bits)
    expected = np.asarray(picture.convert("RGB")).repeat(2, 0).repeat(2, 1)
    assert whole(path, ReadOptions(keep_indices=True)).shape == SHAPE
    upsampled(path, out, scale="2", mode="nearest")
    with Image.open(out) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), expected)
    upsampled(path, out, scale="2")
    with Image.open(out) as image:
        assert image.mode == "RGB"


def quality_of(path):
    """As Pillow reads the tables of the first strip or tile."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        tables = page.jpegtables or b""
        tiff.filehandle.seek(page.dataoffsets[0])
        stream = tables[:-2] + tiff.filehandle.read(page.databytecounts[0])[2 if tables else 0 :]
    position = stream.index(b"\xff\xdb")
    return (200 - 100 * sum(stream[position + 5 : position + 69]) / JPEG_Y) / 2


@pytest.mark.parametrize(
    ("written", "asked", "expected"), [(60, None, 60), (85, None, 85), (85, 70, 70), (97, None, 97)]
)
def test_jpeg_keeps_its_quality(tmp_path, written, asked, expected):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(
        path, samples((32, 48, 3)), photometric="rgb", compression="jpeg", compressionargs={"level": written}
    )
    assert quality_of(path) == pytest.approx(written, abs=1)
    upsampled(path, out, scale="2", quality=asked)
    assert quality_of(out) == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (4, 1)])
@pytest.mark.parametrize("tile", [None, (16, 16), (32, 32)])
def test_jpeg_keeps_its_subsampling_and_space(tmp_path, subsampling, tile):
    if tile == (16, 16) and subsampling == (4, 1):
        pytest.skip("such a file cannot be")
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    y, x = np.indices((40, 56)) * 4
    array = np.stack([x, y, 255 - x], -1).astype(np.uint8)
    tifffile.imwrite(path, array, photometric="rgb", compression="jpeg", subsampling=subsampling, tile=tile)
    assert upsampled(path, out, scale="2").warnings == ()
    with tifffile.TiffFile(out) as tiff:
        page = tiff.pages[0]
        assert (page.photometric.name, page.subsampling, page.tile) == ("YCBCR", subsampling, tile)
    read = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert np.abs(read[4:-4:2, 4:-4:2] - array[2:-2, 2:-2]).mean() < 6


def test_jpeg_of_plain_rgb_stays_so(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    plain = {"level": 90, "outcolorspace": "RGB"}
    tifffile.imwrite(path, samples((32, 32, 3)), photometric="rgb", compression="jpeg", compressionargs=plain)
    upsampled(path, out, scale="2")
    for file in (path, out):
        with Image.open(file) as image:
            assert (image.tag_v2[259], image.tag_v2[262]) == (7, 2)


@pytest.mark.parametrize("compression", ["zlib", "zstd", "lzma"])
def test_the_level_of_compression(tmp_path, compression):
    path = tmp_path / "in.tif"
    array = (np.indices((300, 300)).sum(0) // 7 % 50).astype(np.uint8) ** 2
    tifffile.imwrite(path, array, photometric="minisblack", compression=compression, metadata=None)
    sizes = []
    for level in (1, 9):
        upsampled(path, tmp_path / "out.tif", scale="2", compress_level=level)
        sizes.append((tmp_path / "out.tif").stat().st_size)
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize(
    ("compression", "options"),
    [
        ("webp", {}),
        ("jpeg2000", {}),
        ("png", {}),
        ("jpegxr", {}),
        ("lerc", {}),
        ("jpeg", {"compressionargs": {"level": 9}}),
    ],
)
def test_codecs_of_pictures_are_kept_or_replaced_aloud(tmp_path, compression, options):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples((32, 32, 3)), photometric="rgb", compression=compression, tile=(16, 16), **options)
    plan = upsampled(path, out, scale="2")
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        same = after.pages[0].compression == before.pages[0].compression
        assert after.asarray().shape == (64, 64, 3)
    assert same != any("is used instead" in warning for warning in plan.warnings)


def test_a_codec_that_cannot_hold_the_result_is_replaced_aloud(tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, samples((16, 16)), photometric="minisblack", compression="jpeg", metadata=None)
    with open_source(path, ReadOptions()) as source:
        header = source.header._replace(dtype=np.dtype(np.float32))
    sink = make_sink(tmp_path / "out.tif", [header], WriteOptions())
    assert sink.warnings == ["JPEG compression cannot encode the output: Deflate is used instead"]
    sink.write([tmp_path / "out.tif"], iter([[np.full((16, 16), 0.5, np.float32)]]))
    assert (tifffile.imread(tmp_path / "out.tif") == 0.5).all()


@pytest.mark.skipif(COMPRESSION.CCITT_T6 not in tifffile.TIFF.DECOMPRESSORS, reason="this tifffile does not read it")
def test_a_codec_that_cannot_be_written_is_replaced_aloud(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    picture = Image.fromarray(samples((16, 16)) > 127)
    picture.save(path, compression="group4")
    (warning,) = upsampled(path, out, scale="2", mode="nearest").warnings
    assert "compression cannot be written; Deflate is used instead" in warning
    with Image.open(out) as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(picture).repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("dtype", ["uint16", "bool"])
def test_strips_are_as_high_as_they_were(tmp_path, compression, dtype):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((21, 35), dtype)
    tifffile.imwrite(path, array, rowsperstrip=4, compression=compression, photometric="minisblack", metadata=None)
    assert upsampled(path, out, scale="2", mode="nearest").warnings == ()
    with tifffile.TiffFile(out) as tiff:
        assert (tiff.pages[0].rowsperstrip, len(tiff.pages[0].dataoffsets)) == (4, 11)
    expected = array.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    with Image.open(out) as image:
        np.testing.assert_array_equal(np.asarray(image).astype(dtype), expected)


def test_a_mosaic_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", samples(SHAPE), photometric="cfa", metadata=None)
    with pytest.raises(InputError, match="mosaic of colours"):
        planned(tmp_path / "in.tif", scale="2")


def test_a_layout_that_contradicts_itself_is_written_without_the_contradiction(tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, samples(SHAPE), photometric="minisblack", metadata=None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].tags["PhotometricInterpretation"].valueoffset
    data[offset] = 8  # CIELAB has three samples in a pixel
    path.write_bytes(data)
    (warning,) = upsampled(path, tmp_path / "out.tif", scale="2", mode="nearest", verify=True).warnings
    assert warning == "its pixels cannot be CIELAB colours as its tags say: written as MINISBLACK"
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), samples(SHAPE).repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    "options", [{"compression": "jpeg"}, {"compression": "zlib", "predictor": True}, {"compression": "lzw"}]
)
@pytest.mark.parametrize("layout", [{"tile": (16, 32)}, {"rowsperstrip": 16}], ids=str)
def test_pages_of_many_segments_are_read_as_by_tifffile(tmp_path, layout, options):
    """By several threads, which must not read from the file at the same time."""
    y, x = np.mgrid[:2400, :640]
    pixels = np.stack([y % 251, x % 241, (x + y) % 239], -1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="rgb", metadata=None, **layout, **options)
    for _ in range(3):
        np.testing.assert_array_equal(whole(tmp_path / "in.tif"), tifffile.imread(tmp_path / "in.tif"))
