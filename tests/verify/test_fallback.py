"""A family that consists of one module and one row of the registry: ``--verify`` reads its files by its own source."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest

from tests.pipeline_helpers import upsampled
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats import registry
from upsample_cli.formats.base import Header, InMemory, single_header
from upsample_cli.geometry import Axis, Grid

MAGIC = b"TOY!"


class ToySource(InMemory):
    """A line of JSON with the axes, and the samples."""

    def __init__(self, path, options):
        super().__init__()
        start, self._data = path.read_bytes().split(b"\n", 1)
        self._path, self.warnings = path, []
        try:
            described = json.loads(start.removeprefix(MAGIC))
        except ValueError as error:
            raise InputError("is damaged", path) from error
        axes = tuple(Axis(*axis) for axis in described["axes"])
        self.header = Header(Grid(axes, {"toy": np.array(described["affine"])}), np.dtype(described["dtype"]))

    def load(self):
        return np.frombuffer(self._data, self.header.dtype).reshape(self.header.grid.shape)


class ToySink:
    warnings, memory_factor, streams, compresses, pyramids = (), 0.0, True, False, False

    def __init__(self, path, headers, options):
        self.header = single_header(headers, path)

    def describe(self):
        grid = self.header.grid
        return {"axes": grid.axes, "affine": grid.affines["toy"].tolist(), "dtype": self.header.dtype.str}

    def write(self, paths, arrays):
        with paths[0].open("wb") as file:
            file.write(MAGIC + json.dumps(self.describe()).encode() + b"\n")
            for slab in next(iter(arrays)):
                file.write(slab.tobytes())


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A file of the family ``toy``, which is registered for this test."""
    module = ModuleType("upsample_cli.formats.toy")
    module.open_source, module.make_sink = ToySource, ToySink
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = registry.Family("toy", (".toy",), (registry.Signature(MAGIC, ".toy"),))
    monkeypatch.setattr(registry, "FAMILIES", (row, *registry.FAMILIES))
    path = tmp_path / "in.toy"
    axes = (Axis("z", 5, 3.0, "mm"), Axis("y", 7, 500.0, "µm"), Axis("x", 6, 0.5, "mm"))
    sink = ToySink(path, [Header(Grid(axes, {"toy": np.diag([0.5, 0.5, 3, 1])}), np.dtype("int16"))], None)
    sink.write([path], [[np.random.default_rng(0).integers(-900, 900, (5, 7, 6), np.int16)]])
    return path


@pytest.mark.parametrize("options", [{"scale": 2}, {"scale": "y=1.5,x=0.5", "mode": "cubic"}, {"size": "x=9"}])
def test_a_right_output_passes(toy, options):
    upsampled(toy, toy.with_name("out.toy"), verify=True, **options)
    assert toy.with_name("out.toy").exists()


def test_other_formats_are_converted_and_verified(toy):
    upsampled(toy, toy.with_name("out.nii"), verify=True, scale=2)
    assert toy.with_name("out.nii").exists()


@pytest.mark.parametrize(
    ("attribute", "change", "message"),
    [
        (
            "write",
            lambda made: lambda sink, paths, arrays: made(sink, paths, [[-x for x in next(arrays)]]),
            "mode gives",
        ),
        ("describe", lambda made: lambda sink: made(sink) | {"affine": np.eye(4).tolist()}, "planned position in toy"),
        ("describe", lambda made: lambda sink: made(sink) | {"dtype": "<u2"}, "samples are uint16 where int16"),
        ("describe", lambda made: lambda sink: spread(made(sink)), "the spacing of x is 0.3 where 0.25 was planned"),
        ("describe", lambda made: lambda sink: None, "the output cannot be read back"),
        ("describe", lambda made: lambda sink: ["no", "axes"], "the output cannot be read back"),
    ],
    ids=["samples", "affine", "dtype", "spacing", "empty", "axes"],
)
def test_a_wrong_output_is_withheld(toy, monkeypatch, attribute, change, message):
    monkeypatch.setattr(ToySink, attribute, change(getattr(ToySink, attribute)))
    with pytest.raises(OutputError, match=message) as caught:
        upsampled(toy, toy.with_name("out.toy"), verify=True, scale=2)
    assert caught.value.path == toy.with_name("out.toy")
    assert [path.name for path in toy.parent.iterdir()] == ["in.toy"]


def spread(described):
    """The description with a wider spacing of x."""
    *others, (name, size, _, unit, origin) = described["axes"]
    return described | {"axes": [*others, (name, size, 0.3, unit, origin)]}


def test_an_output_that_its_source_refuses_is_withheld(toy, monkeypatch):
    write = ToySink.write

    def damaged(sink, paths, arrays):
        write(sink, paths, arrays)
        paths[0].write_bytes(MAGIC + b"{\n")

    monkeypatch.setattr(ToySink, "write", damaged)
    with pytest.raises(OutputError, match=r"out\.toy: --verify: the output cannot be read back: is damaged; "):
        upsampled(toy, toy.with_name("out.toy"), verify=True, scale=2)


def test_images_and_levels_are_counted(toy, monkeypatch):
    monkeypatch.setattr(ToySource, "others", ())
    from upsample_cli.verify.readback import read_back
    from upsample_cli.verify.readback.model import Expected, MismatchError

    header = ToySource(toy, None).header
    with read_back(toy, "toy", Expected([header], pyramids=True, keep_indices=False)) as arrays:
        assert len(arrays) == 1
    leveled = header._replace(levels=((5, 4, 3),))
    for headers, message in (([header] * 2, "it holds 1 images where 2"), ([leveled], r"\(\), not \(\(5, 4, 3\),\)")):
        with (
            pytest.raises(MismatchError, match=message),
            read_back(toy, "toy", Expected(headers, pyramids=True, keep_indices=False)),
        ):
            pytest.fail("was not refused")
