"""What of a TIFF file does not come along."""

from __future__ import annotations

import tifffile
from tifffile import EXTRASAMPLE

from . import imagej, tags
from .metadata import Metadata


def losses(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, metadata: Metadata) -> list[str]:
    """The warnings of what is not carried over, to whatever file."""
    page, warnings = series.keyframe, []
    vendors = metadata.dialect == "vendor"
    if page.description and not metadata.description and metadata.dialect in ("plain", "vendor"):
        warnings.append("the image description is dropped: it would have the output taken for a file of its own kind")
    if page.software and vendors:
        warnings.append(f"the software tag is dropped: it would have the output taken for a {series.kind.upper()} file")
    if lost := tags.dropped(page, vendors):
        warnings.append(f"these tags are dropped: {', '.join(lost)}")
    if metadata.dialect == "plain" and _has_other_tags(tiff, series):
        warnings.append("the tags and descriptions of the pages behind the first are dropped")
    if lost := imagej.lost_entries(metadata.imagej):
        warnings.append(f"ImageJ's {', '.join(lost)} are dropped")
    if metadata.dialect == "ome" and any(part is None for part in series):
        warnings.append("planes that are named and lie in no file are taken as zero")
    if EXTRASAMPLE.UNASSALPHA in page.extrasamples and len(page.extrasamples) > 1:
        warnings.append("its alpha is one of several extra samples: colours are interpolated without regard to it")
    return warnings


def _has_other_tags(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> bool:
    """Whether the second page says what the first does not; to look at all of them would take long."""
    second = series[1] if len(series) > 1 else None
    if second is None or second.is_virtual:
        return False
    tiff.filehandle.seek(second.offset)
    page = tifffile.TiffPage(tiff, second.index)
    kept = {tag.code: tag.value for tag in tags.kept(page, vendors=False)}
    first = {tag.code: tag.value for tag in tags.kept(series.keyframe, vendors=False)}
    return not kept.items() <= first.items() or page.description not in ("", series.keyframe.description)


def extras(page: tifffile.TiffPage, metadata: Metadata, levels: tuple[tuple[int, ...], ...]) -> tuple[str, ...]:
    """What another family of files cannot hold."""
    words = [f"the tag {page.tags[tag.code].name}" for tag in (*metadata.tags, *metadata.geo_tags)]
    words += ["the image description"] if metadata.description else []
    words += ["tifffile's own metadata"] if metadata.shaped else []
    words += [f"ImageJ's {name}" for name in imagej.kept_entries(metadata.imagej)]
    words += ["the OME-XML"] if metadata.ome is not None else []
    words += ["the lower levels of the pyramid"] if levels else []
    return tuple(words)
