"""Reads and writes NumPy arrays in ``.npy`` files."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ..errors import InputError, reason
from ..geometry import Axis, Grid
from .base import Array, Header, ReadOptions, Source, WriteOptions, single_header
from .dropped import Loss, dropped_warning, named
from .mapped_array import Mapped
from .registry import NPY_MAGIC

_MAX_HEADER_BYTES = 1 << 16  # NumPy reads no longer ones
_DEFAULT_AXES = "tczyx"  # the last of them, as many as the array has


class NpySource:
    """An array that is mapped into memory; see `Source`."""

    others: Sequence[Source] = ()
    streams = True

    def __init__(self, path: Path, options: ReadOptions) -> None:
        with path.open("rb") as file:
            if file.read(len(NPY_MAGIC)) != NPY_MAGIC:
                raise InputError("is not a .npy array; archives (.npz) are not supported", path)
            version, length = file.read(2)[:1], int.from_bytes(file.read(4), "little")
            if version > b"\1" and length > _MAX_HEADER_BYTES:
                raise InputError(f"is damaged: its header claims {length:,} bytes", path)
        try:
            self._array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        except MemoryError:
            raise
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise MemoryError("it cannot be mapped") from error
            raise InputError(f"is not a readable .npy array of numbers: {reason(error)}", path) from error
        except Exception as error:  # the header is parsed as a Python literal, which can fail in many ways
            raise InputError(f"is not a readable .npy array of numbers: {_damage(error)}", path) from error
        if self._array.ndim == 0:
            raise InputError("holds a single number; an array of one or more axes is needed", path)
        names = options.axes or _DEFAULT_AXES[-self._array.ndim :]
        self.warnings: list[str] = []
        if options.axes is None and self._array.ndim == 3 and self._array.shape[-1] in (3, 4):
            self.warnings.append("its axes are taken for z, y, x; if the last one is colours, say --axes yxs")
        if len(names) != self._array.ndim:
            raise InputError(f"has {self._array.ndim} axes; name each of them with --axes, such as --axes tzyx", path)
        axes = tuple(Axis(name, size) for name, size in zip(names, self._array.shape, strict=True))
        self.header = Header(Grid(axes), self._array.dtype)
        self._mapped = self._map(path)
        self.memory_factor = 0.0 if self._mapped is not None else 1.0  # whose pages are not released

    def _map(self, path: Path) -> Mapped | None:
        """Map the array from the file; None if it is in Fortran order."""
        array = self._array
        if not (isinstance(array, np.memmap) and array.flags.c_contiguous and array.size):
            return None
        return Mapped(path, array.dtype, array.offset, array.shape)

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        if self._mapped is not None:
            return self._mapped.rows(self._array.shape[axis + 1 :], start, stop)
        if axis == 0:
            return self._array[start:stop]
        lead, rows = self._array.shape[:axis], self._array.shape[axis]  # merging them would copy the whole array
        parts = [
            self._array[np.unravel_index(number, lead)][max(start - number * rows, 0) : stop - number * rows]
            for number in range(start // rows, -(-stop // rows))
        ]
        return np.concatenate(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del self._array, self._mapped


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


def _damage(error: Exception) -> str:
    """What NumPy says about a header; most of its words are about Python."""
    if "Python objects" in str(error) or "Object arrays" in str(error):
        return "it holds Python objects"
    return "it is truncated" if "mmap" in str(error) else "its header is damaged"


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
