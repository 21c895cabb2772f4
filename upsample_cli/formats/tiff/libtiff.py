"""Pages that libtiff decodes and tifffile does not: LogLuv, old-style JPEG and other old codecs, subsampled YCbCr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from tifffile import COMPRESSION

from ..base import Array
from . import colours

_COMPRESSIONS = (  # including those of obsolete programs
    *(COMPRESSION.OJPEG, COMPRESSION.SGILOG, COMPRESSION.SGILOG24),
    *(COMPRESSION.NEXT, COMPRESSION.THUNDERSCAN, COMPRESSION.PIXARLOG),
)
_UPRIGHT = 1


def is_needed(page: tifffile.TiffPage) -> bool:
    """Whether a page is decoded by libtiff, as 8-bit RGB."""
    suits = not page.is_subifd and page.tags.valueof("Orientation", default=_UPRIGHT) == _UPRIGHT
    return suits and (page.compression in _COMPRESSIONS or colours.has_undecodable_subsampling(page))


def decode(path: Path, page: tifffile.TiffPage) -> Array:
    """The page as RGB, shape (height, width, 3).

    Raises:
        ValueError: libtiff cannot decode it, nor can tifffile as JPEG.
    """
    try:
        return _decode(path, page, as_rgb=True)[..., :3]
    except ValueError:
        rows = _embedded_jpeg(page) if page.compression == COMPRESSION.OJPEG else None
        if rows is None:
            raise
        return rows


def _embedded_jpeg(page: tifffile.TiffPage) -> Array | None:
    """A page of old-style JPEG that is a whole JPEG file, of which libtiff dislikes the tags."""
    try:
        rows = page.asarray()
    except Exception:  # tifffile and the codec raise various exceptions
        return None
    rows = rows[..., None].repeat(3, -1) if rows.ndim == 2 else rows
    return rows if rows.dtype == np.uint8 and rows.shape[2:] == (3,) else None


def decode_stored(path: Path, page: tifffile.TiffPage) -> Array:
    """The samples of a page as they are stored, without conversion.

    Raises:
        ValueError: libtiff cannot decode it.
    """
    return _decode(path, page, as_rgb=False)


def _decode(path: Path, page: tifffile.TiffPage, as_rgb: bool) -> Array:
    import imagecodecs  # slow import

    index = page.index[0] if isinstance(page.index, tuple) else page.index
    try:
        return np.asarray(imagecodecs.tiff_decode(path.read_bytes(), index=index, asrgb=as_rgb))
    except imagecodecs.TiffError as error:
        raise ValueError(str(error)) from error
    except (IndexError, TypeError) as error:
        raise ValueError("it finds no such page") from error
