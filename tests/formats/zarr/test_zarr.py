"""OME-Zarr and plain Zarr arrays: samples, geometry and metadata."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from upsample_cli.errors import InputError, OutputError, RequestError

zarr = pytest.importorskip("zarr")

from tests.formats.zarr.stores import ome, positions, samples, write_image  # noqa: E402
from tests.pipeline_helpers import planned, upsampled, whole  # noqa: E402
from upsample_cli.formats.base import ReadOptions  # noqa: E402
from upsample_cli.pipeline import regions  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Object at .* is not recognized", "ignore:.*unclosed.*")

SHAPES = {"yx": (25, 36), "zyx": (12, 17, 20), "czyx": (2, 9, 13, 15), "tczyx": (2, 2, 7, 11, 13)}
STORAGE = {
    "chunks": {"chunks": 7},
    "shards": {"chunks": 8, "shards": 16},
    "format 2": {"chunks": 8, "zarr_format": 2},
}


def noise(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    random = np.random.default_rng(1)
    values = random.random(shape) if dtype.endswith(("f4", "f8")) else random.integers(0, 200, shape)
    return values.astype(dtype)


def store(path: Path, array: np.ndarray, **storage: Any) -> Path:
    """Write a plain array; chunk and shard sizes are the same along all axes."""
    sizes = {key: (storage.pop(key),) * array.ndim for key in ("chunks", "shards") if key in storage}
    zarr.create_array(str(path), shape=array.shape, dtype=array.dtype, **sizes, **storage)[...] = array
    return path


@pytest.mark.parametrize(
    ("kind", "axes", "dtype"),
    [(k, a, ("u1", ">u2", "f4")[(i + j) % 3]) for i, k in enumerate(STORAGE) for j, a in enumerate(SHAPES)],
)
def test_a_zarr_array_gives_the_bytes_of_npy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, axes: str, dtype: str
) -> None:
    """In several regions, although the array is small."""
    monkeypatch.setattr(regions, "_REGION_BYTES", 8000)
    if kind != "format 2":
        dtype = dtype.lstrip(">")
    array = noise(SHAPES[axes], dtype)
    np.save(tmp_path / "in.npy", array)
    path = store(tmp_path / "in.zarr", array, **STORAGE[kind])
    integer = dtype[-2] == "u"
    for options in (
        {"mode": "linear", "scale": "1.7"},
        {"mode": "linear", "scale": "0.43", "antialias": True},
        {"mode": "cubic", "size": "31,29" + ",15" * (len(axes) > 2)} if axes in ("yx", "zyx") else {"scale": "1.3"},
        {"mode": "area", "scale": "0.6"},
        {"mode": "lanczos", "scale": "1.2"},
        {"mode": "nearest", "scale": "2.3"},
        {"mode": "linear", "scale": "1.6", "align_corners": True},
        *([{"mode": "label", "scale": "1.5"}] if integer else []),
    ):
        upsampled(tmp_path / "in.npy", tmp_path / "out.npy", axes=axes, **options)
        upsampled(path, tmp_path / "out.zarr", axes=axes, **options)
        actual, expected = samples(tmp_path / "out.zarr"), np.load(tmp_path / "out.npy")
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected, err_msg=str(options))


def test_another_dtype_changes_the_type_alone(tmp_path: Path) -> None:
    array = noise((30, 40), "u1")
    np.save(tmp_path / "in.npy", array)
    upsampled(tmp_path / "in.npy", tmp_path / "out.npy", axes="yx", scale=1.7, dtype="float32")
    for number, storage in enumerate(STORAGE.values()):
        path, out = store(tmp_path / f"in{number}.zarr", array, **dict(storage)), tmp_path / f"out{number}.zarr"
        upsampled(path, out, axes="yx", scale=1.7, dtype="float32")
        np.testing.assert_array_equal(samples(out), np.load(tmp_path / "out.npy"))


def test_storage_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "in.zarr"
    codec = zarr.codecs.GzipCodec(level=5)
    array = zarr.create_array(
        str(path), shape=(20, 20), dtype="u2", chunks=(4, 5), shards=(8, 10), compressors=[codec], fill_value=7,
        dimension_names=["y", "x"], attributes={"who": "me"}, chunk_key_encoding={"name": "v2", "separator": "."},
    )  # fmt: skip
    array[...] = noise((20, 20), "u2")
    upsampled(path, tmp_path / "out.zarr", scale=1.5)
    before, after = (json.loads((p / "zarr.json").read_text()) for p in (path, tmp_path / "out.zarr"))
    assert before.pop("shape") == [20, 20]
    assert after.pop("shape") == [30, 30]
    assert after == before


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("scale", ["z=1.5,y=2,x=1.7", "z=0.8,y=0.5,x=0.61"])
def test_world_coordinates_are_true_at_every_level(
    tmp_path: Path, zarr_format: int, align_corners: bool, scale: str
) -> None:
    """Each volume is filled with the world coordinate of its samples along one axis."""
    spacing, origin = np.array([1.0, 2.0, 0.5, 0.25]), np.array([0.0, 10.0, -3.0, 100.0])
    for axis in (1, 2, 3):
        levels, scales, translations = [], [], []
        for factor in (1, 2, 4):
            shape = (1, *((96 if n == axis else 16) // factor for n in (1, 2, 3)))
            steps = spacing * [1, factor, factor, factor]
            starts = origin + spacing * [0, *([(factor - 1) / 2] * 3)]
            along = (starts[axis] + steps[axis] * np.arange(shape[axis])) * 2 + 5
            levels.append(np.broadcast_to(along.reshape([-1 if n == axis else 1 for n in range(4)]), shape).copy())
            scales.append(steps.tolist())
            translations.append(starts.tolist())
        group = zarr.open_group(str(tmp_path / f"in{axis}.ome.zarr"), mode="w", zarr_format=zarr_format)
        outer = [
            {"type": "scale", "scale": [1.0, 2.0, 2.0, 2.0]},
            {"type": "translation", "translation": [0.0, 5, 5, 5]},
        ]
        write_image(group, "czyx", levels, scales, translations, whole=outer, chunks=(1, 16, 16, 16))
        out = tmp_path / f"out{axis}.ome.zarr"
        upsampled(tmp_path / f"in{axis}.ome.zarr", out, scale=scale, align_corners=align_corners, antialias=False)
        result = zarr.open_group(str(out), mode="r")
        assert ome(result)["multiscales"][0]["coordinateTransformations"] == outer
        assert len(ome(result)["multiscales"][0]["datasets"]) == 3
        for level in range(3):
            values = np.moveaxis(samples(out, str(level)), axis, -1)[0, 0]
            inner = slice(3, -3)  # away from the border, where samples repeat
            expected = positions(result, level)[axis]
            tolerance = 0.02 * (expected[1] - expected[0]) if level else 1e-6  # antialiasing weights ripple a little
            np.testing.assert_allclose(values[0][inner], expected[inner], rtol=0, atol=tolerance)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_metadata_is_kept(tmp_path: Path, zarr_format: int) -> None:
    group = zarr.open_group(str(tmp_path / "in.ome.zarr"), mode="w", zarr_format=zarr_format)
    omero = {
        "channels": [
            {"label": "DAPI", "color": "0000FF", "window": {"min": 0, "max": 9, "start": 1, "end": 5}},
            {"label": "GFP", "color": "00FF00", "window": {"min": 0, "max": 9, "start": 1, "end": 5}},
        ],
        "rdefs": {"defaultZ": 5, "defaultT": 0, "model": "color"},
    }
    image = noise((2, 8, 12, 16), "u2")
    write_image(group, "czyx", [image], [[1, 2, 1, 1]], [[0, 0, 0, 0]], extra={"omero": omero}, chunks=(1, 4, 6, 8))
    group.attrs["mine"] = {"a": [1, 2]}
    labels = group.create_group("labels")
    labels.attrs.update({"ome": {"version": "0.5", "labels": ["cells"]}} if zarr_format == 3 else {"labels": ["cells"]})
    label = (noise((4, 6, 8), "u2") > 120).astype("u2") * 9
    colours = {"image-label": {"colors": [{"label-value": 9, "rgba": [255, 0, 0, 255]}], "source": {"image": "../../"}}}
    below = labels.create_group("cells")
    write_image(below, "zyx", [label], [[4, 2, 2]], [[1, 0.5, 0.5]], extra=colours, chunks=(4, 6, 8))

    plan = upsampled(tmp_path / "in.ome.zarr", tmp_path / "out.ome.zarr", scale=2, mode="linear", verify=True)
    assert not plan.warnings
    result = zarr.open_group(str(tmp_path / "out.ome.zarr"), mode="r")
    assert result.metadata.zarr_format == zarr_format
    after = ome(result)
    assert result.attrs["mine"] == {"a": [1, 2]}
    assert after["omero"]["channels"] == omero["channels"]
    assert after["omero"]["rdefs"] == {"defaultZ": 11, "defaultT": 0, "model": "color"}
    assert after["multiscales"][0]["name"] == "cells"
    assert after["multiscales"][0]["axes"] == ome(group)["multiscales"][0]["axes"]
    assert result["0"].chunks == (1, 4, 6, 8)
    made = result["labels/cells"]
    assert ome(made)["image-label"] == colours["image-label"]
    assert made["0"].shape == (16, 24, 32)  # the grid of the image
    assert set(np.unique(made["0"][...])) <= {0, 9}
    for mine, image_axis in zip(positions(made, 0), positions(result, 0)[1:], strict=True):
        np.testing.assert_allclose(mine, image_axis)
    _validate(tmp_path / "out.ome.zarr", zarr_format)
    assert (
        upsampled(tmp_path / "in.ome.zarr", tmp_path / "x.ome.zarr", scale=2, mode="nearest").images[1].mode.name
        == "nearest"
    )


def test_axes_whose_names_are_words(tmp_path: Path) -> None:
    """Names are compared in lower case."""
    group = zarr.create_group(str(tmp_path / "in.ome.zarr"))
    write_image(group, "ayx", [noise((2, 8, 10), "u2")], [(1.0, 0.5, 0.25)], [(0.0, 0.0, 0.0)])
    entry = ome(group)["multiscales"][0]
    entry["axes"][0] = {"name": "Angle", "type": "other"}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}
    plan = upsampled(tmp_path / "in.ome.zarr", tmp_path / "out.ome.zarr", scale=2, mode="linear", verify=True)
    assert plan.first.after.grid.names == ("angle", "y", "x")
    assert plan.first.after.grid.shape == (2, 16, 20)


def _validate(path: Path, zarr_format: int) -> None:
    """By the specification's models, if they are installed."""
    models = pytest.importorskip("ome_zarr_models")
    image = models.open_ome_zarr(zarr.open_group(str(path), mode="r", zarr_format=zarr_format))
    assert type(image).__name__ == "Image"
    assert type(image).__module__.split(".")[1] == ("v05" if zarr_format == 3 else "v04")


