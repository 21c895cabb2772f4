"""How files are resized: the options, independent of any file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..core.modes import LABEL_KERNELS, MODES
from ..errors import RequestError

TARGETS = ("scale", "size", "spacing", "fit", "like")


class PerAxis(NamedTuple):
    """Numbers for axes: one for all, one for each in the order x, y, z, or some by name.

    Attributes:
        positional: numbers without axis names, or ().
        named: numbers by axis name, or {}.
        text: the text as the user wrote it.
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
            RequestError: the text is malformed, or a number is not positive and finite.
        """
        named: dict[str, float] = {}
        positional: list[float] = []
        for part in re.split(r"\s*,\s*|\s+|(?<=\d)[xX×](?=[\d.])", text.strip()):
            name, equals, number = part.rpartition("=")
            name = name.strip().lower()
            if equals and (len(name) != 1 or name in named):
                problem = "is given twice" if name in named else "is not an axis name"
                raise RequestError(f"{option} {text}: {name!r} {problem}; write z=1,y=2,x=2")
            value = _positive(number.strip(), text, option, whole)
            if equals:
                named[name] = value
            else:
                positional.append(value)
        if named and positional:
            raise RequestError(f"{option} {text}: name either all axes or none")
        return cls(tuple(positional), named, text)

    def resolve(self, spatial: Sequence[str], names: Sequence[str], option: str) -> dict[str, float]:
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
    """How files are resized. Exactly one of the first five attributes is given.

    Attributes:
        scale: scale factors.
        size: output sizes, in samples.
        spacing: output sample spacing, in the file's unit.
        fit: sizes of a box; the output is the largest that fits with the input's aspect ratio.
        like: path of a reference file: the output has its grid, or its size if it has no spacing.
        outside: value of samples that lie outside the input on the grid of a reference: a number, or ``edge`` to repeat
            the border; None for the value of missing samples, or 0.
        nodata: value of missing samples, which have no weight; None for the value that the file states, ``none`` to
            treat all samples alike.
        mode: name of a mode; None for linear, or nearest-exact for files marked as labels.
        align_corners, recompute_scale_factor, antialias: as in PyTorch.
        axes: names of the axes of files that do not name them, slowest first.
        series: index of the only image to resize in files with several, or None for all.
        truncated: whether damaged or truncated files are read as far as possible, with a warning.
        premultiply: whether colours are weighted by alpha.
        linear_light: whether colours are interpolated in linear light.
        label_kernel: mode in which the indicator functions of labels are interpolated in mode ``label``.
        quality, compress_level: settings of the encoder; None for the input's, or else the format's default.
        provenance: whether the output records how it was made.
        verify: whether the output is reread and checked before it gets its final name.
        threads: number of threads per file, or None for one per core.
        max_memory: limit of the working memory in bytes, or None for a fraction of the machine's.
        paired_image: the image that this file is a companion of; the first five attributes then apply to the image, and
            the companion is resized onto its output grid.
    """

    scale: PerAxis | None = None
    size: PerAxis | None = None
    spacing: PerAxis | None = None
    fit: PerAxis | None = None
    like: str | None = None
    outside: float | Literal["edge"] | None = None
    nodata: float | Literal["none"] | None = None
    mode: str | None = None
    align_corners: bool = False
    recompute_scale_factor: bool = False
    antialias: bool = False
    axes: str | None = None
    series: int | None = None
    truncated: bool = False
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
        """Refuse contradictory options."""
        given = [f"--{name}" for name in TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            options = ", ".join(f"--{name}" for name in TARGETS)
            got = " and ".join(given) or "none of them"
            raise RequestError(f"give exactly one of {options}; got {got}")
        if self.recompute_scale_factor and self.scale is None:
            raise RequestError(f"--recompute-scale-factor needs --scale and has no effect with {given[0]}")
        if self.mode is not None and self.mode not in MODES:
            raise RequestError(f"--mode: unknown mode {self.mode!r}; choose from {', '.join(MODES)}")
        if self.label_kernel not in LABEL_KERNELS:
            raise RequestError(
                f"--label-kernel: unknown mode {self.label_kernel!r}; choose from {', '.join(LABEL_KERNELS)}"
            )
        if self.label_kernel != "linear" and self.mode != "label":
            raise RequestError("--label-kernel has no effect without --mode label")
        if self.axes is not None and (
            sorted(set(self.axes)) != sorted(self.axes) or not set(self.axes) <= set("tzcyxs") or not self.axes
        ):
            raise RequestError(f"--axes {self.axes}: give each axis once, from the letters t z c y x s, slowest first")


def parse_number_or(word: str, text: str, option: str) -> Any:
    """Parse a number, which may be NaN or infinite, or the given word.

    Raises:
        RequestError: the text is neither.
    """
    if text.strip().lower() == word:
        return word
    try:
        return float(text)
    except ValueError:
        raise RequestError(f"{option} {text}: write a number or {word}") from None


def parse_bytes(text: str, option: str) -> int:
    """Parse a number of bytes such as ``2G``, ``500M`` or ``1.5GiB``.

    Raises:
        RequestError: the text is not a number of bytes.
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
        value = float(number.replace("_", "?"))  # float() would accept 1_000
    except ValueError:
        raise RequestError(f"{option} {text}: {number!r} is not a number") from None
    if not (math.isfinite(value) and value > 0):
        raise RequestError(f"{option} {text}: {number} is not a positive finite number")
    if whole and value != int(value):
        raise RequestError(f"{option} {text}: {number} is not a whole number")
    return value
