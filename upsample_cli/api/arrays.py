"""`resize`: the command's resizing for arrays without axes N and C."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..core.arrays import Array, ArrayLike
from ..core.threads import get_num_threads
from ..errors import UpsampleError
from ..formats.base import Closeable, Header, Source, merge_leading_axes
from ..geometry import DEFAULT_AXES, SPATIAL, Axis, Grid
from ..pipeline.planning import plan_array
from ..pipeline.targets import find_targets
from .functional import refuse_mask
from .options import make_request

Numbers: TypeAlias = float | str | Sequence[float] | Mapping[str, float]

_NAME = Path("array")  # in messages
_COLOURS = (3, 4)  # samples of a pixel that are taken for colours where the axes are not named


def resize(
    array: ArrayLike,
    scale: Numbers | None = None,
    *,
    size: Numbers | None = None,
    fit: Numbers | None = None,
    cover: Numbers | None = None,
    axes: str | None = None,
    alpha: bool = False,
    **options: Any,
) -> Array:
    """Resize a plain array, such as an image of shape (H, W) or (H, W, 3), or a volume of shape (D, H, W).

    Exactly one of `scale`, `size`, `width` and `height`, `fit` and `cover` is given. Sequences are in the order of the
    array's axes, so ``size=(480, 640)`` is 480 rows of 640 samples; text is read as on the command line, so
    ``size="640x480"`` is the same.

    Args:
        array: of any numeric dtype and memory layout. It is not modified.
        scale: factors, such as ``2``, ``"50%"`` or ``{"z": 4}``.
        size: numbers of samples.
        fit: sides of a box; the result is the largest with the same proportions that fits.
        cover: sides of a box; the result covers it with the same proportions, and is cropped to its centre.
        axes: the name of each axis, from ``t z c y x`` and ``s`` for the samples of a pixel. x, y and z are resized,
            unless others are named. By default the axes are ``yx``, ``yxs`` if the last of three has 3 or 4 samples,
            and else ``zyx``, ``czyx`` or ``tczyx``.
        alpha: whether the last sample of a pixel is alpha, by which colours are weighted.
        options: the command's options for resizing, such as ``mode="cubic"``, ``antialias=True`` or ``width=800``.

    Returns:
        A new C-contiguous array with the same axes and the same dtype in native byte order, unless ``dtype`` is given.

    Raises:
        ValueError: the options are invalid, or do not fit the array.
        TypeError: an option does not exist, or the array is masked.

    >>> import numpy as np
    >>> resize(np.array([[0, 100]], np.uint8), {"x": 2})
    array([[  0,  25,  75, 100]], dtype=uint8)
    >>> resize(np.zeros((300, 400, 3)), fit=100, antialias=True).shape
    (75, 100, 3)
    """
    refuse_mask(array)
    x = np.asarray(array)
    x = np.asarray(x, x.dtype.newbyteorder("="), order="C")
    names = _default_axes(x.shape) if axes is None else axes.lower()
    spatial = tuple(name for name in names if name in SPATIAL)
    targets = {"scale": scale, "size": size, "fit": fit, "cover": cover}
    try:
        if len(names) != x.ndim:
            raise ValueError(f"axes={names!r} names {len(names)} axes, but the array has {x.ndim}")
        request = make_request({**targets, **options, "axes": names}, spatial)
        grid = Grid(tuple(Axis(name, n) for name, n in zip(names, x.shape, strict=True)))
        source = _ArraySource(x, Header(grid, x.dtype, alpha=alpha))
        plan = plan_array(request, source, find_targets(request, grid, _NAME), math.inf, _NAME).unsliced()
    except UpsampleError as error:
        raise ValueError(str(error)) from error
    (result,) = plan.iter_slabs(source, request.threads or get_num_threads())
    return result.reshape(plan.after.grid.shape)


def _default_axes(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[-1] in _COLOURS:
        return "yxs"
    if not 1 <= len(shape) <= len(DEFAULT_AXES):
        raise ValueError(f"an array of {len(shape)} axes needs their names, such as axes='tzyx'")
    return DEFAULT_AXES[-len(shape) :]


class _ArraySource(Closeable):
    """An array in memory; see `Source`."""

    others: Sequence[Source] = ()
    memory_factor = 0.0
    streams = True

    def __init__(self, array: Array, header: Header) -> None:
        self._array = array
        self.header = header
        self.warnings: list[str] = []

    def read(self, axis: int, start: int, stop: int) -> Array:
        return merge_leading_axes(self._array, axis)[start:stop]
