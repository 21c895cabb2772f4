"""Damaged, odd and hostile pictures: read as other readers do, as far as possible on request, or refused at once."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli_helpers import invoke
from tests.formats import file_dump
from tests.formats.file_dump import chunk, chunks, icc_profile, long, png, segments, short
from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import InputError, RequestError, UpsampleError
from upsample_cli.formats import open_source
from upsample_cli.formats.base import ReadOptions
from upsample_cli.verify import picture_input

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (24, 24, 3), np.uint8)
LARGE = RANDOM.integers(0, 256, (96, 96, 3), np.uint8)
TRUNCATED = ReadOptions(truncated=True)


def packed(values, depth):
    """Rows of samples of a few bits, in whole bytes."""
    in_byte = 8 // depth
    padded = np.pad(values, [(0, 0), (0, -values.shape[1] % in_byte)]).reshape(len(values), -1, in_byte)
    rows = (padded << np.arange(8 - depth, -1, -depth)).sum(-1).astype(np.uint8)
    return [row.tobytes() for row in rows]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_bits_of_a_colour_key_above_the_depth_do_not_count(tmp_path, depth):
    values = RANDOM.integers(0, 2**depth, (5, 7))
    key = struct.pack(">H", 0xFF00 | int(values[0, 0]) | (0xF0 if depth == 4 else 0))
    (tmp_path / "in.png").write_bytes(png(packed(values, depth), (7, 5), depth, 0, chunk(b"tRNS", key)))
    found = whole(tmp_path / "in.png")
    np.testing.assert_array_equal(found[..., 0], values * (255 // (2**depth - 1)))
    np.testing.assert_array_equal(found[..., 1], np.where(values == values[0, 0], 0, 255))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_colour_key_of_few_bits_is_verified(tmp_path, depth):
    values = RANDOM.integers(0, 2**depth, (5, 7))
    (tmp_path / "in.png").write_bytes(png(packed(values, depth), (7, 5), depth, 0, chunk(b"tRNS", b"\0\1")))
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(whole(tmp_path / "out.png")[::2, ::2, 1], np.where(values == 1, 0, 255))


def with_wrong_checksum(name, data):
    return chunk(name, data)[:-4] + b"\1\2\3\4"


@pytest.mark.parametrize("name", [b"cLLI", b"tEXt", b"pHYs", b"eXIf", b"gAMA"])
def test_chunks_with_a_wrong_checksum_are_dropped(tmp_path, name):
    before = with_wrong_checksum(name, bytes(9))
    (tmp_path / "in.png").write_bytes(png([row.tobytes() for row in RGB], (24, 24), before=before))
    (warning,) = planned(tmp_path / "in.png", scale=2).warnings
    assert warning == f"its chunk {name.decode()} is damaged or repeated and is dropped"
    np.testing.assert_array_equal(whole(tmp_path / "in.png"), RGB)


@pytest.mark.parametrize("name", [b"tRNS", b"PLTE"])
def test_chunks_of_the_picture_with_a_wrong_checksum_are_refused(tmp_path, name):
    before = with_wrong_checksum(name, bytes(6))
    (tmp_path / "in.png").write_bytes(png([row.tobytes() for row in RGB], (24, 24), before=before))
    with pytest.raises(InputError, match=f"its chunk {name.decode()} is damaged"):
        planned(tmp_path / "in.png", scale=2)


@pytest.mark.parametrize("compression", [4, 5], ids=["JPEG", "PNG"])
@pytest.mark.parametrize("header", [40, 124])
def test_bmp_that_contains_another_file(tmp_path, compression, header):
    encode = {4: imagecodecs.jpeg8_encode, 5: imagecodecs.png_encode}[compression]
    content = encode(RGB)
    info = struct.pack("<IiiHHIIii", header, 24, 24, 1, 0, compression, len(content), 0, 0).ljust(header, b"\0")
    start = b"BM" + struct.pack("<IHHI", 14 + header + len(content), 0, 0, 14 + header)
    (tmp_path / "in.bmp").write_bytes(start + info + content)
    upsampled(tmp_path / "in.bmp", tmp_path / "out.png", scale=2, mode="nearest", verify=True)
    expected = RGB if compression == 5 else imagecodecs.jpeg8_decode(content)
    np.testing.assert_array_equal(whole(tmp_path / "out.png"), expected.repeat(2, 0).repeat(2, 1))


def test_a_density_per_centimetre_beside_exif_in_inches(tmp_path):
    exif = Image.Exif()
    exif[282] = exif[283] = 254.0
    exif[296] = 2
    Image.fromarray(RGB).save(tmp_path / "in.jpg", exif=exif)
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    assert data[6:10] == b"JFIF"
    data[13:18] = struct.pack(">BHH", 2, 100, 100)
    (tmp_path / "in.jpg").write_bytes(data)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale=2, verify=True)
    assert (tmp_path / "out.jpg").read_bytes()[13:18] == struct.pack(">BHH", 2, 200, 200)
    with Image.open(tmp_path / "out.jpg") as image:
        assert [image.getexif()[tag] for tag in (282, 283, 296)] == [508, 508, 2]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_an_orientation_that_turns_nothing_is_no_loss(tmp_path, suffix):
    tifffile.imwrite(tmp_path / "in.tif", RGB, photometric="rgb", metadata=None, extratags=[(274, 3, 1, 1, True)])
    assert planned(tmp_path / "in.tif", scale=2, output=tmp_path / f"out{suffix}").warnings == ()


def test_odd_exif_passes_the_check(tmp_path):
    exif = Image.Exif()
    exif[274], exif[305] = 1, "x"
    data = bytearray(exif.tobytes())
    place = data.index(struct.pack("<HH", 274, 3) if b"II" in data[:10] else struct.pack(">HH", 274, 3))
    data[place + 2 : place + 4] = bytes(2)  # a type that does not exist
    Image.fromarray(RGB).save(tmp_path / "in.jpg", exif=bytes(data), quality=95)
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale=2, verify=True)
    assert any("damaged entries of its EXIF are dropped" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("start", "name"),
    [(bytes(4) + b"ftypavif", "AVIF"), (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"), (b"\xff\xd8\xff\xee", "JPEG")],
)
def test_a_picture_that_pillow_does_not_recognise_is_still_one(tmp_path, start, name):
    (tmp_path / "in.bin").write_bytes(start + bytes(40))
    with pytest.raises(InputError, match=f"is {name} that is damaged, or of a kind that cannot be read"):
        whole(tmp_path / "in.bin")


@pytest.mark.parametrize(("width", "height"), [(-9, 5), (0, 5)])
def test_sides_without_pixels(tmp_path, width, height):
    header = struct.pack("<IiiHHIIii", 79, width, height, 1, 24, 0, 0, 0, 0).ljust(40, b"\0")
    (tmp_path / "in.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 200, 0, 0, 54) + header + bytes(200))
    with pytest.raises(InputError, match=f"its header is invalid: {width}×"):
        whole(tmp_path / "in.bmp")


def test_an_absurd_pixel_aspect_ratio_is_ignored(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "in.jpg")
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    data[13:18] = struct.pack(">BHH", 0, 65_518, 14)
    (tmp_path / "in.jpg").write_bytes(data)
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale=2, verify=True)
    assert plan.first.after.grid["y"].spacing is None
    data[13:18] = struct.pack(">BHH", 0, 4, 3)
    (tmp_path / "in.jpg").write_bytes(data)
    assert planned(tmp_path / "in.jpg", scale=2).first.before.grid["x"].spacing == 3 / 4


def test_a_jpeg_2000_with_a_tile_part_more_than_it_claims(tmp_path):
    """Such files are read by OpenCV and imagecodecs, but not by Pillow."""
    path = tmp_path / "in.j2k"
    Image.fromarray(RGB).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:-2] + bytes.fromhex("ff90 000a 0000 0000000e 01 01 ff93") + data[-2:])
    with Image.open(path) as image, pytest.raises(OSError, match="broken data stream"):
        image.load()
    upsampled(path, tmp_path / "out.png", scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(whole(tmp_path / "out.png")[::2, ::2], RGB)
    cut(path)
    with pytest.raises(InputError):
        whole(path)


def interlaced(array, colour_type):
    """An interlaced PNG."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [row for x, y, dx, dy in passes for row in array[y::dy, x::dx] if row.size]
    data = zlib.compress(b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", *array.shape[1::-1], 8 * array.itemsize, colour_type, 0, 0, 1)
    return file_dump.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND")


@pytest.mark.parametrize(
    ("channels", "colour_type"), [((), 0), ((2,), 4), ((3,), 2), ((4,), 6)], ids=["L", "LA", "RGB", "RGBA"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(9, 13), (1, 1), (3, 2)])
def test_interlaced_png(tmp_path, capfd, channels, colour_type, dtype, shape):
    array = RANDOM.integers(0, np.iinfo(dtype).max, (*shape, *channels), dtype)
    (tmp_path / "in.png").write_bytes(interlaced(array, colour_type))
    np.testing.assert_array_equal(whole(tmp_path / "in.png"), array)
    assert capfd.readouterr() == ("", ""), "libpng prints a warning"


def test_nothing_that_libpng_says_reaches_the_terminal(tmp_path, capfd):
    bad_time = chunk(b"tIME", bytes(7))
    (tmp_path / "in.png").write_bytes(png([row.tobytes() for row in RGB], (24, 24), before=bad_time))
    done = invoke(str(tmp_path / "in.png"), "--scale", "2", "--verify", "-q")
    assert done.exit_code == 0
    assert capfd.readouterr().err == ""


def cut(path, kept=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".ppm", ".gif", ".tga", ".jp2", ".webp"])
def test_truncated_pictures_are_read_on_request(tmp_path, suffix):
    path = tmp_path / f"in{suffix}"
    Image.fromarray(LARGE).save(path)
    complete = whole(path)
    cut(path)
    with pytest.raises(InputError):
        whole(path)
    with open_source(path, TRUNCATED) as source:
        assert not any("truncated" in warning for warning in source.warnings)
        found = source.read(0, 0, 96)
        assert any("damaged or truncated" in warning for warning in source.warnings)
    assert found.shape == complete.shape
    if suffix == ".jp2":  # of which each part refines the whole picture
        return
    first = slice(-8, None) if suffix in (".bmp", ".tga") else slice(8)  # those are stored from the bottom up
    np.testing.assert_array_equal(found[first], complete[first])


