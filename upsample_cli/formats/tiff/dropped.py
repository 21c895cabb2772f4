"""Metadata of a TIFF file that is dropped, always or in outputs of other families."""

from __future__ import annotations

import tifffile
from tifffile import EXTRASAMPLE

from ..dropped import Dropped, Loss, named
from . import imagej, tags
from .metadata import Metadata

_PAGE_NUMBER = 297
_DEFAULTS = {274: 1}  # by the number of the tag: Orientation, which is upright


def dropped_warnings(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, metadata: Metadata) -> list[str]:
    """Warnings about metadata that no output keeps."""
    page = series.keyframe
    warnings: list[str] = []
    is_vendor = metadata.dialect == "vendor"
    described = metadata.description or metadata.slide
    if page.description and not described and metadata.dialect in ("plain", "vendor"):
        text = "the image description is dropped: it would make readers misidentify the output"
        warnings.append(Dropped(text, Loss.DESCRIPTION))
    if page.software and is_vendor:
        warnings.append(
            Dropped(
                f"the software tag is dropped: readers would take the output for a {series.kind.upper()} file", Loss.TAG
            )
        )
    if lost := tags.dropped_names(page, is_vendor, metadata.directories):
        warnings.append(Dropped(f"these tags are dropped: {', '.join(lost)}", Loss.TAG))
    if metadata.dialect == "plain" and _second_page_adds_tags(tiff, series):
        text = "the tags and descriptions of pages after the first are dropped"
        warnings.append(Dropped(text, Loss.TAG, Loss.DESCRIPTION))
    if lost := imagej.dropped_entries(metadata.imagej):
        warnings.append(Dropped(f"ImageJ's {', '.join(lost)} are dropped", Loss.HEADER_FIELD))
    if metadata.dialect == "ome" and any(part is None for part in series):
        warnings.append("planes that the OME-XML lists but no file holds are read as zeros")
    if tags.has_subject_position(metadata.directories):
        warnings.append(Dropped("the subject position in its EXIF, in pixels, is dropped", Loss.EXIF))
    if series.kind == "bif" and series.name == "Baseline":
        warnings.append("its tiles, which may overlap, are not stitched")
    if EXTRASAMPLE.UNASSALPHA in page.extrasamples and len(page.extrasamples) > 1:
        warnings.append("its alpha is one of several extra samples: colours are interpolated without alpha weighting")
    return warnings


def _second_page_adds_tags(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> bool:
    """Whether the second page has tags that the first lacks; reading all pages would be slow."""
    second = series[1] if len(series) > 1 else None
    if second is None or second.is_virtual:
        return False
    tiff.filehandle.seek(second.offset)
    page = tifffile.TiffPage(tiff, second.index)
    kept = {tag.code: tag.value for tag in tags.copied_tags(page, is_vendor=False)}
    first = {tag.code: tag.value for tag in tags.copied_tags(series.keyframe, is_vendor=False)}
    return not kept.items() <= first.items() or page.description not in ("", series.keyframe.description)


def foreign_items(page: tifffile.TiffPage, metadata: Metadata, levels: tuple[tuple[int, ...], ...]) -> tuple[str, ...]:
    """Descriptions of the items that other families cannot hold."""
    written = [tag.code for tag in (*metadata.tags, *metadata.geo_tags) if tag.code in page.tags]
    items = named(
        *((Loss.TAG, f"the tag {page.tags[code].name}", not _is_default(page, code)) for code in written),
        (Loss.EXIF, "EXIF", metadata.directories),
        (Loss.DESCRIPTION, "the image description", metadata.description or metadata.slide),
        (Loss.HEADER_FIELD, "tifffile's own metadata", metadata.shaped),
        *((Loss.HEADER_FIELD, f"ImageJ's {name}", True) for name in imagej.extra_entries(metadata.imagej)),
        (Loss.DESCRIPTION, "the OME-XML", metadata.ome is not None),
        (Loss.PYRAMID, "the lower levels of the pyramid", levels),
    )
    return tuple(items)


def _is_default(page: tifffile.TiffPage, code: int) -> bool:
    """Whether dropping a tag loses no information: it has its default value, or is a page number."""
    return code == _PAGE_NUMBER or (code in _DEFAULTS and page.tags.valueof(code) == _DEFAULTS[code])
