"""Sizes and spacings as people read them."""

import pytest

from upsample_cli.text import format_sizes, format_spacings


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"y": 300, "x": 451, "s": 3}, "451×300"),
        ({"t": 6, "z": 14, "y": 24, "x": 20}, "20×24×14 t6"),
        ({"c": 2, "t": 9}, "c2 t9"),
        ({"x": 7}, "7"),
    ],
)
def test_sizes(sizes, expected):
    assert format_sizes(sizes) == expected
    assert format_sizes(sizes, " x ") == expected.replace("×", " x ")


@pytest.mark.parametrize(
    ("spacings", "expected"),
    [
        ([(0.5, "mm"), (1.0, "mm"), (2.0, "s")], "0.5×1 mm, 2 s"),
        ([(0.123456, None), (None, "mm")], "0.1235"),
        ([(500.0, "µm"), (500.0, "µm"), (3.0, "mm")], "500×500 µm, 3 mm"),
        ([(None, None)], ""),
    ],
)
def test_spacings(spacings, expected):
    assert format_spacings(spacings) == expected
