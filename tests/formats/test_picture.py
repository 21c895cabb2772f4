import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from tests.formats.examples import BY_ID, made, samples
from tests.oracles import reference
from tests.pipeline_helpers import asked, planned, upsampled, whole
from tests.samples import SAMPLES
from upsample_cli import formats
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats.base import ReadOptions


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_upright_and_keeps_profile_and_exif(tmp_path, orientation):
    path, out = made(tmp_path, f"jpeg-orientation-{orientation}"), tmp_path / "out.jpg"
    upsampled(path, out, scale="2")
    width, height = (17, 13) if orientation < 5 else (13, 17)
    dpi = (600, 300) if orientation < 5 else (300, 600)
    with Image.open(path) as before, Image.open(out) as after:
        assert after.size == (2 * width, 2 * height)
        assert after.info["icc_profile"] == before.info["icc_profile"]
        assert after.info["dpi"] == pytest.approx(dpi, rel=1e-3)
        exif = after.getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        assert exif[ExifTags.Base.Make] == "a camera"
        assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 2 * width


def test_a_profile_goes_from_one_kind_of_picture_to_another(tmp_path):
    path = made(tmp_path, "jpeg-orientation-1")
    for name in ("out.png", "out.webp", "out.tiff"):
        plan = upsampled(path, tmp_path / name, scale="2")
        with Image.open(tmp_path / name) as image:
            if image.info.get("icc_profile") is None:
                assert any("the ICC profile" in warning for warning in plan.warnings), name
            else:
                assert ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))


def greenest(picture):
    """By how much green outshines the other colours in a half transparent pixel."""
    pixels = np.asarray(Image.open(picture)).astype(int)
    edge = pixels[(pixels[..., 3] > 0) & (pixels[..., 3] < 255)]
    return (edge[:, 1] - edge[:, [0, 2]].max(1)).max()


def test_colours_of_transparent_pixels_stay_out_of_sight(tmp_path):
    """Hidden pixels of the icon are pure green, which none of the visible ones is."""
    upsampled(SAMPLES / "icon.png", tmp_path / "icon.png", scale="2")
    assert greenest(tmp_path / "icon.png") <= max(0, greenest(SAMPLES / "icon.png"))
    upsampled(SAMPLES / "icon.png", tmp_path / "straight.png", scale="2", premultiply=False)
    assert greenest(tmp_path / "straight.png") > 50, "the icon has nothing to hide"


@pytest.mark.parametrize("align_corners", [False, True])
def test_premultiplied_colours_are_the_ratio_of_two_interpolations(tmp_path, align_corners):
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    array = samples((9, 8, 4))
    array[2:4, 3:6, 3] = 0
    Image.fromarray(array).save(path)
    upsampled(path, out, size="19x15", align_corners=align_corners)
    sizes = {0: 15, 1: 19}
    alpha = reference.linear(array[..., 3:].astype(float), sizes, align_corners=align_corners)
    weighted = reference.linear(array[..., :3] * array[..., 3:].astype(float), sizes, align_corners=align_corners)
    expected = np.divide(weighted, alpha, out=np.zeros_like(weighted), where=alpha > 0)
    result = np.asarray(Image.open(out)).astype(float)
    np.testing.assert_allclose(result[..., 3:], alpha, rtol=0, atol=0.52)
    np.testing.assert_allclose(result[..., :3], expected, rtol=0, atol=0.52)


@pytest.mark.parametrize("name", ["png-P-kept", "png-P-transparent-kept", "gif-transparent-kept", "png-1-kept"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_keeps_palettes_and_bits(tmp_path, name, mode):
    path = made(tmp_path, name)
    out = tmp_path / f"out{path.suffix}"
    assert upsampled(path, out, scale="2", mode=mode).warnings == ()
    with Image.open(path) as before, Image.open(out) as after:
        assert after.mode == before.mode
        assert after.info.get("transparency") == before.info.get("transparency")
        colours = (np.asarray(before.convert("RGBA")), np.asarray(after.convert("RGBA")))
        np.testing.assert_array_equal(colours[0].repeat(2, 0).repeat(2, 1), colours[1])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("png-P", "palette picture is written as RGB"),
        ("png-1", "bilevel picture is written as grey"),
    ],
)
def test_what_changes_is_said(tmp_path, name, says):
    assert any(says in warning for warning in planned(made(tmp_path, name), scale="2").warnings)


def test_a_plain_picture_is_not_warned_of(tmp_path):
    for name in ("png-RGB", "png-L-dpi", "jpeg-RGB", "jpeg-orientation-6", "webp-RGBA", "bmp-L", "ppm"):
        assert planned(made(tmp_path, name), scale="2").warnings == (), name


