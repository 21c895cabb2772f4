"""What a resampling does along every axis: a sampling map and its weights, made once and used by all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .modes import Circumstances, Factor, Mode
from .sampling import AxisMap, axis_map
from .weights import Bands

_KEPT = 16  # matrices, for the next picture of the same size
_LONGEST_KEPT = 1 << 14  # samples along an axis


class AxisTarget(NamedTuple):
    """What is asked of one axis.

    Attributes:
        size: number of output samples.
        scale_factor: the factor at which to sample, or None for the ratio of the sizes.
        exact: whether the factor counts even where PyTorch's kernel would leave the axis alone.
        shift: of the output's grid, in input samples; for modes that interpolate.
    """

    size: int
    scale_factor: float | None = None
    exact: bool = False
    shift: float = 0.0


class AxisRecipe(NamedTuple):
    """What is done along one axis.

    Attributes:
        map: where the output samples sit, which the geometry follows.
        bands: the weights, or None where the map is the identity.
    """

    map: AxisMap
    bands: Bands | None


def widest(recipe: Iterable[AxisRecipe]) -> int:
    """The largest number of taps along any axis."""
    return max((step.bands.width for step in recipe if step.bands is not None), default=1)


def make_recipe(
    in_sizes: Sequence[int], targets: Sequence[AxisTarget], mode: Mode, align_corners: bool, dtype: np.dtype[Any]
) -> list[AxisRecipe]:
    """The recipe of every resized axis.

    Args:
        in_sizes: samples of each axis that is resized, in the order of the array.
        targets: what is asked of each of them.
        mode: how to weigh.
        align_corners: as in PyTorch.
        dtype: of the samples; PyTorch's nearest modes depend on it.

    Raises:
        ValueError: an axis is empty, or is to become so.
    """
    if min([*in_sizes, *(target.size for target in targets)], default=1) < 1:
        raise ValueError(f"sizes must be positive, got {tuple(in_sizes)} → {tuple(t.size for t in targets)}")
    circumstances = Circumstances.of(dtype, [target.size for target in targets])
    recipe = []
    known: dict[AxisMap, Bands] = {}  # square pictures have two axes alike
    for in_size, target in zip(in_sizes, targets, strict=True):
        yields = mode.factor.yields(in_size, target.size, circumstances) and not target.exact
        factor = None if yields or mode.factor is Factor.IS_IGNORED else target.scale_factor
        axis = axis_map(in_size, target.size, factor, align_corners)
        axis = axis._replace(align_corners=axis.align_corners and mode.moves_to_corners, shift=target.shift)
        if not axis.is_identity and axis not in known:
            longest = max(axis.in_size, axis.out_size)
            known[axis] = (_bands if longest > _LONGEST_KEPT else _kept_bands)(mode, axis, circumstances)
        recipe.append(AxisRecipe(axis, known.get(axis)))
    return recipe


def _bands(mode: Mode, axis: AxisMap, circumstances: Circumstances) -> Bands:
    return mode.bands(axis, circumstances)


_kept_bands = lru_cache(_KEPT)(_bands)
