"""Resize images, TIFF stacks, NIfTI volumes and arrays with PyTorch's sampling rules.

The library's names are loaded when they are first used, so that the command can print its help without NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .companions import conv_transpose_weight, pixel_shuffle, pixel_unshuffle, pyramid
    from .core.threads import get_num_threads, set_num_threads
    from .files import upsample_files
    from .functional import Upsample, UpsampleOptions, interpolate, upsample, upsample_vjp
    from .interop import jax_interpolate, torch_interpolate

__all__ = [
    "Upsample",
    "UpsampleOptions",
    "__version__",
    "conv_transpose_weight",
    "get_num_threads",
    "interpolate",
    "jax_interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "pyramid",
    "set_num_threads",
    "torch_interpolate",
    "upsample",
    "upsample_files",
    "upsample_vjp",
]
__version__ = "0.1.0"

_MODULES = {
    "functional": ("Upsample", "UpsampleOptions", "interpolate", "upsample", "upsample_vjp"),
    "companions": ("conv_transpose_weight", "pixel_shuffle", "pixel_unshuffle", "pyramid"),
    "core.threads": ("get_num_threads", "set_num_threads"),
    "files": ("upsample_files",),
    "interop": ("jax_interpolate", "torch_interpolate"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
