"""Animations: every frame, for as long and as often as it was shown, and seen as it was computed."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats import file_dump
from tests.formats.file_dump import chunk, chunks, icc_profile
from tests.oracles import reference
from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import InputError
from upsample_cli.formats.picture.png.reader import chunk_headers

SHAPE = (5, 7)
RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (20, 4), np.uint8)


def moving(count=4, channels=3):
    """Frames of few colours, of which each differs from the last in a corner, and the third not at all."""
    frames = np.empty((count, *SHAPE, channels), np.uint8)
    frames[0] = COLOURS[RANDOM.integers(0, 20, SHAPE), :channels]
    for number in range(1, count):
        frames[number] = frames[number - 1]
        if number != 2:
            frames[number, 2:4, number : number + 2] = COLOURS[RANDOM.integers(0, 20, (2, 2)), :channels]
    if channels == 4:
        frames[..., 3] = np.where(frames[..., 3] < 100, 0, 255)
    return frames


def stored(path, frames, **save):
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], **save)


def rendered(path):
    """Every frame as Pillow shows it, its duration, and how often all are repeated."""
    with Image.open(path) as image:
        frames, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.array(image.convert("RGBA")))
            durations.append(image.info.get("duration"))
        return np.stack(frames), durations, image.info.get("loop")


def seen(frames):
    """Pixels with nothing in those that cannot be seen."""
    return np.where(frames[..., 3:] > 0, frames, 0)


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
@pytest.mark.parametrize("channels", [3, 4])
def test_gif(tmp_path, channels, disposal):
    frames = moving(channels=channels)
    stored(tmp_path / "in.gif", frames, duration=[40, 80, 120, 200], loop=3, disposal=disposal, comment=b"moves")
    before, durations, loop = rendered(tmp_path / "in.gif")
    plan = upsampled(tmp_path / "in.gif", tmp_path / "out.gif", scale="2", mode="nearest")
    after, *rest = rendered(tmp_path / "out.gif")
    np.testing.assert_array_equal(seen(after), seen(before).repeat(2, 1).repeat(2, 2))
    assert rest == [durations, loop]
    assert plan.first.before.grid.names == ("t", "y", "x", "s")
    assert plan.first.before.grid["t"].spacing is None, "they are shown for different times"
    with Image.open(tmp_path / "out.gif") as image:
        assert image.info["comment"].startswith(b"moves\nupsample ")


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_apng_and_webp(tmp_path, suffix, channels):
    frames = moving(channels=channels)
    save = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    stored(tmp_path / f"in{suffix}", frames, duration=[40, 80, 123, 200], loop=3, **save)
    before, durations, loop = rendered(tmp_path / f"in{suffix}")
    plan = upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale="2", mode="nearest")
    after, *rest = rendered(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(after, before.repeat(2, 1).repeat(2, 2))
    assert rest == [durations, loop]
    assert plan.warnings == ()


@pytest.mark.parametrize("loop", [None, 0, 1, 2, 7])
@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_how_often_it_is_shown(tmp_path, suffix, loop):
    stored(tmp_path / f"in{suffix}", moving(), duration=50, **({} if loop is None else {"loop": loop}))
    upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale="2")
    assert rendered(tmp_path / f"out{suffix}")[2] == rendered(tmp_path / f"in{suffix}")[2]


@pytest.mark.parametrize(("loop", "expected"), [(None, 1), (0, 0), (1, 2), (4, 5)])
def test_a_gif_counts_repetitions_where_others_count_shows(tmp_path, loop, expected):
    stored(tmp_path / "in.gif", moving(), duration=50, **({} if loop is None else {"loop": loop}))
    for suffix in (".png", ".webp"):
        upsampled(tmp_path / "in.gif", tmp_path / f"out{suffix}", scale="2")
        assert rendered(tmp_path / f"out{suffix}")[2] == expected
        upsampled(tmp_path / f"out{suffix}", tmp_path / "again.gif", scale="1")
        assert rendered(tmp_path / "again.gif")[2] == loop


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_frames_that_are_the_same_stay_apart(tmp_path, suffix):
    np.save(tmp_path / "in.npy", np.full((3, 4, 5), 7, np.uint8))
    plan = upsampled(tmp_path / "in.npy", tmp_path / f"out{suffix}", scale="2", axes="tyx")
    frames, durations, _ = rendered(tmp_path / f"out{suffix}")
    assert frames.shape == (3, 8, 10, 4)
    assert durations == [100] * 3
    assert any("frame durations are unknown: each frame is shown for 0.1 s" in warning for warning in plan.warnings)


def test_time_is_resized_too(tmp_path):
    stored(tmp_path / "in.png", moving()[[0, 1, 3, 0]], duration=90)
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="t=1.5,y=2")
    frames, durations, _ = rendered(tmp_path / "out.png")
    assert durations == [60] * 6
    expected = reference.linear(whole(tmp_path / "in.png").astype(float), {0: 6, 1: 10})
    np.testing.assert_allclose(frames[..., :3], expected, rtol=0, atol=0.52)


def test_frames_that_were_shown_for_different_times_share_the_whole(tmp_path):
    stored(tmp_path / "in.gif", moving()[[0, 1, 3, 0]], duration=[40, 80, 120, 160])
    plan = upsampled(tmp_path / "in.gif", tmp_path / "out.gif", scale="t=2")
    _, durations, _ = rendered(tmp_path / "out.gif")
    assert len(durations) == 8
    assert sum(durations) == 400
    assert any("frame durations varied" in warning for warning in plan.warnings)


def test_times_that_gif_cannot_say_are_rounded_and_that_is_said(tmp_path):
    stored(tmp_path / "in.png", moving()[[0, 1, 3]], duration=[33, 33, 34])
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.gif", scale="2")
    assert rendered(tmp_path / "out.gif")[1] == [30, 40, 30]
    assert any("hundredths of a second" in warning for warning in plan.warnings)


def test_time_comes_from_another_family_in_its_unit(tmp_path):
    frames = moving(3)[..., 0]
    tifffile.imwrite(tmp_path / "in.tif", frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.25})
    upsampled(tmp_path / "in.tif", tmp_path / "out.gif", scale="x=2")
    after, durations, _ = rendered(tmp_path / "out.gif")
    assert durations == [250] * 3
    assert after.shape == (3, 5, 14, 4)


def test_colours_of_a_gif_are_exact_if_they_are_few_enough(tmp_path):
    frames = RANDOM.integers(0, 256, (2, 16, 16, 3), np.uint8)
    np.save(tmp_path / "in.npy", frames)
    plan = upsampled(tmp_path / "in.npy", tmp_path / "out.gif", scale="2", mode="nearest", axes="tyxs")
    np.testing.assert_array_equal(rendered(tmp_path / "out.gif")[0][..., :3], frames.repeat(2, 1).repeat(2, 2))
    assert any("GIF allows 256 colours per frame: frames with more are reduced" in warning for warning in plan.warnings)
    np.save(tmp_path / "in.npy", RANDOM.integers(0, 256, (2, 30, 30, 3), np.uint8))
    upsampled(tmp_path / "in.npy", tmp_path / "out.gif", scale="1", axes="tyxs")
    for frame in rendered(tmp_path / "out.gif")[0]:
        assert 128 < len(np.unique(frame.reshape(-1, 4), axis=0)) <= 256


def test_alpha_of_a_gif_is_all_or_nothing_and_that_is_said(tmp_path):
    pixels = np.zeros((1, 4, 4), np.uint8)
    pixels[..., :3], pixels[0, :, 3] = 50, [0, 127, 128, 255]
    Image.fromarray(pixels).save(tmp_path / "in.png")
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.gif", scale="1")
    with Image.open(tmp_path / "out.gif") as image:
        assert np.asarray(image.convert("RGBA"))[0, :, 3].tolist() == [0, 0, 255, 255]
    assert any("no partial transparency" in warning for warning in plan.warnings)


def control(number, size, offset, dispose, blend, delay=(1, 20)):
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *size, *offset, *delay, dispose, blend))


def animated_png(frames, depth, colour_type, size, spare=None, before=b""):
    """An APNG by hand: frames are arrays, where they lie, and what becomes of them."""

    def pixels(array):
        rows = array.astype(">u2" if depth == 16 else np.uint8)
        return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))

    data = file_dump.SIGNATURE
    data += chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0)) + before
    data += chunk(b"acTL", struct.pack(">II", len(frames), 0))
    data += chunk(b"IDAT", pixels(spare)) if spare is not None else b""
    sequence = 0
    for array, offset, dispose, blend in frames:
        data += control(sequence, array.shape[1::-1], offset, dispose, blend)
        sequence += 1
        if sequence == 1 and spare is None:
            data += chunk(b"IDAT", pixels(array))
        else:
            data += chunk(b"fdAT", struct.pack(">I", sequence) + pixels(array))
            sequence += 1
    return data + chunk(b"IEND")


@pytest.mark.parametrize("depth", [8, 16])
def test_frames_are_composed_as_apng_says(tmp_path, depth):
    """Three frames over each other, in numbers that can be checked by hand."""
    full = 2**depth - 1
    ground = np.full((2, 3, 4), [full, 0, 0, full])
    half = np.full((1, 2, 4), [0, full, 0, full // 2 + 1])
    frames = [(ground, (0, 0), 0, 0), (half, (1, 0), 2, 1), (half, (0, 1), 1, 0), (half, (0, 1), 0, 1)]
    (tmp_path / "in.png").write_bytes(animated_png(frames, depth, 6, (3, 2)))
    result = whole(tmp_path / "in.png")
    assert result.dtype == f"u{depth // 8}"
    expected = np.broadcast_to(ground, (4, 2, 3, 4)).copy()
    share = (full // 2 + 1) / full
    expected[1, 0, 1:] = np.rint([full * (1 - share), full * share, 0, full])
    expected[2, 1, :2] = half[0]
    expected[3, 1, :2] = half[0]
    np.testing.assert_array_equal(result, expected)


def test_an_animation_of_sixteen_bits_stays_one(tmp_path):
    frames = RANDOM.integers(0, 65536, (3, *SHAPE, 3), np.uint16)
    (tmp_path / "in.png").write_bytes(animated_png([(f, (0, 0), 0, 0) for f in frames], 16, 2, SHAPE[::-1]))
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", mode="nearest")
    np.testing.assert_array_equal(whole(tmp_path / "out.png"), frames.repeat(2, 1).repeat(2, 2))
    first = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(first, frames[0].repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("key", [False, True])
def test_grey_animations_stay_grey(tmp_path, key):
    frames = RANDOM.integers(0, 256, (3, *SHAPE), np.uint8)
    before = chunk(b"tRNS", struct.pack(">H", frames[0, 2, 3])) if key else b""
    data = animated_png([(f, (0, 0), 0, 0) for f in frames], 8, 0, SHAPE[::-1], before=before)
    (tmp_path / "in.png").write_bytes(data)
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", mode="nearest")
    result, doubled = whole(tmp_path / "out.png"), frames.repeat(2, 1).repeat(2, 2)
    assert dict(chunks((tmp_path / "out.png").read_bytes()))[b"IHDR"][9] == (4 if key else 0)
    if key:
        np.testing.assert_array_equal(result[..., 1] == 0, doubled == frames[0, 2, 3])
    np.testing.assert_array_equal(result[..., 0] if key else result, doubled)


def test_an_indexed_animation_becomes_colours(tmp_path):
    palette = chunk(b"PLTE", COLOURS[:, :3].tobytes())
    frames = RANDOM.integers(0, 20, (3, *SHAPE), np.uint8)
    data = animated_png([(f, (0, 0), 0, 0) for f in frames], 8, 3, SHAPE[::-1], before=palette)
    (tmp_path / "in.png").write_bytes(data)
    np.testing.assert_array_equal(whole(tmp_path / "in.png"), COLOURS[frames, :3])
    assert any("palette picture is written as" in w for w in planned(tmp_path / "in.png", scale="2").warnings)


def test_a_picture_in_place_of_the_animation_is_dropped_and_that_is_said(tmp_path):
    frames = RANDOM.integers(0, 256, (3, *SHAPE, 3), np.uint8)
    data = animated_png([(f, (0, 0), 0, 0) for f in frames[1:]], 8, 2, SHAPE[::-1], spare=frames[0])
    (tmp_path / "in.png").write_bytes(data)
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", mode="nearest")
    np.testing.assert_array_equal(whole(tmp_path / "out.png"), frames[1:].repeat(2, 1).repeat(2, 2))
    assert any(
        "its default image, which is not part of the animation, is replaced" in warning for warning in plan.warnings
    )


def test_a_picture_beside_an_animation_of_a_single_frame_stays_and_that_is_said(tmp_path):
    frames = RANDOM.integers(0, 256, (2, *SHAPE, 3), np.uint8)
    (tmp_path / "in.png").write_bytes(animated_png([(frames[1], (0, 0), 0, 0)], 8, 2, SHAPE[::-1], spare=frames[0]))
    plan = upsampled(tmp_path / "in.png", tmp_path / "out.png", scale="2", mode="nearest")
    np.testing.assert_array_equal(whole(tmp_path / "out.png"), frames[0].repeat(2, 0).repeat(2, 1))
    assert plan.warnings == ("its single-frame animation is dropped; the default image is resized",)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_an_animation_of_a_single_frame_is_a_picture(tmp_path, suffix):
    stored(tmp_path / f"in{suffix}", moving(1))
    assert planned(tmp_path / f"in{suffix}", scale="2").first.before.grid.names == ("y", "x", "s")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_a_moment_of_an_animation_is_a_picture(tmp_path, suffix):
    stored(tmp_path / f"in{suffix}", moving(), duration=50)
    upsampled(tmp_path / f"in{suffix}", tmp_path / "out.jpg", size="t=1")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == SHAPE[::-1]


@pytest.mark.parametrize(("axes", "shape"), [("zyx", (1, 5, 7)), ("tczyx", (1, 1, 1, 5, 7)), ("tyxs", (1, 5, 7, 3))])
def test_axes_of_a_single_sample_are_left_out(tmp_path, axes, shape):
    np.save(tmp_path / "in.npy", RANDOM.integers(0, 256, shape, np.uint8))
    upsampled(tmp_path / "in.npy", tmp_path / "out.png", scale="x=2", axes=axes)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (14, 5)


def test_a_frame_cut_short_is_refused(tmp_path):
    frames = RANDOM.integers(0, 256, (3, *SHAPE, 3), np.uint8)
    data = animated_png([(f, (0, 0), 0, 0) for f in frames], 8, 2, SHAPE[::-1])
    broken = data.replace(struct.pack(">II", *SHAPE[::-1]), struct.pack(">II", SHAPE[1], 50))
    (tmp_path / "in.png").write_bytes(broken)
    with pytest.raises(InputError):
        whole(tmp_path / "in.png")


def test_chunks_of_an_animation_in_another_order_are_refused(tmp_path):
    """As by libpng and Pillow."""
    stored(tmp_path / "in.png", moving())
    data = (tmp_path / "in.png").read_bytes()
    *_, (start, length) = [found for name, *found in chunk_headers(io.BytesIO(data)) if name == b"fdAT"]
    repeated = data[start - 8 : start + length + 4]
    (tmp_path / "in.png").write_bytes(data[: start - 8] + repeated + data[start - 8 :])
    with pytest.raises(InputError, match="the chunks of its animation are not in order"):
        planned(tmp_path / "in.png", scale=2)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("channels", [3, 4])
def test_webp_is_as_lossless_as_it_was(tmp_path, lossless, channels):
    frame = RANDOM.integers(0, 256, (*SHAPE, channels), np.uint8)
    Image.fromarray(frame).save(tmp_path / "in.webp", lossless=lossless, exact=True)
    upsampled(tmp_path / "in.webp", tmp_path / "out.webp", scale="2", mode="nearest")
    names = [name for name, _ in file_dump.riff((tmp_path / "out.webp").read_bytes())]
    assert (b"VP8L" in names) == lossless
    if lossless:
        np.testing.assert_array_equal(whole(tmp_path / "out.webp"), frame.repeat(2, 0).repeat(2, 1))
    upsampled(tmp_path / "in.webp", tmp_path / "out.webp", scale="2", quality=50)
    assert b"VP8 " in dict(file_dump.riff((tmp_path / "out.webp").read_bytes()))


def test_chunks_of_webp(tmp_path):
    profile = icc_profile(b"a profile")
    Image.fromarray(moving(1)[0]).save(tmp_path / "in.webp", icc_profile=profile, xmp=b"<x/>")
    data = (tmp_path / "in.webp").read_bytes() + b"MINE" + struct.pack("<I", 3) + b"abc\0"
    (tmp_path / "in.webp").write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    upsampled(tmp_path / "in.webp", tmp_path / "out.webp", scale="2")
    found = dict(file_dump.riff((tmp_path / "out.webp").read_bytes()))
    assert (found[b"ICCP"], found[b"XMP "], found[b"MINE"]) == (profile, b"<x/>", b"abc")
    (warning,) = planned(tmp_path / "in.webp", tmp_path / "out.png", scale="2").warnings
    assert "the chunk MINE" in warning


def test_extensions_of_gif(tmp_path):
    """Of applications: XMP, a profile and an unknown one; and one whose text nobody shows any more."""
    Image.fromarray(moving(1)[0]).save(tmp_path / "in.gif")
    data = (tmp_path / "in.gif").read_bytes()
    start = 13 + (3 << (data[10] & 7) + 1)
    xmp = b"!\xff\x0bXMP DataXMP<x/>" + bytes([1, *range(255, -1, -1), 0])
    icc = icc_profile(b"a profile")
    profile = b"!\xff\x0bICCRGBG1012" + bytes([len(icc)]) + icc + b"\0"
    unknown = b"!\xff\x0bSOMEONE 1.0\x03abc\0"
    text = b"!\x01\x0c" + bytes(12) + b"\x02hi\0"
    (tmp_path / "in.gif").write_bytes(data[:start] + xmp + profile + unknown + text + data[start:])
    plan = upsampled(tmp_path / "in.gif", tmp_path / "out.gif", scale="2", mode="nearest")
    after = (tmp_path / "out.gif").read_bytes()
    assert xmp in after
    assert profile in after
    assert unknown in after
    assert text not in after
    assert plan.warnings == ("its plain text extensions are dropped",)
    np.testing.assert_array_equal(
        rendered(tmp_path / "out.gif")[0], rendered(tmp_path / "in.gif")[0].repeat(2, 1).repeat(2, 2)
    )
    upsampled(tmp_path / "in.gif", tmp_path / "out.png", scale="2", mode="nearest")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == icc
        assert image.info["XML:com.adobe.xmp"] == "<x/>"
