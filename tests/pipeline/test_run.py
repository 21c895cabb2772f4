import itertools
import math
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import BY_ID, samples
from tests.oracles.compare import assert_same_bits
from tests.pipeline_helpers import asked, upsampled, whole
from upsample_cli import formats, interpolate
from upsample_cli.errors import InputError, OutputError
from upsample_cli.formats.base import ReadOptions
from upsample_cli.pipeline import array_plan as array_plan_module
from upsample_cli.pipeline.mode import read_options
from upsample_cli.pipeline.plan import make_plan
from upsample_cli.pipeline.run import run_plan

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}

# Examples that come back from their format as they went, with the axes that --scale takes for resized.
FAMILIES = (
    *("png-L", "png-RGB", "png-I16", "png-P", "ppm", "bmp-RGB"),
    *("tiff-uint8", "tiff-int16", "tiff-float32", "tiff-complex64", "tiff-stack-uint16", "tiff-rgb", "tiff-rgb-planar"),
    *("tiff-tiles", "tiff-tiles-rgb", "tiff-tiles-planar", "tiff-strips-lzw", "tiff-gaps-lzw", "tiff-rgb-stack"),
    *("tiff-bool", "tiff-stack-bool", "tiff-rgba-premultiplied", "tiff-palette", "tiff-bigtiff-big-endian"),
    *("imagej-tzcyx", "imagej-zyxs", "ome-czyx", "ome-tzcyx", "ome-tiled-millimetres", "tiff-shaped-axes"),
    *("nifti-2-D", "nifti-int16", "nifti-float64", "nifti-complex64", "nifti-4-D", "nifti-gz-5-D"),
    *("nifti-pair-by-header", "nifti-big-endian-int16", "nifti-2", "nifti-slope"),
    *("npy-1-D", "npy-2-D", "npy-3-D", "npy-4-D", "npy-5-D", "npy-fortran-4-D", "npy-bool", "npy-float16"),
    *("npy-big-endian->u2", "npy-int64", "npy-axes-tzyx-C", "npy-axes-yxs-C", "npy-axes-xyz-F"),
)


def interpolated(array, axes, resized, **options):
    """`interpolate` along the axes in `resized`, whatever the order of the array."""
    spatial = [number for number, name in enumerate(axes) if name in resized]
    rest = [number for number in range(array.ndim) if number not in spatial]
    order = [*rest, *spatial]
    moved = array.transpose(order)
    flat = moved.reshape(1, -1, *moved.shape[len(rest) :])
    result = interpolate(flat, **options)
    return result.reshape(*moved.shape[: len(rest)], *result.shape[2:]).transpose(np.argsort(order))


@pytest.fixture
def slabs_made(monkeypatch):
    """The slabs of the last plan that ran."""
    made = []
    slabs = array_plan_module.ArrayPlan.slabs

    def counted(plan):
        made.clear()
        for slab in slabs(plan):
            made.append(slab)
            yield slab

    monkeypatch.setattr(array_plan_module.ArrayPlan, "slabs", counted)
    return made


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("factor", [2.0, 1.7, 0.6])
@pytest.mark.parametrize("name", FAMILIES)
def test_files_hold_what_interpolate_gives(tmp_path, name, factor, mode):
    example = BY_ID[name]
    path, out = tmp_path / f"in{example.suffix}", tmp_path / f"out{example.suffix}"
    array = example.make(path)
    upsampled(path, out, scale=factor, mode=mode, axes=example.options.axes)
    if example.id in ("png-P", "tiff-palette") and mode == "nearest":
        pytest.skip("keeps its palette: see test_image and test_tiff")
    resized = [name for name in example.axes if name in "xyz"]
    kernel = mode if mode != "linear" else LINEAR[len(resized)]
    expected = interpolated(array, example.axes, resized, scale_factor=factor, mode=kernel)
    result = whole(out, ReadOptions(axes=example.options.axes))
    assert_same_bits(result.squeeze(), expected.squeeze())  # readers of TIFF leave out axes of one sample


