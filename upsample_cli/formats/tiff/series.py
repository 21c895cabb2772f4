"""Finds out which pages of a file form an image, and which are smaller versions of one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import tifffile
from tifffile import PHOTOMETRIC, TiffFrame, TiffPage, TiffPageSeries

from ...errors import InputError
from ..dropped import Dropped, Loss
from . import directories, ome
from .directories import Chain, Directory

_DIALECTS = (  # tifffile's names of kinds of files that define their pages
    *("shaped", "lsm", "mmstack", "ome", "imagej", "ndtiff", "fluoview", "stk", "sis", "svs", "scn", "qpi", "ndpi"),
    *("bif", "avs", "eer", "philips", "scanimage", "nih", "mdgel"),
)
PLAIN_KINDS = ("uniform", "generic")  # tifffile's kinds of series of files without a dialect
STORED_DIFFERENTLY = "has pages of one stack that are stored in different ways"
_POSITIONS = "R"  # tifffile's name of the axis of places on a slide
_SUBFILE, _WIDTH, _LENGTH, _BITS = 254, 256, 257, 258  # numbers of tags
_PHOTOMETRIC, _SAMPLES, _PAGE_NUMBER, _FORMAT, _DEPTH = 262, 277, 297, 339, 32997
_REDUCED, _PAGE_OF_SEVERAL, _MASK = 1, 2, 4  # bits of NewSubfileType
_STORAGE = (258, 259, 266, 277, 284, 317, 322, 323, 339)  # tags of samples, compression and tiles
_ROWS_PER_STRIP = 278
_ENCODING = (  # compression, fill order, strips, planes, predictor, tiles, tables
    *(259, 266, 278, 284, 317, 322, 323, 347),
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image and its pyramid.

    Attributes:
        index: number of the image in the file, by which users choose it.
        number: number of tifffile's series, for a file in a dialect.
        series: the pages of the largest version.
        levels: of the smaller versions, largest first.
    """

    index: int
    number: int
    series: TiffPageSeries
    levels: tuple[TiffPageSeries, ...] = ()


def images_of(
    path: Path, tiff: tifffile.TiffFile, axes: str | None, tolerant: bool = False
) -> tuple[list[Image], list[str]]:
    """The images of a file, and warnings.

    In a file without a dialect, grey pages of one size and several bits are a stack. Other pages are images of their
    own, in the order of the file; with `axes` the user says that pages of one kind are a stack all the same. A page is
    a smaller version of another one only if the file says so.

    Args:
        path: the file.
        tiff: the same file, open.
        axes: names of the axes, or None.
        tolerant: whether to read the pages before the end of a truncated file.

    Raises:
        InputError: the file ends before its last page.
    """
    with path.open("rb") as file:
        chain = directories.read_chain(file)
        truncated = chain.truncated and not tiff.is_ndpi  # NDPI has its own kind of offsets
        if truncated and not (tolerant and chain.directories):
            raise InputError("is truncated: parts of it lie beyond its end", path)
        if tiff.is_ome:
            ome.check_size(tiff.ome_metadata or "", len(chain.directories), directories.largest_page(file, chain))
        if any(getattr(tiff, f"is_{name}", False) for name in _DIALECTS):
            if chain.loops:
                len(tiff.pages)  # tifffile notices a loop when it counts the pages, not when it iterates over them
            series = tiff.series
            if series and series[0].kind not in PLAIN_KINDS:
                _check_alike(series, file, chain, path)
                return _renumbered(_images_of_dialect(series)), []
        return _plain_images(tiff, file, chain, axes)


def _check_alike(series: Sequence[TiffPageSeries], file: BinaryIO, chain: Chain, path: Path) -> None:
    """Check that all pages of a series are stored like its first page, as tifffile assumes.

    Raises:
        InputError: a page is stored in another way.
    """
    layout = directories.Layout.of(file)

    def values(page: Directory, code: int, default: int = 1) -> tuple[int, ...]:
        entry = page.entries.get(code)
        return (default,) if entry is None else directories.integers(file, entry, layout)

    def storage(page: Directory) -> list[tuple[int, ...]]:
        length = values(page, _LENGTH)
        rows = min(values(page, _ROWS_PER_STRIP, *length), length)
        return [rows, *(values(page, code) for code in _STORAGE)]

    ways = {page.offset: storage(page) for page in chain.directories}
    for one in series:
        found = [ways[offset] for offset in _offsets(one) if offset in ways]
        if any(way != found[0] for way in found):
            raise InputError(STORED_DIFFERENTLY, path)


def _offsets(series: TiffPageSeries) -> list[int]:
    """Where the directories of the pages begin, as far as there are such pages."""
    try:
        return [page.offset for page in series.pages if page is not None]
    except IndexError:  # the series has planes behind the last page
        return []


