"""ImageJ's hyperstacks, as another reader than tifffile sees what it can of them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import samples
from tests.pipeline_helpers import planned, upsampled

LUTS = [np.stack([np.arange(256, dtype=np.uint8)] * 3) // (n + 1) for n in range(2)]
ENTRIES = {
    "axes": "TZCYX",
    "unit": "micron",
    "spacing": 1.5,
    "finterval": 30.0,
    "fps": 1 / 30.0,
    "mode": "composite",
    "loop": True,
    "min": 3.0,
    "max": 900.0,
    "Info": "anything\nµm",
    "Ranges": (0.0, 100.0, 5.0, 200.0),
    "LUTs": LUTS,
    "Labels": [f"plane {number}" for number in range(12)],
    "Properties": {"key": "value"},
    "xorigin": 4.0,
    "yorigin": 2.5,
    "cf": 0,
    "c0": -3.5,
    "c1": 0.25,
    "vunit": "AU",
}
KEPT = ("unit", "mode", "loop", "min", "max", "Info", "Properties", "cf", "c0", "c1", "vunit", "frames", "channels")


def hyperstack(path, **more):
    array = samples((2, 3, 2, 10, 12), "uint16")
    tifffile.imwrite(path, array, imagej=True, resolution=(5, 4), metadata=ENTRIES | more)
    return array


def entries(path):
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_imagej
        assert tiff.series[0].kind == "imagej"
        return tiff.imagej_metadata


def lines(path):
    """The description as Pillow reads it."""
    with Image.open(path) as image:
        return dict(line.split("=", 1) for line in image.tag_v2[270].splitlines() if "=" in line)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_entries_are_kept_and_follow(tmp_path, byteorder):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((2, 3, 2, 10, 12), "uint16")
    tifffile.imwrite(path, array, imagej=True, resolution=(5, 4), metadata=ENTRIES, byteorder=byteorder)
    assert upsampled(path, out, scale="x=2,y=2").warnings == ()
    old, new = entries(path), entries(out)
    for key in (*KEPT, "Labels", "Ranges", "slices", "spacing", "finterval", "fps"):
        assert new[key] == old[key], key
    assert [lut.tolist() for lut in new["LUTs"]] == [lut.tolist() for lut in LUTS]
    # an origin of 4 pixels is 4 of them from the centre of the first: 2 · 4 + 1/2 samples of the output
    assert (new["xorigin"], new["yorigin"]) == (8.5, 5.5)
    with Image.open(out) as image:
        assert (image.tag_v2[282], image.tag_v2[283]) == (10, 8)


def test_planes_that_change_have_other_labels_and_distances(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    hyperstack(path)
    (warning,) = upsampled(path, out, scale="z=2,t=3").warnings
    assert "Labels are dropped" in warning
    old, new = entries(path), entries(out)
    assert "Labels" not in new
    assert (new["slices"], new["frames"], new["channels"], new["images"]) == (6, 6, 2, 72)
    assert (new["spacing"], new["finterval"], new["fps"]) == (0.75, 10.0, 0.1)
    for key in {*KEPT} - {"frames"}:
        assert new[key] == old[key], key
    assert lines(out)["spacing"] == "0.75"


@pytest.mark.parametrize("key", ["ROI", "Overlays", "Plot"])
def test_what_counts_in_pixels_is_dropped_and_said(tmp_path, key):
    path = tmp_path / "in.tif"
    hyperstack(path, **{key: b"Iout" + bytes(60)})
    (warning,) = upsampled(path, tmp_path / "out.tif", scale="x=2,y=2").warnings
    assert f"ImageJ's {key} are dropped" in warning
    assert key not in entries(tmp_path / "out.tif")


def test_another_family_says_what_it_loses(tmp_path):
    hyperstack(tmp_path / "in.tif")
    warning = "\n".join(planned(tmp_path / "in.tif", tmp_path / "out.npy", scale="x=2").warnings)
    for name in ("Info", "Labels", "Ranges", "LUTs", "Properties"):
        assert f"ImageJ's {name}" in warning


def test_an_origin_in_another_dialect(tmp_path):
    hyperstack(tmp_path / "in.tif")
    plan = upsampled(tmp_path / "in.tif", tmp_path / "out.ome.tif", scale="x=2,y=2")
    warning = "\n".join(plan.warnings)
    assert "OME" in warning
    assert "ImageJ's Info" in warning


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits"])
def test_compression_that_imagej_reads_is_kept(tmp_path, compression):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    array = samples((5, 10, 12))
    tifffile.imwrite(path, array, imagej=True, compression=compression, metadata={"axes": "ZYX"})
    assert upsampled(path, out, scale="x=2,y=2", mode="nearest").warnings == ()
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        assert after.pages[0].compression == before.pages[0].compression
    with Image.open(out) as image:
        for number in range(5):
            image.seek(number)
            np.testing.assert_array_equal(np.asarray(image), array[number].repeat(2, 0).repeat(2, 1))


def test_compression_that_imagej_does_not_read_is_dropped_and_said(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples((5, 10, 12)), imagej=True, compression="zstd", metadata={"axes": "ZYX"})
    (warning,) = upsampled(path, out, scale="x=2,y=2").warnings
    assert "without ZSTD compression" in warning
    with tifffile.TiffFile(out) as tiff:
        assert tiff.pages[0].compression == 1


@pytest.mark.parametrize(("unit", "name"), [("µm", "\\u00B5m"), ("Å", "\\u00C5"), ("größe", "gr\\u00F6\\u00DFe")])
def test_units_that_are_not_ascii_are_written_as_imagej_does(tmp_path, unit, name):
    """Others write them in Latin-1."""
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, samples((5, 10, 12)), imagej=True, metadata={"axes": "ZYX", "unit": "?" * len(unit)})
    path.write_bytes(path.read_bytes().replace(b"?" * len(unit), unit.encode("latin-1")))
    upsampled(path, out, scale="2")
    assert lines(out)["unit"] == name
    upsampled(out, tmp_path / "again.tif", scale="2")
    assert lines(tmp_path / "again.tif")["unit"] == name


def test_one_unit_for_all_axes(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    metadata = {"axes": "ZYX", "unit": "um", "zunit": "mm", "yunit": "parsec", "spacing": 0.5}
    tifffile.imwrite(path, samples((5, 10, 12)), imagej=True, resolution=(5, 4), metadata=metadata)
    upsampled(path, out, scale="2")
    now = lines(out)
    assert (now["unit"], now["spacing"], now["yunit"]) == ("um", "250.0", "parsec")
    assert "zunit" not in now


def test_an_axis_without_a_unit_does_not_get_that_of_the_others(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    metadata = {"axes": "ZYX", "unit": "um", "zunit": "pixel", "spacing": 0.5}
    tifffile.imwrite(path, samples((5, 10, 12)), imagej=True, resolution=(5, 4), metadata=metadata)
    plan = upsampled(path, out, scale="2", verify=True)
    assert [axis.unit for axis in plan.first.after.grid.axes] == [None, "µm", "µm"]
    now = lines(out)
    assert (now["unit"], now["zunit"], now["spacing"]) == ("um", "pixel", "0.25")
