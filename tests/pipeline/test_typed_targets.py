"""Targets as people write them: per cent, fractions, one side, units, boxes, crops and equal spacings."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline_helpers import upsampled, whole
from upsample_cli.core.axis_plan import AxisTarget
from upsample_cli.errors import RequestError
from upsample_cli.geometry import Axis, Grid
from upsample_cli.pipeline.mode_names import canonical_mode
from upsample_cli.pipeline.per_axis import PerAxis, parse_sides, parse_size
from upsample_cli.pipeline.request import Request
from upsample_cli.pipeline.targets import find_targets

STACK = Grid((Axis("z", 10, 2.0, "µm"), Axis("y", 20, 0.5, "µm"), Axis("x", 30, 0.25, "µm")))
PICTURE = Grid((Axis("y", 300), Axis("x", 450), Axis("s", 3)))


def sizes(grid, **options):
    return {name: target.size for name, target in find_targets(Request(**options), grid, Path("in")).items()}


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("50%", Fraction(1, 2)),
        ("2x", 2),
        ("2.5×", 2.5),
        ("1/3", Fraction(1, 3)),
        ("120/88", Fraction(15, 11)),
        ("3", 3),
    ],
)
def test_factors(text, factor):
    assert PerAxis.parse(text, "--scale").positional == (factor,)
    assert PerAxis.parse(f"x={text}", "--scale").named == {"x": factor}


@pytest.mark.parametrize("text", ["%", "0%", "-50%", "1/0", "1/", "/2", "1/2/3", "50%%", "x", "2xx"])
def test_factors_that_are_none(text):
    with pytest.raises(RequestError, match=r"^--scale "):
        PerAxis.parse(text, "--scale")


def test_a_fraction_costs_no_sample():
    """88 × (120/88) is 119.99… in floating-point arithmetic for some sizes."""
    for size in range(1, 400):
        grid = Grid((Axis("x", size),))
        for wanted in (1, 7, 120, 333):
            assert sizes(grid, scale=PerAxis.parse(f"{wanted}/{size}", "--scale")) == {"x": wanted}


def test_percent_of_the_size_is_a_factor():
    kind, numbers = parse_size("50%")
    assert sizes(PICTURE, **{kind: numbers}) == {"x": 225, "y": 150}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (parse_size("800x")[1], {"x": 800, "y": 533}),
        (parse_size("x600")[1], {"x": 900, "y": 600}),
        (parse_sides("800", None), {"x": 800, "y": 533}),
        (parse_sides(None, "600"), {"x": 900, "y": 600}),
        (parse_sides("800", "600"), {"x": 800, "y": 600}),
        (parse_size("7x5")[1], {"x": 7, "y": 5}),
    ],
)
def test_one_side_and_both(numbers, expected):
    assert sizes(PICTURE, size=numbers) == expected


def test_one_side_of_a_stack_leaves_z_alone():
    assert sizes(STACK, size=parse_sides("60", None)) == {"x": 60, "y": 40}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250nm", {"x": 30, "y": 40, "z": 80}),
        ("0.25um", {"x": 30, "y": 40, "z": 80}),
        ("0.25µm", {"x": 30, "y": 40, "z": 80}),
        ("0.00025mm", {"x": 30, "y": 40, "z": 80}),
        ("z=1um", {"z": 20}),
    ],
)
def test_spacing_in_a_unit(text, expected):
    assert sizes(STACK, spacing=PerAxis.parse(text, "--spacing")) == expected


@pytest.mark.parametrize(
    ("text", "says"), [("1parsec", "'parsec' is not a unit of length"), ("1mm,1um,1um", "all numbers in the same unit")]
)
def test_units_that_are_none(text, says):
    with pytest.raises(RequestError, match=says):
        PerAxis.parse(text, "--spacing")


def test_a_unit_needs_a_file_that_has_one():
    grid = Grid((Axis("y", 4, 1.0), Axis("x", 4, 1.0)))
    with pytest.raises(RequestError, match="axis x has no unit; write the number alone"):
        sizes(grid, spacing=PerAxis.parse("1mm", "--spacing"))


def test_equal_spacings():
    assert sizes(STACK, isotropic="finest") == {"x": 30, "y": 40, "z": 80}
    assert sizes(STACK, isotropic="coarsest") == {"x": 4, "y": 5, "z": 10}
    mixed = Grid((Axis("z", 10, 2.0, "µm"), Axis("y", 20, 500.0, "nm"), Axis("x", 30, 0.25, "µm")))
    assert sizes(mixed, isotropic="finest") == {"x": 30, "y": 40, "z": 80}
    with pytest.raises(RequestError, match="no spacing for axis x"):
        sizes(PICTURE, isotropic="finest")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fit": "900"}, {"x": 450, "y": 300}),
        ({"fit": "225"}, {"x": 225, "y": 150}),
        ({"size": "100x900"}, {"x": 100, "y": 300}),
        ({"scale": "2,0.5"}, {"x": 450, "y": 150}),
    ],
)
def test_only_shrink(options, expected):
    ((name, text),) = options.items()
    assert sizes(PICTURE, **{name: PerAxis.parse(text, f"--{name}")}, only_shrink=True) == expected


def test_only_enlarge():
    assert sizes(PICTURE, fit=PerAxis.parse("100", "--fit"), only_enlarge=True) == {"x": 450, "y": 300}
    assert sizes(PICTURE, fit=PerAxis.parse("900", "--fit"), only_enlarge=True) == {"x": 900, "y": 600}


def test_cover_is_cropped_in_the_centre():
    targets = find_targets(Request(cover=PerAxis.parse("300x300", "--cover")), PICTURE, Path("in"))
    assert targets == {"x": AxisTarget(450, crop=(75, 300)), "y": AxisTarget(300, crop=(0, 300))}


@pytest.mark.parametrize("mode", ["linear", "nearest", "nearest-exact", "area", "box", "cubic", "lanczos"])
@pytest.mark.parametrize("antialias", [False, True])
def test_a_crop_is_a_part_of_the_whole(tmp_path, mode, antialias):
    if antialias and mode not in ("linear", "cubic", "lanczos"):
        return
    np.save(tmp_path / "in.npy", np.random.default_rng(0).random((30, 60)))
    for box, size, rows, columns in (
        ("21x30", "60x30", slice(0, 30), slice(19, 40)),
        ("25", "50x25", slice(0, 25), slice(12, 37)),
    ):
        options = {"mode": mode, "antialias": antialias}
        upsampled(tmp_path / "in.npy", tmp_path / "whole.npy", size=size, **options)
        request = {"cover": PerAxis.parse(box, "--cover"), "verify": True}
        upsampled(tmp_path / "in.npy", tmp_path / "part.npy", **request, **options)
        part, full = whole(tmp_path / "part.npy"), whole(tmp_path / "whole.npy")
        np.testing.assert_array_equal(part, full[rows, columns])


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("LINEAR", "linear"),
        ("Nearest_Exact", "nearest-exact"),
        ("nearest neighbour", "nearest"),
        ("nn", "nearest"),
        ("lanczos3", "lanczos"),
        ("tricubic", "cubic"),
        ("INTER_CUBIC", "cubic"),
        ("MultiLabel", "label"),
    ],
)
def test_names_of_modes(name, mode):
    assert canonical_mode(name, "--mode") == mode
    assert Request(scale=PerAxis.parse("2", "--scale"), mode=name).mode == mode


@pytest.mark.parametrize(
    ("name", "advice"), [("sinc", "lanczos is a windowed sinc"), ("bspline", "cubic comes closest")]
)
def test_a_mode_that_does_not_exist_names_the_closest(name, advice):
    with pytest.raises(RequestError, match=rf"unknown mode '{name}'; choose from .* \({advice}\)$"):
        canonical_mode(name, "--mode")
