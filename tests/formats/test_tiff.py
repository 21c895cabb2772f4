import threading

import numpy as np
import pytest
import tifffile

from tests.formats.examples import BY_ID, made, samples
from tests.pipeline_helpers import planned, upsampled, whole
from tests.samples import SAMPLES
from upsample_cli import formats
from upsample_cli.errors import InputError
from upsample_cli.formats.base import ReadOptions


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiff-uint8", (42, 70)),
        ("tiff-rgb", (42, 70, 3)),
        ("tiff-rgb-planar", (3, 42, 70)),
        ("tiff-stack-uint8", (10, 42, 70)),
        ("tiff-gaps-lzw", (10, 42, 70)),
        ("tiff-shaped", (10, 42, 70)),
        ("tiff-shaped-axes", (4, 3, 42, 70)),
        ("tiff-shaped-time", (5, 42, 70)),
        ("imagej-tzcyx", (2, 6, 2, 42, 70)),
        ("ome-czyx", (2, 10, 42, 70)),
        ("ome-tzcyx", (2, 6, 2, 42, 70)),
    ],
)
def test_z_y_and_x_are_resized_and_no_others(tmp_path, name, expected):
    path, out = made(tmp_path, name), tmp_path / f"out{BY_ID[name].suffix}"
    upsampled(path, out, scale="2")
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        assert after.series[0].shape == expected
        assert after.series[0].axes == before.series[0].axes.replace("Q", "Z")
        assert after.series[0].dtype == before.series[0].dtype


@pytest.mark.parametrize(
    "name",
    [
        *("tiff-lzw-predictor", "tiff-zlib-plain", "tiff-zstd-predictor", "tiff-packbits-plain", "tiff-none-plain"),
        *("tiff-tiles", "tiff-tiles-zlib", "tiff-tiles-rgb", "tiff-tiles-planar", "tiff-rgb-planar", "tiff-rgba"),
        *("tiff-rgba-premultiplied", "tiff-white-is-zero", "tiff-bigtiff", "tiff-bigtiff-big-endian"),
        *("tiff-stack-uint16", "tiff-inches", "tiff-centimetres", "imagej-tzcyx", "ome-czyx", "ome-tiled-millimetres"),
    ],
)
def test_samples_are_laid_out_as_they_were(tmp_path, name):
    path, out = made(tmp_path, name), tmp_path / f"out{BY_ID[name].suffix}"
    upsampled(path, out, scale="2")
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        for attribute in ("byteorder", "is_bigtiff", "is_imagej", "is_ome", "is_shaped"):
            assert getattr(after, attribute) == getattr(before, attribute), attribute
        for attribute in (
            "compression",
            "predictor",
            "photometric",
            "planarconfig",
            "extrasamples",
            "is_tiled",
            "tile",
        ):
            assert getattr(after.pages[0], attribute) == getattr(before.pages[0], attribute), attribute
        units = [tiff.pages[0].tags.valueof("ResolutionUnit") for tiff in (before, after)]
        assert units[0] in (units[1], None)


def test_imagej_keeps_its_own_metadata(tmp_path):
    out = tmp_path / "out.tif"
    upsampled(SAMPLES / "stack_imagej.tif", out, scale="2")
    with tifffile.TiffFile(SAMPLES / "stack_imagej.tif") as before, tifffile.TiffFile(out) as after:
        old, new = before.imagej_metadata, after.imagej_metadata
        assert new["spacing"] == old["spacing"] / 2
        assert new["slices"] == old["slices"] * 2
        for key in ("frames", "channels", "finterval", "unit", "mode", "Ranges", "hyperstack"):
            assert new[key] == old[key], key
        assert [lut.tolist() for lut in new["LUTs"]] == [lut.tolist() for lut in old["LUTs"]]


def test_ome_keeps_spacing_units_and_channels(tmp_path):
    out = tmp_path / "out.ome.tif"
    plan = upsampled(SAMPLES / "stack_ome.ome.tif", out, scale="2")
    xml = tifffile.tiffcomment(out)
    for text in ('SizeX="112"', 'SizeY="80"', 'SizeZ="16"', 'SizeC="2"', 'Name="DNA"', 'Name="Tubulin"'):
        assert text in xml
    for axis, size in (("X", "0.125"), ("Y", "0.125"), ("Z", "0.5")):
        assert f'PhysicalSize{axis}="{size}"' in xml
        assert f'PhysicalSize{axis}Unit="µm"' in xml
    assert plan.warnings == ()


