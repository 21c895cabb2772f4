"""Checks that the pages of a TIFF file were read as tifffile reads each page alone, and turned as Pillow turns them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import PHOTOMETRIC

from ..formats.base import Array, Source
from ..formats.tiff import libtiff, samples
from ..formats.tiff.source import TiffSource
from .readback.model import MismatchError

_ROWS_PER_PAGE = 2
_LARGEST_PAGE_BYTES = 1 << 28  # of those that have to be decoded as a whole


def check_reading(pages: Sequence[Any], sources: Sequence[Source], path: Path) -> None:
    """Compare rows of every page with what the sources read.

    Args:
        pages: of tifffile, of all images in their order.
        sources: of the images.
        path: the file.

    Raises:
        MismatchError: a row differs.
    """
    random = np.random.default_rng(0)
    remaining = iter(pages)
    for source in sources:
        if not isinstance(source, TiffSource):
            return
        grid = source.header.grid
        axis, height = grid.names.index("y"), grid["y"].size
        for number in range(int(np.prod(grid.shape[:axis]))):
            page = next(remaining)
            array = _decoded(page, path)
            if array is None or array.shape[0] != height:
                continue
            for row in sorted({0, height - 1, *random.integers(0, height, _ROWS_PER_PAGE).tolist()}):
                ours = source.read(axis, number * height + row, number * height + row + 1)[0]
                theirs = _as_read(array[row], page, ours)
                if theirs is not None and not np.array_equal(ours, theirs, equal_nan=ours.dtype.kind in "fc"):
                    raise MismatchError(f"row {row} of page {page.index} of the input differs from tifffile's reading")


def _decoded(page: Any, path: Path) -> Array | None:
    """The samples of a page, interleaved; mapped if they are not compressed; None if tifffile cannot."""
    if page.is_memmappable:
        dtype = page.dtype.newbyteorder(page.parent.byteorder)
        array: Array = np.memmap(path, dtype, "r", page.dataoffsets[0], page.shape)
    elif page.dtype is None or page.nbytes > _LARGEST_PAGE_BYTES or libtiff.is_needed(page):
        return None
    else:
        try:
            array = page.asarray()
        except Exception:  # of a codec that only libtiff has, or that is stricter than libtiff
            return None
    return np.moveaxis(array, 0, -1) if page.axes == "SYX" else array


def _as_read(row: Array, page: Any, ours: Array) -> Array | None:
    """A row with its palette expanded and its bits scaled as ours is; None for other conversions."""
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None and ours.ndim == 2:
        colours = np.moveaxis(page.colormap, 0, -1)[row if row.ndim == 1 else row[..., 0]]
        return _same_depth(colours, ours[..., :3]) if ours.shape[-1] == 3 else None
    if row.shape != ours.shape or row.dtype.newbyteorder("=") != ours.dtype.newbyteorder("="):
        return None
    if page.photometric == PHOTOMETRIC.CIELAB or samples.is_swapped(page):
        return None
    bits, full = page.bitspersample, 8 * row.dtype.itemsize
    if row.dtype.kind == "u" and 1 < bits < full and not np.array_equal(row, ours):
        highest = (1 << bits) - 1
        scaled: Array = (row.astype(np.uint64) * ((1 << full) - 1) + highest // 2) // highest
        return scaled.astype(row.dtype)
    return row


def _same_depth(colours: Array, ours: Array) -> Array:
    return (colours >> 8).astype(np.uint8) if ours.dtype.itemsize == 1 else colours
