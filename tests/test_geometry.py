import numpy as np
import pytest

from upsample_cli.core.sampling import AxisMap
from upsample_cli.geometry import Axis, Grid

TWICE = AxisMap(4, 8, 0.5)
THIRDS = AxisMap(6, 2, 3.0)
CORNERS = AxisMap(5, 9, 0.5, align_corners=True)


@pytest.mark.parametrize(
    ("axis", "axis_map", "expected"),
    [
        (Axis("x", 4), TWICE, Axis("x", 8)),
        (Axis("x", 4, 2.0, "mm"), TWICE, Axis("x", 8, 1.0, "mm", -0.5)),
        (Axis("y", 6, 0.5, "µm"), THIRDS, Axis("y", 2, 1.5, "µm", 0.5)),
        (Axis("z", 5, 3.0, "mm"), CORNERS, Axis("z", 9, 1.5, "mm", 0.0)),
        (Axis("t", 4, 2.0, "s", 10.0), TWICE, Axis("t", 8, 1.0, "s", 9.5)),
        (Axis("t", 5, 2.0, "s", 10.0), CORNERS, Axis("t", 9, 1.0, "s", 10.0)),
        (Axis("c", 4), TWICE, Axis("c", 8)),
    ],
)
def test_an_axis_moves_with_its_samples(axis, axis_map, expected):
    assert axis.resampled(axis_map) == expected


def test_only_mapped_axes_move():
    grid = Grid((Axis("t", 3, 2.0, "s"), Axis("z", 4, 5.0, "mm"), Axis("y", 6, 0.5), Axis("x", 5)))
    moved = grid.resampled({"z": TWICE, "x": CORNERS})
    assert moved == Grid((Axis("t", 3, 2.0, "s"), Axis("z", 8, 2.5, "mm", -1.25), Axis("y", 6, 0.5), Axis("x", 9)))
    assert grid.resampled({}) == grid


# Worked out by hand: the first of twice as many samples lies a quarter of a voxel before the first of the old ones.
@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ({"x": TWICE}, [[1, 0, 0, 9.5], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]]),
        ({"y": TWICE}, [[2, 0, 0, 10], [0, 1.5, 0, 19.25], [0, 0, 4, 30], [0, 0, 0, 1]]),
        ({"z": TWICE}, [[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 2, 29], [0, 0, 0, 1]]),
        ({"x": THIRDS}, [[6, 0, 0, 12], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]]),
        ({"z": CORNERS}, [[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1]]),
        ({"x": TWICE, "z": THIRDS}, [[1, 0, 0, 9.5], [0, 3, 0, 20], [0, 0, 12, 34], [0, 0, 0, 1]]),
        ({"t": TWICE}, [[2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]]),
    ],
)
def test_an_affine_moves_with_the_samples(maps, expected):
    old = np.array([[2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]])
    axes = tuple(Axis(name, 6) for name in "tzyx")
    moved = Grid(axes, {"sform": old, "qform": -old}).resampled(maps)
    np.testing.assert_array_equal(moved.affines["sform"], expected)
    np.testing.assert_array_equal(moved.affines["qform"], -np.array(expected))


def test_columns_of_an_affine_are_directions_of_axes():
    """Twice the samples along x, which points along the world's third axis, and half of them along z."""
    old = np.array([[0.0, 0, 2, 1], [3, 0, 0, 2], [0, 4, 0, 3], [0, 0, 0, 1]])
    moved = Grid(tuple(Axis(name, 4) for name in "zyx"), {"sform": old}).resampled(
        {"x": TWICE, "z": AxisMap(4, 2, 2.0)}
    )
    np.testing.assert_array_equal(moved.affines["sform"], [[0, 0, 4, 2], [1.5, 0, 0, 1.25], [0, 4, 0, 3], [0, 0, 0, 1]])


def test_a_grid_answers_by_name():
    grid = Grid((Axis("c", 2), Axis("z", 4), Axis("x", 5), Axis("s", 3)))
    assert grid.shape == (2, 4, 5, 3)
    assert grid.names == ("c", "z", "x", "s")
    assert grid.spatial == ("x", "z")
    assert grid["z"] == Axis("z", 4)
    with pytest.raises(KeyError):
        grid["y"]


def test_a_smaller_version_covers_the_same_extent():
    grid = Grid((Axis("z", 7, 2.0), Axis("y", 10, 3.0, "mm"), Axis("x", 9)), {"scanner": np.diag([4.0, 3.0, 2.0, 1.0])})
    level = grid.resized((7, 5, 3))
    assert [axis.spacing for axis in level.axes] == [2.0, 6.0, None]
    assert level.shape == (7, 5, 3)
    corner, pixel = np.array([-0.5, -0.5, -0.5, 1]), np.array([2.5, 4.5, 6.5, 1])
    np.testing.assert_allclose(level.affines["scanner"] @ corner, grid.affines["scanner"] @ corner)
    np.testing.assert_allclose(level.affines["scanner"] @ pixel, grid.affines["scanner"] @ [8.5, 9.5, 6.5, 1])
