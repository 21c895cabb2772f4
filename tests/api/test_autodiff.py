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


def test_a_penalty_on_the_gradient_counts(torch):
    def gradient_of_loss(resize):
        w = torch.from_numpy(_input(1)).requires_grad_()
        (slope,) = torch.autograd.grad((resize(w) ** 3).sum(), w, create_graph=True)
        (total,) = torch.autograd.grad((slope**2).sum(), w)
        return total.numpy()

    ours = gradient_of_loss(lambda w: autodiff.torch_interpolate(w, UpsampleOptions(size=7)))
    assert_close(ours, gradient_of_loss(lambda w: torch.nn.functional.interpolate(w, size=7, mode="linear")))


def test_torch_takes_keywords_and_integers(torch):
    x = torch.arange(4, dtype=torch.int16).reshape(1, 1, 4)
    assert_same_bits(autodiff.torch_interpolate(x, scale_factor=2).numpy(), interpolate(x.numpy(), scale_factor=2))


def test_the_function_for_arrays_refuses_tensors_and_says_which_takes_them(torch):
    with pytest.raises(TypeError, match=r"upsample_cli\.torch\.interpolate"):
        interpolate(torch.zeros(1, 1, 4), size=7)


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


@pytest.mark.parametrize(("ndim", "options"), CALLS)
def test_jax_transforms_of_any_order_agree_with_each_other(jax, ndim, options):
    def loss(x):
        return (autodiff.jax_interpolate(x, options) ** 3).sum()

    x = jax.numpy.asarray(_input(ndim))
    there = jax.jvp(lambda x: autodiff.jax_interpolate(x, options), (x,), (x,))
    assert_close(np.asarray(there[1]), np.asarray(there[0]))
    batch = jax.vmap(lambda x: autodiff.jax_interpolate(x, options))(jax.numpy.stack([x, 2 * x]))
    assert_close(np.asarray(batch[1]), 2 * np.asarray(there[0]))
    slope_of_slope = jax.grad(lambda x: (jax.grad(loss)(x) ** 2).sum())(x)
    assert_close(np.asarray(slope_of_slope), np.asarray(2 * jax.jvp(jax.grad(loss), (x,), (jax.grad(loss)(x),))[1]))


@pytest.mark.parametrize(("ndim", "options"), CALLS)
@pytest.mark.parametrize("transpose", [False, True])
def test_the_gathers_for_other_devices_give_the_numbers_of_the_kernel(jax, ndim, options, transpose):
    from upsample_cli.api import jax_primitive

    x = _input(ndim)
    output, pullback = upsample_vjp(x, options)
    given, expected = (cases.cotangent(output.shape), pullback) if transpose else (x, lambda _: output)
    how = {"options": options, "in_shape": x.shape[2:], "transpose": transpose}
    actual = jax.jit(lambda x: jax_primitive._by_gathers(x, **how))(given)
    assert_close(np.asarray(actual), expected(given))


def test_jax_rounds_bfloat16_once(jax):
    x = jax.numpy.asarray(_input(2), jax.numpy.bfloat16)
    output = autodiff.jax_interpolate(x, size=(9, 7))
    expected = interpolate(np.asarray(x, np.float32), size=(9, 7)).astype(x.dtype)
    assert output.dtype == x.dtype
    assert_same_bits(np.asarray(output).view("u2"), expected.view("u2"))
