"""Converts keyword arguments of the Python functions to a `Request`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..pipeline.conversion_options import parse_conversion
from ..pipeline.per_axis import PerAxis, parse_sides, parse_size
from ..pipeline.request import Request

_WHOLE_NUMBERS = ("fit", "cover")
_PER_AXIS = ("scale", "spacing", *_WHOLE_NUMBERS)


def make_request(options: Mapping[str, Any], names: Sequence[str] = ("x", "y", "z")) -> Request:
    """Make a request from keyword arguments.

    Args:
        options: by the names of the command's options, with ``_`` for ``-``. Numbers per axis may be one number, text
            as on the command line, a mapping from axis names, or a sequence.
        names: the axes to which the numbers of a sequence belong.

    Raises:
        RequestError: the options are invalid.
        TypeError: an option does not exist.
    """
    known = (*(item.name for item in fields(Request) if item.name != "paired_image"), "width", "height")
    if unknown := [name for name in options if name not in known]:
        raise TypeError(f"unknown option {unknown[0]!r}; the options are {', '.join(known)}")
    given = {name: value for name, value in options.items() if value is not None}
    conversion = {name: _colour_or_range(given.pop(name)) for name in ("rescale", "background") if name in given}
    sides = [given.pop(name, None) for name in ("width", "height")]
    request: dict[str, Any] = parse_conversion(**conversion)
    for name, value in given.items():
        if name == "size":
            kind, numbers = parse_size(_text(value, names))
            request[kind] = numbers
        elif name in _PER_AXIS:
            request[name] = PerAxis.parse(_text(value, names), name, whole=name in _WHOLE_NUMBERS)
        else:
            request[name] = os.fspath(value) if isinstance(value, os.PathLike) else value
    if any(side is not None for side in sides):
        request["size"] = parse_sides(*(None if side is None else str(side) for side in sides))
    return Request(**request)


def _colour_or_range(value: Any) -> str:
    if isinstance(value, bool):
        return "full"
    return value if isinstance(value, str) else ",".join(map(str, value))


def _text(value: Any, names: Sequence[str]) -> str:
    """The numbers as the command line would have them."""
    if isinstance(value, Mapping):
        return ",".join(f"{axis}={number}" for axis, number in value.items())
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    numbers = list(value)
    if names == ("x", "y", "z") or not 1 < len(numbers) <= len(names):
        return ",".join(map(str, numbers))
    return ",".join(f"{axis}={number}" for axis, number in zip(names[-len(numbers) :], numbers, strict=True))
