"""Compare `interpolate` with PyTorch's on the sample inputs of PyTorch's own tests (`OpInfo`), which come with PyTorch.

python -m tests.torch.opinfo_samples

A sample passes if values, layout, dtype and, for float64, the gradient are PyTorch's. The package expecttest is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch

import upsample_cli.torch as ours

_TOLERANCES = {torch.float64: 1e-10, torch.float32: 2e-4, torch.bfloat16: 0.2, torch.float16: 0.02, torch.uint8: 1}
_RELATIVE = {torch.bfloat16: 1e-2, torch.float16: 1e-2}
_FUNCTIONS = ("interpolate", "upsample_bilinear", "upsample_nearest")


def samples() -> Iterator[tuple[Any, Any]]:
    """Every operator that resizes, with each of its samples on the CPU."""
    from torch.testing._internal.common_methods_invocations import op_db

    for operator in op_db:
        if operator.name.rpartition(".")[2] in _FUNCTIONS:
            for dtype in _TOLERANCES:
                if operator.supports_dtype(dtype, "cpu"):
                    for sample in operator.sample_inputs("cpu", dtype, requires_grad=dtype is torch.float64):
                        yield operator, sample


def check(operator: Any, sample: Any) -> None:
    """Raise AssertionError if the results for a sample differ."""
    expected = operator(sample.input, *sample.args, **sample.kwargs)
    with mock.patch("torch.nn.functional.interpolate", ours.interpolate):
        actual = operator(sample.input, *sample.args, **sample.kwargs)
    tolerances = {"atol": _TOLERANCES[actual.dtype], "rtol": _RELATIVE.get(actual.dtype, 1e-5)}
    torch.testing.assert_close(actual, expected, check_stride=True, **tolerances)
    if sample.input.requires_grad:
        weights = torch.randn_like(expected)
        gradients = [torch.autograd.grad(output, sample.input, weights)[0] for output in (actual, expected)]
        torch.testing.assert_close(*gradients, **tolerances)


def main() -> None:
    count = passed = 0
    for operator, sample in samples():
        count += 1
        try:
            check(operator, sample)
            passed += 1
        except AssertionError as error:
            print(operator.name, operator.variant_test_name, sample.args, sample.kwargs, error)
    print(f"{count} samples, {passed} pass")


if __name__ == "__main__":
    main()
