from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pipeline_helpers import asked, planned
from upsample_cli.core.axis_plan import AxisTarget, plan_axes
from upsample_cli.core.modes import find_mode
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.geometry import Axis, Grid
from upsample_cli.pipeline import array_plan as array_plan_module
from upsample_cli.pipeline import plan as plan_module
from upsample_cli.pipeline.targets import find_targets
from upsample_cli.runtime import resources

GRID = Grid((Axis("t", 4, 2.0, "s"), Axis("z", 10, 3.0, "mm"), Axis("y", 20, 1.0, "mm"), Axis("x", 30, 0.5, "mm")))


@pytest.fixture(autouse=True)
def _a_small_program_and_a_large_disk(monkeypatch):
    """Plans shall depend neither on the tests that this process has run, nor on the disk of this machine."""
    monkeypatch.setattr(plan_module, "baseline_bytes", lambda: 60 * 10**6)
    monkeypatch.setattr(resources, "_free_bytes", lambda folder: 10**15)


def array(folder, shape, dtype="uint8", name="in.npy"):
    path = folder / name
    np.save(path, np.zeros(shape, dtype))
    return path


def sparse(folder, shape, dtype="|u1"):
    """The header of an array, and a hole in place of its samples."""
    path = folder / "huge.npy"
    with path.open("wb") as file:
        described = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, described)
        file.truncate(file.tell() + int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize)
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"scale": "2"}, {"x": (60, 2), "y": (40, 2), "z": (20, 2)}),
        ({"scale": "1,1.5,0.5"}, {"x": (30, 1), "y": (30, 1.5), "z": (5, 0.5)}),
        ({"scale": "1.19"}, {"x": (35, 1.19), "y": (23, 1.19), "z": (11, 1.19)}),
        ({"scale": "z=3"}, {"z": (30, 3)}),
        ({"scale": "t=2,x=0.1"}, {"t": (8, 2), "x": (3, 0.1)}),
        (
            {"scale": "1.19", "recompute_scale_factor": True},
            {"x": (35, None), "y": (23, None), "z": (11, None)},
        ),
        ({"size": "7"}, {"x": (7, None), "y": (7, None), "z": (7, None)}),
        ({"size": "15x40x10"}, {"x": (15, None), "y": (40, None), "z": (10, None)}),
        ({"size": "t=1"}, {"t": (1, None)}),
        ({"spacing": "1"}, {"x": (15, 0.5), "y": (20, None), "z": (30, 3)}),
        ({"spacing": "0.25,2,6"}, {"x": (60, 2), "y": (10, 0.5), "z": (5, 0.5)}),
        ({"spacing": "z=1.25"}, {"z": (24, 2.4)}),
        ({"spacing": "z=1.4"}, {"z": (21, 3 / 1.4)}),  # 30 mm hold 21.4
        ({"spacing": "t=0.5"}, {"t": (16, 4)}),
        ({"spacing": "z=1000"}, {"z": (1, 0.003)}),
        ({"spacing": "1", "align_corners": True}, {"x": (16, 0.5), "y": (20, None), "z": (28, 3)}),
        ({"fit": "60x60x60"}, {"x": (60, None), "y": (40, None), "z": (20, None)}),
        ({"fit": "1000x30x1000"}, {"x": (45, None), "y": (30, None), "z": (15, None)}),
        ({"fit": "15"}, {"x": (15, None), "y": (10, None)}),
        ({"fit": "15x8"}, {"x": (12, None), "y": (8, None)}),
        ({"fit": "x=10"}, {"x": (10, None), "y": (7, None)}),
        ({"fit": "z=20"}, {"x": (60, None), "y": (40, None), "z": (20, None)}),
        ({"fit": "1"}, {"x": (1, None), "y": (1, None)}),
    ],
    ids=str,
)
def test_targets(options, expected):
    found = find_targets(asked(**options), GRID, Path("volume.nii"))
    assert {name: target._replace(spacing=None) for name, target in found.items()} == {
        name: AxisTarget(size, factor and pytest.approx(factor), exact="spacing" in options and factor is not None)
        for name, (size, factor) in expected.items()
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": "2,2"}, "2 numbers for 3 axes"),
        ({"scale": "c=2"}, "no axis 'c'"),
        ({"scale": "0.01"}, "leaves no sample"),
        ({"scale": "1e308"}, "impossible size"),
        ({"size": "5x5"}, "2 numbers for 3 axes"),
        ({"size": "5x7"}, "names, such as x=5,y=7$"),
        ({"fit": "5x5x5x5"}, "4 numbers for 3 axes"),
        ({"fit": "t=2"}, "t"),
    ],
    ids=str,
)
def test_targets_that_do_not_fit(options, says):
    with pytest.raises(RequestError, match=rf"^volume\.nii: .*{says}"):
        find_targets(asked(**options), GRID, Path("volume.nii"))


