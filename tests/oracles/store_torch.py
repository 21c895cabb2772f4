"""Store what torch.nn.functional.interpolate answers: ``python -m tests.oracles.store_torch``, with torch 2.13."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracles.cases import (
    BEYOND_CASES,
    GRADIENT_CASES,
    KERNEL_CASES,
    LINEAR_CASES,
    NEAREST_CASES,
    SPECIAL_CASES,
    STORE,
    UINT8_CASES,
    Case,
    cotangent,
    save,
)

_IN_TWO_DIMENSIONS = {"linear": "bilinear", "trilinear": "bilinear", "cubic": "bicubic"}


def torch_answer(case: Case) -> np.ndarray:
    """PyTorch's answer: in float64 for the modes that weigh, in the input's own dtype for nearest ones and uint8."""
    import torch  # here, so that collecting this module does not need it

    x = torch.from_numpy(case.input())
    if x.is_floating_point() and not case.mode.startswith("nearest"):
        x = x.double()
    return _resize(x, case).numpy()


def torch_gradient(case: Case) -> np.ndarray:
    """What PyTorch's autograd makes of the cotangent of the case, in float64."""
    import torch

    x = torch.zeros((1, 2, *case.spatial), dtype=torch.float64, requires_grad=True)
    y = _resize(x, case)
    y.backward(torch.from_numpy(cotangent(tuple(y.shape))))
    return x.grad.numpy()


def torch_interpolate(x: np.ndarray, **options: Any) -> np.ndarray:
    """PyTorch's answer to any call that ours takes, also in modes that it has in two dimensions only."""
    import torch

    options = {"size": None, "scale_factor": None, "antialias": False} | options
    return _interpolate(torch.from_numpy(x), options).numpy()


def _resize(x: Any, case: Case) -> Any:
    return _interpolate(x, case.options)


def _interpolate(x: Any, options: dict[str, Any]) -> Any:
    import torch

    for name in ("size", "scale_factor"):
        options[name] = None if options[name] is None else list(options[name])
    mode = options["mode"]
    if mode == "cubic" or (x.ndim != 4 and (options["antialias"] or mode == "lanczos")):
        return _axis_by_axis(x, options)
    if options["antialias"] and x.is_floating_point():
        # PyTorch 2.13 answers wrongly if the output is one wide and its memory is not ordered channels last.
        x = x.contiguous(memory_format=torch.channels_last)
    return torch.nn.functional.interpolate(x, **options)


def _axis_by_axis(x: Any, options: dict[str, Any]) -> Any:
    """Each axis resized by the two-dimensional kernel of PyTorch, as the second of two axes of which one is trivial."""
    import torch

    mode = _IN_TWO_DIMENSIONS.get(options["mode"], options["mode"])
    size, factors = options.pop("size"), options.pop("scale_factor")
    for axis in range(2, x.ndim):
        here = x.movedim(axis, -1)
        number = axis - 2
        target = {"size": [1, size[number]]} if size else {"scale_factor": [1.0, factors[number]]}
        flat = here.reshape(-1, 1, 1, here.shape[-1])
        y = torch.nn.functional.interpolate(flat, **(options | target | {"mode": mode}))
        x = y.reshape(*here.shape[:-1], -1).movedim(-1, axis)
    return x


def main() -> None:
    import torch

    whole = (*LINEAR_CASES, *KERNEL_CASES, *BEYOND_CASES, *SPECIAL_CASES, *UINT8_CASES)
    answers = {case.id: torch_answer(case) for case in whole}
    answers |= {case.id: torch_answer(case).astype(np.int16) for case in NEAREST_CASES}
    answers |= {f"gradient of {case.id}": torch_gradient(case) for case in GRADIENT_CASES}
    if len(answers) != len(whole) + len(NEAREST_CASES) + len(GRADIENT_CASES):
        raise ValueError("two cases have the same id")
    save(STORE, answers, torch=torch.__version__, cpu=torch.backends.cpu.get_cpu_capability())
    print(f"{len(answers)} answers of torch {torch.__version__} in {STORE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
