"""The options that say how files are resized, independent of any file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..core.modes import LABEL_KERNELS, MODES
from ..errors import RequestError

TARGETS = ("scale", "size", "spacing", "fit", "like")


class PerAxis(NamedTuple):
    """Numbers for axes: one for all, one for each in the order x, y, z, or some by name.

    Attributes:
        positional: the numbers without names, or ().
        named: the numbers by axis name, or {}.
        text: the user's own text.
    """

    positional: tuple[float, ...]
    named: Mapping[str, float]
    text: str

    @classmethod
    def parse(cls, text: str, option: str, whole: bool = False) -> PerAxis:
        """Parse ``2``, ``2,2,1``, ``1024x768`` or ``z=1,y=2,x=2``.

        Args:
            text: the user's text.
            option: the option's name, for messages.
            whole: whether all numbers must be whole.

        Raises:
            RequestError: the text has another form, or a number is not positive and finite.
        """
        named: dict[str, float] = {}
        positional: list[float] = []
        for part in re.split(r"\s*,\s*|\s+|(?<=\d)[xX×](?=[\d.])", text.strip()):
            name, equals, number = part.rpartition("=")
            name = name.strip().lower()
            if equals and (len(name) != 1 or name in named):
                raise RequestError(
                    f"{option} {text}: {name!r} is not an axis name, or is given twice; write z=1,y=2,x=2"
                )
            value = _positive(number.strip(), text, option, whole)
            if equals:
                named[name] = value
            else:
                positional.append(value)
        if named and positional:
            raise RequestError(f"{option} {text}: give names to all numbers or to none")
        return cls(tuple(positional), named, text)

    def resolve(self, spatial: Sequence[str], names: Sequence[str], option: str) -> dict[str, float]:
        """The number for each axis that is addressed.

        Args:
            spatial: the axes to which numbers without names apply, in the order x, y, z.
            names: all axes of the array.
            option: the option's name, for messages.

        Raises:
            RequestError: the numbers do not fit the axes.
        """
        if unknown := [name for name in self.named if name not in names or name == "s"]:
            raise RequestError(f"{option} {self.text}: no axis {unknown[0]!r}; the axes are {', '.join(names)}")
        if self.named:
            return dict(self.named)
        if len(self.positional) == 1:
            return dict.fromkeys(spatial, self.positional[0])
        if len(self.positional) != len(spatial):
            raise RequestError(
                f"{option} {self.text}: {len(self.positional)} numbers for {len(spatial)} axes ({','.join(spatial)}); "
                f"give one for all, one for each, or names, such as {spatial[0] if spatial else 'x'}=2"
            )
        return dict(zip(spatial, self.positional, strict=True))


class PairedImage(NamedTuple):
    """The image of a pair: its companion, such as a segmentation, is resized onto the grid of the image's output.

    Attributes:
        path: the image file.
        mode: the mode in which the image itself is resized.
    """

    path: Path
    mode: str | None


@dataclass(frozen=True)
class Request:
    """How files are to be resized. Exactly one of the first five is given.

    Attributes:
        scale: factors.
        size: output sizes.
        spacing: output distances between samples, in the file's unit.
        fit: a box; the result is as large as fits into it with the input's proportions.
        like: the path of a file whose sizes are taken.
        mode: name of a mode, or None for linear, or nearest where a file says that it holds labels.
        align_corners, recompute_scale_factor, antialias: as in PyTorch.
        axes: names of the axes of files that do not name them, slowest first.
        series: the number of the only image to resize of files that hold several, or None for all.
        premultiply: whether colours are weighted by alpha.
        linear_light: whether colours are interpolated as amounts of light.
        label_kernel: the mode by which the indicators of labels are interpolated in mode ``label``.
        quality, compress_level: of encoders, or None to keep the input's or take the format's.
        provenance: whether the output says what has been done to it.
        verify: whether the output is read again and compared with the plan before it gets its name.
        threads: how many of them compute, or None for one per core.
        max_memory: bytes of working memory that may be used, or None for a modest part of the machine's.
        onto: the image whose output is what the first five speak of, where this is asked of what belongs to it.
    """

    scale: PerAxis | None = None
    size: PerAxis | None = None
    spacing: PerAxis | None = None
    fit: PerAxis | None = None
    like: str | None = None
    mode: str | None = None
    align_corners: bool = False
    recompute_scale_factor: bool = False
    antialias: bool = False
    axes: str | None = None
    series: int | None = None
    premultiply: bool = True
    linear_light: bool = False
    label_kernel: str = "linear"
    quality: int | None = None
    compress_level: int | None = None
    provenance: bool = True
    verify: bool = False
    threads: int | None = None
    max_memory: int | None = None
    paired_image: PairedImage | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        given = [f"--{name}" for name in TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            choice = ", ".join(f"--{name}" for name in TARGETS)
            got = " and ".join(given) or "none of them"
            raise RequestError(f"give exactly one of {choice}; got {got}")
        if self.recompute_scale_factor and self.scale is None:
            raise RequestError(f"--recompute-scale-factor only has a meaning with --scale, not with {given[0]}")
        if self.mode is not None and self.mode not in MODES:
            raise RequestError(f"--mode: unknown mode {self.mode!r}; choose from {', '.join(MODES)}")
        if self.label_kernel not in LABEL_KERNELS:
            raise RequestError(
                f"--label-kernel: unknown mode {self.label_kernel!r}; choose from {', '.join(LABEL_KERNELS)}"
            )
        if self.label_kernel != "linear" and self.mode != "label":
            raise RequestError("--label-kernel only has a meaning with --mode label")
        if self.axes is not None and (
            sorted(set(self.axes)) != sorted(self.axes) or not set(self.axes) <= set("tzcyxs") or not self.axes
        ):
            raise RequestError(f"--axes {self.axes}: name each axis once, with the letters t z c y x s, slowest first")


def parse_bytes(text: str, option: str) -> int:
    """Read a number of bytes such as ``2G``, ``500M`` or ``1.5GiB``.

    Raises:
        RequestError: it is none.
    """
    match = re.fullmatch(r"([0-9.]+)\s*([kKMGT]?)(i?)[bB]?", text.strip())
    if match is None:
        raise RequestError(f"{option} {text}: write a number of bytes, such as 500M, 2G or 1.5GiB")
    base = 1024 if match[3] else 1000
    return int(
        _positive(match[1], text, option, whole=False) * base ** ("", "k", "m", "g", "t").index(match[2].lower())
    )


def _positive(number: str, text: str, option: str, whole: bool) -> float:
    try:
        value = float(number.replace("_", "?"))  # Python's own notation of 1_000 is nobody else's
    except ValueError:
        raise RequestError(f"{option} {text}: {number!r} is not a number") from None
    if not (math.isfinite(value) and value > 0):
        raise RequestError(f"{option} {text}: {number} is not a positive finite number")
    if whole and value != int(value):
        raise RequestError(f"{option} {text}: {number} is not a whole number")
    return value
