"""Pictures as ImageMagick and others read them: encoded as before, with the same samples, and animated."""

import numpy as np
import pytest
from PIL import Image

from tests.external_readers.cases import TARGETS, new_sizes
from tests.external_readers.programs import exiftool, identify, needs, pixels, pngcheck
from tests.pipeline_helpers import upsampled

SIZE = (30, 20)


def ramps():
    """A smooth picture, which JPEG changes little."""
    level = np.add.outer(np.arange(40) * 3, np.arange(48) * 2).astype(np.uint8)
    return Image.fromarray(np.stack([level, level[::-1], 255 - level], -1))


JPEG = {
    **{
        f"{q}-{chroma}.jpg": {"quality": q, "subsampling": chroma}
        for q in (30, 50, 75, 90, 95, 100)
        for chroma in range(3)
    },
    **{f"{mode}-{q}.jpg": {"mode": mode, "quality": q} for mode in ("L", "CMYK") for q in (40, 80, 95)},
    "progressive.jpg": {"quality": 80, "progressive": True},
}


@pytest.mark.parametrize("options", TARGETS.values(), ids=TARGETS)
def test_jpeg_is_encoded_as_it_was(options, tmp_path):
    """Quality and sampling of chroma as ImageMagick reads them off the tables; and the mean, for inverted ink."""
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    for name, how in JPEG.items():
        save = {option: value for option, value in how.items() if option != "mode"}
        ramps().convert(how.get("mode", "RGB")).save(tmp_path / "before" / name, **save)
        upsampled(tmp_path / "before" / name, tmp_path / "after" / name, **options)
    escapes = "%w %h %Q %[jpeg:sampling-factor] %[colorspace] %[interlace] %[fx:mean]"
    before, after = (identify([tmp_path / part / name for name in JPEG], escapes) for part in ("before", "after"))
    width, height = new_sizes(options, {"x": 48, "y": 40}).values()
    for name in JPEG:
        ((*_, old_mean),), ((*_, mean),) = before[name], after[name]
        assert after[name][0][:2] == (str(width), str(height))
        assert after[name][0][2:-1] == before[name][0][2:-1], name
        assert float(mean) == pytest.approx(float(old_mean), abs=0.03)
    assert {frames[0][2] for frames in before.values()} >= {"30", "50", "75", "90", "95", "100"}
    assert {frames[0][3] for frames in before.values()} >= {"1x1,1x1,1x1", "2x1,1x1,1x1", "2x2,1x1,1x1"}


def test_quality_on_request(tmp_path):
    ramps().save(tmp_path / "in.jpg", quality=90)
    upsampled(tmp_path / "in.jpg", tmp_path / "out.jpg", scale="2", quality=40)
    assert identify([tmp_path / "out.jpg"], "%Q") == {"out.jpg": [("40",)]}


OTHERS = {  # by the name of a file, the mode of its pixels
    **{"true.bmp": "RGB", "palette.bmp": "P", "bits.bmp": "1", "colours.ppm": "RGB", "grey.pgm": "L", "bits.pbm": "1"},
    **{"alpha.tga": "RGBA", "true.pcx": "RGB", "true.jp2": "RGB", "alpha.jp2": "RGBA", "true.sgi": "RGB"},
    **{"alpha.dds": "RGBA", "true.webp": "RGB", "deep.pgm": "I;16"},
}


