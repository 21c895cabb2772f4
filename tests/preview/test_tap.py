import io
import pickle

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.formats.examples import EXAMPLES, made
from tests.pipeline_helpers import asked
from upsample_cli import formats
from upsample_cli.formats.base import Header
from upsample_cli.formats.volume import parallel_gzip
from upsample_cli.geometry import Axis, Grid
from upsample_cli.pipeline import array_plan
from upsample_cli.pipeline.mode import read_options
from upsample_cli.pipeline.plan import make_plan
from upsample_cli.pipeline.run import run_plan
from upsample_cli.preview import tap
from upsample_cli.preview.appearance import Appearance, display_window, label_colours
from upsample_cli.preview.tap import PreviewTap
from upsample_cli.verify.check import verify

SHOWN = [example for example in EXAMPLES if example.id != "npy-axes-t-C"]  # which has no axis that is resized
SIDES = ("before", "after")


def watched(path, output=None, **options):
    """What is seen of `path` while it is resized."""
    request = asked(**({"scale": 2} if "size" not in options else {}) | options)
    output = output or path.with_name(f"out-{path.name}")
    with formats.open_source(path, read_options(request)) as source:
        plan = make_plan(request, source, path, output)
        tap = PreviewTap(plan)
        run_plan(plan, source, overwrite=True, tap=tap, check=verify if request.verify else None)
        return tap.thumbnails()


def picture(view):
    return Image.open(io.BytesIO(view.webp))


def pixels(view):
    return np.asarray(picture(view)).astype(int)


def saved(path, array):
    np.save(path, array)
    return path


def volume(path, data, affine):
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def pyramids(path):
    """Two images with a smaller version each."""
    with tifffile.TiffWriter(path) as writer:
        for number in (1, 2):
            picture = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) * number
            writer.write(picture, subifds=1, photometric="minisblack", metadata=None)
            writer.write(picture[::2, ::2], subfiletype=1, photometric="minisblack", metadata=None)
    return path


@pytest.mark.parametrize("example", SHOWN, ids=[example.id for example in SHOWN])
def test_every_kind_of_file_is_seen_before_and_after(example, tmp_path):
    path = made(tmp_path, example.id)
    found = watched(path, axes=example.options.axes)
    assert len(found.before) == len(found.after) in (1, 3)
    for view in (*found.before, *found.after):
        image = picture(view)
        assert (image.format, image.width) == ("WEBP", view.pixels)
        assert np.asarray(image.convert("L")).std() > 2  # noise, and no empty plane
    for views in (found.before, found.after):
        assert sum(len(view.webp) for view in views) <= 10_000
        assert sum(view.width for view in views) <= 312


@pytest.mark.parametrize("name", ["png-RGB", "png-RGBA", "tiff-stack-uint16", "nifti-gz-5-D", "npy-2-D", "pyramids"])
def test_to_be_watched_changes_no_output(name, tmp_path):
    path = pyramids(tmp_path / "in.tif") if name == "pyramids" else made(tmp_path, name)
    plain, seen = path.with_name(f"plain-{path.name}"), path.with_name(f"seen-{path.name}")
    request = asked(scale=2)
    with formats.open_source(path, read_options(request)) as source:
        run_plan(make_plan(request, source, path, plain), source)
    watched(path, seen, verify=True)  # which looks for the sources of the plan
    assert seen.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_small_pictures_are_shown_as_they_are(mode, tmp_path):
    rng = np.random.default_rng(1)
    source = Image.fromarray(rng.integers(0, 256, (20, 30, 4), np.uint8)).convert(mode)
    source.save(tmp_path / "in.png")
    found = watched(tmp_path / "in.png")
    for view, file in zip((*found.before, *found.after), ("in.png", "out-in.png"), strict=True):
        expected = np.asarray(Image.open(tmp_path / file).convert("RGBA" if mode == "RGBA" else "RGB"))
        shown = np.asarray(picture(view).convert("RGBA" if mode == "RGBA" else "RGB"))
        seen = expected[..., -1] > 0 if mode == "RGBA" else ...  # WebP forgets colours that cannot be seen
        np.testing.assert_array_equal(shown[seen], expected[seen])