def test_spacing_needs_a_spacing():
    with pytest.raises(RequestError, match=r"spacing for axis x; use --scale or --size"):
        find_targets(asked(spacing="1"), Grid((Axis("y", 3, 1.0), Axis("x", 3))), Path("a.tif"))


def test_a_damaged_spacing_is_refused():
    with pytest.raises(RequestError, match=r"the spacing of y in the file, 9\.6e-35 mm, is too small for the new one"):
        find_targets(asked(spacing="1"), Grid((Axis("y", 3, 9.6e-35, "mm"), Axis("x", 3, 1.0, "mm"))), Path("a.nii"))


def test_like_takes_the_sizes_of_another_file(tmp_path):
    path, other = array(tmp_path, (2, 3, 8, 9)), array(tmp_path, (4, 6, 7), name="other.npy")
    picture = tmp_path / "picture.png"
    Image.new("RGB", (50, 40)).save(picture)
    assert planned(path, like=str(other), axes=None).first.after.grid.shape == (2, 4, 6, 7)
    assert planned(array(tmp_path, (8, 9), name="flat.npy"), like=str(picture)).first.after.grid.shape == (40, 50)
    with pytest.raises(RequestError, match=r"picture\.png: --like: has no axis z, only y, x, s"):
        planned(path, like=str(picture))
    with pytest.raises(InputError, match=r"none\.png: does not exist"):
        planned(path, like=str(tmp_path / "none.png"))


@pytest.mark.parametrize("per_slab", [1, 700, 5_000, 1 << 20])
@pytest.mark.parametrize(
    "options",
    [
        {"scale": "2"},
        {"scale": "0.4"},
        {"scale": "1.7", "align_corners": True},
        {"scale": "z=3"},
        {"scale": "x=2"},
        {"scale": "t=2"},
        {"scale": "c=2"},
        {"scale": "1"},
        {"scale": "1.3", "mode": "nearest"},
        {"size": "z=1"},
    ],
    ids=str,
)
def test_slabs_cover_the_output_once_and_in_order(tmp_path, monkeypatch, options, per_slab):
    monkeypatch.setattr(array_plan_module, "_SLAB_BYTES", per_slab)
    plan = planned(array(tmp_path, (3, 4, 7, 6, 5)), **options)
    axis = plan.first.slab_axis
    before, after = plan.first.before.grid.shape, plan.first.after.grid.shape
    leads = int(np.prod(after[:axis]))
    assert before[:axis] == after[:axis]
    slabs = list(plan.first.slabs())
    rows = [lead * after[axis] + row for slab in slabs for lead in slab.leads for row in slab.rows]
    assert rows == list(range(leads * after[axis]))
    for slab in slabs:
        assert len(slab.leads) == 1 or slab.rows == range(after[axis])
        assert 0 <= slab.reads.start < slab.reads.stop <= before[axis]
    starts = [slab.leads[0] * before[axis] + slab.reads.start for slab in slabs]
    assert starts == sorted(starts), "a source is asked to go back"
    if per_slab == 1:
        assert {len(slab.rows) for slab in slabs} == {1}
    if per_slab == 1 << 20:
        assert len(slabs) == 1


@pytest.mark.parametrize(
    ("scale", "axis"), [("2", "z"), ("x=2", "x"), ("y=2,x=3", "y"), ("t=2", "t"), ("c=3,x=2", "c"), ("1", "t")]
)
def test_slabs_lie_along_the_slowest_axis_that_changes(tmp_path, scale, axis):
    plan = planned(array(tmp_path, (3, 4, 7, 6, 5)), scale=scale)
    assert plan.first.before.grid.names[plan.first.slab_axis] == axis


def test_the_rows_that_a_slab_reads(tmp_path, monkeypatch):
    """Worked out by hand: twice the samples, rows 0 and 1 lie before and after the middle of sample 0, and so on."""
    path = array(tmp_path, (4, 10))
    monkeypatch.setattr(array_plan_module, "_SLAB_BYTES", 50)  # a row of the output takes 20 bytes, its input 5
    found = [(slab.rows, slab.reads) for slab in planned(path, scale="2").first.slabs()]
    assert found == [
        (range(0, 2), range(0, 2)),
        (range(2, 4), range(0, 3)),
        (range(4, 6), range(1, 4)),
        (range(6, 8), range(2, 4)),
    ]


