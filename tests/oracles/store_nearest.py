"""Store digests of the samples that PyTorch's nearest modes pick: ``python -m tests.oracles.store_nearest``."""

from __future__ import annotations

import numpy as np

from tests.oracles.nearest import LARGEST_IN, LAYOUTS, QUESTIONS, STORE, Question, digest, long_pairs, save


def torch_indices(question: Question, in_size: int, out_size: int, factor: float | None) -> np.ndarray:
    """The index of the sample that PyTorch picks for each output sample."""
    import torch

    layout = question.layout
    x = torch.arange(in_size, dtype=getattr(torch, question.dtype)).reshape(1, 1, *layout.spread(in_size, 1))
    others = layout.others(out_size)
    if factor is None:
        target = {"size": layout.spread(out_size, others)}
    else:
        target = {"scale_factor": layout.spread(factor, float(others))}
    y = torch.nn.functional.interpolate(x, mode=question.mode, **target)
    for axis in range(layout.ndim):
        if axis != layout.axis:
            y = y.narrow(2 + axis, y.shape[2 + axis] - 1, 1)
    return y.ravel().numpy().astype(np.int32)


def long_digests(question: Question) -> list[int]:
    """One digest for each of the long pairs."""
    return [
        digest([torch_indices(question, n, m, None if question.kind == "size" else m / n)]) for n, m in long_pairs()
    ]


def main() -> None:
    import torch

    torch.set_num_threads(1)
    digests: dict[str, np.ndarray] = {}
    for question in QUESTIONS:
        answers = [
            digest([torch_indices(question, n, *pair) for pair in question.pairs(n)]) for n in range(1, LARGEST_IN + 1)
        ]
        digests[question.id] = np.array(answers, np.uint32)
        if question.layout is LAYOUTS[0]:
            digests[f"{question.id}, long"] = np.array(long_digests(question), np.uint32)
        print(question.id, flush=True)
    save(digests, torch=torch.__version__)
    print(f"{len(digests)} records in {STORE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
