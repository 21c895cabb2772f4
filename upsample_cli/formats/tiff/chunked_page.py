"""Compressed pages, decoded by strips or by rows of tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import tifffile
from tifffile import COMPRESSION, PLANARCONFIG, PREDICTOR

from ...core.threads import available_cores
from ...runtime.prefetch import items_in_progress, map_threaded
from ..base import Array
from . import colours

_READ_BYTES = 16 << 20  # approximate size of the lines that are read at a time
_TIFFFILE_BYTES = 256 << 20  # size of the encoded segments that tifffile reads at a time
_MAX_PADDED_BYTES = 1 << 28  # of a truncated strip or tile


class PageMemory(NamedTuple):
    """Memory in bytes for reading pages: during the decoding of a page or a band of it, and afterwards."""

    decoding: int
    decoded: int


def page_memory(page: tifffile.TiffPage, planar: bool) -> PageMemory:
    """The memory for reading a compressed page, from the sizes in its tags."""
    itemsize = np.dtype(page.dtype).itemsize
    size = math.prod(page.shape) * itemsize
    segment = _segment_bytes(page)
    encoded = max(page.databytecounts, default=0)
    if _height(page, planar) < page.imagelength:
        band = size * _height(page, planar) // page.imagelength
        across = _segments_across(page)
        if across == 1:
            in_progress = min(items_in_progress(segment), _READ_BYTES // max(1, segment) + 1)
            return PageMemory(in_progress * (segment + encoded), band)
        in_progress = min(across, items_in_progress(segment))
        return PageMemory(band + in_progress * (segment + encoded), band)
    if _is_one_segment(page, planar):
        return PageMemory(max(size, segment) + encoded, size)
    in_progress = min(len(page.databytecounts), available_cores())
    encoded = min(sum(page.databytecounts), _TIFFFILE_BYTES)
    return PageMemory(size + in_progress * segment + encoded, (2 if planar else 1) * size)


def _segment_bytes(page: tifffile.TiffPage) -> int:
    """The decoded size of a strip or a tile in bytes, which may exceed that of the page."""
    rows, columns = (
        (page.tilelength, page.tilewidth)
        if page.is_tiled
        else (min(page.rowsperstrip, page.imagelength), page.imagewidth)
    )
    samples = page.samplesperpixel if page.planarconfig == PLANARCONFIG.CONTIG else 1
    return int(rows) * int(columns) * max(1, int(page.tiledepth)) * int(samples) * np.dtype(page.dtype).itemsize


def _segments_across(page: tifffile.TiffPage) -> int:
    """The number of segments side by side."""
    return -(-int(page.imagewidth) // int(page.tilewidth)) if page.is_tiled else 1


def _is_one_segment(page: tifffile.TiffPage, planar: bool) -> bool:
    """Whether the page is a single strip whose decoded samples need no rearranging."""
    return not page.is_tiled and not planar and len(page.databytecounts) == 1 and page.ndim == _ndim(page)


def _ndim(page: tifffile.TiffPage) -> int:
    return 2 + (page.samplesperpixel > 1)


def _height(page: tifffile.TiffPage, planar: bool) -> int:
    """The number of lines that are decoded together: those of a strip or a tile, or all lines of a complex layout."""
    height = int(page.tilelength if page.is_tiled else page.rowsperstrip)
    contiguous = page.samplesperpixel == 1 or page.planarconfig == PLANARCONFIG.CONTIG
    simple = contiguous and not planar and page.imagedepth == 1 and page.ndim == _ndim(page)
    return height if simple and 0 < height < page.imagelength else int(page.imagelength)


def has_uncompressed_predictor(page: Any) -> bool:
    """Whether a page stores differences without compression; tifffile's `asarray` adds them up across lines."""
    return bool(page.compression == COMPRESSION.NONE and page.predictor != PREDICTOR.NONE)


@contextmanager
def open_file(page: Any) -> Iterator[None]:
    """Keep the file of a page open: of a set of files, tifffile closes all but the first."""
    file = page.parent.filehandle
    was_closed = file.closed
    file.open()
    try:
        yield
    finally:
        if was_closed:
            file.close()


