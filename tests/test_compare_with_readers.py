"""The script that compares with other readers: it finds differences, and ends what takes too long."""

import json
import time

import numpy as np
import pytest
from PIL import Image

from tests import compare_with_readers
from tests.compare_with_readers import difference, examine, main

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
LARGER = RGB.repeat(2, 0).repeat(2, 1)


def changed(array, value=9):
    array = array.copy()
    array.reshape(-1)[array.size // 2] ^= value
    return array


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ([RGB], [LARGER], None),
        ([RGB], [changed(LARGER)], "off by up to"),
        ([RGB], [LARGER[:-1]], "11 samples along axis 0 where 12 are expected"),
        ([RGB, RGB[:3]], [LARGER], "1 images where the input has 2"),
        ([RGB, RGB[:3]], [LARGER, LARGER[6:]], "image 1: off by up to"),
        ([RGB], [np.dstack([LARGER, np.full((12, 16), 255, np.uint8)])], None),
        ([RGB], [np.dstack([LARGER, np.full((12, 16), 200, np.uint8)])], "off by up to"),
        ([np.array([[np.nan, 1]])], [np.array([[np.nan] * 2 + [1] * 2] * 2)], None),
        ([np.array([[np.nan, 1]])], [np.array([[0] * 2 + [1] * 2] * 2)], "NaN or infinity elsewhere"),
    ],
)
def test_differences(before, after, says):
    found = difference(before, after, "nearest", lossy=False)
    assert found is None if says is None else says in found


def test_linear_interpolation():
    ramp = np.arange(0, 240, 24, np.uint8)[:, None].repeat(4, 1)
    expected = np.interp((np.arange(15) + 0.5) / 1.5 - 0.5, np.arange(10), ramp[:, 0]).round().astype(np.uint8)
    assert difference([ramp], [expected[:, None].repeat(6, 1)], "linear", lossy=False) is None
    assert difference([ramp], [expected[::-1, None].repeat(6, 1)], "linear", lossy=False) is not None


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def test_a_reader_without_an_end_is_ended(picture, monkeypatch):
    def endless(path):
        time.sleep(60)

    monkeypatch.setattr(compare_with_readers, "_READER_SECONDS", 0.2)
    readers = {"endless": endless, "Pillow": lambda path: [np.asarray(Image.open(path))]}
    monkeypatch.setattr(compare_with_readers, "READERS", readers)
    found, late = compare_with_readers.read_all(picture)
    assert late == ["endless"]
    np.testing.assert_array_equal(found["Pillow"][0], RGB)


def test_a_reader_that_crashes_is_left_out(picture, monkeypatch):
    import os

    readers = {"crashing": lambda path: os.abort(), "Pillow": lambda path: [RGB]}
    monkeypatch.setattr(compare_with_readers, "READERS", readers)
    found, late = compare_with_readers.read_all(picture)
    assert (list(found), late) == (["Pillow"], [])


@pytest.mark.parametrize(
    ("reader", "code", "kind"),
    [
        (lambda path: [np.asarray(Image.open(path))], 0, "done"),
        (lambda path: [changed(np.asarray(Image.open(path)), 255)[:6]], 0, "different"),
        (lambda path: [RGB], 3, "refused though others read it"),
        (lambda path: [], 3, "refused"),
        (lambda path: [RGB], 1, "different"),
    ],
    ids=["done", "different", "refused alone", "refused", "bug"],
)
def test_kinds(picture, monkeypatch, reader, code, kind):
    def resized(path, output, options):
        factor = 2 if "nearest" in options else 1.5
        size = (int(8 * factor), int(6 * factor))
        resample = Image.Resampling.NEAREST if factor == 2 else Image.Resampling.BILINEAR
        Image.fromarray(RGB).resize(size, resample).save(f"{output}out.png")
        return code, ""

    monkeypatch.setattr(compare_with_readers, "_resized", resized)
    monkeypatch.setattr(compare_with_readers, "READERS", {"reader": reader})
    assert examine(picture)[0] == kind


def test_a_log_is_continued(picture, monkeypatch, capsys):
    examined = []
    monkeypatch.setattr(compare_with_readers, "_import_all", lambda: None)
    monkeypatch.setattr(compare_with_readers, "_examined_apart", lambda path: (examined.append(path), ("done", []))[1])
    log = picture.with_name("log.txt")
    monkeypatch.setattr("sys.argv", ["compare", str(picture.parent), "--log", str(log)])
    assert (main(), main()) == (0, 0)
    assert examined == [picture]
    assert json.loads(log.read_text()) == [str(picture), "done", []]
    assert "1 done, 0 refused" in capsys.readouterr().out
