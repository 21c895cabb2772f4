"""Converts planes of samples of any type to 8-bit images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..core.arrays import Array, ByteArray
from ..formats.base import Header

_PERCENTILES = (0.5, 99.5)  # shown black and white
_SRGB = (b"sRGB", b"s\0R\0G\0B")  # in profiles of version 2 and 4
_HUE_STEP = 0.6180339887498949  # golden ratio: multiples of it, modulo 1, are well spread


@dataclass(frozen=True)
class Appearance:
    """How samples are displayed, the same for input and output.

    Attributes:
        low, high: the display window, shown from black to white; inverted if low > high.
        labels: whether samples are region labels, each shown in a colour of its own.
        palette: the colours of palette indices, shape (entries, 3), or None.
        alpha: whether the last sample of a pixel is alpha.
        cmyk: whether the samples of a pixel are CMYK.
        icc: the ICC profile of the colours, or None for sRGB.
    """

    low: float = 0.0
    high: float = 1.0
    labels: bool = False
    palette: ByteArray | None = None
    alpha: bool = False
    cmyk: bool = False
    icc: bytes | None = None

    @classmethod
    def of(cls, header: Header, planes: Sequence[Array], labels: bool) -> Appearance:
        """The appearance of a file.

        8-bit pictures and 16-bit colours keep their full range as the window. Other samples get a window between two
        percentiles of `planes`.

        Args:
            header: the header of the file.
            planes: the samples to be shown.
            labels: whether the mode treats samples as labels.
        """
        low, high = _native_window(header) or display_window(planes)
        if header.colours == "MINISWHITE":
            low, high = high, low
        is_srgb = header.icc is None or any(name in header.icc for name in _SRGB)
        return cls(
            low,
            high,
            labels=(labels or header.labels) and header.dtype.kind in "biu",
            palette=_palette(header),
            alpha=header.alpha,
            cmyk=header.colours == "CMYK",
            icc=None if is_srgb else header.icc,
        )

    def image(self, plane: Array) -> Image.Image:
        """A plane of shape (rows, columns) or (rows, columns, samples) as an image in mode L, RGB or RGBA."""
        if self.labels and plane.ndim == 2:
            return Image.fromarray(label_colours(plane))
        if self.palette is not None and plane.ndim == 2:
            return Image.fromarray(self.palette[np.minimum(plane, len(self.palette) - 1)])
        levels = self.levels(plane)
        if self.cmyk:
            return Image.fromarray(levels[..., :4], "CMYK").convert("RGB")
        if levels.ndim == 2:
            return _with_transparent_nan(Image.fromarray(levels), plane)
        colours = 3 if levels.shape[-1] >= 3 else 1
        image = Image.fromarray(levels[..., :3] if colours == 3 else levels[..., 0])
        image = self._in_srgb(image) if colours == 3 else image
        if self.alpha:
            image = image.convert("RGBA")
            image.putalpha(Image.fromarray(levels[..., -1]))
        return image

    def levels(self, plane: Array) -> ByteArray:
        """The samples mapped from the display window to 0 … 255; complex ones by their magnitude."""
        if (self.low, self.high) == (0.0, 255.0) and plane.dtype == np.uint8:
            return np.ascontiguousarray(plane)
        with np.errstate(invalid="ignore", over="ignore"):
            fraction = (magnitude(plane) - self.low) / (self.high - self.low)
            return np.rint(255 * np.clip(np.nan_to_num(fraction, nan=0.0, posinf=1, neginf=0), 0, 1)).astype(np.uint8)

    def _in_srgb(self, image: Image.Image) -> Image.Image:
        if self.icc is None:
            return image
        from PIL import ImageCms  # rarely needed

        with suppress(Exception):  # the profile is damaged or of another colour space
            profile = ImageCms.ImageCmsProfile(io.BytesIO(self.icc))
            return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB")) or image
        return image


def magnitude(plane: Array) -> Array:
    """The samples as float64; the magnitude of complex ones."""
    return np.abs(plane).astype(np.float64) if plane.dtype.kind == "c" else plane.astype(np.float64)


def display_window(planes: Sequence[Array], percentiles: tuple[float, float] = _PERCENTILES) -> tuple[float, float]:
    """The values to show black and white: two percentiles of the finite samples, in order.

    Args:
        planes: the samples.
        percentiles: the percentiles, 0 to 100.
    """
    values = [magnitude(plane).ravel() for plane in planes]
    finite = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    if not finite.size:
        return 0.0, 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # the differences of huge values overflow
        low, high = (float(value) for value in np.percentile(finite, percentiles))
    if high <= low:  # nearly all values are equal
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def label_colours(plane: Array) -> ByteArray:
    """The colour of each label as (rows, columns, 3). It depends on the label alone; 0 is black."""
    labels, inverse = np.unique(plane, return_inverse=True)
    numbers = labels.astype(np.float64)
    hue, saturation = numbers * _HUE_STEP % 1, np.where(numbers % 2, 0.55, 0.75)
    angles = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6  # HSV to RGB, for all three channels
    colours = 1 - saturation[:, None] * np.clip(np.minimum(angles, 4 - angles), 0, 1)
    colours[numbers == 0] = 0
    table: ByteArray = np.rint(colours * 240).astype(np.uint8)
    return table[inverse.reshape(plane.shape)]


def _native_window(header: Header) -> tuple[float, float] | None:
    """The display window of samples whose type implies one, or None."""
    colours = header.grid.names[-1] == "s"
    flat = "z" not in header.grid.names
    if header.dtype == bool:
        return 0.0, 1.0
    if header.dtype == np.uint8 and (colours or flat):
        return 0.0, 255.0
    return (0.0, 65535.0) if header.dtype == np.uint16 and colours else None


def _palette(header: Header) -> ByteArray | None:
    """The palette of a picture or the colour map of a TIFF, shape (entries, 3), or None."""
    metadata: Any = header.metadata
    if header.grid.names[-1] == "s":
        return None
    if (palette := getattr(metadata, "palette", None)) is not None:
        return np.frombuffer(palette.colours, np.uint8).reshape(-1, 3)
    colormap = getattr(getattr(metadata, "layout", None), "colormap", None)
    return None if colormap is None else (np.asarray(colormap).T >> 8).astype(np.uint8)


def _with_transparent_nan(image: Image.Image, plane: Array) -> Image.Image:
    """The image with NaN samples made transparent."""
    if plane.dtype.kind not in "fc" or not (missing := np.isnan(plane)).any():
        return image
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(np.where(missing, 0, 255).astype(np.uint8)))
    return image
