"""Encodes planes of samples as small WebP images for a page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..core.arrays import Array
from ..geometry import Grid
from .appearance import Appearance, display_window, magnitude
from .planes import Plane, extent

_SINGLE_SIZE = (312.0, 195.0)  # maximum width and height on the page, fits narrow phones
_STRIP_SIZE = (304.0, 128.0)  # the same for several views side by side
_CURVE_SIZE = (312, 120)
_MIN_SIDE = 6.0  # page pixels
_PIXEL_DENSITY = 1.1  # image pixels per page pixel: screens may be finer than pages
_MAX_DOTS = 48  # a curve with fewer samples shows them as dots
_BLUE = (59, 130, 246)  # readable on black and on white
_OVERSAMPLING, _PEN_WIDTH = 4, 6  # reducing a larger drawing smooths Pillow's hard edges
_LOSSLESS_PIXELS = 128 * 128  # images up to this size are lossless if small enough: their pixels are shown as squares
_MAX_BYTES = 10_000  # for all views of an input or an output: a report of 1000 files stays below 30 MB
_QUALITIES = (60, 35, 12)


@dataclass(frozen=True)
class View:
    """An encoded image of one plane.

    Attributes:
        name: the name of the plane, such as ``axial`` or ``xy``; empty if there is only one.
        webp: the image as WebP.
        width, height: size on the page, in world proportions.
        pixels: width of the image itself.
    """

    name: str
    webp: bytes
    width: int
    height: int
    pixels: int


@dataclass(frozen=True)
class Picture:
    """The samples of a plane of an array.

    Attributes:
        plane: the plane.
        grid: the grid of the array.
        samples: the samples as arranged by the plane; a subset of a large plane.
    """

    plane: Plane
    grid: Grid
    samples: Array


def max_pixels(plane: Plane) -> float:
    """The maximum number of pixels along a side of a view of `plane`."""
    return _PIXEL_DENSITY * (_STRIP_SIZE[1] if plane.name else max(_SINGLE_SIZE))


def views_of(pictures: Sequence[Picture], appearance: Appearance) -> tuple[View, ...]:
    """Encode planes that are shown side by side at the same scale."""
    extents = [extent(picture.grid, picture.plane.columns, picture.plane.rows or "") for picture in pictures]
    views = []
    for picture, (width, height) in zip(pictures, _view_sizes(extents), strict=True):
        image = appearance.image(picture.samples)
        size = min(image.width, round(width * _PIXEL_DENSITY)), min(image.height, round(height * _PIXEL_DENSITY))
        if size != image.size:
            image = image.resize(size, Image.Resampling.BOX)
        lossless = appearance.labels or image.width * image.height <= _LOSSLESS_PIXELS
        views.append(_encode(picture.plane.name, image, (width, height), _MAX_BYTES // len(pictures), lossless))
    return tuple(views)


def _view_sizes(extents: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """The page sizes of views side by side at the same scale."""
    box = _SINGLE_SIZE if len(extents) == 1 else _STRIP_SIZE
    scale = min(box[0] / sum(width for width, _ in extents), box[1] / max(height for _, height in extents))
    return [(round(max(_MIN_SIDE, width * scale)), round(max(_MIN_SIDE, height * scale))) for width, height in extents]


def curve_of(picture: Picture) -> View:
    """Encode a 1-D array as a curve."""
    return _encode("", _curve(magnitude(picture.samples)), _CURVE_SIZE, _MAX_BYTES, lossless=False)


def _curve(values: Array) -> Image.Image:
    """Draw samples as a curve between their minimum and maximum, with gaps where they are not finite."""
    width, height = (_OVERSAMPLING * side for side in _CURVE_SIZE)
    image = Image.new("RGBA", (width, height), (*_BLUE, 0))
    draw = ImageDraw.Draw(image)
    low, high = display_window([values], percentiles=(0, 100))
    margin = height / 12
    x = np.linspace(margin, width - margin, len(values))
    y = height - margin - (values - low) / (high - low) * (height - 2 * margin)
    edges = np.flatnonzero(np.diff(np.isfinite(y), prepend=False, append=False))
    for start, stop in edges.reshape(-1, 2):
        points = [(float(a), float(b)) for a, b in zip(x[start:stop], y[start:stop], strict=True)]
        draw.line(points, _BLUE, _PEN_WIDTH, joint="curve")
        for a, b in points if len(values) <= _MAX_DOTS or len(points) == 1 else []:
            draw.ellipse((a - 2 * _PEN_WIDTH, b - 2 * _PEN_WIDTH, a + 2 * _PEN_WIDTH, b + 2 * _PEN_WIDTH), _BLUE)
    return image.resize((width // 2, height // 2), Image.Resampling.BOX)


def _encode(name: str, image: Image.Image, size: tuple[int, int], limit: int, lossless: bool) -> View:
    """Encode a view in at most `limit` bytes, by reducing first its quality and then its size.

    Args:
        name: see `View`.
        image: the image.
        size: width and height on the page.
        limit: maximum size in bytes.
        lossless: whether to try lossless compression first.
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
