"""Reads and writes NumPy arrays in ``.npy`` files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..geometry import DEFAULT_AXES, Axis, Grid
from .base import Array, Closeable, Header, ReadOptions, Source, WriteOptions, rows_from_boxes, single_header
from .dropped import Loss, dropped_warning, named
from .file_array import FileArray
from .registry import NPY_MAGIC

_MAX_HEADER_BYTES = 1 << 16  # NumPy's limit


class NpySource(Closeable):
    """An array that is read in parts; see `Source`."""

    others: Sequence[Source] = ()
    memory_factor = 0.0
    streams = True

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._array = array = _described(path)
        if not array.shape:
            raise InputError("holds a single number; an array of one or more axes is needed", path)
        names = options.axes or DEFAULT_AXES[-len(array.shape) :]
        self.warnings: list[str] = []
        if options.axes is None and len(array.shape) == 3 and array.shape[-1] in (3, 4):
            self.warnings.append("its axes are taken for z, y, x; if the last one is colours, say --axes yxs")
        if len(names) != len(array.shape):
            raise InputError(f"has {len(array.shape)} axes; name each of them with --axes, such as --axes tzyx", path)
        axes = tuple(Axis(name, size) for name, size in zip(names, array.shape, strict=True))
        self.header = Header(Grid(axes), array.dtype)

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        shape = self._array.shape
        if not self._array.fortran:
            return self._array.rows(shape[axis + 1 :], start, stop)
        return rows_from_boxes(self._array.box, shape, axis, start, stop)

    def close(self) -> None:
        """Close the file."""
        self._array.close()


def _described(path: Path) -> FileArray:
    """The array of a file, as its header describes it.

    Raises:
        InputError: the file is damaged or truncated, or does not hold numbers.
    """
    with path.open("rb") as file:
        if file.read(len(NPY_MAGIC)) != NPY_MAGIC:
            raise InputError("is not a .npy array; archives (.npz) are not supported", path)
        size = os.fstat(file.fileno()).st_size
        version, length = file.read(2)[:1], int.from_bytes(file.read(4), "little")
        if version > b"\1" and length > _MAX_HEADER_BYTES:
            raise InputError(f"is damaged: its header claims {length:,} bytes", path)
        file.seek(len(NPY_MAGIC) + 2)
        read_header = np.lib.format.read_array_header_2_0 if version > b"\1" else np.lib.format.read_array_header_1_0
        try:
            shape, fortran, dtype = read_header(file)
        except MemoryError:
            raise
        except Exception as error:  # the header is parsed as a Python literal, which can fail in many ways
            raise InputError("is not a readable .npy array of numbers: its header is damaged", path) from error
        offset = file.tell()
    if dtype.hasobject:
        raise InputError("is not a readable .npy array of numbers: it holds Python objects", path)
    promised = offset + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size < promised:
        raise InputError(f"is truncated: {size:,} bytes where its header promises {promised:,}", path)
    return FileArray(path, dtype, offset, shape, fortran)


class NpySink:
    """A ``.npy`` file; see `Sink`."""

    pyramids = False
    memory_factor = 0.0
    streams = True
    compresses = False

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        header = single_header(headers, path)
        self._header = header
        self.warnings = dropped_warning(header, ".npy", *_unsupported_fields(header))

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Write the array; see `Sink`."""
        slabs = next(iter(arrays))  # exactly one
        dtype = self._header.dtype
        described = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": self._header.grid.shape,
        }
        with paths[0].open("wb") as file:
            np.lib.format.write_array_header_1_0(file, described)
            for slab in slabs:
                file.write(np.ascontiguousarray(slab).data)


def _unsupported_fields(header: Header) -> list[str]:
    """Descriptions of header fields that a ``.npy`` file cannot record."""
    spaced = any(axis.spacing is not None for axis in header.grid.axes)
    frames = header.grid.frames
    has_names = spaced or header.metadata is not None
    has_colours = header.colours not in (None, "L", "RGB", "RGBA")
    return named(
        (Loss.AXIS_NAMES, f"the names of the axes ({''.join(header.grid.names)})", has_names),
        (Loss.SPACING, "spacing and units", spaced),
        (Loss.AFFINE, f"the positions of the samples ({', '.join(frames)})", frames),
        (Loss.ICC_PROFILE, "the ICC profile", header.icc),
        (Loss.LABELS, "that the samples are labels", header.labels),
        (Loss.ALPHA, "that the last sample of a pixel is alpha", header.alpha),
        (Loss.COLOUR_SPACE, f"that the samples are {header.colours}", has_colours),
        (Loss.PYRAMID, "the smaller levels of the pyramid", header.levels),
    )


open_source, make_sink = NpySource, NpySink