def test_a_reduction_to_256_colours_is_said(tmp_path):
    plan = upsampled(made(tmp_path, "png-RGB"), tmp_path / "out.gif", scale="2")
    assert any("256 colours" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("name", "output", "says"),
    [
        ("png-RGBA", "out.jpg", r"JPEG cannot hold transparency; write \.png"),
        ("png-LA", "out.bmp", r"BMP cannot hold transparency; write \.png"),
        ("png-I16", "out.jpg", r"JPEG cannot hold 16-bit grey; write \.png"),
        ("png-L", "out.xyz", r"cannot write files with the suffix '\.xyz'"),
        ("png-L", "out", r"cannot write files with the suffix ''"),
        ("png-L", "out.psd", r"cannot write files with the suffix '\.psd'"),
        ("tiff-float64", "out.png", r"picture cannot hold floating-point grey; write \.tif or \.npy"),
        ("tiff-rgb16", "out.jpg", r"JPEG cannot hold 16-bit RGB; write \.png"),
        ("png-RGBA-16", "out.webp", r"WEBP cannot hold 16-bit RGBA; write \.png"),
        ("png-I16", "out.gif", r"GIF cannot hold 16-bit grey; write \.png"),
        (
            "gif-animated",
            "out.jpg",
            r"JPEG holds one picture, not 3 frames; write \.gif, \.png, \.webp, \.tif or \.npy",
        ),
        ("gif-animated", "out.bmp", r"BMP holds one picture, not 3 frames"),
        ("tiff-stack-uint8", "out.png", r"picture has the axes y and x, not zyx; write"),
        ("nifti-int16", "out.jpg", "picture has the axes y and x, not zyx"),
        ("npy-1-D", "out.png", "picture has the axes y and x, not x"),
        ("tiff-uint64", "out.ome.tif", r"OME-TIFF cannot hold samples of type uint64; write \.tif"),
    ],
)
def test_outputs_that_cannot_hold_the_result(tmp_path, name, output, says):
    with pytest.raises(OutputError, match=says) as caught:
        planned(made(tmp_path, name), tmp_path / output, scale="2")
    assert caught.value.exit_code == 4
    assert str(tmp_path / output) in str(caught.value)
    assert not (tmp_path / output).exists()


def test_a_palette_that_gif_has_no_way_to_say(tmp_path):
    with pytest.raises(OutputError, match=r"GIF cannot hold partially transparent palette colours; write \.png"):
        planned(made(tmp_path, "png-P-transparent-kept"), tmp_path / "out.gif", scale="2", mode="nearest")


@pytest.mark.parametrize(("output", "limit"), [("out.jpg", "65,500"), ("out.webp", "16,383"), ("out.gif", "65,535")])
def test_pictures_too_long_for_their_format(tmp_path, output, limit):
    path = tmp_path / "long.png"
    Image.new("L", (1000, 1)).save(path)
    with pytest.raises(OutputError, match=rf"allows at most {limit} pixels per side, not 70,000"):
        planned(path, tmp_path / output, scale="x=70")


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".png", b"hello, world"),
        (".txt", b"hello, world"),
        (".npz", b"PK\x03\x04"),
        ("", b"\0" * 100),
    ],
)
def test_what_is_no_picture(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot|is not a picture"):
        planned(path, scale="2")


@pytest.mark.parametrize("name", ["png-RGB", "tiff-stack-uint16", "npy-3-D"])
def test_the_content_tells_the_family_and_not_the_suffix(tmp_path, name):
    path = made(tmp_path, name)
    for suffix in (".dat", "", ".NII.jpeg"):
        if suffix == "" or name != "npy-3-D":
            odd = path.rename(path.with_name(f"odd{suffix}"))
            np.testing.assert_array_equal(whole(odd), BY_ID[name].make(path))


@pytest.mark.parametrize("suffix", [".PNG", ".Tif", ".NII.GZ", ".Npy"])
def test_suffixes_in_capitals(tmp_path, suffix):
    name = {".png": "png-L", ".tif": "tiff-uint8", ".nii.gz": "nifti-gz-3-D", ".npy": "npy-2-D"}[suffix.lower()]
    path = made(tmp_path, name)
    out = tmp_path / f"out{suffix}"
    upsampled(path, out, scale="2")
    assert whole(out).shape == tuple(2 * size for size in whole(path).shape)


def test_opening_reads_the_header_alone(tmp_path):
    """A picture of a gigapixel without a single sample opens at once; it is refused when its samples are asked for."""
    Image.new("L", (8, 8)).save(tmp_path / "a.bmp")
    data = bytearray((tmp_path / "a.bmp").read_bytes())
    data[18:26] = (40_000).to_bytes(4, "little") + (30_000).to_bytes(4, "little")
    (tmp_path / "a.bmp").write_bytes(data)
    with formats.open_source(tmp_path / "a.bmp", ReadOptions()) as source:
        assert source.header.grid.shape == (30_000, 40_000)


@pytest.mark.parametrize("name", ["png-RGB", "jpeg-RGB"])
def test_opening_decodes_nothing(tmp_path, monkeypatch, name):
    path = made(tmp_path, name)
    from PIL import ImageFile

    def refuse(self):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    with formats.open_source(path, ReadOptions()) as source:
        assert source.header.grid.shape == (13, 17, 3)


def test_asked_is_what_the_command_asks():
    """The tests' own way to a request."""
    assert asked(size="1024x768").size.positional == (1024, 768)
    with pytest.raises(Exception, match="whole"):
        asked(size="1.5")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".jpg", ".bmp"])
@pytest.mark.parametrize("frames", [1, 3])
def test_pillows_limit_on_pixels_is_not_ours(tmp_path, monkeypatch, suffix, frames):
    """It is meant for programs that do not know the size of what they open, and is checked in decoders too."""
    if frames > 1 and suffix in (".jpg", ".bmp"):
        pytest.skip("holds one image")
    noise = np.random.default_rng(0).integers(0, 256, (frames, 64, 64, 3), np.uint8)
    first, *others = [Image.fromarray(frame) for frame in noise]
    first.save(
        tmp_path / f"in{suffix}", **({"save_all": True, "append_images": others, "duration": 50} if others else {})
    )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    upsampled(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", scale=2, verify=True)
    assert Image.MAX_IMAGE_PIXELS == 1000
