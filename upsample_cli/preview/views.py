"""How what is seen of a file becomes pictures on a page: their sizes, and as few bytes as will do."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..core.arrays import Array
from ..geometry import Grid
from .appearance import Appearance, contrast, real
from .planes import Plane, extent

_BOX = (312.0, 195.0)  # width and height of a single view on the page, which fits the narrowest of phones
_STRIP = (304.0, 128.0)  # of three views side by side
_CURVE = (312, 120)
_LEAST = 6.0  # a side of a view
_DENSITY = 1.1  # pixels that are kept for each on the page: screens are finer than pages
_DOTS = 48  # samples of a curve that are shown one by one
_BLUE = (59, 130, 246)  # readable on black and on white
_FINER, _PEN = 4, 6  # curves are drawn larger and reduced, since Pillow's lines have hard edges
_FEW_PIXELS = 128 * 128  # which are kept without loss, if that is small: they are shown as squares
_BYTES = 10_000  # of the views of an input or of an output, so that a thousand of both stay below 30 MB
_QUALITIES = (60, 35, 12)


@dataclass(frozen=True)
class View:
    """One picture of a file.

    Attributes:
        name: what it shows, such as ``axial`` or ``xy``; empty where there is only one.
        webp: the picture.
        width, height: on the page, in the proportions of the world.
        pixels: the width of the picture itself.
    """

    name: str
    webp: bytes
    width: int
    height: int
    pixels: int


@dataclass(frozen=True)
class Picture:
    """A plane of an array, with enough of its samples for a view.

    Attributes:
        plane: which one it is.
        grid: of the array.
        samples: as the plane has them, fewer where there are many.
    """

    plane: Plane
    grid: Grid
    samples: Array


def most_pixels(plane: Plane) -> float:
    """How many pixels a view of `plane` has at most along a side."""
    return _DENSITY * (_STRIP[1] if plane.name else max(_BOX))


def views_of(pictures: Sequence[Picture], look: Appearance) -> tuple[View, ...]:
    """Planes side by side, all to one scale."""
    extents = [extent(picture.grid, picture.plane.columns, picture.plane.rows or "") for picture in pictures]
    views = []
    for picture, (width, height) in zip(pictures, _sides(extents), strict=True):
        image = look.image(picture.samples)
        size = min(image.width, round(width * _DENSITY)), min(image.height, round(height * _DENSITY))
        if size != image.size:
            image = image.resize(size, Image.Resampling.BOX)
        lossless = look.labels or image.width * image.height <= _FEW_PIXELS
        views.append(_encoded(picture.plane.name, image, (width, height), _BYTES // len(pictures), lossless))
    return tuple(views)


def _sides(extents: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """The sizes on the page of views side by side, to one scale."""
    box = _BOX if len(extents) == 1 else _STRIP
    scale = min(box[0] / sum(width for width, _ in extents), box[1] / max(height for _, height in extents))
    return [(round(max(_LEAST, width * scale)), round(max(_LEAST, height * scale))) for width, height in extents]


def curve_of(picture: Picture) -> View:
    """A line of samples as a curve."""
    return _encoded("", _curve(real(picture.samples)), _CURVE, _BYTES, lossless=False)


def _curve(values: Array) -> Image.Image:
    """A line of samples, between the least and the greatest of them, with gaps where they are not finite."""
    width, height = (_FINER * side for side in _CURVE)
    image = Image.new("RGBA", (width, height), (*_BLUE, 0))
    draw = ImageDraw.Draw(image)
    low, high = contrast([values], tails=(0, 100))
    margin = height / 12
    x = np.linspace(margin, width - margin, len(values))
    y = height - margin - (values - low) / (high - low) * (height - 2 * margin)
    edges = np.flatnonzero(np.diff(np.isfinite(y), prepend=False, append=False))
    for start, stop in edges.reshape(-1, 2):
        points = [(float(a), float(b)) for a, b in zip(x[start:stop], y[start:stop], strict=True)]
        draw.line(points, _BLUE, _PEN, joint="curve")
        for a, b in points if len(values) <= _DOTS or len(points) == 1 else []:
            draw.ellipse((a - 2 * _PEN, b - 2 * _PEN, a + 2 * _PEN, b + 2 * _PEN), _BLUE)
    return image.resize((width // 2, height // 2), Image.Resampling.BOX)


def _encoded(name: str, image: Image.Image, size: tuple[int, int], limit: int, lossless: bool) -> View:
    """A view of no more than about `limit` bytes: at less quality where there is much detail, and then smaller.

    Args:
        name: see `View`.
        image: the picture.
        size: its width and height on the page.
        limit: in bytes.
        lossless: whether to try first whether it is small enough as it is.
    """
    data = _webp(image, lossless=True) if lossless else b""
    for quality in _QUALITIES:
        if data and len(data) <= limit:
            break
        data = _webp(image, quality=quality)
    while len(data) > limit and min(image.size) > 1:
        image = image.reduce(2)
        data = _webp(image, quality=_QUALITIES[-1])
    return View(name, data, *size, image.width)


def _webp(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", method=1, **options)
    return file.getvalue()
