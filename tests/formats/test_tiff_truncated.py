"""Truncated TIFF files, of which ``--truncated`` reads what is there."""

import numpy as np
import pytest
import tifffile

from tests.pipeline_helpers import upsampled
from upsample_cli.errors import InputError
from upsample_cli.formats import open_source
from upsample_cli.formats.base import ReadOptions

SHAPE = (90, 80, 3)
ROWS = np.broadcast_to(np.arange(1, 91, dtype=np.uint8)[:, None, None], SHAPE)


def cut(path, kept=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])


def read(path):
    with open_source(path, ReadOptions(truncated=True)) as source:
        return np.array(source.read(0, 0, SHAPE[0])), source.warnings


@pytest.mark.parametrize(
    ("options", "complete"),
    [
        ({}, 53),
        ({"rowsperstrip": 8}, 53),
        ({"rowsperstrip": 8, "compression": "zlib"}, 24),
        ({"compression": "zlib"}, 0),
        ({"tile": (16, 16)}, 48),
        ({"tile": (32, 32), "compression": "lzw"}, 32),
        ({"planarconfig": "separate"}, 70),
    ],
)
def test_strips_and_tiles_before_the_end_are_read(tmp_path, options, complete):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    planar = "planarconfig" in options
    tifffile.imwrite(path, np.moveaxis(ROWS, -1, 0) if planar else ROWS, photometric="rgb", metadata=None, **options)
    cut(path)
    with pytest.raises(InputError, match="truncated"):
        upsampled(path, out, scale=2)
    found, warnings = read(path)
    assert any("left empty" in warning for warning in warnings)
    part = slice(2) if planar else slice(None)
    np.testing.assert_array_equal(found[:complete, :, part], ROWS[:complete, :, part])
    assert not found[-1, :, -1].any()
    upsampled(path, out, scale=2, truncated=True, verify=True)


def test_pages_before_the_end_are_read(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(4):
            writer.write(ROWS, photometric="rgb", metadata=None, contiguous=False)
    cut(path)
    with pytest.raises(InputError, match="truncated"):
        upsampled(path, out, scale=2)
    plan = upsampled(path, out, scale=2, mode="nearest", truncated=True, verify=True)
    assert "is truncated: only its first 3 pages are read" in plan.warnings
    with tifffile.TiffFile(out) as tiff:
        np.testing.assert_array_equal(tiff.pages[0].asarray(), ROWS.repeat(2, 0).repeat(2, 1))
