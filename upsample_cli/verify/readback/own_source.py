"""Reads a file back with the `Source` of its family, for families without an independent reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ... import formats
from ...errors import UpsampleError
from ...formats.base import ReadOptions, Source
from ...formats.picture.model import PictureInfo
from ...text import printable
from .model import LOSSY_ERROR, Expected, MismatchError, ReadBack

_LOSSY_PICTURES = ("JPEG XL", "HEIF", "HDR", "EXR")  # those that no other library here reads


def read_arrays(path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]:
    """The images of the file. The levels of pyramids are None, since a source gives only their shapes.

    Raises:
        MismatchError: the number of images or the shapes of the levels are not those that were planned.
    """
    first = expected.headers[0]
    names = "".join(first.grid.names)  # for a format that does not name its axes
    options = ReadOptions(names, expected.keep_indices or first.dtype == bool)
    with _about_output(path):
        source = stack.enter_context(formats.open_source(path, options))
    images = [source, *source.others]
    if len(images) != len(expected.headers):
        raise MismatchError(f"it holds {len(images)} images where {len(expected.headers)} were planned")
    arrays: list[ReadBack | None] = []
    for image, planned, count in zip(images, expected.headers, expected.array_counts, strict=True):
        if count > 1 and image.header.levels != planned.levels:
            raise MismatchError(f"the levels of its pyramid are {image.header.levels}, not {planned.levels}")
        arrays += [_read_back(path, image), *[None] * (count - 1)]
    return arrays


@contextmanager
def _about_output(path: Path) -> Iterator[None]:
    """Turn errors of a source, which speak of an input, into a plain exception: here the file is an output."""
    try:
        yield
    except UpsampleError as error:
        raise ValueError(str(error).removeprefix(f"{printable(path)}: ")) from error


def _read_back(path: Path, source: Source) -> ReadBack:
    info = source.header.metadata
    is_picture = isinstance(info, PictureInfo)  # whose spacing without a unit is only a ratio
    is_lossy = isinstance(info, PictureInfo) and info.format in _LOSSY_PICTURES
    grid = source.header.grid
    axes = [axis.in_unit("mm").in_unit("s") for axis in grid.axes if axis.name != "t" or not is_picture]
    return ReadBack(
        "".join(grid.names),
        grid.shape,
        source.header.dtype,
        _sampler(path, source),
        {axis.name: axis.spacing for axis in axes if axis.spacing is not None and (axis.unit or not is_picture)},
        {frame: grid.affines[frame] for frame in grid.frames},
        lossy=LOSSY_ERROR if is_lossy else 0.0,
    )


def _sampler(path: Path, source: Source) -> Callable[[tuple[int, ...]], Any]:
    """A function that reads samples one by one and keeps the row that it read last."""
    shape = source.header.grid.shape
    merged = max(0, len(shape) - 2)  # the last axis that is merged to count rows
    number, row = -1, np.empty(0)

    def sample(index: tuple[int, ...]) -> Any:
        nonlocal number, row
        wanted = int(np.ravel_multi_index(index[: merged + 1], shape[: merged + 1]))
        if wanted != number:
            with _about_output(path):
                number, row = wanted, np.array(source.read(merged, wanted, wanted + 1))
        return row[(0, *index[merged + 1 :])]

    return sample
