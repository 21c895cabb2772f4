"""PyTorch's own sample inputs for its operators, and what it and we refuse."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.oracles.compare import assert_close, assert_rounded, assert_same_bits
from tests.oracles.saturation import assert_off_by_saturation_only
from upsample_cli import interpolate
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.dtypes import numeric_codec
from upsample_cli.core.modes import find_mode
from upsample_cli.core.resample import resample

torch = pytest.importorskip("torch", reason="torch is not installed")

_SAMPLED = ("nn.functional.interpolate", "nn.functional.upsample_bilinear", "nn.functional.upsample_nearest")
_ANTIALIASED = "_upsample_bilinear2d_aa"
_VARIANTS = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")


@pytest.fixture(scope="module")
def op_infos():
    pytest.importorskip("expecttest", reason="PyTorch's sample inputs need the package expecttest")
    from torch.testing._internal.common_methods_invocations import op_db

    found = {(op.name, op.variant_test_name): op for op in op_db if op.name in (*_SAMPLED, _ANTIALIASED)}
    upsampling = {op.name for op in op_db if "upsample" in op.name or "interpolate" in op.name}
    assert upsampling == {*_SAMPLED, _ANTIALIASED}  # no operator is forgotten
    return found


def _keywords(sample) -> dict:
    options = dict(zip(("size", "scale_factor"), sample.args, strict=False)) | sample.kwargs
    return {name: tuple(value) if isinstance(value, torch.Size) else value for name, value in options.items()}


def _assert_torchs(actual: np.ndarray, x, function) -> None:
    """As exact as the dtype allows: PyTorch's float64 result, but its own result for uint8, of bilinear kernels."""
    assert actual.dtype == x.numpy().dtype
    if x.dtype == torch.uint8:
        expected = function(x).numpy()
        assert actual.shape == expected.shape
        assert np.abs(actual.astype(int) - expected).max() <= 1
        return
    truth = function(x.double()).numpy()
    scale = float(x.double().abs().max())
    if x.dtype == torch.float16:  # rounded once from float32
        tolerance = np.spacing(np.float16(max(scale, np.abs(truth).max()))) * 0.51
        np.testing.assert_allclose(actual.astype("f8"), truth, rtol=0, atol=float(tolerance))
        return
    assert_close(actual, truth, scale=scale)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint8"])
@pytest.mark.parametrize(
    ("name", "variant"),
    [("nn.functional.interpolate", variant) for variant in _VARIANTS] + [(name, "") for name in _SAMPLED[1:]],
)
def test_torchs_own_samples(name, variant, dtype, op_infos):
    op = op_infos[name, variant]
    torch_dtype = getattr(torch, dtype)
    if torch_dtype not in op.dtypes:
        pytest.skip(f"PyTorch has no {dtype} here")
    # These old names stand for a mode each, and corners are aligned in the first.
    implied = {
        "nn.functional.upsample_bilinear": {"mode": "bilinear", "align_corners": True},
        "nn.functional.upsample_nearest": {"mode": "nearest"},
    }.get(name, {})
    count = 0
    for sample in op.reference_inputs("cpu", torch_dtype):
        options = _keywords(sample) | implied
        x = sample.input.contiguous()  # the memory of arrays; channels last has kernels of its own
        actual = interpolate(x.numpy(), **options)
        if options["mode"].startswith("nearest"):
            assert_same_bits(actual, torch.nn.functional.interpolate(x, **options).numpy())
        else:
            function = partial(torch.nn.functional.interpolate, **options)
            if dtype == "uint8" and variant == "bicubic":
                flags = {name: options[name] for name in ("mode", "antialias", "align_corners") if name in options}
                if options.get("scale_factor") is None:
                    assert_off_by_saturation_only(actual, function(x).numpy(), x.numpy(), **flags)
                else:
                    assert_rounded(actual, interpolate(x.double().numpy(), **options))
            else:
                _assert_torchs(actual, x, function)
        assert_same_bits(interpolate(sample.input.numpy(), **options), actual)  # of any strides
        count += 1
    assert count >= 4


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
def test_torchs_own_samples_of_the_antialiased_operator(dtype, op_infos):
    op = op_infos[_ANTIALIASED, ""]
    count = 0
    for sample in op.sample_inputs("cpu", getattr(torch, dtype)):
        x, keywords = sample.input, sample.kwargs
        factors = keywords.get("scale_factors") or (keywords.get("scales_h"), keywords.get("scales_w"))
        sizes = keywords["output_size"] or [int(n * f) for n, f in zip(x.shape[2:], factors, strict=True)]
        # The operator itself takes a size and a factor that do not belong together, which no call of ours can.
        recipe = plan_axes(
            x.shape[2:],
            [AxisTarget(*target) for target in zip(sizes, factors, strict=True)],
            find_mode("bilinear").antialiased(),
            keywords["align_corners"],
            x.numpy().dtype,
        )
        out = np.empty((*x.shape[:2], *sizes), x.numpy().dtype)
        taps = max(step.matrix.max_taps for step in recipe if step.matrix is not None)
        resample(x.numpy(), [None, None, *(step.matrix for step in recipe)], out, numeric_codec(out.dtype, taps))
        _assert_torchs(out, x, partial(op.op, **keywords))
        count += 1
    assert count == 7