def test_nearest_keeps_a_palette(tmp_path):
    path, out = made(tmp_path, "tiff-palette"), tmp_path / "out.tif"
    upsampled(path, out, scale="2", mode="nearest")
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        np.testing.assert_array_equal(after.pages[0].colormap, before.pages[0].colormap)
        np.testing.assert_array_equal(after.asarray(), before.asarray().repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    ("axes", "names", "shape"),
    [
        (None, "zyx", (10, 42, 70)),
        ("tyx", "tyx", (5, 42, 70)),
        ("cyx", "cyx", (5, 42, 70)),
        ("zyx", "zyx", (10, 42, 70)),
    ],
)
def test_a_lone_page_axis_is_z_unless_it_is_named(tmp_path, axes, names, shape):
    for name in ("tiff-stack-uint8", "tiff-lzw-plain", "tiff-gaps", "tiff-shaped"):
        plan = upsampled(made(tmp_path, name), tmp_path / "out.tif", scale="2", axes=axes)
        assert "".join(plan.first.after.grid.names) == names
        assert tifffile.imread(tmp_path / "out.tif").shape == shape


def test_axes_given_by_name_do_not_rename_those_of_the_file(tmp_path):
    for name in ("imagej-zyx", "ome-czyx"):
        plan = planned(made(tmp_path, name), scale="2", axes="tyx")
        assert any("--axes is ignored" in warning for warning in plan.warnings)
        assert "z" in plan.first.after.grid.names


@pytest.mark.parametrize(("name", "axes"), [("tiff-stack-uint8", "yx"), ("tiff-uint8", "zyx"), ("tiff-rgb", "x")])
def test_a_wrong_number_of_names(tmp_path, name, axes):
    with pytest.raises(InputError, match=r"in\.tif: has . axes .*--axes"):
        planned(made(tmp_path, name), scale="2", axes=axes)


def test_axes_that_nobody_names_have_to_be_named(tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, samples((2, 3, 8, 9)), photometric="minisblack")
    with pytest.raises(InputError, match="name each of them with --axes"):
        planned(path, scale="2")
    assert planned(path, scale="2", axes="tzyx").first.after.grid.shape == (2, 6, 16, 18)


def test_messages_about_a_file_are_not_taken_for_those_of_a_file_that_another_thread_opens(tmp_path, monkeypatch):
    intact, damaged = tmp_path / "intact.tif", tmp_path / "damaged.tif"
    for path in (intact, damaged):
        tifffile.imwrite(path, samples((4, 16, 18)), compression="zlib", photometric="minisblack", metadata=None)
    with tifffile.TiffFile(damaged) as tiff:
        damaged.write_bytes(damaged.read_bytes()[: tiff.pages[2].offset])
    refused = []

    def open_damaged():
        with pytest.raises(InputError, match=r"damaged\.tif: is truncated: parts of it lie beyond its end"):
            formats.open_source(damaged, ReadOptions())
        refused.append(damaged)

    class Slow(tifffile.TiffFile):
        def __init__(self, path):
            super().__init__(path)
            if path == intact:
                thread = threading.Thread(target=open_damaged)
                thread.start()
                thread.join()

    monkeypatch.setattr(tifffile, "TiffFile", Slow)
    with formats.open_source(intact, ReadOptions()) as source:
        assert source.header.grid.shape == (4, 16, 18)
    assert refused == [damaged]


def test_what_is_kept_is_not_warned_of(tmp_path):
    for name in ("tiff-uint8", "tiff-rgb", "imagej-zyx", "tiff-shaped"):
        assert planned(made(tmp_path, name), scale="2").warnings == (), name
    for name in ("tiff-stack-uint16", "tiff-lzw-predictor"):
        assert planned(made(tmp_path, name), scale="2", axes="zyx").warnings == (), name


def straight(planar: bool) -> np.ndarray:
    """Red beside green that nobody can see."""
    array = np.zeros((4, 4, 8), np.uint8)
    array[1, :, :4], array[0, :, 4:], array[3, :, 4:] = 255, 255, 255
    return array if planar else np.ascontiguousarray(array.transpose(1, 2, 0))


def test_colours_of_transparent_pixels_stay_out_of_sight(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, straight(False), photometric="rgb", extrasamples=["unassalpha"])
    assert upsampled(path, out, scale="2").warnings == ()
    assert tifffile.imread(out)[..., 1].max() == 0


def test_alpha_in_a_plane_of_its_own_weighs_too(tmp_path):
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, straight(True), photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"])
    assert upsampled(path, out, scale="2").warnings == ()
    assert tifffile.imread(out).shape == (4, 8, 16)
    assert tifffile.imread(out)[1].max() == 0


def test_opening_reads_the_header_alone(tmp_path):
    """A hole in place of 100 GB of samples."""
    path = tmp_path / "huge.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(shape=(1000, 10_000, 10_000), dtype="uint8", photometric="minisblack", metadata=None)
    with formats.open_source(path, ReadOptions()) as source:
        assert source.header.grid.shape == (1000, 10_000, 10_000)
        assert not source.read(0, 999, 1000)[0, :10].any()


@pytest.mark.parametrize("name", ["stack_plain.tif", "stack_imagej.tif", "stack_ome.ome.tif"])
def test_samples_are_those_that_tifffile_reads(name):
    np.testing.assert_array_equal(whole(SAMPLES / name), tifffile.imread(SAMPLES / name))
