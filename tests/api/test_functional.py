import dataclasses
import inspect
import subprocess
import sys

import numpy as np
import pytest

import upsample_cli
from tests.oracles import cases, reference
from tests.oracles.compare import assert_close, assert_same_bits
from upsample_cli import Upsample, UpsampleOptions, interpolate, upsample, upsample_vjp

LINE = np.arange(6.0).reshape(1, 2, 3)
PICTURE = cases.noise((1, 2, 3, 4), "float64")
VOLUME = cases.noise((2, 1, 3, 4, 5), "float32")


def test_upsample_is_the_same_function():
    assert upsample is interpolate
    assert upsample_cli.interpolate is interpolate


def test_the_public_names_are_all_there_and_no_others():
    for name in upsample_cli.__all__:
        assert getattr(upsample_cli, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = upsample_cli.no_such_name


def test_importing_the_package_does_not_import_numpy():
    code = "import sys, upsample_cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_positional_and_named_arguments_are_torchs():
    named = interpolate(input=PICTURE, size=(6, 5), mode="bilinear", align_corners=True)
    assert_same_bits(interpolate(PICTURE, (6, 5), None, "bilinear", True), named)
    assert_same_bits(interpolate(PICTURE, None, 2, "nearest"), interpolate(PICTURE, scale_factor=2.0, mode="nearest"))


@pytest.mark.parametrize("x", [LINE, PICTURE, VOLUME], ids=lambda x: f"{x.ndim}-D")
def test_one_number_stands_for_every_axis(x):
    spatial = x.ndim - 2
    assert_same_bits(interpolate(x, size=7), interpolate(x, size=(7,) * spatial))
    assert_same_bits(interpolate(x, scale_factor=1.7), interpolate(x, scale_factor=[1.7] * spatial))


@pytest.mark.parametrize("size", [(6, 5), [6, 5], np.array([6, 5]), (np.int64(6), np.uint8(5))], ids=repr)
def test_sizes_may_be_any_integers_in_any_sequence(size):
    assert interpolate(PICTURE, size=size).shape == (1, 2, 6, 5)


@pytest.mark.parametrize("factor", [2, 2.0, (2, 2), np.float32(2), np.array([2, 2])], ids=repr)
def test_factors_may_be_any_numbers_in_any_sequence(factor):
    assert_same_bits(interpolate(PICTURE, scale_factor=factor), interpolate(PICTURE, size=(6, 8)))


@pytest.mark.parametrize(
    ("n", "factor", "size"), [(3, 1.3, 3), (10, 1.7, 17), (11, 0.6, 6), (3, 2.1, 6), (10, 1.1, 11)]
)
def test_the_size_is_the_floor_of_the_scaled_size(n, factor, size):
    assert interpolate(np.zeros((1, 1, n)), scale_factor=factor).shape == (1, 1, size)


def test_recompute_scale_factor_samples_at_the_ratio_of_the_sizes():
    x = cases.noise((1, 1, 10), "float64")
    assert_close(interpolate(x, scale_factor=1.75), reference.linear(x, {2: 17}, {2: 1.75}))
    assert_close(
        interpolate(x, scale_factor=1.75, recompute_scale_factor=False), reference.linear(x, {2: 17}, {2: 1.75})
    )
    assert_same_bits(interpolate(x, scale_factor=1.75, recompute_scale_factor=True), interpolate(x, size=17))


@pytest.mark.parametrize(("x", "mode"), [(LINE, "linear"), (PICTURE, "bilinear"), (VOLUME, "trilinear")])
def test_no_mode_means_the_linear_one(x, mode):
    actual = interpolate(x, size=7)
    assert_same_bits(actual, interpolate(x, size=7, mode=mode))
    assert_close(actual, reference.linear(x, dict.fromkeys(range(2, x.ndim), 7)))


def test_false_is_the_default_of_align_corners():
    assert_same_bits(interpolate(PICTURE, size=9, align_corners=False), interpolate(PICTURE, size=9))
    assert not np.array_equal(interpolate(PICTURE, size=9, align_corners=True), interpolate(PICTURE, size=9))


@pytest.mark.parametrize(
    "options",
    [
        {"size": 5},
        {"scale_factor": 1.7, "recompute_scale_factor": True},
        {"scale_factor": (2, 3), "mode": "nearest"},
        {"size": (5, 9), "mode": "bilinear", "align_corners": True},
    ],
    ids=str,
)
def test_upsample_objects_do_what_interpolate_does(options):
    assert_same_bits(Upsample(**options)(PICTURE), interpolate(PICTURE, **options))


def test_upsample_objects_hold_their_options():
    module = Upsample(None, 2, mode="nearest")
    assert module.options == UpsampleOptions(scale_factor=2, mode="nearest")
    assert repr(module).startswith("Upsample(UpsampleOptions(")
    assert_same_bits(module(LINE), upsample(LINE, module.options))
    assert_same_bits(Upsample(module.options)(LINE), module(LINE))
    with pytest.raises(AttributeError):
        module.options.scale_factor = 3
    with pytest.raises(ValueError, match="takes the place of all other arguments"):
        upsample(LINE, module.options, mode="linear")


# The forms in which users of torch.nn.functional.interpolate, .upsample and torch.nn.Upsample write their calls, with
# the options that each of them means.
CALL_FORMS = {
    "size by position": (((6, 8),), {}, UpsampleOptions(size=(6, 8))),
    "one size by position": ((6,), {}, UpsampleOptions(size=6)),
    "size by name": ((), {"size": [6, 8]}, UpsampleOptions(size=[6, 8])),
    "factor by position": ((None, 2), {}, UpsampleOptions(scale_factor=2)),
    "factor and mode by position": ((None, 2.0, "nearest"), {}, UpsampleOptions(scale_factor=2.0, mode="nearest")),
    "factor by name": ((), {"scale_factor": 1.5, "mode": "bicubic"}, UpsampleOptions(None, 1.5, "bicubic")),
    "size and mode by position": (((6, 8), None, "area"), {}, UpsampleOptions(size=(6, 8), mode="area")),
    "corners by position": ((6, None, "bilinear", True), {}, UpsampleOptions(6, None, "bilinear", True)),
    "corners by name": (
        (),
        {"size": 6, "mode": "bicubic", "align_corners": True},
        UpsampleOptions(size=6, mode="bicubic", align_corners=True),
    ),
    "recompute by position": (
        (None, 1.3, "bilinear", False, True),
        {},
        UpsampleOptions(None, 1.3, "bilinear", False, True),
    ),
    "recompute by name": (
        (None, (1.3, 1.7)),
        {"recompute_scale_factor": True},
        UpsampleOptions(scale_factor=(1.3, 1.7), recompute_scale_factor=True),
    ),
    "antialias by position": (
        (None, 0.5, "bilinear", None, None, True),
        {},
        UpsampleOptions(None, 0.5, "bilinear", None, None, True),
    ),
    "antialias by name": (
        (),
        {"scale_factor": 0.5, "mode": "lanczos", "antialias": True},
        UpsampleOptions(scale_factor=0.5, mode="lanczos", antialias=True),
    ),
}


@pytest.mark.parametrize("form", CALL_FORMS)
def test_every_form_of_a_call_means_the_same(form):
    positional, named, options = CALL_FORMS[form]
    expected = interpolate(PICTURE, **dataclasses.asdict(options))
    for answer in (
        interpolate(PICTURE, *positional, **named),
        upsample(PICTURE, *positional, **named),
        Upsample(*positional, **named)(PICTURE),
        interpolate(input=PICTURE, **dataclasses.asdict(options)),
        interpolate(PICTURE, options),
        interpolate(PICTURE, size=options),
        Upsample(options)(PICTURE),
        upsample_vjp(PICTURE, *positional, **named)[0],
        upsample_vjp(PICTURE, options)[0],
    ):
        assert_same_bits(answer, expected)
    assert Upsample(*positional, **named).options == options


@pytest.mark.parametrize("form", CALL_FORMS)
def test_every_form_of_a_call_is_one_of_torchs(form):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    positional, named, options = CALL_FORMS[form]
    if options.mode is None:  # nearest there, and linear here
        named = named | {"mode": "bilinear"}
    expected = torch.nn.functional.interpolate(torch.from_numpy(PICTURE), *positional, **named).numpy()
    assert_close(interpolate(PICTURE, *positional, **named), expected)
    if not options.antialias:  # which torch.nn.Upsample has not got
        assert_close(
            Upsample(*positional, **named)(PICTURE),
            torch.nn.Upsample(*positional, **named)(torch.from_numpy(PICTURE)).numpy(),
        )


def test_the_arguments_are_torchs_in_its_order():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = list(inspect.signature(torch.nn.functional.interpolate).parameters)
    assert list(inspect.signature(interpolate).parameters) == theirs
    assert [field.name for field in dataclasses.fields(UpsampleOptions)] == theirs[1:]
    module = [name for name in inspect.signature(torch.nn.Upsample.__init__).parameters if name != "self"]
    assert list(inspect.signature(Upsample).parameters)[: len(module)] == module


def test_options_are_frozen_and_equal_by_value():
    options = UpsampleOptions(scale_factor=2, mode="nearest")
    assert options == UpsampleOptions(None, 2, "nearest")
    assert hash(options) == hash(UpsampleOptions(None, 2, "nearest"))
    assert dataclasses.replace(options, scale_factor=3) == UpsampleOptions(scale_factor=3, mode="nearest")
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.mode = "area"


@pytest.mark.parametrize(
    "further",
    [
        {"scale_factor": 2},
        {"mode": "nearest"},
        {"align_corners": False},
        {"recompute_scale_factor": False},
        {"antialias": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("function", [lambda *a, **k: interpolate(LINE, *a, **k), Upsample], ids=["call", "object"])
def test_options_and_further_arguments_contradict_each_other(function, further):
    with pytest.raises(ValueError, match="takes the place of all other arguments"):
        function(UpsampleOptions(size=4), **further)


def test_lists_are_arrays():
    np.testing.assert_array_equal(interpolate([[[0.0, 4.0]]], size=4), [[[0, 1, 3, 4]]])


def test_the_answer_is_new_writable_and_contiguous():
    for options in ({"size": 4}, {"size": (3, 4)}, {"scale_factor": 1.0, "mode": "nearest"}):
        x = np.asfortranarray(PICTURE)
        y = interpolate(x, **options)
        assert y.flags.c_contiguous
        assert y.flags.writeable
        assert not np.shares_memory(x, y)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (0, 0, 4, 4)])
def test_empty_batches_and_channels_are_resized_too(shape):
    assert interpolate(np.zeros(shape, "f4"), size=7).shape == (*shape[:2], *(7,) * (len(shape) - 2))


def _refusal(kind, message, x=PICTURE, marks=(), **options):
    words = [f"{name}={value!r}" for name, value in options.items()]
    return pytest.param(x, options, kind, message, id=f"{np.ndim(x)}-D {' '.join(words)}", marks=marks)


REFUSALS = [
    _refusal(ValueError, r"either size or scale_factor must be given, got neither"),
    _refusal(ValueError, r"either size or scale_factor must be given, got both", size=4, scale_factor=2),
    _refusal(ValueError, r"size must be one number or one for each of the 2 spatial axes, got \(4,\)", size=(4,)),
    _refusal(ValueError, r"size must be one number .* 2 spatial axes, got \(4, 4, 4\)", size=(4, 4, 4)),
    _refusal(ValueError, r"scale_factor must be one number .* 2 spatial axes, got \(2\.0,\)", scale_factor=[2.0]),
    _refusal(ValueError, r"scale_factor must be one number .* 3 spatial axes", VOLUME, scale_factor=(2, 2)),
    _refusal(ValueError, r"positive finite number, got nan", scale_factor=float("nan")),
    _refusal(ValueError, r"positive finite number, got inf", scale_factor=(1, float("inf"))),
    _refusal(ValueError, r"positive finite number, got -2", scale_factor=-2),
    _refusal(ValueError, r"positive finite number, got 0", scale_factor=(2, 0)),
    _refusal(ValueError, r"a scale factor of 0\.3 on an axis of 3 leaves no sample", scale_factor=0.3),
    _refusal(
        ValueError,
        r"an array of shape \(1, 2, 3\d*, 4\d*\) cannot be addressed",
        scale_factor=1e300,
    ),
    _refusal(ValueError, r"sizes must be positive, got \(3, 4\) → \(0, 5\)", size=(0, 5)),
    _refusal(ValueError, r"sizes must be positive, got \(3, 4\) → \(-1, -1\)", size=-1),
    _refusal(ValueError, r"sizes must be positive, got \(0,\) → \(5,\)", np.zeros((1, 1, 0)), size=5),
    _refusal(TypeError, r"sizes must be integers, got 4\.0", size=4.0),
    _refusal(TypeError, r"sizes must be integers, got \(4, 4\.5\)", size=(4, 4.5)),
    _refusal(
        ValueError, r"recompute_scale_factor has no effect with an explicit size", size=4, recompute_scale_factor=True
    ),
    _refusal(ValueError, r"unknown mode 'hamming'; choose from .*linear.*nearest-exact", size=4, mode="hamming"),
    _refusal(ValueError, r"unknown mode ''", size=4, mode=""),
    _refusal(
        ValueError, r"mode 'nearest' has no antialiasing; use one of linear, ", size=4, mode="nearest", antialias=True
    ),
    _refusal(ValueError, r"mode 'linear' is for 1 axis, not for 2; use 'bilinear'", size=4, mode="linear"),
    _refusal(ValueError, r"mode 'linear' is for 1 axis, not for 3; use 'trilinear'", VOLUME, size=4, mode="linear"),
    _refusal(ValueError, r"'bilinear' is for 2 axes, not for 1; use 'linear'", LINE, size=4, mode="bilinear"),
    _refusal(ValueError, r"'bilinear' is for 2 axes, not for 3; use 'trilinear'", VOLUME, size=4, mode="bilinear"),
    _refusal(ValueError, r"'trilinear' is for 3 axes, not for 2; use 'bilinear'", size=4, mode="trilinear"),
    _refusal(ValueError, r"shape \(N, C, spatial…\) .* got \(3, 4\)", np.zeros((3, 4)), size=4),
    _refusal(ValueError, r"shape \(N, C, spatial…\) .* got \(\)", np.float64(3), size=4),
    _refusal(ValueError, r"shape .* got \(1, 1, 2, 2, 2, 2\)", np.zeros((1, 1, 2, 2, 2, 2)), size=4),
    _refusal(TypeError, r"samples of dtype .* cannot be interpolated", np.array([[["a", "b"]]]), size=4),
    _refusal(TypeError, r"samples of dtype object cannot", np.array([[[1, None]]]), size=4),
    _refusal(TypeError, r"samples of dtype datetime64.* cannot", np.zeros((1, 1, 3), "M8[s]"), size=4, mode="nearest"),
    *(
        _refusal(ValueError, rf"align_corners has no effect in mode '{mode}'", size=4, mode=mode, align_corners=value)
        for mode in ("nearest", "nearest-exact")
        for value in (True, False)
    ),
]


@pytest.mark.parametrize(("x", "options", "kind", "message"), REFUSALS)
def test_contradictions_are_refused_with_a_reason(x, options, kind, message):
    with pytest.raises(kind, match=message) as refusal:
        interpolate(x, **options)
    assert type(refusal.value) is kind


@pytest.mark.parametrize(
    ("x", "mode"),
    [
        (LINE, "bilinear"),
        (LINE, "trilinear"),
        (PICTURE, "linear"),
        (VOLUME, "linear"),
        (PICTURE, "trilinear"),
        (VOLUME, "bilinear"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.ndim}-D",
)
def test_every_mode_that_a_refusal_names_is_accepted(x, mode):
    with pytest.raises(ValueError, match="use ") as refusal:
        interpolate(x, size=4, mode=mode)
    for named in str(refusal.value).rpartition("use ")[2].split(" or "):
        assert interpolate(x, size=4, mode=named.strip("'")).shape == (*x.shape[:2], *(4,) * (x.ndim - 2))


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
@pytest.mark.parametrize("mode", [None, "nearest", "bicubic"])
@pytest.mark.parametrize("channels", [2, 3, 300])
def test_channels_that_lie_last_in_memory_stay_last(channels, mode, dtype):
    x = (np.random.default_rng(0).random((2, channels, 7, 9)) * 200).astype(dtype)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    y, z = interpolate(x, size=(13, 20), mode=mode), interpolate(last, size=(13, 20), mode=mode)
    assert y.flags.c_contiguous
    assert np.moveaxis(z, 1, -1).flags.c_contiguous
    np.testing.assert_array_equal(z, y)


def test_the_gradient_of_channels_that_lie_last_does_too():
    x = np.moveaxis(np.random.default_rng(0).random((2, 7, 9, 3)), -1, 1)
    y, pullback = upsample_vjp(x, scale_factor=2)
    gradient = pullback(y)
    assert np.moveaxis(gradient, 1, -1).flags.c_contiguous
    np.testing.assert_array_equal(gradient, pullback(np.ascontiguousarray(y)))
