"""Compares the samples that were read from a TIFF file with those that tifffile or Pillow reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tifffile import PHOTOMETRIC, PLANARCONFIG

from ..formats.base import Array, Source
from ..formats.file_array import FileArray
from ..formats.picture.opening import without_size_limit
from ..formats.tiff import libtiff, samples
from ..formats.tiff.chunked_page import has_uncompressed_predictor
from ..formats.tiff.source import TiffSource
from .picture_input import has_unread_orientation
from .planes import Plane
from .readback.model import MismatchError

_ROWS_PER_PAGE = 2
_SHOWN_MODES = ("1", "L", "P", "RGB", "RGBA", "RGBX")  # of Pillow; the conversion of others is ambiguous
_PLANAR_INVERTED = (PHOTOMETRIC.MINISWHITE, PLANARCONFIG.SEPARATE)  # values of the tags 262 and 284
_ROUNDING = 2  # levels; 16-bit palettes are rounded differently
_LARGEST_PAGE_BYTES = 1 << 28  # of pages that must be decoded as a whole


def check_reading(planes: Sequence[Plane | None], sources: Sequence[Source], path: Path) -> None:
    """Compare rows of every plane whose place is known with what the sources read.

    Args:
        planes: of all images, in order.
        sources: of the images.
        path: the file.

    Raises:
        MismatchError: a row differs.
    """
    random = np.random.default_rng(0)
    remaining = iter(planes)
    for source in sources:
        if not isinstance(source, TiffSource):  # rotated or converted for a picture format
            _check_as_shown(source, path)
            return
        grid = source.header.grid
        axis, height = grid.names.index("y"), grid["y"].size
        for number in range(int(np.prod(grid.shape[:axis]))):
            plane = next(remaining)
            found = None if plane is None else _rows(plane, path)
            if plane is None or found is None or found[0] != height:
                continue
            for row in sorted({0, height - 1, *random.integers(0, height, _ROWS_PER_PAGE).tolist()}):
                ours = source.read(axis, number * height + row, number * height + row + 1)[0]
                theirs = _as_read(found[1](row), plane, ours)
                if theirs is not None and not np.array_equal(ours, theirs, equal_nan=ours.dtype.kind in "fc"):
                    place = f"row {row} of page {plane.page.index}"
                    raise MismatchError(f"{place} of the input differs from what tifffile reads")


def _check_as_shown(source: Source, path: Path) -> None:
    """Compare a page that was rotated upright, or whose colours were converted, with the picture that Pillow reads."""
    header = source.header
    shape = header.grid.shape
    mode = {2: "L", 3: {3: "RGB", 4: "RGBA"}.get(shape[-1])}.get(len(shape))
    if mode is None or header.dtype != np.uint8 or math.prod(shape) > _LARGEST_PAGE_BYTES:
        return
    try:
        with without_size_limit(), Image.open(path) as image:
            image.load()  # also rotates it upright
            if image.mode not in _SHOWN_MODES or has_unread_orientation(image):
                return
            if (image.tag_v2.get(262), image.tag_v2.get(284)) == _PLANAR_INVERTED:  # type: ignore[attr-defined]
                return  # Pillow reads it as if 0 were black
            shown = np.asarray(image.convert(mode)).astype(np.int16)
    except (OSError, ValueError, SyntaxError):
        return
    ours = source.read(0, 0, shape[0])
    if shown.shape != ours.shape:
        raise MismatchError(f"Pillow reads shape {shown.shape} from the input, but shape {ours.shape} was read")
    if (difference := int(np.abs(ours - shown).max(initial=0))) > _ROUNDING:
        raise MismatchError(f"the input differs from what Pillow reads by up to {difference} levels")


def _rows(plane: Plane, path: Path) -> tuple[int, Callable[[int], Array]] | None:
    """The number of rows, and a function that returns an interleaved row; None if tifffile cannot decode the page."""
    page = plane.page
    planar = page.axes == "SYX"
    if page.is_memmappable:
        dtype = page.dtype.newbyteorder(page.parent.byteorder)
        file = FileArray(path, dtype, page.dataoffsets[0] + plane.skipped * page.nbytes, page.shape)
        shape = (*page.shape[planar + 1 :], *page.shape[:planar])
        before, after = ([range(size) for size in part] for part in (page.shape[:planar], page.shape[planar + 1 :]))

        def row(number: int) -> Array:
            line = file.box((*before, range(number, number + 1), *after))
            return (np.moveaxis(line, 0, -1) if planar else line).reshape(*shape)

        return page.shape[planar], row
    too_large = page.dtype is None or page.nbytes > _LARGEST_PAGE_BYTES
    if plane.skipped or too_large or libtiff.is_needed(page) or has_uncompressed_predictor(page):
        return None
    try:
        array = page.asarray()
    except Exception:  # the codec is missing, or stricter than in libtiff
        return None
    array = np.moveaxis(array, 0, -1) if planar else array
    return len(array), array.__getitem__


def _as_read(row: Array, plane: Plane, ours: Array) -> Array | None:
    """A row, with its palette expanded and its bits scaled as in `ours`; None if another conversion is needed."""
    page, row = plane.page, row if plane.sample is None else row[..., plane.sample]
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None and ours.ndim == 2:
        index = row if row.ndim == 1 else row[..., 0]
        colormap = np.pad(page.colormap, [(0, 0), (0, 1 << page.bitspersample)])  # entries that it lacks are black
        colours = np.moveaxis(colormap, 0, -1)[index.astype(np.intp)]  # one bit is read as bool
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
