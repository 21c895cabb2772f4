"""Inputs and options to jobs: without Click and without opening files, so that names and refusals show."""

import io
import os
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli_helpers import listing
from upsample_cli.batch.existing import Existing
from upsample_cli.batch.inputs import Selection
from upsample_cli.batch.job import Job
from upsample_cli.batch.make import make_batch
from upsample_cli.batch.naming import Template
from upsample_cli.errors import InputError, OutputError, RequestError
from upsample_cli.pipeline.request import PerAxis, Request

TWICE = Request(scale=PerAxis.parse("2", "--scale"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(*names, shape=(3, 4)):
    for number, name in enumerate(names):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        with Path(name).open("wb") as file:
            np.save(file, np.full(shape, number, np.uint8))
    return names


def make_jobs(inputs, output=None, *, existing="refuse", request=TWICE, **selection):
    chosen = Selection(inputs, **selection)
    return make_batch(chosen, Template(output, several=chosen.several), [request], existing=Existing(existing)).jobs


def outputs(inputs, output=None, **settings):
    return [str(job.output) for job in make_jobs(inputs, output, **settings)]


# --- names ---


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("a.png", "a_upsampled.png"),
        ("a.b.png", "a.b_upsampled.png"),
        ("a.nii.gz", "a_upsampled.nii.gz"),
        ("a.b.NII.GZ", "a.b_upsampled.NII.GZ"),
        ("a.ome.tif", "a_upsampled.ome.tif"),
        ("a.OME.TIFF", "a_upsampled.OME.TIFF"),
        ("a.ome.btf", "a_upsampled.ome.btf"),
        ("a.tar.gz", "a.tar_upsampled.gz"),
        ("dir.d/a.tif", "dir.d/a_upsampled.tif"),
        ("name", "name_upsampled"),
        ("dir.d/name", "dir.d/name_upsampled"),
        (".hidden", ".hidden_upsampled"),
        (".hidden.png", ".hidden_upsampled.png"),
        (".nii.gz", ".nii_upsampled.gz"),
        ("{stem}.png", "{stem}_upsampled.png"),
        ("%s %d.png", "%s %d_upsampled.png"),
        ("../a.png", "../a_upsampled.png"),
    ],
)
def test_default_names(name, output):
    assert outputs([name]) == [output]


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("out.png", "out.png"),
        ("folder", "folder/a.nii.gz"),
        ("folder/", "folder/a.nii.gz"),
        ("folder//", "folder/a.nii.gz"),
        ("folder/{stem}{ext}", "folder/a.nii.gz"),
        ("{parent}/{stem}.tif", "sub/a.tif"),
        ("{mode}_{stem}.nii", "linear_a.nii"),
        ("{stem:_<5}.nii", "a____.nii"),
        ("{{}}{stem}.nii", "{}a.nii"),
    ],
)
def test_output_is_a_file_a_directory_or_a_template(folder, output, name):
    (folder / "folder").mkdir()
    (folder / "sub").mkdir()
    assert outputs(["sub/a.nii.gz"], output) == [name]


def test_an_existing_directory_with_braces_in_its_name_is_a_directory(folder):
    """A closing brace alone is none of a template's; an opening one is, even if a directory has that name."""
    (folder / "a}b").mkdir()
    assert outputs(["x.png"], "a}b") == ["a}b/x.png"]


def test_an_existing_directory_with_an_opening_brace(folder):
    (folder / "{run}").mkdir()
    assert outputs(["x.png"], "{run}/") == ["{run}/x.png"]


def test_the_size_of_a_template_is_of_the_output():
    save("a.npy", "b.npy")
    save("c.npy", shape=(5, 3, 4))
    assert outputs(["a.npy", "c.npy"], "{stem}_{size}_{scale}.npy") == ["a_8x6_2.npy", "c_8x6x10_2.npy"]


