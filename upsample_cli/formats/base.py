"""Interfaces between file families and the pipeline: `Source` reads an array, `Sink` writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, TypeGuard, runtime_checkable

import numpy as np

from ..core.arrays import Array as Array
from ..core.arrays import ByteArray as ByteArray
from ..core.arrays import IndexArray as IndexArray
from ..errors import OutputError
from ..geometry import Grid

Box: TypeAlias = Sequence[range]  # of each axis of an array


class Header(NamedTuple):
    """Description of an array, without its samples.

    Attributes:
        grid: the axes of the array, slowest first, and their world coordinates.
        dtype: data type of the stored samples, including byte order.
        alpha: whether the last of the samples of a pixel is straight (not premultiplied) alpha.
        colours: the colour space of a pixel with several samples, such as ``RGB`` or ``CMYK``, where it is known.
        scaling: slope and intercept that turn stored numbers into physical values, or None.
        icc: the ICC profile of the colours.
        nodata: the value of samples that are missing; None if the file does not state one.
        labels: whether the samples are region labels, which must not be interpolated.
        labels_of: the number of the image of the same file that these labels belong to, or None.
        levels: the shapes of the smaller versions that follow the array in a pyramid, largest first.
        history: ASCII description of the processing, to record in the output; None to record nothing.
        metadata: metadata specific to the family; None for a header of another family.
        foreign_items: descriptions of the items in `metadata`, for the warning of a sink of another family.
    """

    grid: Grid
    dtype: np.dtype[Any]
    alpha: bool = False
    colours: str | None = None
    scaling: tuple[float, float] | None = None
    icc: bytes | None = None
    nodata: float | None = None
    labels: bool = False
    labels_of: int | None = None
    levels: tuple[tuple[int, ...], ...] = ()
    history: str | None = None
    metadata: object = None
    foreign_items: tuple[str, ...] = ()


class ReadOptions(NamedTuple):
    """How to interpret a file.

    Attributes:
        axes: names of the axes of a file that does not name them, slowest first, or None.
        keep_indices: whether palette indices and bits are kept because nothing is interpolated.
        series: the number of the only image to read of a file that holds several, or None for all.
        truncated: whether a damaged or truncated file is read as far as possible, with a warning.
    """

    axes: str | None = None
    keep_indices: bool = False
    series: int | None = None
    truncated: bool = False


class WriteOptions(NamedTuple):
    """How to encode a file, as requested by the user.

    Attributes:
        quality: of a lossy codec, 1 to 100; None keeps that of the input, or takes a high one.
        compress_level: of a lossless codec, 0 (fast) to 9 (small); None leaves it to the format.
    """

    quality: int | None = None
    compress_level: int | None = None


@runtime_checkable
class AdaptableMetadata(Protocol):
    """Metadata of a family that can be adapted to converted samples, or stripped of descriptions."""

    def for_samples(self, header: Header) -> object:
        """The metadata for samples of the dtype and the channels of `header`."""
        ...

    def stripped(self) -> object:
        """The metadata without descriptions, dates, places and names."""
        ...


class Source(Protocol):
    """An array in C order, from a file open for reading.

    Attributes:
        header: made from the file's header alone.
        others: the other arrays of the file, which are resized in the same way; closing this source closes them.
        warnings: parts of the file that are not carried over.
        memory_factor: peak memory of the source, in units of the size of the array's samples.
        streams: whether ranges are read on demand; otherwise the whole array is decoded.
    """

    header: Header
    others: Sequence[Source]
    warnings: list[str]
    memory_factor: float
    streams: bool

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop`` of the array whose axes up to and including `axis` are merged into one.

        Start positions of successive calls never decrease; ranges may overlap.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class DraftSource(Source, Protocol):
    """A source whose decoder can shrink the picture by integer factors, which is faster than full decoding.

    Attributes:
        draft_factors: the supported factors; empty if the file supports none.
        flipped_axes: names of the axes whose direction is opposite to the storage order.
    """

    draft_factors: Sequence[int]
    flipped_axes: Sequence[str]

    def draft_shape(self, factor: int) -> tuple[int, ...]:
        """The shape of the array that `read` returns after ``draft(factor)``."""
        ...

    def draft(self, factor: int) -> None:
        """Shrink the picture while it is decoded: every sample is the mean of ``factor`` × ``factor`` samples."""
        ...


class Sink(Protocol):
    """A file to be written. Constructing it has checked that the format can hold the result.

    Attributes:
        warnings: parts of the input that the file cannot hold.
        memory_factor: peak memory of the sink, in units of the size of the largest array's samples.
        streams: whether slabs are written one by one; otherwise the array is collected before it is encoded.
        compresses: whether the file may be much smaller than its samples.
        pyramids: whether `write` takes the smaller `levels` of each array after the array itself.
    """

    warnings: list[str]
    memory_factor: float
    streams: bool
    compresses: bool
    pyramids: bool

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Write the arrays of a file to `paths`, which stand for the `parts` of the output.

        Each array comes in slabs, in C order: the array of the first header, its levels if `pyramids`, the array of
        the second header, and so on. Each iterable must be exhausted before the next one is taken.
        """
        ...


@runtime_checkable
class BoxSource(Source, Protocol):
    """A source that reads any part of its array, from several threads at a time.

    Attributes:
        chunk_shape: the shape of a chunk, the smallest part that can be decoded.
    """

    @property
    def chunk_shape(self) -> tuple[int, ...]: ...

    def read_box(self, box: Box) -> Array:
        """The samples of a box."""
        ...

    def forget(self) -> None:
        """Free the samples that are cached for further reads."""
        ...