def test_large_pictures_are_averaged_and_not_picked(tmp_path):
    stripes = np.zeros((400, 1600), np.uint8)
    stripes[:, ::2] = 200  # finer than a thumbnail: a mean of 100, where picked samples would be 0 or 200
    Image.fromarray(stripes).save(tmp_path / "in.png")
    (view,) = watched(tmp_path / "in.png", scale=1).before
    assert abs(pixels(view).mean() - 100) < 15
    assert pixels(view).std() < 80  # 100 where one is picked


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SLA", "IPL"])
def test_people_stand_upright_however_their_volumes_are_stored(codes, tmp_path):
    z, y, x = np.mgrid[:18, :20, :16]
    head = (10 * x + 3 * y * y + z * z * z % 977).transpose(2, 1, 0).astype(np.int16)
    upright = nib.Nifti1Image(head, np.diag([2.0, 3.0, 4.0, 1]))
    stored = upright.as_reoriented(
        nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes))
    )
    nib.save(stored, tmp_path / "in.nii")
    found = watched(tmp_path / "in.nii")
    low, high = display_window([head])
    middles = {"axial": head[:, :, 9], "coronal": head[:, 10, :], "sagittal": head[8, :, :]}
    if codes != "RAS":  # backwards along an axis of even size the middle is the sample before
        canonical = np.asarray(nib.as_closest_canonical(stored).dataobj)
        np.testing.assert_array_equal(canonical, head)
    for view in found.before:
        expected = middles[view.name].T[::-1]  # anterior or superior first, left first
        ratio = (expected.shape[1] * spacing(view.name, 0)) / (expected.shape[0] * spacing(view.name, 1))
        assert view.width / view.height == pytest.approx(ratio, rel=0.03)
        shown = np.asarray(picture(view).convert("L")).astype(float)
        wanted = 255 * np.clip((expected - low) / (high - low), 0, 1)
        assert shown.shape == wanted.shape
        assert np.corrcoef(shown.ravel(), wanted.ravel())[0, 1] > 0.97
    assert [view.name for view in found.before] == ["axial", "coronal", "sagittal"]


def spacing(name, side):
    return {"axial": (2, 3), "coronal": (2, 4), "sagittal": (3, 4)}[name][side]


def test_thin_stacks_are_shown_by_their_middle(tmp_path):
    stack = np.zeros((5, 40, 50), np.uint8)
    stack[2, 10:30, 10:40] = 255
    tifffile.imwrite(tmp_path / "in.tif", stack, photometric="minisblack")
    (view,) = watched(tmp_path / "in.tif", scale="y=2,x=2").before
    assert view.name == ""
    assert pixels(view)[20, 25].min() > 250


def test_time_is_shown_by_its_middle_and_channels_by_their_first(tmp_path):
    series = np.zeros((3, 2, 30, 40), np.uint8)
    series[1, 0] = np.linspace(0, 255, 40)
    path = saved(tmp_path / "in.npy", series)
    (view,) = watched(path, axes="tcyx").before
    assert pixels(view)[15].mean(axis=-1).tolist() == pytest.approx(series[1, 0, 15].tolist(), abs=1)


def test_a_line_is_drawn_as_a_curve(tmp_path):
    path = saved(tmp_path / "in.npy", np.array([0.0, 1.0, np.nan, 0.0, np.inf, 1.0]))
    found = watched(path)
    for view in (*found.before, *found.after):
        ink = np.asarray(picture(view))[..., 3]
        assert 0.001 < (ink > 128).mean() < 0.2
    columns = (np.asarray(picture(found.before[0]))[..., 3] > 128).any(axis=0)
    assert not columns[int(len(columns) * 0.46) : int(len(columns) * 0.5)].any()  # nothing where nothing is known


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([[0, 128, 255]], np.uint8), [[0, 128, 255]]),
        (np.array([[False, True]]), [[0, 255]]),
        (np.array([[1000, 2000, 3000]], np.uint16), [[0, 128, 255]]),
        (np.array([[-1.0, 0.0, 1.0]], np.float32), [[0, 128, 255]]),
        (np.array([[3 + 4j, 0, 2.5j]]), [[255, 0, 128]]),
        (np.array([[-np.inf, 0.0, 1.0, np.inf]]), [[0, 0, 255, 255]]),
        (np.array([[7, 7, 7]], np.int16), [[128, 128, 128]]),
        (np.array([[2**63 - 1, 0]], np.int64), [[255, 0]]),
    ],
    ids=["uint8", "bool", "uint16", "float", "complex", "infinite", "constant", "wide"],
)
def test_levels_of_every_type(samples, expected):
    appearance = Appearance.of(
        Header(Grid((Axis("y", 1), Axis("x", samples.shape[1]))), samples.dtype), [samples], labels=False
    )
    np.testing.assert_allclose(appearance.levels(samples), expected, atol=2)  # the extremes may lose a little contrast


