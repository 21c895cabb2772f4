"""Times tensors on a CUDA device beside PyTorch: forward and backward, in microseconds, with ratios.

    python tests/benchmarks/bench_gpu.py [--dtype bfloat16] [--rows 3] [--no-deterministic]
    python tests/benchmarks/bench_gpu.py --count

Each row is verified before it is timed: forward and backward against float64 on the CPU, and the bits of two runs
against each other. The floor is the time to read the input and write the output once, at the measured speed of a copy.
The column "det" is PyTorch with `torch.use_deterministic_algorithms(True)`.

`--count` needs no device: it compiles the kernel for an H100, as it would be launched, and prints registers, warps
that a processor holds and, per output sample, the instructions of a thread. "issue" and "access" are the microseconds
in which they can be issued, and in which the caches can serve loads and stores; nothing is run or timed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from triton.testing import do_bench

from upsample_cli.torch import interpolate

TOLERANCES = {torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}


class Row(NamedTuple):
    mode: str
    shape: tuple[int, ...]
    out_size: tuple[int, ...]
    antialias: bool = False


ROWS = [
    Row("trilinear", (1, 1, 128, 128, 128), (256, 256, 256)),
    Row("trilinear", (2, 32, 64, 64, 64), (128, 128, 128)),
    Row("trilinear", (1, 384, 16, 16, 16), (32, 32, 32)),
    Row("bilinear", (8, 64, 256, 256), (512, 512)),
    Row("bilinear", (8, 256, 64, 64), (128, 128)),
    Row("bicubic", (8, 64, 128, 128), (256, 256)),
    Row("bilinear", (64, 3, 512, 512), (224, 224), antialias=True),
    Row("trilinear", (1, 1, 256, 256, 256), (128, 128, 128), antialias=True),
    Row("nearest", (8, 64, 256, 256), (512, 512)),
]


def microseconds(function: Callable[[], object]) -> float:
    return 1e3 * do_bench(function, warmup=5, rep=20, return_mode="median")


def copy_speed() -> float:
    """Bytes read and written per microsecond."""
    source = torch.empty(1 << 27, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / microseconds(lambda: target.copy_(source))


def derivative(resize: Callable[..., torch.Tensor], x: torch.Tensor, gradient: torch.Tensor, row: Row) -> torch.Tensor:
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(resize(leaf, row.out_size, mode=row.mode, antialias=row.antialias), leaf, gradient)[0]


def verify(row: Row, x: torch.Tensor, gradient: torch.Tensor) -> None:
    """Compare one image's first channels, and the bits of two runs of everything."""
    tolerance = TOLERANCES[x.dtype]
    for run in (
        lambda x, _: interpolate(x, row.out_size, mode=row.mode, antialias=row.antialias),
        lambda x, gradient: derivative(interpolate, x, gradient, row),
    ):
        first = run(x, gradient)
        if not torch.equal(first, run(x, gradient)):
            sys.exit(f"{row}: two runs differ")
        part = [each[:1, :2].double().cpu() for each in (x, gradient)]
        expected = run(*part)
        if not torch.allclose(first[:1, :2].double().cpu(), expected, rtol=tolerance, atol=tolerance):
            sys.exit(f"{row}: wrong by {(first[:1, :2].double().cpu() - expected).abs().max():g}")


def time_row(row: Row, x: torch.Tensor, gradient: torch.Tensor, resize: Callable[..., torch.Tensor]) -> list[float]:
    """Forward and backward; NaN where it is refused."""
    options = {"mode": row.mode, "antialias": row.antialias}
    leaf = x.detach().requires_grad_()
    try:
        output = resize(leaf, row.out_size, **options)
    except ValueError:
        return [math.nan, math.nan]
    forward = microseconds(lambda: resize(x, row.out_size, **options))
    try:
        return [forward, microseconds(lambda: torch.autograd.grad(output, leaf, gradient, retain_graph=True))]
    except RuntimeError:
        return [forward, math.nan]


def count(dtype: torch.dtype, rows: list[Row]) -> None:
    import hopper

    from upsample_cli.torch.planning import Call, matrices

    slots = 4 * hopper.PROCESSORS * hopper.CLOCK  # in a microsecond; a load or store takes the access of four, or more
    print(f"{dtype!s:48}passes registers spilled warps | instructions in loops loads arithmetic | floor issue access")
    for row in rows:
        ends = [
            torch.empty(*row.shape[:2], *sizes, device="meta", dtype=dtype) for sizes in (row.shape[2:], row.out_size)
        ]
        forward = matrices(Call(row.shape[2:], row.out_size, (), row.mode, False, row.antialias, "float32", True))
        for name, plan, (x, out) in (("forward", forward, ends), ("backward", forward.transposed, ends[::-1])):
            passes = hopper.launches(x, plan, out)
            counts = sum((each.instructions() for each in passes), Counter[str]())
            used = [each.resources() for each in passes]
            spread = max(1.0, x.itemsize * x.shape[-1] / out.shape[-1] / 4)  # cache lines that a load reads
            kinds = [
                counts.total() - counts["in loops"],
                *(counts[kind] for kind in ("in loops", "load", "arithmetic")),
            ]
            print(
                f"{row.mode}{' antialiased' * row.antialias} {row.shape} {name}".ljust(54)
                + f"{len(passes)}{max(u['REG'] for u in used):10}{sum(u['LOCAL'] for u in used):8}"
                + f"{min(u['WARPS'] for u in used):6} |"
                + "".join(f"{32 * number / out.numel():9.1f}" for number in kinds)
                + f" | {(x.nbytes + out.nbytes) / 3e6:5.0f}{kinds[0] / slots:6.0f}"
                + f"{4 * (counts['load'] * spread + counts['store']) / slots:7.0f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float32")
    parser.add_argument("--rows", type=int, default=len(ROWS), help="only the first of the rows")
    parser.add_argument("--no-deterministic", action="store_true", help="skip PyTorch's deterministic algorithms")
    parser.add_argument("--count", action="store_true", help="count instructions instead; needs no device")
    arguments = parser.parse_args()
    if arguments.count:
        count(getattr(torch, arguments.dtype), ROWS[: arguments.rows])
        return
    if not torch.cuda.is_available():
        sys.exit("there is no CUDA device")
    dtype, speed = getattr(torch, arguments.dtype), copy_speed()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {arguments.dtype}, copy {speed / 1e6:.2f} TB/s")
    print(f"{'µs':44}{'floor':>8} | forward: ours, torch, det, ×floor, ×torch | backward: the same")
    for row in ROWS[: arguments.rows]:
        x = torch.randn(row.shape, device="cuda", dtype=dtype)
        gradient = torch.randn(*row.shape[:2], *row.out_size, device="cuda", dtype=dtype)
        verify(row, x, gradient)
        floor = (x.nbytes + gradient.nbytes) / speed
        ours = time_row(row, x, gradient, interpolate)
        theirs = time_row(row, x, gradient, torch.nn.functional.interpolate)
        deterministic = [math.nan, math.nan]
        if not arguments.no_deterministic:
            torch.use_deterministic_algorithms(True)
            deterministic = time_row(row, x, gradient, torch.nn.functional.interpolate)
            torch.use_deterministic_algorithms(False)
        name = f"{row.mode}{' antialiased' if row.antialias else ''} {row.shape}"
        cells = [
            f"{mine:9.0f}{other:9.0f}{slow:9.0f}{mine / floor:7.1f}{other / mine:7.1f}"
            for mine, other, slow in zip(ours, theirs, deterministic, strict=True)
        ]
        print(f"{name:44}{floor:8.0f} |{'  |'.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