class ChunkedPage:
    """A compressed page whose lines are decoded on demand.

    Attributes:
        number: number of the page in its series.
        incomplete: whether strips or tiles of a page that is read tolerantly are missing.
    """

    def __init__(self, number: int, page: Any, planar: bool, tolerant: bool = False) -> None:
        """Prepare to decode `page`, a `TiffPage` or `TiffFrame`; if `tolerant`, unreadable strips and tiles stay empty.

        Raises:
            ValueError: the file ends before the page does, and `tolerant` is false.
        """
        self.number, self._tolerant = number, tolerant
        self._page, self._planar = page, planar
        self._keyframe: tifffile.TiffPage = page.keyframe
        self._height = _height(self._keyframe, planar)
        self._decoder = self._keyframe.decode  # read here, because threads must not read from the file
        self._jpeg = {"jpegtables": page.jpegtables, "jpegheader": self._keyframe.jpegheader}
        self._band: tuple[int, Array] | None = None  # number and lines of the band that was decoded last
        file = page.parent.filehandle
        if len(page.dataoffsets) != len(page.databytecounts):
            raise ValueError("its tags give different numbers of strips or tiles")
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        self.incomplete = file.size < end
        if self.incomplete and not tolerant:
            raise ValueError(f"{file.size:,} bytes instead of {end:,}")

    def read_rows(self, start: int, stop: int) -> Array:
        """Lines ``start:stop``. Start positions never decrease; the last band is kept, because ranges may overlap."""
        height, keyframe = self._height, self._keyframe
        if height == keyframe.imagelength:
            if self._band is None:
                is_single = (
                    _is_one_segment(keyframe, self._planar) and len(self._page.dataoffsets) == 1 and not self._tolerant
                )
                self._band = 0, self._only_segment() if is_single else self._whole()
            return self._band[1][start:stop]
        lines = np.full((stop - start, keyframe.imagewidth, *keyframe.shape[2:]), keyframe.nodata, keyframe.dtype)
        first, last = start // height, -(-stop // height)
        if self._band is not None and self._band[0] == first:
            lines[: (first + 1) * height - start] = self._band[1][start - first * height : stop - first * height]
            first += 1
        if first == last:
            return lines
        self._band = None  # free it before the next one is decoded
        band: Array | None = None  # the band that contains the last line
        for number, x, pixels in self._decode(range(first, last)):
            top = number * height
            low, high = max(start, top), min(stop, top + len(pixels))
            lines[low - start : high - start, x : x + pixels.shape[1]] = pixels[low - top : high - top]
            if number == last - 1 and pixels.shape[1] == keyframe.imagewidth:
                band = pixels
            elif number == last - 1:
                if band is None:
                    band = np.full((height, *lines.shape[1:]), keyframe.nodata, keyframe.dtype)
                band[: len(pixels), x : x + pixels.shape[1]] = pixels
        if band is not None:
            self._band = last - 1, band
        return lines

    def _only_segment(self) -> Array:
        """Decode the page, which is one strip; `_whole` would need memory for two copies."""
        pixels = [pixels for _, _, pixels in self._decode(range(1))]
        if not pixels or pixels[0].size < math.prod(self._keyframe.shape):
            raise ValueError(f"page {self.number} is empty")
        return pixels[0].reshape(self._keyframe.shape)

    def _whole(self) -> Array:
        with open_file(self._page):
            by_segments = self._tolerant or has_uncompressed_predictor(self._keyframe)
            pixels = self._placed_segments() if by_segments else self._page.asarray()
        if pixels.size < math.prod(self._keyframe.shape):
            raise ValueError(f"page {self.number} is empty")
        return colours.planar_to_interleaved(pixels) if self._planar else pixels

    def _placed_segments(self) -> Array:
        """The page, composed of the strips or tiles that can be decoded."""
        keyframe = self._keyframe
        pixels = np.full(keyframe.shaped, keyframe.nodata, keyframe.dtype)
        for index in range(len(self._page.dataoffsets)):
            segment, (plane, z, y, x, _), shape = self._decode_segment((self._read_segment(index), index))
            if segment is not None:
                place = pixels[plane, z : z + shape[0], y : y + shape[1], x : x + shape[2]]
                place[...] = segment[: place.shape[0], : place.shape[1], : place.shape[2]]
        return pixels.reshape(keyframe.shape)

    def _decode(self, bands: range) -> Iterator[tuple[int, int, Array]]:
        """Decode the segments of the given bands; yields the number of the band, the first column and the pixels."""
        across = _segments_across(self._keyframe)
        with open_file(self._page):
            encoded = ((self._read_segment(n), n) for n in range(bands.start * across, bands.stop * across))
            for segment, (_, _, y, x, _), _ in map_threaded(
                self._decode_segment, encoded, _segment_bytes(self._keyframe)
            ):
                if segment is not None:
                    rows = min(self._height, self._keyframe.imagelength - y)
                    columns = min(self._width, self._keyframe.imagewidth - x)
                    pixels = segment[0, :rows, :columns].reshape(rows, columns, *self._keyframe.shape[2:])
                    yield y // self._height, x, pixels

    @property
    def _width(self) -> int:
        return int(self._keyframe.tilewidth if self._keyframe.is_tiled else self._keyframe.imagewidth)

    def _read_segment(self, index: int) -> bytes:
        file = self._page.parent.filehandle
        if not self._page.dataoffsets[index]:
            return b""  # a strip or tile that is absent
        file.seek(self._page.dataoffsets[index])
        size = self._page.databytecounts[index]
        data = bytes(file.read(size))
        plain = self._tolerant and data and self._keyframe.compression == COMPRESSION.NONE
        return data.ljust(min(size, _MAX_PADDED_BYTES), b"\0") if plain else data

    def _decode_segment(self, item: tuple[bytes, int]) -> Any:
        data, index = item
        try:
            return self._decoder(data or None, index, **self._jpeg)
        except Exception:  # codecs raise various exceptions for damaged data
            if not self._tolerant:
                raise
            self.incomplete = True
            return self._decoder(None, index, **self._jpeg)
