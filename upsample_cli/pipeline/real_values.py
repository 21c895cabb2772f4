"""Values as users state them, and the numbers that a file stores for them.

A volume may state a slope and an intercept: its samples mean ``slope · stored + intercept``. Options such as
``--outside`` name this real value, as programs that read such files show it. Samples are resampled as they are stored.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..errors import RequestError
from ..formats.base import Header

_LEVEL_TOLERANCE = 1e-3  # of a stored integer; slopes are rounded to float32


def real_value(stored: float, header: Header) -> float:
    """The value that a stored number means."""
    return stored if header.scaling is None else header.scaling[0] * stored + header.scaling[1]


def stored_value(real: float, header: Header) -> float:
    """The number, not rounded, that means a real value."""
    return real if header.scaling is None else (real - header.scaling[1]) / header.scaling[0]


def nearest_stored(real: float, header: Header) -> float:
    """The stored number nearest to a real value; samples without a slope store real values as they are."""
    stored = stored_value(real, header)
    if header.scaling is None or header.dtype.kind not in "iu" or math.isnan(stored):
        return stored
    limits = np.iinfo(header.dtype)
    return float(round(min(max(stored, limits.min), limits.max)))


def check_in_range(real: float, header: Header, option: str, path: Path) -> None:
    """Refuse a real value beyond those that integers with a slope can store.

    Raises:
        RequestError: it is beyond them.
    """
    if header.scaling is None or header.dtype.kind not in "iu" or math.isnan(real):
        return
    limits = np.iinfo(header.dtype)
    low, high = sorted(real_value(float(limit), header) for limit in (limits.min, limits.max))
    if abs(stored_value(real, header) - nearest_stored(real, header)) > 0.5 + _LEVEL_TOLERANCE:
        raise RequestError(f"{option} {real:g}: its samples can have values from {low:g} to {high:g} only", path)


def is_stored(real: float, stored: float, header: Header) -> bool:
    """Whether a stored number means the given real value, up to the rounding of the slope."""
    return math.isnan(real) or abs(stored_value(real, header) - stored) <= _LEVEL_TOLERANCE
