"""Checks the metadata that is read from a picture, and applies its orientation."""

from __future__ import annotations

from ...geometry import INCH
from ..dropped import Dropped, Loss, named
from .model import PictureInfo, PictureMetadata

SIDES_SWAPPED = (5, 6, 7, 8)  # orientations that swap width and height
_PLAUSIBLE_SPACING_MM = (1e-7, 1e6)  # from a tenth of a nanometre to a kilometre


def upright_metadata(metadata: PictureMetadata, is_upright: bool) -> tuple[PictureMetadata, int]:
    """The metadata of the upright picture without damaged items, and the orientation in which it is stored.

    The orientation is that of EXIF, or else that of XMP. The spacing is taken from EXIF if it is not stored elsewhere.

    Args:
        metadata: as it is read from the file.
        is_upright: whether the decoder applies the orientation.
    """
    metadata, orientation = _with_checked_exif(_without_invalid_documents(metadata))
    if orientation is None and metadata.xmp:
        from .. import xmp

        orientation = xmp.orientation(metadata.xmp)
    if is_upright or orientation is None:
        orientation = 1
    metadata = _without_implausible_spacing(metadata)
    if metadata.spacing is not None and orientation in SIDES_SWAPPED:
        metadata = metadata._replace(spacing=(metadata.spacing[1], metadata.spacing[0]))
    return metadata, orientation


def foreign_items(info: PictureInfo) -> tuple[str, ...]:
    """Descriptions of the metadata items that only pictures can hold."""
    metadata = info.metadata
    varied = metadata.animation is not None and len(set(metadata.animation.durations)) > 1
    items = named(
        (Loss.EXIF, "EXIF", metadata.exif),
        (Loss.XMP, "XMP", metadata.xmp),
        (Loss.COMMENT, "comments", metadata.comments),
        (Loss.PALETTE, "the palette", info.palette),
        (Loss.ANIMATION, "the number of repeats", metadata.animation),
        (Loss.ANIMATION, "the duration of each frame", varied),
    )
    return (*items, *metadata.foreign_items)


def _without_invalid_documents(metadata: PictureMetadata) -> PictureMetadata:
    """The metadata without an ICC profile or XMP document that is invalid, because other readers reject such files."""
    if metadata.icc is not None:
        from .. import icc  # needed for files with a profile only

        if not icc.is_profile(metadata.icc):
            warning = "its ICC profile is damaged and is dropped"
            metadata = metadata._replace(icc=None, warnings=(*metadata.warnings, warning))
    if metadata.xmp:
        from .. import xmp

        if not xmp.is_well_formed(metadata.xmp):
            warning = "its XMP is damaged and is dropped"
            metadata = metadata._replace(xmp=b"", warnings=(*metadata.warnings, warning))
    return metadata


def _with_checked_exif(metadata: PictureMetadata) -> tuple[PictureMetadata, int | None]:
    """The metadata with the spacing of EXIF if it has none, and without damaged EXIF; and the orientation of EXIF."""
    if not metadata.exif:
        return metadata, None
    from . import exif

    orientation, spacing, warnings = None, None, list(metadata.warnings)
    try:
        orientation, spacing = exif.read(metadata.exif)
        if exif.has_subject_position(metadata.exif):
            warnings.append(Dropped("the subject position in its EXIF, in pixels, is dropped", Loss.EXIF))
        if broken := exif.broken_entries(metadata.exif):
            warnings.append(Dropped(f"{broken} damaged entries of its EXIF are dropped", Loss.EXIF))
    except ValueError as error:
        warnings.append(Dropped(f"its EXIF is damaged and is dropped: {error}", Loss.EXIF))
        metadata = metadata._replace(exif=b"")
    if metadata.spacing is None and spacing is not None:
        metadata = metadata._replace(spacing=spacing, unit="mm")
    return metadata._replace(warnings=tuple(warnings)), orientation


def _without_implausible_spacing(metadata: PictureMetadata) -> PictureMetadata:
    low, high = _PLAUSIBLE_SPACING_MM
    if metadata.spacing is None or metadata.unit != "mm" or all(low <= value <= high for value in metadata.spacing):
        return metadata
    resolution = f"{INCH / metadata.spacing[0]:.3g} dpi"
    warning = Dropped(f"its resolution is not plausible and is dropped: {resolution}", Loss.SPACING)
    return metadata._replace(spacing=None, unit=None, warnings=(*metadata.warnings, warning))
