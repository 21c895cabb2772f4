"""Small pictures of a file and of what becomes of it, made from the samples that pass by while it is resized.

Nothing is read or decoded a second time: between source, core and sink every sample of both files passes once, and
those of the planes that are shown are copied. Memory is bounded by the size of the thumbnails, not of the files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ..core.arrays import Array, IndexArray
from ..formats.base import Sink, Source
from ..geometry import Axis, Grid
from ..plan import Plan
from .display import Look
from .planes import Plane, planes_of
from .views import Picture, View, curve_of, most_pixels, views_of

_PICKS = 3  # samples that are averaged to a pixel, along an axis, of those that there are
_CURVE_SAMPLES = 1000


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
        self._header = before
        self._labels = plan.main.mode.votes
        planes: list[Plane] = []
        with suppress(Exception):  # no file fails for its picture
            planes = planes_of(before.grid, after.grid)
        self._before = [_Copy(plane, before.grid) for plane in planes]
        self._after = [_Copy(plane, after.grid) for plane in planes]
        first = plan.main.source
        watched = _WatchedSource(first, self._before)
        self.plan = plan._replace(
            resizings=tuple(r._replace(source=watched) if r.source is first else r for r in plan.resizings),
            mains=tuple(r._replace(source=watched) if r.source is first else r for r in plan.mains),
            sink=_WatchedSink(plan.sink, self._after, plan.main.slab_axis),
        )

    def thumbnails(self) -> Thumbnails:
        """What has passed by so far; nothing where it cannot be shown, which is no reason to fail."""
        with suppress(Exception):
            return Thumbnails(*self._views())
        return Thumbnails()

    def _views(self) -> tuple[tuple[View, ...], ...]:
        seen = [[copy.picture() for copy in copies if copy.is_seen] for copies in (self._before, self._after)]
        if self._before and self._before[0].plane.rows is None:
            return tuple(tuple(map(curve_of, pictures)) for pictures in seen)
        look = Look.of(self._header, [picture.samples for picture in seen[0]], self._labels)
        return tuple(views_of(pictures, look) if pictures else () for pictures in seen)


class _Copy:
    """The samples of a plane of an array, copied from its rows as they pass, no more of them than are needed."""

    def __init__(self, plane: Plane, grid: Grid) -> None:
        self.plane, self._grid = plane, grid
        self._samples: Array | None = None
        self._picks = [_picks(axis, plane) for axis in grid.axes]
        self._missing = np.ones([len(picks) for picks in self._picks], bool)
        self._wanted: tuple[int, IndexArray] | None = None

    def take(self, axis: int, start: int, rows: Array) -> None:
        """Copy what is wanted of `rows`, which begin at `start` where the axes up to `axis` are merged into one."""
        wanted = self._rows_of(axis)
        if self._samples is None:
            self._samples = np.zeros(self._missing.shape, rows.dtype)
        low, high = np.searchsorted(wanted, [start, start + len(rows)])
        target = self._samples.reshape(-1, *self._samples.shape[axis + 1 :])
        target[low:high] = _picked(rows, [wanted[low:high] - start, *self._picks[axis + 1 :]])
        self._missing.reshape(len(wanted), -1)[low:high] = False

    def _rows_of(self, axis: int) -> IndexArray:
        """The rows that are wanted where the axes up to `axis` are merged into one; an array is read in one way."""
        if self._wanted is None or self._wanted[0] != axis:
            leads = np.ix_(*self._picks[: axis + 1])
            self._wanted = axis, np.ravel_multi_index(leads, self._grid.shape[: axis + 1]).ravel()
        return self._wanted[1]

    @property
    def is_seen(self) -> bool:
        """Whether any row has passed."""
        return self._samples is not None

    def picture(self) -> Picture:
        """What has been copied."""
        assert self._samples is not None
        samples = self.plane.of(self._samples, self._grid)
        if self._missing.any():
            samples = _repeated(samples, self.plane.of(self._missing, self._grid))
        return Picture(self.plane, self._grid, samples)


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
    most = _CURVE_SAMPLES if plane.rows is None else math.ceil(most_pixels(plane) * _PICKS)
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