def smooth(height, width, channels):
    """A picture that a lossy codec changes little."""
    y, x, s = np.ogrid[:height, :width, :channels]
    return (x // 3 + y // 4 + 20 * s).astype(np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_truncated_avif_is_read_on_request(tmp_path, channels):
    path = tmp_path / "in.avif"
    noise = RANDOM.integers(0, 32, (256, 64, 1), np.uint8)
    Image.fromarray(smooth(256, 64, channels) + noise).save(path)
    complete = whole(path)
    cut(path, 0.9)
    with pytest.raises(InputError, match="is truncated; --truncated reads what is there"):
        whole(path)
    with open_source(path, TRUNCATED) as source:
        found = source.read(0, 0, 256)
        assert any("damaged or truncated" in warning for warning in source.warnings)
    np.testing.assert_array_equal(found[:32], complete[:32])


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("channels", [1, 4])
def test_complete_groups_of_a_truncated_jpeg_xl_are_read_on_request(tmp_path, lossless, channels):
    path = tmp_path / "in.jxl"
    array = smooth(600, 600, channels) + RANDOM.integers(0, 9, (600, 600, channels), np.uint8)
    array = array[..., 0] if channels == 1 else array
    path.write_bytes(imagecodecs.jpegxl_encode(array, usecontainer=True, lossless=lossless, effort=3))
    complete = whole(path)
    cut(path, 0.85)
    with pytest.raises(InputError):
        whole(path)
    found = whole(path, TRUNCATED)
    assert (found.shape, found.dtype) == (complete.shape, complete.dtype)
    first = found[:200, :200].astype(int) - complete[:200, :200]
    assert np.abs(first).max() <= (0 if lossless else 3)


@pytest.mark.parametrize("width", [40, 5], ids=["run lengths", "flat"])
def test_complete_rows_of_a_truncated_radiance_picture_are_read_on_request(tmp_path, width):
    path = tmp_path / "in.hdr"
    path.write_bytes(imagecodecs.rgbe_encode(RANDOM.random((50, width, 3), np.float32)))
    complete = whole(path)
    cut(path)
    with pytest.raises(InputError):
        whole(path)
    found = whole(path, TRUNCATED)
    np.testing.assert_array_equal(found[:20], complete[:20])
    assert not found[35:].any()


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(
    ("suffix", "options"), [(".gif", {}), (".png", {}), (".webp", {}), (".webp", {"lossless": True})]
)
def test_of_a_truncated_animation_the_last_frames_repeat(tmp_path, suffix, options, kept):
    path, out = tmp_path / f"in{suffix}", tmp_path / "out.png"
    frames = [Image.fromarray(np.roll(LARGE, 20 * number, 0)) for number in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, **options)
    complete = whole(path)
    cut(path, kept)
    with pytest.raises(InputError):
        whole(path)
    upsampled(path, out, scale=2, mode="nearest", truncated=True, verify=True)
    found = whole(out)[:, ::2, ::2]
    assert 1 < len(found) <= 4
    np.testing.assert_array_equal(found[0, :8, :, :3], complete[0, :8, :, :3])


def test_a_complete_picture_is_not_said_to_be_truncated(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "in.png")
    np.testing.assert_array_equal(whole(tmp_path / "in.png", TRUNCATED), RGB)
    done = invoke(str(tmp_path / "in.png"), "--scale", "2", "--truncated")
    assert "damaged" not in done.stderr


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_with_damaged_samples(tmp_path, depth):
    array = RANDOM.integers(0, 2**depth, (96, 96, 3), np.uint64).astype(f"u{depth // 8}")
    data = bytearray(imagecodecs.png_encode(array))
    data[len(data) * 3 // 4 : len(data) * 3 // 4 + 10] = bytes(10)
    (tmp_path / "in.png").write_bytes(data)
    with pytest.raises(InputError):
        whole(tmp_path / "in.png")
    found = whole(tmp_path / "in.png", TRUNCATED)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found[:8], array[:8])


def test_the_warning_of_a_truncated_picture_is_printed(tmp_path):
    Image.fromarray(LARGE).save(tmp_path / "in.jpg")
    cut(tmp_path / "in.jpg")
    refused = invoke(str(tmp_path / "in.jpg"), "--scale", "2")
    assert refused.exit_code == 3
    done = invoke(str(tmp_path / "in.jpg"), "--scale", "2", "--truncated")
    assert done.exit_code == 0
    assert "damaged or truncated" in done.stderr
    assert "data after the picture" not in done.stderr


def gif(screen, *frames, palette=bytes(range(6))):
    """A GIF of frames (x, y, width, height, disposal, transparent entry or None, indices)."""
    data = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + palette
    for x, y, width, height, disposal, clear, indices in frames:
        flags = disposal << 2 | (clear is not None)
        data += struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, 10, clear or 0, 0)
        data += struct.pack("<BHHHHB", 0x2C, x, y, width, height, 0)
        data += lzw(indices)
    return data + b";"