def _images_of_dialect(series: Sequence[TiffPageSeries]) -> Iterator[Image]:
    """The images of series whose relation the dialect defines.

    tifffile recognises levels only if they are smaller by a whole number; others are series of sub-directories.
    """
    images: list[Image] = []
    for number, one in enumerate(series):
        if images and _is_level_of(one, images[-1]):
            images[-1] = replace(images[-1], levels=(*images[-1].levels, one))
        else:
            images.append(Image(0, number, one, tuple(one.levels[1:])))
    for image in images:
        yield from _positions(image)


def _is_level_of(series: TiffPageSeries, image: Image) -> bool:
    above = (image.series, *image.levels)[-1]
    return (
        series.keyframe.is_subifd
        and not image.series.keyframe.is_subifd
        and (series.axes, series.dtype, len(series.shape)) == (above.axes, above.dtype, len(above.shape))
        and _is_smaller(series.shape, above.shape)
    )


def _positions(image: Image) -> Iterator[Image]:
    """The image for each position on the slide, of a series that has an axis of positions."""
    series = image.series
    axis = series.axes.find(_POSITIONS)
    leading = len(series.shape) - len(series.keyframe.shape)
    if not 0 <= axis < leading or math.prod(series.shape[:leading]) != len(series):
        yield image
        return
    inner = math.prod(series.shape[axis + 1 : leading])
    for position in range(series.shape[axis]):
        pages = [series[n] for n in range(len(series)) if n // inner % series.shape[axis] == position]
        shape = series.shape[:axis] + series.shape[axis + 1 :]
        axes = series.axes[:axis] + series.axes[axis + 1 :]
        yield replace(image, series=_series(pages, shape, axes, series.kind, series.dtype), levels=())


def _plain_images(
    tiff: tifffile.TiffFile, file: BinaryIO, chain: Chain, axes: str | None
) -> tuple[list[Image], list[str]]:
    warnings: list[str] = []
    if chain.truncated:
        warnings.append(f"is truncated: only its first {len(chain.directories)} pages are read")
    if chain.loops:
        warnings.append(f"its chain of pages loops: the {len(chain.directories)} pages before the loop are read")
    reader = _PageReader(tiff, file, chain)
    if reader.unreadable:
        lost = f"{reader.unreadable} sub-directories (SubIFDs) cannot be read and are dropped"
        warnings.append(Dropped(lost, Loss.OTHER))
    main = [n for n, directory in enumerate(chain.directories) if not reader.subfile_type(directory) & _REDUCED]
    if axes is None and reader.is_grey_stack(main):
        warnings.append("its pages are taken as a z stack; name their axis with --axes, such as --axes tyx")
    stacked = axes is not None and len(axes.replace("s", "")) > 2 and reader.are_alike(main)
    if stacked or (len(main) > 1 and reader.is_grey_stack(main)):
        images = reader.stack(main)
        if images is not None:
            return _renumbered(images), warnings
    images = list(reader.pages())
    if any(image.series.keyframe.is_subifd for image in images):
        warnings.append("images in sub-directories (SubIFDs) are written as pages of their own")
    return _renumbered(images), warnings


class _PageReader:
    """Forms images of the pages of a file without a dialect.

    Attributes:
        unreadable: the number of sub-directories that cannot be read.
    """

    def __init__(self, tiff: tifffile.TiffFile, file: BinaryIO, chain: Chain) -> None:
        self._tiff, self._file, self._directories = tiff, file, chain.directories
        self._layout = directories.Layout.of(file)
        below = [list(directories.sub_directories(file, directory, self._layout)) for directory in chain.directories]
        self._below = [[directory for directory in found if directory is not None] for found in below]
        self.unreadable = sum(found.count(None) for found in below)

    def subfile_type(self, directory: Directory) -> int:
        """The bits of NewSubfileType."""
        return self._integers(directory, _SUBFILE)[0]

    def are_alike(self, numbers: Sequence[int]) -> bool:
        """Whether there are several pages, with pixels of one kind and of one size."""
        kinds = {self._kind(self._directories[number]) for number in numbers}
        return len(numbers) > 1 and len(kinds) == 1

    def is_grey_stack(self, numbers: Sequence[int]) -> bool:
        """Whether pages are a stack by default, without ``--axes``."""
        return self.are_alike(numbers) and all(self._is_grey(self._directories[number]) for number in numbers)

    def _is_grey(self, directory: Directory) -> bool:
        photometric, samples, bits = (
            self._integers(directory, code, default)[0]
            for code, default in ((_PHOTOMETRIC, 0), (_SAMPLES, 1), (_BITS, 1))
        )
        grey = photometric in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK) and samples == 1 and bits > 1
        is_page = self.subfile_type(directory) & (_PAGE_OF_SEVERAL | _MASK) or _PAGE_NUMBER in directory.entries
        return grey and not is_page

    def _kind(self, directory: Directory, *more: int) -> tuple[object, ...]:
        codes = (_WIDTH, _LENGTH, _DEPTH, _BITS, _PHOTOMETRIC, _SAMPLES, _FORMAT, *more)
        return tuple(self._integers(directory, code) for code in codes)

    def _integers(self, directory: Directory, code: int, default: int = 0) -> tuple[int, ...]:
        return directories.integers(self._file, directory.entries.get(code), self._layout) or (default,)

    def stack(self, numbers: Sequence[int]) -> list[Image] | None:
        """The pages as one image; None if other pages or sub-directories are no smaller versions of it."""
        first = self._page(numbers[0])
        if math.prod(first.shape) == 0:
            return None
        encoding = self._kind(self._directories[numbers[0]], *_ENCODING)
        pages: list[Any] = [first]
        for number in numbers[1:]:
            alike = self._kind(self._directories[number], *_ENCODING) == encoding
            pages.append(self._frame(number, first) if alike else self._page(number))
        series = _series(pages, (len(pages), *first.shape), f"I{first.axes}")
        rest = [n for n in range(len(self._directories)) if n not in set(numbers)]
        levels = [list(group) for _, group in groupby(rest, key=lambda n: self._kind(self._directories[n]))]
        below = [self._below[number] for number in numbers]
        if any(len(level) != len(numbers) for level in levels) or len({len(found) for found in below}) > 1:
            return None
        chained = [[self._page(n) for n in level] for level in levels]
        sub_pages = [
            [self._sub_page(found.offset, (n, index)) for n, found in zip(numbers, level, strict=True)]
            for index, level in enumerate(zip(*below, strict=True))
        ]
        found_levels: list[TiffPageSeries] = []
        for level in (*sub_pages, *chained):
            above = found_levels[-1].keyframe if found_levels else first
            if not _may_be_level(level[0], above):
                return None
            found_levels.append(_series(level, (len(level), *level[0].shape), f"I{level[0].axes}"))
        return [Image(0, 0, series, tuple(found_levels))]

    def pages(self) -> Iterator[Image]:
        """Every page as an image of its own, in the order of the file."""
        images: list[Image] = []
        owners: dict[int, int] = {}  # the last image for pages and for masks, to which smaller versions belong
        for number, directory in enumerate(self._directories):
            page, kind = self._page(number), self.subfile_type(directory)
            owner = owners.get(kind & _MASK)
            if kind & _REDUCED and owner is not None and _may_be_level(page, _smallest(images[owner])):
                images[owner] = _with_level(images[owner], page)
                continue
            owners[kind & _MASK] = len(images)
            image, others = Image(0, 0, _page_series(page)), []
            for index, found in enumerate(self._below[number]):
                below = self._sub_page(found.offset, (number, index))
                if _may_be_level(below, _smallest(image)):
                    image = _with_level(image, below)
                else:
                    others.append(Image(0, 0, _page_series(below)))
            images += [image, *others]
        yield from images

    def _page(self, number: int) -> TiffPage:
        return self._sub_page(self._directories[number].offset, number)

    def _sub_page(self, offset: int, index: int | tuple[int, int]) -> TiffPage:
        self._tiff.filehandle.seek(offset)
        return TiffPage(self._tiff, index)

    def _frame(self, number: int, keyframe: TiffPage) -> TiffFrame:
        return TiffFrame(self._tiff, number, offset=self._directories[number].offset, keyframe=keyframe)


