"""Converts headers of other families and volume formats to volume dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import OutputError
from ...geometry import PATIENT_FRAMES, SPATIAL, Affine, Axis, Grid, axis_directions
from ..base import Header
from ..dropped import Dropped, Loss, named

NAMES = "xyztuvw"  # of the dimensions of a file, which follow each other in this order
LARGEST = 32_767  # samples along an axis, where a header counts them in 16 bits
DESCRIP = 79  # characters of the field, without the terminating zero
_ORDER = f"{NAMES}cs"  # of the dimensions of a volume; channels and samples of a pixel follow where there is room
_DIRECTION_TOLERANCE = 1e-3  # of unit vectors
_WIDER = {"bool": "uint8", "float16": "float32"}


@dataclass(frozen=True, slots=True)
class Dimensions:
    """An array as a volume, in millimetres and seconds.

    Attributes:
        shape: x first, with axes of one sample for those that are missing in between.
        order: the axes of the array by number, in the order of the volume, slowest first.
        spacing: of each dimension, 1 where nothing is known.
        onset: of the first sample in time.
        units: of the spacing in space and in time, None where nothing is known.
        affine: from voxels to the world.
        frame: the name of the affine, None where it is made from spacing alone.
        lost: items that cannot be stored.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    spacing: tuple[float, ...]
    onset: float
    units: tuple[str | None, str | None]
    affine: Affine
    frame: str | None
    lost: tuple[str, ...]


def dimensions(header: Header, kind: str, most: int, path: Path, pixels: bool = False) -> Dimensions:
    """The dimensions of a volume of at most `most` of them.

    Args:
        header: of any family.
        kind: the name of the kind of volume.
        most: the largest number of dimensions of that kind.
        path: of the output.
        pixels: whether the samples of a pixel are one voxel.

    Raises:
        OutputError: there are more dimensions, or they have no place.
    """
    names = header.grid.names
    of_voxel = "s" if pixels else ""
    wanted = [*"xyzt", *(n for n in _ORDER[4:] if n in names and n not in of_voxel)]
    shape = _shape(header.grid, wanted)
    if len(shape) > most or not set(names) <= {*_ORDER} or len(set(names)) < len(names):
        given = "".join(reversed(names))
        raise OutputError(f"{kind} has no place for the axes {given}; write .nii, .tif or .npy", path)
    measured = {axis.name: _measured(axis) for axis in header.grid.axes}
    spacing = [measured[n].spacing if n in measured else None for n in wanted[: len(shape)]]
    frame, affine = _best_affine(header.grid)
    others = [name for name in PATIENT_FRAMES if name in header.grid.affines and name != frame]
    differ = [name for name in others if not _same(header.grid.affines[name], header.grid.affines[str(frame)])]
    order = [names.index(name) for name in [*reversed(wanted), *of_voxel] if name in names]
    return Dimensions(
        shape=shape,
        order=tuple(order),
        spacing=tuple(1.0 if s is None else s for s in spacing),
        onset=measured["t"].origin if "t" in measured else 0.0,
        units=(_unit(measured, SPATIAL, "mm"), _unit(measured, "t", "s")),
        affine=affine,
        frame=frame,
        lost=(
            *_unknown_units(measured.values()),
            *(Dropped(f"another affine ({name})", Loss.AFFINE) for name in differ),
        ),
    )


def _shape(grid: Grid, wanted: Sequence[str]) -> tuple[int, ...]:
    """The sizes of the wanted axes, without trailing axes of one sample other than spatial ones."""
    shape = [grid[name].size if name in grid.names else 1 for name in wanted]
    spatial = [number for number, name in enumerate(SPATIAL) if name in grid.names]
    while len(shape) > max([1, *(number + 1 for number in spatial)]) and shape[-1] == 1:
        shape.pop()
    return tuple(shape)


def _best_affine(grid: Grid) -> tuple[str | None, Affine]:
    """The most trusted frame of a grid and its affine in millimetres; without frames, the affine made of spacings."""
    for name in PATIENT_FRAMES:
        if name in grid.affines:
            return name, np.diag([*[_millimetres(grid)] * 3, 1.0]) @ grid.affines[name]
    affine = np.eye(4)
    for number, name in enumerate(SPATIAL):
        if name in grid.names:
            axis = _measured(grid[name])
            affine[number, [number, 3]] = axis.spacing or 1.0, axis.origin
    return None, affine


def lossless_dtype(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], list[str]]:
    """A lossless volume dtype for samples of `dtype`, and warnings about the change."""
    if dtype.name not in _WIDER:
        return dtype.newbyteorder("="), []
    wider = np.dtype(_WIDER[dtype.name])
    return wider, [f"samples of type {dtype.name} become {wider.name}, which holds them all"]


def generic_losses(header: Header, *, pixels: bool = False) -> list[str]:
    """Descriptions of general header fields that a volume cannot hold."""
    has_colours = header.colours not in (None, "L") and not pixels
    return named(
        (Loss.ICC_PROFILE, "the ICC profile", header.icc),
        (Loss.PYRAMID, "the smaller levels of the pyramid", header.levels),
        (Loss.COLOUR_SPACE, f"that the samples are {header.colours}", has_colours),
        (Loss.ALPHA, "that the last sample of a pixel is alpha", header.alpha and not pixels),
    )


def same_directions(affine: Affine, other: Affine) -> bool:
    """Whether the axes of two affines run in the same directions; their lengths may differ."""
    return np.allclose(axis_directions(affine), axis_directions(other), rtol=0, atol=_DIRECTION_TOLERANCE)


def _same(one: Affine, other: Affine) -> bool:
    """Whether two affines agree up to rounding."""
    tolerance = 1e-4 * np.linalg.norm(other[:3, :3], axis=0).min()
    return np.allclose(one, other, rtol=0, atol=tolerance)


def _measured(axis: Axis) -> Axis:
    return axis.in_unit("mm" if axis.name in SPATIAL else "s")


def _millimetres(grid: Grid) -> float:
    """Millimetres per unit of the affines."""
    unit = next((grid[name].unit for name in SPATIAL if name in grid.names), None)
    return Axis("x", 1, 1.0, unit).in_unit("mm").spacing or 1.0


def _unit(axes: dict[str, Axis], names: Sequence[str], unit: str) -> str | None:
    known = (axes[name] for name in names if name in axes)
    return unit if any(axis.unit == unit and axis.spacing is not None for axis in known) else None


def _unknown_units(axes: Any) -> list[str]:
    strange = {a.unit: a.name for a in axes if a.unit is not None and a.unit != ("mm" if a.name in SPATIAL else "s")}
    return [Dropped(f"the unit {unit} of {name}", Loss.UNIT) for unit, name in strange.items()]