def lzw(indices):
    """LZW data of palette indices 0 and 1, with a clear code before each, so that all codes have 3 bits."""
    number = position = 0
    for code in [code for index in indices for code in (4, index)] + [5]:
        number |= code << position
        position += 3
    data = number.to_bytes((position + 7) // 8, "little")
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\2" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def test_a_frame_far_beyond_the_screen_is_verified_band_by_band(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_input, "_BAND_PIXELS", 4)
    frames = [(0, 0, 2, 2, 1, None, [1] * 4), (0, 6, 2, 1, 1, None, [0, 1])]
    (tmp_path / "in.gif").write_bytes(gif((2, 2), *frames))
    upsampled(tmp_path / "in.gif", tmp_path / "out.png", scale="2", mode="nearest", verify=True)


def test_frames_beyond_the_screen_enlarge_it(tmp_path):
    frames = [(0, 0, 2, 2, 1, None, [1] * 4), (1, 1, 3, 2, 1, None, [0, 1, 1, 1, 1, 0])]
    (tmp_path / "in.gif").write_bytes(gif((2, 2), *frames))
    plan = upsampled(tmp_path / "in.gif", tmp_path / "out.png", scale="2", mode="nearest", verify=True)
    assert "enlarged" in " ".join(plan.warnings)
    found = whole(tmp_path / "in.gif")
    assert found.shape == (2, 3, 4, 4)
    assert found[0, :2, :2, 0].tolist() == [[3, 3], [3, 3]]
    assert found[0, 2, :, 3].tolist() == [0, 0, 0, 0]
    assert found[1, 1:, 1:, 0].tolist() == [[0, 3, 3], [3, 3, 0]]


def test_a_frame_cleared_by_disposal_is_clear_in_every_reader(tmp_path):
    frames = [(0, 0, 3, 1, 1, 0, [0, 1, 0]), (0, 0, 3, 1, 2, None, [1, 1, 1]), (1, 0, 1, 1, 1, 0, [1])]
    (tmp_path / "in.gif").write_bytes(gif((3, 1), *frames, palette=b"\0\0\0\xff\xff\xff"))
    before = whole(tmp_path / "in.gif")
    upsampled(tmp_path / "in.gif", tmp_path / "out.gif", scale="2", mode="nearest")
    with Image.open(tmp_path / "out.gif") as image:
        for number in range(3):
            image.seek(number)
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
            np.testing.assert_array_equal(alpha, before[number, ..., 3].repeat(2, 0).repeat(2, 1))
    flags = [part[1] & 1 for part in (tmp_path / "out.gif").read_bytes().split(b"\x21\xf9")[1:]]
    assert flags == [1, 1, 1]


def test_no_gif_is_decoded_before_its_pixels_are_counted(tmp_path):
    frame = (0, 0, 1, 1, 2, 0, [1])
    (tmp_path / "screen.gif").write_bytes(gif((65535, 65535), frame))
    (tmp_path / "frame.gif").write_bytes(gif((1, 1), frame, (60000, 60000, 5000, 5000, 2, 0, [1])))
    for name in ("screen.gif", "frame.gif"):
        with pytest.raises(RequestError, match="memory"):
            planned(tmp_path / name, tmp_path / "out.png", scale="1")


def test_no_webp_and_no_icon_is_decoded_before_its_pixels_are_counted(tmp_path):
    canvas = b"\x10\0\0\0" + (16382).to_bytes(3, "little") * 2
    chunks_ = b"VP8X" + struct.pack("<I", 10) + canvas + b"VP8L" + struct.pack("<I", 6) + b"\x2f\0\0\0\0\0"
    (tmp_path / "in.webp").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks_)) + b"WEBP" + chunks_)
    with pytest.raises(RequestError, match="memory"):
        planned(tmp_path / "in.webp", tmp_path / "out.png", scale="1")
    inside = png([], (50_000, 50_000))
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inside), 22)
    (tmp_path / "in.ico").write_bytes(head + inside)
    with pytest.raises(InputError, match="an icon of 50000×50000 pixels"):
        planned(tmp_path / "in.ico", tmp_path / "out.png", scale="1")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_an_orientation_in_xmp_alone_is_applied_once(tmp_path, suffix):
    document = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    array = np.zeros((8, 16, 3), np.uint8)
    array[:, 8:] = 255
    save = {"lossless": True} if suffix == ".webp" else {}
    if suffix == ".png":
        text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + document)
        (tmp_path / "in.png").write_bytes(png([row.tobytes() for row in array], (16, 8), before=text))
    else:
        Image.fromarray(array).save(tmp_path / f"in{suffix}", xmp=document, **save)
    assert whole(tmp_path / f"in{suffix}").shape == (16, 8, 3)
    upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale="2", verify=True)
    again = whole(tmp_path / f"out{suffix}")
    assert again.shape == (32, 16, 3)
    assert again[:8].mean() < 40
    assert again[-8:].mean() > 215


