"""Run the Triton kernel on CPU tensors, by Triton's interpreter, and compare it with the CPU's results.

Arguments: the number of axes, the mode, whether to antialias (0 or 1), and the memory layout.
"""

from __future__ import annotations

import sys

import torch

from upsample_cli.torch import interpolate, layout, triton_kernel
from upsample_cli.torch.planning import Call, matrices


def check(ndim: int, mode: str, antialias: bool, memory: str, out_sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    in_sizes = (5, 6, 7)[:ndim]
    x = (torch.rand(1, 2, *(2 * n for n in in_sizes), dtype=torch.float64) * 255).to(dtype)
    x = x[..., *(slice(None, None, 2),) * ndim]
    if memory != "sliced":
        formats = {2: torch.channels_last, 3: torch.channels_last_3d} if memory == "channels-last" else {}
        x = x.contiguous(memory_format=formats.get(ndim, torch.contiguous_format))
    expected = interpolate(x, out_sizes, mode=mode, antialias=antialias)
    plan = matrices(Call(in_sizes, out_sizes, (), mode, False, antialias, dtype is torch.float64, False))
    actual = layout.empty_output(x, out_sizes, mode)
    triton_kernel.resample(x, plan, actual)
    tolerance = {torch.float32: 1e-3, torch.float64: 1e-11, torch.uint8: 1}[dtype]
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)
    if dtype is not torch.uint8:
        gradient = torch.rand_like(expected)
        leaf = x.detach().clone().requires_grad_()
        interpolate(leaf, out_sizes, mode=mode, antialias=antialias).backward(gradient)
        actual = layout.empty_output(gradient, in_sizes, mode)
        triton_kernel.resample(gradient, plan.transposed, actual)
        torch.testing.assert_close(actual, leaf.grad, rtol=0, atol=tolerance)


if __name__ == "__main__":
    torch.manual_seed(0)
    ndim = int(sys.argv[1])
    sizes = [(9, 4, 12)[:ndim], (3, 6, 5)[:ndim]]
    for out_sizes, dtype in zip(sizes + sizes[:1], (torch.float32, torch.float64, torch.uint8), strict=True):
        check(ndim, sys.argv[2], sys.argv[3] == "1", sys.argv[4], out_sizes, dtype)
