"""Resize images, TIFF stacks, NIfTI volumes and arrays with PyTorch's sampling rules.

The library's names are loaded when they are first used, so that the command can print its help without NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .functional import Upsample, interpolate, upsample

__all__ = ["Upsample", "__version__", "interpolate", "upsample"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import functional

        return getattr(functional, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
