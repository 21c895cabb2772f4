"""Resize images, TIFF stacks, NIfTI volumes and arrays with PyTorch's sampling rules.

The library's names are loaded when they are first used, so that the command can print its help without NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .api.arrays import resize as resize
    from .api.autodiff import jax_interpolate as jax_interpolate
    from .api.autodiff import torch_interpolate as torch_interpolate
    from .api.files import resize_file as resize_file
    from .api.files import upsample_files as upsample_files
    from .api.functional import Upsample as Upsample
    from .api.functional import UpsampleOptions as UpsampleOptions
    from .api.functional import interpolate as interpolate
    from .api.functional import upsample as upsample
    from .api.functional import upsample_vjp as upsample_vjp
    from .api.layers import conv_transpose_weight as conv_transpose_weight
    from .api.layers import pixel_shuffle as pixel_shuffle
    from .api.layers import pixel_unshuffle as pixel_unshuffle
    from .api.layers import pyramid as pyramid
    from .core.threads import get_num_threads as get_num_threads
    from .core.threads import set_num_threads as set_num_threads

_MODULES = {
    "Upsample": "api.functional",
    "UpsampleOptions": "api.functional",
    "conv_transpose_weight": "api.layers",
    "get_num_threads": "core.threads",
    "interpolate": "api.functional",
    "jax_interpolate": "api.autodiff",
    "pixel_shuffle": "api.layers",
    "pixel_unshuffle": "api.layers",
    "pyramid": "api.layers",
    "resize": "api.arrays",
    "resize_file": "api.files",
    "set_num_threads": "core.threads",
    "torch_interpolate": "api.autodiff",
    "upsample": "api.functional",
    "upsample_files": "api.files",
    "upsample_vjp": "api.functional",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*__all__, "__doc__", "__file__", "__name__"})
