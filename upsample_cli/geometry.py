"""Axes, world coordinates of samples, and how resampling changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np

from .core.arrays import FloatArray
from .core.sampling import AxisMap, axis_map

Affine: TypeAlias = FloatArray

UNITS = (  # for length and time, the size of each unit in the first one
    {"mm": 1.0, "pm": 1e-9, "Å": 1e-7, "nm": 1e-6, "µm": 1e-3, "cm": 10.0, "m": 1e3, "km": 1e6, "in": 25.4},
    {"s": 1.0, "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "min": 60.0, "h": 3600.0},
)
UNIT_ALIASES = {
    "micron": "µm",
    "microns": "µm",
    "um": "µm",
    "\\u00B5m": "µm",
    "μm": "µm",
    "inch": "in",
    "\\u00C5": "Å",
    "sec": "s",
}  # names that programs write into files
SPATIAL = ("x", "y", "z")  # in the order of positional values and of the columns of an affine
DEFAULT_AXES = "tczyx"  # of an array whose axes are not named: the last letters, as many as it has axes
PATIENT_FRAMES = ("sform", "qform", "ras", "spm")  # different names of one space, most trusted first
INCH = UNITS[0]["in"]  # millimetres
RASTER = "raster"  # the frame of the input's own voxels, for positions given in pixels; not an orientation


class Axis(NamedTuple):
    """One axis of an array.

    Attributes:
        name: ``x``, ``y`` and ``z`` in space, ``t`` time, ``c`` channels, ``s`` the samples of a pixel (RGB).
        size: number of samples.
        spacing: distance between two samples, in `unit`; None if the file does not state it.
        unit: ``mm``, ``µm``, ``s`` …; None if the file does not state it.
        origin: position of the first sample on an axis that no affine describes, in `unit`.
    """

    name: str
    size: int
    spacing: float | None = None
    unit: str | None = None
    origin: float = 0.0

    def in_unit(self, unit: str) -> Axis:
        """The same axis measured in another unit; unchanged if its unit is unknown or of another kind."""
        table = next((table for table in UNITS if unit in table and self.unit in table), None)
        if table is None or self.unit is None or self.unit == unit:
            return self
        ratio = round(table[self.unit] * 1e9) / round(table[unit] * 1e9)  # whole pm or ns, so that 1 µm is 1000 nm
        spacing = None if self.spacing is None else self.spacing * ratio
        return self._replace(spacing=spacing, unit=unit, origin=self.origin * ratio)

    def resampled(self, axis_map: AxisMap) -> Axis:
        """The axis of the output samples of `axis_map`."""
        if self.spacing is None:
            return self._replace(size=axis_map.out_size)
        return self._replace(
            size=axis_map.out_size,
            spacing=self.spacing * axis_map.pitch,
            origin=self.origin + self.spacing * axis_map.b,
        )


@dataclass(frozen=True)  # without slots: `cached_property` needs an instance dictionary
class Grid:
    """The axes of an array, slowest first, and the frames of reference in which it lies.

    Attributes:
        axes: one for each axis of the array.
        affines: by the name of a frame, the 4×4 matrix that takes voxel coordinates (x, y, z, 1) to the world.
    """

    axes: tuple[Axis, ...]
    affines: Mapping[str, Affine] = field(default_factory=dict)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(axis.size for axis in self.axes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the axes, slowest first."""
        return tuple(axis.name for axis in self.axes)

    @property
    def spatial(self) -> tuple[str, ...]:
        """The names of the axes that are resized unless others are named, in the order x, y, z."""
        return tuple(name for name in SPATIAL if name in self.names)

    @property
    def frames(self) -> tuple[str, ...]:
        """The names of the affines that lead to the world, in order."""
        return tuple(sorted(set(self.affines) - {RASTER}))

    def __getitem__(self, name: str) -> Axis:
        """The axis called `name`; KeyError if there is none."""
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise KeyError(name)

    def resampled(self, maps: Mapping[str, AxisMap]) -> Grid:
        """The grid of the output samples, where `maps` has the sampling map of every axis that changes.

        In voxel coordinates the output sample ``dst`` lies at ``a·dst + b``, so the affine becomes
        ``A · [[diag(a), b], [0, 1]]`` and the spacing is multiplied by ``a`` (by 1 where there is a single sample).
        """
        axes = tuple(axis.resampled(maps[axis.name]) if axis.name in maps else axis for axis in self.axes)
        step = np.eye(4)
        for column, name in enumerate(SPATIAL):
            if name in maps:
                step[column, column] = maps[name].pitch
                step[column, 3] = maps[name].b
        return Grid(axes, {name: affine @ step for name, affine in self.affines.items()})

    def resized(self, shape: Sequence[int]) -> Grid:
        """The grid of an array of another `shape` over the same extent, such as a level of a pyramid."""
        pairs = zip(self.axes, shape, strict=True)
        return self.resampled({axis.name: axis_map(axis.size, size) for axis, size in pairs if size != axis.size})


def axis_directions(affine: Affine) -> FloatArray:
    """The unit vectors of the voxel axes in the world, shape (3, 3), one per column; zero for an axis of no length."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    directions: FloatArray = affine[:3, :3] / np.where(lengths > 0, lengths, 1)
    return directions
