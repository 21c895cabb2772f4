"""Every mode of a picture, into every kind of file: held, or refused with the remedy, or warned of."""

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats.base import Header, ReadOptions, WriteOptions
from upsample_cli.formats.picture import make_sink, open_source
from upsample_cli.geometry import Axis, Grid

GRADIENT = np.add.outer(np.arange(0, 120, 10), np.arange(0, 130, 10)).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(mode):
    if mode in ("I", "I;16", "I;16B", "F"):
        return Image.fromarray(GRADIENT.astype({"I": "i4", "I;16": "<u2", "I;16B": ">u2", "F": "f4"}[mode]) * 250)
    image = Image.fromarray(np.stack([GRADIENT, GRADIENT.T[:12, :1].repeat(13, 1), 255 - GRADIENT, GRADIENT], -1))
    return image.convert("RGB").convert(mode) if mode in ("CMYK", "P", "YCbCr") else image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix", "shape", "dtype"),
    [
        ("1", ".png", (), "u1"),
        ("L", ".png", (), "u1"),
        ("LA", ".png", (2,), "u1"),
        ("P", ".png", (3,), "u1"),
        ("RGB", ".png", (3,), "u1"),
        ("RGBA", ".png", (4,), "u1"),
        ("CMYK", ".jpg", (4,), "u1"),
        ("YCbCr", ".jpg", (3,), "u1"),
        ("I;16", ".png", (), "u2"),
        ("I;16B", ".png", (), "u2"),
        ("F", ".pfm", (), "f4"),
    ],
)
def test_samples_of_every_mode(tmp_path, mode, suffix, shape, dtype):
    path = tmp_path / f"in{suffix}"
    picture(mode).save(path)
    result = whole(path)
    assert result.dtype == np.dtype(dtype)
    assert result.shape == (12, 13, *shape)
    upsampled(path, tmp_path / f"out{suffix}", scale="2")
    assert whole(tmp_path / f"out{suffix}").shape == (24, 26, *shape)


def opened(monkeypatch, tmp_path, image):
    """The path of a file that Pillow opens as `image`, of a mode that it reads from rare formats and writes to none."""

    def open_image(path):
        copy = image.copy()
        copy.format = "RARE"
        return copy

    monkeypatch.setattr(Image, "open", open_image)
    path = tmp_path / "in.rare"
    path.write_bytes(b"something")
    return path


@pytest.mark.parametrize(("mode", "kind"), [("I", "i4"), ("F", "f4"), ("YCbCr", "u1"), ("PA", "u1"), ("La", "u1")])
def test_samples_of_rare_modes(tmp_path, monkeypatch, mode, kind):
    image = picture("LA").convert("La") if mode == "La" else picture(mode)
    plain = {"YCbCr": "RGB", "PA": "RGBA", "La": "LA"}.get(mode, mode)
    result = whole(opened(monkeypatch, tmp_path, image))
    np.testing.assert_array_equal(result, np.asarray(image.convert(plain)))
    assert result.dtype == np.dtype(kind)


