"""Reads NIfTI, Analyze and MGH volumes back with nibabel."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from ...formats.base import Array, Header
from ...geometry import PATIENT_FRAMES, SPATIAL
from .model import Expected, ReadBack

_AXES = "xyztuvw"  # in nibabel's order, fastest first
_UNITS = {"mm": 1.0, "micron": 1e-3, "meter": 1e3, "sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def read_arrays(path: Path, expected: Expected, stack: ExitStack) -> list[ReadBack | None]:
    """The array of the file."""
    image = _load(path)
    dtype = image.get_data_dtype()
    names, shape = _AXES[: len(image.shape)][::-1], image.shape[::-1]
    colours = len(dtype.fields or ())  # RGB and RGBA are structured types
    if colours:
        names, shape, dtype = names + "s", (*shape, colours), np.dtype(np.uint8)
    if isinstance(image, nib.MGHImage):
        spacing, affines = _mgh_geometry(image, expected.headers[0])
    else:
        spacing, affines = _spacing(image), _affines(image)
    return [ReadBack(names, shape, dtype, _sampler(path, image), spacing, affines)]


def _load(path: Path) -> Any:
    if not path.name.lower().endswith((".mgh", ".mgz")):
        return nib.load(path)
    with gzip.open(path) if path.suffix.lower() == ".mgz" else path.open("rb") as file:  # `nib.load` leaves it open
        return cast(Any, nib.MGHImage).from_stream(file)


def _spacing(image: Any) -> dict[str, float]:
    """Spacings by axis name, in millimetres and seconds."""
    length, time = (_UNITS.get(unit, 1.0) for unit in _declared_units(image.header))
    zooms = dict(zip("xyzt", image.header.get_zooms(), strict=False))
    return {name: float(zoom) * (time if name == "t" else length) for name, zoom in zooms.items()}


def _mgh_geometry(image: Any, planned: Header) -> tuple[dict[str, float], dict[str, Array]]:
    """Spacings by axis name, and affines by frame.

    If an affine is planned, it stands for the spacings in space. A repetition time of 0 means that none is stored.
    """
    zooms = dict(zip("xyzt", map(float, image.header.get_zooms()), strict=False))
    repetition = zooms.pop("t", 0.0)
    time = {"t": 1e-3 * repetition} if repetition else {}
    grid = planned.grid
    frame = next((name for name in PATIENT_FRAMES if name in grid.affines), None)
    if frame is None:
        return zooms | time, {}
    in_millimetres = all(axis.unit in (None, "mm") for axis in grid.axes if axis.name in SPATIAL)
    return time, {frame: image.affine} if in_millimetres else {}


def _declared_units(header: Any) -> tuple[str, str]:
    if not hasattr(header, "get_xyzt_units"):  # Analyze has no field for units
        return "mm", "sec"
    try:
        units: tuple[str, str] = header.get_xyzt_units()
    except KeyError:  # codes of undefined units
        return "unknown", "unknown"
    return units


def _affines(image: Any) -> dict[str, Array]:
    """Voxel-to-world matrices by frame, of those whose code is set."""
    affines = {}
    for frame in ("sform", "qform"):
        affine, code = getattr(image, f"get_{frame}", lambda coded: (None, 0))(coded=True)
        if code and affine is not None:
            affines[frame] = affine
    return affines


def _sampler(path: Path, image: Any) -> Callable[[tuple[int, ...]], Any]:
    """A function that returns the stored number at an index, without scaling."""
    dtype, offset = image.get_data_dtype(), image.dataobj.offset
    name = image.file_map["image"].filename or path
    stored: Any = cast(Any, ArrayProxy)(name, (image.shape, dtype, offset, 1.0, 0.0))

    @lru_cache(4)
    def plane(rest: tuple[int, ...]) -> Array:
        return np.asarray(stored[(slice(None), slice(None), *rest[::-1])[-len(image.shape) :]]).T

    def sample(index: tuple[int, ...]) -> Any:
        return plane(index[:-2])[index[-2:]]

    def colour_sample(index: tuple[int, ...]) -> Any:
        return sample(index[:-1])[index[-1]]

    return colour_sample if dtype.fields else sample
