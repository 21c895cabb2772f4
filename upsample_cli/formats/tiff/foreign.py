"""Metadata and palettes of pictures, as TIFF files hold them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from tifffile import EXTRASAMPLE, PHOTOMETRIC, RESUNIT

from ...geometry import Axis, Grid
from ..base import Array, Header
from . import directories, tags
from .documents import DOCUMENT_TAGS
from .metadata import Metadata, Tag

if TYPE_CHECKING:
    from ..picture.model import Palette, PictureInfo

_XMP, _PHOTOSHOP, _DESCRIPTION, _SOFTWARE = 700, 34377, 270, 305
_IPTC, _BYTE, _UNDEFINED = 33723, 1, 7


def with_picture_metadata(header: Header, info: PictureInfo, metadata: Metadata) -> tuple[Header, Metadata]:
    """Add the palette, EXIF, XMP and Photoshop's resources of a picture to `metadata`.

    Returns:
        The header without the foreign items that TIFF holds, and the metadata. Indices of a palette with transparent
        entries are replaced by colours, because TIFF has no such palettes.
    """
    from ..picture import photoshop  # rarely needed

    kept = ["EXIF", "XMP", "the palette", "Photoshop's resources"]
    picture = info.metadata
    if picture.exif:
        try:
            metadata = _with_exif(picture.exif, header, metadata)
        except ValueError:  # reported by the source of the picture
            kept.remove("EXIF")
    metadata = replace(metadata, resolution_unit=RESUNIT.INCH)
    own = [Tag(_XMP, _BYTE, len(picture.xmp), picture.xmp, True)] if picture.xmp else []
    resources = getattr(picture.native, "photoshop", b"")
    own += [Tag(_PHOTOSHOP, _BYTE, len(resources), resources, True)] if resources else []
    iptc = photoshop.resource(resources, photoshop.IPTC)
    own += [Tag(_IPTC, _UNDEFINED, len(iptc), iptc, True)] if iptc else []  # where readers of TIFF look for it
    codes = {tag.code for tag in own}
    metadata = replace(metadata, tags=(*(tag for tag in metadata.tags if tag.code not in codes), *own))
    header = header._replace(foreign_items=tuple(item for item in header.foreign_items if item not in kept))
    return _with_palette(header, info.palette, metadata) if info.palette is not None else (header, metadata)


def _with_exif(exif: bytes, header: Header, metadata: Metadata) -> Metadata:
    """The metadata with the directories of EXIF, and those of its tags that TIFF pages have themselves."""
    from ..picture.exif import updated  # rarely needed

    grid = header.grid
    file = io.BytesIO(updated(exif, (grid["x"].size, grid["y"].size), None, None))
    layout = directories.Layout.of(file)
    chain = directories.read_chain(file)
    tree = (
        directories.read_tree(file, chain.directories[0].offset, layout, tags.POINTERS) if chain.directories else None
    )
    if tree is None:
        return metadata
    texts = {code: data.rstrip(b"\0") or None for code, _, _, data in tree.entries if code in (_DESCRIPTION, _SOFTWARE)}
    copied = [
        Tag(code, dtype, count, tags.written_value(data, dtype, layout.byteorder), True)
        for code, dtype, count, data in tree.entries
        if code in DOCUMENT_TAGS
    ]
    return replace(
        metadata,
        byteorder=layout.byteorder,
        tags=(*metadata.tags, *copied),
        directories={code: child for code, child in tree.children.items() if code in tags.POINTERS},
        description=texts.get(_DESCRIPTION),
        software=texts.get(_SOFTWARE),
    )


def _with_palette(header: Header, palette: Palette, metadata: Metadata) -> tuple[Header, Metadata]:
    from ..picture.pixels import rgba_table

    colours = rgba_table(palette)
    if (colours[:, 3] == 255).all():
        colormap: Array = np.moveaxis(colours[:, :3].astype(np.uint16) * 257, -1, 0)
        layout = replace(metadata.layout, photometric=PHOTOMETRIC.PALETTE, colormap=np.ascontiguousarray(colormap))
        return header, replace(metadata, layout=layout)
    layout = replace(metadata.layout, photometric=PHOTOMETRIC.RGB, extrasamples=(EXTRASAMPLE.UNASSALPHA,))
    grid = Grid((*header.grid.axes, Axis("s", 4)), header.grid.affines)
    header = header._replace(grid=grid, alpha=True, colours="RGBA")
    return header, replace(metadata, layout=layout, index_colours=colours)
