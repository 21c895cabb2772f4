"""`upsample_cli.torch.interpolate` against PyTorch's own: values, layouts, dtypes, errors, and the layer."""

from __future__ import annotations

import copy
import pickle

import pytest

import upsample_cli
from tests.oracles import cases

torch = pytest.importorskip("torch", reason="torch is not installed")
functional = torch.nn.functional
ours = pytest.importorskip("upsample_cli.torch")

MODES = {
    1: ["nearest", "nearest-exact", "linear", "area"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area"],
    3: ["nearest", "nearest-exact", "trilinear", "area"],
}
CALLS = [
    *({"mode": mode, "ndim": ndim} for ndim, modes in MODES.items() for mode in modes),
    *({"mode": mode, "ndim": 2, "antialias": True} for mode in ("bilinear", "bicubic")),
]
TARGETS = [{"size": (3, 9, 4)}, {"scale_factor": 2.0}, {"scale_factor": 1.3}, {"scale_factor": (0.6, 1.7, 1.0)}]


def _tensor(ndim, layout="contiguous", channels=4, dtype=torch.float64):
    shape = (2, channels, *(5, 6, 7)[:ndim])
    x = torch.from_numpy(cases.noise(tuple(2 * n for n in shape), "float64")).to(dtype)
    if layout == "expanded":
        return x[:1, :1, *(slice(n) for n in shape[2:])].expand(shape)
    if layout == "channels-last" and ndim > 1:
        x = x.contiguous(memory_format=torch.channels_last if ndim == 2 else torch.channels_last_3d)
    if layout == "sliced":
        return x[:2, ::2, *(slice(None, None, 2),) * ndim]
    part = x[tuple(slice(n) for n in shape)]
    return part.clone(memory_format=torch.preserve_format) if layout == "channels-last" else part.contiguous()


def _for_axes(target, ndim):
    return {name: value[:ndim] if isinstance(value, tuple) else value for name, value in target.items()}


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "channels-last", "sliced", "expanded"])
def test_values_gradients_and_layouts_are_torchs(call, target, layout):
    call = dict(call)
    ndim = call.pop("ndim")
    call |= _for_axes(target, ndim)
    x = _tensor(ndim, layout)
    results = []
    for resize in (functional.interpolate, ours.interpolate):
        leaf = x.detach().requires_grad_()
        output = resize(leaf, **call)
        weights = torch.linspace(-1, 1, output.numel(), dtype=x.dtype).reshape(output.shape)
        results.append((output.detach(), torch.autograd.grad(output, leaf, weights)[0]))
    (expected, expected_gradient), (actual, gradient) = results
    assert actual.stride() == expected.stride()
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 4, 5, 6), (2, 4, 5, 6)])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_dtypes_are_kept_and_rounded_once(shape, dtype, mode):
    x = (torch.from_numpy(cases.noise(shape, "float64")).abs() * 60).to(getattr(torch, dtype))
    actual = ours.interpolate(x, size=(9, 4), mode=mode)
    expected = functional.interpolate(x.double(), size=(9, 4), mode=mode)
    assert actual.dtype == x.dtype
    if dtype == "uint8" and mode == "bicubic":  # rounded and clipped between the axes too
        expected = functional.interpolate(x, size=(9, 4), mode=mode).double()
    elif dtype == "uint8":
        expected = expected.round().clamp(0, 255)
    half_ulp = {"uint8": 1.0, "float16": 0.04, "bfloat16": 0.5, "float32": 1e-4, "float64": 1e-12}[dtype]
    torch.testing.assert_close(actual.double(), expected, rtol=0, atol=half_ulp)


