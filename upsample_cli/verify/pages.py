"""Checks the pages of a TIFF input, and compares the pages of the output with them, with tags read by tifffile."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from .. import formats
from ..formats.base import Source
from ..formats.tiff.source import TiffSource
from ..pipeline.array_plan import ArrayPlan
from ..pipeline.plan import Plan
from .planes import Plane, plane_count, planes_of
from .readback.model import MismatchError
from .tiff_input import check_reading

_PALETTE, _RGB = 3, 2  # values of PhotometricInterpretation
_STRAIGHT, _RGB_SAMPLES, _RGBA_SAMPLES = 2, 3, 4
_ALPHA = (1, _STRAIGHT)  # values of ExtraSamples: premultiplied and straight
_PER_INCH, _PER_UNKNOWN = 2, 1  # values of ResolutionUnit
_DENSITY_ERROR = 1e-4
_DIALECTS = frozenset(  # tifffile's names of kinds of files that define their pages
    (
        *("shaped", "lsm", "mmstack", "ome", "imagej", "ndtiff", "fluoview", "stk", "sis", "svs", "scn", "qpi", "ndpi"),
        *("bif", "avs", "eer", "philips", "scanimage", "nih", "mdgel", "micromanager"),
    )
)


def check_pages(plan: Plan, path: Path, sources: Sequence[Source]) -> None:
    """Compare the pages of a TIFF input with the sources, and with the pages of the output at `path`.

    Every page of the input must be part of an image of the plan, and the source must read the same samples as tifffile.
    In a TIFF output, the first page of each image must have the palette, the kind of alpha channel, the orientation and
    the density of the input.

    Args:
        plan: the executed plan.
        path: the output.
        sources: the images of the input.

    Raises:
        MismatchError: a page is missing or differs.
    """
    with plan.source_path.open("rb") as file:
        if file.read(2) not in (b"II", b"MM") or plan.request.series is not None or plan.request.truncated:
            return  # not a TIFF file in spite of its name
    counts = [plane_count(image.before) for image in plan.images]
    with tifffile.TiffFile(plan.source_path) as before:
        if _has_dialect(before):
            described = _described_planes(before)
            if described is not None and described != sum(counts):
                raise MismatchError(f"the input has {described} planes, of which {sum(counts)} were resized")
            if all(isinstance(source, TiffSource) for source in sources):  # else converted for a picture format
                check_reading(planes_of(before, [image.before for image in plan.images]), sources, plan.source_path)
            return
        old = list(_all_pages(before))
        planned = sum(count * (1 + len(image.before.levels)) for count, image in zip(counts, plan.images, strict=True))
        found = sum(page.imagedepth for page in old)
        if found != planned:
            raise MismatchError(f"the input has {found} pages, of which {planned} were resized")
        old = [page for page in old if not page.is_reduced] if planned > sum(counts) else old
        if len(old) != sum(counts):
            return
        check_reading([Plane(page) for page in old], sources, plan.source_path)
        if formats.family_of(plan.output_path) == "tiff":
            with tifffile.TiffFile(path) as after:
                if not _has_dialect(after):
                    _check_first_pages(plan, old, [page for page in _all_pages(after) if not page.is_reduced])


def _check_first_pages(plan: Plan, old: Sequence[Any], new: Sequence[Any]) -> None:
    if len(new) != sum(plane_count(image.after) for image in plan.images):
        return  # the output has further pages that are not reduced versions
    first_old = first_new = 0
    for number, image in enumerate(plan.images):
        _check_page(number, image, old[first_old], new[first_new])
        first_old += plane_count(image.before)
        first_new += plane_count(image.after)


def _described_planes(tiff: Any) -> int | None:
    """The number of planes according to the description of a file; None if it states none, or contradicts the pages."""
    description = tiff.pages[0].description
    if tiff.is_ome:
        return _planes_of_ome(description) if tiff.series[0].kind == "ome" else None
    if tiff.is_imagej:
        found = re.search(r"^images=(\d+)", description, re.MULTILINE)
        return int(found[1]) if found else None
    return None


def _planes_of_ome(document: str) -> int | None:
    """The number of planes in an OME-XML document; None if another file describes them, or it is damaged."""
    planes = 0
    try:
        for pixels in ElementTree.fromstring(document).iterfind("./{*}Image/{*}Pixels"):
            sizes = [int(pixels.get(f"Size{axis}", 1)) for axis in "ZCT"]
            if min(sizes) < 1:
                return None
            channel = pixels.find("./{*}Channel")
            planes += math.prod(sizes) // int(1 if channel is None else channel.get("SamplesPerPixel", 1))
    except (ElementTree.ParseError, ValueError, ZeroDivisionError):
        return None
    return planes or None


def _has_dialect(tiff: Any) -> bool:
    """Whether the file defines its pages in the dialect of a program."""
    return not _DIALECTS.isdisjoint(tiff.flags)


def _all_pages(tiff: Any) -> Iterator[Any]:
    """The pages in their order, each followed by those of its sub-directories that tifffile can read."""
    for number, offset in enumerate(_page_offsets(tiff)):
        tiff.filehandle.seek(offset)
        page = tifffile.TiffPage(tiff, number)
        yield page
        for index, below in enumerate(page.subifds or ()):
            try:
                tiff.filehandle.seek(below)
                yield tifffile.TiffPage(tiff, (number, index))
            except (OSError, tifffile.TiffFileError):  # the offset leads out of the file, or to no directory
                continue


def _page_offsets(tiff: Any) -> list[int]:
    """Where the pages begin, up to the end of the chain or to the first page that comes again."""
    file, big, order = tiff.filehandle, tiff.is_bigtiff, tiff.byteorder
    count_format, offset_format, entry_bytes = (f"{order}Q", f"{order}Q", 20) if big else (f"{order}H", f"{order}I", 12)

    def read(position: int, number_format: str) -> int:
        file.seek(position)
        return int(struct.unpack(number_format, file.read(struct.calcsize(number_format)))[0])

    offsets: list[int] = []
    offset = read(8 if big else 4, offset_format)
    while offset and offset not in offsets:
        offsets.append(offset)
        entries = read(offset, count_format)
        offset = read(offset + struct.calcsize(count_format) + entries * entry_bytes, offset_format)
    return offsets


def _check_page(number: int, image: ArrayPlan, old: Any, new: Any) -> None:
    if new.photometric == _PALETTE:
        entries = 0 if old.colormap is None else min(1 << min(old.bitspersample, 16), old.colormap.shape[1])
        if not entries or not np.array_equal(old.colormap[:, :entries], new.colormap[:, :entries]):
            raise MismatchError(f"the palette of page {number} is not that of the input")
    alphas = [
        [kind for kind in page.extrasamples[: max(page.samplesperpixel - _RGB_SAMPLES, 0)] if kind in _ALPHA]
        for page in (old, new)
    ]
    if old.samplesperpixel == _RGBA_SAMPLES and not old.extrasamples:  # readers assume straight alpha
        alphas[0] = [_STRAIGHT]
    if image.drops_alpha:
        alphas[0] = []
    if old.photometric == new.photometric == _RGB and alphas[0] != alphas[1]:
        raise MismatchError(f"the extra samples of page {number} are {new.extrasamples}, not {old.extrasamples}")
    orientations = [page.tags.valueof("Orientation", default=1) for page in (old, new)]
    if orientations[0] != orientations[1]:
        raise MismatchError(f"the orientation of page {number} is {orientations[1]}, not {orientations[0]}")
    for name, axis in zip(image.before.grid.names, image.axes, strict=True):
        if name in "xy":
            pitch = 1.0 if axis.matrix is None else axis.map.pitch
            _check_density(number, name, pitch, [old, new])


def _check_density(number: int, name: str, pitch: float, pages: Sequence[Any]) -> None:
    """The density of the output must be that of the input, divided by the distance of its samples in input samples."""
    densities = []
    for page in pages:
        value = page.tags.valueof(f"{name.upper()}Resolution")
        unit = page.tags.valueof("ResolutionUnit", default=_PER_INCH)
        if not isinstance(value, tuple) or not all(value) or unit == _PER_UNKNOWN:
            return
        densities.append(value[0] / value[1] / {3: 1 / 2.54, 4: 1 / 25.4, 5: 1 / 25400}.get(unit, 1.0))
    if not math.isclose(densities[1], densities[0] / pitch, rel_tol=_DENSITY_ERROR):
        planned = densities[0] / pitch
        raise MismatchError(f"the density of page {number} is {densities[1]:.6g} along {name}, not {planned:.6g}")
