"""Slides by Philips and Ventana, and LogLuv: kinds of TIFF that few programs write."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import samples
from tests.formats.test_tiff_libtiff import LONG, RATIONAL, SHORT, write_page
from tests.pipeline_helpers import upsampled

RGB = {"photometric": "rgb", "metadata": None}
LEVEL = (
    '<DataObject ObjectType="PixelDataRepresentation"><Attribute Name="DICOM_PIXEL_SPACING">{}</Attribute></DataObject>'
)
SGILOG, SGILOG24 = 34676, 34677
LOGL, LOGLUV = 32844, 32845


def doubled(array):
    return array.repeat(2, 0).repeat(2, 1)


def philips(path, full):
    levels = "".join(LEVEL.format(f'"{spacing}" "{spacing}"') for spacing in (0.00025, 0.0005))
    document = f'<DataObject ObjectType="DPUfsImport"><Attribute><Array>{levels}</Array></Attribute></DataObject>'
    description = f'<?xml version="1.0" encoding="UTF-8" ?>{document}'
    with tifffile.TiffWriter(path) as writer:
        writer.write(full, tile=(16, 16), description=description, software="Philips DP v1.0", **RGB)
        writer.write(full[::2, ::2], tile=(16, 16), subfiletype=1, description="level=1", **RGB)
        writer.write(full[:8, :9], description="Label", **RGB)


def ventana(path, full):
    scan = b'<?xml version="1.0"?><iScan ScanRes="0.25" Magnification="40"/>'
    with tifffile.TiffWriter(path) as writer:
        tags = [(700, 1, len(scan), scan, True)]
        writer.write(full[:8, :9], description="Label Image", software="ScanOutputManager 1.1", extratags=tags, **RGB)
        writer.write(full, tile=(16, 16), description="level=0 mag=40 quality=95", **RGB)
        writer.write(full[::2, ::2], tile=(16, 16), subfiletype=1, description="level=1 mag=20 quality=95", **RGB)


@pytest.mark.parametrize("make", [philips, ventana])
def test_a_slide_keeps_scan_level_and_label(tmp_path, make):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    full = samples((64, 96, 3))
    make(path, full)
    plan = upsampled(path, out, scale=2, mode="nearest", verify=True)
    assert [(image.after.grid.shape, image.after.levels) for image in plan.images] == [
        ((128, 192, 3), ((64, 96, 3),)),
        ((16, 18, 3), ()),
    ]
    with tifffile.TiffFile(out) as tiff:
        scan, label = (page for page in tiff.pages if not page.is_reduced)
        np.testing.assert_array_equal(scan.asarray(), doubled(full))
        np.testing.assert_array_equal(label.asarray(), doubled(full[:8, :9]))
        assert not tiff.is_philips
        assert not tiff.is_bif
    if make is philips:
        assert plan.first.before.grid["x"].in_unit("µm").spacing == pytest.approx(0.25)
    else:
        assert "its tiles, which may overlap, are not stitched" in plan.warnings


def log_page(path, photometric, compression, encoded, shape):
    height, width = shape
    channels = 1 if photometric == LOGL else 3
    tags = {
        256: (LONG, (width,)),
        257: (LONG, (height,)),
        258: (SHORT, (16,) * channels),
        259: (SHORT, (compression,)),
        262: (SHORT, (photometric,)),
        273: (LONG, (0,)),
        277: (SHORT, (channels,)),
        278: (LONG, (height,)),
        279: (LONG, (len(encoded),)),
        282: (RATIONAL, (100, 1)),
        283: (RATIONAL, (100, 1)),
        339: (SHORT, (2,) * channels),
    }
    write_page(path, tags, encoded)


def literal_runs(words, planes):
    """The bytes of each row, most significant ones first, as runs of literals of SGI's coding."""
    rows = (np.asarray(words).astype(">u4").view(np.uint8).reshape(*words.shape, 4))[..., -planes:]
    return b"".join(bytes([rows.shape[1]]) + row[:, plane].tobytes() for row in rows for plane in range(planes))


LUMINANCE = np.geomspace(0.01, 1, 24).reshape(4, 6)


def log_luminance(scale, offset):
    return np.floor(scale * (np.log2(LUMINANCE) + offset)).astype(int)


@pytest.mark.parametrize("kind", ["grey", "colours", "24 bits"])
def test_luminance_in_logarithms(tmp_path, kind):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    if kind == "24 bits":
        words = log_luminance(64, 12) << 14 | 8000  # an index of some colour
        log_page(path, LOGLUV, SGILOG24, words.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes(), (4, 6))
    elif kind == "colours":
        words = log_luminance(256, 64) << 16 | 86 << 8 | 194  # chromaticity of white
        log_page(path, LOGLUV, SGILOG, literal_runs(words, 4), (4, 6))
    else:
        log_page(path, LOGL, SGILOG, literal_runs(log_luminance(256, 64), 2), (4, 6))
    plan = upsampled(path, out, scale=2, mode="nearest", verify=True)
    assert "its LogLuv samples are converted to 8-bit RGB" in plan.warnings
    with Image.open(out) as image:
        found = np.asarray(image.convert("RGB")).astype(float)
    np.testing.assert_array_equal(found, doubled(found[::2, ::2]))
    if kind != "24 bits":
        np.testing.assert_allclose(found[::2, ::2, 1], 255 * np.sqrt(LUMINANCE), atol=8)