def test_a_file_whose_size_a_template_cannot_ask_for_fails_alone(folder):
    save("a.npy")
    failed, fine = make_jobs(["none.npy", "a.npy"], "{size}.npy")
    assert str(failed.error) == "none.npy: does not exist"
    assert isinstance(failed.error, InputError)
    assert (fine.error, fine.output) == (None, Path("8x6.npy"))


# --- inputs ---


def test_patterns_are_expanded_in_the_order_of_their_names_and_each_file_once():
    save("b.npy", "a.npy", "c.txt", "sub/a.npy")
    jobs = make_jobs(["c.txt", "*.npy", "a.npy", "./b.npy"])
    assert [str(job.input) for job in jobs] == ["c.txt", "a.npy", "b.npy"]
    jobs = make_jobs(["**/*.npy"])
    assert [str(job.input) for job in jobs] == ["a.npy", "b.npy", "sub/a.npy"]


def test_a_pattern_may_be_absolute_and_its_matches_are(folder):
    save("b.npy", "a.npy")
    jobs = make_jobs([f"{folder}/[ab].npy"])
    assert [job.input for job in jobs] == [folder / "a.npy", folder / "b.npy"]


def test_hidden_files_are_not_matched():
    save("a.npy", ".b.npy", ".upsample-0123456789ab.tmp")
    assert [str(job.input) for job in make_jobs(["*"])] == ["a.npy"]


def test_a_missing_file_is_a_job_all_the_same():
    assert make_jobs(["none.npy"]) == [Job(Path("none.npy"), Path("none_upsampled.npy"), TWICE)]


# --- collisions ---


def test_nothing_is_planned_if_any_output_exists():
    save("a.npy", "b.npy", "b_upsampled.npy")
    with pytest.raises(OutputError, match=r"^b_upsampled\.npy: exists; --overwrite"):
        make_jobs(["a.npy", "b.npy"])


def test_existing_outputs_are_skipped_or_overwritten():
    save("a.npy", "b.npy", "b_upsampled.npy")
    assert [job.skip for job in make_jobs(["a.npy", "b.npy"], existing="skip")] == [None, "exists"]
    assert [job.skip for job in make_jobs(["a.npy", "b.npy"], existing="overwrite")] == [None, None]


@pytest.mark.parametrize("existing", ["refuse", "overwrite", "skip", "newer"])
def test_collisions_are_refused_whatever_may_be_overwritten(folder, existing):
    save("a/x.npy", "b/x.npy")
    (folder / "out").mkdir()
    with pytest.raises(RequestError, match=r"^out/x\.npy: would be written from both a/x\.npy and b/x\.npy"):
        make_jobs(["a/x.npy", "b/x.npy"], "out", existing=existing)
    (folder / "link").symlink_to("out")
    with pytest.raises(RequestError, match="would be written from both"):
        make_jobs(["a/x.npy", "b/x.npy"], "{parent}/../out/{stem}{ext}", existing=existing)


def test_an_output_that_is_another_input_is_refused():
    save("a.npy", "a_upsampled.npy")
    for inputs in (["a.npy", "a_upsampled.npy"], ["a_upsampled.npy", "a.npy"]):
        with pytest.raises(RequestError, match=r"^a_upsampled\.npy: "):
            make_jobs(inputs, existing="overwrite")


@pytest.mark.parametrize("ignores_case", [True, False])
def test_names_that_differ_in_case_alone_collide_where_they_are_one(monkeypatch, ignores_case):
    """The system is asked about the directory itself, whose other name is there or not."""
    lstat = os.lstat

    def either_case(path):
        return lstat(str(path).replace("OUT", "out") if ignores_case else path)

    save("a/x.npy", "b/X.npy")
    Path("out").mkdir()
    monkeypatch.setattr(os, "lstat", either_case)
    if not ignores_case:
        assert outputs(["a/x.npy", "b/X.npy"], "out") == ["out/x.npy", "out/X.npy"]
        return
    with pytest.raises(RequestError, match=r"^out/X\.npy: would be written from both a/x\.npy and b/X\.npy"):
        outputs(["a/x.npy", "b/X.npy"], "out")


