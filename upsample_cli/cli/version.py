"""What ``--version`` prints."""

from __future__ import annotations

from .._version import __version__
from ..core.instructions import describe


def version_text() -> str:
    """The version and the compute kernel, a line each."""
    try:
        kernel = describe()
    except ValueError as error:  # an environment variable selects a kernel that does not exist
        kernel = str(error)
    return f"upsample, version {__version__}\nkernel: {kernel}"