def test_several_leads_go_together_while_they_fit(tmp_path, monkeypatch):
    path = array(tmp_path, (5, 2, 10, 10))
    monkeypatch.setattr(array_plan_module, "_SLAB_BYTES", 4 * 500)  # 100 bytes become 400
    slabs = list(planned(path, scale="y=2,x=2", axes="tcyx").first.slabs())
    assert [slab.leads for slab in slabs] == [range(0, 4), range(4, 8), range(8, 10)]
    assert Counter((slab.rows, slab.reads) for slab in slabs) == {(range(20), range(10)): 3}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": "5000000x5000000"}, r"25(\.0)? TB"),
        ({"scale": "1e6"}, r"64(\.0)? TB"),
        ({"scale": "1e9"}, r"(64 EB|10\^19 bytes)"),
        ({"scale": "1e30"}, r"(.* EB|10\^61 bytes)"),
        ({"size": "x=99999999999999"}, r"([68].* [TP]B|10\^14 bytes)"),  # 800 TB, or weights that take more
        ({"size": "x=99999999999999,y=99999999999"}, r"(.* EB|10\^24 bytes)"),
    ],
    ids=str,
)
def test_absurd_sizes_are_refused_with_the_bytes_they_need(tmp_path, options, says):
    path = array(tmp_path, (8, 8))
    with pytest.raises(
        RequestError,
        match=rf"in\.npy: the output would need {says}, and .* of weights in memory; choose a smaller output",
    ):
        planned(path, **options)


def test_what_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "in.png"
    Image.new("L", (1000, 1000)).save(path)
    monkeypatch.setattr(resources, "total_memory", lambda: 400e6)
    with pytest.raises(
        RequestError,
        match=r"this needs [1234]\d\d\.\d MB of memory, but only 100\.0 MB may be used; raise the limit with "
        r"--max-memory 0\.\dG",
    ):
        planned(path, scale="10")


def test_what_does_not_fit_onto_the_disk_is_refused(tmp_path, monkeypatch):
    path = array(tmp_path, (100, 100))
    monkeypatch.setattr(resources, "_free_bytes", lambda folder: 39_999)
    with pytest.raises(
        OutputError, match=r"out-in\.npy: the output needs 40\.0 kB, but the disk has only 40\.0 kB free"
    ):
        planned(path, scale="2")


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "cubic", "lanczos", "box"])
@pytest.mark.parametrize("scale", ["z=0.05", "z=0.1", "z=0.99", "1.5", "2", "3.7"])
@pytest.mark.parametrize("slab_bytes", [1, 5_000, 30_000, 10**9])
def test_the_largest_slab_is_known_without_making_any(tmp_path, mode, scale, antialias, slab_bytes):
    antialias = antialias and mode in ("linear", "cubic", "lanczos")
    path = sparse(tmp_path, (500, 3, 4))
    plan = planned(path, tmp_path / "out.npy", scale=scale, mode=mode, antialias=antialias).first
    plan = plan._replace(slab_bytes=slab_bytes)
    slabs = list(plan.slabs())
    leads, rows, reads = plan._largest_slab
    assert (leads, rows) == (max(len(slab.leads) for slab in slabs), max(len(slab.rows) for slab in slabs))
    assert 0.9 * (reads - 3) <= max(len(slab.reads) for slab in slabs) <= reads  # bands may end in zeros


def test_huge_files_are_planned_from_their_headers(tmp_path):
    path = sparse(tmp_path, (4_000_000, 1_000, 1_000))  # 4 TB
    plan = planned(path, tmp_path / "out.npy", scale="0.1")
    assert plan.first.after.grid.shape == (400_000, 100, 100)
    assert plan.output_bytes == 4_000_000_000
    assert plan.memory < 400e6


def test_what_is_not_read_needs_no_memory(tmp_path):
    path = sparse(tmp_path, (2_000, 40_000, 50_000))  # 4 TB in planes of 2 GB
    assert planned(path, tmp_path / "out.npy", scale="0.01", max_memory=20 * 10**9).memory < 15e9


