"""Reading TIFF."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ...errors import InputError, RequestError, is_thread_shortage, reason
from ...runtime.library_messages import silence
from ..base import Array, Closeable, ReadOptions, Source, merge_leading_axes
from ..dropped import Dropped, Loss
from ..file_array import FileArray
from . import colours, directories, geotiff, libtiff, ome
from .chunked_page import ChunkedPage, open_file, page_memory
from .header import SeriesInfo, read_series_info
from .series import PLAIN_KINDS, STORED_DIFFERENTLY, Image, images_of

_LAB_SAMPLES = 3
_MAX_RETRIED_BYTES = 1 << 26  # of files that are read whole to retry with libtiff
_INCOMPLETE = "is damaged or truncated: strips or tiles that cannot be read are left empty"
_LIBTIFF_MEMORY = 2.4  # the pixels with and without alpha; the file is counted separately
_KEYFRAME_MESSAGE = "incompatible keyframe"  # tifffile's, of pages with unlike numbers of strips or tiles
_ESSENTIAL_TAGS = frozenset(  # about the samples, and the description, which may name the axes
    (256, 257, 258, 259, 262, 270, 273, 277, 278, 279, 320, 322, 323, 324, 325, 330, 338, 339, 347)
)
_LOGGER = logging.getLogger("tifffile")
silence("tifffile")
silence("imagecodecs")


class TiffSource(Closeable):
    """`Source` of an image of a TIFF file, which is decoded in parts unless its samples are contiguous.

    Attributes:
        page_axes: the axes of the file's pages if each is an image that ``--axes`` could make a slice of a stack; else
            empty.
    """

    page_axes = ""

    def __init__(
        self, path: Path, tiff: tifffile.TiffFile, image: Image, info: SeriesInfo, tolerant: bool = False
    ) -> None:
        self.others: Sequence[Source] = ()
        self.header = info.header
        self.warnings = info.warnings
        self._path = path
        self._tiff = tiff
        self._tolerant = False
        self._series = image.series
        self._page = self._series.keyframe
        self._convert = info.convert
        self._planar = colours.is_planar(self._series)
        is_colour = self._page.samplesperpixel >= _LAB_SAMPLES
        self._signed = is_colour and colours.has_signed_ab(self._page.photometric, self._series.dtype)
        self._chunked_page: ChunkedPage | None = None
        self._decoded_page: Array | None = None
        self._retried_page: tuple[int, Array] | None = None  # page number and samples
        self.check_factor = 0.0  # memory that tifffile needs to decode a page for ``--verify``, in units of the array
        self._by_libtiff = info.by_libtiff
        if self._by_libtiff:
            self.held_factor, self.streams, self._contiguous = 1.0, False, None
            self.memory_factor = _LIBTIFF_MEMORY + path.stat().st_size / math.prod(self.header.grid.shape)
            return
        self._contiguous = self._contiguous_samples(tolerant)
        planes = self._page.imagedepth // max(1, self._page.tiledepth)
        if self._contiguous is None and not tolerant and len(self._page.dataoffsets) < planes:
            raise InputError("is damaged: it has fewer strips or tiles than planes", self._path)
        self._tolerant = tolerant and self._contiguous is None
        decoding, decoded = (0, 0) if self._contiguous is not None else page_memory(self._page, self._planar)
        size = math.prod(self._series.shape) * self.header.dtype.itemsize
        self.memory_factor = decoding / size
        itemsize = np.dtype(self._page.dtype).itemsize
        if self._contiguous is None:  # the page, and its compressed bytes
            page = math.prod(self._page.shape) * itemsize
            self.check_factor = (page + min(page, path.stat().st_size)) / size
        is_one_band = decoded >= math.prod(self._series.shape) * itemsize
        # While a band is in use, the next one is decoded.
        self.held_factor = decoded / size if is_one_band else self.memory_factor
        self.streams = not is_one_band

    def _contiguous_samples(self, tolerant: bool) -> FileArray | None:
        """All samples as an array of pages, if they are contiguous in the file."""
        series, tiff = self._series, self._page.parent  # of a set of files, the one that holds the samples
        if series.dataoffset is None or series.dtype is None or any(p is None or p.parent != tiff for p in series):
            return None
        file = tiff.filehandle
        dtype = series.dtype.newbyteorder(tiff.byteorder)
        needed = series.dataoffset + math.prod(series.shape) * dtype.itemsize
        if file.size < needed and tolerant:
            return None
        if file.size < needed:
            raise InputError(f"is truncated: it has {file.size:,} of {needed:,} bytes", self._path)
        pages = (math.prod(series.shape) // math.prod(self._page.shape), *self._page.shape)
        return FileArray(Path(file.path), dtype, series.dataoffset, pages)

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        if self._by_libtiff:
            return merge_leading_axes(self._page_by_libtiff(), axis)[start:stop]
        row_shape = colours.interleaved_shape(self._series)[0][axis + 1 :]
        rows = self._contiguous_rows(row_shape, start, stop)
        if rows is None:
            rows = self._rows_of_pages(row_shape, start, stop)
        if self._signed:
            rows = colours.flip_ab_sign(rows)
        return rows if self._convert is None else self._convert(rows)

    def _page_by_libtiff(self) -> Array:
        if self._decoded_page is None:
            try:
                self._decoded_page = libtiff.decode(self._path, self._page)
            except ValueError as error:
                message = f"is damaged, or of a kind that libtiff cannot read: {reason(error)}"
                raise InputError(message, self._path) from error
            if self._decoded_page.shape != self.header.grid.shape:
                raise InputError("is damaged: its size contradicts its tags", self._path)
        return self._decoded_page

    def _contiguous_rows(self, row_shape: tuple[int, ...], start: int, stop: int) -> Array | None:
        """Rows that need no decoding."""
        if self._contiguous is None or self._planar:
            return None
        return self._contiguous.rows(row_shape, start, stop)

    def _rows_of_pages(self, row_shape: tuple[int, ...], start: int, stop: int) -> Array:
        """Rows made of pages or parts of pages, from the lines of pixels that contain them."""
        height, *line_shape = self._pixels_shape
        row, line = math.prod(row_shape), math.prod(line_shape)
        first, last = start * row // line, -(-stop * row // line)
        parts = []
        for number in range(first // height, -(-last // height)):
            top = number * height
            parts.append(self._page_rows(number, max(first - top, 0), min(last - top, height)))
        lines = parts[0] if len(parts) == 1 else np.concatenate(parts)
        offset = start * row - first * line
        return lines.reshape(-1)[offset : offset + (stop - start) * row].reshape(-1, *row_shape)

    @property
    def _pixels_shape(self) -> tuple[int, ...]:
        """The shape of a page with interleaved samples: lines, columns, and samples if there are several."""
        shape = self._page.shape
        return (*shape[-2:], *shape[:-2]) if self._planar else shape

    def _page_rows(self, number: int, start: int, stop: int) -> Array:
        """Lines ``start:stop`` of a page."""
        if self._contiguous is not None:
            *planes, _, width = (range(size) for size in self._page.shape)
            box = (range(number, number + 1), *planes, range(start, stop), width)
            return colours.planar_to_interleaved(self._contiguous.box(box)[0])
        try:
            return self._decoded(number, start, stop)
        except MemoryError:
            raise
        except Exception as error:  # codecs raise various exceptions for damaged data
            if is_thread_shortage(error):
                raise
            page = self._retried(number)
            if page is not None:
                return page[start:stop]
            raise InputError(f"is truncated or damaged: {reason(error)}", self._path) from error

    def _retried(self, number: int) -> Array | None:
        """The page decoded by libtiff, which is more tolerant than tifffile; None if libtiff fails too."""
        try:
            page: Any = self._series[number]
        except IndexError:  # the file describes more pages than it has
            return None
        if (
            self._planar
            or page is None
            or not isinstance(page.index, int)
            or not all(page.dataoffsets)  # libtiff would read the header of the file as samples
            or page.parent.filehandle.size > _MAX_RETRIED_BYTES
        ):
            return None
        if self._retried_page is None or self._retried_page[0] != number:
            try:
                self._retried_page = number, libtiff.decode_stored(Path(page.parent.filehandle.path), page)
            except ValueError:
                return None
        array = self._retried_page[1]
        return array if (array.shape, array.dtype) == (page.shape, page.dtype) else None

    def _decoded(self, number: int, start: int, stop: int) -> Array:
        if self._chunked_page is None or self._chunked_page.number != number:
            page = self._series[number]
            if page is None:  # a plane that OME-XML lists but no file holds
                return np.zeros((stop - start, *self._pixels_shape[1:]), self._page.dtype)
            with open_file(page):
                self._chunked_page = ChunkedPage(number, page, self._planar, self._tolerant)
        rows = self._chunked_page.read_rows(start, stop)
        if self._chunked_page.incomplete and _INCOMPLETE not in self.warnings:
            self.warnings.append(_INCOMPLETE)
        return rows

    def close(self) -> None:
        """Close the file, and free decoded pages, also those of `others`."""
        for other in self.others:
            other.close()
        self._chunked_page = self._decoded_page = self._retried_page = None
        if self._contiguous is not None:
            self._contiguous.close()
        self._tiff.close()


def open_source(path: Path, options: ReadOptions) -> TiffSource:
    """Open a TIFF file; the images after the first one are the source's `others`.

    Raises:
        InputError: it cannot be read.
        RequestError: it has no image of the number that the options give.
    """
    try:
        with path.open("rb") as file:
            directories.check_first(file)
        with _captured_log() as messages:
            tiff = tifffile.TiffFile(path)
    except MemoryError:
        raise
    except Exception as error:  # tifffile raises various exceptions for damaged files
        raise _unreadable(path, error) from error
    try:
        with _captured_log() as more_messages:
            images, warnings = images_of(path, tiff, options.axes, options.truncated)
        warnings += _check_messages(messages + more_messages, path, options.truncated)
        several = len(images) > 1
        first, *others = [
            TiffSource(path, tiff, image, read_series_info(path, tiff, image, options, several), options.truncated)
            for image in _selected(images, options, path)
        ]
        first.warnings[:0] = warnings
        first.page_axes = _page_axes(images) if options.axes is None and options.series is None else ""
    except (InputError, RequestError, MemoryError):
        tiff.close()
        raise
    except Exception as error:
        tiff.close()
        raise _unreadable(path, error) from error
    first.others = others
    return first


def _check_messages(messages: Sequence[str], path: Path, tolerant: bool) -> list[str]:
    """Warnings about tags whose values lie beyond the end of the file, of which tifffile only logs messages.

    Raises:
        InputError: the page cannot be read without them.
    """
    beyond = [m for m in messages if "invalid" in m and "offset" in m and "circular" not in m]
    tags = [re.search(r"TiffTag (\d+)", message) for message in beyond]
    codes = {int(tag[1]) for tag in tags if tag is not None}
    if (None in tags and not tolerant) or codes & _ESSENTIAL_TAGS:
        raise InputError("is truncated: parts of it lie beyond its end", path)
    if not codes:
        return []
    names = ", ".join(tifffile.TIFF.TAGS.get(code, str(code)) for code in sorted(codes))
    return [Dropped(f"these tags lie beyond the end of the file and are dropped: {names}", Loss.TAG)]


def _selected(images: list[Image], options: ReadOptions, path: Path) -> list[Image]:
    """The images to read."""
    if options.series is None:
        return images
    if options.series >= len(images):
        raise RequestError(f"--series {options.series}: the file holds {len(images)} images, numbered from 0", path)
    return [images[options.series]]


def _page_axes(images: list[Image]) -> str:
    """The axes of pages that are images of their own, of one shape and one kind of sample; else empty."""
    kinds = {(image.series.kind, image.series.axes, image.series.shape, image.series.dtype) for image in images}
    is_plain = images[0].series.kind in PLAIN_KINDS and len(images[0].series.pages) == 1
    return images[0].series.axes.lower() if len(images) > 1 and len(kinds) == 1 and is_plain else ""


def _unreadable(path: Path, error: Exception) -> InputError:
    if str(error) == _KEYFRAME_MESSAGE:
        return InputError(STORED_DIFFERENTLY, path)
    ours = (geotiff.DamagedTagsError, directories.UnusableTagError, ome.OversizedError)
    is_about_file = isinstance(error, (tifffile.TiffFileError, *ours))
    words = f" ({reason(error)})" if is_about_file else ""  # other messages refer to Python objects
    return InputError(f"is not a readable TIFF file, or is truncated{words}", path)


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """The messages that tifffile logs in this thread; it logs many kinds of damage and reads on."""
    handler = _ThreadMessages()
    _LOGGER.addHandler(handler)
    try:
        yield handler.messages
    finally:
        _LOGGER.removeHandler(handler)


class _ThreadMessages(logging.Handler):
    """Collects messages of the current thread; other threads may read other files."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self.messages.append(record.getMessage())
