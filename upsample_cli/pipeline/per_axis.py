"""Numbers for axes, as users write them: factors, sizes, spacings and boxes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..errors import RequestError

if TYPE_CHECKING:
    from fractions import Fraction

Number: TypeAlias = "float | Fraction"  # a fraction where the user wrote one, or per cent

_UNITS = r"[a-zA-Zµμ%]+(?=$|[\s,xX×*])"  # a unit, not the name of an axis
_SEPARATOR = re.compile(rf"\s*,\s*|\s+(?!{_UNITS})|(?<=[\d%m])\s*[xX×*]\s*(?=[\d.])")
_FACTOR = re.compile(
    r"(?P<percent>[^%/]+)%|(?P<times>[^%/]*\d\.?)[xX×]|[xX×](?P<by>[^%/]+)|(?P<above>[^%/]+)/(?P<below>[^%/]+)"
)
_HINTS = {  # suffixes that other tools use after a number
    ">": "write --only-shrink to resize larger pictures only",
    "<": "write --only-enlarge to resize smaller pictures only",
    "^": "write --cover to cover the box",
}
_ONE_SIDE = re.compile(r"(?P<x>\d+)\s*[xX×]|[xX×]\s*(?P<y>\d+)")
_WITH_UNIT = re.compile(r"(.*[\d.])\s*([a-zA-Zµμ]+)")
_FOREIGN = (  # sizes as ffmpeg writes them, and the same in our notation
    (re.compile(r"(\d+):(\d+)"), r"\1x\2"),
    (re.compile(r"(\d+):-\d"), r"\1x"),
    (re.compile(r"-\d:(\d+)"), r"x\1"),
)
_IN_SAMPLES = re.compile(r"(\d+)\s*(?:px|pixels?|!)", re.IGNORECASE)  # "!" means: ignore the aspect ratio


class PerAxis(NamedTuple):
    """Numbers for axes: one for all, one for each in the order x, y, z, or some by name.

    Attributes:
        positional: numbers without axis names, or ().
        named: numbers by axis name, or {}.
        text: the text as the user wrote it.
        unit: unit of length of the numbers, or None.
        keeps_proportions: whether one side of a picture is named, and the other follows from its proportions.
    """

    positional: tuple[Number, ...]
    named: Mapping[str, Number]
    text: str
    unit: str | None = None
    keeps_proportions: bool = False

    @classmethod
    def parse(cls, text: str, option: str, whole: bool = False) -> PerAxis:
        """Parse ``2``, ``2,2,1``, ``1024x768`` or ``z=1,y=2,x=2``.

        Factors may also be written ``50%``, ``2x`` or ``120/88``, sizes ``800x`` or ``x600``, and spacings with a
        unit, such as ``0.5um``.

        Args:
            text: the user's text.
            option: the option's name, for messages.
            whole: whether all numbers must be whole.

        Raises:
            RequestError: the text is malformed, or a number is not positive and finite.
        """
        if option.endswith("size") and (side := _ONE_SIDE.fullmatch(text.strip())):
            ((axis, size),) = [(axis, size) for axis, size in side.groupdict().items() if size]
            return cls((), {axis: positive_number(size, text, option, whole)}, text, keeps_proportions=True)
        if option.lstrip("-") in ("fit", "cover") and (side := _ONE_SIDE.fullmatch(text.strip())):
            size = f"--width {side['x']}" if side["x"] else f"--height {side['y']}"
            raise RequestError(f"{option} {text}: a box has two sides; for a single side write {size}")
        named: dict[str, Number] = {}
        positional: list[Number] = []
        units: set[str | None] = set()
        for part in _SEPARATOR.split(text.strip(" ()[]")):
            name, equals, number = part.rpartition("=")
            name = name.strip().lower()
            if equals and (len(name) != 1 or name in named):
                problem = "is given twice" if name in named else "is not an axis name"
                raise RequestError(f"{option} {text}: {name!r} {problem}; write z=1,y=2,x=2")
            value, unit = _number(number.strip(), text, option, whole)
            units.add(unit)
            if equals:
                named[name] = value
            else:
                positional.append(value)
        if named and positional:
            raise RequestError(f"{option} {text}: name either all axes or none")
        if len(units) > 1:
            raise RequestError(f"{option} {text}: give all numbers in the same unit")
        return cls(tuple(positional), named, text, units.pop())

    def resolve(self, spatial: Sequence[str], names: Sequence[str], option: str) -> dict[str, Number]:
        """The number for each axis that has one.

        Args:
            spatial: names of the axes to which unnamed numbers apply, in the order x, y, z.
            names: names of all axes of the array.
            option: the option's name, for messages.

        Raises:
            RequestError: an axis does not exist, or the number of numbers is wrong.
        """
        if unknown := [name for name in self.named if name not in names or name == "s"]:
            raise RequestError(f"{option} {self.text}: no axis {unknown[0]!r}; the axes are {', '.join(names)}")
        if self.named:
            return dict(self.named)
        if len(self.positional) == 1:
            return dict.fromkeys(spatial, self.positional[0])
        if len(self.positional) != len(spatial):
            pairs = zip(spatial or ("x",), self.positional, strict=False)
            example = ",".join(f"{name}={float(number):g}" for name, number in pairs)
            raise RequestError(
                f"{option} {self.text}: {len(self.positional)} numbers for {len(spatial)} axes ({','.join(spatial)}); "
                f"give one for all, one for each, or names, such as {example}"
            )
        return dict(zip(spatial, self.positional, strict=True))


def parse_size(text: str) -> tuple[str, PerAxis]:
    """Parse the value of ``--size``: ``50%`` is a factor, everything else a number of samples.

    Returns:
        The name of the option that the value means, ``scale`` or ``size``, and its numbers.

    Raises:
        RequestError: the text is malformed.
    """
    if "%" in text:
        return "scale", PerAxis.parse(text, "--size")
    return "size", PerAxis.parse(text, "--size", whole=True)


def parse_sides(width: str | None, height: str | None) -> PerAxis:
    """The size that ``--width`` and ``--height`` set, of which one may be None.

    Raises:
        RequestError: a value is not a positive whole number.
    """
    named: dict[str, Number] = {}
    for name, option, text in (("x", "--width", width), ("y", "--height", height)):
        if text is not None:
            named[name], _ = _number(text.strip(), text, option, whole=True)
    return PerAxis((), named, f"{width or ''}x{height or ''}", keeps_proportions=len(named) == 1)


def _number(number: str, text: str, option: str, whole: bool) -> tuple[Number, str | None]:
    """A number and its unit, in the notations that the option allows."""
    if option.endswith("spacing") and (measured := _WITH_UNIT.fullmatch(number)):
        return positive_number(measured[1], text, option, whole), _unit(measured[2], text, option)
    if not whole and option.endswith(("scale", "size")) and (factor := _FACTOR.fullmatch(number)):
        if times := factor["times"] or factor["by"]:
            return positive_number(times, text, option, whole), None
        from fractions import Fraction  # rarely needed

        above, below = (factor["percent"], "100") if factor["percent"] else (factor["above"], factor["below"])
        terms = [positive_number(term.strip(), text, option, whole) for term in (above, below)]
        return Fraction(str(terms[0])) / Fraction(str(terms[1])), None
    if whole and (samples := _IN_SAMPLES.fullmatch(number)):
        number = samples[1]
    return positive_number(number, text, option, whole), None


def _unit(name: str, text: str, option: str) -> str:
    from ..geometry import UNIT_ALIASES, UNITS  # imports NumPy

    unit = UNIT_ALIASES.get(name.lower(), name if name in UNITS[0] else name.lower())
    if unit not in UNITS[0]:
        raise RequestError(f"{option} {text}: {name!r} is not a unit of length; write nm, um, mm, cm, m or in")
    return unit


def positive_number(number: str, text: str, option: str, whole: bool) -> float:
    """A positive finite number, whole if asked.

    Args:
        number: its text.
        text, option: the option's value and name, for the message.
        whole: whether it must be whole.

    Raises:
        RequestError: the text is no such number.
    """
    try:
        value = float(number.replace("_", "?"))  # float() would accept 1_000
    except ValueError:
        hint = f"; {_HINTS[number[-1]]}" if number[-1:] in _HINTS else ""
        for pattern, ours in _FOREIGN:
            hint = f"; write {match.expand(ours)}" if (match := pattern.fullmatch(number)) else hint
        raise RequestError(f"{option} {text}: {number!r} is not a number{hint}") from None
    if not (math.isfinite(value) and value > 0):
        raise RequestError(f"{option} {text}: {number} is not a positive finite number")
    if whole and value != int(value):
        raise RequestError(f"{option} {text}: {number} is not a whole number")
    return value