@pytest.mark.parametrize("scale", ["2", "0.6", "x=1.3", "x=2,y=3"])
@pytest.mark.parametrize(
    "name",
    [
        *("png-RGB", "png-L-transparent", "jpeg-L"),
        *("tiff-stack-uint16", "tiff-tiles", "tiff-tiles-planar", "tiff-rgba", "imagej-tzcyx", "ome-tzcyx"),
        *("nifti-float32", "nifti-gz-4-D", "nifti-5-D", "nifti-pair-by-samples"),
        *("npy-2-D", "npy-5-D", "npy-fortran-5-D", "npy-float16"),
    ],
)
def test_slabs_of_any_size_give_the_same_bytes(tmp_path, monkeypatch, slabs_made, name, scale):
    example = BY_ID[name]
    path = tmp_path / f"in{example.suffix}"
    example.make(path)
    (tmp_path / "whole").mkdir()
    plan = upsampled(path, tmp_path / "whole" / f"out{example.suffix}", scale=scale)
    assert len(slabs_made) == 1
    total = sum(
        math.prod(header.grid.shape) * header.dtype.itemsize for header in (plan.first.before, plan.first.after)
    )
    counts = []
    monkeypatch.setattr(array_plan_module.ArrayPlan, "unsliced", lambda self: self)
    for number, share in enumerate((40, 7, 2.5, 1.6)):
        monkeypatch.setattr(array_plan_module, "_SLAB_BYTES", max(1, int(total / share)))
        folder = tmp_path / str(number)
        folder.mkdir()
        upsampled(path, folder / f"out{example.suffix}", scale=scale)
        counts.append(len(slabs_made))
        for file in (tmp_path / "whole").iterdir():
            assert (folder / file.name).read_bytes() == file.read_bytes(), share
    assert counts[-1] > 1, "there were no slabs"
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "cubic", "area", "lanczos"])
@pytest.mark.parametrize("sizes", [{"x": 1}, {"x": 2}, {"x": 2, "y": 3}, {"z": 2}, {"z": 1, "x": 3}], ids=str)
def test_strong_reductions_read_what_they_need(tmp_path, sizes, mode):
    """The first sample of the output need not read the first of the input."""
    array = np.random.default_rng(1).random((3, 13, 17, 29))
    np.save(tmp_path / "in.npy", array)
    wanted = ",".join(f"{name}={size}" for name, size in sizes.items())
    upsampled(tmp_path / "in.npy", tmp_path / "out.npy", size=wanted, mode=mode, axes="tzyx")
    expected = array
    for name, size in sizes.items():
        axis = "tzyx".index(name)
        moved = np.moveaxis(expected, axis, -1).reshape(1, -1, expected.shape[axis])
        moved = interpolate(moved, size=size, mode=mode).reshape(*np.delete(expected.shape, axis), size)
        expected = np.moveaxis(moved, -1, axis)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["nifti-int16", "npy-3-D", "tiff-stack-uint16", "tiff-stack-float32"])
def test_the_same_size_is_the_identity(tmp_path, name):
    example = BY_ID[name]
    path, out = tmp_path / f"in{example.suffix}", tmp_path / f"out{example.suffix}"
    array = example.make(path)
    for number, options in enumerate(({"scale": 1}, {"size": "x=" + str(array.shape[-1])})):
        upsampled(path, out.with_name(f"{number}{out.name}"), **options)
        assert_same_bits(whole(out.with_name(f"{number}{out.name}")), array)


class BrokenError(Exception):
    """Stands for a bug."""


FAILURES = (InputError("cannot be read to its end", Path("in")), KeyboardInterrupt(), BrokenError(), MemoryError())


