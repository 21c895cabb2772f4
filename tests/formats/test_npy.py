import numpy as np
import pytest

from tests.pipeline_helpers import planned, upsampled
from upsample_cli import formats
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats.base import Header, ReadOptions, WriteOptions
from upsample_cli.geometry import Axis, Grid


def saved(folder, array, name="in.npy"):
    np.save(folder / name, array, allow_pickle=True)
    return folder / name


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (None, (2, 6, 8)),
        ("tyx", (1, 6, 8)),
        ("cyx", (1, 6, 8)),
        ("yxs", (2, 6, 4)),
        ("xyz", (2, 6, 8)),
        ("tcx", (1, 3, 8)),
    ],
)
def test_names_of_axes_say_which_are_resized(tmp_path, axes, expected):
    path = saved(tmp_path, np.zeros((1, 3, 4)))
    assert planned(path, scale="2", axes=axes).first.after.grid.shape == expected


def test_positional_values_are_for_x_y_z_whatever_the_order_of_the_array(tmp_path):
    path = saved(tmp_path, np.zeros((2, 2, 2)))
    assert planned(path, size="3x5x7").first.after.grid.shape == (7, 5, 3)
    assert planned(path, size="3x5x7", axes="xyz").first.after.grid.shape == (3, 5, 7)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f8", "|b1", "<c8", "<f2"])
def test_the_dtype_stays_to_the_byte_order(tmp_path, dtype):
    path = saved(tmp_path, np.ones((3, 4), dtype))
    upsampled(path, tmp_path / "out.npy", scale="2")
    result = np.load(tmp_path / "out.npy")
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result, np.ones((6, 8)))


@pytest.mark.parametrize(("shape", "axes"), [((3, 4), "x"), ((3,), "yx"), ((1, 1, 1, 1, 1, 2), None)])
def test_a_wrong_number_of_names(tmp_path, shape, axes):
    with pytest.raises(InputError, match=rf"in\.npy: has {len(shape)} axes; name each of them with --axes"):
        planned(saved(tmp_path, np.zeros(shape)), scale="2", axes=axes)


@pytest.mark.parametrize(
    "array", [np.array(3.0), np.array([None, "a"]), np.array([{}, {}])], ids=["0-D", "None", "dict"]
)
def test_what_is_no_array_of_numbers(tmp_path, array):
    with pytest.raises(InputError, match=r"in\.npy: "):
        planned(saved(tmp_path, array), scale="2")


@pytest.mark.parametrize("content", [b"PK\x03\x04 and so on", None], ids=["magic", "npz"])
def test_archives_under_the_wrong_name(tmp_path, content):
    path = tmp_path / "in.npy"
    if content is None:
        np.savez(tmp_path / "a.npz", x=np.zeros((3, 3)))
        (tmp_path / "a.npz").rename(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"in\.npy: "):
        planned(path, scale="2")


def header(**known):
    """Of an array of 4 × 5 pixels with two samples each."""
    return Header(Grid((Axis("y", 4), Axis("x", 5), Axis("s", 2)), known.pop("affines", {})), np.dtype("u1"), **known)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({}, None),
        ({"affines": {"raster": np.eye(4)}}, None),
        ({"affines": {"sform": np.eye(4), "raster": np.eye(4)}}, "the positions of the samples (sform)"),
        ({"icc": b"profile"}, "the ICC profile"),
        ({"labels": True}, "that the samples are labels"),
        ({"alpha": True}, "that the last sample of a pixel is alpha"),
        ({"colours": "RGB"}, None),
        ({"colours": "CMYK"}, "that the samples are CMYK"),
        ({"levels": ((2, 2, 2),)}, "the smaller levels of the pyramid"),
        (
            {"scaling": (2.0, 1.0)},
            "the scaling of its numbers (slope 2, intercept 1; --dtype float32 writes the values that they mean)",
        ),
        ({"foreign_items": ("EXIF",)}, "EXIF"),
        ({"metadata": object()}, "the names of the axes (yxs)"),
    ],
)
def test_what_is_lost_is_said(tmp_path, known, says):
    sink = formats.make_sink(tmp_path / "out.npy", [header(**known)], WriteOptions())
    expected = [f".npy cannot hold these, which are dropped: {says}"] if says else []
    assert sink.warnings == expected


def test_spacing_that_is_lost_is_said(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "in.tif", np.zeros((4, 5), "u1"), resolution=(300, 300), resolutionunit="inch")
    (warning,) = planned(tmp_path / "in.tif", tmp_path / "out.npy", scale="2").warnings
    assert "the names of the axes (yx); spacing and units" in warning
    assert planned(saved(tmp_path, np.zeros((4, 5))), scale="2").warnings == ()


def test_several_images_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(OutputError, match=r"out\.npy: holds one image, not 2; .*--series 0"):
        formats.make_sink(tmp_path / "out.npy", [header(), header()], WriteOptions())


def test_what_has_been_done_has_no_place_and_the_bytes_are_numpy_s_own(tmp_path):
    array = np.arange(20, dtype=">i2").reshape(4, 5)
    path = saved(tmp_path, array)
    upsampled(path, tmp_path / "out.npy", scale="1", mode="nearest")
    assert (tmp_path / "out.npy").read_bytes() == path.read_bytes()


def test_opening_reads_the_header_alone(tmp_path):
    """A hole in place of 100 GB of samples."""
    path = tmp_path / "huge.npy"
    with path.open("wb") as file:
        described = {"descr": "|u1", "fortran_order": False, "shape": (10_000, 10_000, 1_000)}
        np.lib.format.write_array_header_1_0(file, described)
        file.truncate(file.tell() + 100_000_000_000)
    with formats.open_source(path, ReadOptions()) as source:
        assert source.header.grid.shape == (10_000, 10_000, 1_000)
        assert source.read(1, 5_000_000, 5_000_010).shape == (10, 1_000)
