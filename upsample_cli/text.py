"""Text for people: sizes, spacings, durations, and strings that are safe to print on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def format_bytes(size: float) -> str:
    """A number of bytes in decimal units, such as ``2.1 GB``."""
    if size >= 10**18:
        return f"10^{len(str(int(size))) - 1} bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} PB"


def format_duration(seconds: float) -> str:
    """A duration such as ``4.2 s``, ``3:05 min`` or ``1:02:07 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


def format_sizes(sizes: Mapping[str, int], times: str = "×") -> str:
    """Axis sizes such as ``48×56×32 t6``: x, y and z, then the other axes by name.

    Args:
        sizes: the sizes by axis name; the samples of a pixel, ``s``, are left out.
        times: the separator of spatial sizes.
    """
    spatial = times.join(str(sizes[name]) for name in "xyz" if name in sizes)
    others = [f"{name}{size}" for name, size in sizes.items() if name not in "xyzs"]
    return " ".join([spatial, *others] if spatial else others)


def format_spacings(spacings: Iterable[tuple[float | None, str | None]], times: str = "×") -> str:
    """Pairs of a spacing and its unit as text such as ``0.5×0.5 mm, 2 s``; unknown spacings are left out."""
    by_unit: dict[str, list[str]] = {}
    for spacing, unit in spacings:
        if spacing is not None:
            by_unit.setdefault(unit or "", []).append(f"{spacing:.4g}")
    return ", ".join(f"{times.join(texts)} {unit}".rstrip() for unit, texts in by_unit.items())


def printable(text: object) -> str:
    """The text with every character that a terminal cannot show, line breaks included, as an escape sequence."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """The text without its middle if it is longer than `width`: the ends of file names tell them apart."""
    if len(text) <= width:
        return text
    kept = max(0, width - len(ellipsis))
    head = kept // 2
    return text[:head] + ellipsis[:width] + text[len(text) - (kept - head) :]
