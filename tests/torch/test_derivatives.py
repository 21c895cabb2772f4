"""Derivatives of any order, batched and forward, and the operator under the compiler and other modes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
ours = pytest.importorskip("upsample_cli.torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of PyTorch itself

WAYS = [
    (1, {"size": 5, "mode": "linear", "antialias": True}),
    (2, {"size": (6, 3), "mode": "bicubic"}),
    (2, {"scale_factor": 1.7, "mode": "nearest"}),
    (3, {"scale_factor": 2, "mode": "trilinear"}),
]


@pytest.fixture(params=WAYS, ids=str)
def way(request):
    ndim, options = request.param
    torch.manual_seed(0)
    x = torch.rand(2, 2, *(3, 4, 2)[:ndim], dtype=torch.float64)
    return x, lambda x: ours.interpolate(x, **options)


def test_gradcheck_in_all_modes(way):
    x, resize = way
    checks = {"check_forward_ad": True, "check_batched_grad": True, "check_batched_forward_grad": True}
    assert torch.autograd.gradcheck(resize, x.requires_grad_(), **checks)


def test_gradgradcheck_in_all_modes(way):
    x, resize = way
    checks = {"check_fwd_over_rev": True, "check_rev_over_rev": True, "check_batched_grad": True}
    assert torch.autograd.gradgradcheck(lambda x: resize(x) ** 2, x.requires_grad_(), **checks)


def test_transforms_of_torch_func(way):
    x, resize = way
    output, tangent = torch.func.jvp(resize, (x,), (3 * x,))
    torch.testing.assert_close(tangent, 3 * output)
    torch.testing.assert_close(torch.func.jacrev(resize)(x), torch.func.jacfwd(resize)(x))
    batch = torch.stack([x, 2 * x], 1)
    torch.testing.assert_close(torch.vmap(resize, in_dims=1)(batch)[1], 2 * output)
    per_sample = torch.vmap(torch.func.grad(lambda x: resize(x[None]).sum()))(x)
    torch.testing.assert_close(per_sample, torch.func.grad(lambda x: resize(x).sum())(x))


def test_a_penalty_on_the_gradient_counts():
    w = torch.tensor([[[1.0, 2.0, -1.0]]], requires_grad=True)
    for resize in (ours.interpolate, torch.nn.functional.interpolate):
        (slope,) = torch.autograd.grad((resize(w, size=7, mode="linear") ** 3).sum(), w, create_graph=True)
        w.grad = None
        (slope**2).sum().backward()
        if resize is ours.interpolate:
            actual = w.grad
    assert actual.abs().sum() > 0
    torch.testing.assert_close(actual, w.grad)


def test_the_operator_passes_torchs_own_check():
    from upsample_cli.torch.operator import operator

    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.rand(2, 3, 4, 5).contiguous(memory_format=layout).requires_grad_()
        torch.library.opcheck(operator, (x, [7, 9], [], "bicubic", False, False, False))


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_compiler_takes_it_in_one_graph(dynamic):
    def resize(x):
        return ours.interpolate(x.sin(), scale_factor=1.5, mode="bilinear")

    x = torch.rand(1, 2, 6, 8, requires_grad=True)
    compiled = torch.compile(resize, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    torch.testing.assert_close(compiled(x), resize(x))
    gradients = [torch.autograd.grad((each(x) ** 2).sum(), x)[0] for each in (compiled, resize)]
    torch.testing.assert_close(*gradients)


def test_a_program_is_exported_for_any_height():
    layer = ours.Upsample(scale_factor=2, mode="bilinear")
    height = torch.export.Dim("height", min=2, max=64)
    program = torch.export.export(layer, (torch.rand(1, 2, 6, 8),), dynamic_shapes={"input": {2: height}})
    x = torch.rand(1, 2, 9, 8)
    assert torch.equal(program.module()(x), layer(x))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_autocast_keeps_the_dtype_as_in_torch(dtype):
    x = torch.rand(1, 2, 4, 5, dtype=getattr(torch, dtype), requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = [each(x, size=7, mode="bilinear") for each in (ours.interpolate, torch.nn.functional.interpolate)]
    assert results[0].dtype == results[1].dtype
    assert torch.autograd.grad(results[0].sum(), x)[0].dtype == x.dtype


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: torch.vmap(torch.func.grad(f)),
        lambda f: lambda x: torch.func.jvp(f, (x,), (x,))[1],
        lambda f: torch.func.grad(lambda x: torch.func.grad(f)(x).pow(2).sum()),
    ],
    ids=["vmap", "jvp", "grad of grad"],
)
def test_transforms_inside_the_compiler_are_those_outside(transform):
    def loss(x):
        return ours.interpolate(x.reshape(-1, 1, 2, 3), scale_factor=(2, 1.7), mode="bicubic").pow(2).sum()

    x = torch.rand(2, 2, 2, 3)
    compiled = torch.compile(transform(loss), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), transform(loss)(x))


def test_modes_that_intercept_operators_see_the_operator():
    from torch.fx.experimental.proxy_tensor import make_fx

    x = torch.rand(1, 1, 4, 5)
    graph = make_fx(lambda x: ours.interpolate(x, size=7))(x)
    assert "upsample.resize" in graph.code
    assert ours.interpolate(x.to("meta"), size=7).shape == (1, 1, 7, 7)


def test_lazy_conjugates_and_inference_tensors_are_resized():
    x = torch.randn(1, 1, 4, 5, dtype=torch.complex128)
    torch.testing.assert_close(ours.interpolate(x.conj(), size=7, mode="bilinear").imag,
                               -ours.interpolate(x, size=7, mode="bilinear").imag)  # fmt: skip
    with torch.inference_mode():
        inferred = torch.rand(1, 1, 4)
        output = ours.interpolate(inferred, size=7, mode="linear")
    assert output.is_inference()
    assert torch.equal(ours.interpolate(inferred, size=7, mode="linear"), output)


def test_functionalize_works_with_the_other_transforms():
    from torch.func import functionalize, grad, jvp, vmap

    def resize(x):
        return ours.interpolate(x, size=7, mode="linear")

    def loss(x):
        return resize(x).square().sum()

    def derivative(x):
        return jvp(functionalize(resize), (x,), (x.cos(),))[1]

    x = torch.rand(3, 1, 2, 4, dtype=torch.float64)
    expected = vmap(resize)(x)
    for transformed in (vmap(functionalize(resize)), functionalize(vmap(resize))):
        torch.testing.assert_close(transformed(x), expected)
    expected = vmap(grad(loss))(x)
    for gradient in (grad(functionalize(loss)), functionalize(grad(loss))):
        torch.testing.assert_close(torch.stack([gradient(each) for each in x]), expected)
        torch.testing.assert_close(vmap(gradient)(x), expected)
    torch.testing.assert_close(derivative(x[0]), resize(x[0].cos()))


def test_functionalize_records_the_operator():
    from torch.fx.experimental.proxy_tensor import make_fx

    x = torch.rand(1, 2, 4)
    graph = make_fx(torch.func.functionalize(lambda x: ours.interpolate(x, size=7, mode="linear")))(x)
    assert "upsample.resize" in graph.code
    torch.testing.assert_close(graph(x), ours.interpolate(x, size=7, mode="linear"))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit.trace:DeprecationWarning")
@pytest.mark.parametrize("antialias", [False, True])
def test_a_traced_layer_computes_its_sizes_as_torchs_does(antialias):
    layer = ours.Upsample(scale_factor=(1.5, 0.7), mode="bicubic", antialias=antialias)
    x = torch.rand(1, 2, 9, 8, requires_grad=True)
    traced = torch.jit.trace(layer, torch.rand(1, 2, 5, 6))
    assert torch.equal(traced(x), layer(x))
    gradients = [torch.autograd.grad(each(x).pow(2).sum(), x)[0] for each in (traced, layer)]
    assert torch.equal(*gradients)
