"""PyTorch's `interpolate` and `Upsample` for tensors on any device: deterministic, differentiable, antialiased in 3-D.

One changed import is all that a network needs: ``from upsample_cli.torch import interpolate, Upsample``.
"""

from .functional import interpolate as interpolate
from .module import Upsample as Upsample

__all__ = ["Upsample", "interpolate"]
