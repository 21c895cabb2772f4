"""Store what torch.nn.functional.interpolate answers: ``python -m tests.oracles.store_torch``, with torch 2.13."""

from __future__ import annotations

import numpy as np

from .cases import LINEAR_CASES, NEAREST_CASES, SPECIAL_CASES, STORE, Case, save


def torch_answer(case: Case) -> np.ndarray:
    """PyTorch's answer: in float64 for the linear modes, in the input's own dtype for the nearest ones."""
    import torch  # here, so that collecting this module does not need it

    x = torch.from_numpy(case.input())
    if not case.mode.startswith("nearest"):
        x = x.double()
    options = case.options
    size, factors = options.pop("size"), options.pop("scale_factor")
    return torch.nn.functional.interpolate(
        x, size=None if size is None else list(size), scale_factor=None if factors is None else list(factors), **options
    ).numpy()


def main() -> None:
    import torch

    answers = {case.id: torch_answer(case) for case in (*LINEAR_CASES, *SPECIAL_CASES)}
    answers |= {case.id: torch_answer(case).astype(np.int16) for case in NEAREST_CASES}
    if len(answers) != len(LINEAR_CASES) + len(SPECIAL_CASES) + len(NEAREST_CASES):
        raise ValueError("two cases have the same id")
    save(STORE, answers, torch=torch.__version__, cpu=torch.backends.cpu.get_cpu_capability())
    print(f"{len(answers)} answers of torch {torch.__version__} in {STORE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