def _series(
    pages: Sequence[Any], shape: Sequence[int], axes: str, kind: str = "uniform", dtype: Any = None
) -> TiffPageSeries:
    return TiffPageSeries(pages, shape, pages[0].dtype if dtype is None else dtype, axes, kind=kind)


def _page_series(page: TiffPage) -> TiffPageSeries:
    return _series([page], page.shape, page.axes)


def _may_be_level(page: TiffPage, above: TiffPage) -> bool:
    """Whether a page that the file marks as a smaller version can be one of the page `above`."""
    same = (page.axes, page.dtype, page.samplesperpixel) == (above.axes, above.dtype, above.samplesperpixel)
    return same and _colours(page) == _colours(above) and _is_smaller(page.shape, above.shape)


def _is_smaller(shape: Sequence[int], above: Sequence[int]) -> bool:
    return shape != above and all(small <= large for small, large in zip(shape, above, strict=True))


def _colours(page: TiffPage) -> int:
    """The colour space; JPEG in YCbCr is decoded as RGB."""
    return PHOTOMETRIC.RGB if page.photometric == PHOTOMETRIC.YCBCR else page.photometric


def _smallest(image: Image) -> TiffPage:
    return (image.series, *image.levels)[-1].keyframe


def _with_level(image: Image, page: TiffPage) -> Image:
    return replace(image, levels=(*image.levels, _page_series(page)))


def _renumbered(images: Iterator[Image] | Sequence[Image]) -> list[Image]:
    return [replace(image, index=index) for index, image in enumerate(images)]
