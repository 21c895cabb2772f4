"""PNG of every colour type and depth, as pngcheck and ImageMagick read it."""

import itertools

import numpy as np
import pytest

from tests.external_readers.cases import TARGETS, new_sizes, resampled
from tests.external_readers.programs import decoded, pngcheck
from tests.formats import file_dump
from tests.pipeline_helpers import upsampled

SIZES = {"x": 30, "y": 20}
SIZE = (30, 20)
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
NAMES = {GREY: "grayscale", RGB: "RGB", PALETTE: "palette", GREY_ALPHA: "grayscale+alpha", RGBA: "RGB+alpha"}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
KEYS = {GREY: bytes([0, 1]), RGB: bytes([0, 1, 0, 2, 0, 3]), PALETTE: bytes([255, 128])}  # what is transparent
PNG = [
    (f"{colour_type}-{depth}{'-key' if key else ''}.png", colour_type, depth, key)
    for colour_type, depths in DEPTHS.items()
    for depth, key in itertools.product(depths, (b"", KEYS.get(colour_type)))
    if key is not None
]
FILES = [name for name, *_ in PNG]


def png(colour_type, depth, key):
    """A PNG of a smooth ramp and some noise, its bits put together by hand."""
    channels = SAMPLES[colour_type]
    top = 2**depth - 1
    ramp = np.linspace(0, top, SIZE[0] * channels)[None] * np.linspace(0.3, 1, SIZE[1])[:, None]
    samples = np.clip(ramp + np.random.default_rng(0).uniform(-1, 1, ramp.shape), 0, top).round().astype(">u2")
    if key and colour_type != PALETTE:
        samples[4:9, 6 * channels : 11 * channels] = np.tile(np.frombuffer(key, ">u2"), 5)
    if depth < 8:
        bits = (samples[..., None] >> np.arange(depth)[::-1] & 1).reshape(SIZE[1], -1).astype(np.uint8)
        rows = [row.tobytes() for row in np.packbits(bits, axis=1)]
    else:
        rows = [row.astype(f">u{depth // 8}").tobytes() for row in samples]
    before = b""
    if colour_type == PALETTE:
        colours = np.random.default_rng(1).integers(0, 256, (2**depth, 3), np.uint8)
        before += file_dump.chunk(b"PLTE", colours.tobytes())
    if key:
        before += file_dump.chunk(b"tRNS", key)
    return file_dump.png(rows, SIZE, depth, colour_type, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour_type, depth, key in PNG:
        (folder / name).write_bytes(png(colour_type, depth, key))
    return folder


@pytest.fixture(scope="module", params=TARGETS.values(), ids=TARGETS)
def resized(request, folder, tmp_path_factory):
    """What was asked, and the folder of the outputs."""
    target = tmp_path_factory.mktemp("resized")
    for name, *_ in PNG:
        upsampled(folder / name, target / name, **request.param)
    return request.param, target


@pytest.fixture(scope="module")
def verdicts(resized):
    return pngcheck(resized[1])


@pytest.fixture(scope="module")
def before(folder):
    return decoded(folder, FILES, SIZE)


@pytest.fixture(scope="module")
def after(resized):
    options, target = resized
    return decoded(target, FILES, tuple(new_sizes(options, SIZES).values()))


def kind(colour_type, depth, key, interpolated):
    """Bits of a pixel and colour type of the output, in the words of pngcheck."""
    if interpolated and colour_type == PALETTE:
        colour_type, depth = (RGBA if key else RGB), 8
    elif key and colour_type != PALETTE:
        colour_type, depth = {GREY: GREY_ALPHA, RGB: RGBA}[colour_type], max(depth, 8)
    elif interpolated:
        depth = max(depth, 8)
    transparent = "+trns" if key and colour_type == PALETTE else ""
    return f"{depth * SAMPLES[colour_type]}-bit {NAMES[colour_type]}{transparent}"


@pytest.mark.parametrize(("name", "colour_type", "depth", "key"), PNG)
def test_pngcheck_finds_no_fault_and_the_right_kind(name, colour_type, depth, key, resized, verdicts):
    options, _ = resized
    width, height = new_sizes(options, SIZES).values()
    wanted = kind(colour_type, depth, key, options.get("mode") != "nearest")
    assert verdicts[name].startswith(f"OK: {width}x{height}, {wanted}, non-interlaced")


@pytest.mark.parametrize(("name", "colour_type", "depth", "key"), PNG)
def test_imagemagick_sees_the_pixels_of_the_definition(name, colour_type, depth, key, resized, before, after):
    options, _ = resized
    old, new, axes = before[name], after[name], {"y": 0, "x": 1}
    assert np.ptp(old) > 0.8
    if options.get("mode") == "nearest":
        np.testing.assert_array_equal(new, resampled(old, options, axes))
        return
    opacity = old[..., 3:]
    assert (opacity.min() < 0.6) == bool(key or colour_type in (GREY_ALPHA, RGBA))
    wanted = resampled(np.concatenate([old[..., :3] * opacity, opacity], -1), options, axes)
    half_a_level = (1 / 2 + 1 / 32) / (65535 if depth == 16 else 255)
    np.testing.assert_allclose(new[..., 3], wanted[..., 3], rtol=0, atol=half_a_level)
    visible = wanted[..., 3] > 0.1  # of what is nearly transparent the colour is hardly known
    np.testing.assert_allclose(
        new[visible, :3], wanted[visible, :3] / wanted[visible, 3:], rtol=0, atol=half_a_level + 1 / 65535
    )
