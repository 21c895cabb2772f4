"""The adapters to other libraries: differentiable, over the same memory, and imported only when used."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.oracles import cases
from tests.oracles.compare import assert_close, assert_same_bits
from upsample_cli import interpolate, upsample_vjp
from upsample_cli.api import autodiff
from upsample_cli.api.functional import UpsampleOptions

OPTIONS = {
    1: [
        UpsampleOptions(size=9),
        UpsampleOptions(scale_factor=1.3, mode="cubic"),
        UpsampleOptions(scale_factor=0.6, mode="lanczos", antialias=True),
        UpsampleOptions(size=3, mode="area"),
        UpsampleOptions(scale_factor=1.7, mode="nearest"),
    ],
    2: [
        UpsampleOptions(size=(7, 3), mode="bilinear", align_corners=True),
        UpsampleOptions(scale_factor=(1.3, 0.6), mode="bicubic"),
        UpsampleOptions(size=(2, 3), mode="bicubic", antialias=True),
        UpsampleOptions(size=(7, 7), mode="nearest-exact"),
    ],
    3: [
        UpsampleOptions(scale_factor=2, mode="trilinear"),
        UpsampleOptions(scale_factor=0.6, mode="trilinear", antialias=True),
        UpsampleOptions(size=(2, 7, 3), mode="area"),
    ],
}
CALLS = [pytest.param(ndim, options, id=f"{ndim}-D {options.mode}") for ndim in OPTIONS for options in OPTIONS[ndim]]


def _input(ndim, dtype="float64"):
    return cases.noise((1, 2, *(5, 4, 3)[:ndim]), dtype)


def test_importing_the_adapters_imports_neither_library():
    code = "import sys, upsample_cli.api.autodiff; sys.exit(bool({'torch', 'jax'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# PyTorch


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.mark.parametrize(("ndim", "options"), CALLS)
def test_torchs_gradcheck_passes(torch, ndim, options):
    for dtype in (torch.float64, torch.complex128):
        x = torch.from_numpy(_input(ndim)).to(dtype).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: autodiff.torch_interpolate(x, options), (x,))


@pytest.mark.parametrize(("ndim", "options"), CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_tensors_give_the_bits_of_arrays(torch, ndim, options, dtype):
    x = _input(ndim, dtype)
    tensor = torch.from_numpy(x).requires_grad_()
    output = autodiff.torch_interpolate(tensor, options)
    expected, pullback = upsample_vjp(x, options)
    assert_same_bits(output.detach().numpy(), expected)
    gradient = cases.cotangent(expected.shape, dtype)
    output.backward(torch.from_numpy(gradient))
    assert_same_bits(tensor.grad.numpy(), pullback(gradient))


def test_neither_the_tensor_nor_the_result_is_copied(torch, monkeypatch):
    seen = []

    def spy(x, options):
        output, pullback = upsample_vjp(x, options)
        return seen.extend([x, output]) or output, lambda g: seen.append(g) or seen.append(pullback(g)) or seen[-1]

    monkeypatch.setattr(autodiff, "upsample_vjp", spy)
    x = torch.rand(1, 2, 5, requires_grad=True)
    output = autodiff.torch_interpolate(x, UpsampleOptions(size=9))
    gradient = torch.rand(1, 2, 9)
    (result,) = torch.autograd.grad(output, x, gradient)
    assert len(seen) == 4
    for tensor, array in zip((x, output, gradient, result), seen, strict=True):
        assert np.shares_memory(tensor.detach().numpy(), array)


def test_torch_tensors_of_any_strides_and_expanded_gradients_work(torch):
    x = torch.rand(1, 5, 4, 3, dtype=torch.float64).permute(0, 3, 1, 2).requires_grad_()
    options = UpsampleOptions(size=(9, 7), mode="bilinear")
    autodiff.torch_interpolate(x, options).sum().backward()  # the gradient of a sum is expanded from one number
    reference = x.detach().clone().requires_grad_()
    torch.nn.functional.interpolate(reference, size=(9, 7), mode="bilinear").sum().backward()
    assert_close(x.grad.numpy(), reference.grad.numpy())


def test_inside_a_network_the_gradient_is_torchs(torch):
    def loss(x, resize):
        return (resize(x * x).sin() ** 2).sum()

    options = UpsampleOptions(scale_factor=1.7, mode="bilinear")
    gradients = []
    for resize in (
        lambda x: autodiff.torch_interpolate(x, options),
        lambda x: torch.nn.functional.interpolate(x, scale_factor=1.7, mode="bilinear"),
    ):
        x = torch.from_numpy(_input(2)).requires_grad_()
        loss(x, resize).backward()
        gradients.append(x.grad.numpy())
    assert_close(*gradients)


def test_second_derivatives_are_refused_in_place_of_being_zero(torch):
    x = torch.rand(1, 1, 4, requires_grad=True)
    y = (autodiff.torch_interpolate(x, UpsampleOptions(size=7)) ** 2).sum()
    (gradient,) = torch.autograd.grad(y, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("wrong", ["integers", "array"])
def test_what_is_no_differentiable_tensor_is_refused(torch, wrong):
    x = torch.zeros((1, 1, 4), dtype=torch.int32) if wrong == "integers" else np.zeros((1, 1, 4))
    with pytest.raises((TypeError, AttributeError)):
        autodiff.torch_interpolate(x, UpsampleOptions(size=7))


# JAX


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    with jax.enable_x64(True):
        yield jax


@pytest.mark.parametrize(("ndim", "options"), CALLS)
@pytest.mark.parametrize("jit", [False, True])
def test_jax_gives_the_numbers_of_arrays_and_their_gradient(jax, ndim, options, jit):
    x = _input(ndim)
    expected, pullback = upsample_vjp(x, options)
    weights = cases.cotangent(expected.shape)
    wrap = jax.jit if jit else lambda function: function
    output = wrap(lambda x: autodiff.jax_interpolate(x, options))(jax.numpy.asarray(x))
    assert_same_bits(np.asarray(output), expected)
    gradient = wrap(jax.grad(lambda x: (autodiff.jax_interpolate(x, options) * weights).sum()))(jax.numpy.asarray(x))
    assert_close(np.asarray(gradient), pullback(weights))


def test_jax_checks_the_gradient_by_differences(jax):
    from jax.test_util import check_grads

    options = UpsampleOptions(size=9, mode="cubic")
    check_grads(lambda x: autodiff.jax_interpolate(x, options) ** 2, (jax.numpy.asarray(_input(1)),), 1, modes=["rev"])


def test_jax_keeps_float32(jax):
    x = _input(2, "float32")
    options = UpsampleOptions(size=(9, 3), mode="bilinear")
    output = autodiff.jax_interpolate(jax.numpy.asarray(x), options)
    assert_same_bits(np.asarray(output), interpolate(x, options))


def test_jax_takes_a_list_of_sizes_too(jax):
    x = _input(2)
    output = autodiff.jax_interpolate(jax.numpy.asarray(x), UpsampleOptions(size=[9, 3], mode="bilinear"))
    assert_same_bits(np.asarray(output), interpolate(x, size=[9, 3]))
