"""The gradient: PyTorch's stored one, the law of the adjoint, and what the pullback takes and gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import cases
from tests.oracles.compare import assert_close, assert_same_bits
from upsample_cli import interpolate, upsample_vjp
from upsample_cli.api.functional import UpsampleOptions

LAW = settings(deadline=None, derandomize=True, max_examples=250)
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_WAYS = st.sampled_from(  # mode, antialias; "linear" stands for the name that fits the number of axes
    [
        *((mode, antialias) for mode in ("linear", "cubic", "lanczos") for antialias in (False, True)),
        *((mode, False) for mode in ("area", "nearest", "nearest-exact")),
    ]
)


@pytest.fixture(scope="module")
def stored():
    return cases.load()


@pytest.mark.parametrize("case", cases.GRADIENT_CASES, ids=lambda case: case.id)
def test_gradients_agree_with_the_stored_ones_of_torch(case, stored):
    output, pullback = upsample_vjp(np.zeros((1, 2, *case.spatial)), **case.options)
    gradient = cases.cotangent(output.shape)
    assert_close(pullback(gradient), stored[f"gradient of {case.id}"], scale=1.0)


@pytest.mark.parametrize("case", cases.GRADIENT_CASES, ids=lambda case: case.id)
def test_float32_gradients_agree_with_the_stored_ones_of_torch(case, stored):
    output, pullback = upsample_vjp(np.zeros((1, 2, *case.spatial), "f4"), **case.options)
    expected = stored[f"gradient of {case.id}"]
    actual = pullback(cases.cotangent(output.shape, "float32"))
    assert actual.dtype == np.float32
    assert_close(actual, expected, scale=1.0)


def _inner(a, b):
    """⟨a, b⟩ in the widest precision, and the sum of magnitudes by which its rounding is to be judged."""
    wide = np.clongdouble if np.iscomplexobj(a) else np.longdouble
    products = a.astype(wide) * b.astype(wide).conj()
    return products.sum(), float(np.abs(products).sum())


def assert_adjoint(forward, pullback, x, y, tolerance):
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for the real matrix A, up to `tolerance` times the sums of magnitudes."""
    (there, largest), (back, other) = _inner(forward, y), _inner(x, pullback)
    if not abs(there - back) <= tolerance * max(largest, other):
        raise AssertionError(f"⟨Ax, y⟩ = {there} is not ⟨x, Aᵀy⟩ = {back}")


@st.composite
def calls(draw):
    ndim = draw(st.integers(1, 3))
    mode, antialias = draw(_WAYS)
    spatial = tuple(draw(st.lists(st.integers(1, (60, 14, 8)[ndim - 1]), min_size=ndim, max_size=ndim)))
    options = {"mode": _LINEAR[ndim] if mode == "linear" else mode, "antialias": antialias}
    if mode in ("linear", "cubic", "lanczos"):
        options["align_corners"] = draw(st.sampled_from([None, False, True]))
    if draw(st.booleans()):
        options["size"] = tuple(draw(st.integers(1, 2 * n + 3)) for n in spatial)
    else:
        factors = [draw(st.sampled_from([0.5, 0.6, 1.0, 1.3, 1.7, 2.0, 3.0])) for _ in spatial]
        options["scale_factor"] = [max(factor, 1.001 / n) for n, factor in zip(spatial, factors, strict=True)]
        options["recompute_scale_factor"] = draw(st.sampled_from([None, True]))
    return spatial, options


@LAW
@given(calls(), st.sampled_from(["float64", "float32", "complex128", "complex64"]))
def test_the_pullback_is_the_adjoint(call, dtype):
    spatial, options = call
    shape = (2, 1, *spatial)
    x = cases.noise(shape, "float64").astype(dtype)
    output, pullback = upsample_vjp(x, **options)
    y = cases.cotangent(output.shape).astype(dtype)
    if np.iscomplexobj(x):
        x += 1j * cases.cotangent(shape).astype(dtype)
        y -= 1j * cases.noise(output.shape, "float64").astype(dtype)
        output, pullback = upsample_vjp(x, **options)
    assert_same_bits(output, interpolate(x, **options))
    gradient = pullback(y)
    assert gradient.shape == shape
    assert gradient.dtype == dtype
    # `float64` to 1e-12 of the largest; single precision to a few roundings of each of the sums.
    assert_adjoint(output, gradient, x, y, 1e-12 if dtype in ("float64", "complex128") else 3e-6)


def test_the_law_sees_a_gradient_that_is_slightly_wrong():
    x = cases.noise((1, 1, 7), "float64")
    output, pullback = upsample_vjp(x, size=11)
    y = cases.cotangent(output.shape)
    gradient = pullback(y)
    assert_adjoint(output, gradient, x, y, 1e-12)
    gradient[0, 0, 3] += 1e-10
    with pytest.raises(AssertionError, match="is not"):
        assert_adjoint(output, gradient, x, y, 1e-12)


@pytest.mark.parametrize("mode", ["linear", "cubic", "lanczos", "area", "nearest", "nearest-exact"])
@pytest.mark.parametrize(("n", "m"), [(5, 11), (11, 5), (6, 12), (1, 4), (4, 1), (5, 5)])
def test_the_pullback_is_the_transposed_matrix(n, m, mode):
    _, pullback = upsample_vjp(np.zeros((1, 1, n)), size=m, mode=mode)
    matrix = interpolate(np.eye(n)[:, None], size=m, mode=mode)[:, 0].T
    transposed = pullback(np.zeros((1, 1, m))), np.stack([pullback(row[None, None])[0, 0] for row in np.eye(m)])
    assert not transposed[0].any()
    np.testing.assert_allclose(transposed[1], matrix, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "complex64", "complex128", ">f4"])
