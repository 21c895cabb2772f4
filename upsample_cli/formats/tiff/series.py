"""Which of a file's series are images, and which are smaller versions of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import tifffile


@dataclass(frozen=True, slots=True)
class Image:
    """A series and its pyramid.

    Attributes:
        index: among the images of the file, by which users choose it.
        number: among tifffile's series.
        series: of the largest version.
        levels: of the smaller versions, largest first.
    """

    index: int
    number: int
    series: tifffile.TiffPageSeries
    levels: tuple[tifffile.TiffPageSeries, ...]


def images_of(tiff: tifffile.TiffFile) -> list[Image]:
    """The images of a file.

    What lies below the pages of an image is a version of it at any ratio; tifffile asks for whole ones along all axes.
    """
    images: list[Image] = []
    for number, series in enumerate(tiff.series):
        if images and _is_level_of(series, images[-1]):
            last = images.pop()
            images.append(replace(last, levels=(*last.levels, series)))
        else:
            images.append(Image(len(images), number, series, tuple(series.levels[1:])))
    return images


def _is_level_of(series: tifffile.TiffPageSeries, image: Image) -> bool:
    above = (image.series, *image.levels)[-1]
    return (
        series.keyframe.is_subifd
        and not image.series.keyframe.is_subifd
        and (series.axes, series.dtype, len(series.shape)) == (above.axes, above.dtype, len(above.shape))
        and all(small <= large for small, large in zip(series.shape, above.shape, strict=True))
    )
