"""Run the Triton kernel on CPU tensors, by Triton's interpreter, and compare it with the CPU's results."""

from __future__ import annotations

import torch

from upsample_cli.torch import interpolate, layout, triton_kernel
from upsample_cli.torch.planning import Call, matrices

WAYS = [
    (1, "linear", True, "contiguous"),
    (1, "cubic", False, "sliced"),
    (2, "bilinear", False, "contiguous"),
    (2, "bicubic", True, "channels-last"),
    (2, "nearest", False, "sliced"),
    (2, "area", False, "contiguous"),
    (3, "trilinear", False, "channels-last"),
    (3, "trilinear", True, "sliced"),
    (3, "area", False, "contiguous"),
    (3, "nearest-exact", False, "contiguous"),
]


def check(ndim: int, mode: str, antialias: bool, memory: str, out_sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    in_sizes = (5, 6, 7)[:ndim]
    x = (torch.rand(1, 2, *(2 * n for n in in_sizes), dtype=torch.float64) * 255).to(dtype)
    x = x[..., *(slice(None, None, 2),) * ndim]
    if memory != "sliced":
        formats = {2: torch.channels_last, 3: torch.channels_last_3d} if memory == "channels-last" else {}
        x = x.contiguous(memory_format=formats.get(ndim, torch.contiguous_format))
    expected = interpolate(x, out_sizes, mode=mode, antialias=antialias)
    plan = matrices(Call(in_sizes, out_sizes, (), mode, False, antialias, str(dtype).removeprefix("torch."), False))
    actual = layout.empty_output(x, out_sizes, mode)
    triton_kernel.resample(x, plan, actual)
    tolerance = {torch.float32: 1e-3, torch.float64: 1e-11, torch.uint8: 1}[dtype]
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)
    assert abs(actual.double().mean() - expected.double().mean()) < 0.3  # bytes are rounded, not cut off
    if dtype is not torch.uint8:
        gradient = torch.rand_like(expected)
        leaf = x.detach().clone().requires_grad_()
        interpolate(leaf, out_sizes, mode=mode, antialias=antialias).backward(gradient)
        actual = layout.empty_output(gradient, in_sizes, mode)
        triton_kernel.resample(gradient, plan.transposed, actual)
        torch.testing.assert_close(actual, leaf.grad, rtol=0, atol=tolerance)


def check_infinity() -> None:
    """Samples that are not finite reach the outputs that read them, and no others; long bands are not unrolled."""
    for in_sizes, out_sizes, antialias in [((6, 7), (12, 14), False), ((6, 4, 12), (1, 2, 2), True)]:
        x = torch.rand(1, 1, *in_sizes)
        x[..., 3, 4] = torch.inf
        mode = {2: "bilinear", 3: "trilinear"}[len(in_sizes)]
        plan = matrices(Call(in_sizes, out_sizes, (), mode, False, antialias, "float32", False))
        actual = torch.empty(1, 1, *out_sizes)
        triton_kernel.resample(x, plan, actual)
        torch.testing.assert_close(actual, interpolate(x, out_sizes, mode=mode, antialias=antialias))
        assert 0 < actual.isfinite().sum() < actual.numel()


if __name__ == "__main__":
    torch.manual_seed(0)
    for ndim, mode, antialias, memory in WAYS:
        sizes = [(9, 4, 12)[:ndim], (3, 6, 5)[:ndim], (10, 3, 1)[:ndim]]  # in the last, ``area`` copies along one axis
        for out_sizes, dtype in zip(sizes, (torch.float32, torch.float64, torch.uint8), strict=True):
            check(ndim, mode, antialias, memory, out_sizes, dtype)
    check_infinity()
