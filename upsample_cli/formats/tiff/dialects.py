"""In which of the dialects of TIFF a file is written, and what cannot be said in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import OutputError
from ..base import Header
from . import imagej, ome
from .metadata import Metadata

Part = tuple[Header, Metadata]  # an array of the file


def choose(path: Path, parts: Sequence[Part]) -> tuple[str, list[str]]:
    """The dialect of the input where it can hold the result, else the next best; and the warnings.

    Raises:
        OutputError: the name asks for OME-TIFF, which cannot hold the arrays.
    """
    (header, metadata), *_ = parts
    warnings: list[str] = []
    obstacles = [ome.obstacle(header, metadata.ome is not None) for header, metadata in parts]
    obstacle = next(filter(None, obstacles), None)
    if ome.is_name(path.name):
        if obstacle:
            raise OutputError(f"OME-TIFF cannot hold {obstacle}; write .tif", path)
        return "ome", warnings
    fits_imagej = len(parts) == 1 and imagej.can_hold(header)
    other = "shaped" if obstacle else "ome"
    dialect = metadata.dialect
    if (dialect == "imagej" and not fits_imagej) or (dialect == "ome" and obstacle):
        warnings.append(f"the input's kind of TIFF cannot hold this: written as {other.upper()} TIFF")
        dialect = other
    if dialect in ("foreign", "vendor"):
        is_stack = not set(header.grid.names) <= set("yxs")
        dialect = ("imagej" if fits_imagej else other) if is_stack else "plain"
    spaced = [axis.name for axis in header.grid.axes if axis.spacing is not None and axis.name not in "yx"]
    if dialect in ("shaped", "plain") and spaced:
        warnings.append("the spacing of the axes besides x and y is lost in this kind of TIFF")
    return dialect, warnings


def losses(dialect: str, parts: Sequence[Part]) -> list[str]:
    """The warnings of what the input says and the dialect of the output cannot say."""
    items: list[str] = []
    warnings: list[str] = []
    for header, metadata in parts:
        if dialect != "imagej":
            items += [f"ImageJ's {name}" for name in imagej.kept_entries(metadata.imagej)]
        if dialect != "ome" and metadata.ome is not None:
            items.append("the OME-XML")
        if dialect != "shaped" and metadata.shaped:
            items.append("tifffile's own metadata")
        if dialect in ("imagej", "ome") and metadata.description:
            items.append("the image description")
        if dialect == "imagej" and header.levels:
            items.append("the lower levels of the pyramid")
        if dialect == "imagej" and imagej.loses_labels(header.grid, metadata.imagej):
            warnings.append("ImageJ's Labels are dropped: there are other planes now")
    if items:
        names = "; ".join(dict.fromkeys(items))
        warnings.append(f"{dialect.upper()} TIFF cannot hold these, which are dropped: {names}")
    return warnings
