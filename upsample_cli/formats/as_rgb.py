"""Reads CMYK colours as RGB, for outputs that hold no CMYK."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..geometry import Axis, Grid
from . import family_of
from .base import Array, Header, Source, Wrapped
from .dropped import Dropped, Loss
from .picture.model import PictureInfo

_CMYK_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")  # of pictures; other families hold any samples


def for_output(source: Source, path: Path) -> Source:
    """The source as it is, or as RGB if it has CMYK colours that the picture format of `path` cannot hold."""
    last = source.header.grid.axes[-1]
    is_cmyk = source.header.colours == "CMYK" and (last.name, last.size) == ("s", 4)
    if not is_cmyk or family_of(path) != "picture" or path.suffix.lower() in _CMYK_SUFFIXES:
        return source
    return AsRgb(source)


class AsRgb(Wrapped):
    """A `Source` whose CMYK samples are converted by their ICC profile, or by the inks' complements without one."""

    def __init__(self, source: Source) -> None:
        """Take over `source`, which is closed with this one."""
        self._source = source
        self.header = _rgb_header(source.header)
        self.others: Sequence[Source] = [AsRgb(other) for other in source.others]
        self._convert, how = _converter(source.header)
        self.warnings = [*source.warnings, Dropped(f"its CMYK colours are converted to RGB {how}", Loss.COLOUR_SPACE)]
        self.memory_factor = 4 / 3 * source.memory_factor + 1.0
        self.streams = source.streams

    def read(self, axis: int, start: int, stop: int) -> Array:
        """Rows ``start:stop``; see `Source`."""
        return self._convert(self._source.read(axis, start, stop))


def _rgb_header(header: Header) -> Header:
    grid = Grid((*header.grid.axes[:-1], Axis("s", 3)), header.grid.affines)
    metadata = header.metadata
    if isinstance(metadata, PictureInfo):
        plain = metadata.metadata._replace(icc=None, native=None)
        metadata = metadata._replace(mode="RGB", grid=grid, metadata=plain, format="")
    return header._replace(grid=grid, colours="RGB", icc=None, metadata=metadata)


def _converter(header: Header) -> tuple[Callable[[Array], Array], str]:
    """The function that converts an array whose last axis is CMYK, and how it does so."""
    if header.icc and header.dtype in (np.uint8, np.uint16):
        import imagecodecs  # slow import, rarely needed

        profile, srgb = header.icc, imagecodecs.cms_profile("srgb")

        def by_profile(samples: Array) -> Array:
            pixels = np.ascontiguousarray(samples, samples.dtype.newbyteorder("=")).reshape(1, -1, 4)
            rgb = imagecodecs.cms_transform(pixels, profile, srgb, colorspace="cmyk", outcolorspace="rgb")
            return np.asarray(rgb).reshape(*samples.shape[:-1], 3)

        try:
            by_profile(np.zeros((1, 1, 4), header.dtype))
        except (ValueError, RuntimeError):
            return _complement, "without its ICC profile, which is damaged"
        return by_profile, "by its ICC profile"
    return _complement, "approximately, because it has no ICC profile"


def _complement(samples: Array) -> Array:
    """The light that the inks leave: ``(1 − ink)·(1 − black)``."""
    if samples.dtype.kind == "f":
        rgb: Array = (1 - samples[..., :3]) * (1 - samples[..., 3:])
        return rgb.astype(samples.dtype)
    full = np.iinfo(samples.dtype).max
    paper = full - samples.astype(np.float32)
    return np.asarray(np.rint(paper[..., :3] * (paper[..., 3:] / full)).astype(samples.dtype))