def test_broken_entries_of_exif_are_left_out_and_the_others_keep_their_order(tmp_path):
    main = {271: file_dump.ascii_value("a camera"), 256: long("<", 24), 274: short("<", 1), 305: short("<", 7)}
    data = bytearray(file_dump.exif("<", main, {}))
    at = data.index(struct.pack("<HH", 305, 3))
    data[at + 2 : at + 4] = b"\0\0"  # a type that does not exist
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "JPEG", exif=b"Exif\0\0" + bytes(data))
    (tmp_path / "in.jpg").write_bytes(stream.getvalue())
    plan = upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2", provenance=False, verify=True)
    assert "1 damaged entries of its EXIF are dropped" in plan.warnings
    (stored,) = [d[6:] for marker, d in segments((tmp_path / "out.jpg").read_bytes()) if d.startswith(b"Exif")]
    (first,) = struct.unpack_from("<I", stored, 4)
    (count,) = struct.unpack_from("<H", stored, first)
    entries = [struct.unpack_from("<HH", stored, first + 2 + 12 * number) for number in range(count)]
    before = [tag for tag in stored_tags(bytes(data)) if tag != 305]
    assert [tag for tag, _ in entries if tag in before] == before
    assert all(field_type for _, field_type in entries)


def stored_tags(exif):
    (first,) = struct.unpack_from("<I", exif, 4)
    (count,) = struct.unpack_from("<H", exif, first)
    return [struct.unpack_from("<H", exif, first + 2 + 12 * number)[0] for number in range(count)]


