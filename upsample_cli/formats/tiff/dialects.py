"""Choice of the TIFF dialect of an output, and warnings about metadata it cannot hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import OutputError
from ..base import Header
from ..dropped import Dropped, Loss
from . import imagej, ome
from .metadata import Metadata

Part = tuple[Header, Metadata]  # one array of the file


def choose(path: Path, parts: Sequence[Part]) -> tuple[str, list[str]]:
    """Choose the dialect of the input if it can hold the result, otherwise the closest one; return it with warnings.

    Raises:
        OutputError: the suffix requires OME-TIFF, which cannot hold the arrays.
    """
    (header, metadata), *_ = parts
    warnings: list[str] = []
    reasons = [ome.unsupported(header, metadata.ome is not None) for header, metadata in parts]
    unsupported = next(filter(None, reasons), None)
    if ome.is_ome_name(path.name):
        if unsupported:
            raise OutputError(f"OME-TIFF cannot hold {unsupported}; write .tif", path)
        return "ome", warnings
    narrow = any(_is_narrow_stack(header) for header, _ in parts)
    if narrow and unsupported:
        raise OutputError(f"TIFF cannot hold a stack of {unsupported} that is one pixel wide; write .npy", path)
    fits_imagej = len(parts) == 1 and imagej.can_hold(header) and not narrow
    other = "shaped" if unsupported else "ome"
    dialect = metadata.dialect
    does_not_fit = {"imagej": not fits_imagej, "ome": unsupported, "shaped": narrow}
    if does_not_fit.get(dialect):
        warnings.append(f"the input's TIFF dialect cannot hold the output: written as {other.upper()} TIFF")
        dialect = other
    if dialect in ("foreign", "vendor"):
        is_stack = not set(header.grid.names) <= set("yxs")
        dialect = ("imagej" if fits_imagej else other) if is_stack else "plain"
    spaced = [axis.name for axis in header.grid.axes if axis.spacing is not None and axis.name not in "yx"]
    if dialect in ("shaped", "plain") and spaced:
        warnings.append(
            Dropped("the spacing of axes other than x and y is dropped: this TIFF dialect cannot hold it", Loss.SPACING)
        )
    return dialect, warnings


def _is_narrow_stack(header: Header) -> bool:
    """Whether the pages of a stack are one pixel wide: tifffile drops that axis in its own dialect and in ImageJ's."""
    grid = header.grid
    return grid.names[-1] == "x" and grid["x"].size == 1 and len(grid.names) > len("yx")


def dropped_warnings(dialect: str, parts: Sequence[Part]) -> list[str]:
    """Warnings about metadata of the input that the output dialect cannot hold."""
    items: list[str] = []
    warnings: list[str] = []
    for header, metadata in parts:
        if dialect != "imagej":
            items += [f"ImageJ's {name}" for name in imagej.extra_entries(metadata.imagej)]
        if dialect != "ome" and metadata.ome is not None:
            items.append("the OME-XML")
        if dialect != "shaped" and metadata.shaped:
            items.append("tifffile's own metadata")
        if dialect in ("imagej", "ome") and (metadata.description or metadata.slide):
            items.append("the image description")
        if dialect == "imagej" and header.levels:
            items.append("the lower levels of the pyramid")
        if dialect == "imagej" and imagej.drops_labels(header.grid, metadata.imagej):
            warnings.append(Dropped("ImageJ's Labels are dropped: the number of planes has changed", Loss.HEADER_FIELD))
    if items:
        names = "; ".join(dict.fromkeys(items))
        warnings.append(
            Dropped(f"{dialect.upper()} TIFF cannot hold these, which are dropped: {names}", Loss.HEADER_FIELD)
        )
    return warnings
