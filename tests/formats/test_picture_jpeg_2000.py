"""JPEG 2000: Pillow, which does not decode or encode it here, must read the same samples and metadata."""

import io
import threading
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.pipeline_helpers import upsampled, whole
from upsample_cli.formats.picture import jpeg2000

RANDOM = np.random.default_rng(0)
MODES = {"L": (7, 5), "LA": (7, 5, 2), "RGB": (7, 5, 3), "RGBA": (7, 5, 4)}


def saved(picture, name="in.jp2", **options):
    stream = io.BytesIO()
    stream.name = name
    picture.save(stream, "JPEG2000", **options)
    return stream.getvalue()


def box_names(path):
    with path.open("rb") as file:
        return [name for name, _, _ in jpeg2000.boxes(file, 0)]


@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
@pytest.mark.parametrize("mode", MODES)
def test_pillow_reads_what_is_written(tmp_path, mode, suffix):
    array = RANDOM.integers(0, 256, MODES[mode], np.uint8)
    source, target = tmp_path / "in.png", tmp_path / f"out{suffix}"
    Image.fromarray(array, mode).save(source, dpi=(300, 150))
    upsampled(source, target, scale=2, mode="nearest", verify=True)
    with Image.open(target) as image:
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image), whole(source).repeat(2, 0).repeat(2, 1))
        assert suffix == ".j2k" or image.info["dpi"] == pytest.approx((600, 300), rel=1e-4)
    if suffix == ".jp2":
        assert (b"cdef" in box_names(target)) == (mode in ("LA", "RGBA"))
        assert target.read_bytes().count(b"jp2c") == 1


def test_grey_of_16_bits(tmp_path):
    array = RANDOM.integers(0, 65_536, (6, 9), np.uint16)
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(array))
    upsampled(tmp_path / "in.png", tmp_path / "out.jp2", scale=1, verify=True)
    np.testing.assert_array_equal(whole(tmp_path / "out.jp2"), array)
    with Image.open(tmp_path / "out.jp2") as image:
        np.testing.assert_array_equal(np.asarray(image), array)


@pytest.mark.parametrize("text", ["Müller", "日本語", "x" * 70_000], ids=["latin", "other", "long"])
def test_comments(tmp_path, text):
    Image.new("RGB", (4, 4)).save(tmp_path / "in.gif", comment=text.encode())
    upsampled(tmp_path / "in.gif", tmp_path / "out.jp2", scale=2, mode="nearest")
    with Image.open(tmp_path / "out.jp2") as image:
        found = image.info["comment"]
        image.load()
    assert text.encode()[: len(found)] == found
    upsampled(tmp_path / "out.jp2", tmp_path / "again.jp2", scale=2)
    with Image.open(tmp_path / "again.jp2") as image:
        assert image.info["comment"] == found


@pytest.mark.parametrize("kind", ["12 bits", "YCbCr"])
def test_files_that_need_conversions_are_read_as_by_pillow(tmp_path, kind):
    path, array = tmp_path / "in.jp2", RANDOM.integers(0, 256, (8, 8), np.uint8)
    if kind == "12 bits":
        colour = RANDOM.integers(0, 4096, (8, 8, 3), np.uint16)
        path.write_bytes(imagecodecs.jpeg2k_encode(colour, reversible=True, bitspersample=12))
    else:
        path.write_bytes(saved(Image.fromarray(np.dstack([array] * 3)).convert("YCbCr")))
    with Image.open(path) as image, path.open("rb") as file:
        assert jpeg2000.decoded(file, image.mode) is None
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(whole(path), expected)


def test_other_threads_run_while_a_picture_is_encoded_and_decoded(tmp_path):
    """Else no signal is heard: Pillow's codec would keep the thread from running until it has finished."""
    Image.fromarray(RANDOM.integers(0, 256, (300, 400, 3), np.uint8)).save(tmp_path / "in.png")
    ends, gaps = threading.Event(), [0.0]

    def watch():
        last = time.perf_counter()
        while not ends.wait(0.001):
            gaps.append(time.perf_counter() - last)
            last += gaps[-1]

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.perf_counter()
    upsampled(tmp_path / "in.png", tmp_path / "out.jp2", scale=1)
    upsampled(tmp_path / "out.jp2", tmp_path / "out.npy", scale=1)
    total = time.perf_counter() - start
    ends.set()
    thread.join()
    assert max(gaps) < 0.3 * total


def test_a_truncated_file_is_refused(tmp_path):
    path: Path = tmp_path / "in.jp2"
    data = saved(Image.fromarray(RANDOM.integers(0, 256, (40, 50, 3), np.uint8)))
    for kept in (len(data) - 1, len(data) - 3, len(data) // 2):
        path.write_bytes(data[:kept])
        with pytest.raises(Exception, match="cannot be read to its end"):
            whole(path)