@pytest.mark.parametrize("limit", [140, 160, 180])
def test_slabs_are_as_small_as_the_memory_demands(tmp_path, limit):
    path = sparse(tmp_path, (4_000, 1_000, 1_000))
    plan = planned(path, tmp_path / "out.npy", scale="2", max_memory=limit * 10**6, threads=1)
    assert 0.5 * limit * 1e6 < plan.memory <= limit * 1e6


def test_what_cannot_be_cut_is_refused_with_the_memory_that_it_needs(tmp_path):
    path = tmp_path / "in.png"
    Image.new("L", (1000, 1000)).save(path)
    with pytest.raises(RequestError, match=r"this needs \d+\.\d MB of memory, but only 100\.0 MB may be used"):
        planned(path, scale="8", max_memory=10**8)
    assert planned(path, scale="8", max_memory=10**9).memory < 1e9


@pytest.mark.parametrize(
    ("shape", "options", "says"),
    [
        ((5, 6), {"scale": "2", "mode": "trilinear"}, "mode 'trilinear' .*; use .*'bilinear'"),
        ((4, 5, 6), {"scale": "2", "mode": "bilinear"}, "mode 'bilinear' .*; use .*'trilinear'"),
        ((6,), {"scale": "2", "mode": "bilinear"}, "mode 'bilinear' .*; use .*'linear'"),
        ((5, 6), {"scale": "x=2", "mode": "bilinear"}, "mode 'bilinear' .*; use .*'linear'"),
        ((5, 6), {"scale": "2", "mode": "bilnear"}, "unknown mode 'bilnear'; choose from linear"),
        (
            (5, 6),
            {"scale": "2", "mode": "nearest", "align_corners": True},
            "--align-corners does not apply to .*nearest",
        ),
        ((4,), {"axes": "t", "scale": "2"}, "no axis to resize among t"),
    ],
    ids=str,
)
def test_modes_that_do_not_fit(tmp_path, shape, options, says):
    with pytest.raises(RequestError, match=says):
        planned(array(tmp_path, shape), **options)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((5, 6), {"scale": "2", "mode": "bilinear"}),
        ((4, 5, 6), {"scale": "2", "mode": "trilinear"}),
        ((4, 5, 6), {"scale": "2,2,1", "mode": "bilinear"}),
        ((4, 5, 6), {"scale": "y=2,x=2", "mode": "bilinear"}),
        ((6,), {"scale": "2", "mode": "linear"}),
        ((2, 3, 4, 5, 6), {"scale": "2", "mode": "trilinear"}),
    ],
    ids=str,
)
def test_modes_that_fit(tmp_path, shape, options):
    assert planned(array(tmp_path, shape), **options).first.mode.name == options["mode"]


@pytest.mark.parametrize("dtype", ["S3", "U2", "M8[s]", "V4", [("a", "u1"), ("b", "f4")]], ids=str)
def test_samples_that_are_no_numbers_are_refused(tmp_path, dtype):
    with pytest.raises(InputError, match=r"in\.npy: .*numbers"):
        planned(array(tmp_path, (3, 4), dtype), scale="2")


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_empty_arrays_are_refused(tmp_path, shape):
    with pytest.raises((RequestError, InputError), match=r"in\.npy: "):
        planned(array(tmp_path, shape), scale="2")


def test_a_plan_predicts_what_the_output_takes(tmp_path):
    plan = planned(array(tmp_path, (3, 4, 5), "uint16"), scale="2")
    assert plan.output_bytes == 2 * 6 * 8 * 10
    assert plan.memory >= plan.output_bytes


def test_an_untouched_axis_keeps_its_geometry():
    """1.3 × 3 samples are 3 samples: linear modes leave them where they are, and so must the header."""
    targets = find_targets(asked(scale="1.3"), Grid((Axis("x", 3, 2.0, "mm"),)), Path("a"))
    assert targets == {"x": AxisTarget(3, 1.3)}


@pytest.mark.parametrize(
    ("mode", "spacing", "origin"),
    [("linear", 2.0, 0.0), ("nearest-exact", 2 / 1.3, 2 * (1 / 1.3 - 1) / 2)],
)
def test_where_a_factor_leaves_the_size_geometry_follows_what_is_done(mode, spacing, origin):
    grid = Grid((Axis("x", 3, 2.0, "mm"),))
    request = asked(scale="1.3", mode=mode)
    recipe = plan_axes([3], [find_targets(request, grid, Path("a"))["x"]], find_mode(mode), False, np.dtype("f4"))
    moved = grid.resampled({"x": recipe[0].map})["x"]
    assert (moved.spacing, moved.origin) == (pytest.approx(spacing), pytest.approx(origin))
