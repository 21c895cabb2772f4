"""Pictures of kinds that few programs write, or that break a rule which other readers forgive."""

import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.formats.examples import samples
from tests.pipeline_helpers import upsampled, whole
from upsample_cli.formats.picture.pixels import unpremultiplied


def doubled(array):
    return array.repeat(2, -3).repeat(2, -2)


@pytest.mark.parametrize("suffix", [".jxl", ".png", ".webp"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("count", [2, 5, 8])
def test_all_frames_of_an_animated_jpeg_xl(tmp_path, suffix, channels, count):
    path, out = tmp_path / "in.jxl", tmp_path / f"out{suffix}"
    frames = samples((count, 8, 9, channels))
    frames[..., 3:] |= 128
    path.write_bytes(imagecodecs.jpegxl_encode(frames, lossless=True))
    plan = upsampled(path, out, scale="x=2,y=2", mode="nearest", quality=100, verify=True)
    assert plan.first.after.grid.shape == (count, 16, 18, channels)
    assert any("frame durations cannot be read" in warning for warning in plan.warnings)
    if suffix != ".webp":
        np.testing.assert_allclose(whole(out).astype(int), doubled(frames), atol=1)  # the best quality is not exact


def test_grey_frames_of_jpeg_xl(tmp_path):
    frames = samples((3, 8, 9))
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(frames[..., None], lossless=True))
    np.testing.assert_array_equal(whole(tmp_path / "in.jxl"), frames)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_colours_are_divided_by_alpha(dtype):
    full = 1 if dtype == "float32" else np.iinfo(dtype).max
    straight = np.random.default_rng(0).random((8, 9, 4))
    straight[..., 3] = straight[..., 3] / 2 + 0.5
    straight[0, 0] = 0
    stored = np.concatenate([straight[..., :3] * straight[..., 3:], straight[..., 3:]], -1) * full
    stored = np.rint(stored).astype(dtype) if full > 1 else stored.astype(dtype)
    np.testing.assert_allclose(unpremultiplied(stored) / full, straight, atol=2 / full if full > 1 else 1e-6)


def test_bytes_between_the_blocks_of_a_gif(tmp_path):
    path = tmp_path / "in.gif"
    frames = [Image.fromarray(samples((8, 9)) // (2 + number)) for number in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    complete = whole(path)
    data = path.read_bytes()
    place = data.index(b"\x21\xf9\x04", data.index(b"\x2c"))  # before the second frame
    path.write_bytes(data[:place] + b"\0\0" + data[place:])
    plan = upsampled(path, tmp_path / "out.gif", scale=1, verify=True)
    assert "unknown bytes between its blocks are skipped" in plan.warnings
    np.testing.assert_array_equal(whole(path), complete)


@pytest.mark.parametrize("length", [16, 44])
def test_a_bmp_with_a_header_of_another_length(tmp_path, length):
    path = tmp_path / "in.bmp"
    indices, palette = samples((8, 12)) % 4, samples((4, 4))
    palette[:, 3] = 0
    head = struct.pack("<IiiHH", length, 12, 8, 1, 8).ljust(length, b"\0")
    table = np.zeros((256, 4), np.uint8)
    table[:4] = palette
    offset = 14 + len(head) + table.nbytes
    path.write_bytes(
        b"BM" + struct.pack("<IHHI", offset + 96, 0, 0, offset) + head + table.tobytes() + indices[::-1].tobytes()
    )
    np.testing.assert_array_equal(whole(path), palette[indices][..., 2::-1])


@pytest.mark.parametrize(("magic", "channels"), [("P5", 1), ("P6", 3), ("P7", 1), ("P7", 3), ("P7", 4)])
def test_netpbm_whose_highest_level_is_one(tmp_path, magic, channels):
    path, out = tmp_path / "in.pnm", tmp_path / "out.png"
    levels = samples((8, 9, channels)) & 1
    head = f"P7\nWIDTH 9\nHEIGHT 8\nDEPTH {channels}\nMAXVAL 1\nENDHDR\n" if magic == "P7" else f"{magic} 9 8 1\n"
    path.write_bytes(head.encode() + levels.tobytes())
    upsampled(path, out, scale=2, mode="nearest", verify=True)
    np.testing.assert_array_equal(whole(out).reshape(16, 18, channels), doubled(levels) * 255)


def test_a_grey_animation_is_verified_frame_by_frame(tmp_path):
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    frames = [Image.fromarray(np.roll(samples((8, 9)), number)) for number in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    upsampled(path, out, scale="x=2,y=2", mode="nearest", verify=True)
    np.testing.assert_array_equal(whole(out), whole(path).repeat(2, 1).repeat(2, 2))


def test_a_picture_of_several_views_is_written_as_jpeg(tmp_path):
    path, out = tmp_path / "in.mpo", tmp_path / "out.mpo"
    views = [Image.fromarray(samples((8, 9, 3))) for _ in range(2)]
    views[0].save(path, save_all=True, append_images=views[1:])
    plan = upsampled(path, out, scale=2, verify=True)
    assert "only the first of 2 frames is resized" in plan.warnings
    with Image.open(out) as image:
        assert (image.format, image.size) == ("JPEG", (18, 16))


@pytest.mark.parametrize("dpi", [(300, 150), (72.5, 20_000), (2, 1)])
def test_jpeg_2000_holds_a_profile_and_a_resolution(tmp_path, dpi):
    path, out, again = tmp_path / "in.png", tmp_path / "out.jp2", tmp_path / "again.jp2"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(samples((40, 48, 3))).save(path, dpi=dpi, icc_profile=profile)
    assert upsampled(path, out, scale=2, verify=True).warnings == ()
    plan = upsampled(out, again, scale=2, mode="nearest", verify=True)
    assert plan.warnings == ()
    assert plan.first.before.icc == profile
    with Image.open(again) as image:
        assert image.info["dpi"] == pytest.approx([4 * value for value in dpi], rel=0.01)
        image.load()
    assert imagecodecs.jpeg2k_decode(again.read_bytes()).shape == (160, 192, 3)


def test_a_codestream_of_jpeg_2000_holds_neither(tmp_path):
    Image.fromarray(samples((40, 48, 3))).save(tmp_path / "in.png", dpi=(300, 150))
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.j2k", scale=2, verify=True)
    assert plan.warnings == ("JPEG2000 codestream cannot hold these, which are dropped: the resolution",)


def test_radiance_with_sizes_in_columns(tmp_path):
    path = tmp_path / "in.hdr"
    array = samples((8, 9, 3)).astype(np.float32) / 255
    data = imagecodecs.rgbe_encode(array, header=True)
    assert b"-Y 8 +X 9" in data
    path.write_bytes(data.replace(b"-Y 8 +X 9", b"-Y        8 +X        9"))
    np.testing.assert_array_equal(whole(path), imagecodecs.rgbe_decode(data))
