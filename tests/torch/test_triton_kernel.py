"""The kernel for CUDA tensors: its numbers in Triton's interpreter, its compilation, and a real device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
ours = pytest.importorskip("upsample_cli.torch")

WAYS = [
    "1 linear 1 contiguous",
    "1 cubic 0 sliced",
    "2 bilinear 0 contiguous",
    "2 bicubic 1 channels-last",
    "2 nearest 0 sliced",
    "2 area 0 contiguous",
    "3 trilinear 0 channels-last",
    "3 trilinear 1 sliced",
    "3 nearest-exact 0 contiguous",
]


@pytest.mark.parametrize("way", WAYS)
def test_the_interpreted_kernel_gives_the_numbers_of_the_cpu(way):
    pytest.importorskip("triton", reason="triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1"}  # read when triton is imported
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("interpret_kernel.py"), *way.split()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION:UserWarning")
def test_the_kernel_compiles_for_hopper_without_spilling():
    triton = pytest.importorskip("triton", reason="triton is not installed")
    from triton import language as tl
    from triton.backends.compiler import GPUTarget

    from upsample_cli.torch.triton_source import resample_kernel

    constants = {
        **{"X_TAPS": 2, "UNROLLED": True, "DEEP": True, "COPIES": False, "CHANNELS_LAST": False, "TO_UINT8": False},
        **{"SUM": tl.float32, "OFFSET": tl.int32, "ROWS": 4, "COLUMNS": 128, "x_x": 1, "out_x": 1},
    }
    signature = dict.fromkeys(resample_kernel.arg_names, "i32") | dict.fromkeys(constants, "constexpr")
    signature |= {"x": "*fp32", "out": "*fp32", "index": "*i32", "taps": "*fp32"}
    numbered = {(resample_kernel.arg_names.index(name),): value for name, value in constants.items()}
    source = triton.compiler.ASTSource(resample_kernel, signature, numbered)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert "atom." not in compiled.asm["ptx"]
    assert ".local" not in compiled.asm["ptx"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("ndim", "mode", "antialias"), [(2, "bicubic", False), (3, "trilinear", True), (2, "area", False)]
)
def test_a_device_gives_the_numbers_of_the_cpu_and_the_same_bits_twice(dtype, ndim, mode, antialias):
    x = torch.rand(2, 5, *(17, 19, 23)[:ndim], device="cuda", dtype=getattr(torch, dtype))
    results = []
    for device in ("cuda", "cuda", "cpu"):
        leaf = x.to(device).requires_grad_()
        output = ours.interpolate(leaf, size=(34, 11, 29)[:ndim], mode=mode, antialias=antialias)
        weights = torch.linspace(-1, 1, output.numel(), dtype=x.dtype, device=device).reshape(output.shape)
        results.append([output.detach().cpu(), torch.autograd.grad(output, leaf, weights)[0].cpu()])
    for first, second, reference in zip(*results, strict=True):
        assert torch.equal(first, second)
        torch.testing.assert_close(first, reference)
