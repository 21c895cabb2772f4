"""Reads the palette of a picture that Pillow has opened but not decoded."""

from __future__ import annotations

from PIL import Image

from .model import Palette


def of(image: Image.Image) -> Palette | None:
    """The palette as red, green and blue, with the alpha of its entries; None if there is none."""
    if image.palette is None:
        image.load()  # some files have it behind their pixels
    if image.palette is None:
        return None
    tiny = Image.new("P", (1, 1))  # converts any order of the bytes
    tiny.im.putpalette(image.palette.mode, *image.palette.getdata())
    entries = tiny.im.getpalette(image.palette.mode, image.palette.mode)
    samples = len(image.palette.mode)
    colours = b"".join(entries[start : start + 3] for start in range(0, len(entries), samples))
    transparency = image.info.get("transparency", b"")
    if isinstance(transparency, int):
        return Palette(colours, b"\xff" * transparency + b"\0")
    return Palette(colours, bytes(transparency) or (entries[3::4] if samples == 4 else b""))
