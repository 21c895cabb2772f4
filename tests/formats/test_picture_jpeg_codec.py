"""JPEG without Pillow: the same samples and the same bytes, and only for files that it reads and writes like Pillow."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.pipeline_helpers import upsampled
from upsample_cli.errors import InputError
from upsample_cli.formats.picture import jpeg_codec

_DIRECT = {"L": (40, 56), "RGB": (40, 56, 3)}


@pytest.fixture
def calls(monkeypatch):
    """Use the codec for the smallest pictures too, and list its calls."""
    done = []
    monkeypatch.setattr(jpeg_codec, "_IMPORT_PIXELS", 0)
    for name in ("jpeg8_decode", "jpeg8_encode"):
        codec = getattr(imagecodecs, name)
        listed = lambda *args, name=name, codec=codec, **options: (done.append(name), codec(*args, **options))[1]  # noqa: E731
        monkeypatch.setattr(imagecodecs, name, listed)
    return done


def _picture(mode):
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, _DIRECT[mode], np.uint8).repeat(3, 0).repeat(3, 1))


def _resized_by_pillow(path, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr(jpeg_codec, "_IMPORT_PIXELS", 1 << 62)
        upsampled(path, path.with_name("pillow.jpg"), scale="2", mode="bilinear")
    return path.with_name("pillow.jpg").read_bytes()


@pytest.mark.parametrize("options", [{"quality": 30}, {"quality": 95, "subsampling": 0}, {"quality": 99}])
@pytest.mark.parametrize("mode", sorted(_DIRECT))
def test_bytes_are_those_of_pillow(mode, options, tmp_path, calls, monkeypatch):
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    _picture(mode).save(path, **options)
    upsampled(path, out, scale="2", mode="bilinear")
    assert calls == ["jpeg8_decode", "jpeg8_encode"]
    assert out.read_bytes() == _resized_by_pillow(path, monkeypatch)


@pytest.mark.parametrize(
    "options",
    [
        {"progressive": True},
        {"keep_rgb": True},
        {"qtables": [[7] * 64, [9] * 64]},
        {"qtables": [list(range(1, 65))]},
    ],
    ids=["progressive", "RGB", "tables", "one table"],
)
def test_pillow_encodes_what_the_codec_cannot(options, tmp_path, calls, monkeypatch):
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    _picture("RGB").save(path, **options)
    upsampled(path, out, scale="2", mode="bilinear")
    assert calls == ["jpeg8_decode"]
    assert out.read_bytes() == _resized_by_pillow(path, monkeypatch)


def test_standard_tables_at_every_quality():
    for quality in range(1, 101):
        stream = io.BytesIO()
        _picture("RGB").resize((8, 8)).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as image:
            tables = list(image.quantization.values())
        assert jpeg_codec._quality({"qtables": tables}, 2) == quality


@pytest.mark.parametrize("damage", ["cut", "no end", "a segment too long", "garbage after it"])
def test_pillow_decodes_files_whose_end_is_missing(damage, tmp_path, calls):
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    _picture("RGB").save(path)
    data = path.read_bytes()
    scan = data.index(b"\xff\xda")
    damaged = {
        "cut": data[: len(data) // 2],
        "no end": data[:-2],
        "a segment too long": data[:scan] + b"\xff\xfe\xff\xff" + data[scan:],
        "garbage after it": data + b"more",
    }
    path.write_bytes(damaged[damage])
    if damage != "garbage after it":
        with pytest.raises(InputError, match=r"(?i)truncated"):
            upsampled(path, out, scale="2", mode="bilinear")
    else:
        upsampled(path, out, scale="2", mode="bilinear")
    assert "jpeg8_decode" not in calls


def test_zeros_after_the_end_are_ignored(tmp_path, calls):
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    _picture("L").save(path)
    path.write_bytes(path.read_bytes() + bytes(100))
    upsampled(path, out, scale="2", mode="bilinear")
    assert "jpeg8_decode" in calls


def test_cmyk_is_left_to_pillow(tmp_path, calls):
    path, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    _picture("RGB").convert("CMYK").save(path)
    upsampled(path, out, scale="2", mode="bilinear")
    assert calls == []
