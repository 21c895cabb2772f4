"""Thumbnails of an input and its output, made from the samples that pass through the pipeline.

Nothing is read or decoded twice: a tap copies the samples of the planes that are shown. Its memory depends on the size
of the thumbnails, not of the files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..core.arrays import Array, IndexArray
from ..geometry import Axis, Grid
from ..pipeline.plan import Plan
from .appearance import Appearance
from .planes import Plane, planes_of
from .views import Picture, View, curve_of, max_pixels, views_of

_SAMPLES_PER_PIXEL = 3  # along an axis; they are averaged
_CURVE_SAMPLES = 1000


@dataclass(frozen=True)
class Thumbnails:
    """The views of an input and the same views of its output."""

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
        with suppress(Exception):  # a thumbnail must not make a file fail
            planes = planes_of(before.grid, after.grid)
        self._before = [_PlaneSampler(plane, before.grid) for plane in planes]
        self._after = [_PlaneSampler(plane, after.grid) for plane in planes]

    def see_input(self, axis: int, start: int, rows: Array) -> None:
        """See `SampleTap`."""
        _collect(self._before, axis, start, rows)

    def see_output(self, axis: int, start: int, rows: Array) -> None:
        """See `SampleTap`."""
        _collect(self._after, axis, start, rows)

    def thumbnails(self) -> Thumbnails:
        """The thumbnails of the samples seen so far; empty if they cannot be made."""
        with suppress(Exception):
            return Thumbnails(*self._views())
        return Thumbnails()

    def _views(self) -> tuple[tuple[View, ...], ...]:
        seen = [[s.picture() for s in samplers if s.has_rows] for samplers in (self._before, self._after)]
        if self._before and self._before[0].plane.rows is None:
            return tuple(tuple(map(curve_of, pictures)) for pictures in seen)
        appearance = Appearance.of(self._header, [picture.samples for picture in seen[0]], self._labels)
        return tuple(views_of(pictures, appearance) if pictures else () for pictures in seen)


class _PlaneSampler:
    """Copies the samples needed to show one plane of an array, from rows as they pass."""

    def __init__(self, plane: Plane, grid: Grid) -> None:
        self.plane, self._grid = plane, grid
        self._samples: Array | None = None
        self._indices = [_indices(axis, plane) for axis in grid.axes]
        self._missing = np.ones([len(indices) for indices in self._indices], bool)
        self._wanted: tuple[int, IndexArray] | None = None

    def take(self, axis: int, start: int, rows: Array) -> None:
        """Copy the needed samples of `rows`, which start at `start` of the axes up to `axis` merged into one."""
        wanted = self._rows_of(axis)
        if self._samples is None:
            self._samples = np.zeros(self._missing.shape, rows.dtype)
        low, high = np.searchsorted(wanted, [start, start + len(rows)])
        target = self._samples.reshape(-1, *self._samples.shape[axis + 1 :])
        target[low:high] = _take_indices(rows, [wanted[low:high] - start, *self._indices[axis + 1 :]])
        self._missing.reshape(len(wanted), -1)[low:high] = False

    def _rows_of(self, axis: int) -> IndexArray:
        """The needed rows of the axes up to `axis` merged into one; cached, because `axis` is the same in all calls."""
        if self._wanted is None or self._wanted[0] != axis:
            leads = np.ix_(*self._indices[: axis + 1])
            self._wanted = axis, np.ravel_multi_index(leads, self._grid.shape[: axis + 1]).ravel()
        return self._wanted[1]

    @property
    def has_rows(self) -> bool:
        """Whether any rows were seen."""
        return self._samples is not None

    def picture(self) -> Picture:
        """The copied samples."""
        assert self._samples is not None
        samples = self.plane.of(self._samples, self._grid)
        if self._missing.any():
            samples = _fill_missing_lines(samples, self.plane.of(self._missing, self._grid))
        return Picture(self.plane, self._grid, samples)


def _take_indices(x: Array, indices: Sequence[IndexArray]) -> Array:
    """The same as ``x[np.ix_(*indices)]``, but faster, since it copies contiguous runs."""
    x = x[tuple(slice(i[0], i[0] + 1) if len(i) == 1 else slice(None) for i in indices)]
    for axis, wanted in enumerate(indices):
        if len(wanted) < x.shape[axis]:
            x = x.take(wanted, axis)
    return x


def _fill_missing_lines(picture: Array, missing: Array) -> Array:
    """The picture with missing lines, which a strong reduction does not read, replaced by their neighbours."""
    for axis in range(picture.ndim):
        others = tuple(number for number in range(picture.ndim) if number != axis)
        present = np.flatnonzero(~missing.all(axis=others))
        if 0 < len(present) < picture.shape[axis]:
            before = np.searchsorted(present, np.arange(picture.shape[axis]), "right") - 1
            picture = picture.take(present[np.maximum(before, 0)], axis)
    return picture


def _indices(axis: Axis, plane: Plane) -> IndexArray:
    """The indices along an axis that are copied."""
    if axis.name == "s":
        return np.arange(min(axis.size, 4))
    if axis.name not in (plane.rows, plane.columns):
        return np.array([0 if axis.name == "c" else axis.size // 2])
    limit = _CURVE_SAMPLES if plane.rows is None else math.ceil(max_pixels(plane) * _SAMPLES_PER_PIXEL)
    return np.linspace(0, axis.size - 1, min(axis.size, limit)).round().astype(np.intp)


def _collect(samplers: Sequence[_PlaneSampler], axis: int, start: int, rows: Array) -> None:
    with suppress(Exception):  # see `PreviewTap.__init__`
        for sampler in samplers:
            sampler.take(axis, start, rows)
