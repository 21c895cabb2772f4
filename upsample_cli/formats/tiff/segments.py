"""Pages that are decoded strip by strip, or one row of tiles after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tifffile
from tifffile import PLANARCONFIG

from ...ahead import in_threads
from ..base import Array
from . import colours


def held_pixels(page: tifffile.TiffPage, planar: bool) -> int:
    """How many samples of a page are held while it is read."""
    return math.prod(page.shape) * _height(page, planar) // max(1, page.imagelength)


def _height(page: tifffile.TiffPage, planar: bool) -> int:
    """Lines that are decoded together: all, where the segments are more than bands of pixels."""
    height = int(page.tilelength if page.is_tiled else page.rowsperstrip)
    contiguous = page.samplesperpixel == 1 or page.planarconfig == PLANARCONFIG.CONTIG
    simple = contiguous and not planar and page.imagedepth == 1 and page.ndim == 2 + (page.samplesperpixel > 1)
    return height if simple and 0 < height < page.imagelength else int(page.imagelength)


class SegmentedPage:
    """A compressed page, whose lines are decoded as they are asked for.

    Attributes:
        number: of the page in its series.
    """

    def __init__(self, number: int, page: Any, planar: bool) -> None:
        """Open the `page`, of which tifffile may know no more than where it lies.

        Raises:
            ValueError: the file ends before the page does.
        """
        self.number = number
        self._page, self._planar = page, planar
        self._keyframe: tifffile.TiffPage = page.keyframe
        self._height = _height(self._keyframe, planar)
        self._bands: dict[int, Array] = {}
        file = page.parent.filehandle
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        if file.size < end:
            raise ValueError(f"{file.size:,} bytes where {end:,} are promised")

    def lines(self, start: int, stop: int) -> Array:
        """Lines ``start:stop``; later ones never go back by more than they overlap."""
        first, last = start // self._height, -(-stop // self._height)
        self._bands = {n: band for n, band in self._bands.items() if n >= first}
        wanted = [n for n in range(first, last) if n not in self._bands]
        if self._height == self._keyframe.imagelength:
            self._bands |= {0: self._whole()} if wanted else {}
        else:
            self._bands |= self._decode(wanted)
        lines = [self._bands[n] for n in range(first, last)]
        top = first * self._height
        return (lines[0] if len(lines) == 1 else np.concatenate(lines))[start - top : stop - top]

    def _whole(self) -> Array:
        file = self._page.parent.filehandle
        was_closed = file.closed  # the other files of a set are
        file.open()
        try:
            pixels = self._page.asarray()
        finally:
            if was_closed:
                file.close()
        if pixels.size < math.prod(self._keyframe.shape):
            raise ValueError(f"the page {self.number} is empty")
        return colours.together(pixels) if self._planar else pixels

    def _decode(self, numbers: list[int]) -> dict[int, Array]:
        """Bands of lines, each made of the segments that lie side by side in it."""
        across = -(-self._keyframe.imagewidth // self._width)
        indices = [number * across + n for number in numbers for n in range(across)]
        file = self._page.parent.filehandle
        was_closed = file.closed
        file.open()
        try:
            raw = [self._read(index) for index in indices]
        finally:
            if was_closed:
                file.close()
        shape = (self._keyframe.imagewidth, *self._keyframe.shape[2:])
        bands = {n: np.full((self._lines_of(n), *shape), self._keyframe.nodata, self._keyframe.dtype) for n in numbers}
        for segment, (_, _, y, x, _), _ in in_threads(self._decoded, zip(raw, indices, strict=True)):
            if segment is not None:
                target = bands[y // self._height][:, x : x + self._width]
                target[...] = segment[0, : len(target), : target.shape[1]].reshape(target.shape)
        return bands

    @property
    def _width(self) -> int:
        return int(self._keyframe.tilewidth if self._keyframe.is_tiled else self._keyframe.imagewidth)

    def _lines_of(self, number: int) -> int:
        return min(self._height, self._keyframe.imagelength - number * self._height)

    def _read(self, index: int) -> bytes:
        file = self._page.parent.filehandle
        file.seek(self._page.dataoffsets[index])
        return bytes(file.read(self._page.databytecounts[index]))

    def _decoded(self, item: tuple[bytes, int]) -> Any:
        data, index = item
        keyframe = self._keyframe
        return keyframe.decode(data or None, index, jpegtables=self._page.jpegtables, jpegheader=keyframe.jpegheader)