def in_folder(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fail_later(monkeypatch, kind, method, error, after):
    """Let the calls of a method after the first few raise `error`."""
    original = getattr(kind, method)
    calls = itertools.count()

    def failing(self, *arguments):
        if next(calls) >= after:
            raise error
        return original(self, *arguments)

    monkeypatch.setattr(kind, method, failing)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", ["png-L", "tiff-stack-uint16", "nifti-int16", "nifti-pair-by-header", "npy-3-D"])
@pytest.mark.parametrize("exists", [False, True], ids=["new", "replaced"])
def test_a_source_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch, name, error, exists):
    example = BY_ID[name]
    path, out = tmp_path / f"in{example.suffix}", tmp_path / f"out{example.suffix}"
    example.make(path)
    if exists:
        for target in (out, out.with_suffix(".img")):
            target.write_bytes(b"precious")
    before = in_folder(tmp_path)
    monkeypatch.setattr(array_plan_module, "_SLAB_BYTES", 1)
    monkeypatch.setattr(array_plan_module.ArrayPlan, "unsliced", lambda self: self)
    request = asked(scale="2")
    with formats.open_source(path, read_options(request)) as source:
        plan = make_plan(request, source, path, out)
        fail_later(monkeypatch, type(source), "read", error, after=3)
        with pytest.raises(type(error)):
            run_plan(plan, source, overwrite=exists)
    assert in_folder(tmp_path) == before


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), BrokenError()], ids=repr
)
@pytest.mark.parametrize("name", ["png-L", "tiff-stack-uint16", "nifti-int16", "nifti-pair-by-header", "npy-3-D"])
def test_a_sink_that_fails_leaves_everything_as_it_was(tmp_path, name, error):
    example = BY_ID[name]
    path, out = tmp_path / f"in{example.suffix}", tmp_path / f"out{example.suffix}"
    example.make(path)
    out.write_bytes(b"precious")
    before = in_folder(tmp_path)
    request = asked(scale="2")
    with formats.open_source(path, read_options(request)) as source:
        plan = make_plan(request, source, path, out)

        def write(paths, slabs):
            for temporary in paths:
                assert temporary.parent == out.parent
                temporary.write_bytes(b"half of it")
            assert in_folder(tmp_path).items() >= before.items()
            raise error

        plan.sink.write = write
        expected = OutputError if isinstance(error, OSError) else type(error)
        with pytest.raises(expected) as caught:
            run_plan(plan, source, overwrite=True)
    if expected is OutputError:
        assert str(caught.value) == f"{out}: cannot be written: No space left on device"
        assert caught.value.exit_code == 4
    assert in_folder(tmp_path) == before


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
@pytest.mark.parametrize("name", ["png-L", "nifti-pair-by-header"])
def test_what_comes_into_being_meanwhile_is_not_replaced(tmp_path, monkeypatch, name, links):
    if not links:
        fail_later(monkeypatch, Path, "hardlink_to", OSError(95, "Operation not supported"), after=0)
    example = BY_ID[name]
    path, out = tmp_path / f"in{example.suffix}", tmp_path / f"out{example.suffix}"
    example.make(path)
    request = asked(scale="2")
    with formats.open_source(path, read_options(request)) as source:
        plan = make_plan(request, source, path, out)
        for part in formats.parts(out):
            part.write_bytes(b"precious")
        before = in_folder(tmp_path)
        with pytest.raises(OutputError, match=r"meanwhile; use --overwrite"):
            run_plan(plan, source)
        assert in_folder(tmp_path) == before
        run_plan(plan, source, overwrite=True)
    assert set(in_folder(tmp_path)) == set(before)
    assert out.read_bytes() != b"precious"