def test_gradients_have_the_inputs_shape_and_dtype(dtype):
    output, pullback = upsample_vjp(np.zeros((2, 3, 4, 5), dtype), size=(7, 3))
    gradient = pullback(np.ones_like(output))
    assert gradient.shape == (2, 3, 4, 5)
    assert gradient.dtype == np.dtype(dtype).newbyteorder("=")
    assert gradient.flags.c_contiguous
    assert gradient.sum().real == pytest.approx(2 * 3 * 7 * 3, rel=1e-2 if dtype == "float16" else 1e-5)


def test_gradients_of_another_real_dtype_are_computed_in_the_inputs():
    output, pullback = upsample_vjp(cases.noise((1, 2, 5), "float64"), size=9)
    gradient = cases.cotangent(output.shape, "float32")
    assert_same_bits(pullback(gradient), pullback(gradient.astype("f8")))
    assert_same_bits(pullback(np.ones(output.shape, int)), pullback(np.ones(output.shape)))
    assert_same_bits(pullback(gradient.tolist()), pullback(gradient.astype("f8")))


def test_gradients_of_an_untouched_input_are_the_given_ones():
    x = cases.noise((1, 2, 5), "float64")
    output, pullback = upsample_vjp(x, scale_factor=1.0)
    assert_same_bits(output, x)
    assert_same_bits(pullback(x), x)
    assert not np.shares_memory(pullback(x), x)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda y: y[::-1][::-1], lambda y: y.astype(">f8")])
def test_cotangents_of_any_layout_are_read_and_never_written(layout):
    output, pullback = upsample_vjp(cases.noise((2, 2, 5, 6), "float64"), size=(9, 4))
    y = cases.cotangent(output.shape)
    expected = pullback(y)
    given_y = layout(y)
    given_y.flags.writeable = False
    assert_same_bits(pullback(given_y), expected)
    np.testing.assert_array_equal(given_y, y)


def test_pulling_back_twice_gives_the_same_bits():
    output, pullback = upsample_vjp(cases.noise((2, 2, 5, 6), "float32"), scale_factor=1.7)
    y = cases.cotangent(output.shape, "float32")
    assert_same_bits(pullback(y), pullback(y))


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4, 5)])
def test_empty_batches_and_channels_have_empty_gradients(shape):
    output, pullback = upsample_vjp(np.zeros(shape), size=7)
    assert pullback(output).shape == shape


def test_options_take_the_place_of_the_arguments():
    x = cases.noise((1, 2, 5), "float64")
    options = UpsampleOptions(size=9, mode="cubic", align_corners=True)
    (output, pullback), (expected, other) = upsample_vjp(x, options), upsample_vjp(x, 9, None, "cubic", True)
    assert_same_bits(output, expected)
    assert_same_bits(pullback(output), other(output))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
@pytest.mark.parametrize("mode", [None, "nearest"])
def test_integers_have_no_gradient(dtype, mode):
    with pytest.raises(TypeError, match=rf"samples of dtype {dtype} have no gradient"):
        upsample_vjp(np.zeros((1, 1, 4), dtype), size=7, mode=mode)


@pytest.mark.parametrize("shape", [(1, 1, 6), (1, 7), (2, 1, 7), ()])
def test_gradients_of_another_shape_are_refused(shape):
    _, pullback = upsample_vjp(np.zeros((1, 1, 4)), size=7)
    with pytest.raises(ValueError, match=r"the gradient must have the output's shape \(1, 1, 7\)"):
        pullback(np.zeros(shape))


def test_what_interpolate_refuses_has_no_gradient_either():
    with pytest.raises(ValueError, match="either size or scale_factor must be given, got neither"):
        upsample_vjp(np.zeros((1, 1, 4)))
    with pytest.raises(TypeError, match="have no gradient"):
        upsample_vjp(np.array([[["a"]]]), size=3)


def test_complex_gradients_of_a_real_input_are_refused():
    _, pullback = upsample_vjp(np.zeros((1, 1, 4)), size=7)
    with pytest.raises((TypeError, ValueError)):
        pullback(np.zeros((1, 1, 7), complex))


def test_adjoint_where_a_factor_leaves_the_size_unlike_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for mode, antialias in (("bilinear", True), ("bicubic", True), ("bicubic", False), ("lanczos", True)):
        x, y = cases.noise((1, 1, 3, 3), "float64"), cases.cotangent((1, 1, 3, 3))
        options = {"scale_factor": 1.3, "mode": mode, "antialias": antialias}
        tensor = torch.from_numpy(x).requires_grad_()
        output = torch.nn.functional.interpolate(tensor, **options)
        output.backward(torch.from_numpy(y))
        with pytest.raises(AssertionError, match="is not"):
            assert_adjoint(output.detach().numpy(), tensor.grad.numpy(), x, y, 1e-3)
        ours, pullback = upsample_vjp(x, **options)
        assert_close(ours, output.detach().numpy())
        assert_adjoint(ours, pullback(y), x, y, 1e-12)
