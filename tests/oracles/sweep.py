"""Random calls of every kernel, ours beside PyTorch's: ``python -m tests.oracles.sweep [CASES]`` prints a table.

Each row of the table is a mode, a dtype and the number of its cases, with the largest deviation from PyTorch's float64
result: relative to the largest magnitude for the modes that weigh, and the number of samples that differ for the
nearest ones, which are compared in their own dtype.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.oracles.cases import Case, index_channels, takes_corners
from tests.oracles.store_torch import torch_answer, torch_interpolate
from upsample_cli import interpolate

DTYPES = ("float64", "float32")
_LONGEST = {1: (12, 200, 2000), 2: (8, 30, 90), 3: (5, 10, 18)}  # short axes are as likely as long ones
_FACTORS = (2.0, 0.5, 1.3, 1.7, 0.6, 3.0, 1.1, 1.0, 4.0)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A mode as users ask for it, for one number of axes.

    Attributes:
        mode, antialias: as in PyTorch.
        ndim: number of spatial axes.
        in_torch: whether PyTorch has it; otherwise its two-dimensional kernel is applied to each axis in turn.
    """

    mode: str
    ndim: int
    antialias: bool = False
    in_torch: bool = True

    @property
    def id(self) -> str:
        beyond = "" if self.in_torch else " (by axes)"
        return f"{self.mode}{' antialias' if self.antialias else ''} {self.ndim}-D{beyond}"

    @property
    def picks(self) -> bool:
        return self.mode.startswith("nearest")


KERNELS = (
    Kernel("linear", 1),
    Kernel("bilinear", 2),
    Kernel("trilinear", 3),
    Kernel("bicubic", 2),
    *(Kernel(mode, ndim) for mode in ("area", "nearest", "nearest-exact") for ndim in (1, 2, 3)),
    *(Kernel(mode, 2, antialias=True) for mode in ("bilinear", "bicubic", "lanczos")),
    *(Kernel("cubic", ndim, in_torch=False) for ndim in (1, 3)),
    *(Kernel(mode, 1, antialias=True, in_torch=False) for mode in ("linear", "cubic", "lanczos")),
    *(Kernel(mode, 3, antialias=True, in_torch=False) for mode in ("trilinear", "cubic", "lanczos")),
)


def random_cases(kernel: Kernel, dtype: str, count: int) -> Iterator[Case]:
    """The same cases every time."""
    rng = np.random.default_rng([kernel.ndim, kernel.antialias, *kernel.id.encode()])
    for turn in range(count):
        longest = _LONGEST[kernel.ndim][turn % 3]
        spatial = tuple(rng.integers(1, longest, kernel.ndim, endpoint=True).tolist())
        corners = (None, False, True)[rng.integers(3)] if takes_corners(kernel.mode) else None
        if turn % 2:
            size = tuple(rng.integers(1, 2 * longest, kernel.ndim, endpoint=True).tolist())
            target = {"size": size}
        else:
            factors = [float(rng.choice(_FACTORS) if rng.random() < 0.5 else rng.uniform(0.3, 3)) for _ in spatial]
            factors = tuple(max(factor, 1.001 / n) for n, factor in zip(spatial, factors, strict=True))
            target = {"scale_factor": factors, "recompute_scale_factor": (None, False, True)[rng.integers(3)]}
        yield Case(kernel.mode, spatial, dtype, align_corners=corners, antialias=kernel.antialias, **target)


def answers(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The input, our answer and PyTorch's."""
    x = index_channels(case.spatial, case.dtype) if case.mode.startswith("nearest") else case.input()
    ours = interpolate(x, **case.options)
    return x, ours, torch_interpolate(x, **case.options) if case.mode.startswith("nearest") else torch_answer(case)


def main(count: int) -> None:
    print(f"{'mode':<34} {'dtype':<8} {'cases':>6}  largest deviation")
    for kernel in KERNELS:
        for dtype in DTYPES:
            worst = 0.0
            for case in random_cases(kernel, dtype, count):
                x, ours, theirs = answers(case)
                if kernel.picks:
                    worst += np.count_nonzero(ours != theirs)
                else:
                    worst = max(worst, np.abs(ours - theirs).max() / max(np.abs(theirs).max(), np.abs(x).max()))
            print(
                f"{kernel.id:<34} {dtype:<8} {count:>6}  {f'{worst:.0f} samples' if kernel.picks else f'{worst:.1e}'}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
