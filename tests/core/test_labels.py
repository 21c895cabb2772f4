"""Mode ``label``: the greatest indicator wins, whatever the tiles, and no label is new."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tests.pipeline_helpers import upsampled
from upsample_cli import interpolate
from upsample_cli.core import labels as labels_module
from upsample_cli.core import resample as resample_module
from upsample_cli.core.labels import TIE
from upsample_cli.errors import InputError

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
FACTORS = (2, 3, 1.7, 0.6, 5)


def elected(labels, interpolated):
    """The definition, with the whole indicator of every label in float64."""
    votes = [interpolated((labels == label).astype(np.float64)) for label in np.unique(labels)]
    winner = np.zeros(votes[0].shape, int)
    most = np.zeros(votes[0].shape)
    for number, vote in enumerate(votes):
        better = vote > most + TIE
        winner[better], most[better] = number, vote[better]
    return np.unique(labels)[winner]


def random_labels(shape, dtype="int16", count=6):
    rng = np.random.default_rng(sum(shape))
    coarse = rng.integers(0, count, shape) * 7 - (0 if np.dtype(dtype).kind in "ub" else 20)
    return np.where(rng.random(shape) < 0.3, coarse, np.sort(coarse, axis=-1)).astype(dtype)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("shape", [(1, 1, 9), (1, 2, 13, 17), (2, 1, 7, 9, 11)], ids=str)
def test_the_greatest_indicator_wins(shape, factor, antialias):
    labels = random_labels(shape)
    how = {"scale_factor": factor, "antialias": antialias}
    linear = LINEAR[len(shape) - 2]
    expected = elected(labels, lambda x: interpolate(x, mode=linear, **how))
    found = interpolate(labels, mode="label", **how)
    assert found.dtype == labels.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "dtype", ["bool", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), ">i2", ">u4"], ids=str
)
def test_every_integer_type_names_labels(dtype):
    labels = random_labels((1, 1, 8, 9), dtype)
    expected = elected(labels, lambda x: interpolate(x, scale_factor=2))
    np.testing.assert_array_equal(interpolate(labels, scale_factor=2, mode="label"), expected)


@pytest.mark.parametrize("big", [2**62 + 1, 2**64 - 1])
def test_labels_beyond_the_precision_of_floats_stay_apart(big):
    labels = np.array([[[big, big - 1, big]]], np.uint64)
    np.testing.assert_array_equal(interpolate(labels, scale_factor=3, mode="label")[0, 0], np.repeat(labels[0, 0], 3))


def test_ties_go_to_the_lower_label():
    middle = {"size": 3, "align_corners": True, "mode": "label"}
    assert interpolate(np.array([[[5, 2]]]), **middle).tolist() == [[[5, 2, 2]]]
    assert interpolate(np.array([[[2, 5]]]), **middle).tolist() == [[[2, 2, 5]]]
    assert interpolate(np.array([[[-3, 0]]]), **middle).tolist() == [[[-3, -3, 0]]]
    cross = np.array([[[[1, 2], [3, 4]]]])
    assert interpolate(cross, size=(3, 3), align_corners=True, mode="label")[0, 0].tolist() == [
        [1, 1, 2],
        [1, 1, 2],
        [3, 3, 4],
    ]


def test_boundaries_are_smooth_where_nearest_makes_steps():
    """The edge of a disc of label 1, three times as large, is nearer to the disc that it stands for."""
    y, x = np.mgrid[:24, :24]
    disc = (np.hypot(y - 11.5, x - 11.5) < 8).astype(np.uint8)
    y, x = (np.mgrid[:72, :72] + 0.5) / 3 - 0.5
    truth = np.hypot(y - 11.5, x - 11.5) < 8
    wrong = {
        m: (interpolate(disc[None, None], scale_factor=3, mode=m)[0, 0] != truth).sum() for m in ("nearest", "label")
    }
    assert wrong["label"] <= 0.8 * wrong["nearest"]


@pytest.mark.parametrize("tile", [64, 1000, 1 << 14])
@pytest.mark.parametrize("shape", [(1, 2, 20, 25), (1, 1, 5, 10, 11)], ids=str)
def test_tiles_change_nothing(monkeypatch, shape, tile):
    labels = random_labels(shape, count=40)
    whole = interpolate(labels, scale_factor=1.7, mode="label")
    monkeypatch.setattr(resample_module, "TILE_BYTES", tile)
    monkeypatch.setattr(resample_module, "_MIN_ROW_ELEMENTS", 8)
    np.testing.assert_array_equal(interpolate(labels, scale_factor=1.7, mode="label"), whole)


@given(
    labels=hnp.arrays(np.int16, hnp.array_shapes(min_dims=4, max_dims=4, max_side=7), elements=st.integers(-3, 3)),
    factor=st.floats(0.3, 4),
    antialias=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_no_label_is_new_and_a_lonely_one_stays(labels, factor, antialias):
    if min(labels.shape[2:]) * factor < 1:
        return
    found = interpolate(labels, scale_factor=factor, mode="label", antialias=antialias)
    assert set(np.unique(found)) <= set(np.unique(labels))
    if len(np.unique(labels)) == 1:
        assert (found == labels.flat[0]).all()


def test_thousands_of_labels_cost_no_memory_of_their_own():
    labels = np.arange(64 * 64, dtype=np.int32).reshape(1, 1, 64, 64)
    np.testing.assert_array_equal(
        interpolate(labels, scale_factor=3, mode="label"), interpolate(labels, scale_factor=3, mode="nearest-exact")
    )


def test_what_is_no_integer_is_refused():
    with pytest.raises(TypeError, match="labels must be integers"):
        interpolate(np.ones((1, 1, 4)), scale_factor=2, mode="label")


@pytest.mark.parametrize("kernel", ["linear", "cubic"])
@pytest.mark.parametrize("shape", [(20, 30), (9, 10, 11)], ids=str)
def test_the_kernel_is_the_users_choice(tmp_path, shape, kernel):
    labels = random_labels(shape)
    np.save(tmp_path / "in.npy", labels)
    upsampled(tmp_path / "in.npy", tmp_path / "out.npy", scale=2, mode="label", label_kernel=kernel)
    mode = kernel if kernel == "cubic" else LINEAR[len(shape)]
    expected = elected(labels, lambda x: interpolate(x[None, None], scale_factor=2, mode=mode)[0, 0])
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_colours_are_no_labels(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "in.png")
    with pytest.raises(InputError, match="RGB colours, not labels"):
        upsampled(tmp_path / "in.png", tmp_path / "out.png", scale=2, mode="label")


def test_a_palette_names_labels(tmp_path):
    image = Image.new("P", (14, 12))
    image.putdata(random_labels((12, 14), "uint8").ravel().tolist())
    image.putpalette(list(range(256)) * 3)
    image.save(tmp_path / "in.png")
    upsampled(tmp_path / "in.png", tmp_path / "out.png", scale=2, mode="label")
    with Image.open(tmp_path / "in.png") as before, Image.open(tmp_path / "out.png") as after:
        assert after.mode == "P"
        expected = interpolate(np.asarray(before)[None, None], scale_factor=2, mode="label")[0, 0]
        np.testing.assert_array_equal(np.asarray(after), expected)


def test_somebody_always_wins(monkeypatch):
    """Where no label has a vote to speak of, as where thousands meet, it is the lowest and not what lay in memory."""
    monkeypatch.setattr(labels_module, "TIE", 2.0)
    found = interpolate(np.array([[[5, 3, 9]]]), scale_factor=2, mode="label")
    assert found.tolist() == [[[3, 3, 3, 3, 3, 9]]]  # the lowest of those whose indicator reaches there