@pytest.mark.parametrize("layout", ["contiguous", "channels-last", "sliced"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("channels", [3, 8])
def test_bytes_in_bicubic_mode_are_torchs(layout, antialias, channels):
    has_vectors = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    tolerance = 0 if has_vectors and channels <= 4 else 1  # these sizes have no ties, which PyTorch rounds up
    x = torch.from_numpy(cases.noise((4, 2 * channels, 34, 22), "uint8"))
    if layout == "channels-last":
        x = x.contiguous(memory_format=torch.channels_last)
    x = x[:2, ::2, ::2, ::2] if layout == "sliced" else x[:, :channels]
    for size in ((25, 9), (3, 33), (x.shape[2], 9), (25, x.shape[3])):
        options = {"size": size, "mode": "bicubic", "antialias": antialias}
        actual, expected = ours.interpolate(x, **options), functional.interpolate(x, **options)
        assert actual.stride() == expected.stride()
        assert (actual.int() - expected.int()).abs().max() <= tolerance


def test_half_precision_gradients_are_summed_in_float32():
    x = torch.zeros(1, 1, 1, dtype=torch.bfloat16, requires_grad=True)
    ours.interpolate(x, size=1000, mode="linear").sum().backward()
    assert x.grad.item() == 1000  # a sum in bfloat16 stays at 256


@pytest.mark.parametrize("dtype", ["bool", "int16", "int64", "complex64"])
def test_dtypes_that_torch_refuses_work_too(dtype):
    x = torch.ones(1, 1, 3, 3).to(getattr(torch, dtype))
    for mode in ("nearest", "bilinear"):
        assert torch.equal(ours.interpolate(x, size=5, mode=mode), x.new_ones(1, 1, 5, 5))


@pytest.mark.parametrize(
    ("mode", "ndim"), [("linear", 1), ("trilinear", 3), ("cubic", 1), ("cubic", 3), ("lanczos", 3)]
)
def test_antialiasing_works_in_one_and_three_dimensions(mode, ndim):
    x = torch.rand(1, 1, *[12] * ndim, dtype=torch.float64)
    output = ours.interpolate(x, size=4, mode=mode, antialias=True)
    for axis in range(2, ndim + 2):  # a separable filter: axis by axis along the last of two axes, which torch can do
        lines = x.movedim(axis, -1)
        plane = lines.reshape(1, 1, -1, 12)
        name = {"cubic": "bicubic", "lanczos": "lanczos"}.get(mode, "bilinear")
        if name == "lanczos" and torch.__version__ < "2.13":
            pytest.skip("this torch has no lanczos")
        plane = functional.interpolate(plane, size=(plane.shape[2], 4), mode=name, antialias=True)
        x = plane.reshape(*lines.shape[:-1], 4).movedim(-1, axis)
    torch.testing.assert_close(output, x, rtol=0, atol=1e-12)


WRONG = [
    {},
    {"size": 4, "scale_factor": 2},
    {"size": (4, 4, 4)},
    {"size": 4.0},
    {"size": (4, 4.5)},
    {"size": 0},
    {"scale_factor": 0.01},
    {"scale_factor": (2, 2, 2)},
    {"scale_factor": "2"},
    {"size": 4, "recompute_scale_factor": True},
    {"size": 4, "align_corners": True},
    {"size": 4, "mode": "area", "align_corners": False},
    {"size": 4, "mode": "linear"},
    {"size": 4, "mode": "trilinear"},
    {"size": 4, "mode": "other"},
    {"size": 4, "antialias": True},
    {"size": (4, 4, 4), "mode": "trilinear"},
    {"size": 4, "mode": "trilinear", "antialias": True},
    {"size": 4, "mode": "other", "antialias": True},
    {"scale_factor": float("nan")},
    {"scale_factor": float("inf"), "mode": "area"},
]


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_errors_are_of_torchs_kinds(options):
    x = torch.ones(1, 1, 3, 3)
    with pytest.raises(Exception) as expected:  # noqa: PT011
        functional.interpolate(x, **options)
    with pytest.raises(expected.type):
        ours.interpolate(x, **options)


@pytest.mark.parametrize("shape", [(3, 3), (1, 1, 1, 1, 1, 1), (1, 0, 3, 3), (1, 1, 0, 3)])
def test_shapes_are_refused_as_torch_refuses_them(shape):
    with pytest.raises((RuntimeError, NotImplementedError)) as expected:
        functional.interpolate(torch.ones(shape), size=4)
    with pytest.raises(expected.type):
        ours.interpolate(torch.ones(shape), size=4)


def test_a_sparse_tensor_is_refused():
    with pytest.raises(NotImplementedError):
        ours.interpolate(torch.ones(1, 1, 3, 3).to_sparse(), size=4)


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16", "float32", "complex64"])
@pytest.mark.parametrize("layout", ["contiguous", "channels-last", "sliced", "expanded"])
def test_a_repeated_call_reads_the_tensor_that_it_is_given(layout, dtype):
    x = _tensor(2, layout, dtype=getattr(torch, dtype))
    for mode in ("bilinear", "nearest"):
        for tensor in (x, x + 1, (x + 2).requires_grad_(dtype != "uint8")):
            tensor = torch.empty_like(x).copy_(tensor) if layout != "expanded" else tensor
            actual = ours.interpolate(tensor, size=(9, 4), mode=mode).detach()
            expected = ours.interpolate(tensor.detach().repeat(2, 1, 1, 1), size=(9, 4), mode=mode)[: len(x)]
            assert torch.equal(actual, expected)


def test_offsets_exceed_32_bits():
    row = (torch.arange(50_000) % 251).to(torch.uint8)
    output = ours.interpolate(row.expand(1, 1, 50_000, -1), size=(3, 7))  # every row is the same memory
    assert torch.equal(output, ours.interpolate(row.expand(1, 1, 3, -1), size=(3, 7)))


def test_arrays_and_tensors_are_sent_to_each_others_function():
    with pytest.raises(TypeError, match=r"upsample_cli\.interpolate"):
        ours.interpolate(cases.noise((1, 1, 4), "float64"), size=7)
    with pytest.raises(TypeError, match=r"upsample_cli\.torch\.interpolate"):
        upsample_cli.interpolate(torch.ones(1, 1, 4), size=7)


def test_sizes_of_tensors_and_numpy_integers_are_sizes():
    import numpy as np

    x = torch.rand(1, 1, 3, 3)
    expected = ours.interpolate(x, size=(5, 4))
    assert torch.equal(ours.interpolate(x, size=(torch.tensor(5), np.int64(4))), expected)
    assert torch.equal(ours.interpolate(x, size=torch.Size([5, 4])), expected)
    assert torch.equal(ours.interpolate(x, size=torch.tensor([5, 4])), expected)
    assert torch.equal(ours.interpolate(x, size=np.array([5, 4])), expected)
    with pytest.raises(TypeError):
        ours.interpolate(x, size=True)


def test_the_layer_is_torchs_layer():
    layer = ours.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    theirs = torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    assert isinstance(layer, torch.nn.Upsample)
    assert repr(layer) == repr(theirs)
    x = torch.rand(1, 1, 4, 5)
    torch.testing.assert_close(layer(x), theirs(x))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), layer(x))


