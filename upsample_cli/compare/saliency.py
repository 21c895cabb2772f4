"""Finds the window of a plane with the most detail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.arrays import Array, FloatArray

_CELLS_PER_SIDE = 4  # a window moves in steps of one cell
_DISTANCES = (1, 2, 4, 8)  # samples


def best_window(
    read: Callable[[int, int], Array], shape: tuple[int, int], window: tuple[int, int], labels: bool = False
) -> tuple[int, int]:
    """The first row and column of the window with the most detail.

    Detail is the sum of absolute differences between samples 1, 2, 4 and 8 apart, along rows and columns. With
    neighbours alone (total variation), noise would outweigh edges and shapes. For labels it is the number of
    differences.

    Args:
        read: returns rows ``start:stop``, of shape (rows, columns) or (rows, columns, samples); called in order.
        shape: rows and columns of the plane.
        window: rows and columns of the window.
        labels: whether samples are region labels.
    """
    height, width = (max(1, side // _CELLS_PER_SIDE) for side in window)
    columns = np.arange(0, shape[1], width)
    cells = [
        np.add.reduceat(_differences(read(top, min(top + height + _DISTANCES[-1], shape[0])), height, labels), columns)
        for top in range(0, shape[0], height)
    ]
    sums = _window_sums(
        np.array(cells), tuple(-(-side // cell) for side, cell in zip(window, (height, width), strict=True))
    )
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return min(int(row) * height, shape[0] - window[0]), min(int(column) * width, shape[1] - window[1])


def _differences(rows: Array, height: int, labels: bool) -> FloatArray:
    """The detail of the first `height` rows, summed by column; see `best_window`."""
    values = rows.astype(np.complex128 if rows.dtype.kind == "c" else np.float64).reshape(*rows.shape[:2], -1)
    total = np.zeros(rows.shape[1])
    with np.errstate(invalid="ignore", over="ignore"):
        for distance in _DISTANCES:
            below = np.abs(values[distance : distance + height] - values[:-distance][:height])
            right = np.abs(values[:height, distance:] - values[:height, :-distance])
            for steps in (below, right):
                steps = np.nan_to_num(steps != 0 if labels else steps, posinf=0).sum(axis=(0, -1))
                total[: len(steps)] += steps
    return total


def _window_sums(cells: FloatArray, sides: tuple[int, ...]) -> FloatArray:
    """The sums of all windows with `sides` cells along each axis."""
    for axis, side in enumerate(sides):
        cells = np.lib.stride_tricks.sliding_window_view(cells, min(side, cells.shape[axis]), axis).sum(axis=-1)
    return cells
