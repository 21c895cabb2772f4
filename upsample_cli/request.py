"""The former place of `Request`, kept for programs that import it from here."""

from .pipeline.request import PerAxis as PerAxis
from .pipeline.request import Request as Request
