"""Small pictures of a file and of what becomes of it, made from the samples that pass by while it is resized.

Nothing is read or decoded a second time: between source, core and sink every sample of both files passes once, and
those of the planes that are shown are copied. Memory is bounded by the size of the thumbnails, not of the files.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image, ImageDraw

from .core.arrays import Array, IndexArray
from .display import Look, contrast, real
from .formats.base import Sink, Source
from .geometry import Axis, Grid
from .plan import Plan
from .planes import Plane, extent, planes_of

_BOX = (312.0, 195.0)  # width and height of a single view on the page, which fits the narrowest of phones
_STRIP = (304.0, 128.0)  # of three views side by side
_CURVE = (312, 120)
_LEAST = 6.0  # a side of a view
_DENSITY = 1.1  # pixels that are kept for each on the page: screens are finer than pages
_PICKS = 3  # samples that are averaged to a pixel, along an axis, of those that there are
_CURVE_SAMPLES = 1000
_DOTS = 48  # samples of a curve that are shown one by one
_BLUE = (59, 130, 246)  # readable on black and on white
_FINER, _PEN = 4, 6  # curves are drawn larger and reduced, since Pillow's lines have hard edges
_FEW_PIXELS = 128 * 128  # which are kept without loss, if that is small: they are shown as squares
_BYTES = 10_000  # of the views of an input or of an output, so that a thousand of both stay below 30 MB
_QUALITIES = (60, 35, 12)


@dataclass(frozen=True)
class View:
    """One picture of a file.

    Attributes:
        name: what it shows, such as ``axial`` or ``xy``; empty where there is only one.
        webp: the picture.
        width, height: on the page, in the proportions of the world.
        pixels: the width of the picture itself.
    """

    name: str
    webp: bytes
    width: int
    height: int
    pixels: int


@dataclass(frozen=True)
class Thumbnails:
    """What a file looks like, and what its output looks like, each in the same views."""

    before: tuple[View, ...] = ()
    after: tuple[View, ...] = ()


class Watch:
    """Looks at a file while it is resized.

    Attributes:
        plan: the same plan, of which every sample passes by here; it is this one that is to be run.
    """

    def __init__(self, plan: Plan) -> None:
        """Choose the views of the first array of `plan`."""
        before, after = plan.before, plan.after
        self._headers = before, after
        self._labels = plan.main.mode.votes
        planes: list[Plane] = []
        with suppress(Exception):  # no file fails for its picture
            planes = planes_of(before.grid, after.grid)
        self._before = [_Copy(plane, before.grid) for plane in planes]
        self._after = [_Copy(plane, after.grid) for plane in planes]
        first = plan.main.source
        watched = _WatchedSource(first, self._before)
        self.plan = replace(
            plan,
            resizings=tuple(replace(r, source=watched) if r.source is first else r for r in plan.resizings),
            mains=tuple(replace(r, source=watched) if r.source is first else r for r in plan.mains),
            sink=_WatchedSink(plan.sink, self._after, plan.main.slab_axis),
        )

    def thumbnails(self) -> Thumbnails:
        """What has passed by so far; nothing where it cannot be shown, which is no reason to fail."""
        with suppress(Exception):
            return Thumbnails(*self._views())
        return Thumbnails()

    def _views(self) -> tuple[tuple[View, ...], ...]:
        header = self._headers[0]
        seen = [copy for copy in self._before if copy.samples is not None]
        if not seen:
            return (), ()
        if seen[0].plane.rows is None:
            return tuple(_curve_views(copies) for copies in (self._before, self._after))
        look = Look.of(header, [copy.picture() for copy in seen], self._labels)
        return tuple(_views(copies, look) for copies in (self._before, self._after))


class _Copy:
    """The samples of a plane of an array, copied from its rows as they pass, no more of them than are needed."""

    def __init__(self, plane: Plane, grid: Grid) -> None:
        self.plane, self.grid = plane, grid
        self.samples: Array | None = None
        self._picks = [_picks(axis, plane) for axis in grid.axes]
        self._missing = np.ones([len(picks) for picks in self._picks], bool)
        self._wanted: tuple[int, IndexArray] | None = None

    def take(self, axis: int, start: int, rows: Array) -> None:
        """Copy what is wanted of `rows`, which begin at `start` where the axes up to `axis` are merged into one."""
        wanted = self._rows_of(axis)
        if self.samples is None:
            self.samples = np.zeros(self._missing.shape, rows.dtype)
        low, high = np.searchsorted(wanted, [start, start + len(rows)])
        target = self.samples.reshape(-1, *self.samples.shape[axis + 1 :])
        target[low:high] = _picked(rows, [wanted[low:high] - start, *self._picks[axis + 1 :]])
        self._missing.reshape(len(wanted), -1)[low:high] = False

    def _rows_of(self, axis: int) -> IndexArray:
        """The rows that are wanted where the axes up to `axis` are merged into one; an array is read in one way."""
        if self._wanted is None or self._wanted[0] != axis:
            leads = np.ix_(*self._picks[: axis + 1])
            self._wanted = axis, np.ravel_multi_index(leads, self.grid.shape[: axis + 1]).ravel()
        return self._wanted[1]

    def picture(self) -> Array:
        """The plane as it is looked at: rows, columns and the samples of a pixel; of a curve only columns."""
        assert self.samples is not None
        picture = self.plane.of(self.samples, self.grid)
        return _repeated(picture, self.plane.of(self._missing, self.grid)) if self._missing.any() else picture


def _picked(x: Array, picks: Sequence[IndexArray]) -> Array:
    """What ``x[np.ix_(*picks)]`` is, in a fraction of the time: whole runs of samples are copied."""
    x = x[tuple(slice(p[0], p[0] + 1) if len(p) == 1 else slice(None) for p in picks)]
    for axis, some in enumerate(picks):
        if len(some) < x.shape[axis]:
            x = x.take(some, axis)
    return x


def _repeated(picture: Array, missing: Array) -> Array:
    """The picture, in which lines that a strong reduction leaves out look like those next to them."""
    for axis in range(picture.ndim):
        others = tuple(number for number in range(picture.ndim) if number != axis)
        present = np.flatnonzero(~missing.all(axis=others))
        if 0 < len(present) < picture.shape[axis]:
            before = np.searchsorted(present, np.arange(picture.shape[axis]), "right") - 1
            picture = picture.take(present[np.maximum(before, 0)], axis)
    return picture


def _picks(axis: Axis, plane: Plane) -> IndexArray:
    """The indices along an axis that are looked at."""
    if axis.name == "s":
        return np.arange(min(axis.size, 4))
    if axis.name not in (plane.rows, plane.columns):
        return np.array([0 if axis.name == "c" else axis.size // 2])
    box = max(_BOX) if not plane.name else _STRIP[1]
    most = _CURVE_SAMPLES if plane.rows is None else math.ceil(box * _DENSITY * _PICKS)
    return np.linspace(0, axis.size - 1, min(axis.size, most)).round().astype(np.intp)


class _WatchedSource:
    """A source of which copies are made in passing; see `Source`."""

    def __init__(self, source: Source, copies: Sequence[_Copy]) -> None:
        self._source, self._watching = source, copies
        self.header, self.others = source.header, source.others
        self.warnings, self.copies = source.warnings, source.copies

    def read(self, axis: int, start: int, stop: int) -> Array:
        rows = self._source.read(axis, start, stop)
        _take(self._watching, axis, start, rows)
        return rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, traceback)


class _WatchedSink:
    """A sink of whose first array copies are made in passing; see `Sink`."""

    def __init__(self, sink: Sink, copies: Sequence[_Copy], axis: int) -> None:
        self._sink, self._watching, self._axis = sink, copies, axis
        self.warnings, self.copies = sink.warnings, sink.copies
        self.compresses, self.pyramids = sink.compresses, sink.pyramids

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        self._sink.write(paths, self._seen(arrays))

    def _seen(self, arrays: Iterable[Iterable[Array]]) -> Iterator[Iterable[Array]]:
        for number, slabs in enumerate(arrays):
            yield slabs if number else self._slabs(slabs)

    def _slabs(self, slabs: Iterable[Array]) -> Iterator[Array]:
        start = 0
        for slab in slabs:
            rows = slab.reshape(-1, *slab.shape[2:])  # a slab has its leading axes merged into one
            _take(self._watching, self._axis, start, rows)
            start += len(rows)
            yield slab
            del slab, rows  # or they would be held while the next one is made


def _take(copies: Sequence[_Copy], axis: int, start: int, rows: Array) -> None:
    with suppress(Exception):  # as above
        for copy in copies:
            copy.take(axis, start, rows)


def _views(copies: Sequence[_Copy], look: Look) -> tuple[View, ...]:
    seen = [copy for copy in copies if copy.samples is not None]
    if not seen:
        return ()
    sides = _sides([extent(copy.grid, copy.plane.columns, copy.plane.rows) for copy in seen if copy.plane.rows])
    views = []
    for copy, (width, height) in zip(seen, sides, strict=True):
        image = look.image(copy.picture())
        size = min(image.width, round(width * _DENSITY)), min(image.height, round(height * _DENSITY))
        if size != image.size:
            image = image.resize(size, Image.Resampling.BOX)
        lossless = look.labels or image.width * image.height <= _FEW_PIXELS
        views.append(_encoded(copy.plane.name, image, (width, height), _BYTES // len(seen), lossless))
    return tuple(views)


def _sides(extents: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """The sizes on the page of views side by side, to one scale."""
    box = _BOX if len(extents) == 1 else _STRIP
    scale = min(box[0] / sum(width for width, _ in extents), box[1] / max(height for _, height in extents))
    return [(round(max(_LEAST, width * scale)), round(max(_LEAST, height * scale))) for width, height in extents]


def _curve_views(copies: Sequence[_Copy]) -> tuple[View, ...]:
    return tuple(
        _encoded("", curve(real(copy.picture())), _CURVE, _BYTES, lossless=False)
        for copy in copies
        if copy.samples is not None
    )


def curve(values: Array) -> Image.Image:
    """A line of samples, between the least and the greatest of them, with gaps where they are not finite."""
    width, height = (_FINER * side for side in _CURVE)
    image = Image.new("RGBA", (width, height), (*_BLUE, 0))
    draw = ImageDraw.Draw(image)
    low, high = contrast([values], tails=(0, 100))
    margin = height / 12
    x = np.linspace(margin, width - margin, len(values))
    y = height - margin - (values - low) / (high - low) * (height - 2 * margin)
    edges = np.flatnonzero(np.diff(np.isfinite(y), prepend=False, append=False))
    for start, stop in edges.reshape(-1, 2):
        points = [(float(a), float(b)) for a, b in zip(x[start:stop], y[start:stop], strict=True)]
        draw.line(points, _BLUE, _PEN, joint="curve")
        for a, b in points if len(values) <= _DOTS or len(points) == 1 else []:
            draw.ellipse((a - 2 * _PEN, b - 2 * _PEN, a + 2 * _PEN, b + 2 * _PEN), _BLUE)
    return image.resize((width // 2, height // 2), Image.Resampling.BOX)


def _encoded(name: str, image: Image.Image, size: tuple[int, int], limit: int, lossless: bool) -> View:
    """A view of no more than about `limit` bytes: at less quality where there is much detail, and then smaller.

    Args:
        name: see `View`.
        image: the picture.
        size: its width and height on the page.
        limit: in bytes.
        lossless: whether to try first whether it is small enough as it is.
    """
    data = _webp(image, lossless=True) if lossless else b""
    for quality in _QUALITIES:
        if data and len(data) <= limit:
            break
        data = _webp(image, quality=quality)
    while len(data) > limit and min(image.size) > 1:
        image = image.reduce(2)
        data = _webp(image, quality=_QUALITIES[-1])
    return View(name, data, *size, image.width)


def _webp(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", method=1, **options)
    return file.getvalue()