def test_many_inputs_do_not_become_one_file():
    with pytest.raises(RequestError, match="3 inputs cannot be written to one file"):
        make_jobs(["a.npy", "b.npy", "c.npy"], "out.npy")


def test_planning_touches_nothing(folder):
    save("a.npy", "b.npy")
    before = listing(folder)
    make_jobs(["*.npy"], "{stem}_{size}.npy")
    assert listing(folder) == before


# --- values per axis ---

NUMBERS = st.floats(min_value=1e-6, max_value=1e6, allow_nan=False)


@given(st.lists(NUMBERS, min_size=1, max_size=4), st.sampled_from([",", ", ", " ", "x", "×"]))
def test_positional_values_are_read_back(values, separator):
    text = separator.join(np.format_float_positional(value, trim="-") for value in values)
    assert PerAxis.parse(text, "--scale").positional == tuple(values)
    assert PerAxis.parse(text, "--scale").named == {}


@given(st.dictionaries(st.sampled_from("xyztc"), NUMBERS, min_size=1), st.booleans())
def test_named_values_are_read_back(values, capitals):
    text = ",".join(f"{name.upper() if capitals else name}={value!r}" for name, value in values.items())
    parsed = PerAxis.parse(text, "--scale")
    assert dict(parsed.named) == values
    assert parsed.resolve(("x",), "tczyx", "--scale") == values


@given(st.text(max_size=12))
def test_any_other_text_is_refused_by_its_name(text):
    try:
        parsed = PerAxis.parse(text, "--size", whole=True)
    except RequestError as refusal:
        error = refusal
    else:
        values = [*parsed.positional, *parsed.named.values()]
        assert values
        assert all(value > 0 and value == int(value) for value in values)
        return
    assert str(error).startswith("--size")
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("2", {"x": 2, "y": 2, "z": 2}),
        ("1,2,3", {"x": 1, "y": 2, "z": 3}),
        ("z=3,x=1", {"x": 1, "z": 3}),
        ("t=4", {"t": 4}),
    ],
)
def test_values_meet_axes_in_the_order_x_y_z(text, axes):
    assert PerAxis.parse(text, "--scale").resolve(("x", "y", "z"), "tzyxs", "--scale") == axes


@pytest.mark.parametrize("text", ["1,2", "1,2,3,4", "c=2", "s=2"])
def test_values_that_meet_no_axes(text):
    with pytest.raises(RequestError, match=f"^--scale {text}: "):
        PerAxis.parse(text, "--scale").resolve(("x", "y", "z"), "tzyxs", "--scale")


def test_templates_name_the_mode_that_is_taken(folder):
    image = nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4))
    image.header.set_intent("label")
    nib.save(image, "labels.nii")
    (job,) = make_jobs(["labels.nii"], "{stem}_{mode}{ext}")
    assert job.output.name == "labels_nearest-exact.nii"


# --- many files ---


def test_names_are_made_without_opening_a_file(monkeypatch):
    """Nor do more files cost more than their share: each is looked at as often as any other."""
    calls = Counter()

    def counted(name):
        original = getattr(os, name)

        def call(*arguments, **settings):
            calls[name] += 1
            return original(*arguments, **settings)

        return call

    few, many = [f"few/{number}.npy" for number in range(50)], [f"many/{number}.npy" for number in range(100)]
    save(*few, *many)
    for name in ("stat", "lstat", "scandir"):
        monkeypatch.setattr(os, name, counted(name))
    for module in (io, os):
        monkeypatch.setattr(module, "open", lambda *_, **__: pytest.fail("a file is opened"))
    used = []
    for name, files in {"few": few, "many": many}.items():
        calls.clear()
        assert sorted(str(job.input) for job in make_jobs([name], recursive=True)) == sorted(files)
        used.append(calls.copy())
    assert used[1]["scandir"] == used[0]["scandir"] == 1
    assert used[1]["stat"] - used[0]["stat"] == 2 * 50
    assert used[1]["lstat"] - used[0]["lstat"] <= 50
