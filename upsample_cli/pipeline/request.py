"""How files are resized: the options, independent of any file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..core.modes import LABEL_KERNELS
from ..errors import RequestError
from .mode_names import canonical_mode, known_mode
from .per_axis import PerAxis as PerAxis
from .per_axis import positive_number

DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64")
TARGETS = ("scale", "size", "spacing", "isotropic", "fit", "cover", "like")


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
    """How files are resized. Exactly one of the first seven attributes is given.

    Attributes:
        scale: scale factors.
        size: output sizes, in samples.
        spacing: output sample spacing, in its own unit or in the file's.
        isotropic: ``finest`` or ``coarsest``: all spatial axes get the spacing of that one.
        fit: sizes of a box; the output is the largest that fits with the input's aspect ratio. Without a number for
            z, only x and y are resized.
        cover: sizes of a box; the output is scaled to cover it and cropped to its centre.
        like: path of a reference file: the output has its grid, or its size if it has no spacing.
        only_shrink, only_enlarge: whether axes that would grow, or shrink, keep their size.
        outside: value of samples that lie outside the input on the grid of a reference: a number, or ``edge`` to repeat
            the border; None for the value of missing samples, or 0.
        nodata: value of missing samples, which have no weight; None for the value that the file states, ``none`` to
            treat all samples alike.
        mode: name of a mode; None for linear, or nearest-exact for files marked as labels.
        align_corners, recompute_scale_factor, antialias: as in PyTorch.
        draft: whether the decoder first shrinks JPEG files that become a quarter or less of their size.
        axes: names of the axes of files that do not name them, slowest first.
        series: index of the only image to resize in files with several, or None for all.
        truncated: whether damaged or truncated files are read as far as possible, with a warning.
        premultiply: whether colours are weighted by alpha.
        linear_light: whether colours are interpolated in linear light.
        label_kernel: mode in which the indicator functions of labels are interpolated in mode ``label``.
        quality, compress_level: settings of the encoder; None for the input's, or else the format's default.
        dtype: name of the output's dtype, or None for the input's.
        rescale: the values that become the lowest and the highest level of the output's dtype; ``full`` for the whole
            range of the input's dtype, or of its samples if they are floating-point numbers; None to keep values.
        background: red, green and blue, from 0 to 1, under transparent pixels, which become opaque; None to keep alpha.
        strip: whether the output has no metadata but the colour profile and what describes its samples.
        provenance: whether the output records how it was made.
        verify: whether the output is reread and checked before it gets its final name.
        threads: number of threads per file, or None for one per core.
        max_memory: limit of the working memory in bytes, or None for a fraction of the machine's.
        paired_image: the image that this file is a companion of; the first seven attributes then apply to the image,
            and the companion is resized onto its output grid.
    """

    scale: PerAxis | None = None
    size: PerAxis | None = None
    spacing: PerAxis | None = None
    isotropic: str | None = None
    fit: PerAxis | None = None
    cover: PerAxis | None = None
    like: str | None = None
    only_shrink: bool = False
    only_enlarge: bool = False
    outside: float | Literal["edge"] | None = None
    nodata: float | Literal["none"] | None = None
    mode: str | None = None
    align_corners: bool = False
    recompute_scale_factor: bool = False
    antialias: bool = False
    draft: bool = False
    axes: str | None = None
    series: int | None = None
    truncated: bool = False
    premultiply: bool = True
    linear_light: bool = False
    label_kernel: str = "linear"
    quality: int | None = None
    compress_level: int | None = None
    dtype: str | None = None
    rescale: tuple[float, float] | Literal["full"] | None = None
    background: tuple[float, float, float] | None = None
    strip: bool = False
    provenance: bool = True
    verify: bool = False
    threads: int | None = None
    max_memory: int | None = None
    paired_image: PairedImage | None = None

    @property
    def converts(self) -> bool:
        """Whether samples may get another dtype, range or number of channels."""
        return self.dtype is not None or self.rescale is not None or self.background is not None

    def __post_init__(self) -> None:
        """Refuse contradictory options."""
        if self.axes is not None:
            object.__setattr__(self, "axes", self.axes.lower())
        self._check_target()
        self._check_modes()
        if self.dtype is not None and self.dtype not in DTYPES:
            raise RequestError(f"--dtype {self.dtype}: choose from {', '.join(DTYPES)}")
        if self.draft and (self.verify or not self.antialias):
            fault = "cannot be checked by --verify" if self.verify else "needs --antialias"
            raise RequestError(f"--draft {fault}: only decoding all samples gives the mode's exact result")
        if self.axes is not None and (
            sorted(set(self.axes)) != sorted(self.axes) or not set(self.axes) <= set("tzcyxs") or not self.axes
        ):
            raise RequestError(f"--axes {self.axes}: give each axis once, from the letters t z c y x s, slowest first")

    def _check_target(self) -> None:
        given = [f"--{name}" for name in TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            options = ", ".join(f"--{name}" for name in TARGETS).replace("--size", "--size, --width and --height")
            got = " and ".join(given) or "none of them; for twice the size write --scale 2"
            raise RequestError(f"give exactly one of {options}; got {got}")
        if self.recompute_scale_factor and self.scale is None:
            raise RequestError(f"--recompute-scale-factor needs --scale and has no effect with {given[0]}")
        if self.isotropic not in (None, "finest", "coarsest"):
            raise RequestError(f"--isotropic {self.isotropic}: write finest or coarsest")
        if self.only_shrink and self.only_enlarge:
            raise RequestError("--only-shrink and --only-enlarge contradict each other")
        if self.like is not None and (self.only_shrink or self.only_enlarge):
            raise RequestError("--only-shrink and --only-enlarge do not apply to --like, whose grid sets the sizes")

    def _check_modes(self) -> None:
        """Replace the names of modes by those of the table."""
        if self.mode is not None:
            object.__setattr__(self, "mode", canonical_mode(self.mode, "--mode"))
        object.__setattr__(self, "label_kernel", known_mode(self.label_kernel) or self.label_kernel)
        if self.label_kernel not in LABEL_KERNELS:
            raise RequestError(
                f"--label-kernel: unknown mode {self.label_kernel!r}; choose from {', '.join(LABEL_KERNELS)}"
            )
        if self.label_kernel != "linear" and self.mode != "label":
            raise RequestError("--label-kernel has no effect without --mode label")


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
        positive_number(match[1], text, option, whole=False) * base ** ("", "k", "m", "g", "t").index(match[2].lower())
    )
