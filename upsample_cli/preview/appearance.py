"""How the samples of one plane look to people: whatever their type, as a picture of 8 bits."""

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

_TAILS = (0.5, 99.5)  # percentiles that become black and white
_SRGB = (b"sRGB", b"s\0R\0G\0B")  # in profiles of version 2 and 4
_GOLDEN = 0.6180339887498949  # hues in such steps never come close to each other


@dataclass(frozen=True)
class Appearance:
    """How samples are shown, the same way before and after they are resized.

    Attributes:
        low, high: what is shown black and white; the low one may be the greater.
        labels: whether samples are names of regions, each with a colour of its own.
        palette: the colours that the samples stand for, shape (entries, 3), or None.
        alpha: whether the last sample of a pixel is opacity.
        cmyk: whether the samples of a pixel are inks.
        icc: the profile of the colours, where they are not sRGB.
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
        """How the file with this `header` is best shown.

        Pictures of 8 bits and colours of 16 are shown as they are; of all other samples the contrast is stretched,
        and a few of the `planes`' extremes lose theirs.
        """
        low, high = _range_as_it_is(header) or contrast(planes)
        if header.colours == "MINISWHITE":
            low, high = high, low
        foreign = header.icc is not None and not any(name in header.icc for name in _SRGB)
        return cls(
            low,
            high,
            labels=(labels or header.labels) and header.dtype.kind in "biu",
            palette=_palette(header),
            alpha=header.alpha,
            cmyk=header.colours == "CMYK",
            icc=header.icc if foreign else None,
        )

    def image(self, plane: Array) -> Image.Image:
        """A plane of shape (rows, columns) or (rows, columns, samples) as a picture in mode L, RGB or RGBA."""
        if self.labels and plane.ndim == 2:
            return Image.fromarray(label_colours(plane))
        if self.palette is not None and plane.ndim == 2:
            return Image.fromarray(self.palette[np.minimum(plane, len(self.palette) - 1)])
        levels = self.levels(plane)
        if self.cmyk:
            return Image.fromarray(levels[..., :4], "CMYK").convert("RGB")
        if levels.ndim == 2:
            return _with_holes(Image.fromarray(levels), plane)
        colours = 3 if levels.shape[-1] >= 3 else 1
        image = Image.fromarray(levels[..., :3] if colours == 3 else levels[..., 0])
        image = self._in_srgb(image) if colours == 3 else image
        if self.alpha:
            image = image.convert("RGBA")
            image.putalpha(Image.fromarray(levels[..., -1]))
        return image

    def levels(self, plane: Array) -> ByteArray:
        """The samples between black, 0, and white, 255; complex ones by their magnitude."""
        if (self.low, self.high) == (0.0, 255.0) and plane.dtype == np.uint8:
            return np.ascontiguousarray(plane)
        with np.errstate(invalid="ignore", over="ignore"):
            share = (real(plane) - self.low) / (self.high - self.low)
            return np.rint(255 * np.clip(np.nan_to_num(share, nan=0.0, posinf=1, neginf=0), 0, 1)).astype(np.uint8)

    def _in_srgb(self, image: Image.Image) -> Image.Image:
        if self.icc is None:
            return image
        from PIL import ImageCms  # which few pictures need

        with suppress(Exception):  # a profile that is damaged, or of other colours
            profile = ImageCms.ImageCmsProfile(io.BytesIO(self.icc))
            return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB")) or image
        return image


def real(plane: Array) -> Array:
    """The samples as float64, of complex ones the magnitude."""
    return np.abs(plane).astype(np.float64) if plane.dtype.kind == "c" else plane.astype(np.float64)


def contrast(planes: Sequence[Array], tails: tuple[float, float] = _TAILS) -> tuple[float, float]:
    """What is shown black and white of samples that have no range of their own: the percentiles `tails` of them."""
    values = [real(plane).ravel() for plane in planes]
    finite = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    if not finite.size:
        return 0.0, 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # between the largest numbers there are
        low, high = (float(value) for value in np.percentile(finite, tails))
    if high <= low:  # nearly all are equal
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def label_colours(plane: Array) -> ByteArray:
    """A colour for each label, whichever others there are; 0 is black."""
    names, which = np.unique(plane, return_inverse=True)
    numbers = names.astype(np.float64)
    hue, vivid = numbers * _GOLDEN % 1, np.where(numbers % 2, 0.55, 0.75)
    angles = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6  # HSV to RGB, for the three colours at once
    colours = 1 - vivid[:, None] * np.clip(np.minimum(angles, 4 - angles), 0, 1)
    colours[numbers == 0] = 0
    table: ByteArray = np.rint(colours * 240).astype(np.uint8)
    return table[which.reshape(plane.shape)]


def _range_as_it_is(header: Header) -> tuple[float, float] | None:
    """Black and white of samples that say so by their type, or None."""
    colours = header.grid.names[-1] == "s"
    flat = "z" not in header.grid.names
    if header.dtype == bool:
        return 0.0, 1.0
    if header.dtype == np.uint8 and (colours or flat):
        return 0.0, 255.0
    return (0.0, 65535.0) if header.dtype == np.uint16 and colours else None


def _palette(header: Header) -> ByteArray | None:
    """The colours of indices, which a picture keeps in one place and a TIFF in another."""
    metadata: Any = header.metadata
    if header.grid.names[-1] == "s":
        return None
    if (palette := getattr(metadata, "palette", None)) is not None:
        return np.frombuffer(palette.colours, np.uint8).reshape(-1, 3)
    colormap = getattr(getattr(metadata, "layout", None), "colormap", None)
    return None if colormap is None else (np.asarray(colormap).T >> 8).astype(np.uint8)


def _with_holes(image: Image.Image, plane: Array) -> Image.Image:
    """What is not a number is transparent."""
    if plane.dtype.kind not in "fc" or not (missing := np.isnan(plane)).any():
        return image
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(np.where(missing, 0, 255).astype(np.uint8)))
    return image
