"""How samples are stored: as they were in the input, as far as the output can."""

from __future__ import annotations

import io
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
from .metadata import Layout


def refuse_strange_axes(header: Header, path: Path) -> None:
    """Raise OutputError unless the array is made of pictures."""
    names = header.grid.names
    in_plane = tuple(name for name in names if name != "s")[-2:] == ("y", "x")
    together = names[-1:] == ("s",) or names[-3:] == ("s", "y", "x") or "s" not in names
    if not (in_plane and together):
        raise OutputError(f"TIFF has pictures of the axes y, x and s, not {''.join(names)}; write .npy", path)
    if "s" in names and header.dtype == bool:
        raise OutputError(f"TIFF cannot hold pixels of {header.grid['s'].size} × {header.dtype}; write .npy", path)


def of_foreign(header: Header, path: Path) -> Layout:
    """The layout of samples of another family.

    Raises:
        OutputError: TIFF has no such samples.
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


def fitting(part: Part, dialect: str, options: WriteOptions, path: Path) -> tuple[Layout, list[str]]:
    """The layout of the input as the output can have it, and the warnings.

    Raises:
        OutputError: there is none.
    """
    header, metadata = part
    layout = metadata.layout
    if dialect == "imagej":
        layout = replace(layout, tile=None, rowsperstrip=None, planarconfig=None)
    codec = layout.compression
    if codec is None:
        return _checked(layout, header, path), []
    name = COMPRESSION(codec).name
    arguments = compression.arguments(codec, options, metadata.quality)
    if codec == COMPRESSION.JPEG and layout.photometric == PHOTOMETRIC.RGB and layout.subsampling is None:
        arguments["outcolorspace"] = "RGB"  # tifffile's default is YCbCr
    layout = replace(layout, compressionargs=arguments)
    if dialect == "imagej" and codec not in imagej.CODECS:
        return _checked(_without_codec(layout), header, path), [f"ImageJ stacks are written without {name} compression"]
    if not _can_be_written(layout, header):
        layout = replace(_without_codec(layout), compression=COMPRESSION.ADOBE_DEFLATE)
        return _checked(layout, header, path), [f"{name} compression cannot hold this: Deflate takes its place"]
    return layout, []


def is_planar(grid: Grid, layout: Layout) -> bool:
    """Whether the samples of a pixel lie in planes of their own."""
    return grid.names[-1] == "s" and layout.planarconfig == PLANARCONFIG.SEPARATE


def _without_codec(layout: Layout) -> Layout:
    return replace(layout, compression=None, compressionargs=None, predictor=None, subsampling=None)


def _checked(layout: Layout, header: Header, path: Path) -> Layout:
    if not _can_be_written(layout, header):
        raise OutputError("cannot have the layout of the input's samples, which contradicts itself; write .npy", path)
    return layout


def _can_be_written(layout: Layout, header: Header) -> bool:
    """Whether tifffile and the codec take such samples, by trying them on a small page."""
    grid = header.grid
    try:
        sides = layout.tile or (16, 16)
        page = np.zeros((*sides, grid["s"].size) if grid.names[-1] == "s" else sides, header.dtype)
        if is_planar(grid, layout):
            page = colours.apart(page)
        tifffile.imwrite(io.BytesIO(), page, **layout.arguments(), metadata=None)
    except Exception:  # each codec has errors of its own
        return False
    return True