@runtime_checkable
class SparseArray(Protocol):
    """An array of which some parts are not stored, because all their samples have the fill value.

    Attributes:
        fill_value: of the samples that are not stored.
        write_shape: the shape of the parts.
    """

    @property
    def fill_value(self) -> Any: ...

    @property
    def write_shape(self) -> tuple[int, ...]: ...

    def stored_chunks(self) -> IndexArray | None:
        """The indices of the parts that are stored, shape (parts, axes); None if that is unknown."""
        ...


class BoxArray(Protocol):
    """One array of an unfinished output."""

    @property
    def chunk_shape(self) -> tuple[int, ...]: ...

    def read_box(self, box: Box) -> Array:
        """The samples of a box that has been written."""
        ...

    def forget(self) -> None:
        """Free the samples that are cached for further reads."""
        ...

    def write_box(self, box: Box, samples: Array) -> None:
        """Write a box of whole shards."""
        ...


class BoxOutput(Protocol):
    """An unfinished output, which a later run can continue.

    Attributes:
        location: where it lies until it is complete.
        arrays: every level of every image, in order.
    """

    location: str

    @property
    def arrays(self) -> Sequence[BoxArray]: ...

    def is_done(self, array: int, position: int) -> bool:
        """Whether the region at a position of the order is complete."""
        ...

    def mark(self, array: int, position: int) -> None:
        """Record that a region is complete."""
        ...

    def finish(self) -> int:
        """Write the metadata, and return the number of bytes stored."""
        ...


@runtime_checkable
class BoxSink(Sink, Protocol):
    """A sink that is written in boxes, in any order, and makes the levels of a pyramid from each other."""

    def level_shapes(self, number: int) -> Sequence[tuple[int, ...]]:
        """The shapes of the smaller levels of an image."""
        ...

    def write_shapes(self, number: int) -> Sequence[tuple[int, ...]]:
        """For each level of an image, the largest first, the shape of its shards."""
        ...

    def begin(self, fingerprint: str, overwrite: bool) -> AbstractContextManager[BoxOutput]:
        """Open the output. It gets its final name when the block ends, unless by an exception.

        Args:
            fingerprint: is equal if and only if input, options and version are the same; an unfinished output with the
                same one is continued.
            overwrite: whether the output may replace one that exists.

        Raises:
            OutputError: another process is writing it.
            FileExistsError: it exists, and `overwrite` is false.
        """
        ...

    def stored_arrays(self, location: str) -> Sequence[BoxArray]:
        """The arrays of the unfinished output at `location`, for a worker on another machine."""
        ...


# `isinstance` with a protocol looks up all of its attributes, which takes a tenth of the time to plan a file. These
# functions look up only the attribute that distinguishes the protocol.
def reads_boxes(source: Source) -> TypeGuard[BoxSource]:
    """Whether `source` is a `BoxSource`."""
    return hasattr(source, "read_box")


def writes_boxes(sink: Sink) -> TypeGuard[BoxSink]:
    """Whether `sink` is a `BoxSink`."""
    return hasattr(sink, "write_shapes")


def drafts(source: Source) -> TypeGuard[DraftSource]:
    """Whether `source` is a `DraftSource`."""
    return hasattr(source, "draft_shape")


class Closeable:
    """A context manager whose block ends with `close`."""

    def close(self) -> None:
        """Free all resources; there are none by default."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class InMemory(Closeable):
    """A source that decodes its whole array at the first read."""

    others: Sequence[Source] = ()
    memory_factor = 2.4  # the array, and the decoder's buffers
    held_factor = 1.0  # the part of `memory_factor` that stays allocated after decoding
    streams = False

    def __init__(self) -> None:
        self._array: Array | None = None

    def load(self) -> Array:
        """The whole array."""
        raise NotImplementedError

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        if self._array is None:
            self._array = self.load()
        return merge_leading_axes(self._array, axis)[start:stop]


class Wrapped(Closeable):
    """A source that is made from another one, and closes it."""

    _source: Source

    def close(self) -> None:
        """Close the other source."""
        self._source.close()


def single_header(headers: Sequence[Header], path: Path) -> Header:
    """The header of a file that can hold a single array.

    Raises:
        OutputError: there are several.
    """
    if len(headers) > 1:
        raise OutputError(f"holds one image, not {len(headers)}; choose one with --series 0, or write .tif", path)
    return headers[0]


def rows_from_boxes(
    read_box: Callable[[Box], Array], shape: tuple[int, ...], axis: int, start: int, stop: int
) -> Array:
    """Rows ``start:stop``, as `Source.read` returns them, of an array that `read_box` reads in boxes."""
    rows, within = shape[axis], [range(size) for size in shape[axis + 1 :]]
    parts = []
    for lead in range(start // rows, -(-stop // rows)):
        position = [range(n, n + 1) for n in np.unravel_index(lead, shape[:axis])] if axis else []
        part = range(max(start - lead * rows, 0), min(stop - lead * rows, rows))
        parts.append(read_box((*position, part, *within)).reshape(len(part), *shape[axis + 1 :]))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def merge_leading_axes(array: Array, axis: int) -> Array:
    """The array with its axes up to and including `axis` merged into one."""
    return array.reshape(-1, *array.shape[axis + 1 :])
