"""The layer `Upsample`."""

from __future__ import annotations

from typing import Any

import torch

from .functional import interpolate


class Upsample(torch.nn.Upsample):  # type: ignore[misc]
    """`torch.nn.Upsample` that calls `upsample_cli.torch.interpolate`; state, representation and pickles are torch's.

    >>> Upsample(scale_factor=2)(torch.tensor([[[1, 2]]]))
    tensor([[[1, 1, 2, 2]]])
    """

    antialias = False  # of layers whose class was torch's when they were made

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> None:
        """Set the options; see `interpolate` for the arguments."""
        super().__init__(size, scale_factor, mode, align_corners, recompute_scale_factor)
        self.antialias = antialias

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Resize `input`; see `interpolate`."""
        return interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
            self.antialias,
        )