def with_segments(*added):
    """A JPEG with segments before its frame header, and the first of them once more behind it."""
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "JPEG")
    data = stream.getvalue()
    packed_segments = [struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in added]
    start = data.index(b"\xff\xc0")
    end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
    return data[:start] + b"".join(packed_segments) + data[start:end] + packed_segments[0] + data[end:]


def test_a_profile_that_is_stored_twice_is_written_once(tmp_path):
    profile = icc_profile(RANDOM.bytes(100))
    (tmp_path / "in.jpg").write_bytes(with_segments((0xE2, b"ICC_PROFILE\0\1\1" + profile)))
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2")
    stored = [d for marker, d in segments((tmp_path / "out.jpg").read_bytes()) if marker == 0xE2]
    assert stored == [b"ICC_PROFILE\0\1\1" + profile]


def test_segments_of_cameras_are_not_dropped_without_a_word(tmp_path):
    (tmp_path / "in.jpg").write_bytes(with_segments((0xE0, b"II\x1a\0\0\0HEAPCCDR" + bytes(20))))
    plan = planned(tmp_path / "in.jpg", scale="2")
    assert "its APP0 segments HEAPCCDR are dropped" in plan.warnings


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_an_absurd_density_is_dropped_with_a_warning(tmp_path, suffix):
    phys = chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1))
    rows = [row.tobytes() for row in RGB]
    (tmp_path / "in.png").write_bytes(png(rows, (24, 24), before=phys))
    assert not any("plausible" in warning for warning in planned(tmp_path / "in.png", scale="2").warnings)
    exif = file_dump.exif(
        "<", {282: (5, 1, struct.pack("<II", 2**32 - 1, 1)), 283: (5, 1, struct.pack("<II", 1, 1))}, {}
    )
    (tmp_path / "in.png").write_bytes(png(rows, (24, 24), before=chunk(b"eXIf", exif)))
    plan = upsampled(tmp_path / "in.png", tmp_path / f"out{suffix}", scale="2")
    assert any("not plausible" in warning for warning in plan.warnings)
    assert plan.first.after.grid["x"].spacing is None