def _zeros(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


# PyTorch's OpInfo has no error inputs for these operators: these are the refusals in `interpolate` and its kernels.
REFUSED_BY_BOTH = [
    (_zeros(1, 1, 4), {"mode": "linear"}),
    (_zeros(1, 1, 4), {"mode": "linear", "size": 4, "scale_factor": 2}),
    (_zeros(1, 1, 4), {"mode": "linear", "size": (4, 4)}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": (4,)}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": (4.0, 4.0)}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": 4.5}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": "4"}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "scale_factor": (2.0,)}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "scale_factor": (2.0, 2.0, 2.0)}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": (0, 4)}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": (-1, 4)}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "scale_factor": 0.1}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "scale_factor": 0.0}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "scale_factor": -1.0}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "scale_factor": float("nan")}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "scale_factor": "2"}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": 4, "recompute_scale_factor": True}),
    (_zeros(1, 1, 0, 4), {"mode": "bilinear", "size": 4}),
    (_zeros(1, 1, 4, 0), {"mode": "nearest", "size": 4}),
    (_zeros(1, 1, 0), {"mode": "area", "size": 4}),
    *((_zeros(1, 1, *(4,) * n), {"mode": m, "size": 5}) for n, m in ((2, "linear"), (3, "linear"), (1, "bilinear"))),
    *((_zeros(1, 1, *(4,) * n), {"mode": m, "size": 5}) for n, m in ((3, "bilinear"), (1, "bicubic"), (3, "bicubic"))),
    *((_zeros(1, 1, *(4,) * n), {"mode": "trilinear", "size": 5}) for n in (1, 2)),
    *((_zeros(1, *(4,) * n), {"mode": "nearest", "size": 5}) for n in (0, 1, 5)),
    *(
        (_zeros(1, 1, 4), {"mode": mode, "size": 5, "align_corners": value})
        for mode in ("nearest", "nearest-exact", "area")
        for value in (False, True)
    ),
    *((_zeros(1, 1, 4, 4), {"mode": m, "size": 5, "antialias": True}) for m in ("nearest", "nearest-exact", "area")),
    (_zeros(1, 1, 4, 4), {"mode": "hamming", "size": 5}),
    (_zeros(1, 1, 4, 4), {"mode": "", "size": 5}),
    (_zeros(1, 1, 4, 4), {"mode": "bilinear", "size": 5, "no_such_option": 1}),
]

# What PyTorch refuses and we take, on purpose.
TAKEN_BY_US = [
    (_zeros(1, 1, 4), {"mode": "linear", "size": 5, "antialias": True}, "antialiasing in one dimension"),
    (_zeros(1, 1, 4, 4, 4), {"mode": "trilinear", "size": 3, "antialias": True}, "antialiasing in three dimensions"),
    (_zeros(1, 1, 4), {"mode": "cubic", "size": 5}, "cubic interpolation in one dimension"),
    (_zeros(1, 1, 4, 4, 4), {"mode": "cubic", "size": 5}, "cubic interpolation in three dimensions"),
    (_zeros(1, 1, 4, 4), {"mode": "lanczos", "size": 5}, "Lanczos without antialiasing"),
    (_zeros(1, 1, 4), {"mode": "lanczos", "size": 5, "antialias": True}, "Lanczos in one dimension"),
    (
        _zeros(1, 1, 4, 4),
        {"mode": "lanczos", "size": 5, "antialias": True, "align_corners": True},
        "Lanczos with aligned corners, whose scale it takes",
    ),
    (_zeros(1, 0, 4, 4), {"mode": "bilinear", "size": 5}, "no channels give an empty result"),
    (_zeros(1, 1, 4, dtype="int32"), {"mode": "linear", "size": 5}, "all integers"),
    (_zeros(1, 1, 4, 4, dtype="int16"), {"mode": "nearest", "size": 5}, "all integers"),
    (_zeros(1, 1, 4, 4, dtype="bool"), {"mode": "bilinear", "size": 5}, "bool, as 0 and 1"),
    (_zeros(1, 1, 4, 4, dtype="complex64"), {"mode": "bilinear", "size": 5}, "complex numbers"),
    (_zeros(1, 1, 4, 4, 4, dtype="uint8"), {"mode": "trilinear", "size": 5}, "all integers"),
]


def _torch_refuses(x, options) -> bool:
    try:
        torch.nn.functional.interpolate(torch.from_numpy(x), **options)
    except Exception:  # it raises what comes
        return True
    return False


@pytest.mark.parametrize(("x", "options"), REFUSED_BY_BOTH, ids=lambda v: str(v if isinstance(v, dict) else v.shape))
def test_what_torch_refuses_is_refused_as_a_value_or_a_type(x, options):
    assert _torch_refuses(x, options)
    with pytest.raises((ValueError, TypeError)):
        interpolate(x, **options)


@pytest.mark.parametrize(("x", "options", "reason"), TAKEN_BY_US, ids=[taken[2] for taken in TAKEN_BY_US])
def test_what_is_taken_beyond_torch(x, options, reason):
    assert _torch_refuses(x, options)
    sizes = (options["size"],) * (x.ndim - 2)
    assert interpolate(x, **options).shape == (*x.shape[:2], *sizes)
