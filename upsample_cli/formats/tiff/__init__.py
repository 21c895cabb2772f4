"""TIFF by tifffile: pages and stacks, several in a file, pyramids, and the dialects of ImageJ, OME and GeoTIFF."""

from .sink import TiffSink
from .source import open_source

make_sink = TiffSink

__all__ = ["make_sink", "open_source"]
