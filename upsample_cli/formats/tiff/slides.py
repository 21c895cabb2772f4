"""Slide scanners: microns per pixel, and the description that Aperio writes into SVS files."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import tifffile

from ...geometry import RASTER, Axis, Grid

_MPP, _MAGNIFICATION = b"MPP", b"AppMag"
_STALE = (b"StripeWidth", b"OriginalWidth", b"OriginalHeight", b"Originalheight")  # of the scan
_SIZE = re.compile(rb"(?<!\d)\d++x\d.*", re.DOTALL)  # possessive, so that each digit is matched once
_XMP = 700


def with_scanned_spacing(axis: Axis, series: tifffile.TiffPageSeries) -> Axis:
    """The axis x or y with the microns per pixel of the scan, where a slide's dialect states them outside the tags."""
    if axis.name not in "xy" or not is_scan(series):
        return axis
    spacing = _microns_per_pixel(series)
    return axis._replace(spacing=spacing, unit="µm") if spacing and 0 < spacing < math.inf else axis


def is_scan(series: tifffile.TiffPageSeries) -> bool:
    """Whether an image of a slide file is the scan, and not a thumbnail, a label or an overview."""
    return series.name in ("", "Baseline") and series.kind in ("svs", "bif", "philips")


def _microns_per_pixel(series: tifffile.TiffPageSeries) -> float | None:
    page = series.keyframe
    try:
        if series.kind == "svs":
            return float(_entries(page.description.encode("latin-1", "replace"))[_MPP])
        if series.kind == "philips":
            text = ElementTree.fromstring(page.description).findtext(".//*[@Name='DICOM_PIXEL_SPACING']") or ""
            return 1000 * float(re.findall(r"[\d.eE+-]+", text)[0])
        xmp = page.tags.valueof(_XMP)
        found = re.search(rb'ScanRes="([\d.]+)"', xmp) if isinstance(xmp, bytes) else None
        return float(found[1]) if found else None
    except (KeyError, ValueError, IndexError, TypeError, ElementTree.ParseError):
        return None


def _entries(description: bytes) -> dict[bytes, bytes]:
    pairs = (part.partition(b"=") for part in description.split(b"|")[1:])
    return {name.strip(): value.strip() for name, _, value in pairs}


def updated_description(description: bytes, grid: Grid, scan: bool) -> bytes:
    """Aperio's description with the size, the microns per pixel and the magnification of the output.

    It no longer begins with ``Aperio``, so that readers do not take the output, whose pages are in another order, for
    an SVS file.

    Args:
        description: of the input.
        grid: of the output.
        scan: whether it describes the scan; other images have the magnification of the scan in their descriptions.
    """
    first, *rest = description.split(b"|")
    size = f"{grid['x'].size}x{grid['y'].size}".encode()
    parts = [b"Scanned by " + _SIZE.sub(size, first)]
    pitch = float(grid.affines[RASTER][0, 0]) if RASTER in grid.affines else 1.0  # of the output, in input samples
    for part in rest:
        name, _, value = (text.strip() for text in part.partition(b"="))
        if name in _STALE or (name in (_MPP, _MAGNIFICATION) and not scan):
            continue
        try:
            if name == _MPP:
                part = b"MPP = %.6g" % (float(value) * pitch)
            if name == _MAGNIFICATION:
                part = b"AppMag = %.6g" % (float(value) / pitch)
        except ValueError:
            continue
        parts.append(part)
    return b"|".join(parts)
