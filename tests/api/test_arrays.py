"""`resize` and `resize_file`: the command's options for plain arrays and single files."""

import numpy as np
import pytest

import upsample_cli
from upsample_cli import interpolate, resize, resize_file
from upsample_cli.errors import InputError, OutputError

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((7,), {"scale": 2}, (14,)),
        ((6, 8), {"scale": "50%"}, (3, 4)),
        ((6, 8, 3), {"scale": 2}, (12, 16, 3)),
        ((6, 8, 4), {"scale": 2}, (12, 16, 4)),
        ((6, 8, 5), {"scale": 2}, (12, 16, 10)),
        ((6, 8, 3), {"scale": 2, "axes": "zyx"}, (12, 16, 6)),
        ((2, 6, 8), {"scale": 2, "axes": "cyx"}, (2, 12, 16)),
        ((6, 8), {"size": (5, 9)}, (5, 9)),
        ((6, 8), {"size": "9x5"}, (5, 9)),
        ((4, 6, 8), {"size": (1, 2, 3)}, (1, 2, 3)),
        ((4, 6, 8), {"fit": 4}, (4, 3, 4)),
        ((4, 6, 8), {"cover": (3, 3)}, (4, 3, 3)),
        ((4, 6, 8), {"scale": {"z": 2}}, (8, 6, 8)),
        ((6, 8), {"width": 4}, (3, 4)),
        ((6, 8), {"width": 4, "height": 4}, (4, 4)),
        ((6, 8), {"fit": 100, "only_shrink": True}, (6, 8)),
    ],
)
def test_shapes(shape, options, expected):
    assert resize(np.zeros(shape), **options).shape == expected


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_it_is_interpolate_for_images_without_n_and_c(dtype, mode):
    image = RANDOM.integers(0, 255, (11, 13, 3)).astype(dtype)
    expected = interpolate(np.moveaxis(image, -1, 0)[None], size=(17, 29), mode=mode)[0]
    out = resize(image, size=(17, 29), mode=mode)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, np.moveaxis(expected, 0, -1), rtol=1e-6)


def test_cover_is_the_centre_of_the_whole():
    image = RANDOM.random((30, 60))
    for mode in ("linear", "nearest", "area", "cubic", "nearest-exact"):
        whole = resize(image, size=(20, 40), mode=mode)
        np.testing.assert_allclose(resize(image, cover=(20, 20), mode=mode), whole[:, 10:30], rtol=1e-12)
    np.testing.assert_array_equal(resize(image, cover=(30, 30)), image[:, 15:45])


def test_input_is_not_modified_and_any_layout_will_do():
    image = np.asfortranarray(RANDOM.random((5, 6)))[::-1]
    before = image.copy()
    out = resize(image, 2)
    assert out.flags.c_contiguous
    assert np.array_equal(image, before)
    assert np.array_equal(out, resize(np.ascontiguousarray(image), 2))


def test_alpha_weights_colours():
    image = np.array([[[255, 0, 0, 255], [0, 255, 0, 0]]], np.uint8)
    assert resize(image, {"x": 2}, alpha=True)[0, 1].tolist()[:3] == [255, 0, 0]
    assert resize(image, {"x": 2})[0, 1].tolist()[:3] == [191, 64, 0]


def test_conversion():
    out = resize(np.array([[0, 65535]], np.uint16), 1, dtype="uint8", rescale=True)
    assert (out.dtype, out.tolist()) == (np.uint8, [[0, 255]])
    assert resize(np.full((2, 2, 4), 255, np.uint8), 2, alpha=True, background="white").shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("shape", "options", "error", "says"),
    [
        ((3, 4), {}, ValueError, "give exactly one of"),
        ((3, 4), {"scale": 2, "size": 3}, ValueError, "got --scale and --size"),
        ((3, 4), {"scale": (2, 2, 2)}, ValueError, "3 numbers"),
        ((3, 4), {"spacing": 1}, ValueError, "no spacing"),
        ((3, 4), {"scale": 2, "axes": "zyx"}, ValueError, "names 3 axes, but the array has 2"),
        ((1,) * 6, {"scale": 2}, ValueError, "an array of 6 axes needs their names"),
        ((), {"scale": 2}, ValueError, "an array of 0 axes needs their names"),
        ((3, 4), {"scale": 2, "mode": "mitchell"}, ValueError, "unknown mode"),
        ((3, 4), {"scale": 2, "nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_refusals(shape, options, error, says):
    with pytest.raises(error, match=says):
        resize(np.zeros(shape), **options)


def test_interpolate_names_resize_for_arrays_without_n_and_c():
    with pytest.raises(ValueError, match=r"use resize\(\)"):
        interpolate(np.zeros((5, 6, 3)), size=(7, 8))


@pytest.mark.parametrize("call", [lambda x: resize(x, 2), lambda x: interpolate(x[None, None], size=3)])
def test_masks_are_not_lost(call):
    with pytest.raises(TypeError, match="masked arrays are not supported"):
        call(np.ma.masked_equal(np.eye(4), 0))


def test_one_file(tmp_path):
    np.save(tmp_path / "in.npy", np.arange(12.0).reshape(3, 4))
    result = resize_file(tmp_path / "in.npy", tmp_path / "new" / "out.npy", scale=2)
    assert (result.status, result.after.grid.shape) == ("done", (6, 8))
    assert np.load(tmp_path / "new" / "out.npy").shape == (6, 8)
    with pytest.raises(OutputError, match="exists"):
        resize_file(tmp_path / "in.npy", tmp_path / "new" / "out.npy", scale=2)
    assert resize_file(tmp_path / "in.npy", tmp_path / "plan.npy", size="50%", dry_run=True).status == "planned"
    assert not (tmp_path / "plan.npy").exists()
    with pytest.raises(InputError, match="does not exist"):
        resize_file(tmp_path / "none.npy", scale=2)


def test_public_names_are_listed_and_say_what_they_do():
    names = set(dir(upsample_cli))
    assert set(upsample_cli.__all__) <= names
    assert not names & {"Any", "TYPE_CHECKING", "annotations", "import_module"}
    assert callable(upsample_cli.resize)
    for name in upsample_cli.__all__:
        assert name == "__version__" or getattr(upsample_cli, name).__doc__
