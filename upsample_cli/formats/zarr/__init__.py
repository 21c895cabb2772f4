"""Reads and writes OME-Zarr 0.4 and 0.5 and plain Zarr arrays, in directories and in object stores."""

from .opening import open_source as open_source
from .sink import make_sink as make_sink