@pytest.mark.parametrize("frames", [2, 4])
def test_a_default_image_that_is_no_frame_is_verified(tmp_path, frames):
    images = [Image.fromarray(RANDOM.integers(0, 256, (6, 8, 3), np.uint8)) for _ in range(frames + 1)]
    images[0].save(tmp_path / "in.png", save_all=True, append_images=images[1:], default_image=True, duration=40)
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", verify=True)
    assert whole(tmp_path / "out.png").shape == (frames, 12, 16, 3)
    names = [name for name, _ in chunks((tmp_path / "out.png").read_bytes())]
    assert names.count(b"fcTL") == frames


def disposing_of_a_region():
    """Green, with red in a region that is taken away; in front a picture that is no frame, which misleads Pillow."""

    def pixels(colour, width, height):
        return zlib.compress((b"\0" + colour * width) * height)

    red, green = b"\xff\0\0\xff", b"\0\xff\0\xff"
    frames = [(green, 8, 6, 0, 0, 0), (red, 4, 3, 2, 1, 2), (green, 1, 1, 0, 0, 0)]
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 6, 0, 0, 0)) + chunk(b"acTL", struct.pack(">II", 3, 0))
    data += chunk(b"IDAT", pixels(red, 8, 6))
    for number, (colour, width, height, x, y, dispose) in enumerate(frames):
        control = struct.pack(">IIIIIHHBB", 2 * number, width, height, x, y, 1, 10, dispose, 0)
        content = struct.pack(">I", 2 * number + 1) + pixels(colour, width, height)
        data += chunk(b"fcTL", control) + chunk(b"fdAT", content)
    return file_dump.SIGNATURE + data + chunk(b"IEND")


