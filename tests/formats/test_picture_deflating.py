"""The quick ways to compress a PNG: taken where they are quick and small, and the samples are the same."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.pipeline_helpers import upsampled
from upsample_cli import interpolate
from upsample_cli.formats.picture.png import compress
from upsample_cli.formats.picture.png.compress import deflate_frame, quick_strategy


def photograph(channels, side=96):
    """Smooth colours with the noise of a camera."""
    rng = np.random.default_rng(channels)
    coarse = rng.integers(0, 256, (1, channels, side // 12, side // 12)).astype(np.float64)
    smooth = interpolate(coarse, size=(side, side), mode="bicubic")[0].transpose(1, 2, 0)
    return (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).astype(np.uint8)


def drawing(channels):
    """Flat areas with sharp edges."""
    y, x = np.mgrid[:96, :96]
    disc = np.where(np.hypot(y - 48, x - 48) < 30, 200, 30) + (x // 24) * 5
    return np.stack([disc] * channels, -1).astype(np.uint8)


def deep(array):
    """In 16 bits, of which the lower ones are the noise of a camera."""
    return array.astype(np.uint16) * 256 + np.random.default_rng(0).integers(0, 256, array.shape, np.uint16)


def resized(array, factor, mode):
    return interpolate(array.transpose(2, 0, 1)[None], scale_factor=factor, mode=mode)[0].transpose(1, 2, 0)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("factor", [0.7, 1.5, 2, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("make", [photograph, drawing])
def test_files_are_hardly_larger_than_pillows_own(tmp_path, make, channels, factor, mode):
    array = make(channels).squeeze()
    Image.fromarray(array).save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale=factor, mode=mode, provenance=False)
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        by_pillow = io.BytesIO()
        image.save(by_pillow, "PNG")
    assert (tmp_path / "out.png").stat().st_size <= 1.05 * len(by_pillow.getvalue()) + 100


@pytest.mark.parametrize(
    ("frame", "quick"),
    [
        (resized(photograph(3), 2, "bilinear"), True),
        (resized(photograph(4), 2, "bilinear"), True),
        (resized(photograph(1), 2, "bilinear")[..., 0], True),
        (deep(photograph(3)), True),
        (resized(photograph(3), 2, "nearest"), False),
        (drawing(3), False),
        (np.indices((80, 80)).sum(0).astype(np.uint8) % 2 * 255, False),
        (np.tile(np.random.default_rng(0).permutation(16).astype(np.uint8).reshape(4, 4) * 15, (20, 20)), False),
        (np.tile(np.arange(640, dtype=np.uint16) * 100, (80, 1)), False),
        (np.zeros((40, 40, 3), np.uint8), False),
        (np.zeros((40, 1, 3), np.uint8), False),
        (np.zeros((40, 40), bool), False),
    ],
    ids=[
        "RGB",
        "RGBA",
        "L",
        "16 bits",
        "nearest",
        "drawing",
        "checkerboard",
        "dither",
        "ramp",
        "black",
        "one column",
        "bits",
    ],
)
def test_what_does_not_repeat_is_not_searched(frame, quick):
    assert (quick_strategy(frame) is not None) == quick


def unfiltered(data, frame):
    """The rows that a decoder makes of Paeth's differences, byte by byte, as the specification of PNG says it."""
    height, pixel = len(frame), frame[:1, :1].nbytes
    rows = np.frombuffer(data, np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 4).all()
    before = [0] * (rows.shape[1] - 1)
    for row in rows[:, 1:].tolist():
        for i, difference in enumerate(row):
            a, b, c = (row[i - pixel], before[i], before[i - pixel]) if i >= pixel else (0, before[i], 0)
            row[i] = (difference + min((a, b, c), key=lambda value: abs(a + b - c - value))) % 256
        yield bytes(row)
        before = row


@pytest.mark.parametrize("strategy", [zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "uint16"])
def test_the_samples_are_the_same(dtype, channels, strategy, monkeypatch):
    monkeypatch.setattr(compress, "_BAND_BYTES", 1000)  # so that there are several
    monkeypatch.setattr(compress, "_BLOCK_BYTES", 700)
    noise = np.random.default_rng(0).integers(0, 256, (40, 33, channels), np.uint8)
    frame = noise if dtype == "uint8" else deep(noise).astype(dtype)
    frame[::3] = frame[1]
    frame = frame[..., 0] if channels == 1 else frame
    rows = unfiltered(zlib.decompress(b"".join(deflate_frame(frame, strategy))), frame)
    assert b"".join(rows) == frame.astype(frame.dtype.newbyteorder(">")).tobytes()


def test_a_band_is_made_by_itself_and_the_bytes_are_the_same(monkeypatch):
    frame = photograph(3)
    whole = b"".join(deflate_frame(frame, zlib.Z_RLE))
    monkeypatch.setattr("upsample_cli.runtime.prefetch.available_cores", lambda: 1)
    assert b"".join(deflate_frame(frame, zlib.Z_RLE)) == whole
