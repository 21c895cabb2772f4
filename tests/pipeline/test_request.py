import pytest

from upsample_cli.errors import RequestError
from upsample_cli.pipeline.request import PerAxis, Request

ZYX = ("x", "y", "z"), ("t", "z", "y", "x")


@pytest.mark.parametrize(
    ("text", "positional", "named"),
    [
        ("2", (2,), {}),
        ("0.5", (0.5,), {}),
        (".5", (0.5,), {}),
        ("1e-1", (0.1,), {}),
        (" 2 ", (2,), {}),
        ("2,2,1", (2, 2, 1), {}),
        ("2, 2, 1", (2, 2, 1), {}),
        ("1024x768", (1024, 768), {}),
        ("1024×768", (1024, 768), {}),
        ("256x256x180", (256, 256, 180), {}),
        ("1.5x2.5", (1.5, 2.5), {}),
        ("2x.5", (2, 0.5), {}),
        ("x=2", (), {"x": 2}),
        ("z=1,y=2,x=3", (), {"z": 1, "y": 2, "x": 3}),
        ("Z=1, X=0.5", (), {"z": 1, "x": 0.5}),
        ("t=2", (), {"t": 2}),
    ],
)
def test_parse(text, positional, named):
    parsed = PerAxis.parse(text, "--scale")
    assert parsed == PerAxis(positional, named, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a number"),
        ("two", "not a number"),
        ("2,", "not a number"),
        (",2", "not a number"),
        ("2,,2", "not a number"),
        ("x=", "not a number"),
        ("0x10", "positive"),
        ("1_0", "not a number"),
        ("0", "positive"),
        ("-1", "positive"),
        ("nan", "positive"),
        ("inf", "positive"),
        ("1e999", "positive"),
        ("x=0", "positive"),
        ("x=2,y=nan", "positive"),
        ("2,y=3", "name either all axes or none"),
        ("y=3,2", "name either all axes or none"),
        ("x=1,x=2", "twice"),
        ("x=1,X=2", "twice"),
        ("xy=2", "not an axis name"),
        ("=2", "not an axis name"),
        ("x==2", "not an axis name"),
    ],
)
def test_parse_refuses(text, says):
    with pytest.raises(RequestError, match=says) as caught:
        PerAxis.parse(text, "--scale")
    assert str(caught.value).startswith("--scale")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "fine"), [("3", True), ("3.0", True), ("1e3", True), ("3.5", False), ("x=2.5", False)]
)
def test_whole_numbers(text, fine):
    if fine:
        assert PerAxis.parse(text, "--size", whole=True).positional[0] == float(text)
    else:
        with pytest.raises(RequestError, match=r"^--size .* whole number"):
            PerAxis.parse(text, "--size", whole=True)


@pytest.mark.parametrize(
    ("text", "spatial", "names", "expected"),
    [
        ("2", *ZYX, {"x": 2, "y": 2, "z": 2}),
        ("1,2,3", *ZYX, {"x": 1, "y": 2, "z": 3}),
        ("1,2", ("x", "y"), ("y", "x", "s"), {"x": 1, "y": 2}),
        ("z=2", *ZYX, {"z": 2}),
        ("t=2", *ZYX, {"t": 2}),
        ("t=2,x=3", *ZYX, {"t": 2, "x": 3}),
        ("2", ("x",), ("x",), {"x": 2}),
        ("2", (), ("t",), {}),
    ],
)
def test_resolve(text, spatial, names, expected):
    assert PerAxis.parse(text, "--scale").resolve(spatial, names, "--scale") == expected


@pytest.mark.parametrize(
    ("text", "spatial", "names", "says"),
    [
        ("1,2", *ZYX, r"2 numbers for 3 axes \(x,y,z\)"),
        ("1,2,3", ("x", "y"), ("y", "x"), r"3 numbers for 2 axes \(x,y\)"),
        ("1,2", (), ("t",), "2 numbers for 0 axes"),
        ("c=2", *ZYX, "no axis 'c'; the axes are t, z, y, x"),
        ("x=2,q=2", *ZYX, "no axis 'q'"),
        ("s=2", ("x", "y"), ("y", "x", "s"), "no axis 's'"),
    ],
)
def test_resolve_refuses(text, spatial, names, says):
    with pytest.raises(RequestError, match=says):
        PerAxis.parse(text, "--scale").resolve(spatial, names, "--scale")


TWO = PerAxis.parse("2", "--scale")


@pytest.mark.parametrize(
    "options",
    [
        {"scale": TWO},
        {"size": TWO},
        {"spacing": TWO},
        {"fit": TWO},
        {"like": "other.png"},
        {"scale": TWO, "recompute_scale_factor": True},
        {"scale": TWO, "axes": "tzcyxs"},
    ],
)
def test_requests_that_make_sense(options):
    assert Request(**options).mode is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "exactly one of --scale, --size, --width and --height, --spacing, .*, --like; got none"),
        ({"scale": TWO, "size": TWO}, "got --scale and --size"),
        ({"spacing": TWO, "fit": TWO, "like": "a"}, "got --spacing and --fit and --like"),
        ({"size": TWO, "recompute_scale_factor": True}, "needs --scale and has no effect with --size"),
        ({"scale": TWO, "axes": "xx"}, "give each axis once"),
        ({"scale": TWO, "axes": "abc"}, "letters t z c y x s"),
        ({"scale": TWO, "axes": ""}, "give each axis once"),
    ],
)
def test_requests_that_do_not(options, says):
    with pytest.raises(RequestError, match=says):
        Request(**options)


def test_names_of_axes_may_be_upper_case():
    assert Request(scale=PerAxis.parse("2", "--scale"), axes="ZYX").axes == "zyx"
