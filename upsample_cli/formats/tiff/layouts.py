"""Sample layout of the output: that of the input where the output supports it."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG

from ...errors import OutputError
from ...geometry import Grid
from ..base import Header, WriteOptions
from . import colours, compression, imagej
from .dialects import Part
from .metadata import Layout, Metadata

_DEFLATE = COMPRESSION.ADOBE_DEFLATE

_TRIAL_SIDE, _TRIAL_SAMPLES = 32, 1 << 20  # of the page that tests whether a layout can be encoded
_MAX_SIDE = 2**32 - 1
_TILE_STEP = 16  # tile sides are multiples of this


def check_axes(header: Header, path: Path) -> None:
    """Raise OutputError unless the array consists of pages: axes y, x and optionally s last."""
    names = header.grid.names
    in_plane = tuple(name for name in names if name != "s")[-2:] == ("y", "x")
    samples_adjacent = names[-1:] == ("s",) or names[-3:] == ("s", "y", "x") or "s" not in names
    if not (in_plane and samples_adjacent):
        raise OutputError(f"TIFF pages have the axes y, x and s, not {''.join(names)}; write .npy", path)
    longest = max(header.grid[name].size for name in "yx")
    if longest > _MAX_SIDE:
        raise OutputError(f"TIFF allows at most {_MAX_SIDE:,} pixels per side, not {longest:,}; write .npy", path)
    if "s" in names and header.dtype == bool:
        raise OutputError(f"TIFF cannot hold pixels of {header.grid['s'].size} × {header.dtype}; write .npy", path)


def foreign_layout(header: Header, path: Path) -> Layout:
    """The layout for an array read from another family.

    Raises:
        OutputError: TIFF cannot hold its data type.
    """
    if header.dtype.kind == "V" or header.dtype.itemsize > 16 or header.dtype.name in ("float128", "longdouble"):
        raise OutputError(f"TIFF cannot hold samples of type {header.dtype}; write .npy", path)
    if header.colours == "CMYK":
        return Layout(PHOTOMETRIC.SEPARATED)
    samples = header.grid["s"].size if header.grid.names[-1] == "s" else 1
    return Layout(
        PHOTOMETRIC.RGB if samples in (3, 4) else PHOTOMETRIC.MINISBLACK,
        extrasamples=(EXTRASAMPLE.UNASSALPHA,) if header.alpha else None,
    )


def fit_layout(part: Part, dialect: str, options: WriteOptions, path: Path) -> tuple[Layout, list[str]]:
    """Adapt the layout of the input to the output; return it with warnings.

    Raises:
        OutputError: the output cannot be stored in any such layout.
    """
    header, metadata = part
    layout, warnings = _encodable(metadata, _within_page(metadata.layout, header), dialect)
    if header.dtype == bool:
        layout = replace(layout, predictor=None)  # no reader adds up differences of single bits
    codec = layout.compression
    if codec is None:
        layout, more = _writable(layout, header, path)
        return layout, warnings + more
    name = COMPRESSION(codec).name
    arguments = compression.arguments(codec, options, metadata.quality)
    if codec == COMPRESSION.JPEG and layout.photometric == PHOTOMETRIC.RGB and layout.subsampling is None:
        arguments["outcolorspace"] = "RGB"  # tifffile's default is YCbCr
    layout = replace(layout, compressionargs=arguments)
    if dialect == "imagej" and codec not in imagej.CODECS:
        layout, more = _writable(_uncompressed(layout), header, path)
        return layout, [*warnings, f"ImageJ stacks are written without {name} compression", *more]
    if not _is_writable(layout, header):
        without_predictor = replace(layout, predictor=None)
        if layout.predictor is not None and _is_writable(without_predictor, header):
            return without_predictor, warnings
        layout, more = _writable(replace(_uncompressed(layout), compression=_DEFLATE), header, path)
        return layout, [*warnings, f"{name} compression cannot encode the output: Deflate is used instead", *more]
    return layout, warnings


def _encodable(metadata: Metadata, layout: Layout, dialect: str) -> tuple[Layout, list[str]]:
    """The layout without features that tifffile cannot encode, and warnings."""
    bits: int | None = layout.bitspersample
    warnings: list[str] = []
    if dialect == "imagej":
        layout = replace(layout, tile=None, rowsperstrip=None, planarconfig=None)
    swapped = bits is not None and bits > 8 and metadata.byteorder == ">"  # tifffile packs these in wrong order
    if bits is not None and (swapped or dialect not in ("plain", "shaped")):
        layout, bits = replace(layout, bitspersample=None), None
        warnings = [f"its {metadata.layout.bitspersample}-bit samples are scaled to whole bytes"]
    codec = layout.compression
    if bits is not None and (codec is not None or layout.tile is not None):
        what = " and ".join(["compression"] * (codec is not None) + ["tiles"] * (layout.tile is not None))
        kept = f"so that {bits}-bit samples keep their values"
        return replace(_uncompressed(layout), tile=None), [f"it is written without {what}, {kept}"]
    if codec is not None and COMPRESSION(codec) not in tifffile.TIFF.COMPRESSORS:
        warning = f"{COMPRESSION(codec).name} compression cannot be written; Deflate is used instead"
        return replace(layout, compression=_DEFLATE), [*warnings, warning]
    return layout, warnings


def is_planar(grid: Grid, layout: Layout) -> bool:
    """Whether samples are stored planar: one plane per sample of a pixel."""
    return grid.names[-1] == "s" and layout.planarconfig == PLANARCONFIG.SEPARATE


def _uncompressed(layout: Layout) -> Layout:
    return replace(layout, compression=None, compressionargs=None, predictor=None, subsampling=None)


def _writable(layout: Layout, header: Header, path: Path) -> tuple[Layout, list[str]]:
    """The layout, without those parts that contradict the samples; with a warning.

    Raises:
        OutputError: TIFF cannot hold the samples.
    """
    if _is_writable(layout, header):
        return layout, []
    samples = header.grid["s"].size if header.grid.names[-1] == "s" else 1
    photometric = PHOTOMETRIC.RGB if samples in (3, 4) else PHOTOMETRIC.MINISBLACK
    for simpler in (
        replace(layout, predictor=None, bitspersample=None),
        replace(layout, predictor=None, bitspersample=None, extrasamples=None),
        Layout(layout.photometric),
        Layout(photometric, extrasamples=(EXTRASAMPLE.UNASSALPHA,) if header.alpha else None),
        Layout(PHOTOMETRIC.MINISBLACK, PLANARCONFIG.CONTIG, (EXTRASAMPLE.UNSPECIFIED,) * (samples - 1) or None),
    ):
        if _is_writable(simpler, header):
            if simpler.photometric == layout.photometric:
                return simpler, []
            names = [PHOTOMETRIC(layout.photometric).name, PHOTOMETRIC(simpler.photometric).name]
            return simpler, [f"its pixels cannot be {names[0]} colours as its tags say: written as {names[1]}"]
    raise OutputError(f"TIFF cannot hold pixels of {samples} × {header.dtype}; write .npy", path)


def _is_writable(layout: Layout, header: Header) -> bool:
    """Whether tifffile and the codec accept the layout, tested on a small page."""
    grid = header.grid
    samples = grid["s"].size if grid.names[-1] == "s" else 1
    sides = layout.tile or (_TRIAL_SIDE, _TRIAL_SIDE)
    if math.prod(sides) * samples > _TRIAL_SAMPLES:  # do not allocate a size that a damaged file may claim
        sides = (_TRIAL_SIDE, _TRIAL_SIDE) if samples <= _TRIAL_SAMPLES // _TRIAL_SIDE**2 else (1, 1)
        layout = replace(layout, tile=sides if layout.tile and sides[0] > 1 else None)
    page = np.zeros((*sides, samples) if grid.names[-1] == "s" else sides, header.dtype)
    if is_planar(grid, layout):
        page = colours.interleaved_to_planar(page)
    file = io.BytesIO()
    try:
        tifffile.imwrite(file, page, **layout.arguments(), metadata=None)
    except MemoryError:
        raise
    except Exception:  # each codec raises its own exceptions
        return False
    file.seek(0)
    with tifffile.TiffFile(file) as written:  # too few samples for the colours become several pages
        return len(written.pages) == 1 and written.pages.first.samplesperpixel == samples


def _within_page(layout: Layout, header: Header) -> Layout:
    """The layout; large tiles that exceed the page are reduced to the smallest size that covers it."""
    if layout.tile is None or math.prod(layout.tile) <= _TRIAL_SAMPLES:
        return layout
    height, width = (-(-header.grid[name].size // _TILE_STEP) * _TILE_STEP for name in "yx")
    return replace(layout, tile=(min(layout.tile[0], height), min(layout.tile[1], width)))
