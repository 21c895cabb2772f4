"""One suite over every handler: what `Source` and `Sink` promise, on files that the families' own libraries wrote."""

from __future__ import annotations

import gc
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.formats.examples import EXAMPLES, Example
from tests.oracles.compare import assert_same_bits
from tests.pipeline_helpers import whole, write
from upsample_cli.errors import InputError
from upsample_cli.formats import open_source, parts
from upsample_cli.formats.base import Header, ReadOptions
from upsample_cli.geometry import Grid
from upsample_cli.pipeline.array_plan import array_bytes

_LARGEST_BYTES = 1 << 28  # of the memory in which a file is read


@dataclass(frozen=True)
class Made:
    """An example that lies in a directory of its own."""

    example: Example
    path: Path
    array: np.ndarray

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.parent.iterdir())


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> Iterator[None]:
    """What is older than these tests need not be searched for files that they leave open."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.id)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """An example, which no test may change."""
    folder = tmp_path / "input"
    folder.mkdir()
    path = folder / f"example{request.param.suffix}"
    made = Made(request.param, path, request.param.make(path))
    before = {file: file.read_bytes() for file in made.files}
    yield made
    assert {file: file.read_bytes() for file in made.files} == before, "the input has been changed"


def assert_like(actual: Grid, example: Example, shape: tuple[int, ...]) -> None:
    """`actual` has the axes of `example`, their spacing and units as precisely as formats store them."""
    assert "".join(actual.names) == example.axes
    assert actual.shape == shape
    assert {axis.name: axis.spacing for axis in actual.axes if axis.spacing is not None} == pytest.approx(
        dict(example.spacing), rel=1e-3
    )
    assert {axis.name: axis.unit for axis in actual.axes if axis.unit is not None} == dict(example.unit)
    assert set(actual.affines) == example.frames


def ranges(rows: int) -> list[tuple[int, int]]:
    """Ranges of rows, some of which overlap, and none of which goes back."""
    parts = [(0, 1), (0, 3), (rows // 3, rows // 3 + 2), (rows // 2, rows // 2 + rows // 3 + 1), (rows - 1, rows)]
    return [(start, min(stop, rows)) for start, stop in parts]


def in_question(example: Example) -> list[int]:
    """The axes along which files are cut into slabs: pixels stay whole."""
    return [number for number, name in enumerate(example.axes) if name != "s"]


def cut(array: np.ndarray, axis: int, heights: list[int]) -> list[np.ndarray]:
    """The array in slabs of the given heights, over and over, its axes up to `axis` merged."""
    rows = array.reshape(-1, *array.shape[axis + 1 :])
    slabs, start = [], 0
    while start < len(rows):
        height = heights[len(slabs) % len(heights)]
        slabs.append(rows[start : start + height][None])
        start += height
    return slabs


def bytes_of(path: Path, header: Header, slabs: list[np.ndarray]) -> list[bytes]:
    write(path, header, slabs)
    return [file.read_bytes() for file in parts(path)]


def test_the_header_says_what_the_file_holds(made: Made) -> None:
    with open_source(made.path, made.example.options) as source:
        header = source.header
    assert_like(header.grid, made.example, made.array.shape)
    assert header.dtype.newbyteorder("=") == made.array.dtype
    assert header.alpha == made.example.alpha


def test_all_of_it_is_the_array(made: Made) -> None:
    assert_same_bits(whole(made.path, made.example.options), made.array)


def test_rows_of_any_axis_are_slices_of_the_whole(made: Made) -> None:
    for axis in in_question(made.example):
        expected = made.array.reshape(-1, *made.array.shape[axis + 1 :])
        with open_source(made.path, made.example.options) as source:
            for start, stop in ranges(len(expected)):
                rows = source.read(axis, start, stop)
                assert_same_bits(rows.astype(made.array.dtype), expected[start:stop])


def test_what_is_written_is_read_again(made: Made, tmp_path: Path) -> None:
    out = tmp_path / f"out{made.example.suffix}"
    with open_source(made.path, made.example.options) as source:
        header = source.header
    write(out, header, [made.array.astype(header.dtype)])
    with open_source(out, made.example.options) as source:
        assert_like(source.header.grid, made.example, made.array.shape)
        assert source.header.dtype == header.dtype
        assert source.header.alpha == header.alpha
        for name, affine in header.grid.affines.items():
            np.testing.assert_array_equal(source.header.grid.affines[name], affine)
    if made.example.lossless:
        assert_same_bits(whole(out, made.example.options), made.array)


def test_slabs_of_any_height_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    out = tmp_path / f"out{made.example.suffix}"
    with open_source(made.path, made.example.options) as source:
        header = source.header
    array = made.array.astype(header.dtype)
    expected = bytes_of(out, header, [array])
    assert bytes_of(out, header, [array]) == expected, "the same again is another file"
    for axis in in_question(made.example):
        rows = math.prod(array.shape[: axis + 1])
        for heights in ([1], [2, 1, 3], [rows - 1, 1], [rows]):
            if min(heights) > 0 and rows // heights[0] < 2_000:
                assert bytes_of(out, header, cut(array, axis, heights)) == expected, (axis, heights)


def test_slabs_of_memory_in_any_order_are_written_as_they_read(made: Made, tmp_path: Path) -> None:
    out = tmp_path / f"out{made.example.suffix}"
    with open_source(made.path, made.example.options) as source:
        header = source.header
    array = made.array.astype(header.dtype)
    assert bytes_of(out, header, [np.asfortranarray(array)]) == bytes_of(out, header, [array])


def outcome(path: Path, options: ReadOptions) -> np.ndarray | None:
    """All samples, or None where the file is refused as it has to be, or is too large to be read."""
    try:
        with open_source(path, options) as source:
            if source.memory_factor * array_bytes(source.header) > _LARGEST_BYTES:
                return None  # no plan allows it
        return whole(path, options)
    except InputError as error:
        refusal = error
    assert refusal.exit_code == 3
    assert refusal.path == path
    assert str(refusal).startswith(f"{path}: ")
    return None


def test_a_file_cut_short_is_refused_or_complete(made: Made, tmp_path: Path) -> None:
    for number, damaged in enumerate(made.files):
        folder = tmp_path / str(number)
        shutil.copytree(made.path.parent, folder)
        size = damaged.stat().st_size
        for length in (0, 1, 5, 9, 20, size // 4, size // 2, size * 9 // 10, size - 1):
            with (folder / damaged.name).open("wb") as file:
                file.write(damaged.read_bytes()[:length])
            array = outcome(folder / made.path.name, made.example.options)
            assert array is None or length > size // 2, f"{length} bytes of {size} are taken for the whole"
            if array is not None:  # then nothing but what follows the samples is missing
                assert_same_bits(array, made.array)
    gc.collect()  # what is left open warns here, not in another test


def test_garbage_after_the_first_bytes_is_refused(made: Made) -> None:
    """In place of the rest of the file; the suffix and the magic are right."""
    folder = made.path.parent.with_name("garbage")
    shutil.copytree(made.path.parent, folder)
    garbage = np.random.default_rng(1).bytes(600)
    for kept in (0, 4, 8, 12):
        for file in folder.iterdir():
            original = (made.path.parent / file.name).read_bytes()
            file.write_bytes(original[:kept] + garbage)
        array = outcome(folder / made.path.name, made.example.options)
        assert array is None or kept > 4  # the header of a PBM fits into 8 bytes, and then anything is a picture
    gc.collect()  # what is left open warns here, not in another test