def test_samples_of_other_formats(tmp_path):
    """Decoded by ImageMagick before and after, where nothing is lost."""
    width, height = ramps().size
    old, new = [tmp_path / name for name in OTHERS], [tmp_path / f"new-{name}" for name in OTHERS]
    for name, mode in OTHERS.items():
        picture = ramps().convert("L" if mode == "I;16" else mode)
        if mode == "I;16":
            picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 250 + 5)
        save = {"lossless": True} if name.endswith("webp") else {"dpi": (300, 150)} if name.endswith("bmp") else {}
        picture.save(tmp_path / name, **save)
        upsampled(tmp_path / name, tmp_path / f"new-{name}", scale="2", mode="nearest")
    before, after = identify(old, "%m %z %[type] %[colorspace]"), identify(new, "%m %z %[type] %[colorspace]")
    assert {f"new-{name}": facts for name, facts in before.items()} == after
    wanted = pixels(old, (width, height)).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(pixels(new, (2 * width, 2 * height)), wanted)
    for name in ("true.bmp", "palette.bmp", "bits.bmp"):
        ((x, y, unit),) = identify([tmp_path / f"new-{name}"], "%x %y %U")[f"new-{name}"]
        assert unit == "PixelsPerCentimeter"
        assert (float(x), float(y)) == pytest.approx((600 / 2.54, 300 / 2.54), abs=0.02)


DELAYS = [100, 200, 50, 300]  # ms


def animation(path, mode="RGBA", **save):
    """Squares that wander over a transparent ground, so that disposal matters; four colours, so that GIF loses none."""
    frames = []
    for number in range(4):
        array = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
        array[2 + number * 3 : 9 + number * 3, 3 + number * 5 : 14 + number * 5] = (255, 85 * number, 0, 255)
        frames.append(Image.fromarray(array).convert(mode))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=DELAYS, loop=3, **save)


ANIMATIONS = {
    **{f"{disposal}.gif": {"disposal": disposal, "comment": b"remark"} for disposal in range(4)},
    **{"a.webp": {"lossless": True, "mode": "RGB"}, "over.png": {"blend": 1}, "source.png": {"disposal": 1}},
}


@pytest.fixture(scope="module", params=["2", "1.7"])
def animations(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("animations")
    (folder / "before").mkdir()
    (folder / "after").mkdir()
    for name, save in ANIMATIONS.items():
        animation(folder / "before" / name, **save)
        upsampled(folder / "before" / name, folder / "after" / name, scale=request.param, mode="nearest")
    return float(request.param), folder


@needs("exiftool")
def test_exiftool_counts_the_frames_and_loops(animations):
    _, folder = animations
    before, after = exiftool(folder / "before", "-all"), exiftool(folder / "after", "-all")
    names = ("FrameCount", "Duration", "AnimationIterations", "AnimationLoopCount", "AnimationFrames", "AnimationPlays")
    for name in ANIMATIONS:
        told = {tag: value for tag, value in before[name].items() if tag.endswith((*names, "Comment", "FileType"))}
        assert len(told) >= 3
        assert told == {tag: after[name].get(tag) for tag in told}


def test_pngcheck_finds_no_fault_with_animations(animations):
    scale, folder = animations
    width, height = int(SIZE[0] * scale), int(SIZE[1] * scale)
    found = pngcheck(folder / "after")
    assert found.keys() == {"over.png", "source.png"}
    assert all(verdict.startswith(f"OK: {width}x{height}, 32-bit RGB+alpha") for verdict in found.values())


# ImageMagick shows the first frame of an APNG alone, and lays transparent frames of WebP over each other. The frames
# of outputs fill the canvas, whatever was disposed of.
@pytest.mark.parametrize("name", [name for name in ANIMATIONS if not name.endswith("png")])
def test_imagemagick_sees_the_same_frames_at_the_same_time(name, animations):
    scale, folder = animations
    width, height = int(SIZE[0] * scale), int(SIZE[1] * scale)
    delays = [frame[0] for frame in identify([folder / "after" / name], "%T")[name]]
    assert delays == [str(delay // 10) for delay in DELAYS]
    before = pixels([folder / "before" / name], SIZE, "-coalesce")
    after = pixels([folder / "after" / name], (width, height), "-coalesce")
    assert len(before) == len(after) == 4
    rows, columns = ((np.arange(size) / scale).astype(int) for size in (height, width))
    seen, wanted = after, before[:, rows][:, :, columns]
    np.testing.assert_array_equal(seen[..., 3], wanted[..., 3])
    np.testing.assert_array_equal(seen[wanted[..., 3] > 0], wanted[wanted[..., 3] > 0])
