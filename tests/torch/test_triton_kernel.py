"""The kernel for CUDA tensors: its numbers in Triton's interpreter, its compilation, and a real device."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
ours = pytest.importorskip("upsample_cli.torch")
from upsample_cli.torch.planning import Call, matrices  # noqa: E402 - it needs torch


def test_the_interpreted_kernel_gives_the_numbers_of_the_cpu():
    pytest.importorskip("triton", reason="triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1"}  # read when triton is imported
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("interpret_kernel.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION:UserWarning")
@pytest.mark.parametrize("transpose", [False, True])
def test_the_kernel_compiles_for_hopper_without_atomics_spilling_or_shared_memory(transpose):
    pytest.importorskip("triton", reason="triton is not installed")
    from tests.benchmarks import hopper

    plan = matrices(Call((64, 64, 64), (128, 128, 128), (), "trilinear", False, False, "float32", True))
    x, out = (torch.empty(2, 32, *sizes, device="meta") for sizes in (plan.in_sizes, plan.out_sizes))
    (launch,) = hopper.launches(out, plan.transposed, x) if transpose else hopper.launches(x, plan, out)
    assert "atom." not in launch.compiled.asm["ptx"]
    used = launch.resources()
    assert used["LOCAL"] == used["SHARED"] == 0
    assert used["WARPS"] >= 16
    counts = launch.instructions()
    per_sample = 32 * counts["load"] / (x if transpose else out).numel()
    assert per_sample < (42 if transpose else 2.6)


def test_a_repeated_launch_has_the_arguments_of_the_first(monkeypatch):
    pytest.importorskip("triton", reason="triton is not installed")
    from upsample_cli.torch import triton_kernel, triton_source

    launched, signature = [], inspect.signature(triton_source.resample_kernel.fn)

    class Kernel:
        def __getitem__(self, grid):
            def launch(*arguments, **constants):
                del constants["num_warps"]
                bound = signature.bind(*arguments, **constants)
                launched.append((grid, *bound.arguments.values()))
                return Compiled()

            return launch

    class Compiled:
        def __getitem__(self, grid):
            return lambda *arguments: launched.append((grid, *arguments))

    monkeypatch.setattr(triton_source, "resample_kernel", Kernel())
    plan = matrices(Call((5, 6), (10, 9), (), "bicubic", False, False, "float32", True))
    for layout in ("first", "first", "last"):
        x, out = (torch.zeros(2, 3, *sizes) for sizes in (plan.in_sizes, plan.out_sizes))
        if layout == "last":
            x = x.to(memory_format=torch.channels_last)
        triton_kernel.resample(x, plan, out)
    first, repeated, other = ([each for each in call if not isinstance(each, torch.Tensor)] for call in launched)
    assert first == repeated
    assert first != other
    assert [each is x for each in launched[-1]].count(True) == 1


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_graph_replays_with_tables_made_on_another_stream():
    x = torch.rand(1, 2, 5, 6, device="cuda")

    def resize():
        return ours.interpolate(x, size=(9, 4), mode="bicubic")

    expected = resize()
    other = torch.cuda.Stream()
    other.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(other):
        assert torch.equal(resize(), expected)
    torch.cuda.current_stream().wait_stream(other)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = resize()
    x.mul_(2)
    graph.replay()
    torch.testing.assert_close(output, 2 * expected)
