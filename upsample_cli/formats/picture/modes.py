"""In which of Pillow's modes the samples of a picture are resized."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

from .model import ALPHA, CHANNELS, INDEXED, Kind

if TYPE_CHECKING:
    from .png.reader import Structure

_PLAIN = ("L", "I;16", "I", "F", *CHANNELS)
_AS_OTHERS = {  # decoded to what can be resized; but for L*a*b*, which is said, there is no difference to be seen
    **{"La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "RGBX;16": "RGB", "YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB"},
    **{"I;16B": "I;16", "I;16L": "I;16", "I;16N": "I;16"},
}
_WITH_ALPHA = {"1": "LA", "L": "LA", "I;16": "LA", "RGB": "RGBA"}
_OF_COLOUR_TYPES = {0: "I;16", 2: "RGB", 4: "LA", 6: "RGBA"}  # of PNG, with 16 bits


def choose_mode(
    kind: Kind, structure: Structure | None, keep_indices: bool, animated: bool, opaque: bool
) -> tuple[str | None, list[str]]:
    """The mode, None where the picture is not supported, and what is to be said of it.

    Palettes and bits have no values in between: they stay as they are if `keep_indices`, and become colours otherwise.

    Args:
        kind: what the picture is.
        structure: of a PNG file.
        keep_indices: see `ReadOptions`.
        animated: whether there are several frames.
        opaque: whether no pixel of the frames can be transparent.
    """
    mode = kind.mode
    if structure is not None and structure.depth == 16:
        mode = _OF_COLOUR_TYPES[structure.colour_type]
    if animated:
        grey = structure is not None and structure.colour_type in (0, 4)
        indexed = mode == INDEXED and not keep_indices
        mode = {"LA": "LA", "I;16": "I;16", "1": "L"}.get(mode, "L") if grey else "RGB"
        mode = mode if opaque else _WITH_ALPHA.get(mode, mode)
        return mode, [_become(mode, "the palette becomes colours")] if indexed else []
    if mode == "1" and not kind.transparent:
        return ("1", []) if keep_indices else ("L", [_become("L", "two levels become grey")])
    if mode in (INDEXED, "PA"):
        if mode == INDEXED and keep_indices:
            return INDEXED, []
        mode = "RGBA" if mode == "PA" or kind.transparent else "RGB"
        return mode, [_become(mode, "the palette becomes colours")]
    if mode == "I" and kind.format == "PPM":  # a grey map of 16 bits
        return "I;16", []
    said = [f"its {mode} colours become RGB"] if mode in ("LAB", "HSV") else []
    mode = _AS_OTHERS.get(mode, mode)
    mode = _WITH_ALPHA.get(mode, mode) if kind.transparent else mode
    return (mode if mode in _PLAIN else None), said


def kept_bits(mode: str, structure: Structure | None, keep_indices: bool) -> int:
    """How many bits a sample keeps."""
    if mode == "1":
        return 1
    few = structure is not None and structure.depth < 8 and keep_indices and mode in ("L", INDEXED)
    return structure.depth if structure is not None and few else 8


def _become(mode: str, what: str) -> str:
    return f"{what} ({mode}), so that there are values in between; --mode nearest keeps them"


@cache
def gives_back(format_name: str, mode: str) -> bool:
    """Whether a format gives back pixels of a mode without loss of depth, colour or alpha: tried on a single one."""
    from PIL import Image  # which PNG has no need of

    written = io.BytesIO()
    try:
        Image.new(mode, (1, 1)).save(written, format_name)
        with Image.open(written) as image:
            read, size, transparent = image.mode, image.size, "transparency" in image.info
    except Exception:  # encoders refuse in many ways
        return False
    deep = mode in ("I", "F") or mode.startswith("I;16")
    return (
        size == (1, 1)  # icons have sizes of their own
        and (not deep or read in ("I", "F") or read.startswith("I;16"))
        and (mode not in ALPHA or read in ALPHA or transparent)
        and (mode not in CHANNELS or mode in ALPHA or read in (*CHANNELS, "P"))
        and (mode != "CMYK" or read == "CMYK")
        and not (mode == "I" and format_name in ("PNG", "PPM"))  # they cut off what is beyond 16 bits
    )