def test_frames_that_pillow_disposes_of_wrongly_are_verified_with_libpng(tmp_path, monkeypatch):
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    path.write_bytes(disposing_of_a_region())
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    expected = imagecodecs.apng_decode(path.read_bytes())[1:]
    np.testing.assert_array_equal(imagecodecs.apng_decode(out.read_bytes()), expected.repeat(2, 1).repeat(2, 2))
    assert (expected[2] == (0, 255, 0, 255)).all()

    from upsample_cli.formats.picture.png import apng

    frames = apng.frames
    monkeypatch.setattr(apng, "frames", lambda *given: (frame[::-1] for frame in frames(*given)))
    with pytest.raises(UpsampleError, match="differs from Pillow's reading"):
        upsampled(path, tmp_path / "again.png", scale=2, mode="nearest", verify=True)


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_an_animation_of_16_bits_is_verified_and_read_by_others(tmp_path, channels):
    array = RANDOM.integers(0, 65536, (4, 9, 11, *channels), np.uint16)
    np.save(tmp_path / "in.npy", array)
    axes = "tyxs"[: array.ndim]
    upsampled(tmp_path / "in.npy", tmp_path / "out.png", scale="2", mode="nearest", axes=axes, verify=True)
    found = imagecodecs.apng_decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(found[:, ::2, ::2], array)
    upsampled(tmp_path / "out.png", tmp_path / "again.png", scale="1.5", verify=True)


def test_verify_notices_a_reading_that_is_not_pillows(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "in.png")
    from upsample_cli.formats.picture.png import decode

    monkeypatch.setattr(decode, "picture", lambda *_: RGB[::-1].copy())
    with pytest.raises(UpsampleError, match="differs from Pillow's reading"):
        upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", verify=True)


def test_metadata_that_the_header_of_webp_does_not_announce_are_dropped(tmp_path):
    """libwebp does not read them either, so an orientation there must not turn the picture."""
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(RGB[:12]).save(tmp_path / "in.webp", lossless=True, exif=exif)
    data = bytearray((tmp_path / "in.webp").read_bytes())
    data[data.index(b"VP8X") + 8] &= ~0x08
    (tmp_path / "in.webp").write_bytes(data)
    plan = upsampled(tmp_path / "in.webp", tmp_path / "out.webp", scale="2", verify=True)
    assert plan.first.after.grid.shape[:2] == (24, 48)
    assert any("its chunk EXIF is dropped" in warning for warning in plan.warnings)


def test_png_has_no_more_pixels_per_side_than_libpng_reads(tmp_path):
    Image.new("L", (1000, 1)).save(tmp_path / "in.png")
    with pytest.raises(UpsampleError, match=r"PNG allows at most 1,000,000 pixels per side.*write \.tif"):
        planned(tmp_path / "in.png", tmp_path / "out.png", size="x=1000001")
    planned(tmp_path / "in.png", tmp_path / "out.png", size="x=1000000")


def test_a_ratio_in_jfif_beside_exif_without_a_density_is_verified(tmp_path):
    """Pillow makes up 72 dpi for such files."""
    exif = Image.Exif()
    exif[271] = "a camera"
    Image.fromarray(RGB).save(tmp_path / "in.jpg", exif=exif)
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    struct.pack_into(">BHH", data, data.index(b"JFIF") + 7, 0, 3, 33)
    (tmp_path / "in.jpg").write_bytes(data)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", size="20", verify=True)


def test_frames_after_a_damaged_chunk_are_verified(tmp_path):
    """Pillow reads no frame after it."""
    frames = [Image.fromarray(np.roll(RGB, 5 * number, 0)) for number in range(3)]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:], duration=40)
    data = (tmp_path / "in.png").read_bytes()
    place = data.index(b"fdAT") - 4
    (tmp_path / "in.png").write_bytes(data[:place] + chunk(b"iCCP", b"profile\0\0nothing") + data[place:])
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", verify=True)