@pytest.mark.parametrize("missing", [1, 2])
def test_a_rename_that_fails_leaves_nothing_unfinished(tmp_path, monkeypatch, missing):
    """The second of a pair's files stands for any: no temporary file stays, and no header without its samples."""
    path, out = tmp_path / "in.hdr", tmp_path / "out.hdr"
    BY_ID["nifti-pair-by-header"].make(path)
    fail_later(monkeypatch, Path, "replace", OSError(13, "Permission denied"), after=missing - 1)
    with pytest.raises(OutputError, match="Permission denied"):
        upsampled(path, out, scale="2")
    assert not [file.name for file in tmp_path.iterdir() if file.name.startswith(".upsample-")]
    assert not out.exists()


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "store").mkdir()
    target, link, path = tmp_path / "store" / "real.npy", tmp_path / "link.npy", tmp_path / "in.npy"
    np.save(target, np.zeros(2))
    np.save(path, np.array([0.0, 4.0]))
    link.symlink_to(Path("store") / "real.npy")
    upsampled(path, link, scale="2")
    assert link.is_symlink()
    np.testing.assert_array_equal(np.load(target), [0, 1, 3, 4])
    assert sorted(file.name for file in target.parent.iterdir()) == ["real.npy"]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")
def test_a_link_to_nothing_comes_to_point_to_the_output(tmp_path):
    link, path = tmp_path / "link.npy", tmp_path / "in.npy"
    np.save(path, np.array([0.0, 4.0]))
    link.symlink_to("later.npy")
    upsampled(path, link, scale="2")
    assert link.is_symlink()
    np.testing.assert_array_equal(np.load(tmp_path / "later.npy"), [0, 1, 3, 4])


@pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")
def test_the_output_has_the_mode_of_any_new_file(tmp_path):
    path, plain = tmp_path / "in.npy", tmp_path / "plain"
    np.save(path, np.zeros(3))
    plain.touch()
    upsampled(path, tmp_path / "out.npy", scale="2")
    assert (tmp_path / "out.npy").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize(
    "name",
    [
        *("png-L-dpi", "jpeg-orientation-6", "gif", "tiff-stack-uint16", "tiff-shaped-axes", "imagej-tzcyx"),
        *("ome-czyx", "ome-tzcyx", "nifti-gz-3-D", "nifti-pair-by-header", "npy-3-D"),
    ],
)
def test_output_does_not_depend_on_when_and_under_which_temporary_name(tmp_path, monkeypatch, name):
    example = BY_ID[name]
    path, out = tmp_path / f"in{example.suffix}", tmp_path / f"out{example.suffix}"
    example.make(path)
    found = []
    for now in (1e9, 1.1e9):
        monkeypatch.setattr("time.time", lambda now=now: now)
        upsampled(path, out, scale="2")
        found.append(out.read_bytes())
    assert found[0] == found[1]
    assert b".upsample-" not in found[0]
    assert str(tmp_path).encode() not in found[0]


def test_families_can_be_changed_on_the_way(tmp_path):
    """A NIfTI volume becomes an OME stack, an array and a TIFF: samples as they are, and spacing where it fits."""
    path = tmp_path / "in.nii.gz"
    array = BY_ID["nifti-gz-3-D"].make(path)
    expected = interpolated(array, "zyx", "zyx", scale_factor=2, mode="trilinear")
    for name in ("out.ome.tif", "out.tif", "out.npy", "out.hdr"):
        upsampled(path, tmp_path / name, scale="2")
        assert_same_bits(whole(tmp_path / name), expected)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tiff:
        assert tiff.is_ome
        assert 'PhysicalSizeZ="1.5"' in tiff.ome_metadata
        assert 'PhysicalSizeZUnit="mm"' in tiff.ome_metadata
    assert nib.load(tmp_path / "out.hdr").header.get_zooms() == (0.75, 1.0, 1.5)


def test_a_picture_becomes_a_tiff_and_an_array(tmp_path):
    path = tmp_path / "in.png"
    array = samples((6, 5, 3))
    Image.fromarray(array).save(path, dpi=(300, 150))
    expected = interpolated(array, "yxs", "yx", scale_factor=2, mode="bilinear")
    for name in ("out.tif", "out.npy", "out.bmp"):
        upsampled(path, tmp_path / name, scale="2")
        assert_same_bits(whole(tmp_path / name, ReadOptions(axes="yxs")), expected)
    with Image.open(tmp_path / "out.tif") as image:
        assert image.mode == "RGB"
        assert image.info["dpi"] == pytest.approx((600, 300), rel=1e-3)
