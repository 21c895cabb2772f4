"""Linear light: levels are turned to light and back by the curve of the picture's profile."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from tests.pipeline_helpers import upsampled
from upsample_cli import interpolate
from upsample_cli.core.linear_light import srgb
from upsample_cli.errors import InputError
from upsample_cli.formats.icc import transfer_curves

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LEVELS = np.linspace(0, 1, 257)


def profile(*curves, space=b"RGB "):
    """A profile of nothing but transfer curves, with the tags that go with `space`."""
    names = (b"rTRC", b"gTRC", b"bTRC") if space == b"RGB " else (b"kTRC",)
    offset = 132 + 12 * len(names)
    table, data = b"", b""
    for name, curve in zip(names, curves, strict=True):
        table += struct.pack(">4sII", name, offset + len(data), len(curve))
        data += curve
    header = (struct.pack(">I", offset + len(data)).ljust(16, b"\0") + space).ljust(36, b"\0") + b"acsp"
    return header.ljust(128, b"\0") + struct.pack(">I", len(names)) + table + data


def curv(*values):
    return struct.pack(">4sII", b"curv", 0, len(values)) + struct.pack(f">{len(values)}H", *values)


def para(kind, *values):
    fixed = [round(value * 65536) for value in values]
    return struct.pack(">4sIHH", b"para", 0, kind, 0) + struct.pack(f">{len(values)}i", *fixed)


def test_the_curve_of_a_real_profile_is_that_of_its_colour_space():
    for curve in transfer_curves(SRGB):
        np.testing.assert_allclose(curve(LEVELS), srgb(LEVELS), atol=1e-5)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (curv(), LEVELS),
        (curv(round(2.2 * 256)), LEVELS ** (round(2.2 * 256) / 256)),
        (curv(0, 16384, 65535), np.interp(LEVELS, [0, 0.5, 1], [0, 16384 / 65535, 1])),
        (para(0, 1.75), LEVELS**1.75),
        (para(1, 2, 1.25, -0.25), np.maximum(1.25 * LEVELS - 0.25, 0) ** 2),
        (para(2, 2, 0.75, 0, 0.25), (0.75 * LEVELS) ** 2 + 0.25),
        (para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045), srgb(LEVELS)),
        (para(4, 2, 0.5, 0, 0.25, 0.5, 0.5, 0), np.where(LEVELS >= 0.5, 0.25 * LEVELS**2 + 0.5, LEVELS / 4)),
    ],
    ids=["identity", "gamma", "table", "type 0", "type 1", "type 2", "type 3", "type 4"],
)
def test_the_kinds_of_curves(curve, expected):
    (found,) = transfer_curves(profile(curve, space=b"GRAY"))
    np.testing.assert_allclose(found(LEVELS), expected, atol=1e-4)
    np.testing.assert_allclose(found(LEVELS[::-1]), found(LEVELS)[::-1], atol=1e-12)  # each level by itself


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        SRGB[:100],
        SRGB[:200],
        SRGB.replace(b"rTRC", b"xxxx"),
        SRGB.replace(b"RGB ", b"CMYK"),
        profile(curv(1)[:9], space=b"GRAY"),
        profile(para(4, 2, 0.5, 0, -0.25, 0.5, 0.5, 0.5), space=b"GRAY"),
    ],
    ids=["empty", "a piece", "half", "no red", "inks", "no curve", "falling"],
)
def test_profiles_without_curves_are_refused(bad):
    with pytest.raises(ValueError, match="ICC profile"):
        transfer_curves(bad)


def written(path, array, mode=None, **save):
    Image.fromarray(array, mode).save(path, **save)
    return path


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_black_and_white_average_to_half_the_light(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (8, 8))
    path = written(tmp_path / "in.png", np.stack([stripes] * 3, -1))
    upsampled(path, tmp_path / "light.png", scale=0.5, antialias=True, linear_light=True)
    upsampled(path, tmp_path / "levels.png", scale=0.5, antialias=True)
    assert np.unique(read(tmp_path / "light.png")[:, 2:-2]).tolist() == [188]  # sRGB of one half: 187.5
    assert np.unique(read(tmp_path / "levels.png")[:, 2:-2]).tolist() in ([127], [128])


@pytest.mark.parametrize(
    "icc", [None, profile(curv(round(1.8 * 256)), curv(), curv(round(2.2 * 256)))], ids=["sRGB", "own"]
)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_it_is_the_definition(tmp_path, dtype, channels, icc):
    if channels == 1 and icc is not None:
        icc = profile(curv(round(1.8 * 256)), space=b"GRAY")
    highest = np.iinfo(dtype).max
    array = np.random.default_rng(0).integers(0, highest + 1, (9, 10, channels), dtype)
    array = array[..., 0] if channels == 1 else array
    photometric = "minisblack" if channels == 1 else "rgb"
    tifffile.imwrite(tmp_path / "in.tif", array, photometric=photometric, iccprofile=icc, metadata=None)
    upsampled(tmp_path / "in.tif", tmp_path / "out.tif", scale=2, linear_light=True)
    found = tifffile.imread(tmp_path / "out.tif")
    curves = [srgb] * channels if icc is None else transfer_curves(icc)
    pixels = np.atleast_3d(array).astype(float)
    for channel, curve in enumerate(curves):
        light = curve(pixels[..., channel] / highest)
        wanted = interpolate(light[None, None], scale_factor=2)[0, 0]
        fine = np.linspace(0, 1, 400_001)
        level = np.interp(wanted, curve(fine), fine) * highest
        assert np.abs(np.atleast_3d(found)[..., channel] - level).max() < 0.51


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_what_is_not_blended_stays(tmp_path, mode):
    channels = len(mode)
    values = np.arange(256, dtype=np.uint8).repeat(channels).reshape(16, 16, channels)
    values[..., -1 if mode.endswith("A") else 0] |= 1
    path = written(tmp_path / "in.png", values.squeeze(), mode)
    upsampled(path, tmp_path / "out.png", size="16x16", linear_light=True)
    np.testing.assert_array_equal(read(tmp_path / "out.png"), values.squeeze())
    upsampled(path, tmp_path / "big.png", size="31x31", align_corners=True, linear_light=True)
    np.testing.assert_array_equal(read(tmp_path / "big.png")[::2, ::2], values.squeeze())


def test_alpha_is_no_light(tmp_path):
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, :, 3] = [0, 200]
    pixels[0, 1, :3] = 90
    path = written(tmp_path / "in.png", pixels, "RGBA")
    upsampled(path, tmp_path / "out.png", size="3x1", align_corners=True, linear_light=True)
    assert read(tmp_path / "out.png").tolist() == [[[0, 0, 0, 0], [90, 90, 90, 100], [90, 90, 90, 200]]]


def test_nearest_and_labels_need_no_light(tmp_path):
    path = written(tmp_path / "in.png", np.arange(12, dtype=np.uint8).reshape(3, 4))
    upsampled(path, tmp_path / "out.png", scale=2, mode="nearest", linear_light=True)
    np.testing.assert_array_equal(read(tmp_path / "out.png")[::2, ::2], read(path))


@pytest.mark.parametrize("name", ["float.npy", "cmyk.jpg"])
def test_what_is_no_light_is_refused(tmp_path, name):
    path = tmp_path / name
    if name == "float.npy":
        np.save(path, np.zeros((3, 4), np.float32))
    else:
        Image.new("CMYK", (4, 3)).save(path)
    with pytest.raises(InputError, match="light"):
        upsampled(path, tmp_path / f"out{path.suffix}", scale=2, linear_light=True)
