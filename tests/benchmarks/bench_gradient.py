"""Times the gradient of float32 trilinear 2×, 128³, beside torch's: `python tests/benchmarks/bench_gradient.py`.

The two answers are compared before anything is timed; they are timed in turn, and medians and their ratio are printed.
"""

import importlib
import time
from collections.abc import Callable

import numpy as np

from upsample_cli import upsample_vjp

ROUNDS = 9


def torch_pullback(x: np.ndarray, gradient: np.ndarray) -> Callable[[], np.ndarray] | None:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(1)
    tensor = torch.from_numpy(x).requires_grad_()
    output = torch.nn.functional.interpolate(tensor, scale_factor=2, mode="trilinear")
    return lambda: torch.autograd.grad(output, tensor, torch.from_numpy(gradient), retain_graph=True)[0].numpy()


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((1, 1, 128, 128, 128), dtype=np.float32)
    gradient = rng.random((1, 1, 256, 256, 256), dtype=np.float32)
    pullback = upsample_vjp(x, scale_factor=2)[1]
    runners = {"upsample": lambda: pullback(gradient), "torch": torch_pullback(x, gradient)}
    # ⟨Ax, y⟩ = ⟨x, Aᵀy⟩, in float64
    exact, exact_pullback = upsample_vjp(x.astype(np.float64), scale_factor=2)
    y = gradient.astype(np.float64)
    np.testing.assert_allclose(np.vdot(exact, y), np.vdot(x, exact_pullback(y)), rtol=1e-12)
    seconds: dict[str, list[float]] = {}
    for name, run in runners.items():
        if run is None:
            print(f"{name} is not installed")
            continue
        np.testing.assert_allclose(run(), exact_pullback(y), rtol=1e-5)
        seconds[name] = []
    for _ in range(ROUNDS):
        for name, times in seconds.items():
            began = time.perf_counter()
            runners[name]()
            times.append(time.perf_counter() - began)
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {median * 1e3:.0f} ms, {median / gradient.size * 1e9:.2f} ns per output sample", end="")
        print(f", {median / medians['upsample']:.1f} times as long as upsample")


if __name__ == "__main__":
    main()
