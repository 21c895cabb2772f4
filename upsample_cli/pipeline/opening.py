"""Opening the input of a request, with its axes as the request needs them."""

from __future__ import annotations

from pathlib import Path

from .. import formats
from ..formats.base import Source
from ..formats.documents import Documented
from .mode import read_options
from .reorient import Reoriented
from .request import Request
from .targets import orientation_for


def open_input(path: Path, request: Request, output_path: Path | None = None) -> Source:
    """Open the file at `path`. If it is put on the grid of a reference, its axes run as those of the reference.

    If `output_path` is given, colours that its format cannot hold are converted.

    Raises:
        InputError: the file or its reference cannot be read.
        RequestError: the file cannot be put on the grid of its reference.
    """
    source = formats.open_source(path, read_options(request))
    if output_path is not None and source.header.colours == "CMYK":
        from ..formats.as_rgb import for_output  # rarely needed

        source = for_output(source, output_path)
    is_picture = output_path is not None and formats.family_of(output_path) == "picture"
    if is_picture and isinstance(source.header.metadata, Documented):
        from ..formats.tiff.as_picture import for_picture  # rarely needed

        source = for_picture(source)
    if request.like is None and request.paired_image is None:
        return source
    try:
        orientation = orientation_for(request, source.header.grid, path)
    except BaseException:
        source.close()
        raise
    return source if orientation.is_unchanged else Reoriented(source, orientation)
