"""TIFF by tifffile: pages, stacks, several series in a file, pyramids, and the ImageJ, OME and GeoTIFF dialects."""

from .sink import TiffSink
from .source import open_source

make_sink = TiffSink

__all__ = ["make_sink", "open_source"]
