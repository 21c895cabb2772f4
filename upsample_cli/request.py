"""The former place of `Request`, kept for programs that import it from here."""

from .resize.request import PerAxis as PerAxis
from .resize.request import Request as Request
