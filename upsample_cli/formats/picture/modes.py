"""Chooses the Pillow mode in which a picture is resized, and tests which modes a format can store."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dropped import Dropped, Loss
from .model import ALPHA, CHANNELS, INDEXED, PixelKind

if TYPE_CHECKING:
    from .png.reader import Structure

_RESIZED_MODES = ("L", "I;16", "I", "F", *CHANNELS)
_DECODED_AS = {  # Pillow modes converted before resizing, without visible change (LAB and HSV with a warning)
    **{"La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "RGBX;16": "RGB", "YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB"},
    **{"I;16B": "I;16", "I;16L": "I;16", "I;16N": "I;16"},
}
_STORED = {  # data types of the samples by format and mode, of the formats that modules of this package write
    "PNG": {"1": "b1", "L": "u1", "P": "u1", "I;16": "u2", "LA": "u1 u2", "RGB": "u1 u2", "RGBA": "u1 u2"},
    "PPM": {"1": "b1", "L": "u1", "I;16": "u2", "F": "f4", "RGB": "u1 u2 f4"},
    "PAM": {"1": "b1", "L": "u1", "I;16": "u2", "LA": "u1 u2", "RGB": "u1 u2", "RGBA": "u1 u2"},
    "SGI": {"L": "u1", "I;16": "u2", "RGB": "u1 u2", "RGBA": "u1 u2"},
    "HDR": {"RGB": "f4"},
    "EXR": {"F": "f4", "LA": "f4", "RGB": "f4", "RGBA": "f4"},
    "JPEG XL": {"L": "u1", "I;16": "u2", "F": "f4", "LA": "u1 u2", "RGB": "u1 u2 f4", "RGBA": "u1 u2 f4"},
    "HEIF": {"L": "u1", "RGB": "u1", "RGBA": "u1"},
    "ICNS": {"L": "u1", "LA": "u1", "RGB": "u1", "RGBA": "u1"},
}
_PILLOW_DTYPES = {"I;16": "u2", "I": "i4", "F": "f4"}
_WITH_ALPHA = {"1": "LA", "L": "LA", "I;16": "LA", "RGB": "RGBA"}
_MODES_16_BIT = {0: "I;16", 2: "RGB", 4: "LA", 6: "RGBA"}  # by PNG colour type


def choose_mode(
    kind: PixelKind, structure: Structure | None, keep_indices: bool, animated: bool, opaque: bool
) -> tuple[str | None, list[str]]:
    """The mode in which to resize a picture, None if it is not supported, and warnings.

    Palette indices and bilevel samples cannot be interpolated: they are converted to colours or grey levels unless
    `keep_indices` is set.

    Args:
        kind: format and pixel type of the file.
        structure: of a PNG file, else None.
        keep_indices: see `ReadOptions`.
        animated: whether there are several frames.
        opaque: whether all pixels of an animation are known to be opaque.
    """
    mode = kind.mode
    if structure is not None and structure.depth == 16:
        mode = _MODES_16_BIT[structure.colour_type]
    if animated and kind.format != "JPEG XL":  # JPEG XL frames are decoded without conversion
        grey = structure is not None and structure.colour_type in (0, 4)
        indexed = mode == INDEXED and not keep_indices
        mode = {"LA": "LA", "I;16": "I;16", "1": "L"}.get(mode, "L") if grey else "RGB"
        mode = mode if opaque else _WITH_ALPHA.get(mode, mode)
        return mode, [_palette_warning(mode)] if indexed else []
    if mode == "1" and not kind.transparent:
        if keep_indices:
            return "1", []
        return "L", [
            "bilevel picture is written as grey (L), because blending needs new levels; --mode nearest avoids it"
        ]
    if mode in (INDEXED, "PA"):
        if mode == INDEXED and keep_indices:
            return INDEXED, []
        mode = "RGBA" if mode == "PA" or kind.transparent else "RGB"
        return mode, [_palette_warning(mode)]
    warnings: list[str] = (
        [Dropped(f"its {mode} colours are converted to RGB", Loss.COLOUR_SPACE)] if mode in ("LAB", "HSV") else []
    )
    mode = _DECODED_AS.get(mode, mode)
    mode = _WITH_ALPHA.get(mode, mode) if kind.transparent else mode
    return (mode if mode in _RESIZED_MODES else None), warnings


def bits_per_sample(mode: str, structure: Structure | None, keep_indices: bool) -> int:
    """Bits per sample to write: those of the input if its samples keep their values, else 8."""
    if mode == "1":
        return 1
    if structure is not None and structure.depth < 8 and keep_indices and mode in ("L", INDEXED):
        return structure.depth
    return 8


def _palette_warning(mode: str) -> str:
    return Dropped(
        f"palette picture is written as {mode}, because blending needs new colours; --mode nearest keeps the palette",
        Loss.PALETTE,
    )


def can_store(format_name: str, mode: str, dtype: np.dtype[Any]) -> bool:
    """Whether a format stores samples of a mode and data type without losing depth, colour or alpha."""
    if format_name == "BMP" and mode == "RGBA":
        return dtype == np.uint8
    if format_name in _STORED:
        return dtype.str[1:] in _STORED[format_name].get(mode, "").split()
    return dtype.str[1:] in _PILLOW_DTYPES.get(mode, "u1 b1").split() and round_trips(format_name, mode)


@cache
def round_trips(format_name: str, mode: str) -> bool:
    """Whether a format stores pixels of a mode without losing depth, colour or alpha, tested on a single pixel."""
    from PIL import Image  # slow import; not needed for PNG

    written = io.BytesIO()
    try:
        Image.new(mode, (1, 1)).save(written, format_name)
        with Image.open(written) as image:
            read, size, transparent = image.mode, image.size, "transparency" in image.info
    except Exception:  # encoders reject modes with various exceptions
        return False
    deep = mode in ("I", "F") or mode.startswith("I;16")
    return (
        size == (1, 1)  # icons have fixed sizes
        and (not deep or read in ("I", "F") or read.startswith("I;16"))
        and (mode not in ALPHA or read in ALPHA or transparent)
        and (mode not in CHANNELS or mode in ALPHA or read in (*CHANNELS, "P"))
        and (mode != "CMYK" or read == "CMYK")
    )
