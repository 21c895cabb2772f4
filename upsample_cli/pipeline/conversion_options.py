"""Parse ``--rescale`` and ``--background``."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from ..errors import RequestError

Range: TypeAlias = tuple[float, float]


def parse_conversion(rescale: str | None = None, background: str | None = None) -> dict[str, Any]:
    """The values of ``--rescale`` and ``--background`` as attributes of `Request`, where they are given.

    Raises:
        RequestError: a value is malformed.
    """
    parsed: dict[str, Any] = {}
    if rescale is not None:
        parsed["rescale"] = parse_range(rescale)
    if background is not None:
        parsed["background"] = parse_colour(background)
    return parsed


def parse_colour(text: str) -> tuple[float, float, float]:
    """Red, green and blue from 0 to 1 of a colour such as ``white``, ``#ff8800`` or ``255,128,0``.

    Raises:
        RequestError: the text is not a colour.
    """
    levels = text.split(",")
    try:
        if len(levels) == 3:
            red, green, blue = (int(level) for level in levels)
        else:
            from PIL import ImageColor  # rarely needed

            red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise RequestError(f"--background {text}: write a colour, such as white, '#ff8800' or 255,128,0") from None
    if not all(0 <= level <= 255 for level in (red, green, blue)):
        raise RequestError(f"--background {text}: levels are from 0 to 255")
    return red / 255, green / 255, blue / 255


def parse_range(text: str) -> Range | str:
    """The value of ``--rescale``: ``full``, or the values ``LOW,HIGH`` that become the ends of the output's range.

    Raises:
        RequestError: the text is neither.
    """
    if text == "full":
        return text
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        raise RequestError(f"--rescale {text}: write the lowest and the highest value, such as 0,4095") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RequestError(f"--rescale {text}: the first value must be below the second")
    return low, high