def test_lab_becomes_rgb_and_that_is_said(tmp_path, monkeypatch):
    """As Photoshop's files may be; Pillow reads them, and writes none."""
    lab = ImageCms.applyTransform(
        picture("RGB"),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    path = opened(monkeypatch, tmp_path, lab)
    plan = planned(path, tmp_path / "out.png", scale="2")
    assert any("LAB colours are converted to RGB" in warning for warning in plan.warnings)
    result = whole(path).astype(int)
    assert np.abs(result - np.asarray(picture("RGB")).astype(int)).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_orientation_is_what_pillow_makes_of_it(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    picture("RGB").save(tmp_path / f"in{suffix}", exif=exif)
    with Image.open(tmp_path / f"in{suffix}") as image:
        np.testing.assert_array_equal(whole(tmp_path / f"in{suffix}"), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize(
    ("dtype", "axes", "shape", "output", "says"),
    [
        ("u2", "yxs", (4, 5, 3), "out.jpg", r"JPEG cannot hold 16-bit RGB; write \.png"),
        ("u2", "yxs", (4, 5, 4), "out.webp", r"WEBP cannot hold 16-bit RGBA; write \.png"),
        ("u2", "yx", (4, 5), "out.gif", r"GIF cannot hold 16-bit grey; write \.png"),
        ("u1", "yxs", (4, 5, 4), "out.jpg", r"JPEG cannot hold transparency; write \.png"),
        ("u1", "yxs", (4, 5, 2), "out.jpg", r"JPEG cannot hold transparency; write \.png"),
        ("i4", "yx", (4, 5), "out.png", r"PNG cannot hold signed 32-bit grey; write \.tif"),
        ("f4", "yx", (4, 5), "out.png", r"PNG cannot hold floating-point grey; write \.tif"),
        ("f8", "yx", (4, 5), "out.png", r"picture cannot hold floating-point grey; write \.tif or \.npy"),
        ("u1", "yxs", (4, 5, 5), "out.png", r"picture cannot hold 8-bit pixels of 5 samples; write .tif or .npy$"),
        ("u1", "tyx", (3, 4, 5), "out.jpg", r"JPEG holds one picture, not 3 frames; write \.gif, \.png, \.webp"),
        (
            "u1",
            "zyx",
            (3, 4, 5),
            "out.gif",
            r"a picture has the axes y and x, not zyx; write \.tif, \.nii\.gz or \.npy",
        ),
        ("u1", "yxs", (4, 5, 3), "out.svg", r"cannot write files with the suffix '\.svg'"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_the_remedy(tmp_path, dtype, axes, shape, output, says):
    np.save(tmp_path / "in.npy", np.zeros(shape, dtype))
    with pytest.raises(OutputError, match=says):
        planned(tmp_path / "in.npy", tmp_path / output, scale="x=2", axes=axes)


def header(**more):
    grid = Grid((Axis("y", 4, 0.25, "µm"), Axis("x", 5, 0.5, "µm")), more.pop("affines", {}))
    return Header(grid, np.dtype(np.uint8), **more)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_what_any_family_says_is_carried_over(tmp_path, suffix):
    """The profile, the spacing in its unit, and what has been done; or there is a warning."""
    path = tmp_path / f"out{suffix}"
    sink = make_sink(path, [header(icc=PROFILE, history="upsample 1 linear")], WriteOptions())
    sink.write([path], iter([[GRADIENT[:4, :5]]]))
    with Image.open(path) as image:
        tags = image.getexif()  # where JPEG says what is beyond the 65,535 of JFIF
        dpi = [tags[282], tags[283]] if 282 in tags else image.info["dpi"]
        assert [float(value) for value in dpi] == pytest.approx([25.4 / 0.5e-3, 25.4 / 0.25e-3], rel=2e-3)
        if suffix != ".bmp":
            assert image.info["icc_profile"] == PROFILE
            assert b"upsample 1 linear" in path.read_bytes()
    lost = "BMP cannot hold these, which are dropped: the ICC profile"
    assert sink.warnings == ([lost] if suffix == ".bmp" else [])


def test_what_no_picture_can_hold_is_said_in_one_warning(tmp_path):
    other = header(affines={"sform": np.eye(4)}, scaling=(2.0, 1.0), foreign_items=("the tags of a TIFF",), icc=PROFILE)
    (warning,) = make_sink(tmp_path / "out.gif", [other], WriteOptions()).warnings
    expected = ("the spacing along y, x", "the orientation (affine)", "the tags of a TIFF", "slope 2, intercept 1")
    assert all(item in warning for item in expected)


@pytest.mark.parametrize("dpi", [300.0, 150.0 * 1.7, 3.3, 70_000.0])
def test_the_resolution_of_a_jpeg_is_whole_in_jfif_or_exact_in_exif(tmp_path, dpi):
    grid = Grid((Axis("y", 4, 25.4 / dpi, "mm"), Axis("x", 5, 25.4 / dpi, "mm")))
    sink = make_sink(tmp_path / "out.jpg", [Header(grid, np.dtype(np.uint8))], WriteOptions())
    sink.write([tmp_path / "out.jpg"], iter([[GRADIENT[:4, :5]]]))
    with open_source(tmp_path / "out.jpg", ReadOptions()) as source:
        assert 25.4 / source.header.grid["x"].spacing == pytest.approx(dpi, rel=1e-4)
    with Image.open(tmp_path / "out.jpg") as image:
        assert (282 in image.getexif()) == (dpi == 3.3)


@pytest.mark.parametrize(("suffix", "said"), [(".jpg", True), (".webp", True), (".png", False), (".gif", False)])
def test_labels_do_not_survive_a_lossy_format(tmp_path, suffix, said):
    sink = make_sink(tmp_path / f"out{suffix}", [header(labels=True)], WriteOptions())
    assert any("is lossy and changes labels; write .png to keep them" in warning for warning in sink.warnings) == said


def test_volumes_of_a_single_slice_become_pictures(tmp_path):
    image = nib.Nifti1Image(GRADIENT.T[..., None].astype(np.uint16), np.diag([0.5, 0.25, 3, 1]))
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "in.nii")
    plan = upsampled(tmp_path / "in.nii", tmp_path / "out.png", scale="x=2,y=2", mode="nearest")
    with Image.open(tmp_path / "out.png") as result:
        assert result.info["dpi"] == pytest.approx((25.4 / 0.25, 25.4 / 0.125), rel=1e-3)
        np.testing.assert_array_equal(np.asarray(result), GRADIENT.repeat(2, 0).repeat(2, 1))
    (warning,) = (warning for warning in plan.warnings if "PNG cannot hold" in warning)
    assert "the spacing along z; the orientation (affine)" in warning


def test_premultiplied_colours_of_another_family_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "in.tif", np.zeros((4, 5, 4), np.uint16), photometric="rgb", extrasamples=["assocalpha"]
    )
    with pytest.raises(OutputError, match=r"premultiplied alpha cannot be written as a picture"):
        planned(tmp_path / "in.tif", tmp_path / "out.png", scale="2")


def test_a_palette_goes_into_webp_without_loss(tmp_path):
    picture("P").save(tmp_path / "in.png", transparency=bytes(range(0, 250, 2)))
    upsampled(tmp_path / "in.png", tmp_path / "out.webp", scale="2", mode="nearest")
    with Image.open(tmp_path / "in.png") as before, Image.open(tmp_path / "out.webp") as after:
        expected = np.asarray(before.convert("RGBA")).repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(np.asarray(after.convert("RGBA")), expected)


@pytest.mark.parametrize("options", [{"quality": 30}, {}])
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_quality_of_every_lossy_format(tmp_path, suffix, options):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / f"out{suffix}", scale="1", **options)
    size = (tmp_path / f"out{suffix}").stat().st_size
    upsampled(tmp_path / "in.png", tmp_path / f"again{suffix}", scale="1", quality=80)
    between = (tmp_path / f"again{suffix}").stat().st_size
    assert (size < between) == bool(options)


def test_a_profile_of_grey_does_not_fit_colours(tmp_path):
    profile = bytearray(PROFILE)
    profile[16:20] = b"GRAY"
    sink = make_sink(tmp_path / "out.webp", [header(icc=bytes(profile))], WriteOptions())
    sink.write([tmp_path / "out.webp"], iter([[GRADIENT[:4, :5]]]))
    assert any(
        "the grey ICC profile is dropped, because WEBP stores grey as RGB" in warning for warning in sink.warnings
    )
    with Image.open(tmp_path / "out.webp") as image:
        assert image.mode == "RGB"
        assert "icc_profile" not in image.info


def box(name, content):
    return (len(content) + 8).to_bytes(4, "big") + name + content


@pytest.mark.parametrize(
    ("added", "word"),
    [
        (box(b"uuid", b"JpgTiffExif->JP2" + b"II*\0"), "EXIF"),
        (box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x/>"), "XMP"),
        (box(b"uuid", bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")), "IPTC"),
        (box(b"uuid", bytes(16)), "an unknown UUID box"),
        (box(b"asoc", box(b"xml ", b"<x/>")), "XML"),
    ],
)
def test_what_jpeg_2000_says_is_said_to_be_dropped(tmp_path, added, word):
    picture("RGB").save(tmp_path / "in.jp2")
    data = (tmp_path / "in.jp2").read_bytes()
    assert planned(tmp_path / "in.jp2", scale="2").warnings == ()
    codestream = data.index(b"jp2c") - 4
    (tmp_path / "in.jp2").write_bytes(data[:codestream] + added + data[codestream:])
    (warning,) = planned(tmp_path / "in.jp2", tmp_path / "out.png", scale="2").warnings
    assert warning == f"these metadata entries are dropped: {word}"


def test_the_profile_of_jpeg_2000(tmp_path):
    picture("RGB").save(tmp_path / "in.jp2")
    data = (tmp_path / "in.jp2").read_bytes()
    head, colour = data.index(b"jp2h") - 4, data.index(b"colr") - 4
    old = int.from_bytes(data[colour : colour + 4], "big")
    new = box(b"colr", b"\2\0\0" + PROFILE)
    size = int.from_bytes(data[head : head + 4], "big") - old + len(new)
    grown = size.to_bytes(4, "big") + data[head + 4 : colour] + new + data[colour + old :]
    (tmp_path / "in.jp2").write_bytes(data[:head] + grown)
    upsampled(tmp_path / "in.jp2", tmp_path / "out.png", scale="2")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == PROFILE
    assert planned(tmp_path / "in.jp2", tmp_path / "out.jp2", scale="2").warnings == ()


def test_unsupported_modes_are_refused(tmp_path, monkeypatch):
    odd = Image.new("L", (3, 3))
    odd._mode = "BGR;15"
    monkeypatch.setattr(odd, "copy", lambda: odd)
    with pytest.raises(InputError, match=r"mode BGR;15, which is not supported"):
        whole(opened(monkeypatch, tmp_path, odd))


def test_an_icon_has_the_size_that_was_asked_for(tmp_path):
    Image.new("RGBA", (16, 10), (200, 10, 30, 255)).save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / "out.ico", scale=2)
    with Image.open(tmp_path / "out.ico") as icon:
        assert icon.info["sizes"] == {(32, 20)}
        assert icon.convert("RGBA").getpixel((5, 5)) == (200, 10, 30, 255)
    with pytest.raises(OutputError, match="ICO allows at most 256 pixels per side"):
        upsampled(tmp_path / "in.png", tmp_path / "out.ico", scale=20)
