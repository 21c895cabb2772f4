"""Zarr hierarchies whose documents, chunks or links are damaged are refused in words, or read as far as they go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from tests.formats.zarr.documents import OLD_ARRAY
from tests.pipeline_helpers import planned, upsampled, whole
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.formats import identity
from upsample_cli.formats.zarr.array import StoredArray

pytest.importorskip("zarr")

ARRAY: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 6],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 6]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
}
SHARDED = {"name": "sharding_indexed", "configuration": {"chunk_shape": [0, 6], "codecs": [{"name": "bytes"}]}}


def write(folder: Path, document: object, name: str = "zarr.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return folder


def grid(*chunk_shape: object) -> dict[str, Any]:
    return {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}}}


def image(folder: Path, dataset: str, scale: object = 1.0, shapes: tuple[tuple[int, ...], ...] = ((4, 6),)) -> Path:
    """An OME-Zarr image of arrays of zeros, of which the first has the path `dataset`."""
    paths = [dataset, *(str(number) for number in range(1, len(shapes)))]
    axes = [{"name": name, "type": "space"} for name in "zyx"[-len(shapes[0]) :]]
    transformations = [{"type": "scale", "scale": [scale] * len(axes)}]
    datasets = [{"path": path, "coordinateTransformations": transformations} for path in paths]
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    write(folder, {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}})
    for path, shape in zip(paths, shapes, strict=True):
        write(folder / path, ARRAY | {"shape": list(shape), **grid(*shape)})
    return folder


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "7", "[" * 100_000, '{"a":' * 50_000, '{"zarr_format": 1e999}']
)
def test_a_document_that_is_no_json_object(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        InputError, match=r"is not a readable Zarr hierarchy: its zarr(.json is not|_format is neither)"
    ):
        planned(write(tmp_path / "in.zarr", text), tmp_path / "out.npy", scale="2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zarr_format": 4}, "zarr_format"),
        ({"zarr_format": None}, "zarr_format"),
        ({"node_type": "group"}, "node_type"),
        ({"attributes": []}, "attributes"),
        ({"shape": 7}, "shape"),
        ({"shape": [4, -6]}, "shape is 4, -6"),
        ({"shape": [4, 6.0]}, "shape"),
        ({"shape": [4, True]}, "shape"),
        ({"shape": [1] * 40}, "shape"),
        ({"data_type": False}, "data type"),
        ({"data_type": "nonsense"}, ""),
        ({"chunk_grid": None}, "chunk_grid"),
        ({"chunk_key_encoding": {"name": "v2", "configuration": {"name": "x"}}}, "chunk_key_encoding"),
        ({"chunk_grid": {"name": "irregular"}}, "only regular grids"),
        (grid(0, 6), "chunk_shape is 0, 6"),
        (grid(4), "1 axes"),
        (grid(10**12, 10**12), "which cannot be"),
        ({"chunk_key_encoding": {"name": "other"}}, "chunk_key_encoding"),
        ({"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "x"}}}, "separator"),
        ({"codecs": []}, "codecs"),
        ({"codecs": [7]}, "codec"),
        ({"codecs": [{"configuration": {}}]}, "has no name"),
        ({"codecs": [{"name": "nonsense"}]}, ""),
        ({"codecs": [SHARDED]}, "chunk_shape within shards is 0, 6"),
        ({"dimension_names": "yx"}, "names of its axes"),
        ({"dimension_names": ["y", 7]}, "names of its axes"),
        ({"fill_value": "nonsense"}, ""),
    ],
)
def test_a_damaged_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"is not a readable Zarr hierarchy: .*{message}") as caught:
        planned(write(tmp_path / "in.zarr", ARRAY | change), tmp_path / "out.npy", scale="2")
    assert "<class" not in str(caught.value)
    assert "object" not in str(caught.value).replace("JSON object", "")


@pytest.mark.parametrize("change", [{"chunks": [4]}, {"chunks": "x"}, {"dimension_separator": "-"}, {"dtype": None}])
def test_a_damaged_field_of_format_2(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"is not a readable Zarr hierarchy: (its|the separator)"):
        planned(write(tmp_path / "in.zarr", OLD_ARRAY | change, ".zarray"), tmp_path / "out.npy", scale="2")


@pytest.mark.parametrize("size", [10**9, 10**12])
def test_chunks_larger_than_memory_are_counted(tmp_path: Path, size: int) -> None:
    with pytest.raises(RequestError, match="of memory, but only"):
        planned(write(tmp_path / "in.zarr", ARRAY | grid(4, size)), tmp_path / "out.npy", scale="2")


def test_an_axis_of_too_many_chunks(tmp_path: Path) -> None:
    document = ARRAY | grid(1, 1) | {"shape": [4, 10**9]}
    with pytest.raises(RequestError, match="chunks along an axis"):
        planned(write(tmp_path / "in.zarr", document), tmp_path / "out.zarr", scale="y=2")


def test_a_file_needs_space_for_the_empty_part_of_an_array(tmp_path: Path) -> None:
    document = ARRAY | {"shape": [10**9, 10**4]}
    with pytest.raises(OutputError, match="the disk has only"):
        planned(write(tmp_path / "in.zarr", document), tmp_path / "out.npy", scale="y=2")


@pytest.mark.parametrize("path", ["../outside", "..", "a/../../outside"])
def test_a_path_that_leads_out_of_the_hierarchy(tmp_path: Path, path: str) -> None:
    write(tmp_path / "outside", ARRAY)
    with pytest.raises(InputError, match="which is not a path inside it"):
        planned(image(tmp_path / "store" / "in.zarr", path), tmp_path / "out.ome.zarr", scale="2")


@pytest.mark.parametrize("word", [{"name": "x"}, 7, None, "\x1b[31m"])
@pytest.mark.parametrize("key", ["name", "unit"])
def test_words_about_an_axis_that_are_no_text(tmp_path: Path, key: str, word: object) -> None:
    path = image(tmp_path / "in.zarr", "0")
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["ome"]["multiscales"][0]["axes"][1][key] = word
    with pytest.raises(InputError, match="of its axes are damaged"):
        planned(write(path, document), tmp_path / "out.ome.zarr", scale="2")


@pytest.mark.parametrize("setting", [{"clevel": 2**31}, {"blocksize": float("nan")}])
def test_a_codec_that_cannot_encode_with_its_settings(tmp_path: Path, setting: dict[str, float]) -> None:
    compressor = {"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1, "blocksize": 0} | setting
    path = write(tmp_path / "in.zarr", OLD_ARRAY | {"compressor": compressor}, ".zarray")
    (path / "0.0").write_bytes(imagecodecs.blosc_encode(np.arange(24, dtype=np.uint8)))
    with pytest.raises(OutputError, match=r"out.zarr: cannot be encoded by its codecs: (?!cannot convert)"):
        upsampled(path, tmp_path / "out.zarr", scale="2")


def test_gzip_data_that_zarr_python_refuses(tmp_path: Path) -> None:
    document = ARRAY | {"codecs": [*ARRAY["codecs"], {"name": "gzip", "configuration": {}}]}
    path = write(tmp_path / "in.zarr", document)
    (path / "c" / "0").mkdir(parents=True)
    (path / "c" / "0" / "0").write_bytes(b"(\xb5/\xfd nothing")
    with pytest.raises(InputError, match="cannot be read: its contents are damaged"):
        upsampled(path, tmp_path / "out.npy", scale="2")


@pytest.mark.parametrize("scale", ["1", None, float("nan"), float("inf"), [1]])
def test_a_scale_that_is_no_number(tmp_path: Path, scale: object) -> None:
    with pytest.raises(InputError, match="no scale or translation of 2 axes"):
        planned(image(tmp_path / "in.zarr", "0", scale), tmp_path / "out.ome.zarr", scale="2")


def test_links_to_devices_and_to_folders_above(tmp_path: Path) -> None:
    array = write(tmp_path / "in.zarr", ARRAY)
    (array / "c" / "0").mkdir(parents=True)
    for name, target in (("c/0/0", "/dev/zero"), ("c/up", ".."), ("c/again", ".."), ("c/self", "self")):
        (array / name).symlink_to(target)
    assert len(list(identity(array))) == 2  # the document and the device
    assert not whole(array).any()  # the chunk counts as missing


def test_a_document_that_leads_to_a_device(tmp_path: Path) -> None:
    write(tmp_path / "in.zarr", OLD_ARRAY, ".zarray")
    (tmp_path / "in.zarr" / "zarr.json").symlink_to("/dev/zero")
    assert whole(tmp_path / "in.zarr").shape == (4, 6)


def test_a_truncated_chunk(tmp_path: Path) -> None:
    array = write(tmp_path / "in.zarr", ARRAY)
    (array / "c" / "0").mkdir(parents=True)
    (array / "c" / "0" / "0").write_bytes(bytes(7))
    with pytest.raises(InputError, match="has a damaged chunk"):
        upsampled(array, tmp_path / "out.npy", scale="2")


def test_a_level_with_an_empty_axis(tmp_path: Path) -> None:
    store = image(tmp_path / "in.zarr", "0", shapes=((4, 6), (2, 3)))
    write(store / "1", ARRAY | {"shape": [2, 0]})
    with pytest.raises(InputError, match="one of its arrays has an empty axis"):
        planned(store, tmp_path / "out.ome.zarr", scale="2")


def test_a_codec_that_cannot_encode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("expected bytes, dict found")

    array = write(tmp_path / "in.zarr", ARRAY)
    (array / "c" / "0").mkdir(parents=True)
    (array / "c" / "0" / "0").write_bytes(bytes(range(24)))
    monkeypatch.setattr(StoredArray, "write_box", fail)
    with pytest.raises(OutputError, match=r"out.zarr: cannot be encoded by its codecs"):
        upsampled(array, tmp_path / "out.zarr", scale="2")


def test_levels_with_fewer_planes_are_left_out_of_tiff(tmp_path: Path) -> None:
    store = image(tmp_path / "in.zarr", "0", shapes=((4, 6, 8), (2, 3, 4)))
    plan = upsampled(store, tmp_path / "out.ome.tif", scale="2", verify=True)
    assert any("pyramid levels" in warning for warning in plan.warnings)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tiff:
        assert tiff.series[0].shape == (8, 12, 16)
        assert all(not page.subifds for page in tiff.pages)
        assert not np.any(tiff.asarray())


def test_labels_that_are_named_twice_are_resized_once(tmp_path: Path) -> None:
    folder = image(tmp_path / "in.zarr", "0")
    labels = folder / "labels"
    write(labels, {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"labels": ["a", "a", "a/"]}}})
    image(labels / "a", "0")
    assert len(planned(folder, scale=2).images) == 2
    upsampled(folder, tmp_path / "out.ome.zarr", scale=2, verify=True)


def test_levels_that_are_the_same_array(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two of its levels are the same array"):
        planned(image(tmp_path / "in.zarr", "1", shapes=((4, 6), (4, 6))), scale=2)


@pytest.mark.parametrize("level", [(2**31, 3), (2, 7)])
def test_levels_that_grow(tmp_path: Path, level: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="its levels are not ordered from the largest to the smallest"):
        planned(image(tmp_path / "in.zarr", "0", shapes=((4, 6), level)), scale=2)


def test_the_space_for_a_file_in_a_new_folder_is_checked(tmp_path: Path) -> None:
    document = ARRAY | {"shape": [2**40, 6], **grid(2**20, 6)}
    with pytest.raises(OutputError, match="but the disk has only"):
        planned(write(tmp_path / "in.zarr", document), tmp_path / "new" / "out.npy", scale=2)