@pytest.mark.parametrize("name", ["out.zarr", "out.ome.zarr"])
def test_several_images_of_a_file_are_images_of_ome_zarr(tmp_path: Path, name: str) -> None:
    images = [noise((8 + number, 10), "u1") for number in (0, 1)]
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for pixels in images:
            writer.write(pixels, metadata=None)
    upsampled(tmp_path / "in.tif", tmp_path / name, scale=1, mode="nearest", verify=True)
    for number, expected in enumerate(images):
        assert np.array_equal(whole(tmp_path / name, ReadOptions(series=number)), expected)


def test_series_of_bioformats2raw_and_a_plate(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "in.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    root.create_group("OME").attrs["series"] = ["0", "1"]
    for number in (0, 1):
        image = noise((8 + number, 10), "u1")
        write_image(root.create_group(str(number)), "yx", [image], [[1, 1]], [[0, 0]], chunks=(8, 8))
    upsampled(tmp_path / "in.zarr", tmp_path / "out.zarr", scale=2)
    result = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")
    assert dict(result.attrs) == {"bioformats2raw.layout": 3}
    assert [result[f"{n}/0"].shape for n in (0, 1)] == [(16, 20), (18, 20)]
    upsampled(tmp_path / "in.zarr", tmp_path / "one.zarr", scale=2, series=1)
    assert samples(tmp_path / "one.zarr", "0").shape == (18, 20)
    with pytest.raises(InputError, match="has 2 images"):
        planned(tmp_path / "in.zarr", scale=2, series=2)

    plate = zarr.open_group(str(tmp_path / "plate.zarr"), mode="w")
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    described = {"columns": [{"name": "1"}], "rows": [{"name": "A"}], "wells": wells, "name": "p"}
    plate.attrs["ome"] = {"version": "0.5", "plate": described}
    well = plate.create_group("A/1")
    well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    write_image(well.create_group("0"), "yx", [noise((8, 10), "u1")], [[1, 1]], [[0, 0]], chunks=(8, 8))
    upsampled(tmp_path / "plate.zarr", tmp_path / "big.zarr", scale=2)
    result = zarr.open_group(str(tmp_path / "big.zarr"), mode="r")
    assert result["A/1/0/0"].shape == (16, 20)
    assert ome(result)["plate"] == described
    assert ome(result["A/1"]) == {"version": "0.5", "well": {"images": [{"path": "0"}]}}


def test_other_families_become_ome_zarr_and_come_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / "out.ome.zarr", scale=2)
    group = zarr.open_group(str(tmp_path / "out.ome.zarr"), mode="r")
    assert group["0"].shape == (4, 40, 60)
    _validate(tmp_path / "out.ome.zarr", 3)
    upsampled(tmp_path / "out.ome.zarr", tmp_path / "back.png", scale=1)
    upsampled(tmp_path / "in.png", tmp_path / "expected.png", scale=2)
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "back.png")), np.asarray(Image.open(tmp_path / "expected.png"))
    )

    volume = noise((40, 70, 90), "u2")
    np.save(tmp_path / "in.npy", volume)
    upsampled(tmp_path / "in.npy", tmp_path / "v.ome.zarr", scale=2)
    upsampled(tmp_path / "in.npy", tmp_path / "v.npy", scale=2)
    np.testing.assert_array_equal(samples(tmp_path / "v.ome.zarr", "0"), np.load(tmp_path / "v.npy"))
    levels = ome(zarr.open_group(str(tmp_path / "v.ome.zarr"), mode="r"))["multiscales"][0]["datasets"]
    assert [samples(tmp_path / "v.ome.zarr", d["path"]).shape for d in levels] == [
        (80, 140, 180),
        (40, 70, 90),
        (20, 35, 45),
    ]
    upsampled(tmp_path / "v.ome.zarr", tmp_path / "back.tif", scale=1)
    np.testing.assert_array_equal(whole(tmp_path / "back.tif"), np.load(tmp_path / "v.npy"))


