"""Public alias of `pipeline.request`."""

from .pipeline.request import PerAxis as PerAxis
from .pipeline.request import Request as Request
