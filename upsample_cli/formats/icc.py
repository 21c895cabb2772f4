"""Recognises ICC profiles, and reads their transfer curves.

The layout is that of ICC.1:2022, "Image technology colour management", sections 7.3, 10.6 and 10.18.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..core.arrays import FloatArray
from ..core.linear_light import Curve

_TAG_COUNT, _TAGS = 128, 132  # offsets
_CURVES = {b"RGB ": (b"rTRC", b"gTRC", b"bTRC"), b"GRAY": (b"kTRC",)}
_LEVELS = np.linspace(0, 1, 256)
_SIGNATURE, _SIGNATURE_OFFSET = b"acsp", 36
_CLASSES = (b"scnr", b"mntr", b"prtr", b"link", b"abst", b"spac", b"nmcl", bytes(4))  # LittleCMS accepts zeros too
_MAX_VERSION, _MAX_TAGS = b"\5\0", 100  # of LittleCMS
_PARAMETERS = (1, 3, 4, 5, 7)  # of each type of parametric curve


def is_profile(data: bytes) -> bool:
    """Whether LittleCMS opens the profile: its header must be valid, and no tag may come twice."""
    if len(data) < _TAGS or data[_SIGNATURE_OFFSET : _SIGNATURE_OFFSET + 4] != _SIGNATURE:
        return False
    (size,) = struct.unpack_from(">I", data)
    (count,) = struct.unpack_from(">I", data, _TAG_COUNT)
    if count > _MAX_TAGS or not _TAGS + 12 * count <= size <= len(data):
        return False
    names = [data[_TAGS + 12 * number :][:4] for number in range(count)]
    return data[8:10] <= _MAX_VERSION and data[12:16] in _CLASSES and len(set(names)) == count


def transfer_curves(profile: bytes) -> list[Curve]:
    """The curve of every channel of a grey or RGB profile.

    Raises:
        ValueError: the profile is damaged, is neither grey nor RGB, or uses a table instead of curves.
    """
    try:
        wanted = _CURVES.get(profile[16:20], ())
        (count,) = struct.unpack_from(">I", profile, _TAG_COUNT)
        entries = [struct.unpack_from(">4sII", profile, _TAGS + 12 * number) for number in range(count)]
        tags = {name: profile[offset : offset + size] for name, offset, size in entries}
        if not wanted or any(name not in tags for name in wanted):
            raise ValueError("its ICC profile has no transfer curves")
        curves = [_curve(tags[name]) for name in wanted]
        if any(light[0] >= light[-1] or (np.diff(light) < 0).any() for light in (curve(_LEVELS) for curve in curves)):
            raise ValueError("its ICC profile is damaged: a transfer curve does not rise")
        return curves
    except (struct.error, IndexError, ZeroDivisionError) as error:
        raise ValueError("its ICC profile is damaged") from error


def _curve(tag: bytes) -> Curve:
    kind = tag[:4]
    if kind == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = struct.unpack_from(f">{count}H", tag, 12)
        if count == 0:
            return partial(_power, gamma=1.0)
        return partial(_power, gamma=values[0] / 256) if count == 1 else partial(_sampled, table=values)
    if kind == b"para":
        (number,) = struct.unpack_from(">H", tag, 8)
        return partial(_parametric, kind=number, parameters=_fixed(tag, _PARAMETERS[number]))
    raise ValueError("its ICC profile has curves of an unknown kind")


def _fixed(tag: bytes, count: int) -> list[float]:
    return [value / 65536 for value in struct.unpack_from(f">{count}i", tag, 12)]


def _power(x: FloatArray, gamma: float) -> FloatArray:
    light: FloatArray = x**gamma
    return light


def _sampled(x: FloatArray, table: Sequence[int]) -> FloatArray:
    return np.interp(x, np.linspace(0, 1, len(table)), np.maximum.accumulate(table) / 65535)


def _parametric(x: FloatArray, kind: int, parameters: Sequence[float]) -> FloatArray:
    """``(a·x + b)^g + e`` from `d` on, and ``c·x + f`` below it, of which the simpler types leave out some."""
    g, a, b, c, d, e, f = parameters[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind in (1, 2):
        a, b = parameters[1:3]
        d = -b / a
        e = f = parameters[3] if kind == 2 else 0.0
    elif kind in (3, 4):
        a, b, c, d = parameters[1:5]
        e, f = parameters[5:] if kind == 4 else (0.0, 0.0)
    power = np.maximum(np.maximum(a * x + b, 0) ** g + e, c * d + f)
    light: FloatArray = np.where(x >= d, power, c * x + f)
    return np.clip(light, 0, 1)