def test_a_nifti_volume_keeps_its_spacing(tmp_path: Path) -> None:
    nib = pytest.importorskip("nibabel")
    affine = np.diag([0.5, 0.7, 2.0, 1.0])
    affine[:3, 3] = 10, 20, 30
    image = nib.Nifti1Image(noise((20, 22, 24), "u2"), affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "in.nii.gz")
    upsampled(tmp_path / "in.nii.gz", tmp_path / "out.ome.zarr", scale=2)
    group = zarr.open_group(str(tmp_path / "out.ome.zarr"), mode="r")
    z, y, x = positions(group, 0)
    np.testing.assert_allclose([x[0], y[0], z[0]], [10 - 0.125, 20 - 0.175, 30 - 0.5], rtol=1e-6)
    np.testing.assert_allclose([x[1] - x[0], y[1] - y[0], z[1] - z[0]], [0.25, 0.35, 1.0], rtol=1e-6)
    assert ome(group)["multiscales"][0]["axes"][0]["unit"] == "millimeter"


def test_what_cannot_be_read_or_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError):
        planned(tmp_path / "empty.zarr", scale=2)
    zarr.open_group(str(tmp_path / "group.zarr"), mode="w").create_array("a", shape=(4,), dtype="u1")
    with pytest.raises(InputError, match="holds no image; name one of its arrays or groups: a"):
        planned(tmp_path / "group.zarr", scale=2)
    zarr.create_array(str(tmp_path / "big.zarr"), shape=(4096,) * 3, chunks=(1024,) * 3, dtype="u2")
    with pytest.raises(RequestError, match="memory"):
        planned(tmp_path / "big.zarr", scale=2, max_memory=10**9)
    np.save(tmp_path / "1d.npy", np.arange(9))
    with pytest.raises(OutputError, match="no place"):
        planned(tmp_path / "1d.npy", tmp_path / "x.ome.zarr", scale=2)