def test_what_is_not_a_number_is_transparent():
    samples = np.array([[np.nan, 0.0, 1.0]])
    image = Appearance.of(Header(Grid((Axis("y", 1), Axis("x", 3))), samples.dtype), [samples], labels=False).image(
        samples
    )
    assert np.asarray(image)[0, :, 3].tolist() == [0, 255, 255]


def test_white_may_be_zero(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", np.eye(20, dtype=np.uint8) * 255, photometric="miniswhite")
    (view,) = watched(tmp_path / "in.tif").before
    assert pixels(view)[3, 3].max() < 20
    assert pixels(view)[3, 10].min() > 235


def test_neighbouring_labels_have_colours_that_differ():
    colours = label_colours(np.arange(200).reshape(10, 20)).reshape(-1, 3).astype(int)
    assert colours[0].tolist() == [0, 0, 0]
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 60
    assert len(np.unique(colours, axis=0)) > 150


def test_a_label_has_the_same_colour_whichever_others_there_are():
    alone, together = label_colours(np.array([[24]])), label_colours(np.array([[9, 24, 165]]))
    assert alone[0, 0].tolist() == together[0, 1].tolist()


def test_labels_keep_their_colours_through_mode_label(tmp_path):
    regions = np.zeros((20, 20), np.uint8)
    regions[5:15, 5:15] = 24
    path = saved(tmp_path / "in.npy", regions)
    found = watched(path, mode="label")
    assert pixels(found.before[0])[10, 10].tolist() == pixels(found.after[0])[20, 20].tolist()
    assert np.ptp(pixels(found.before[0])[10, 10]) > 50  # a colour, and no grey


def test_before_and_after_share_their_contrast(tmp_path):
    path = saved(tmp_path / "in.npy", np.linspace(0, 1000, 900).reshape(30, 30))
    found = watched(path, size="30x15", mode="nearest")
    assert pixels(found.before[0])[0, 0].tolist() == pixels(found.after[0])[0, 0].tolist()
    assert pixels(found.before[0])[14, 29].tolist() == pixels(found.after[0])[7, 29].tolist()


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_lines_that_a_reduction_leaves_out_are_not_black(suffix, tmp_path):
    path = tmp_path / f"in{suffix}"
    grey = np.full((600, 400), 200, np.uint8)
    Image.fromarray(grey).save(path) if suffix == ".png" else np.save(path, grey)
    (view,) = watched(path, size="4x4", mode="nearest").before
    assert pixels(view).min() > 190


def test_a_compressed_volume_is_decompressed_once(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        parallel_gzip, "open_stream", lambda path, _open=parallel_gzip.open_stream: opened.append(path) or _open(path)
    )
    rng = np.random.default_rng(0)
    path = volume(tmp_path / "in.nii.gz", rng.integers(0, 99, (20, 20, 20), np.int16), np.eye(4))
    found = watched(path)
    assert len(found.before) == len(found.after) == 3
    assert len(opened) == 1


def test_noise_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (500, 800, 4), np.uint8)).save(tmp_path / "in.png")
    found = watched(tmp_path / "in.png", scale=1)
    assert all(len(view.webp) <= 10_000 for view in (*found.before, *found.after))


@pytest.mark.parametrize("slab_bytes", [1, 10_000, 1_000_000])
def test_slabs_and_threads_change_nothing(slab_bytes, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    path = saved(tmp_path / "in.npy", rng.integers(0, 99, (20, 30, 40), np.int16))
    once = watched(path, scale=1.5)
    monkeypatch.setattr(array_plan, "_SLAB_BYTES", slab_bytes)
    assert watched(path, scale=1.5, threads=1) == once


@pytest.mark.parametrize("part", ["planes_of", "views_of", "Appearance"])
def test_no_file_fails_for_its_picture(part, tmp_path, monkeypatch):
    def fail(*arguments):
        raise ValueError

    monkeypatch.setattr(tap, part, fail)
    path = saved(tmp_path / "in.npy", np.ones((20, 30)))
    assert watched(path) == tap.Thumbnails()
    assert np.load(tmp_path / "out-in.npy").shape == (40, 60)


def test_samples_that_cannot_be_copied_fail_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tap.np, "ravel_multi_index", None)
    path = saved(tmp_path / "in.npy", np.ones((20, 30)))
    assert watched(path) == tap.Thumbnails()
    assert np.load(tmp_path / "out-in.npy").shape == (40, 60)


def test_thumbnails_cross_the_borders_of_processes(tmp_path):
    found = watched(saved(tmp_path / "in.npy", np.ones((20, 30))))
    assert pickle.loads(pickle.dumps(found)) == found