def test_a_layer_of_torchs_may_change_its_class():
    layer = torch.nn.Upsample(scale_factor=2)
    layer.__class__ = ours.Upsample
    assert layer(torch.ones(1, 1, 3)).shape == (1, 1, 6)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_dtypes_that_numpy_lacks_are_refused(dtype):
    with pytest.raises(NotImplementedError, match=dtype):
        ours.interpolate(torch.ones(1, 1, 3).to(getattr(torch, dtype)), size=4)


def test_subclasses_of_tensors_are_kept():
    class Tagged(torch.Tensor):
        pass

    output = ours.interpolate(torch.ones(1, 1, 3, 3).as_subclass(Tagged), size=4)
    assert type(output) is Tagged


@pytest.mark.parametrize("threads", [1, 2])
def test_a_small_unet_trains_as_with_torch_and_the_same_bits_twice(threads):
    def train(resize):
        torch.manual_seed(0)
        down, up = torch.nn.Conv2d(1, 4, 3, padding=1).double(), torch.nn.Conv2d(5, 1, 3, padding=1).double()
        optimizer = torch.optim.SGD([*down.parameters(), *up.parameters()], lr=0.1)
        images, wanted = torch.rand(4, 1, 13, 11).double(), torch.rand(4, 1, 13, 11).double()
        losses = []
        for _ in range(5):
            features = torch.relu(down(resize(images, scale_factor=0.5, mode="bilinear")))
            restored = resize(features, size=images.shape[2:], mode="bicubic")
            loss = ((up(torch.cat([images, restored], 1)) - wanted) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        losses = train(ours.interpolate)
        assert losses == train(ours.interpolate)
        assert losses == pytest.approx(train(functional.interpolate), rel=1e-10)
    finally:
        torch.set_num_threads(before)
