"""TIFF by tifffile: single pages, plain stacks, ImageJ and OME stacks."""

from .sink import TiffSink
from .source import TiffSource

open_source, make_sink = TiffSource, TiffSink
