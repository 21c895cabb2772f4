"""Comparison sheets: what is shown is a part of the very output, and only what it needs is read."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import made
from tests.pipeline_helpers import asked, planned, upsampled, whole
from tests.samples import SAMPLES
from upsample_cli.batch.job import Job
from upsample_cli.compare import crop
from upsample_cli.compare.crop import choose_window, crops
from upsample_cli.compare.region import Region
from upsample_cli.compare.run import Variant, compare, compare_jobs, parse_variants
from upsample_cli.compare.saliency import best_window
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.formats import npy, open_source
from upsample_cli.pipeline.mode import read_options
from upsample_cli.pipeline.plan import make_plan
from upsample_cli.preview.planes import plane_of

FOUR = parse_variants("nearest,linear,cubic,lanczos")


def sheet(name, tmp_path, modes="nearest,linear", region=None, **options):
    """The sheet of a file, and the result."""
    path = name if isinstance(name, Path) else SAMPLES / name
    job = Job(path, tmp_path / "sheet.png", asked(**({} if "size" in options else {"scale": 2}) | options))
    result = compare(job, parse_variants(modes), region and Region.parse(region))
    with Image.open(tmp_path / "sheet.png") as page:
        return page.copy(), result


def panels(page):
    """The pictures on a sheet: what lies between its thin lines."""
    grey = np.asarray(page.convert("RGB")).astype(int)
    line = np.pad((grey == (0xDC, 0xE0, 0xE8)).all(axis=-1), 1)
    inner = line[1:-1, 1:-1]
    corners = inner & line[1:-1, 2:] & line[2:, 1:-1] & ~line[:-2, 1:-1] & ~line[1:-1, :-2]
    found = []
    for y, x in np.argwhere(corners):
        width, height = int(np.argmin(inner[y, x:])), int(np.argmin(inner[y:, x]))
        if min(width, height) > 8:
            found.append(np.asarray(page)[y + 1 : y + height - 1, x + 1 : x + width - 1])
    return found


EXCERPTS = {  # by what is special: an example, a region of it, and what is asked for
    "2-D": ("npy-2-D", "x=2:6,y=1:5", {"scale": 2.5}),
    "3-D": ("npy-3-D", "z=2,x=1:5,y=2:5", {"scale": 1.7}),
    "4-D": ("npy-4-D", "c=1,y=1:3,x=1:4,z=1", {"scale": "x=3,y=2"}),
    "fortran": ("npy-fortran-4-D", "c=1,y=1:3,x=1:4,z=1", {"scale": 2}),
    "smaller": ("tiff-stack-uint16", "z=1,x=5:25,y=8:20", {"scale": 0.4}),
    "gzip": ("nifti-gz-5-D", "x=1:4,z=0:2,y=1", {"scale": 2}),
    "strips": ("tiff-strips-lzw", "5,8,20,12", {"size": "77x59x3"}),
}
CASES = [(which, mode) for which in EXCERPTS for mode in ("nearest", "linear", "cubic", "lanczos", "area")]
CASES += [(which, "label") for which in ("smaller", "gzip", "strips")]  # whose samples are integers


@pytest.mark.parametrize(("which", "mode"), CASES)
def test_an_excerpt_is_a_part_of_the_output(which, mode, tmp_path):
    name, region, options = EXCERPTS[which]
    path = made(tmp_path, name)
    request = asked(mode=mode, **options)
    output = path.with_name(f"out-{path.name}")
    upsampled(path, output, mode=mode, **options)
    everything = whole(output)
    with open_source(path, read_options(request)) as source:
        resizing = make_plan(request, source, path, output.with_suffix(".npy")).first
        window = choose_window(source, resizing, Region.parse(region), path)
        (found,) = crops(source, [resizing], window)
    grid = resizing.after.grid
    centres = [centre(step, part) for step, part in zip(resizing.axes, window.ranges, strict=True)]
    shown = {window.plane.columns, window.plane.rows}
    index = tuple(
        part if axis.name in shown else part[len(part) // 2 :][:1]
        for axis, part in zip(grid.axes, centres, strict=True)
    )
    expected = window.plane.of(everything[np.ix_(*index)], grid)
    np.testing.assert_array_equal(found.output, expected)
    assert found.output.size > 4


def centre(step, samples):
    """The outputs whose centres lie within the extent of some samples, found one by one."""
    if step.matrix is None:
        return list(samples)
    at = [step.map.a * number + step.map.b for number in range(step.map.out_size)]
    inside = [number for number, x in enumerate(at) if samples.start - 0.5 <= x < samples.stop - 0.5]
    return inside or [min(range(len(at)), key=lambda number: abs(at[number] - samples.start))]


def test_a_sheet_shows_the_output_of_each_mode(tmp_path):
    page, result = sheet("cat_rotated.jpg", tmp_path, "nearest,linear,cubic,lanczos", "50,40,40,30", scale=4)
    shown = panels(page)
    assert [panel.shape for panel in shown] == [(240, 320, 3)] * 4
    for variant, panel in zip(FOUR, shown, strict=True):
        upsampled(SAMPLES / "cat_rotated.jpg", tmp_path / "whole.png", scale=4, mode=variant.mode)
        expected = np.asarray(Image.open(tmp_path / "whole.png"))[160:280, 200:360]
        np.testing.assert_array_equal(panel, expected.repeat(2, axis=0).repeat(2, axis=1))
    assert (result.status, result.mode) == ("done", "nearest, linear, cubic, lanczos")
    assert result.bytes == (tmp_path / "sheet.png").stat().st_size


def test_a_slice_has_the_shape_that_it_has_in_the_world(tmp_path):
    page, _ = sheet("brain.nii.gz", tmp_path, "linear", "y=28,x=0:48,z=0:32", scale="z=4")
    (panel,) = panels(page)
    assert panel.shape[1] / panel.shape[0] == pytest.approx(48 * 3.5 / (32 * 5.5), rel=0.01)


def test_a_volume_is_cut_across_the_axis_that_grows_least():
    for scale, lying in (("2", "z"), ("z=4", "y"), ("z=4,y=2,x=3", "y"), ("x=3", "z"), ("x=3,z=1.5", "y")):
        plan = planned(SAMPLES / "brain.nii.gz", scale=scale)
        with open_source(SAMPLES / "brain.nii.gz", read_options(plan.request)) as source:
            window = choose_window(source, plan.first, None, SAMPLES / "brain.nii.gz")
        assert {window.plane.columns, window.plane.rows} == set("xyz") - {lying}, scale


def test_a_patient_is_upright():
    grid = planned(SAMPLES / "brain.nii.gz", scale=2).first.before.grid
    codes = nib.aff2axcodes(nib.load(SAMPLES / "brain.nii.gz").affine)
    for one, other in ("xy", "xz", "yz"):
        plane = plane_of(grid, one, other)
        across, up = codes["xyz".index(plane.columns)], codes["xyz".index(plane.rows)]
        assert (plane.columns in plane.mirrored) == (across in "LP")  # right, or in a sagittal plane front, is right
        assert (plane.rows in plane.mirrored) == (up in "AS")


def test_labels_that_were_not_there_stand_out(tmp_path):
    page, _ = sheet("labels.nii.gz", tmp_path, "nearest,linear,label", scale=3)
    counts = [len(np.unique(panel.reshape(-1, 3), axis=0)) for panel in panels(page)]
    assert counts[0] == counts[2] < counts[1]


def test_only_the_panel_of_mode_label_shows_unmarked_files_in_colours(tmp_path):
    page, _ = sheet("brain.nii.gz", tmp_path, "nearest,linear,label", scale=2)
    is_grey = [bool((panel == panel[..., :1]).all()) for panel in panels(page)]
    assert is_grey == [True, True, False]


def test_transparency_shows_squares(tmp_path):
    page, _ = sheet("icon.png", tmp_path, "linear", "0,0,8,8")
    (panel,) = panels(page)
    assert {tuple(colour) for colour in panel[:8, :16].reshape(-1, 3)} == {(0xF4, 0xF5, 0xF8), (0xD5, 0xD9, 0xE2)}


def test_the_region_that_is_found_has_the_detail():
    rng = np.random.default_rng(0)
    grey = np.full((300, 400), 128, np.uint8)
    grey[200:240, 300:350] = rng.integers(0, 2, (40, 50)) * 255
    grey[::2] += 1  # as grainy everywhere
    row, column = best_window(lambda start, stop: grey[start:stop], grey.shape, (40, 50))
    assert row == 200
    assert abs(column - 300) <= 50 / 4  # the steps in which it is looked for


@pytest.mark.parametrize("dtype", ["float32", "complex64", "int64", "bool"])
def test_detail_is_found_in_every_type(dtype):
    rows = np.zeros((64, 64, 1), dtype)
    rows[40:48:2, 8:16:2] = 1
    if dtype == "float32":
        rows[:8], rows[8] = np.nan, np.inf  # about which nothing is known
    row, column = best_window(lambda start, stop: rows[start:stop], (64, 64), (16, 16))
    assert row <= 40 <= row + 16
    assert column <= 8 <= column + 16


def test_labels_differ_or_they_do_not():
    labels = np.zeros((40, 80), np.uint16)
    labels[:, :40] = 1000 * (np.arange(40) // 20)  # two large numbers, one border
    labels[::2, 60:70] = 1
    assert best_window(lambda start, stop: labels[start:stop], labels.shape, (40, 20), labels=True)[1] >= 50


def test_of_a_large_file_only_the_region_is_read(tmp_path, monkeypatch):
    path = tmp_path / "large.npy"
    shape = (40_000, 50_000)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + math.prod(shape))  # a hole, which takes no room
    read = []
    monkeypatch.setattr(npy.NpySource, "read", counted(npy.NpySource.read, read))
    page, result = sheet(path, tmp_path, "nearest,linear,cubic,lanczos", "30000,20000,40,30", scale=4)
    assert len(panels(page)) == 4
    assert sum(read) < 50
    assert result.after.grid.shape == (160_000, 200_000)


def test_a_slice_along_the_slowest_axis_holds_no_more_than_the_slice(tmp_path, monkeypatch):
    monkeypatch.setattr(crop, "_READ_BYTES", 10_000)
    volume = np.arange(60 * 50 * 40, dtype=np.int32).reshape(60, 50, 40)
    np.save(tmp_path / "in.npy", volume)
    read = []
    monkeypatch.setattr(npy.NpySource, "read", counted(npy.NpySource.read, read))
    plan = planned(tmp_path / "in.npy", scale="z=2")
    with open_source(tmp_path / "in.npy", read_options(plan.request)) as source:
        window = choose_window(source, plan.first, Region.parse("y=7,x=0:40,z=0:60"), tmp_path / "in.npy")
        (found,) = crops(source, [plan.first], window)
    assert max(read) * 50 * 40 * 4 <= 10_000
    np.testing.assert_array_equal(found.input, volume[:, 7])
    assert found.output.shape == (120, 40)


def counted(read, counts):
    """The method `read` of a source, which also notes how many rows it is asked for."""

    def method(self, axis, start, stop):
        counts.append(stop - start)
        return read(self, axis, start, stop)

    return method


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,30,40", {"x": range(1, 31), "y": range(2, 42)}),
        (" x = 3 : 9 , z=5", {"x": range(3, 9), "z": range(5, 6)}),
        ("t=0", {"t": range(0, 1)}),
    ],
)
def test_regions_as_users_write_them(text, expected):
    assert Region.parse(text).ranges == expected


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,0,4", "x=3:3", "x=1,x=2", "x", "x=-1:4", "x=1:b", "xy=1:3", "1,2,3,4,5"]
)
def test_what_is_no_region_is_refused_by_name(text):
    with pytest.raises(RequestError, match=r"--region.*write X,Y,W,H"):
        Region.parse(text)


@pytest.mark.parametrize(
    ("name", "region", "kind", "message"),
    [
        ("cat.jpg", "400,10,60,20", RequestError, "axis x has 451 samples"),
        ("cat.jpg", "z=3", RequestError, "no axis 'z'; the axes are y, x, s"),
        ("cat.jpg", "x=3", InputError, "fewer than two axes to show"),
        ("signal.npy", None, InputError, "fewer than two axes to show"),
        ("cat.jpg", "s=0", RequestError, "no axis 's'"),
    ],
    ids=["beyond", "no-axis", "a-column", "a-line", "colours"],
)
def test_what_cannot_be_shown_is_refused(name, region, kind, message, tmp_path):
    with pytest.raises(kind, match=message) as caught:
        sheet(name, tmp_path, region=region)
    assert caught.value.path == SAMPLES / name
    assert not list(tmp_path.iterdir())


def test_variants_as_users_write_them():
    assert parse_variants("nearest, linear+antialias ,cubic+align-corners+antialias") == (
        Variant("nearest", "nearest"),
        Variant("linear+antialias", "linear", antialias=True),
        Variant("cubic+align-corners+antialias", "cubic", antialias=True, align_corners=True),
    )


@pytest.mark.parametrize("text", ["", "linear,", "sharp", "linear+sharp", "linear nearest"])
def test_what_is_no_variant_is_refused(text):
    with pytest.raises(RequestError, match=r"--compare .*: unknown mode '.*'; choose from linear, "):
        parse_variants(text)


def test_what_is_asked_of_all_counts_for_those_that_know_it():
    request = asked(scale=2, antialias=True, align_corners=True)
    modes = parse_variants("nearest,linear,area,lanczos,label")
    found = {variant.mode: variant.request(request) for variant in modes}
    assert {mode: wanted.antialias for mode, wanted in found.items()} == {
        "nearest": False,
        "linear": True,
        "area": False,
        "lanczos": True,
        "label": True,
    }
    assert not found["nearest"].align_corners
    assert found["linear"].align_corners


def test_a_variant_that_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(RequestError, match="'nearest' has no antialiasing"):
        sheet("cat.jpg", tmp_path, "nearest+antialias")


def test_a_region_that_is_too_large_to_be_shown_is_refused(tmp_path):
    np.save(tmp_path / "in.npy", np.zeros((3000, 3000), np.uint8))
    with pytest.raises(RequestError, match="would fill 9000 x 9000 pixels; choose a smaller one"):
        sheet(tmp_path / "in.npy", tmp_path, region="0,0,3000,3000", scale=3)


def test_sheets_are_respected(tmp_path):
    sheet("cat.jpg", tmp_path)
    before = (tmp_path / "sheet.png").read_bytes()
    with pytest.raises(OutputError, match="exists; --overwrite replaces it"):
        sheet("cat.jpg", tmp_path, "cubic")
    assert (tmp_path / "sheet.png").read_bytes() == before
    job = Job(SAMPLES / "cat.jpg", tmp_path / "sheet.png", asked(scale=2))
    assert compare(job, parse_variants("cubic"), overwrite=True).status == "done"
    assert (tmp_path / "sheet.png").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_the_command_writes_it_beside_the_input(tmp_path):
    shutil.copy(SAMPLES / "icon.png", tmp_path)
    command = [sys.executable, "-m", "upsample_cli", "icon.png", "--scale", "2", "--compare", "nearest,linear"]
    ended = subprocess.run([*command, "--region", "8,8,20,16", "-q"], cwd=tmp_path, capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")
    with Image.open(tmp_path / "icon_comparison.png") as page:
        assert [panel.shape for panel in panels(page)] == [(256, 320, 3)] * 2


def test_long_names_are_shortened(tmp_path):
    long = tmp_path / f"{'long' * 60}\n.png"
    long.write_bytes((SAMPLES / "icon.png").read_bytes())
    page, _ = sheet(long, tmp_path)
    assert page.width < 1000


def test_the_same_sheet_has_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sheet("brain.nii.gz", tmp_path / name)
    assert (tmp_path / "one/sheet.png").read_bytes() == (tmp_path / "two/sheet.png").read_bytes()


def test_a_bad_file_stops_no_other(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    odd = tmp_path / os.fsdecode(b"odd\xff\n.png")
    odd.write_bytes((SAMPLES / "icon.png").read_bytes())
    paths = [tmp_path / "bad.png", SAMPLES / "cat.jpg", tmp_path / "none.png", odd]
    jobs = [Job(path, tmp_path / f"{number}.png", asked(scale=2)) for number, path in enumerate(paths)]
    jobs.append(Job(SAMPLES / "cat.jpg", tmp_path / "4.png", asked(scale=2), skip="exists"))
    results = list(compare_jobs(jobs, FOUR))
    assert [result.status for result in results] == ["failed", "done", "failed", "done", "skipped"]
    assert [result.number for result in results] == [0, 1, 2, 3, 4]
    assert [result.error.exit_code for result in results if result.error] == [3, 3]
    assert results[4].reason == "exists"


@pytest.mark.parametrize("kind", ["uint16", "float32", "complex64", "bool"])
def test_samples_of_every_type_are_shown(kind, tmp_path):
    values = np.linspace(0, 60, 48 * 64).reshape(48, 64)
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, (values > 30) if kind == "bool" else values.astype(kind), photometric="minisblack")
    page, _ = sheet(path, tmp_path, "linear", "0,0,64,48")
    (panel,) = panels(page)
    assert panel.min() < 10
    assert panel.max() > 245


def test_samples_that_are_shown_very_high_are_refused(tmp_path):
    path = tmp_path / "in.png"
    Image.fromarray(np.zeros((300, 450), np.uint8)).save(path, dpi=(72, 72))  # so that samples have a shape
    request = asked(size="2000000x2")
    with pytest.raises(RequestError, match=r"--region: it would fill \d+ x \d+ pixels"):
        compare(Job(path, tmp_path / "out.png", request), parse_variants("linear,cubic"))