@pytest.mark.parametrize("shards", [None, (512, 512, 512)])
def test_a_petabyte_is_planned_from_its_metadata(tmp_path: Path, shards: tuple[int, ...] | None) -> None:
    zarr.create_array(str(tmp_path / "in.zarr"), shape=(80_000,) * 3, chunks=(64,) * 3, shards=shards, dtype="u2")
    tracemalloc.start()
    plan = planned(tmp_path / "in.zarr", scale=2, max_memory=4 * 10**9)  # this process has run other tests
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert plan.output_bytes == 8 * 2 * 80_000**3
    assert peak < 100e6


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    path = store(tmp_path / "in.zarr", noise((20, 20), "u2"), chunks=8)
    (path / "c" / "1" / "1").write_bytes(b"no zstd")
    with pytest.raises(InputError, match="damaged chunk"):
        upsampled(path, tmp_path / "out.zarr", scale=2)
    with pytest.raises(InputError, match="damaged chunk"):
        upsampled(path, tmp_path / "out.npy", scale=2)
    assert not list(tmp_path.glob("out.*"))


def test_the_levels_and_channels_of_an_ome_tiff_come_along(tmp_path: Path) -> None:
    array = noise((2, 64, 48), "u1")
    channels = {"Name": ["DAPI", "GFP"], "Color": [65535, -16776961]}  # RGBA: blue, red
    with tifffile.TiffWriter(tmp_path / "in.ome.tif") as file:
        file.write(array, subifds=2, metadata={"axes": "CYX", "Channel": channels}, photometric="minisblack")
        for step in (2, 4):
            file.write(array[:, ::step, ::step], subfiletype=1, photometric="minisblack")
    plan = upsampled(tmp_path / "in.ome.tif", tmp_path / "out.ome.zarr", scale="2", verify=True)
    says = "OME-Zarr cannot hold these, which are dropped: the OME-XML, except names and colours of channels"
    assert [warning for warning in plan.warnings if "dropped" in warning] == [says]
    group = zarr.open_group(tmp_path / "out.ome.zarr")
    attributes = ome(group)
    shown = [(channel["label"], channel["color"]) for channel in attributes["omero"]["channels"]]
    assert shown == [("DAPI", "0000FF"), ("GFP", "FF0000")]
    shapes = [group[level["path"]].shape for level in attributes["multiscales"][0]["datasets"]]
    assert shapes == [(2, 128, 96), (2, 64, 48), (2, 32, 24)]
