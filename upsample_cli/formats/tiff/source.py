"""Reading TIFF."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import tifffile
from tifffile import PHOTOMETRIC

from ...errors import InputError, RequestError
from ..base import Array, ReadOptions, Source
from . import colours
from .header import Description, describe
from .series import Image, images_of

_LOGGER = logging.getLogger("tifffile")
_LOGGER.propagate = False  # what of it matters to users is in our own messages
_LOGGER.addHandler(logging.NullHandler())


class TiffSource:
    """A series of a TIFF file, read page by page, or mapped where it lies in one piece; see `Source`."""

    def __init__(self, path: Path, tiff: tifffile.TiffFile, image: Image, description: Description) -> None:
        self.others: Sequence[Source] = ()
        self.header = description.header
        self.warnings = description.warnings
        self._path = path
        self._tiff = tiff
        self._series = image.series
        self._page = self._series.keyframe
        self._palette = description.palette
        self._planar = colours.is_planar(self._series)
        self._signed = colours.has_signed_colours(self._page.photometric, self._series.dtype)
        self._last_page: tuple[int, Array] | None = None
        self._mapped = self._map()
        page_part = math.prod(self._page.shape) / math.prod(self._series.shape)
        self.copies = 0.0 if self._mapped is not None else page_part

    def _map(self) -> Array | None:
        """All samples, mapped into memory, as an array of pages, if they lie in one piece."""
        series, file = self._series, self._tiff.filehandle
        if series.dataoffset is None or series.dtype is None:
            return None
        dtype = series.dtype.newbyteorder(self._tiff.byteorder)
        needed = series.dataoffset + math.prod(series.shape) * dtype.itemsize
        if file.size < needed:
            raise InputError(f"is truncated: {file.size:,} bytes where {needed:,} are promised", self._path)
        pages = (math.prod(series.shape) // math.prod(self._page.shape), *self._page.shape)
        return np.memmap(self._path, dtype, "r", series.dataoffset, pages)

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        row_shape = colours.presented(self._series)[0][axis + 1 :]
        rows = self._whole_rows(row_shape, start, stop)
        if rows is None:
            rows = self._rows_of_pages(row_shape, start, stop)
        if self._signed:
            rows = colours.offset(rows)
        if self._page.photometric == PHOTOMETRIC.PALETTE and rows.dtype == bool:
            rows = rows.view(np.uint8)  # the numbers of two colours
        return rows if self._palette is None else self._palette[rows]

    def _whole_rows(self, row_shape: tuple[int, ...], start: int, stop: int) -> Array | None:
        """Rows of the file as it is mapped, without a copy."""
        if self._mapped is None or self._planar:
            return None
        return self._mapped.reshape(-1, *row_shape)[start:stop]

    def _rows_of_pages(self, row_shape: tuple[int, ...], start: int, stop: int) -> Array:
        """Rows that are, or are parts of, pages."""
        row, page = math.prod(row_shape), math.prod(self._page.shape)
        first, last = start * row // page, -(-stop * row // page)
        if row > page:
            pages = [self._read_page(number) for number in range(first, last)]
            return np.stack(pages).reshape(-1, *row_shape)
        parts = []
        for number in range(first, last):
            rows = self._read_page(number).reshape(-1, *row_shape)
            before = number * (page // row)
            parts.append(rows[max(0, start - before) : stop - before])
        return np.concatenate(parts)

    def _read_page(self, number: int) -> Array:
        """The pixels of a page."""
        try:
            page = self._mapped[number] if self._mapped is not None else self._decoded(number)
        except Exception as error:
            raise InputError(f"is truncated or damaged: {error}", self._path) from error
        return colours.together(page) if self._planar else page

    def _decoded(self, number: int) -> Array:
        if self._last_page is not None and self._last_page[0] == number:
            return self._last_page[1]
        page = self._series[number]
        if page is None:  # a plane that OME-XML names and no file has
            return np.zeros(self._page.shape, self._page.dtype)
        file = page.parent.filehandle
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        if file.size < end:
            raise ValueError(f"{file.size:,} bytes where {end:,} are promised")
        was_closed = file.closed  # the other files of a set are
        file.open()
        try:
            samples = page.asarray()
        finally:
            if was_closed:
                file.close()
        if samples.size < math.prod(self._page.shape):
            raise ValueError(f"the page {number} is empty")
        self._last_page = (number, samples)
        return samples

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for other in self.others:
            other.__exit__(kind, error, traceback)
        self._mapped = self._last_page = None
        self._tiff.close()


def open_source(path: Path, options: ReadOptions) -> TiffSource:
    """Open a TIFF file; the series behind the first one are the source's `others`.

    Raises:
        InputError: it cannot be read.
        RequestError: it has no such series as the options name.
    """
    try:
        with _complaints() as complaints:
            tiff = tifffile.TiffFile(path)
    except Exception as error:  # tifffile raises whatever the bytes lead it into
        raise _unreadable(path, error) from error
    try:
        with _complaints() as more_complaints:
            images = images_of(tiff)
        if any("invalid" in complaint and "offset" in complaint for complaint in complaints + more_complaints):
            raise InputError("is truncated: parts of it lie beyond its end", path)
        images = _chosen(images, options, path)
        first, *others = [TiffSource(path, tiff, image, describe(path, tiff, image, options)) for image in images]
    except (InputError, RequestError):
        tiff.close()
        raise
    except Exception as error:
        tiff.close()
        raise _unreadable(path, error) from error
    first.others = others
    return first


def _chosen(images: list[Image], options: ReadOptions, path: Path) -> list[Image]:
    """The images to read."""
    if options.series is None:
        return images
    if options.series >= len(images):
        raise RequestError(f"--series {options.series}: the file holds {len(images)}, the first has the number 0", path)
    return [images[options.series]]


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"is not a readable TIFF file, or is truncated ({error})", path)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile would log, for it reads on where a file is damaged."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    _LOGGER.addHandler(handler)
    try:
        yield messages
    finally:
        _LOGGER.removeHandler(handler)
