"""Small pictures of a file and of what becomes of it, made from the samples that pass by while it is resized.

Nothing is read or decoded a second time: between source, core and sink every sample of both files passes once, and
those of the planes that are shown are copied. Memory is bounded by the size of the thumbnails, not of the files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Array, IndexArray
from ..geometry import Axis, Grid
from ..resize.plan import Plan
from .appearance import Appearance
from .planes import Plane, planes_of
from .views import Picture, View, curve_of, most_pixels, views_of

_PICKS = 3  # samples that are averaged to a pixel, along an axis, of those that there are
_CURVE_SAMPLES = 1000


@dataclass(frozen=True)
class Thumbnails:
    """What a file looks like, and what its output looks like, each in the same views."""

    before: tuple[View, ...] = ()
    after: tuple[View, ...] = ()


class PreviewTap:
    """Collects the samples for the thumbnails of a file while it is resized; a `SampleTap` of `run_plan`."""

    def __init__(self, plan: Plan) -> None:
        """Choose the views of the first array of `plan`."""
        before, after = plan.first.before, plan.first.after
        self._header = before
        self._labels = plan.first.mode.is_label_mode
        planes: list[Plane] = []
        with suppress(Exception):  # no file fails for its picture
            planes = planes_of(before.grid, after.grid)
        self._before = [_Copy(plane, before.grid) for plane in planes]
        self._after = [_Copy(plane, after.grid) for plane in planes]

    def see_input(self, axis: int, start: int, rows: Array) -> None:
        """See `SampleTap`."""
        _take(self._before, axis, start, rows)

    def see_output(self, axis: int, start: int, rows: Array) -> None:
        """See `SampleTap`."""
        _take(self._after, axis, start, rows)

    def thumbnails(self) -> Thumbnails:
        """What has passed by so far; nothing where it cannot be shown, which is no reason to fail."""
        with suppress(Exception):
            return Thumbnails(*self._views())
        return Thumbnails()

    def _views(self) -> tuple[tuple[View, ...], ...]:
        seen = [[copy.picture() for copy in copies if copy.is_seen] for copies in (self._before, self._after)]
        if self._before and self._before[0].plane.rows is None:
            return tuple(tuple(map(curve_of, pictures)) for pictures in seen)
        look = Appearance.of(self._header, [picture.samples for picture in seen[0]], self._labels)
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


def _take(copies: Sequence[_Copy], axis: int, start: int, rows: Array) -> None:
    with suppress(Exception):  # as above
        for copy in copies:
            copy.take(axis, start, rows)
